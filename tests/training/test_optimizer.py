import keras
import numpy as np
import pytest
from keras import layers

from mrcnn.config import Config
from mrcnn.training.optimizer import WarmUp, make_optimizer


def test_warm_up_climbs_to_the_rate_and_stays():
    schedule = WarmUp(0.1, 10)
    assert float(schedule(0)) == pytest.approx(0.0001)
    assert float(schedule(5)) == pytest.approx(0.1 * (0.001 + 0.999 / 2))
    assert float(schedule(10)) == float(schedule(1000)) == pytest.approx(0.1)
    assert float(WarmUp(0.1, 0)(0)) == pytest.approx(0.1)


def step(gradient_scale, **settings):
    """Change of each weight of a little network after one step with constant gradients."""
    config = Config(**settings)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.BatchNormalization()])
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer = make_optimizer(model, config, 0.1, 0.9, 0)
    gradients = [keras.ops.ones(v.shape) * gradient_scale for v in model.trainable_variables]
    optimizer.apply(gradients, model.trainable_variables)
    return {v.name: 1 - np.asarray(v) for v in model.trainable_variables}


def test_weight_decay_shrinks_kernels_alone():
    change = step(0.0, WEIGHT_DECAY=0.01)
    np.testing.assert_allclose(change["kernel"], 0.1 * 0.01 / (1 - 0.9), rtol=1e-4)  # rate * decay / (1 - momentum)
    for name in ("bias", "gamma", "beta"):
        np.testing.assert_allclose(change[name], 0)


def test_gradients_are_clipped_by_their_global_norm():
    # 6 + 2 + 2 + 2 = 12 ones: norm sqrt(12); clipped to 1 each is 1/sqrt(12)
    change = step(1.0, WEIGHT_DECAY=0, GRADIENT_CLIP_NORM=1.0)
    for value in change.values():
        np.testing.assert_allclose(value, 0.1 / 12**0.5, rtol=1e-5)
    np.testing.assert_allclose(step(1.0, WEIGHT_DECAY=0, GRADIENT_CLIP_NORM=0)["bias"], 0.1, rtol=1e-5)
