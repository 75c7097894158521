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


def test_a_cosine_lowers_the_rate_to_nothing():
    schedule = WarmUp(0.2, 10, 110)
    assert float(schedule(5)) == pytest.approx(0.2 * (0.001 + 0.999 / 2))
    # After the climb: 0.2 * (1 + cos(pi * share)) / 2 at a quarter, a half and the whole of the remaining 100 steps.
    for at, share in ((10, 1), (35, (1 + 0.5**0.5) / 2), (60, 0.5), (110, 0), (200, 0)):
        assert float(schedule(at)) == pytest.approx(0.2 * share, abs=1e-7)


def test_only_the_cosine_schedule_asks_for_the_length_of_the_stage():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    for name, rate in (("constant", 0.1), ("cosine", 0.05)):
        optimizer = make_optimizer(model, Config(LR_SCHEDULE=name), 0.1, 0.9, 0, 100)
        optimizer.iterations.assign(50)
        assert float(optimizer.learning_rate) == pytest.approx(rate)


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
