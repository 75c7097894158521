"""Bilinear samples: by hand, and of numpy and of tensors alike."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.ops.bilinear import convolve_enlarged, enlarge, tent_weights
from mrcnn.ops.portable import portable_graph


def test_weights_by_hand():
    # At a centre all is one cell's; at 1.25, three quarters of cell 1 and a quarter of cell 2; at -0.25, cell 0 alone.
    weights = tent_weights(np.array([[0.0, 1.25], [2.0, -0.25]]), 3)
    assert weights.tolist() == [[[1, 0, 0], [0, 0.75, 0.25]], [[0, 0, 1], [0.75, 0, 0]]]


def test_tensors_and_arrays_agree_to_the_bit():
    positions = np.random.default_rng(0).uniform(0, 6, (5, 40)).astype("float32")
    weights = tent_weights(positions, 7)
    assert weights.dtype == np.float32 and weights.shape == (5, 40, 7)
    np.testing.assert_array_equal(ops.convert_to_numpy(tent_weights(ops.convert_to_tensor(positions), 7)), weights)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-6)
    np.testing.assert_allclose(weights @ np.arange(7), positions, atol=1e-5)  # linear functions are met
    assert tent_weights(positions.astype(float), 7).dtype == float


def test_a_map_made_larger_by_hand():
    x = np.array([[[[0.0], [4.0]]]], "float32")  # one row of two cells
    larger = ops.convert_to_numpy(enlarge(ops.convert_to_tensor(x), 2))
    # Centres of the new cells lie a quarter of a cell from those of the old; beyond the outermost the edge counts.
    assert larger[0, :, :, 0].tolist() == [[0, 1, 3, 4]] * 2


def test_maps_are_made_larger_as_tents_say():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype("float32")
    rows, columns = (tent_weights(np.clip((np.arange(n * 4) + 0.5) / 4 - 0.5, 0, n - 1), n) for n in (3, 5))
    expected = np.einsum("ih,jw,bhwf->bijf", rows, columns, x)
    np.testing.assert_allclose(ops.convert_to_numpy(enlarge(ops.convert_to_tensor(x), 4)), expected, atol=1e-5)


def test_half_precision_stays_half_precision():
    assert keras.backend.standardize_dtype(enlarge(ops.ones((1, 2, 2, 1), "bfloat16"), 2).dtype) == "bfloat16"


def enlarged_and_convolved(x, kernel):
    """What `convolve_enlarged` is to give, tap by tap in float64."""
    batch, height, width, _ = x.shape
    rows, columns = (tent_weights(np.clip((np.arange(n * 2) + 0.5) / 2 - 0.5, 0, n - 1), n) for n in (height, width))
    padded = np.pad(np.einsum("ih,jw,bhwf->bijf", rows, columns, x), [(0, 0), (1, 1), (1, 1), (0, 0)])
    result = np.zeros((batch, 2 * height, 2 * width, kernel.shape[-1]))
    for row, column in np.ndindex(3, 3):
        result += padded[:, row : row + 2 * height, column : column + 2 * width] @ kernel[row, column]
    return result


@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("shape", [(2, 4, 5), (1, 2, 3), (1, 2, 2)])
def test_a_map_made_larger_and_convolved_is_so_to_its_outermost_cells(shape, portable):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(*shape, 3)).astype("float32"), rng.normal(size=(3, 3, 3, 2)).astype("float32")
    if portable:
        with portable_graph(static=False):
            result = convolve_enlarged(ops.convert_to_tensor(x), ops.convert_to_tensor(kernel))
    else:
        result = convolve_enlarged(ops.convert_to_tensor(x), ops.convert_to_tensor(kernel))
    np.testing.assert_allclose(ops.convert_to_numpy(result), enlarged_and_convolved(x, kernel), atol=2e-5)


def test_convolved_half_precision_stays_half_precision():
    result = convolve_enlarged(ops.ones((1, 3, 3, 1), "bfloat16"), ops.ones((3, 3, 1, 1), "bfloat16"))
    assert keras.backend.standardize_dtype(result.dtype) == "bfloat16"
    assert np.asarray(ops.convert_to_numpy(ops.cast(result, "float32")))[0, :2, :2, 0].tolist() == [[4, 6], [6, 9]]
