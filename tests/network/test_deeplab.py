"""Pyramid pooling against KerasHub's, where that is installed, and where it could go blind.

KerasHub's DeepLabv3+ is no reference for the whole: its decoder has no 3x3 convolutions.
"""

import keras
import numpy as np
import pytest

from mrcnn.config_pixels import DeepLabSettings
from mrcnn.network.deeplab import pyramid_pooling
from mrcnn.network.pixel_layers import Blocks


def pooling(inside, channels, norm, rates=(1, 2, 3)):
    """A model of the pyramid pooling of maps of 8x8 cells."""
    config = DeepLabSettings(NAME="t", NUM_CLASSES=2, ASPP_CHANNELS=channels, ATROUS_RATES=rates, HEAD_NORM=norm)
    given = keras.Input((8, 8, inside))
    return keras.Model(given, pyramid_pooling(given, config, Blocks(config)))


def test_it_computes_what_kerashub_computes(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    reason = "the oracle of this test: pip install keras-hub==0.32.0"
    hub = pytest.importorskip("keras_hub.src.models.deeplab_v3.deeplab_v3_layers", reason=reason, exc_type=ImportError)
    theirs, ours = hub.SpatialPyramidPooling([1, 2, 3], num_channels=8), pooling(12, 8, "batch")
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 12)).astype(np.float32)
    theirs(x)
    names = ["aspp_1x1", "aspp_atrous1", "aspp_atrous2", "aspp_atrous3", "aspp_pool", "aspp_project"]
    rng = np.random.default_rng(1)
    for name, branch in zip(names, [*theirs.aspp_parallel_channels, theirs.projection], strict=True):
        own = [ours.get_layer(name), ours.get_layer(f"{name}_bn")]
        other = [layer for layer in branch.layers if layer.weights]
        for one, two in zip(own, other, strict=True):
            values = [rng.uniform(0.5, 1.5, weight.shape) - (len(weight.shape) > 1) for weight in one.weights]
            one.set_weights(values)
            two.set_weights(values)
    assert ours.count_params() == theirs.count_params()
    got, wanted = (keras.ops.convert_to_numpy(model(x, training=False)) for model in (ours, theirs))
    assert got.shape == wanted.shape == (2, 8, 8, 8)
    np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("channels", [8, 48])
def test_the_pooled_branch_sees_the_photo(channels):
    """The mean of a photo is one cell: normed in groups of one channel it would be the same of every photo."""
    model = pooling(4, channels, "group")
    pooled = keras.Model(model.input, model.get_layer("aspp_pool_bn").output)
    photos = np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype(np.float32)
    one, other = keras.ops.convert_to_numpy(pooled(photos))
    assert np.abs(one - other).max() > 0.1 and len(np.unique(np.abs(one).round(3))) > channels // 2


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="shapes are the same on every backend")
def test_groups_of_the_default_stay():
    """Sixteen of 256 channels: those that checkpoints were trained with."""
    assert pooling(4, 256, "group").get_layer("aspp_pool_bn").groups == 16
    assert pooling(4, 32, "group").get_layer("aspp_pool_bn").groups == 2
