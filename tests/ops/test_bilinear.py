"""Weights of bilinear samples: by hand, and of numpy and of tensors alike."""

import numpy as np
from keras import ops

from mrcnn.ops.bilinear import tent_weights


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
