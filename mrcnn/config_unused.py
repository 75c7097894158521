"""Settings that were set and have no effect, because another one passes them over: what is told of them.

`_ROWS` is the one table, of all networks. A network of a user's own is told of the rows that hold for any.
"""

import warnings
from collections.abc import Callable, Collection
from typing import NamedTuple

from mrcnn.config import Config, Settings
from mrcnn.config_backbones import OWN_BACKBONES
from mrcnn.config_pixels import DeepLabSettings, PixelSettings
from mrcnn.config_rules import PASSED_OVER, in_short
from mrcnn.config_yolact import YolactSettings


class Row(NamedTuple):
    """Settings, or losses with a weight of their own, and when they have no effect.

    Args:
        names: of the settings or losses, with spaces between.
        dead: function of the settings: whether they have no effect.
        why: in words; {c.NAME} stands for a value.
        remedy: what to set for them to have one; "": nothing does.
        of: classes of settings that the row holds for.
    """

    names: str
    dead: Callable[[Settings], bool]
    why: str
    remedy: str = ""
    of: type | tuple[type, ...] = Settings


_OF_LAYERS = "BACKBONE", "NORM", "TRAIN_BN"  # whose rows hold for the networks of this package alone
_WEIGHING = "cross-entropy", "focal"


def _loss(config, *names):
    return any(name in config.PIXEL_LOSS.split("+") for name in names)


def _plain_encoder(config):
    return getattr(config, "UNET_ENCODER", "") == "plain"


def _own_backbone(config):
    """Whether the network has a backbone of this package, whose norm NORM says."""
    return not _plain_encoder(config) and not callable(config.BACKBONE) and config.BACKBONE in OWN_BACKBONES


def _reads_norm(config):
    return _own_backbone(config) or getattr(config, "HEAD_NORM", "none of YOLACT's") is None


def has_batch_norm(config: Settings) -> bool:
    """Tell whether a network of this package has batch normalisation; also where that cannot be told.

    Args:
        config: its settings.

    Returns:
        False where all of its norms are of another kind.
    """
    if hasattr(config, "HEAD_NORM") and (config.HEAD_NORM or config.NORM) == "batch":
        return True
    if _own_backbone(config):
        return config.NORM == "batch"
    return not _plain_encoder(config) and config.BACKBONE != "own"


_ROWS = (
    Row("LEARNING_MOMENTUM", lambda c: c.OPTIMIZER != "sgd", "OPTIMIZER={c.OPTIMIZER} has momenta of its own",
        "OPTIMIZER=sgd"),
    Row("LR_STEPS", lambda c: c.LR_SCHEDULE != "step", "LR_SCHEDULE is {c.LR_SCHEDULE}", "LR_SCHEDULE=step"),
    Row("LR_PLATEAU_FACTOR LR_PLATEAU_PATIENCE", lambda c: c.LR_SCHEDULE != "plateau",
        "LR_SCHEDULE is {c.LR_SCHEDULE}", "LR_SCHEDULE=plateau"),
    # A larger one is what Matterport's scripts have in this mode, and no slip.
    Row("IMAGE_MAX_DIM", lambda c: c.IMAGE_RESIZE_MODE == "crop" and c.IMAGE_MAX_DIM < (c.IMAGE_MIN_DIM or 0),
        "in IMAGE_RESIZE_MODE=crop the canvas has the side IMAGE_MIN_DIM={c.IMAGE_MIN_DIM}", "IMAGE_MIN_DIM"),
    Row("IMAGE_MIN_SCALE", lambda c: c.IMAGE_RESIZE_MODE == "none", "IMAGE_RESIZE_MODE=none enlarges no photo",
        "another IMAGE_RESIZE_MODE"),
    Row("MINI_MASK_SHAPE", lambda c: not c.USE_MINI_MASK, "USE_MINI_MASK is False", "USE_MINI_MASK=True",
        (Config, YolactSettings)),
    # The network
    Row("BACKBONE", _plain_encoder, "UNET_ENCODER=plain is the encoder", "UNET_ENCODER=backbone",
        PixelSettings),
    Row("NORM", lambda c: not _reads_norm(c) and hasattr(c, "HEAD_NORM"),
        "it is that of BACKBONEs of this package, and HEAD_NORM={c.HEAD_NORM} that of all else", "HEAD_NORM",
        (Config, PixelSettings)),
    Row("NORM", lambda c: not _reads_norm(c), "it is that of BACKBONEs of this package, and this one is another", "",
        YolactSettings),
    Row("TRAIN_BN", lambda c: not has_batch_norm(c), "the network has no batch normalisation",
        "NORM or HEAD_NORM to batch",
        (Config, PixelSettings, YolactSettings)),
    Row("POINT_HEAD_CHANNELS POINT_HEAD_SUBDIVISIONS POINT_HEAD_TRAINING_POINTS POINT_HEAD_INFERENCE_POINTS",
        lambda c: c.MASK_HEAD != "points", "MASK_HEAD is {c.MASK_HEAD}", "MASK_HEAD=points", Config),
    Row("ATTRIBUTES_PARTIAL ATTRIBUTE_MIN_CONFIDENCE", lambda c: not c.ATTRIBUTES, "ATTRIBUTES is None", "ATTRIBUTES",
        Config),
    # Losses
    Row("CLASS_COUNTS", lambda c: c.CLASS_LOSS == "softmax", "CLASS_LOSS is softmax",
        "CLASS_LOSS=class-balanced or seesaw", Config),
    Row("PIXEL_CLASS_WEIGHTS", lambda c: not _loss(c, *_WEIGHING),
        "only cross-entropy and focal weigh pixels, and PIXEL_LOSS is {c.PIXEL_LOSS}", "one of these",
        PixelSettings),
    Row("BACKGROUND_WEIGHT", lambda c: not _loss(c, *_WEIGHING),
        "only cross-entropy and focal weigh pixels, and PIXEL_LOSS is {c.PIXEL_LOSS}", "one of these",
        PixelSettings),
    Row("BACKGROUND_WEIGHT", lambda c: c.PIXEL_CLASS_WEIGHTS is not None and not isinstance(c.PIXEL_CLASS_WEIGHTS, str),
        "PIXEL_CLASS_WEIGHTS begins with that of the background", "it there",
        PixelSettings),
    Row("HARD_PIXELS", lambda c: not _loss(c, *_WEIGHING),
        "only cross-entropy and focal choose pixels, and PIXEL_LOSS is {c.PIXEL_LOSS}", "one of these",
        PixelSettings),
    Row("FOCAL_GAMMA", lambda c: not _loss(c, "focal"), "focal alone has it, and PIXEL_LOSS is {c.PIXEL_LOSS}",
        "PIXEL_LOSS=focal", PixelSettings),
)
_LOSS_ROWS = (
    Row("mrcnn_point_loss", lambda c: c.MASK_HEAD != "points", "MASK_HEAD is {c.MASK_HEAD}", "MASK_HEAD=points",
        Config),
    Row("mrcnn_cascade_class_loss", lambda c: not c.CASCADE_IOUS, "CASCADE_IOUS is None", "CASCADE_IOUS", Config),
    Row("mrcnn_cascade_bbox_loss", lambda c: not c.CASCADE_IOUS, "CASCADE_IOUS is None", "CASCADE_IOUS", Config),
    Row("mrcnn_attribute_loss", lambda c: not c.ATTRIBUTES, "ATTRIBUTES is None", "ATTRIBUTES", Config),
    Row("auxiliary_loss", lambda c: not c.AUXILIARY_HEAD, "AUXILIARY_HEAD is False", "AUXILIARY_HEAD=True",
        DeepLabSettings),
)


def unused(config: Settings) -> dict[str, list[str]]:
    """Find the settings that differ from their network's defaults and have no effect.

    Args:
        config: the settings.

    Returns:
        {name: lines that tell of it}.
    """
    ours = type(config)._of_network()
    values, defaults = config.to_dict(), ours().to_dict()
    told = PASSED_OVER.get(getattr(config, "GEOMETRY", None), {})  # by check()
    names = [name for row in _ROWS for name in row.names.split() if name in defaults and name not in told]
    changed = [name for name in names if values[name] != defaults[name]]
    found = {name: [line] for name in changed if (line := why_unused(name, config))}
    weights, own = values.get("LOSS_WEIGHTS") or {}, defaults["LOSS_WEIGHTS"]
    for row in _LOSS_ROWS:
        name = row.names
        changed = name in own and weights.get(name, own[name]) != own[name]
        if changed and _holds(row, name, ours) and row.dead(config):
            found.setdefault("LOSS_WEIGHTS", []).append(_line(f"LOSS_WEIGHTS[{name!r}]", weights[name], row, config))
    return found


def why_unused(name: str, config: Settings) -> str | None:
    """Why a setting has no effect beside the others, whatever its value.

    Args:
        name: of the setting.
        config: the settings.

    Returns:
        A line, or None where it has an effect.
    """
    ours = type(config)._of_network()
    for row in _ROWS:
        if name in row.names.split() and _holds(row, name, ours) and row.dead(config):
            return _line(name, config.to_dict()[name], row, config)
    return None


def _holds(row, name, network):
    """Whether a row holds for a class that lists a network's settings."""
    shipped = network.__module__.partition(".")[0] == __name__.partition(".")[0]
    return issubclass(network, row.of) and (shipped or name not in _OF_LAYERS)


def _line(name, value, row, config):
    given = f"{name}={value if isinstance(value, str) else in_short(value)}"
    remedy = f"leave it out, or set {row.remedy}" if row.remedy else "leave it out"
    return f"{given} has no effect: {row.why.format(c=config)}; {remedy}."


def warn_of_unused(config: Settings, names: Collection[str] | None = None) -> None:
    """Warn of the settings that `unused` finds.

    Args:
        config: the settings.
        names: of those that may be told of; None: all.
    """
    for name, lines in unused(config).items():
        for line in lines if names is None or name in names else ():
            warnings.warn(line, stacklevel=3)


def drop_unused(config: Settings, keep: Collection[str]) -> None:
    """Give settings that have no effect their defaults again, where nobody asked for them.

    Args:
        config: the settings.
        keep: names of those that were asked for.
    """
    for name in unused(config):
        if name not in keep and name != "LOSS_WEIGHTS":
            setattr(config, name, getattr(type(config)._of_network(), name))
