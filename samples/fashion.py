"""Find clothes in photos: train, evaluate, detect, label each pixel, and look after the data.

    python samples/fashion.py train                       on drawn pictures, nothing to download
    python samples/fashion.py evaluate --weights last     AP, AP50 and AP75 of masks and boxes
    python samples/fashion.py detect --weights last --image photos/

    python samples/fashion.py data summary|validate|convert|split|show --annotations train.csv --images train
    python samples/fashion.py train --annotations train.csv --images train --split split.json --weights imagenet
    python samples/fashion.py label --weights last --image photos/
"""

import os
import shlex
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]  # runs from a checkout without an installation too

# Keras is imported inside the commands: --help and usage errors answer at once.
from command_line import (  # noqa: E402
    STAGES_EXAMPLE,
    OneLineParser,
    UsageError,
    parse_stages,
    positive,
    quiet_import,
    run_command,
    seed,
)
from fashion_data import add_data  # noqa: E402
from fashion_datasets import add_data_options, check_same_classes, drawn_pictures, open_data  # noqa: E402, F401
from fashion_detect import add_detect  # noqa: E402
from fashion_evaluate import add_evaluate  # noqa: E402
from fashion_label import add_label  # noqa: E402
from fashion_runs import checkpoint_of, start_model  # noqa: E402
from fashion_settings import (  # noqa: E402, F401
    AUGMENTATIONS,
    DrawnConfig,
    FashionConfig,
    augmentation_of,
    is_imagenet,
    new_config,
    overrides_of,
)

PRESETS = os.path.join(HERE, "presets")

# --- Training --------------------------------------------------------------------------------------------------------


def train(options):
    """Train the stages that are still to do."""
    check_data_options(options)
    if options.weights not in ("none", "last", "coco") and not is_imagenet(options.weights):
        checkpoint_of(options)  # a missing file shows before the data is read
    overrides = overrides_of(options)
    training, validation = training_data(options)
    with quiet_import():
        from mrcnn.evaluation.callback import validation_callbacks
    model = start_model(options, overrides, training)
    augmentation = augmentation_of(getattr(model.config, "AUGMENT", "none"))
    stages = parse_stages(getattr(model.config, "STAGES", FashionConfig.STAGES))
    callbacks = validation_callbacks(model, validation, options.evaluate_every, options.evaluate_limit,
                                     options.keep_best, options.patience)
    if model.epoch >= stages[-1].last_epoch:
        print(f"All {stages[-1].last_epoch} epochs of these stages are done; --stages takes more.")
    for stage in stages:
        if model.epoch < stage.last_epoch:
            model.train(training, validation, learning_rate=stage.learning_rate, epochs=stage.last_epoch,
                        layers=stage.layers, augmentation=augmentation, custom_callbacks=callbacks)
    following = f"python samples/fashion.py evaluate --logs {options.logs}{same_data(options)}"
    print(f"The run is in {model.log_dir}. Next: {following}")


def check_data_options(options):
    """Raise UsageError unless the options name training and validation data, or neither."""
    if options.split and (options.train or options.val):
        raise UsageError("--split takes its parts from one --annotations PATH; leave --train and --val out.")
    if bool(options.train) != bool(options.val):
        raise UsageError("Photos need both --train and --val ANNOTATIONS, or --annotations PATH with --split FILE.")
    if options.split and not options.annotations:
        raise UsageError("--split needs the --annotations PATH that it splits.")
    if options.annotations and not options.split:
        raise UsageError("--annotations needs --split FILE (made by `data split`); else give --train and --val.")


def training_data(options):
    """The prepared training and validation data."""
    training = open_data(options, options.train, "train")
    validation = open_data(options, options.val, "val")
    if options.train:
        check_same_classes(training, validation, options)
    return training, validation


def same_data(options):
    """The options by which `evaluate` finds the validation data of this training, with a space in front."""
    pairs = [("images", options.images), ("annotations", options.val or options.annotations), ("names", options.names),
             ("mapping", options.mapping), ("format", options.format), ("split", options.split),
             ("skip", options.skip), ("on-error", "skip" if options.on_error == "skip" else None)]
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in pairs if value)


# --- The command line ------------------------------------------------------------------------------------------------


def build_parser():
    """The parser of all commands."""
    parser = OneLineParser(description="Find clothes in photos with Mask R-CNN.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train|evaluate|detect|label|data")
    add_train(commands)
    add_evaluate(commands, add_command)
    add_detect(commands, add_command)
    add_label(commands, add_command)
    add_data(commands, add_command)
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
    add_data_options(command, part=False)
    command.add_argument("--train", metavar="ANNOTATIONS", help="annotations to train on, in place of a split")
    command.add_argument("--val", metavar="ANNOTATIONS", help="annotations to validate on, in place of a split")
    # Replaced by the options of the preset before they are read.
    command.add_argument("--preset", metavar="NAME|FILE",
                         help="options of a file in samples/presets (baseline, run1, run2, run3, ccp); flags win")
    command.add_argument("--weights", default="none", metavar="none|last|imagenet[:FILE]|coco|PATH",
                         help="start from random weights (none, default), an ImageNet backbone, Matterport's COCO "
                              "model or a weight file with its settings; last resumes the newest run")
    command.add_argument("--backbone", metavar="NAME",
                         help="resnet50, resnet101, resnet152, efficientnet_lite0, small or one of keras.applications")
    command.add_argument("--image-size", type=positive, metavar="N",
                         help="photos are scaled and padded to NxN pixels; divides by 64")
    command.add_argument("--stages", metavar="LAYERS:EPOCHS:RATE,...",
                         help=f"e.g. {STAGES_EXAMPLE}: 20 epochs of the heads, then 20 of all layers; layers are "
                              "heads, 3+, 4+, 5+, all or a regular expression")
    command.add_argument("--seed", type=seed, metavar="N", help="of weights, order and augmentation (default 0)")
    command.add_argument("--evaluate-every", type=positive, metavar="N",
                         help="measure AP on the validation photos every N epochs, for history.csv and TensorBoard")
    command.add_argument("--evaluate-limit", type=positive, metavar="N", help="measure it on the first N photos only")
    command.add_argument("--keep-best", choices=("segm_AP", "bbox_AP", "loss"),
                         help="keep the best checkpoint by this as mask_rcnn_NAME_best.h5")
    command.add_argument("--patience", type=positive, metavar="N",
                         help="end a stage after N measurements without gain in what --keep-best names, else in mask "
                              "AP or loss")
    command.add_argument("--augment", choices=AUGMENTATIONS,
                         help="flip: left to right (default); jitter: scale, flip, colour; copy-paste: that and "
                              "objects of other photos; imgaug: flip, scale, rotation, brightness; imgaug-full: "
                              "that of the first fashion projects, on half of the photos")


def main(arguments=None):
    """Run a command; returns the exit code."""
    return run_command(build_parser(), arguments, PRESETS)


if __name__ == "__main__":
    sys.exit(main())
