"""The settings that weights were trained with, against those that they are run or trained on with: what is told."""

import os
import re
from collections.abc import Sequence

from mrcnn.config import RULES, Settings
from mrcnn.config_rules import PASSED_OVER, in_short
from mrcnn.config_unused import unused
from mrcnn.config_uses import DETECTION, LABELS, USES, VIEWS
from mrcnn.config_yolact import YolactSettings, scales_before, scales_on
from mrcnn.errors import ConfigError
from mrcnn.network.backbones import RESNET_BLOCKS
from mrcnn.weights.files import is_foreign, names_in
from mrcnn.weights.stem import told_of_mean_pixel

# They say what the numbers of a network stand for: the weights fit others too, and then mean something else.
READING = (
    "GEOMETRY BACKBONE NORM HEAD_NORM IMAGE_CHANNEL_COUNT RPN_ANCHOR_SCALES RPN_ANCHOR_RATIOS RPN_ANCHOR_STRIDE "
    "RPN_BBOX_STD_DEV BBOX_STD_DEV POOL_SIZE MASK_POOL_SIZE MASK_SHAPE MASK_HEAD ROI_SAMPLING_RATIO ROI_ALIGNED "
    "ATTRIBUTES ATTRIBUTE_PAIRS YOLACT_ANCHOR_SCALES YOLACT_ANCHOR_RATIOS YOLACT_HEAD_NORM ATROUS_RATES UNET_ENCODER "
    "UNET_UPSAMPLING"
).split()
# How the names begin of layers that some of them speak of: loaded without the rest, these mean something else too.
# Where others differ, layers have other shapes, or are left out with the classes.
LAYERS = {
    **dict.fromkeys(("RPN_ANCHOR_SCALES", "RPN_ANCHOR_RATIOS", "RPN_ANCHOR_STRIDE", "RPN_BBOX_STD_DEV"), ("rpn_",)),
    **dict.fromkeys(("YOLACT_ANCHOR_SCALES", "YOLACT_ANCHOR_RATIOS"), ("yolact_shared", "yolact_bbox")),
    **dict.fromkeys(("ROI_SAMPLING_RATIO", "ROI_ALIGNED"), ("mrcnn_",)),
    **dict.fromkeys(("MASK_POOL_SIZE", "MASK_SHAPE"), ("mrcnn_mask_conv",)),
    "BBOX_STD_DEV": ("mrcnn_bbox", "yolact_bbox"),
    "BACKBONE": ("res",),
    "NORM": ("res", "bn", "conv", "lite_"),
    "HEAD_NORM": ("mrcnn_class", "mrcnn_mask", "aspp_", "auxiliary_", "label_conv", "encoder_", "decoder_", "skip_"),
    "YOLACT_HEAD_NORM": ("yolact_shared", "yolact_prototype_conv"),
    **dict.fromkeys(("ATTRIBUTES", "ATTRIBUTE_PAIRS"), ("mrcnn_attribute_fc",)),
    "ATROUS_RATES": ("aspp_atrous",),
    "GEOMETRY": ("rpn_", "mrcnn_"),
}
# They do not act on the weights that a training makes: names, what is the machine's, and what detection alone reads.
OUTSIDE_TRAINING = {name for name, use in USES.items() if use in (VIEWS, DETECTION, LABELS)} | set(
    "NAME GPU_COUNT IMAGES_PER_GPU WORKERS COMPUTE_BACKBONE_SHAPE GRADIENT_CHECKPOINTING PRE_NMS_PER_LEVEL_INFERENCE "
    "POST_NMS_ROIS_INFERENCE POINT_HEAD_SUBDIVISIONS POINT_HEAD_INFERENCE_POINTS "
    "MEAN_PIXEL".split()  # which is told at loading
)


def settings_by_layers(path: str | os.PathLike, config: Settings) -> dict | None:
    """The settings that the names of a file's layers tell of, of one in Matterport's form that carries none.

    Args:
        path: of the file; PyTorch's tell nothing.
        config: settings of the network that takes the weights.

    Returns:
        NORM and HEAD_NORM, and BACKBONE of a ResNet, which in such files has Matterport's strides, unless the network's
        is a function, of which nothing is known; None: none is known.
    """
    names, known = {} if is_foreign(path) else names_in(path), {}
    for setting, layers in (("NORM", r"bn.*"), ("HEAD_NORM", r"mrcnn_(class|mask)_bn\d")):
        if any("moving_mean" in weights for layer, weights in names.items() if re.fullmatch(layers, layer)):
            known[setting] = "batch"
    blocks = tuple(sum(bool(re.fullmatch(rf"res{stage}[a-z]\d*_branch2b", name)) for name in names)
                   for stage in (2, 3, 4, 5))
    backbone = next((backbone for backbone, each in RESNET_BLOCKS.items() if each == blocks), None)
    if backbone and not callable(config.BACKBONE):
        known["BACKBONE"] = backbone
    return known or None


def readable(written: dict | None, config: Settings) -> tuple[dict | None, dict]:
    """The settings that a file carries, and those among them that no setting of that name can be.

    Args:
        written: {name: value} of the file; None: it carries none.
        config: settings of the network that takes the weights.

    Returns:
        ({name: value} of the others, or None; {name: value} of those).
    """
    odd = {}
    for name, value in (written or {}).items():
        try:
            if not (isinstance(value, str) and config._stays(name, value)):  # names of functions
                config._checked(name, value)
        except ConfigError:
            odd[name] = value
    return written and {name: value for name, value in written.items() if name not in odd}, odd


def told_of_settings(path: str | os.PathLike, written: dict | None, config: Settings,
                     loaded: Sequence[str] | None = None) -> list[str]:
    """Tell of settings that weights were not trained with, and that change what they stand for.

    Args:
        path: of the weight file.
        written: settings that it carries; None: none.
        config: settings of the network that takes the weights.
        loaded: names of the layers that it takes, where it leaves out some; None: it takes all.

    Returns:
        A line of MEAN_PIXEL, one of all others, and one of what cannot be read; none where nothing differs.
    """
    written, odd = readable(written, config)
    told = told_of_mean_pixel(path, written, config)
    changed = {name: pair for name, pair in _changes(written, config).items()
               if name in READING and (loaded is None or _any_of(loaded, LAYERS.get(name, ())))}
    if changed:
        theirs, own = (", ".join(f"{name}={_shown(pair[place])}" for name, pair in changed.items()) for place in (0, 1))
        them = "it" if len(changed) == 1 else "them"
        told.append(f"{path} was trained with {theirs}, and is run with {own}: its weights now stand for something "
                    f"else. Leave {them} out, or train on with {them}.")
    if odd:
        listed = ", ".join(f"{name}={in_short(value)}" for name, value in odd.items())
        told.append(f"{path} carries settings that cannot be: {listed}. They are not compared: check that this network "
                    "has what its weights were trained with.")
    return told


def _any_of(layers, beginnings):
    """Whether the name of a layer begins with one of some texts."""
    return any(name.startswith(beginnings) for name in layers)


def told_of_anchors(path: str | os.PathLike, written: dict | None, config: Settings) -> list[str]:
    """Tell of a new training of YOLACT that has the anchors of a checkpoint, which were made for another canvas.

    Args:
        path: of the checkpoint.
        written: settings that it carries; None: none.
        config: settings of the training.

    Returns:
        One line, or none.
    """
    written, _ = readable(written, config)
    if not isinstance(config, YolactSettings) or not written:
        return []
    theirs, own = tuple(_compared(written, config).get("YOLACT_ANCHOR_SCALES") or ()), config.anchor_scales()
    before = written.get("IMAGE_MIN_DIM" if written.get("IMAGE_RESIZE_MODE") == "crop" else "IMAGE_MAX_DIM")
    side = int(config.IMAGE_SHAPE[0])
    if theirs != own or before == side or own == scales_on(side):
        return []
    shown = ",".join(f"{scale:.4g}" for scale in own)
    return [f"{path}: the anchors stay [{shown}] pixels, for which its weights were trained on a canvas of {before}; "
            f"--set YOLACT_ANCHOR_SCALES=None gives those of this run's canvas of {side}."]


def told_of_changes(written: dict | None, config: Settings) -> list[str]:
    """Tell of settings that a training goes on with and did not have before; `told_of_settings` has told of the others.

    Args:
        written: settings of the checkpoint that it goes on from, as far as they are `readable`; None: it carries none,
            or the training is a new one.
        config: settings of now.

    Returns:
        One line, or none.
    """
    changed = {name: pair for name, pair in _changes(written, config).items()
               if name not in READING and name not in OUTSIDE_TRAINING}
    if not changed:
        return []
    listed = ", ".join(f"{name}={_shown(now)} (was {_shown(before)})" for name, (before, now) in changed.items())
    return [f"The training goes on with other settings than before: {listed}. Give the former values to go on as it "
            "began."]


def _changes(written, config):
    """{name: (value before, value now)} of the settings that differ, as JSON has them; without those of no effect."""
    if not written:
        return {}
    before, now = _compared(written, config), _compared(config.to_dict(), config)
    idle = {*unused(config), *PASSED_OVER.get(getattr(config, "GEOMETRY", None), ())}
    names = [name for name in now if name in before and (name in RULES or name == "BATCH_SIZE") and name not in idle]
    return {name: (before[name], now[name]) for name in names if before[name] != now[name]}


def _compared(values, config):
    """Settings with what follows from several, or has its value from another, in a form that can be compared."""
    values = dict(values)
    if {"IMAGES_PER_GPU", "GPU_COUNT"} <= set(values):
        values["BATCH_SIZE"] = values["IMAGES_PER_GPU"] * values["GPU_COUNT"]
    if values.get("HEAD_NORM", "") is None:
        values["HEAD_NORM"] = values.get("NORM")
    if scales := scales_before(values):
        values["YOLACT_ANCHOR_SCALES"] = list(scales)
    if "LOSS_WEIGHTS" in values:  # files from before a loss existed lack its weight
        values["LOSS_WEIGHTS"] = {**type(config)._of_network().LOSS_WEIGHTS, **values["LOSS_WEIGHTS"]}
    return values


def _shown(value):
    return value if isinstance(value, str) else in_short(value).replace(" ", "")
