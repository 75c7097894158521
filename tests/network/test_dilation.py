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
    config = TinyConfig(BACKBONE=backbone, NORM="group" if backbone == "small" else "batch", IMAGE_MIN_DIM=side,
                        IMAGE_MAX_DIM=side)
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
    plain = maps_of(build_backbone, "resnet50_v1_5", side=64)
    dilated = maps_of(build_dilated_backbone, "resnet50_v1_5", 16, side=64)
    for layer in plain.layers:
        if layer.weights:
            dilated.get_layer(layer.name).set_weights(layer.get_weights())
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
