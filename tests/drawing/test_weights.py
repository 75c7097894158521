"""Norms of filters by hand arithmetic, and their figure."""

import keras
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from mrcnn.drawing import weights as weights_view
from mrcnn.drawing.figures import display_weight_stats

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def model():
    image = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(3, 1, name="conv")(image)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.DepthwiseConv2D(1, depth_multiplier=2, use_bias=False, name="depthwise")(x)
    x = keras.layers.Conv2DTranspose(2, 1, use_bias=False, name="deconv")(x)
    model = keras.Model(image, keras.layers.Dense(1, name="dense")(keras.layers.Flatten()(x)))
    model.get_layer("conv").set_weights([np.array([[[[3.0, 0, 1], [4, 0, 0]]]]), np.full(3, 9.0)])
    model.get_layer("depthwise").set_weights([np.arange(-3.0, 3).reshape(1, 1, 3, 2)])
    # [1, 1, outputs, inputs]: the first output gathers six ones, the second six twos.
    model.get_layer("deconv").set_weights([np.array([[[1.0] * 6, [2.0] * 6]])[None]])
    model.get_layer("dense").set_weights([np.full((32, 1), 0.5), np.zeros(1)])
    return model


def test_norms_of_filters(model):
    norms = weights_view.filter_norms(model)
    assert list(norms) == ["conv", "depthwise", "deconv", "dense"]
    np.testing.assert_allclose(norms["conv"], [5, 0, 1])  # 3, 4, 5; biases do not count
    np.testing.assert_allclose(norms["depthwise"], [3, 2, 1, 0, 1, 2])
    np.testing.assert_allclose(norms["deconv"], [6**0.5, 24**0.5], rtol=1e-6)
    np.testing.assert_allclose(norms["dense"], [8**0.5], rtol=1e-6)  # 32 times a quarter


def test_separable_convolutions_have_both_their_kernels_and_models_in_models_all_their_layers():
    image = keras.Input((4, 4, 2))
    inner = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Conv2D(2, 1, name="one"),
                              keras.layers.Conv2D(2, 1, name="two")], name="inner")
    x = keras.layers.SeparableConv2D(3, 1, use_bias=False, name="sep")(inner(image))
    model = keras.Model(image, keras.layers.MultiHeadAttention(1, 2, use_bias=False, name="look")(x, x))
    model.get_layer("sep").set_weights([np.float32([[[[2.0], [3]]]]), np.float32([[[[3, 0, 1], [4, 0, 0]]]])])
    norms = weights_view.filter_norms(model)
    assert list(norms)[:4] == ["inner/one", "inner/two", "sep/depthwise_kernel", "sep/pointwise_kernel"]
    np.testing.assert_allclose(norms["sep/depthwise_kernel"], [2, 3])
    np.testing.assert_allclose(norms["sep/pointwise_kernel"], [5, 0, 1])
    assert weights_view.dead_filters(norms)["sep/pointwise_kernel"].tolist() == [1]
    assert sorted(weights_view.weights_named(model, "kernel"))[-4:] == [f"look/{part}/kernel" for part in (
        "attention_output", "key", "query", "value")]
    rows = display_weight_stats(model)
    assert [row[0] for row in rows[1:6]] == [
        "inner/one/kernel", "inner/one/bias", "inner/two/kernel", "inner/two/bias", "sep/depthwise_kernel"]


def test_a_model_behind_get_trainable_layers(model):
    class Wrapped:
        def get_trainable_layers(self):
            return [model.get_layer("dense"), model.get_layer("bn")]

    assert list(weights_view.filter_norms(Wrapped())) == ["dense"]
    assert list(weights_view.weights_named(Wrapped(), "gamma")) == ["bn"]


def test_weights_by_name(model):
    weights = weights_view.weights_named(model, "gamma", "bias")
    assert {name: values.tolist() for name, values in weights.items()} == {
        "conv": [9, 9, 9], "bn": [1, 1, 1], "dense": [0]
    }
    assert list(weights_view.weights_named(model, *weights_view.KERNELS)) == ["conv", "depthwise", "deconv", "dense"]


def test_dead_filters_are_those_far_below_the_median():
    norms = {"well": np.array([1.0, 2, 3]), "edge": np.array([0.0101, 0.0099, 1, 1, 1]), "all": np.zeros(2)}
    dead = weights_view.dead_filters(norms)
    assert {name: places.tolist() for name, places in dead.items()} == {"edge": [1], "all": [0, 1]}
    assert list(weights_view.dead_filters(norms, share=0.9)) == ["well", "edge", "all"]


def test_ranges_show_extremes_quartiles_and_what_is_dead():
    values = {"first": np.array([1.0, 2, 3, 4, 5]), "second": np.array([0.001, 1.0])}
    ax = weights_view.plot_layer_ranges(values, "norms", {"second": np.array([0])})
    lines = [sorted(line.get_xdata()) for line in ax.lines]
    assert lines[:3] == [[1, 5], [2, 4], [3]]
    assert lines[6] == [0.001] and ax.lines[6].get_marker() == "x"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second"]
    assert ax.get_xscale() == "log" and "dead" in ax.get_xlabel()
    plt.close("all")


@pytest.mark.parametrize("values, log, scale", [
    ([0.0, 1], True, "symlog"), ([0.0, 0], True, "linear"), ([1.0, 2], False, "linear"),
])
def test_the_axis_suits_zeros(values, log, scale):
    ax = weights_view.plot_layer_ranges({"layer": np.array(values)}, "norms", log=log)
    assert ax.get_xscale() == scale and "dead" not in ax.get_xlabel()
    plt.close("all")
