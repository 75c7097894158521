"""Runs: finding their checkpoints, and the models of those."""

import copy
import os

from mrcnn.commands.options import start_keras
from mrcnn.commands.settings import is_imagenet, new_config
from mrcnn.errors import DataError, UsageError


def checkpoint_of(options):
    """Path of the weight file that --weights last|PATH stands for."""
    if options.weights == "last":
        return last_checkpoint(options.logs, options.program.config.NAME)
    if not os.path.isfile(options.weights):
        raise UsageError(f"--weights {options.weights}: no such file; give last or the path of a checkpoint.")
    return options.weights


def last_checkpoint(logs, name):
    """Path of the last checkpoint of the newest run of this name. Raises FileNotFoundError, which names other runs."""
    start_keras()
    from mrcnn.architectures.segmenter import find_last_checkpoint

    try:
        return find_last_checkpoint(logs, name or "model")
    except FileNotFoundError as error:
        try:
            other = find_last_checkpoint(logs)
        except FileNotFoundError:
            raise error from None
        raise FileNotFoundError(f"{error} The newest run of another name there has {other}.") from None


def check_classes(checkpoint, dataset, whose):
    """Raise DataError unless a checkpoint knows the dataset's classes, in their order.

    checkpoint: path; whose: what the dataset is, for the message
    """
    start_keras()
    from mrcnn.weights import files as weights
    from mrcnn.weights import torchvision as torchvision_weights

    read = torchvision_weights.settings_of if weights.is_foreign(checkpoint) else weights.read_attributes
    ours, theirs = dataset.class_names[1:], read(checkpoint)["class_names"]
    if theirs is not None and theirs[1:] != ours:
        raise DataError(
            f"{checkpoint} was trained on the classes {', '.join(theirs[1:])}, but those of {whose} are "
            f"{', '.join(ours)}: give --images and annotations with the classes of the checkpoint."
        )


def start_model(options, overrides, dataset):
    """The model to train: a new one, or that of the newest run as it stopped."""
    if options.weights == "last":
        path = checkpoint_of(options)
        check_classes(path, dataset, "the training data")
        model = load_model(path, options, overrides, "training")
        print(f"Resuming {path} after epoch {model.epoch}.")
        return model
    start_keras()
    from mrcnn.model import MaskRCNN

    model = MaskRCNN("training", new_config(options, overrides, dataset), options.logs)
    if is_imagenet(options.weights):
        from mrcnn.weights.pretrained import load_imagenet

        load_imagenet(model.training_model, model.config, options.weights.partition(":")[2] or None)
    elif options.weights != "none":
        load_pretrained(model, options.weights, options, dataset)
    return model


def load_pretrained(model, path, options, dataset):
    """Fill a new run's network from Matterport's COCO weights, torchvision's, or any weight file.

    Layers whose size follows from the classes are left as they are, unless the file was written for the same ones.
    """
    from mrcnn.weights import files as weights
    from mrcnn.weights import pretrained
    from mrcnn.weights import torchvision as torchvision_weights

    if path == "coco":
        path = os.path.join(options.logs, "mask_rcnn_coco.h5")
        if not os.path.isfile(path):
            os.makedirs(options.logs, exist_ok=True)
            pretrained.download_trained_weights(path)
    written = weights.read_attributes(path)
    same = written["class_names"] is not None and written["class_names"][1:] == dataset.class_names[1:]
    # Not model.load_weights: that would go on in the file's run, while this one is new and begins at epoch 0.
    report = torchvision_weights.load_weights(
        path,
        model.training_model,
        model.config,
        by_name=written["config"] is None,  # of a foreign file take what fits; one of ours has to fit wholly
        exclude=() if same else weights.CLASS_LAYERS,
    )
    print(f"{path}: {report}; geometry in force: {model.config.GEOMETRY}")


def load_model(path, options, overrides, mode="inference"):
    """The model of a checkpoint; with --tile one that detects by tiles."""
    start_keras()
    from mrcnn.inference.tiles import tile_boxes
    from mrcnn.model import MaskRCNN

    tile = getattr(options, "tile", None)
    if tile is not None:
        tile_boxes((1, 1), tile, options.tile_overlap)  # what cannot be shows before the network is built
    # A run that no command began has no plan yet.
    plan = {name: overrides[name] for name in ("STAGES", "AUGMENT", "CLASSES") if name in overrides}
    settings = {name: value for name, value in overrides.items() if name not in plan}
    model = MaskRCNN.from_checkpoint(path, options.logs, mode=mode, **settings)
    for name, value in plan.items():
        setattr(model.config, name, value)
    return model if tile is None else Tiled(model, tile, options.tile_overlap)


class Tiled:
    """A model whose detect() is its detect_tiled(), one photo at a time; all else is the model's own."""

    def __init__(self, model, tile, overlap):
        self.model, self.tile, self.overlap = model, tile, overlap
        # Of photos, which are huge; their tiles go in batches of the model's own.
        self.config = copy.copy(model.config).set(GPU_COUNT=1, BATCH_SIZE=1)

    def detect(self, images, **options):
        return self.model.detect_tiled(images, self.tile, self.overlap, **options)

    def __getattr__(self, name):
        return getattr(self.model, name)


def output_folder(options, checkpoint, name):
    """The folder to write to: --output, or one of this name in the checkpoint's run."""
    return options.output or os.path.join(os.path.dirname(os.path.abspath(checkpoint)), name)


def add_weights(command):
    command.add_argument("--weights", default="last", metavar="last|PATH",
                         help="checkpoint: the newest run's last one (default) or a file")
