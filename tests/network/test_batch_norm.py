"""Batch normalisation is Keras's; the convolution that takes it in is tested with TensorFlow's kernels."""

import keras
import numpy as np
import pytest

from mrcnn.network.batch_norm import BatchNormalization


@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False}])
@pytest.mark.parametrize("training", [False, True])
def test_it_is_keras_own(settings, training):
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (2, 4, 5, 3)).astype("float32")
    own, theirs = (kind(epsilon=1e-3, name="n", **settings)
                   for kind in (BatchNormalization, keras.layers.BatchNormalization))
    for layer in (own, theirs):
        layer.build(x.shape)
        layer.set_weights([np.linspace(0.5, 2, 3)] * len(layer.weights))
    results = [keras.ops.convert_to_numpy(layer(x, training=training)) for layer in (own, theirs)]
    np.testing.assert_allclose(*results, atol=1e-6)
    for ours, other in zip(own.weights, theirs.weights, strict=True):
        assert ours.path == other.path
        np.testing.assert_allclose(*(keras.ops.convert_to_numpy(weight) for weight in (ours, other)), atol=1e-6)
