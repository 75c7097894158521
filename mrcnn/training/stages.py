"""Which layers a stage of training changes: "heads", "3+", "4+", "5+", "all", "attributes", or a regular expression."""

import math
import re
import warnings
from collections.abc import Sequence

import keras
from keras import layers as keras_layers

from mrcnn.errors import ConfigError
from mrcnn.network.backbones import named_stage
from mrcnn.network.layer_calls import calls_of, layers_within
from mrcnn.network.layout import layout_of
from mrcnn.network.mask_rcnn_layout import ATTRIBUTE_LAYERS

BACKBONE_STAGES = ("3+", "4+", "5+")
LAST_STAGE = 5


def select_layers(model: object, layers: str, frozen_norm: bool) -> list[str]:
    """Names of the layers with weights that a stage trains.

    Args:
        model: the training model.
        layers: a stage's name or a regular expression matched against whole layer names.
        frozen_norm: whether batch normalisation stays as it is.

    Raises:
        ConfigError: if the expression is malformed or matches no layer.
    """
    with_weights = [layer for layer in model.layers if layer.weights]
    if layers == "all":
        chosen = with_weights
    elif layers == "heads":
        chosen = [layer for layer in with_weights if layout_of(model).is_head(layer.name)]
    elif layers == "attributes":
        chosen = [layer for layer in with_weights if layer.name in ATTRIBUTE_LAYERS]
        if not chosen:
            raise ConfigError(
                "layers='attributes' matches nothing: the network has no attribute head. Train a Mask R-CNN with "
                "--attributes (ATTRIBUTES), or use heads, 3+, 4+, 5+, all or a regex."
            )
    elif layers in BACKBONE_STAGES:
        stages, lowest = backbone_stages(model), int(layers[0])
        chosen = [layer for layer in with_weights if stages.get(layer.name, LAST_STAGE) >= lowest]
    else:
        try:
            chosen = [layer for layer in with_weights if re.fullmatch(layers, layer.name)]
        except re.error as error:
            raise ConfigError(
                f"layers={layers!r} is no regular expression ({error}); or use heads, 3+, 4+, 5+, all, attributes."
            ) from error
    if frozen_norm:
        of_norms = {id(weight) for norm in _norms(model) for weight in norm.weights}
        chosen = [layer for layer in chosen if any(id(weight) not in of_norms for weight in layer.weights)]
    if not chosen:
        raise ConfigError(
            f"layers={layers!r} matches no layer with weights: use heads, 3+, 4+, 5+, all, attributes or a regex."
        )
    return [layer.name for layer in chosen]


def backbone_stages(model: object) -> dict[str, int]:
    """{name: stage} of the backbone's layers with weights: 1 for the stem, 2..5 for what ends in C2..C5.

    By name in a ResNet of ours, else by the stride of the layer's output, of its smallest one if it has several. Where
    an output has no size to tell the stride by (the gates of squeeze-and-excitation), the stage is that of the layer
    before. A layer of a dilated backbone knows the stride that it would have (`mrcnn.network.dilation`).
    """
    layout = layout_of(model)
    layers = [layer for layer in model.layers if layer.weights and not layout.is_head(layer.name)]
    stages, last, rows = {}, 1, None
    for layer in layers:
        named = named_stage(layer.name)
        stride = getattr(layer, "undilated_stride", None)
        if named is not None:
            last = named
        elif stride is not None:
            last = max(1, min(LAST_STAGE, round(math.log2(stride))))
        else:
            rows = rows or _rows_of_outputs(model, layers)
            last = _stage_of_rows(rows[layer.name], rows[None], last)
        stages[layer.name] = last
    return stages


def _rows_of_outputs(model, layers):
    """{layer name: rows of its smallest output, None if it gives no map}; under None the rows of the image."""
    image, names = model.input["image"], {layer.name for layer in layers}
    size, given = image.shape[1], {}
    for call in calls_of(model):
        given.setdefault(call.operation.name, call.outputs)
    given = {name: given[name] for name in given if name in names}
    if not size:  # photos of any size: shapes as they were for one
        size = 512
        backbone = keras.Function(image, given)
        given = backbone.compute_output_spec(keras.KerasTensor((1, size, size, image.shape[-1])))
    shapes = {name: [tensor.shape for tensor in tensors] for name, tensors in given.items()}
    rows = {name: [shape[1] for shape in some if len(shape) == 4] for name, some in shapes.items()}
    return {**{name: min(some, default=None) for name, some in rows.items()}, None: size}


def _stage_of_rows(rows, image_rows, before):
    """Stage of a layer by the rows of its output: 2 at stride 4 ... 5 at stride 32."""
    stage = round(math.log2(image_rows / rows)) if rows else before
    return max(1, stage) if stage <= LAST_STAGE else before


def layer_rates(model: object, decay: float) -> dict[str, float]:
    """{name: share of the learning rate} of the backbone's layers with weights (Bao 2022, "BEiT").

    The heads, which are not named, have the whole; C5 has `decay` of it, C4 `decay` of that, and so on to the stem.
    """
    return {name: decay ** (LAST_STAGE + 1 - stage) for name, stage in backbone_stages(model).items()}


def set_trainable_layers(model: object, names: Sequence[str], frozen_norm: bool = False) -> None:
    """Make exactly these layers trainable, with all that is inside of them.

    Args:
        model: the training model.
        names: of its layers.
        frozen_norm: whether batch normalisation stays as it is, inside of these layers too.
    """
    names = set(names)
    for layer in model.layers:
        for part in layers_within([layer]) if layer.weights else ():  # Keras passes it on by some backends alone
            part.trainable = layer.name in names and not (frozen_norm and _is_norm(part))
    # On JAX Keras' compiled steps tell variables by which of them are trained. That of training goes with compile().
    model.test_function = model.predict_function = None


def _is_norm(layer):
    return isinstance(layer, keras_layers.BatchNormalization)


def _norms(model):
    """The layers of batch normalisation of a model, wherever they are in it."""
    return [layer for layer in layers_within(model.layers) if _is_norm(layer)]


def untrained_norms(model: object) -> int:
    """Number of frozen batch normalisation layers, if none of them has statistics other than it was made with.

    Args:
        model: the training model.

    Returns:
        The number; 0 if any of them has taken statistics from data or from a weight file.
    """
    norms = [norm for norm in _norms(model) if not norm.trainable]
    means = (keras.ops.convert_to_numpy(layer.moving_mean) for layer in norms)
    variances = (keras.ops.convert_to_numpy(layer.moving_variance) for layer in norms)
    return 0 if any(mean.any() for mean in means) or any((v != 1).any() for v in variances) else len(norms)


def warn_of_untrained_norms(model: object) -> None:
    """Warn if all batch normalisation is frozen before it has seen weights or data.

    Args:
        model: the training model.
    """
    count = untrained_norms(model)
    if count:
        warnings.warn(
            f"{count} layers of batch normalisation are frozen (TRAIN_BN=False), and no weights were loaded that "
            'bring their statistics: random weights cannot learn so. Set NORM="group", or load weights first.',
            stacklevel=3,
        )
