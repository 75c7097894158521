"""Which layers a stage of training changes: "heads", "3+", "4+", "5+", "all", or a regular expression."""

import math
import re

from keras import layers as keras_layers

from mrcnn.config import ConfigError

HEADS = r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)"
BACKBONE_STAGES = ("3+", "4+", "5+")


def select_layers(model, layers, frozen_norm):
    """Names of the layers with weights that a stage trains.

    model: the training model; layers: a stage's name or a regular expression matched against whole layer names;
    frozen_norm: whether batch normalisation stays as it is.
    Raises ConfigError if the expression is malformed or matches no layer.
    """
    with_weights = [layer for layer in model.layers if layer.weights]
    if layers == "all":
        chosen = with_weights
    elif layers == "heads":
        chosen = [layer for layer in with_weights if re.fullmatch(HEADS, layer.name)]
    elif layers in BACKBONE_STAGES:
        lowest = int(layers[0])
        chosen = [layer for layer in with_weights if re.fullmatch(HEADS, layer.name) or _stage(layer, model) >= lowest]
    else:
        try:
            chosen = [layer for layer in with_weights if re.fullmatch(layers, layer.name)]
        except re.error as error:
            raise ConfigError(
                f"layers={layers!r} is no regular expression ({error}); or use heads, 3+, 4+, 5+, all."
            ) from error
    if frozen_norm:
        chosen = [layer for layer in chosen if not isinstance(layer, keras_layers.BatchNormalization)]
    if not chosen:
        raise ConfigError(f"layers={layers!r} matches no layer with weights: use heads, 3+, 4+, 5+, all or a regex.")
    return [layer.name for layer in chosen]


def _stage(layer, model):
    """Backbone stage of a layer: by name in a ResNet of ours, else by the stride of its output; 0 for the heads."""
    if re.fullmatch(HEADS, layer.name):
        return 0
    named = re.fullmatch(r"(?:res|bn)(\d).*", layer.name)
    if named:
        return int(named.group(1))
    shape, size = layer.output.shape, model.input["image"].shape[1]
    if len(shape) != 4:
        return 0
    if not size:
        raise ConfigError("Stages 3+, 4+, 5+ of this backbone go by strides, unknown at free image sizes: use all.")
    return round(math.log2(size / shape[1]))


def set_trainable_layers(model, names):
    """Make exactly these layers trainable."""
    names = set(names)
    for layer in model.layers:
        if layer.weights:
            layer.trainable = layer.name in names
