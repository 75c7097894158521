import warnings

import keras
import numpy as np
import pytest
from keras import layers

from mrcnn.config import Config
from mrcnn.errors import ConfigError
from mrcnn.training.optimizer import WarmUp, make_optimizer, rate_text, scaled_rate, unscaled, warm_up_text


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


def test_steps_take_a_tenth_after_each_share():
    schedule = WarmUp(0.2, 10, 100, drops=(0.6, 0.9))
    assert float(schedule(5)) == pytest.approx(0.2 * (0.001 + 0.999 / 2))
    for at, rate in ((10, 0.2), (59, 0.2), (60, 0.02), (89, 0.02), (90, 0.002), (500, 0.002)):
        assert float(schedule(at)) == pytest.approx(rate)


@pytest.mark.parametrize("name,rate", [("constant", 0.1), ("cosine", 0.05), ("step", 0.01)])
def test_schedules_but_the_constant_ask_for_the_length_of_the_stage(name, rate):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    optimizer = make_optimizer(model, Config(LR_SCHEDULE=name, LR_STEPS=(0.5, 0.9)), 0.1, 0.9, 0, 100)
    optimizer.iterations.assign(50)
    assert float(optimizer.learning_rate) == pytest.approx(rate)
    # Step 50 of 0..99 is yet to come; the one before still had the rate of step 49.
    before = {"constant": 0.1, "cosine": 0.05 * (1 + np.cos(np.pi * 0.49)), "step": 0.1}
    assert optimizer.last_rate() == pytest.approx(before[name])


def test_the_rate_follows_the_photos_of_a_step():
    config = Config(IMAGES_PER_GPU=2, ACCUMULATE_STEPS=3, LR_REFERENCE_BATCH=16)
    assert scaled_rate(config, 0.02) == pytest.approx(0.02 * 6 / 16)
    assert rate_text(config, 0.02) == "0.0075 (0.02 is for LR_REFERENCE_BATCH=16 photos a step)"
    for unchanged in (Config(), Config(IMAGES_PER_GPU=8, ACCUMULATE_STEPS=2, LR_REFERENCE_BATCH=16)):
        assert scaled_rate(unchanged, 0.02) == 0.02 and rate_text(unchanged, 0.02) == "0.02"
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    assert float(make_optimizer(model, config, 0.02, 0.9, 0).learning_rate) == pytest.approx(0.0075)


def test_a_warm_up_that_is_cut_or_takes_the_whole_stage_is_told():
    config = Config(WARMUP_STEPS=40, LR_SCHEDULE="cosine")
    assert warm_up_text(config, 41, 1) == warm_up_text(config, 40, 2) == ""
    cut = "WARMUP_STEPS=40: the rate climbs over the 6 steps of an epoch, the longest warm-up there is"
    assert warm_up_text(config, 6, 2) == f"{cut}."
    assert warm_up_text(config, 1, 2) == f"{cut}.".replace("6 steps", "one step")
    assert warm_up_text(config, 6, 1) == (
        f"{cut}, and all through this stage of one epoch, so LR_SCHEDULE=cosine lowers nothing in it.")
    whole = "WARMUP_STEPS=40: the rate climbs all through this stage of one epoch."
    assert warm_up_text(Config(WARMUP_STEPS=40), 40, 1) == whole
    assert float(WarmUp(0.1, 6, 6)(5)) == pytest.approx(0.1 * (0.001 + 0.999 * 5 / 6))  # no cosine in it


def test_a_stage_too_short_for_its_gradients_is_refused_and_what_is_left_over_told():
    model, config = keras.Sequential([keras.Input((3,)), layers.Dense(2)]), Config(ACCUMULATE_STEPS=4)
    with pytest.raises(ConfigError, match="this stage has 3: nothing would be learned.*ACCUMULATE_STEPS=3 or less"):
        make_optimizer(model, config, 0.02, 0.9, 0, 3)
    with pytest.warns(UserWarning, match="The last 2 of the 10 steps of this stage change nothing"):
        make_optimizer(model, config, 0.02, 0.9, 0, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for steps in (None, 4, 8):
            make_optimizer(model, config, 0.02, 0.9, 0, steps)
        make_optimizer(model, Config(), 0.02, 0.9, 0, 3)


def step(gradient_scale, **settings):
    """Change of each weight of a little network after one step with constant gradients."""
    config = Config(**settings)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.BatchNormalization()])
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer = make_optimizer(model, config, 0.1, 0.9, 0)
    gradients = [keras.ops.ones(v.shape) * gradient_scale for v in model.trainable_variables]
    apply(optimizer, gradients, model.trainable_variables)
    return {v.name: 1 - keras.ops.convert_to_numpy(v) for v in model.trainable_variables}


def apply(optimizer, gradients, variables):
    """One step, as each backend's training loop makes it."""
    if keras.backend.backend() == "jax":
        new, state = optimizer.stateless_apply(
            [v.value for v in optimizer.variables], gradients, [v.value for v in variables]
        )
        for variable, value in zip([*variables, *optimizer.variables], [*new, *state]):
            variable.assign(value)
    elif keras.backend.backend() == "torch":
        import torch

        with torch.no_grad():
            optimizer.apply(gradients, variables)
    else:
        optimizer.apply(gradients, variables)


def test_weight_decay_shrinks_kernels_alone():
    change = step(0.0, WEIGHT_DECAY=0.01)
    np.testing.assert_allclose(change["kernel"], 0.1 * 0.01 / (1 - 0.9), rtol=1e-4)  # rate * decay / (1 - momentum)
    for name in ("bias", "gamma", "beta"):
        np.testing.assert_allclose(change[name], 0)
    # AdamW's is the rate times the decay alone; no gradient, no step of its own.
    change = step(0.0, WEIGHT_DECAY=0.01, OPTIMIZER="adamw")
    np.testing.assert_allclose(change["kernel"], 0.1 * 0.01, rtol=1e-4)
    np.testing.assert_allclose(change["bias"], 0)


def test_gradients_are_clipped_by_their_global_norm():
    # 6 + 2 + 2 + 2 = 12 ones: norm sqrt(12); clipped to 1 each is 1/sqrt(12)
    change = step(1.0, WEIGHT_DECAY=0, GRADIENT_CLIP_NORM=1.0)
    for value in change.values():
        np.testing.assert_allclose(value, 0.1 / 12**0.5, rtol=1e-5)
    np.testing.assert_allclose(step(1.0, WEIGHT_DECAY=0, GRADIENT_CLIP_NORM=0)["bias"], 0.1, rtol=1e-5)


def one_weight(**settings):
    """A layer with one kernel of one number, 2.0, and its optimizer."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    (weight,) = model.trainable_variables
    weight.assign([[2.0]])
    settings = {"WEIGHT_DECAY": 0.0, "GRADIENT_CLIP_NORM": 0, **settings}
    momentum = settings.pop("momentum", 0.0)
    return weight, make_optimizer(model, Config(**settings), 0.1, momentum, 0)


def move(weight, optimizer, gradient):
    apply(optimizer, [keras.ops.full((1, 1), gradient)], [weight])
    return float(keras.ops.convert_to_numpy(weight)[0, 0])


def test_gradients_of_two_steps_make_one_change_by_their_mean():
    settings = {"WEIGHT_DECAY": 0.5, "GRADIENT_CLIP_NORM": 1.5, "EMA_DECAY": 0.9, "ACCUMULATE_STEPS": 2}
    weight, optimizer = one_weight(**settings)
    assert move(weight, optimizer, 6.0) == 2.0
    # The mean of 6 and -2 is 2, clipped to 1.5: 2 - 0.1 * 0.5 * 2 - 0.1 * 1.5. Clipping each would give 1.9 + 0.
    after = 2.0 - 0.1 - 0.15
    assert move(weight, optimizer, -2.0) == pytest.approx(after)
    assert float(optimizer.means[0][0, 0]) == pytest.approx(2.0 * 0.1 + after * 0.9)  # once, with (1 + 0) / (10 + 0)
    assert move(weight, optimizer, 1.0) == pytest.approx(after)
    assert move(weight, optimizer, 0.0) == pytest.approx(after * 0.95 - 0.1 * 0.5)  # what came before is forgotten
    assert int(optimizer.iterations) == 2


def test_adamw_moves_as_its_paper_says():
    weight, optimizer = one_weight(OPTIMIZER="adamw", WEIGHT_DECAY=0.5)
    value, mean, square = 2.0, 0.0, 0.0
    for done, gradient in enumerate((3.0, -1.0, 0.5, 0.0, -2.0), start=1):
        # Kingma and Ba 2015, algorithm 1 with epsilon as in section 2's end; the decay is decoupled (Loshchilov 2019).
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        rate = 0.1 * (1 - 0.999**done) ** 0.5 / (1 - 0.9**done)
        value = value * (1 - 0.1 * 0.5) - rate * mean / (square**0.5 + 1e-7)
        assert move(weight, optimizer, gradient) == pytest.approx(value, rel=1e-5)


def test_the_mean_follows_the_weight_and_sooner_at_the_start():
    weight, optimizer = one_weight(EMA_DECAY=0.15)
    mean, value = 2.0, 2.0
    for done in range(4):
        value -= 0.1
        assert move(weight, optimizer, 1.0) == pytest.approx(value)
        decay = min((1 + done) / (10 + done), 0.15)  # 0.1, then 2/11 is more than 0.15
        mean = decay * mean + (1 - decay) * value
        assert float(optimizer.means[0][0, 0]) == pytest.approx(mean)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_share_of_the_rate_is_a_share_of_the_update(name):
    changes = []
    for share in (1.0, 0.25):
        weight, optimizer = one_weight(OPTIMIZER=name, momentum=0.9, WEIGHT_DECAY=0.1)
        optimizer.rates = [share]
        start = 2.0
        for gradient in (3.0, -1.0, 0.5):
            value = move(weight, optimizer, gradient)
        changes.append(start - value)
    # A quarter of each step, but that weight decay shrinks what it finds, which then differs a little.
    assert changes[1] == pytest.approx(changes[0] / 4, rel=0.15) and abs(changes[1]) < abs(changes[0]) / 3.4
    if name == "adamw":  # Adam's first step is the rate, whatever the gradient
        weight, optimizer = one_weight(OPTIMIZER=name)
        optimizer.rates = [0.25]
        assert move(weight, optimizer, 1000.0) == pytest.approx(2.0 - 0.1 * 0.25, rel=1e-5)


def test_the_loss_of_float16_is_scaled_and_a_step_that_overflows_left_out():
    weight, optimizer = one_weight(PRECISION="mixed_float16", EMA_DECAY=0.9)
    assert unscaled(optimizer) is not optimizer
    scale = float(optimizer.dynamic_scale)
    assert float(optimizer.scale_loss(1.0)) == scale > 1000
    assert move(weight, optimizer, 3.0 * scale) == pytest.approx(2.0 - 0.1 * 3.0)
    assert move(weight, optimizer, np.inf) == pytest.approx(1.7)
    assert float(optimizer.dynamic_scale) == scale / 2 and int(optimizer.iterations) == 1
    assert float(unscaled(optimizer).means[0][0, 0]) == pytest.approx(2.0 * 0.1 + 1.7 * 0.9)


def test_a_rate_that_is_assigned_is_what_the_schedule_goes_on_from():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    (weight,) = model.trainable_variables
    settings = {"WEIGHT_DECAY": 0.0, "GRADIENT_CLIP_NORM": 0}
    optimizer = make_optimizer(model, Config(LR_SCHEDULE="cosine", **settings), 0.1, 0.0, 2, 10)
    # What callbacks read leaves the warm-up out, or `lr * 0.5` in the first epoch would keep a thousandth for ever.
    assert float(optimizer.learning_rate) == pytest.approx(0.1) and optimizer.last_rate() == pytest.approx(0.0001)
    optimizer.learning_rate = float(optimizer.learning_rate) * 0.5
    before = float(keras.ops.convert_to_numpy(weight)[0, 0])
    assert before - move(weight, optimizer, 1.0) == pytest.approx(0.00005, rel=1e-2)  # a thousandth at step 0
    optimizer.iterations.assign(6)  # half of the eight steps after the warm-up: half of the rate
    assert float(optimizer.learning_rate) == pytest.approx(0.025)
    optimizer.learning_rate = 0.1
    before = float(keras.ops.convert_to_numpy(weight)[0, 0])
    assert before - move(weight, optimizer, 1.0) == pytest.approx(0.1, rel=1e-4)
    assert optimizer.last_rate() == pytest.approx(0.1)
    with pytest.raises(ConfigError, match="takes a number here, no schedule: set LR_SCHEDULE"):
        optimizer.learning_rate = WarmUp(0.1, 0)
    optimizer.iterations.assign(10)
    with pytest.warns(UserWarning, match="stays 0, not 0.2: LR_SCHEDULE has come to its end"):
        optimizer.learning_rate = 0.2


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_callbacks_of_keras_change_the_rate(precision):
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    optimizer = make_optimizer(model, Config(PRECISION=precision), 0.1, 0.9, 0)
    model.compile(optimizer, loss="mse")
    rates, x = [], np.ones((4, 1), "float32")
    noting = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: rates.append(
        unscaled(model.optimizer).last_rate()))
    lower = keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=1e9)  # never a gain but the first
    model.fit(x, x, batch_size=2, epochs=3, verbose=0, callbacks=[noting, lower])
    assert rates == pytest.approx([0.1, 0.1, 0.05])
    by_epoch = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 * (epoch + 1))
    model.fit(x, x, batch_size=2, epochs=2, verbose=0, callbacks=[by_epoch, noting])
    assert rates[3:] == pytest.approx([0.01, 0.02])
