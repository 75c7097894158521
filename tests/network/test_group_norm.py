"""Group normalisation against its definition in float64, and against Keras's layer."""

import keras
import numpy as np
import pytest

from mrcnn.network.group_norm import GroupNormalization


def by_definition(x, groups, gamma, beta, epsilon):
    """Of each photo and group the mean and variance of all its values (Wu and He 2018, equations 1 to 4)."""
    x = x.astype(np.float64)
    split = x.reshape(len(x), -1, groups, x.shape[-1] // groups)
    mean, variance = (getattr(split, name)(axis=(1, 3), keepdims=True) for name in ("mean", "var"))
    return ((split - mean) / np.sqrt(variance + epsilon)).reshape(x.shape) * gamma + beta


@pytest.mark.parametrize("shape,groups", [((2, 5, 6, 8), 4), ((2, 5, 6, 8), 8), ((2, 3, 4, 5, 6), 2), ((3, 6), 3)])
def test_it_is_its_definition(shape, groups):
    rng = np.random.default_rng(0)
    x, gamma, beta = rng.normal(3, 2, shape), rng.normal(1, 0.3, shape[-1]), rng.normal(size=shape[-1])
    layer, theirs = (kind(groups, epsilon=1e-3) for kind in (GroupNormalization, keras.layers.GroupNormalization))
    for one in (layer, theirs):
        one.build(shape)
        one.set_weights([gamma, beta])
    got = keras.ops.convert_to_numpy(layer(x.astype(np.float32)))
    np.testing.assert_allclose(got, by_definition(x, groups, gamma, beta, 1e-3), atol=1e-5)
    np.testing.assert_allclose(got, keras.ops.convert_to_numpy(theirs(x.astype(np.float32))), atol=1e-5)
    assert [w.path.split("/")[-1] for w in layer.weights] == [w.path.split("/")[-1] for w in theirs.weights]
    assert layer.get_config().keys() == theirs.get_config().keys()


def test_large_maps_lose_no_digits():
    x = np.random.default_rng(0).normal(20, 1, (1, 256, 256, 8)).astype(np.float32)
    got = keras.ops.convert_to_numpy(GroupNormalization(2, epsilon=1e-5)(x))
    assert np.abs(got - by_definition(x, 2, 1, 0, 1e-5)).max() < 2e-5  # Keras: 2e-4 on TensorFlow


def test_half_precision_does_not_overflow():
    """Squares of 300 are beyond float16."""
    x = np.array([300.0, -300.0]).repeat(8).reshape(1, 2, 4, 2)
    got = GroupNormalization(1, dtype="mixed_float16")(x)
    assert keras.backend.standardize_dtype(got.dtype) == "float16"
    np.testing.assert_allclose(keras.ops.convert_to_numpy(got), np.sign(x), atol=1e-3)


def test_maps_of_any_size_and_no_other_axis():
    layer = GroupNormalization(2)
    assert layer(keras.Input((None, None, 4))).shape == (None, None, None, 4)
    with pytest.raises(ValueError, match="last axis, not axis 1"):
        GroupNormalization(2, axis=1).build((1, 4, 5, 6))
