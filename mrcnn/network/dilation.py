"""Feature maps of any backbone at a smaller stride: strides become dilation (Chen 2017, section 3.2).

The weights stay what they are, and each convolution sees what it saw, at more places.
"""

import keras
from keras import layers, ops

from mrcnn.config import Settings
from mrcnn.errors import ConfigError
from mrcnn.network.backbones import TAPS, build_backbone, reason_of, wrong_stride
from mrcnn.network.layer_calls import calls_of
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
        ConfigError: the backbone has a layer that cannot be dilated, or made anew.
    """
    taps = build_backbone(image, config)
    if output_stride >= 32:
        return taps
    function = keras.Function([image], list(taps.values()))
    plan = _Plan(output_stride)
    plan.follow(function, [image])
    anew = _Anew(plan)
    maps = dict(zip(taps, function._run_through_graph([image], operation_fn=anew)))
    anew.take_weights()
    _check_strides(maps, image, config.BACKBONE, output_stride)
    return maps


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


class _Plan:
    """What becomes of each layer of a backbone, by the layer's id, nested models gone into.

    Attributes:
        changed: settings of layers that are other than before.
        strides: of each layer, as they are without dilation.
    """

    def __init__(self, output_stride):
        self.output_stride = output_stride
        self.changed, self.strides = {}, {}
        self.state = {}  # of each tensor: the stride that it would have, and the dilation of what follows
        self.padded = {}  # of each tensor the ZeroPadding2D that it comes from

    def follow(self, graph, inputs):
        """Go through a graph that is given `inputs`, the tensors of the graph round it."""
        self._pass(inputs, graph.inputs)
        for call in calls_of(graph):
            nested = _graph_in(call.operation)
            if nested is None:
                self._settle(call)
                continue
            self.follow(nested, call.inputs)
            self._pass(nested.outputs, call.outputs)
            self.strides[id(call.operation)] = max(self.state[id(tensor)][0] for tensor in nested.outputs)

    def _pass(self, tensors, others):
        """Let tensors of one graph be known as those of another."""
        for tensor, other in zip(tensors, others):
            self.state[id(other)] = self.state.get(id(tensor), (1, 1))
            if id(tensor) in self.padded:
                self.padded[id(other)] = self.padded[id(tensor)]

    def _settle(self, call):
        operation, inputs, outputs = call
        stride, dilation = max((self.state.get(id(tensor), (1, 1)) for tensor in inputs), default=(1, 1))
        step = _stride_of(operation)
        if isinstance(operation, layers.ZeroPadding2D):
            self.padded[id(outputs[0])] = operation
        dense = step > 1 and stride * step > self.output_stride
        if dense or dilation > 1 and isinstance(operation, CONVOLUTIONS):
            settings = _dilated(operation, dilation, dense)
            padding = self.padded.get(id(inputs[0]))
            if padding is not None:
                self.changed[id(padding)] = {**_settings_of(padding), "padding": ((0, 0), (0, 0))}
                settings["padding"] = "same"
            self.changed[id(operation)] = settings
            dilation *= step if dense else 1
        self.strides[id(operation)] = stride * step
        for tensor in outputs:
            self.state[id(tensor)] = (stride * step, dilation)


class _Anew:
    """Every layer once more, as planned: one that was called twice would have no output that its name tells."""

    def __init__(self, plan):
        self.plan, self.made = plan, {}
        self.pairs = []  # of layers: the one that there was, and the one in its place

    def __call__(self, operation):
        if not isinstance(operation, layers.Layer) or isinstance(operation, layers.InputLayer):
            return operation
        if id(operation) not in self.made:
            nested = _graph_in(operation)
            layer = self._layer(operation) if nested is None else self._model(operation, nested)
            layer.undilated_stride = self.plan.strides[id(operation)]  # tells its stage, which its map's size does not
            self.made[id(operation)] = layer
        return self.made[id(operation)]

    def take_weights(self):
        """Give the layers, which are called by now, the weights of those in whose place they are."""
        for operation, layer in self.pairs:
            try:
                layer.set_weights(operation.get_weights())
            except ValueError as error:
                raise _not_anew(operation, error) from error

    def _layer(self, operation):
        changed = self.plan.changed.get(id(operation))
        kind = DenseAverage if changed and isinstance(operation, AVERAGE) else type(operation)
        settings = changed or _settings_of(operation)
        try:
            layer = kind.from_config(settings)
        except Exception as error:  # of whatever class
            raise _not_anew(operation, error) from error
        layer.name = operation.name  # which the settings need not hold; weight files go by it
        self.pairs.append((operation, layer))
        return layer

    def _model(self, operation, graph):
        """A nested model of layers made anew, of maps of any size, for they are larger than before."""
        shapes = [tensor.shape if len(tensor.shape) != 4 else (tensor.shape[0], None, None, tensor.shape[3])
                  for tensor in graph.inputs]
        inputs = [keras.Input(batch_shape=shape, dtype=tensor.dtype) for shape, tensor in zip(shapes, graph.inputs)]
        outputs = graph._run_through_graph(inputs, operation_fn=self)
        model = keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name=operation.name)
        model.trainable = operation.trainable
        return model


def _graph_in(operation):
    """The graph of a model that is nested as a layer; None of any other."""
    graph = getattr(operation, "_functional", None) or operation
    return graph if isinstance(graph, keras.Function) and hasattr(graph, "operations") else None


def _check_strides(maps, image, backbone, output_stride):
    """Raise ConfigError where a map is coarser or finer than promised: a layer halves maps by what is no setting."""
    known = backbone if isinstance(backbone, str) else getattr(backbone, "__name__", "BACKBONE")
    wrong = wrong_stride(maps, image, [min(stride, output_stride) for stride in TAPS], known)
    if wrong:
        raise ConfigError(f"Backbone {known} cannot be dilated: {wrong}; a layer of its own halves maps: set "
                          "OUTPUT_STRIDE=32, or take another BACKBONE.")


def _settings_of(operation):
    """The settings of a layer, by which it is made anew."""
    try:
        return operation.get_config()
    except Exception as error:  # of whatever class
        raise _not_anew(operation, error) from error


def _not_anew(operation, error):
    return ConfigError(
        f"Layer {operation.name} ({type(operation).__name__}) of this backbone cannot be dilated, for get_config() "
        "does not tell how to make it anew: have it do so, set OUTPUT_STRIDE=32, or take another BACKBONE "
        f"({reason_of(error)})."
    )


def _stride_of(operation):
    """By how much a layer is coarser than what it is given."""
    strides = getattr(operation, "strides", 1)
    return max(strides) if isinstance(strides, (tuple, list)) else int(strides or 1)


def _dilated(operation, dilation, dense):
    """Settings of a layer that has the dilation, and if `dense` no stride. Pooling takes all in between."""
    settings = _settings_of(operation)
    if isinstance(operation, CONVOLUTIONS):
        settings["dilation_rate"] = [dilation * rate for rate in operation.dilation_rate]
        if dense:
            settings["strides"] = [1, 1]
            if max(operation.kernel_size) > 1 and operation.padding == "valid":
                settings["padding"] = "same"  # of one that tiled its input without gap or overlap, as ConvNeXt's
    elif isinstance(operation, POOLINGS):
        # One cell stays one: there is nothing in between.
        sides = [dilation * side if side > 1 else 1 for side in operation.pool_size]
        settings.update(pool_size=sides, strides=[1, 1], padding="same")
    else:
        raise ConfigError(
            f"Layer {operation.name} ({type(operation).__name__}) of this backbone cannot be dilated: set "
            "OUTPUT_STRIDE=32, or take another BACKBONE."
        )
    return settings
