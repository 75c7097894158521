"""What the commands that train share: their photos, and the options of data, network and schedule."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from mrcnn.commands.datasets import add_data_options, check_objects, check_same_classes, open_data
from mrcnn.commands.options import AUTO, Given, positive, preset_names, seed
from mrcnn.commands.own_data import data_name, name_of, reads, splits_itself
from mrcnn.commands.settings import finds_objects
from mrcnn.commands.splits import carried_parts, split_file
from mrcnn.commands.stage_options import STAGES_EXAMPLE
from mrcnn.errors import UsageError

if TYPE_CHECKING:
    from mrcnn.data.dataset import Dataset


def check_data_options(options: argparse.Namespace) -> None:
    """Raise UsageError unless the options name training and validation data, or neither."""
    own = reads(options, options.annotations) and not options.train and not options.val
    itself = own and splits_itself(options, options.annotations)
    if options.split and (options.train or options.val):
        raise UsageError("--split takes its parts from one --annotations PATH; leave --train and --val out.")
    if bool(options.train) != bool(options.val):
        raise UsageError("Photos need both --train and --val ANNOTATIONS, or --annotations PATH with --split FILE.")
    if options.split and not (options.annotations or own):
        raise UsageError("--split needs the --annotations PATH that it splits.")
    if own and not (options.split or itself):
        raise UsageError(f"{name_of(options.program.dataset)} has no parameter part to tell photos to train on from "
                         "those to validate on: give it one, or --split FILE (made by `data split`).")
    if options.split and not split_file(options) and not itself:
        raise UsageError(f"--split {options.split}: no such file: training takes a file written by `data split`; of "
                         "data that carry splits of their own it takes the parts train and val without the option.")
    if options.annotations and not (options.split or itself or carried_parts(options, options.annotations)):
        raise UsageError("--annotations needs --split FILE (made by `data split`); else give --train and --val.")
    if getattr(options, "test", None) and not options.train:
        raise UsageError("--test ANNOTATIONS goes with --train and --val; of a split, --evaluate-test takes the part "
                         "named test.")
    if getattr(options, "evaluate_test", False) and options.train:
        raise UsageError("--evaluate-test takes the part test of a --split; beside --train and --val give --test.")


def training_data(options: argparse.Namespace) -> tuple[Dataset, Dataset]:
    """The prepared training and validation data."""
    training = open_data(options, options.train, "train")
    validation = open_data(options, options.val, "val")
    if options.train:
        check_same_classes(training, validation, options.train, options.val)
    objects, data = finds_objects(options), data_name(options)
    check_objects(training, options.train or f"{data}, part train", "train", objects)
    check_objects(validation, options.val or f"{data}, part val", "measure", objects)
    return training, validation


def testing_data(options: argparse.Namespace, training: Dataset) -> Dataset | None:
    """The prepared test data that is to be measured in each epoch; None if none is asked for."""
    if options.test:
        testing = open_data(options, options.test, "test")
        check_same_classes(training, testing, options.train, options.test)
    elif options.evaluate_test:
        testing = open_data(options, None, "test")
    else:
        return None
    check_objects(testing, options.test or f"{data_name(options)}, part test", "measure", finds_objects(options))
    return testing


def same_data(options: argparse.Namespace) -> str:
    """The options by which `evaluate` finds the validation data of this training, with a space in front."""
    classes = [("set", text) for text in options.set if text.partition("=")[0].strip() == "CLASSES"]
    return _options_text([("images", options.images), ("annotations", options.val or options.annotations),
                          *_reading(options), *classes])


def same_training_data(options: argparse.Namespace) -> str:
    """The options by which `train` finds the same data, with a space in front."""
    return _options_text([("images", options.images), ("annotations", options.annotations), ("train", options.train),
                          ("val", options.val), *_reading(options)])


def _reading(options):
    """[(name, value)] of the options that say how annotations are read."""
    tolerant = "skip" if options.on_error == "skip" else None
    matte = "#{:02x}{:02x}{:02x}".format(*options.matte) if options.matte else None
    return [("names", options.names), ("mapping", options.mapping), ("format", options.format),
            ("crowds", options.crowds), ("boxes-as-masks", options.boxes_as_masks),
            ("min-area", options.min_area), ("annotator", options.annotator),
            ("labels", options.labels), ("boxes", options.boxes), ("counts", options.counts),
            ("channels", options.channels), ("first-label", options.first_label), ("matte", matte),
            ("split", options.split), ("skip", options.skip), ("on-error", tolerant),
            ("keep-partial", options.keep_partial)]


def _options_text(pairs):
    """Options as they are typed: (name, True) has no value; (name, None) and (name, False) are left out."""
    given = [(name, "" if value is True else f" {shlex.quote(str(value))}") for name, value in pairs
             if value is not None and value is not False]
    return "".join(f" --{name}{value}" for name, value in given)


# --- The command line ------------------------------------------------------------------------------------------------


def _auto(text: str) -> str:
    """For `train`, which no other preset comes to: one that does is named by the file of another."""
    if text != AUTO:
        raise argparse.ArgumentTypeError(f"a preset's file names {text}, and presets do not name others: write the "
                                         "options of that one into the file")
    return text


def _refused(text: str) -> str:
    """For `tune`, which --preset auto alone comes to: the others are replaced by their options."""
    raise argparse.ArgumentTypeError("tune searches around settings that stand: give the recipe.txt that train "
                                     f"--preset {text} wrote into its run's folder")


def add_training_data(command: argparse.ArgumentParser) -> None:
    """Give a command the options of training and validation photos."""
    add_data_options(command, part=False)
    command.add_argument("--train", metavar="ANNOTATIONS", help="annotations to train on, in place of a split")
    command.add_argument("--val", metavar="ANNOTATIONS", help="annotations to validate on, in place of a split")


def add_network(command: argparse.ArgumentParser, weights: str) -> None:
    """Give a command the options of the network and its schedule.

    Args:
        command: parser of the command.
        weights: what --weights takes, for the help.
    """
    # Replaced by the options of the preset before they are read.
    command.add_argument("--preset", metavar="NAME|FILE", type=_auto if "last" in weights else _refused,
                         help=f"options that belong together ({', '.join(preset_names())}), or a file of your own; "
                              f"flags win; {AUTO}, of train, chooses them from the data and the machine")
    command.add_argument("--weights", default="none", metavar=weights, action=Given,
                         help="start from random weights (none, default), an ImageNet backbone, Matterport's COCO "
                              "model (coco,imagenet: ImageNet's where COCO's cannot be downloaded) or a weight file "
                              "with its settings"
                              + ("; last resumes the newest run" if "last" in weights else ""))
    command.add_argument("--architecture", metavar="NAME",
                         help="network of a new run: mask-rcnn (default), deeplabv3, deeplabv3plus, unet, u2net, "
                              "u2netp, yolact, or package.module:Class of your own; a checkpoint knows its own")
    command.add_argument("--attributes", action="store_true",
                         help="learn the attributes of the objects too, such as striped and long; which there are, and "
                              "of which classes, is taken from the training data")
    command.add_argument("--backbone", metavar="NAME",
                         help="resnet50, resnet101, resnet152, efficientnet_lite0 (1, 2), small or one of "
                              "keras.applications")
    command.add_argument("--image-size", type=positive, metavar="N",
                         help="photos are scaled and padded to NxN pixels; divides by 64")
    command.add_argument("--stages", metavar="LAYERS:EPOCHS:RATE[:AUGMENTATION],...",
                         help=f"e.g. {STAGES_EXAMPLE}: 20 epochs of the heads without augmentation, then 20 of all "
                              "layers with that of --augment; layers are heads, 3+, 4+, 5+, all, attributes or a "
                              "regular expression, whose commas stand within brackets")
    command.add_argument("--seed", type=seed, metavar="N", help="of weights, order and augmentation (default 0)")
    command.add_argument("--augment", metavar="NAME",
                         help="augmentation of the stages that name none; none; flip: left to right (default for "
                              "drawn pictures); jitter: scale, flip, colour; jitter-no-flip; copy-paste: "
                              "jitter and objects of other photos; imgaug: flip, scale, rotation, brightness (default "
                              "for photos); imgaug-full: that of the first fashion projects, on half of the photos")
