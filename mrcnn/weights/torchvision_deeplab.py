"""Weights of torchvision's deeplabv3_resnet50 and deeplabv3_resnet101 for our DeepLabv3.

What differs is folded into the weights: axes, the division of pixels by their std, and the epsilon of the norms.
Torchvision's has stride 8, the rates 12, 24 and 36, and photos of which the shorter side has 520 pixels.
"""

import os
import re
from collections.abc import Sequence

import numpy as np

from mrcnn.config import Settings
from mrcnn.errors import CheckpointError
from mrcnn.network.backbones import RESNETS_V1_5
from mrcnn.weights.torchvision import EPSILON, PIXEL_MEAN, Source, backbone_layers, read_arrays

NETWORK = "deeplabv3_resnet50"
VOC_CLASSES = (  # of torchvision's own files
    "BG|aeroplane|bicycle|bird|boat|bottle|bus|car|cat|chair|cow|dining table|dog|horse|motorbike|person|potted plant|"
    "sheep|sofa|train|tv"
).split("|")
# Our layer: the convolution and the norm in torchvision's names.
HEAD = {
    "aspp_1x1": ("classifier.0.convs.0.0", "classifier.0.convs.0.1"),
    "aspp_atrous1": ("classifier.0.convs.1.0", "classifier.0.convs.1.1"),
    "aspp_atrous2": ("classifier.0.convs.2.0", "classifier.0.convs.2.1"),
    "aspp_atrous3": ("classifier.0.convs.3.0", "classifier.0.convs.3.1"),
    "aspp_pool": ("classifier.0.convs.4.1", "classifier.0.convs.4.2"),
    "aspp_project": ("classifier.0.project.0", "classifier.0.project.1"),
    "label_conv": ("classifier.1", "classifier.2"),
}
AUXILIARY = {"auxiliary_conv": ("aux_classifier.0", "aux_classifier.1")}


def settings_of(path: str | os.PathLike) -> dict:
    """{"config": settings, "class_names"} that torchvision's file needs.

    Raises:
        CheckpointError: for any other file.
    """
    settings = needed_settings(path, read_arrays(path))
    names = list(VOC_CLASSES) if settings["NUM_CLASSES"] == len(VOC_CLASSES) else None
    mean = [round(float(value), 3) for value in PIXEL_MEAN]
    photos = {"IMAGE_RESIZE_MODE": "rectangle", "IMAGE_MIN_DIM": 520, "IMAGE_MAX_DIM": 1024, "MEAN_PIXEL": mean}
    return {"config": {"NAME": "torchvision", **settings, **photos}, "class_names": names}


def needed_settings(path: str | os.PathLike, state: dict[str, np.ndarray]) -> dict:
    """The settings of the network that the file's weights are of, read off its shapes."""
    try:
        blocks = tuple(
            1 + max(int(name.split(".")[2]) for name in state if re.match(rf"backbone\.layer{stage}\.\d+\.", name))
            for stage in (1, 2, 3, 4)
        )
        classes, channels = state["classifier.4.weight"].shape[:2]
        return {
            "BACKBONE": next(name for name, known in RESNETS_V1_5.items() if known == blocks),
            "NORM": "batch", "HEAD_NORM": "batch", "NUM_CLASSES": int(classes), "ASPP_CHANNELS": int(channels),
            "OUTPUT_STRIDE": 8, "ATROUS_RATES": [6, 12, 18],  # 12, 24, 36 at stride 8
            "AUXILIARY_HEAD": "aux_classifier.4.weight" in state,
        }
    except (KeyError, ValueError, TypeError, IndexError, StopIteration) as error:
        raise CheckpointError(
            f"{path} is no state dict of torchvision's {NETWORK}: it begins with {', '.join(list(state)[:3])}."
        ) from error


def convert(path: str | os.PathLike, config: Settings, exclude: Sequence[str] = ()) -> dict:
    """{layer: {weight name: array}} of torchvision's DeepLabv3, for a network of `config`.

    Args:
        path: of the file.
        config: DeepLabSettings.
        exclude: layers whose settings need not fit.

    Raises:
        CheckpointError: with the settings to use where others are given.
    """
    state = read_arrays(path)
    needed = needed_settings(path, state)
    del needed["OUTPUT_STRIDE"]  # any, for the weights are the same
    if "label_logits" in exclude:
        del needed["NUM_CLASSES"]
    if not config.AUXILIARY_HEAD:
        del needed["AUXILIARY_HEAD"]
    ours = {name: getattr(config, name) for name in needed} | {"HEAD_NORM": config.HEAD_NORM or config.NORM}
    ours["ATROUS_RATES"] = list(config.ATROUS_RATES)
    wrong = [name for name, value in needed.items() if ours[name] != value]
    if wrong:
        raise CheckpointError(
            f"{path} is torchvision's DeepLabv3: build the network with "
            f"{', '.join(f'{name}={needed[name]!r}' for name in wrong)}, or by DeepLabV3.from_checkpoint(path)."
        )
    source = Source(path, state, EPSILON, NETWORK)
    layers = backbone_layers(source, "backbone.", RESNETS_V1_5[config.BACKBONE], config.MEAN_PIXEL)
    heads = {**HEAD, **(AUXILIARY if config.AUXILIARY_HEAD else {})}
    for layer, (convolution, norm) in heads.items():
        layers[layer] = {"kernel": source.convolution(convolution)["kernel"]}
        layers[f"{layer}_bn"] = source.norm(norm)
    layers["label_logits"] = source.convolution("classifier.4")
    if config.AUXILIARY_HEAD:
        layers["auxiliary_logits"] = source.convolution("aux_classifier.4")
    source.check_nothing_left(but=() if config.AUXILIARY_HEAD else ("aux_classifier.",))
    return layers
