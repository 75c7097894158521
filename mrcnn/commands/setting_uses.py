"""Settings that a command is given and does not read, or is told twice in two ways: told or refused in one line."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable

from mrcnn.commands.options import AUTO, parse_setting
from mrcnn.errors import UsageError

STANDS_FOR = {"backbone": "BACKBONE", "seed": "SEED", "stages": "STAGES", "augment": "AUGMENT",
              "min_confidence": "DETECTION_MIN_CONFIDENCE"}  # {option: the setting that it is}
TRAINS = ("train", "tune")
PLAN = {"STAGES": "training", "AUGMENT": "training", "RECIPE": "training", "CLASSES": "data"}  # of the commands' own
_USING = ("network", "photos", "batch", "views", "detection")
# {command: what it reads, as `mrcnn.config_uses` has it, or names}; those that train read all.
READ = {
    "detect": _USING, "video": _USING, "collection label": _USING,
    "label": (*_USING, "labels", "data"), "serve": (*_USING, "labels"), "demo": (*_USING, "labels"),
    "evaluate": (*_USING, "labels", "data", "ATTRIBUTES_PARTIAL"),
    "diagnose": ("network", "photos", "views", "detection", "data", "MAX_GT_INSTANCES", "RPN_POSITIVE_IOU", "SEED"),
    "export": (*_USING, "labels", "data"),
    "data suspects": (*_USING, "data"), "data suggest": ("network", "photos", "batch", "detection", "data"),
    "data summary": ("photos", "data", "RPN_ANCHOR_SCALES", "RPN_ANCHOR_RATIOS", "RPN_ANCHOR_STRIDE",
                     "RPN_POSITIVE_IOU", "RPN_NEGATIVE_IOU", "BACKBONE_STRIDES", "GEOMETRY"),
    "data show": ("photos", "data", "AUGMENT", "SEED"),
    "data validate": ("data", "IMAGE_CHANNEL_COUNT", "MEAN_PIXEL"),
    "data convert": ("data",), "data split": ("data",),
}


def check_asked(options: argparse.Namespace) -> None:
    """Refuse options of a command that contradict each other or cannot be, and tell of settings without effect.

    Args:
        options: of the command.

    Raises:
        UsageError: an option and a setting say two things of one, or an option needs another.
    """
    asked = dict(map(parse_setting, options.set))
    _check_stand_ins(options, asked)
    check_batches(options, asked)
    size, mode = getattr(options, "image_size", None), asked.get("IMAGE_RESIZE_MODE")
    check_image_size(size, mode, asked.get)
    if getattr(options, "tile", None) is None and "tile_overlap" in getattr(options, "given", ()):
        raise UsageError("--tile-overlap is of the tiles of --tile N: give both, or leave it out.")
    if name_of(options) in TRAINS and "LEARNING_RATE" in asked:
        raise UsageError("--set LEARNING_RATE: the stages have rates of their own: leave it out, and give the rate by "
                         "--stages LAYERS:EPOCHS:RATE.")
    of_run = {"NAME"} if getattr(options, "weights", None) == "last" else set()  # among runs of this name it looks
    tell_without_effect(name_of(options), [name for name in asked if name not in of_run])


def name_of(options: argparse.Namespace) -> str:
    """The name of a command with that of its task, as "data show"; "" where options are of none."""
    return " ".join(filter(None, (getattr(options, "command", None), getattr(options, "task", None))))


def _check_stand_ins(options, asked):
    """Refuse an option whose setting has another value."""
    for option, name in {**STANDS_FOR, "refine": "LABEL_REFINE"}.items():
        value = getattr(options, option, None)
        if value is not None and asked.get(name, value) != value:
            raise _contradiction(f"--{option.replace('_', '-')} {value}", f"{name}={asked[name]}")


def devices_of(options: argparse.Namespace) -> int:
    """GPU_COUNT of a command where --set has none: the program's for a training; all else is done by one device."""
    return options.program.config.GPU_COUNT if name_of(options) in TRAINS else 1


def check_batches(options: argparse.Namespace, asked: dict) -> None:
    """Refuse batch sizes that are not the same.

    Args:
        options: of the command.
        asked: settings of --set.
    """
    given = getattr(options, "batch_size", None)
    sizes = {} if given in (None, AUTO) else {f"--batch-size {given}": given}
    if "BATCH_SIZE" in asked:
        sizes[f"--set BATCH_SIZE={asked['BATCH_SIZE']}"] = asked["BATCH_SIZE"]
    single, devices = asked.get("IMAGES_PER_GPU"), asked.get("GPU_COUNT", devices_of(options))
    if isinstance(single, int) and isinstance(devices, int):
        times = f" with GPU_COUNT={devices}" if devices != 1 else ""
        sizes[f"--set IMAGES_PER_GPU={single}{times}"] = single * devices
    if len(set(map(str, sizes.values()))) > 1:
        raise UsageError(f"{' beside '.join(sizes)}: these are two batch sizes: leave one of them out.")


def check_image_size(size: int | None, mode: str | None, value_of: Callable[[str, object], object]) -> None:
    """Refuse --image-size beside settings by which photos get another size.

    Args:
        size: of --image-size; None: it is not given.
        mode: IMAGE_RESIZE_MODE; None: it is not known yet.
        value_of: function from the name of a setting, and what to take where it is not given, to its value.

    Raises:
        UsageError: the size would have no effect, or is not what the settings say.
    """
    if size is None:
        return
    if mode in ("none", "pad64"):
        remedy = "" if mode == "none" else ", and --set IMAGE_MIN_DIM=N enlarges small photos"
        raise UsageError(f"--image-size {size}: IMAGE_RESIZE_MODE={mode} has no canvas of one size: leave --image-size "
                         f"out{remedy}, or take the mode square, rectangle or crop.")
    name = "IMAGE_MIN_DIM" if mode == "crop" else "IMAGE_MAX_DIM"
    if value_of(name, size) != size:
        raise _contradiction(f"--image-size {size}", f"{name}={value_of(name, size)}")


def _contradiction(option, setting):
    return UsageError(f"{option} beside --set {setting}: these say two things of one: leave one of them out.")


def tell_without_effect(command: str, names: Iterable[str]) -> None:
    """Warn of settings that a command does not read.

    Args:
        command: its name, of READ; of others all settings are read.
        names: of the settings.
    """
    from mrcnn.config_uses import TRAINING, USES

    if command not in READ:
        return
    uses = {**USES, **PLAN}
    unread = [name for name in names if name in uses and not {name, uses[name]}.intersection(READ[command])]
    for why, told in (("training alone reads it", [name for name in unread if uses[name] == TRAINING]),
                      ("nothing here reads it", [name for name in unread if uses[name] != TRAINING])):
        if told:
            them, why = ("it", why) if len(told) == 1 else ("them", why.replace(" it", " them"))
            warnings.warn(f"--set {', '.join(told)}: of no effect in {command}, for {why}: leave {them} out.",
                          stacklevel=2)
