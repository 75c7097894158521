"""Feature maps of any backbone at a smaller stride: strides become dilation (Chen 2017, section 3.2).

The weights stay what they are, and each convolution sees what it saw, at more places.
"""

import keras
from keras import layers, ops

from mrcnn.config import Settings
from mrcnn.errors import ConfigError
from mrcnn.network.backbones import build_backbone
from mrcnn.ops import Tensor

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
AVERAGE = layers.AveragePooling2D
POOLINGS = (layers.MaxPooling2D, AVERAGE)


def build_dilated_backbone(image: Tensor, config: Settings, output_stride: int) -> dict[str, Tensor]:
    """Feature maps of an image, of which the deepest have a stride of `output_stride` at most.

    A convolution that leads beyond that stride takes every pixel in place of every second, and those behind it leave
    gaps between their taps, as wide as what they saw was sparse. Where such a layer had padding of its own in front
    (ZeroPadding2D), it pads all sides alike.

    Args:
        image: KerasTensor [B, H, W, 3], RGB less Config.MEAN_PIXEL.
        config: settings; BACKBONE is any that `build_backbone` knows.
        output_stride: 8, 16 or 32, which changes nothing.

    Returns:
        {"C2": [B, H/4, W/4, F2], ..., "C5": [B, H/output_stride, W/output_stride, F5]}.

    Raises:
        ConfigError: the backbone has a layer that cannot be dilated.
    """
    taps = build_backbone(image, config)
    if output_stride >= 32:
        return taps
    function = keras.Function([image], list(taps.values()))
    changed, strides = _dilated_settings(function, image, output_stride)
    made = {}

    def anew(operation):
        """Every layer once more: one that was called twice would have no output that its name tells."""
        if not isinstance(operation, layers.Layer) or isinstance(operation, layers.InputLayer):
            return operation
        if operation.name not in made:
            kind = DenseAverage if operation.name in changed and isinstance(operation, AVERAGE) else type(operation)
            layer = kind.from_config(changed.get(operation.name, operation.get_config()))
            layer.undilated_stride = strides[operation.name]  # tells its stage, which its map's size does not
            made[operation.name] = layer
        return made[operation.name]

    maps = function._run_through_graph([image], operation_fn=anew)
    return dict(zip(taps, maps))


class DenseAverage(AVERAGE):
    """Average pooling of stride 1 and SAME padding, of which each mean is one of the cells there are.

    Keras 3.15 on PyTorch counts in the padding of windows of even sides.
    """

    def call(self, x: Tensor) -> Tensor:
        before_and_after = [((side - 1) // 2, side // 2) for side in self.pool_size]
        padding = [(0, 0), *before_and_after, (0, 0)]

        def summed(values):
            return ops.average_pool(ops.pad(values, padding), self.pool_size, 1, "valid", data_format="channels_last")

        return summed(x) / summed(ops.ones_like(x[:1, :, :, :1]))


def _dilated_settings(function, image, output_stride):
    """({name: settings} of layers that are other than before, {name: stride without dilation}), from the image on."""
    changed, strides, padded = {}, {}, {}
    state = {id(image): (1, 1)}  # of each tensor: the stride that it would have, and the dilation of what follows
    for operation in function.operations:
        if isinstance(operation, layers.InputLayer):
            continue
        inputs = keras.tree.flatten(operation.input)
        stride, dilation = max((state.get(id(tensor), (1, 1)) for tensor in inputs), default=(1, 1))
        step = _stride_of(operation)
        if isinstance(operation, layers.ZeroPadding2D):
            padded[id(operation.output)] = operation
        if step > 1 and stride * step > output_stride or dilation > 1 and isinstance(operation, CONVOLUTIONS):
            settings = _dilated(operation, dilation, stride * step > output_stride)
            padding = padded.get(id(inputs[0]))
            if padding is not None:
                changed[padding.name] = {**padding.get_config(), "padding": ((0, 0), (0, 0))}
                settings["padding"] = "same"
            changed[operation.name] = settings
            if stride * step > output_stride:
                dilation *= step
        strides[operation.name] = stride * step
        for tensor in keras.tree.flatten(operation.output):
            state[id(tensor)] = (stride * step, dilation)
    return changed, strides


def _stride_of(operation):
    """By how much a layer is coarser than what it is given."""
    strides = getattr(operation, "strides", 1)
    return max(strides) if isinstance(strides, (tuple, list)) else int(strides or 1)


def _dilated(operation, dilation, dense):
    """Settings of a layer that has the dilation, and if `dense` no stride. Pooling takes all in between."""
    settings = operation.get_config()
    if isinstance(operation, CONVOLUTIONS):
        settings["dilation_rate"] = [dilation * rate for rate in operation.dilation_rate]
        if dense:
            settings["strides"] = [1, 1]
            if max(operation.kernel_size) > 1 and operation.padding == "valid":
                settings["padding"] = "same"  # of one that tiled its input without gap or overlap, as ConvNeXt's
    elif isinstance(operation, POOLINGS):
        settings.update(pool_size=[dilation * side for side in operation.pool_size], strides=[1, 1], padding="same")
    else:
        raise ConfigError(
            f"Layer {operation.name} ({type(operation).__name__}) of this backbone cannot be dilated: set "
            "OUTPUT_STRIDE=32, or take another BACKBONE."
        )
    return settings
