"""A dilated backbone gives, at every place that the plain one has, what that gives: here with padding that agrees."""

import keras
import numpy as np
import pytest
from tiny import TinyConfig

from mrcnn.errors import ConfigError
from mrcnn.network.backbones import build_backbone
from mrcnn.network.dilation import DenseAverage, build_dilated_backbone
from mrcnn.training.stages import backbone_stages


def maps_of(build, backbone, *options, side=128):
    """(model, {"C2": map ...}) of a picture."""
    config = TinyConfig(BACKBONE=backbone, NORM="group" if backbone == "small" else "batch", IMAGE_MIN_DIM=side or 128,
                        IMAGE_MAX_DIM=side or 128)
    image = keras.Input((side, side, 3), name="image")
    return keras.Model(image, build(image, config, *options))


@pytest.mark.parametrize("backbone", ["small", "efficientnet_lite0", "MobileNetV2"])
@pytest.mark.parametrize("stride", [8, 16])
def test_strides_and_names(backbone, stride):
    plain = maps_of(build_backbone, backbone)
    dilated = maps_of(build_dilated_backbone, backbone, stride)
    assert {name: tensor.shape[1] for name, tensor in dilated.output.items()} == {
        f"C{level}": 128 // min(2**level, stride) for level in (2, 3, 4, 5)}
    weights = [{layer.name: [w.shape for w in layer.weights] for layer in model.layers if layer.weights}
               for model in (plain, dilated)]
    assert weights[0] == weights[1]
    assert all(len(keras.tree.flatten(layer.output)) >= 1 for layer in dilated.layers)  # each was called once


def test_the_last_convolutions_have_gaps():
    """Beyond stride 8 the two stages of EfficientNet-Lite0 that halve no more dilate by 2 and by 4 behind them."""
    model = maps_of(build_dilated_backbone, "efficientnet_lite0", 8)
    rate = {layer.name: layer.dilation_rate[0] for layer in model.layers if "depthwise" in layer.name
            and hasattr(layer, "dilation_rate")}
    assert rate["lite_4_depthwise"] == 1  # the last of stride 8
    assert rate["lite_5_depthwise"] == 1  # takes every pixel now, and so its input is not sparse
    assert rate["lite_6_depthwise"] == 2 and rate["lite_11_depthwise"] == 2
    assert rate["lite_12_depthwise"] == 4


def test_it_sees_what_the_plain_one_sees():
    """torchvision's ResNet pads alike on all sides: every second place of the dense map is that of the plain one."""
    plain, dilated = by_names(maps_of(build_backbone, "resnet50_v1_5", side=64),
                              maps_of(build_dilated_backbone, "resnet50_v1_5", 16, side=64))
    image = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype(np.float32)
    few, many = (keras.ops.convert_to_numpy(model(image)["C5"]) for model in (plain, dilated))
    assert few.shape[1] == 2 and many.shape[1] == 4
    np.testing.assert_allclose(many[:, ::2, ::2], few, atol=1e-3 * np.abs(few).max())


def test_stride_32_changes_nothing_and_what_cannot_be_dilated_is_named():
    assert maps_of(build_dilated_backbone, "small", 32).output["C5"].shape[1] == 4

    def enlarging(image, stage5=True, train_bn=None):
        """Halves by 4 in one step, then doubles: a transposed convolution beyond the stride."""
        maps = [keras.layers.Conv2D(4, 3, 2, "same")(image)]
        for _ in range(3):
            maps.append(keras.layers.Conv2D(4, 3, 2, "same")(maps[-1]))
        deep = keras.layers.Conv2D(4, 3, 4, "same")(maps[-1])
        return [*maps, keras.layers.Conv2DTranspose(4, 2, 2)(deep)]

    with pytest.raises(ConfigError, match="OUTPUT_STRIDE"):
        build_dilated_backbone(keras.Input((64, 64, 3)), TinyConfig(BACKBONE=enlarging), 16)


def test_stages_are_those_of_the_plain_backbone():
    """So that "5+" trains what ends in C5, though its map is as large as that of C4."""
    plain, dilated = (maps_of(build, "efficientnet_lite0", *options) for build, options in (
        (build_backbone, ()), (build_dilated_backbone, (8,))))
    stages = [backbone_stages(keras.Model({"image": model.input}, model.output)) for model in (plain, dilated)]
    assert stages[0] == stages[1] and stages[0]["lite_15_project"] == 5 and stages[0]["lite_10_project"] == 4


def test_dense_averages_are_of_the_cells_there_are():
    x = np.random.default_rng(0).normal(size=(2, 5, 7, 3)).astype("float32")
    for side in (2, 3, 4):
        layer = DenseAverage(side, 1, "same")
        before = (side - 1) // 2  # SAME: the odd cell of padding comes behind
        expected = [[x[:, max(i - before, 0):i - before + side, max(j - before, 0):j - before + side].mean(axis=(1, 2))
                     for j in range(7)] for i in range(5)]
        found = keras.ops.convert_to_numpy(layer(x))
        np.testing.assert_allclose(found, np.stack([np.stack(row, 1) for row in expected], 1), atol=1e-6)


def nested(image, stage5=True, train_bn=None):
    """Halves in models nested as layers, as ConvNeXt does: a Sequential, one in a Sequential, padding apart."""
    def halving(name, inner):
        return keras.Sequential([keras.layers.LayerNormalization(), inner], name=name)

    conv = keras.layers.Conv2D
    x, maps = conv(4, 4, 2, "same", name="stem")(image), []
    for stage, inner in enumerate((conv(4, 2, 2), conv(4, 2, 2), keras.Sequential([conv(4, 2, 2)]),
                                   keras.Sequential([keras.layers.ZeroPadding2D(1), conv(4, 3, 2)]))):
        x = halving(f"halving_{stage}", inner)(x)
        x = keras.layers.DepthwiseConv2D(3, padding="same", name=f"block_{stage}")(x)
        maps.append(x)
    return maps


def by_names(plain, dilated):
    """Give the second network the weights of the first, layer by layer."""
    for layer in plain.layers:
        if layer.weights:
            dilated.get_layer(layer.name).set_weights(layer.get_weights())
    return plain, dilated


def nested_graphs(image):
    """The same of models that are graphs (keras.Model), the first of which has two outputs."""
    def model(x, name, *inner):
        start = y = keras.Input((None, None, x.shape[-1]))
        for layer in inner:
            y = layer(y)
        return keras.Model(start, y, name=name)(x)

    conv, depthwise = keras.layers.Conv2D, keras.layers.DepthwiseConv2D
    start = keras.Input((None, None, 3))
    stem = conv(4, 4, 4, "same", name="stem")(start)
    maps = list(keras.Model(start, [stem, conv(4, 2, 2)(stem)], name="stems")(image))
    x = maps[-1]
    for stage, side in ((2, 2), (3, 2)):
        x = model(x, f"halving_{stage}", conv(4, side, 2))
        maps.append(model(x, f"block_{stage}", depthwise(3, padding="same")))
        x = maps[-1]
    return maps


@pytest.mark.parametrize("side", [128, None])
@pytest.mark.parametrize("nested", [nested, nested_graphs])
def test_nested_models_are_gone_into(side, nested):
    plain, dilated = by_names(*(maps_of(build, nested, *options, side=side) for build, options in (
        (build_backbone, ()), (build_dilated_backbone, (16,)))))
    assert dilated.get_layer("halving_3").undilated_stride == 32
    image = np.random.default_rng(0).normal(size=(1, 128, 128, 3)).astype(np.float32)
    few, many = (keras.ops.convert_to_numpy(model(image)["C5"]) for model in (plain, dilated))
    assert few.shape[1] == 4 and many.shape[1] == 8
    np.testing.assert_allclose(many[:, ::2, ::2], few, atol=1e-5)


def test_strides_of_8_in_nested_models_dilate_by_4():
    dilated = maps_of(build_dilated_backbone, nested, 8)
    assert {name: tensor.shape[1] for name, tensor in dilated.output.items()} == {"C2": 32, "C3": 16, "C4": 16,
                                                                                   "C5": 16}
    assert dilated.get_layer("block_3").dilation_rate == (4, 4)
    assert dilated.get_layer("block_2").dilation_rate == (2, 2)


class Halving(keras.layers.Layer):
    def call(self, x):
        return x[:, ::2, ::2]

    def compute_output_shape(self, shape):
        return (shape[0], *(side and side // 2 for side in shape[1:3]), shape[3])


@pytest.mark.parametrize("side", [128, None])
def test_a_layer_that_halves_by_itself_is_refused(side):
    def sliced(image, stage5=True, train_bn=None):
        x, maps = keras.layers.Conv2D(4, 3, 2, "same")(image), []
        for _ in range(4):
            x = Halving()(x)
            maps.append(x)
        return maps

    with pytest.raises(ConfigError, match="Backbone sliced cannot be dilated: C5 has .* set OUTPUT_STRIDE=32"):
        maps_of(build_dilated_backbone, sliced, 16, side=side)


def test_pooling_of_one_cell_stays_one_cell():
    """Of one cell there is nothing in between: ResNet50V2's shortcuts take every second place, each as it is."""
    def shortcuts(image, stage5=True, train_bn=None):
        x, maps = keras.layers.Conv2D(4, 3, 2, "same", name="stem")(image), []
        for _ in range(4):
            x = keras.layers.MaxPooling2D(1, 2)(x)
            maps.append(x)
        return maps

    plain, dilated = by_names(*(maps_of(build, shortcuts, *options) for build, options in (
        (build_backbone, ()), (build_dilated_backbone, (8,)))))
    image = np.random.default_rng(0).normal(size=(1, 128, 128, 3)).astype(np.float32)
    few, many = (keras.ops.convert_to_numpy(model(image)["C5"]) for model in (plain, dilated))
    np.testing.assert_array_equal(many[:, ::4, ::4], few)


class Scaled(keras.layers.Layer):
    """An own layer with a weight, and another layer inside."""

    def __init__(self, width=1, **kwargs):
        super().__init__(**kwargs)
        self.inside = keras.layers.Dense(width, use_bias=False)

    def build(self, shape):
        self.factor = self.add_weight((shape[-1],), initializer="random_normal", name="factor")

    def call(self, x):
        return x * self.factor * self.inside(x)


def ready_made(image, last=None):
    """A function that brings weights of its own, in flat layers, nested models and own layers."""
    x, maps = image, []
    for stage in range(5):
        x = keras.layers.Conv2D(4, 3, 2, "same", name=f"conv_{stage}")(x)
        inner = keras.Input((None, None, 4))
        norms = keras.Sequential([keras.layers.BatchNormalization()])
        x = keras.Model(inner, Scaled(name="scaled")(norms(inner)), name=f"nested_{stage}")(x)
        norms.layers[-1].moving_mean.assign([1.0, 2.0, 3.0, 4.0])
        maps.append(x)
    return [*maps[:4], maps[4] if last is None else last(maps[4])]


@pytest.mark.parametrize("stride", [8, 16])
def test_the_weights_that_a_function_brings_stay(stride):
    made = []

    def backbone(image):
        made.append(keras.Model(image, ready_made(image)[1:]))
        return made[0].outputs

    dilated = maps_of(build_dilated_backbone, backbone, stride)
    before, after = (model.get_weights() for model in (made[0], dilated))
    assert len(before) == len(after) == 5 * (2 + 4 + 2)
    for one, other in zip(before, after):
        np.testing.assert_array_equal(one, other)


class Gain(keras.layers.Layer):
    """An own layer that leaves it to Keras to tell its settings, of which its name is none."""

    def __init__(self, start=1.0, **options):
        super().__init__(**options)
        self.start = start

    def build(self, shape):
        self.gain = self.add_weight((shape[-1],), name="gain")

    def call(self, x):
        return self.start * self.gain * x


def test_own_layers_keep_their_names():
    def backbone(image):
        maps = ready_made(image, Gain(2.0, name="last"))
        return [maps[0], *(Gain(name=f"gain_{stage}")(x) for stage, x in enumerate(maps[1:4], 1)), maps[4]]

    plain, dilated = (maps_of(build, backbone, *options) for build, options in (
        (build_backbone, ()), (build_dilated_backbone, (16,))))
    assert {layer.name for layer in dilated.layers} == {layer.name for layer in plain.layers}
    assert dilated.get_layer("last").start == 2.0


class Untold(Scaled):
    def get_config(self):
        return {name: value for name, value in super().get_config().items() if name != "width"}


class Odd(Scaled):
    def __init__(self, width):
        super().__init__(width)


@pytest.mark.parametrize("kind", [lambda: keras.layers.Lambda(lambda x: 2 * x), lambda: Odd(4), lambda: Untold(4)])
def test_a_layer_that_does_not_tell_its_settings_is_named(kind):
    def backbone(image):
        return ready_made(image, kind())

    with pytest.raises(ConfigError, match=r"Layer .* \((Lambda|Odd|Untold)\) .*get_config.* set OUTPUT_STRIDE=32, or"):
        maps_of(build_dilated_backbone, backbone, 16)
    assert len(maps_of(build_dilated_backbone, backbone, 32).output) == 4
