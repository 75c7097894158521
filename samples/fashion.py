"""Find clothes in photos: train, evaluate, detect.

    python samples/fashion.py train                       on drawn pictures, nothing to download
    python samples/fashion.py evaluate --weights last     AP, AP50 and AP75 of masks and boxes
    python samples/fashion.py detect --weights last --image photos/

    python samples/fashion.py train --images photos --train train.json --val val.json --weights imagenet
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]  # runs from a checkout without an installation too

# Keras is imported inside the commands: --help and usage errors answer at once.
from command_line import (  # noqa: E402
    STAGES_EXAMPLE,
    OneLineParser,
    UsageError,
    parse_setting,
    parse_stages,
    positive,
    probability,
    quiet_import,
    run_command,
)
from photos import PhotoDataset, check_output, list_photos, save_drawing  # noqa: E402

from mrcnn.config import Config  # noqa: E402
from mrcnn.data.formats.coco import CocoDataset  # noqa: E402
from mrcnn.data.images import DataError  # noqa: E402

# AP is the area under the whole precision-recall curve: a threshold for display, such as 0.7, would cut the curve off.
# Below 0.05 there is next to nothing left to gain (Detectron's threshold), only time to lose.
EVALUATION_MIN_CONFIDENCE = 0.05


# --- Configurations --------------------------------------------------------------------------------------------------


class FashionConfig(Config):
    """Photos of clothes."""

    NAME = "fashion"
    BACKBONE = "resnet50"
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 512
    STEPS_PER_EPOCH = None  # an epoch is every photo once
    VALIDATION_STEPS = None
    DETECTION_NMS_THRESHOLD = 0.5  # garments of one class overlap: two people side by side, a pair of shoes
    STAGES = STAGES_EXAMPLE  # --stages, in the settings so that a resumed run remembers them
    AUGMENT = "flip"  # --augment


DRAWN_PICTURES = {"train": (800, 0), "val": (100, 1)}  # (number, seed): no picture is in both
DRAWN_SIZE = (256, 192)  # height, width
DRAWN_SHOWN = 8  # how many of the latter `detect` draws unless told otherwise


class DrawnConfig(FashionConfig):
    """Drawn pictures: small enough to train from random weights within minutes on two CPU cores."""

    BACKBONE = "small"
    NORM = "group"  # trains from random weights
    IMAGES_PER_GPU = 4
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)  # shoes are 10 pixels wide, coats 80 high
    TOP_DOWN_PYRAMID_SIZE = 64
    RPN_CHANNELS = 64
    MASK_CHANNELS = 32  # the mask head is half of the work even so
    FPN_CLASSIF_FC_LAYERS_SIZE = 256
    TRAIN_ROIS_PER_IMAGE = 48
    ROI_POSITIVE_RATIO = 0.4
    MAX_GT_INSTANCES = 40
    PRE_NMS_PER_LEVEL_TRAINING = 500
    PRE_NMS_PER_LEVEL_INFERENCE = 300
    POST_NMS_ROIS_TRAINING = 300
    POST_NMS_ROIS_INFERENCE = 150
    WARMUP_STEPS = 50
    STAGES = "all:9:3e-2,all:3:5e-3,all:1:5e-4"


# --- Data ------------------------------------------------------------------------------------------------------------


class FashionDataset(CocoDataset):
    """Photos with annotated clothes."""

    def load(self, annotations, images, limit=None):
        """Read annotations and register their photos.

        annotations: path of a COCO annotation file
        images: folder of the photos
        limit: take the first so many photos
        """
        self.load_coco(annotations, images, limit=limit)
        return self


def drawn_pictures(subset, limit=None):
    """The drawn training ("train") or validation ("val") pictures, prepared."""
    from mrcnn.data.drawn import DrawnPeople

    count, seed = DRAWN_PICTURES[subset]
    dataset = DrawnPeople()
    dataset.load_drawn(count if limit is None else min(count, limit), size=DRAWN_SIZE, seed=seed)
    dataset.prepare()
    return dataset


def annotated_photos(annotations, images, limit=None):
    """A prepared FashionDataset of one annotation file."""
    dataset = FashionDataset().load(annotations, images, limit)
    dataset.prepare()
    return dataset


def check_classes(checkpoint, dataset, whose):
    """Raise DataError unless a checkpoint knows the dataset's classes, in their order.

    checkpoint: path; whose: what the dataset is, for the message
    """
    from mrcnn.training.weights import read_attributes

    ours, theirs = dataset.class_names[1:], read_attributes(checkpoint)["class_names"]
    if theirs is not None and theirs[1:] != ours:
        raise DataError(
            f"{checkpoint} was trained on the classes {', '.join(theirs[1:])}, but those of {whose} are "
            f"{', '.join(ours)}: give --images and annotations with the classes of the checkpoint."
        )


# --- Settings from the command line ----------------------------------------------------------------------------------


def overrides_of(options):
    """{setting: value} that the options of a command ask for; those of --set come last and win.

    Raises UsageError for a size that the pyramid cannot halve and for text where a number belongs.
    """
    overrides = {}
    size = getattr(options, "image_size", None)
    if size is not None:
        nearest = max(64, round(size / 64) * 64)
        if size != nearest:
            raise UsageError(f"--image-size {size}: it must divide by 64; the nearest size is {nearest}.")
        overrides["IMAGE_MIN_DIM"] = overrides["IMAGE_MAX_DIM"] = size
        if getattr(options, "weights", None) != "coco":  # whose proposals are learned for anchors of 32 to 512 pixels
            # Objects shrink with the photo, and so do the boxes that they are sought from: 32 to 512 pixels at 512.
            overrides["RPN_ANCHOR_SCALES"] = tuple(size // 16 * 2**level for level in range(5))
    for option, name in (("backbone", "BACKBONE"), ("seed", "SEED"), ("stages", "STAGES"), ("augment", "AUGMENT"),
                         ("min_confidence", "DETECTION_MIN_CONFIDENCE"), ("batch_size", "BATCH_SIZE")):
        if getattr(options, option, None) is not None:
            overrides[name] = getattr(options, option)
    for name, value in map(parse_setting, options.set):
        default = getattr(FashionConfig, name, None)
        if isinstance(default, (int, float)) and not isinstance(value, (int, float, type(None))):
            raise UsageError(f"--set {name}={value}: {name} takes a value such as {default}.")
        overrides[name] = value
    FashionConfig(**overrides)  # unknown names show before anything is built
    parse_stages(overrides.get("STAGES", FashionConfig.STAGES))
    return overrides


def new_config(options, overrides, dataset):
    """The settings of a new run, from the least to the most particular: the program's, the weights', the options'.

    Raises UsageError if NUM_CLASSES was set to what the data contradicts.
    """
    base = FashionConfig if options.train else DrawnConfig
    config = base()
    if options.weights == "none":
        config.NORM = "group"  # frozen batch normalisation is of use only with the statistics of trained weights
    elif options.weights == "coco":
        config.set(BACKBONE="resnet101", RPN_CHANNELS=512, NORM="batch")  # the network that the file is of
    elif options.weights == "imagenet":
        config.NORM = "batch"  # as the classifiers have it
    else:
        from mrcnn.training.weights import read_attributes

        # Weights of ours fit the network that they were trained in, so its settings come with them.
        written = read_attributes(options.weights)["config"] or {}
        config = base.from_dict({**written, "STAGES": base.STAGES, "AUGMENT": base.AUGMENT})
    config.NUM_CLASSES = dataset.num_classes
    config.set(**overrides)
    if options.weights == "none" and "TRAIN_BN" not in overrides:
        # Batch normalisation inside a backbone of keras.applications has no statistics to be frozen at yet.
        config.TRAIN_BN = config.BACKBONE not in ("resnet50", "resnet101", "resnet152", "small")
    if config.NUM_CLASSES != dataset.num_classes:
        raise UsageError(
            f"--set NUM_CLASSES={config.NUM_CLASSES}: the data has {dataset.num_classes} classes with the background; "
            "leave the setting out, it follows the data."
        )
    return config


def augmentation_of(name):
    """The augmentation that --augment names."""
    if name == "none":
        return None
    if name == "flip":
        from mrcnn.data.augmentation import horizontal_flip

        return horizontal_flip(0.5)
    if name == "imgaug":
        import mrcnn.data.augmentation  # noqa: F401, I001  puts back what imgaug misses in numpy 2
        from imgaug import augmenters

        return augmenters.Sequential([
            augmenters.Fliplr(0.5),
            augmenters.Sometimes(0.5, augmenters.Affine(scale=(0.8, 1.25), rotate=(-15, 15))),
            augmenters.Multiply((0.8, 1.25)),
        ])
    raise UsageError(f"AUGMENT={name!r}: take none, flip or imgaug.")


def checkpoint_of(options):
    """Path of the weight file that --weights last|PATH stands for."""
    if options.weights == "last":
        with quiet_import():
            from mrcnn.segmenter import find_last_checkpoint

        return find_last_checkpoint(options.logs, FashionConfig.NAME)
    if not os.path.isfile(options.weights):
        raise UsageError(f"--weights {options.weights}: no such file; give last or the path of a checkpoint.")
    return options.weights


# --- Commands --------------------------------------------------------------------------------------------------------


def train(options):
    """Train the stages that are still to do."""
    given = [options.images, options.train, options.val]
    if any(given) and not all(given):
        raise UsageError("Photos need all three of --images DIR, --train ANNOTATIONS and --val ANNOTATIONS.")
    if options.weights not in ("none", "last", "imagenet", "coco"):
        checkpoint_of(options)  # a missing file shows before the data is read
    overrides = overrides_of(options)
    if options.train:
        training = annotated_photos(options.train, options.images, options.limit)
        validation = annotated_photos(options.val, options.images, options.limit)
        check_same_classes(training, validation, options)
    else:
        training, validation = drawn_pictures("train", options.limit), drawn_pictures("val", options.limit)
    model = start_model(options, overrides, training)
    augmentation = augmentation_of(getattr(model.config, "AUGMENT", "none"))
    stages = parse_stages(getattr(model.config, "STAGES", FashionConfig.STAGES))
    if model.epoch >= stages[-1].last_epoch:
        print(f"All {stages[-1].last_epoch} epochs of these stages are done; --stages takes more.")
    for stage in stages:
        if model.epoch < stage.last_epoch:
            model.train(training, validation, learning_rate=stage.learning_rate, epochs=stage.last_epoch,
                        layers=stage.layers, augmentation=augmentation)
    data = f" --images {options.images} --annotations {options.val}" if options.train else ""
    print(f"The run is in {model.log_dir}. Next: python samples/fashion.py evaluate --logs {options.logs}{data}")


def check_same_classes(training, validation, options):
    """Raise DataError if two annotation files name other classes."""
    if list(training.class_names) != list(validation.class_names):
        raise DataError(
            f"{options.train} has the classes {', '.join(training.class_names[1:])}, but {options.val} has "
            f"{', '.join(validation.class_names[1:])}: they must be the same, in the same order."
        )


def start_model(options, overrides, dataset):
    """The model to train: a new one, or that of the newest run as it stopped."""
    if options.weights == "last":
        path = checkpoint_of(options)
        check_classes(path, dataset, "the training data")
        model = load_model(path, options, overrides, "training")
        print(f"Resuming {path} after epoch {model.epoch}.")
        return model
    with quiet_import():
        from mrcnn.model import MaskRCNN
    model = MaskRCNN("training", new_config(options, overrides, dataset), options.logs)
    if options.weights == "imagenet":
        from mrcnn.training.pretrained import load_imagenet

        load_imagenet(model.training_model, model.config)
    elif options.weights != "none":
        load_pretrained(model, options.weights, options, dataset)
    return model


def load_pretrained(model, path, options, dataset):
    """Fill a new run's network from Matterport's COCO weights or any weight file.

    Layers whose size follows from the classes are left as they are, unless the file was written for the same ones.
    """
    from mrcnn.training import pretrained, weights

    if path == "coco":
        path = os.path.join(options.logs, "mask_rcnn_coco.h5")
        if not os.path.isfile(path):
            os.makedirs(options.logs, exist_ok=True)
            pretrained.download_trained_weights(path)
    written = weights.read_attributes(path)
    same = written["class_names"] is not None and written["class_names"][1:] == dataset.class_names[1:]
    # Not model.load_weights: that would go on in the file's run, while this one is new and begins at epoch 0.
    report = weights.load_weights(
        path,
        model.training_model,
        by_name=written["config"] is None,  # of a foreign file take what fits; one of ours has to fit wholly
        exclude=() if same else weights.CLASS_LAYERS,
    )
    print(f"{path}: {report}")


def evaluate(options):
    """Print AP, AP50 and AP75, and write what they were computed from."""
    from mrcnn.evaluation import evaluate as evaluation

    overrides = overrides_of(options)
    if bool(options.images) != bool(options.annotations):
        raise UsageError("Photos need both --images DIR and --annotations FILE.")
    if options.images:
        dataset = annotated_photos(options.annotations, options.images, options.limit)
    else:
        dataset = drawn_pictures("val", options.limit)
    path = checkpoint_of(options)
    check_classes(path, dataset, options.annotations or "the drawn pictures")
    model, folder = load_model(path, options, overrides), output_folder(options, path, "evaluation")
    metrics, results, truth = evaluation.evaluate(model, dataset)
    evaluation.write_report(folder, metrics, results, truth)
    print(evaluation.metrics_table(metrics))
    print(f"metrics.json, detections.json and ground_truth.json are in {folder}")


def load_model(path, options, overrides, mode="inference"):
    """The model of a checkpoint."""
    with quiet_import():
        from mrcnn.model import MaskRCNN
    return MaskRCNN.from_checkpoint(path, options.logs, mode=mode, **overrides)


def output_folder(options, checkpoint, name):
    """The folder to write to: --output, or one of this name in the checkpoint's run."""
    return options.output or os.path.join(os.path.dirname(os.path.abspath(checkpoint)), name)


def detect(options):
    """Draw what is found in photos, and write it as COCO results; returns the exit code."""
    from mrcnn.evaluation.evaluate import write_json

    overrides = overrides_of(options)
    paths = list_photos(options.image)[:options.limit] if options.image else None
    path = checkpoint_of(options)
    folder = output_folder(options, path, "detections")
    check_output(folder, paths or [])
    model = load_model(path, options, overrides)
    if paths is None:
        dataset = drawn_pictures("val", options.limit or DRAWN_SHOWN)
    else:
        names = model.class_names or ["BG"] + [f"class {i}" for i in range(1, model.config.NUM_CLASSES)]
        dataset = PhotoDataset().load_photos(paths, names)
        dataset.prepare()
    results, seen = [], 0
    for start in range(0, len(dataset.image_ids), model.config.BATCH_SIZE):
        photos = load_readable(dataset, dataset.image_ids[start:start + model.config.BATCH_SIZE])
        if photos:
            os.makedirs(folder, exist_ok=True)
            results += detect_batch(model, dataset, photos, folder)
            seen += len(photos)
    if not seen:
        return 2
    write_json(os.path.join(folder, "detections.json"), results)
    print(f"{len(results)} objects in {seen} photos; the drawings and detections.json are in {folder}")
    return 0 if seen == len(dataset.image_ids) else 2


def load_readable(dataset, image_ids):
    """{image id: uint8 [H, W, 3]} of the photos that can be read; the others are named on stderr."""
    photos = {}
    for image_id in image_ids:
        try:
            photos[image_id] = dataset.load_image(image_id)
        except DataError as error:
            print(f"skipped: {error}", file=sys.stderr)
    return photos


def detect_batch(model, dataset, photos, folder):
    """Detect on one batch, save its drawings, and return its COCO results.

    photos: {image id: uint8 [H, W, 3]}
    """
    from mrcnn.evaluation.coco import results_from_detections

    results = []
    for (image_id, image), found in zip(photos.items(), model.detect(list(photos.values()), rle=True)):
        results += results_from_detections(dataset, image_id, found)
        save_drawing(folder, dataset, image_id, image, found)
    return results


# --- The command line ------------------------------------------------------------------------------------------------


def build_parser():
    """The parser of all commands."""
    parser = OneLineParser(description="Find clothes in photos with Mask R-CNN.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train|evaluate|detect")
    add_train(commands)
    add_evaluate(commands)
    add_detect(commands)
    return parser


def add_command(commands, name, run, text):
    """A command with the options that all of them have."""
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    command.add_argument("--logs", default="logs", metavar="DIR", help="folder of the runs (default logs)")
    command.add_argument("--limit", type=positive, metavar="N", help="use the first N photos only")
    command.add_argument("--batch-size", type=positive, metavar="N", help="photos handled at once")
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                         help="change any setting of mrcnn/config.py; may be repeated")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return command


def add_train(commands):
    command = add_command(commands, "train", train, "Train on photos, or without options on drawn pictures.")
    command.add_argument("--images", metavar="DIR", help="folder of the photos")
    command.add_argument("--train", metavar="ANNOTATIONS", help="COCO annotations to train on")
    command.add_argument("--val", metavar="ANNOTATIONS", help="COCO annotations to validate on")
    command.add_argument("--weights", default="none", metavar="none|last|imagenet|coco|PATH",
                         help="start from random weights (none, default), an ImageNet backbone, Matterport's COCO "
                              "model or a weight file with its settings; last resumes the newest run")
    command.add_argument("--backbone", metavar="NAME",
                         help="resnet50, resnet101, resnet152, small or a name of keras.applications")
    command.add_argument("--image-size", type=positive, metavar="N",
                         help="photos are scaled and padded to NxN pixels; divides by 64")
    command.add_argument("--stages", metavar="LAYERS:EPOCHS:RATE,...",
                         help=f"e.g. {STAGES_EXAMPLE}: 20 epochs of the heads, then 20 of all layers; layers are "
                              "heads, 3+, 4+, 5+, all or a regular expression")
    command.add_argument("--seed", type=int, metavar="N", help="of weights, order and augmentation (default 0)")
    command.add_argument("--augment", choices=("none", "flip", "imgaug"),
                         help="left-right flips (default), or flips, scale, rotation and brightness by imgaug")


def add_evaluate(commands):
    command = add_command(commands, "evaluate", evaluate,
                          "Print AP, AP50, AP75 of masks and boxes; write metrics.json and detections.json.")
    add_weights(command)
    command.add_argument("--images", metavar="DIR", help="folder of the photos (default: drawn pictures)")
    command.add_argument("--annotations", metavar="FILE", help="COCO annotations of the photos")
    command.add_argument("--output", metavar="DIR", help="folder to write to (default: evaluation in the run's folder)")
    command.add_argument("--min-confidence", type=probability, default=EVALUATION_MIN_CONFIDENCE, metavar="P",
                         help=f"least score of a detection (default {EVALUATION_MIN_CONFIDENCE}: AP needs the "
                              "uncertain ones too)")


def add_detect(commands):
    command = add_command(commands, "detect", detect, "Draw what is found in photos; write it as COCO results.")
    add_weights(command)
    command.add_argument("--image", metavar="FILE|DIR", help="a photo or a folder of photos (default: drawn pictures)")
    command.add_argument("--output", metavar="DIR", help="folder to write to (default: detections in the run's folder)")
    command.add_argument("--min-confidence", type=probability, metavar="P",
                         help="least score of a detection (default: the checkpoint's DETECTION_MIN_CONFIDENCE)")


def add_weights(command):
    command.add_argument("--weights", default="last", metavar="last|PATH",
                         help="checkpoint: the newest run's last one (default) or a file")


def main(arguments=None):
    """Run a command; returns the exit code."""
    return run_command(build_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
