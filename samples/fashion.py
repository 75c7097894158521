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
from command_line import STAGES_EXAMPLE, OneLineParser, UsageError, parse_stages, positive, run_command  # noqa: E402
from fashion_datasets import FashionDataset, annotated_photos, check_same_classes, drawn_pictures  # noqa: E402, F401
from fashion_detect import add_detect  # noqa: E402
from fashion_evaluate import add_evaluate  # noqa: E402
from fashion_runs import checkpoint_of, start_model  # noqa: E402
from fashion_settings import DrawnConfig, FashionConfig, augmentation_of, new_config, overrides_of  # noqa: E402, F401

# --- Training --------------------------------------------------------------------------------------------------------


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


# --- The command line ------------------------------------------------------------------------------------------------


def build_parser():
    """The parser of all commands."""
    parser = OneLineParser(description="Find clothes in photos with Mask R-CNN.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train|evaluate|detect")
    add_train(commands)
    add_evaluate(commands, add_command)
    add_detect(commands, add_command)
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


def main(arguments=None):
    """Run a command; returns the exit code."""
    return run_command(build_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
