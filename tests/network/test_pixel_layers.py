"""The layers that networks of label maps share, by hand."""

import keras
import numpy as np
import pytest

from mrcnn.config_pixels import PixelSettings
from mrcnn.network.pixel_layers import Blocks, EnlargedConv2D, SpreadOver, enlarged, groups_of

NORMED = 1 / np.sqrt(1 + 1e-3)  # what a batch norm without statistics multiplies by


def blocks(activation=None, norm="batch"):
    return Blocks(PixelSettings(NAME="t", NUM_CLASSES=2, HEAD_NORM=norm), activation)


def atrous(x, kernel, rate):
    """y[p, q] = sum over i, j of x[p + rate * i, q + rate * j] w[i, j], 0 outside (Chen 2017, equation 1)."""
    height, width, _ = x.shape
    result = np.zeros((height, width, kernel.shape[-1]))
    for p, q in np.ndindex(height, width):
        for i, j in np.ndindex(3, 3):
            row, column = p + rate * (i - 1), q + rate * (j - 1)
            if 0 <= row < height and 0 <= column < width:
                result[p, q] += x[row, column] @ kernel[i, j]
    return result


@pytest.mark.parametrize("rate", [1, 2, 3])
@pytest.mark.parametrize("separable", [False, True])
def test_atrous_convolution_by_hand(rate, separable):
    rng = np.random.default_rng(rate)
    given = keras.Input((7, 6, 2))
    model = keras.Model(given, blocks("relu").convolve(given, 3, dilation=rate, name="a", separable=separable))
    image = rng.normal(size=(1, 7, 6, 2)).astype(np.float32)
    kernels = [rng.normal(size=layer.kernel.shape) for layer in model.layers if hasattr(layer, "kernel")]
    for layer, kernel in zip([layer for layer in model.layers if hasattr(layer, "kernel")], kernels):
        layer.set_weights([kernel])
    if separable:  # each channel by itself, then all at each place
        by_channel = np.zeros((3, 3, 2, 2))
        by_channel[..., range(2), range(2)] = kernels[0][..., 0]
        wanted = np.maximum(atrous(image[0], by_channel, rate) * NORMED, 0) @ kernels[1][0, 0]
    else:
        wanted = atrous(image[0], kernels[0], rate)
    got = keras.ops.convert_to_numpy(model(image))[0]
    np.testing.assert_allclose(got, np.maximum(wanted * NORMED, 0), atol=1e-5)


def test_enlarging_goes_by_the_centres_of_cells():
    """Of two cells with centres at 1 and 3 the pixels at 0.5 to 3.5; beyond the outer centres nothing new."""
    for times, wanted in ((2, [0, 1, 3, 4]), (4, [0, 0, 0.5, 1.5, 2.5, 3.5, 4, 4])):
        row = keras.ops.convert_to_numpy(enlarged(np.array([0, 4], np.float32).reshape(1, 1, 2, 1), times, None))
        assert row.shape == (1, times, 2 * times, 1)
        np.testing.assert_allclose(row[0, 0, :, 0], wanted, atol=1e-6)


@pytest.mark.parametrize("bias", [False, True])
def test_enlarging_and_convolving_in_one_is_both_in_turn(bias):
    given = keras.Input((None, None, 3))
    one = EnlargedConv2D(2, use_bias=bias, activation="relu")
    plain = keras.layers.Conv2D(2, 3, padding="same", use_bias=bias, activation="relu")
    in_one, in_turn = keras.Model(given, one(given)), keras.Model(given, plain(enlarged(given, 2, None)))
    assert in_one.output.shape == in_turn.output.shape == (None, None, None, 2)
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=weight.shape) for weight in plain.weights]
    one.set_weights(weights)
    plain.set_weights(weights)
    x = rng.normal(size=(2, 3, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(*(keras.ops.convert_to_numpy(model(x)) for model in (in_one, in_turn)), atol=2e-5)


def test_only_kernels_that_it_can_are_enlarged_and_convolved_in_one():
    with pytest.raises(ValueError, match="3x3 cells, padded"):
        EnlargedConv2D(2, strides=2)


def test_groups_divide_the_channels():
    assert [groups_of(channels) for channels in (1, 8, 24, 40, 48, 64, 17)] == [1, 8, 12, 10, 16, 16, 1]
    made = keras.Input((4, 4, 24))
    model = keras.Model(made, blocks(norm="group").convolve(made, 24, name="a"))
    assert model.get_layer("a_bn").groups == 12


def test_one_cell_is_spread_over_a_map():
    cell, like = np.array([1.0, 2.0], np.float32).reshape(1, 1, 1, 2), np.full((1, 2, 3, 5), np.inf, np.float32)
    spread = keras.ops.convert_to_numpy(SpreadOver()([cell, like]))
    np.testing.assert_array_equal(spread, np.broadcast_to([1, 2], (1, 2, 3, 2)))
