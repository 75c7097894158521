"""The optimizer: SGD or AdamW with warm-up, a schedule, clipping, a rate for each stage, and a mean of the weights."""

import math
import warnings
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mrcnn.config import Settings
from mrcnn.errors import ConfigError
from mrcnn.training.stages import layer_rates


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate reached by a linear climb from a thousandth (Goyal 2017, section 2.2), then kept or lowered.

    Args:
        rate: the highest.
        steps: length of the climb, 0 for none.
        total_steps: None keeps the rate; a number lowers it along half a cosine to nothing there (Loshchilov and Hutter
            2017, equation 5 without restarts), or in drops if there are any.
        drops: shares of total_steps, after each of which the rate is a tenth of what it was.
    """

    def __init__(self, rate: float, steps: int, total_steps: int | None = None, drops: Sequence[float] = ()):
        self.rate, self.steps, self.total_steps = float(rate), int(steps), total_steps
        self.drops = tuple(float(share) for share in drops)
        self.ahead = 0  # steps that it is before the optimizer's count, after a resume with epochs of other length

    def go_on(self, total_steps: int, ahead: int) -> None:
        """Go on with a stage that was interrupted.

        Args:
            total_steps: its length in the steps of now; a rate that is kept has no use for it.
            ahead: how many steps more are done of it than the optimizer counts.
        """
        self.total_steps = None if self.total_steps is None else total_steps
        self.ahead = int(ahead)

    def __call__(self, step: object) -> object:
        return self.after_warm_up(step) * self.climb(step)

    def after_warm_up(self, step: object) -> object:
        """The learning rate of a step without the climb."""
        step = ops.cast(step, "float32") + self.ahead
        rate = ops.convert_to_tensor(self.rate, "float32")
        if self.total_steps and self.drops:
            for share in self.drops:
                rate = rate * ops.where(step >= round(share * self.total_steps), 0.1, 1.0)
        elif self.total_steps:
            progress = (step - self.steps) / max(self.total_steps - self.steps, 1)
            rate = rate * 0.5 * (1.0 + ops.cos(math.pi * ops.clip(progress, 0.0, 1.0)))
        return rate

    def climb(self, step: object) -> object:
        """The share of the rate that the climb has reached at a step."""
        if not self.steps:
            return 1.0
        return 0.001 + 0.999 * ops.minimum((ops.cast(step, "float32") + self.ahead) / self.steps, 1.0)

    def get_config(self) -> dict:
        return {"rate": self.rate, "steps": self.steps, "total_steps": self.total_steps, "drops": self.drops}


class _PerVariable:
    """A Keras optimizer with a rate and a weight decay for each variable, and a running mean of each.

    schedule: step -> learning rate
    rates: share of the learning rate of each variable; the whole update is scaled, since Adam ignores the scale of
        gradients
    decays: decoupled weight decay of each variable (Loshchilov and Hutter 2019, section 2)
    mean_decay: of the running mean (Polyak and Juditsky 1992); 0 keeps none. Its first steps have
        min(mean_decay, (1 + n) / (10 + n)) after n changes of the weights, or the start would be remembered too long.

    Its variable `lowered` is the share of the schedule's rate that callbacks have made of it.

    All of it happens in `update_step`, so that a step in which gradients are only accumulated changes nothing.
    """

    def __init__(self, schedule, rates, decays, mean_decay=0.0, **settings):
        super().__init__(schedule, **settings)
        self.lowered = None  # until it is built
        self.schedule, self.rates, self.decays, self.mean_decay = schedule, list(rates), list(decays), mean_decay
        self.means = []  # in the order of the variables it is built on

    def build(self, variables):
        super().build(variables)
        if self.mean_decay and not self.means:
            self.means = self.add_optimizer_variables(variables, "mean")
            for mean, variable in zip(self.means, variables):
                mean.assign(copied(variable))
        if self.lowered is None:  # last: states of earlier versions lack it, see `mrcnn.training.state`
            self.lowered = self.add_variable((), initializer="ones", dtype="float32", name="lowered")

    @property
    def learning_rate(self):
        """The rate of the step to come without its warm-up; a number assigned to it is what the schedule goes on from.

        The warm-up is left out for callbacks that make the new rate of the old one: they would keep it low for ever.
        """
        return self.schedule.after_warm_up(self._iterations) * self.lowered

    @learning_rate.setter
    def learning_rate(self, rate):
        if callable(rate):
            raise ConfigError("learning_rate takes a number here, no schedule: set LR_SCHEDULE, or assign a number in "
                              "each epoch, as keras.callbacks.LearningRateScheduler does.")
        both = rate, self.schedule.after_warm_up(self._iterations)
        rate, scheduled = (float(ops.convert_to_numpy(value)) for value in both)
        if scheduled:
            self.lowered.assign(rate / scheduled)
        elif rate:
            warnings.warn(f"The learning rate stays 0, not {rate:g}: LR_SCHEDULE has come to its end; train more "
                          "epochs.", stacklevel=2)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        rate = learning_rate * self.schedule.climb(self._iterations)
        super()._backend_update_step(grads, trainable_variables, rate)

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        rate = ops.cast(learning_rate, variable.dtype) * self.rates[index]
        if self.decays[index]:
            self.assign_sub(variable, variable * (rate * self.decays[index]))
        super().update_step(gradient, variable, rate)
        if self.means:
            done = ops.cast(self.iterations, variable.dtype)
            decay = ops.minimum((1.0 + done) / (10.0 + done), self.mean_decay)
            mean = self.means[index]
            self.assign_add(mean, (ops.convert_to_tensor(variable) - ops.convert_to_tensor(mean)) * (1.0 - decay))

    def last_rate(self):
        """The learning rate of the step that was done last, before any share of a layer."""
        lowered = float(ops.convert_to_numpy(self.lowered))
        return lowered * float(self.schedule(max(int(ops.convert_to_numpy(self._iterations)) - 1, 0)))


class SGD(_PerVariable, keras.optimizers.SGD):
    """SGD with momentum; arguments as for `_PerVariable`, then those of keras.optimizers.SGD."""


class _Adam(keras.optimizers.Adam):
    """Keras' Adam, by TensorFlow's own kernel there: a graph of half the size, quicker to build and to run."""

    def update_step(self, gradient, variable, learning_rate):
        if keras.backend.backend() != "tensorflow":
            super().update_step(gradient, variable, learning_rate)
            return
        from mrcnn.ops.native_tensorflow import adam

        index, step = self._get_variable_index(variable), ops.cast(self.iterations + 1, variable.dtype)
        variable = variable.value if isinstance(variable, keras.Variable) else variable
        means = self._momentums[index].value, self._velocities[index].value
        adam(variable, *means, gradient, learning_rate, step, (self.beta_1, self.beta_2), self.epsilon)


class AdamW(_PerVariable, _Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2); arguments as for `_PerVariable`."""


def copied(variable: object) -> np.ndarray:
    """The value of a variable as an array with memory of its own, for on JAX and PyTorch others look at the same."""
    return np.array(ops.convert_to_numpy(variable))


def unscaled(optimizer: object) -> object:
    """The optimizer itself, without the scaling of the loss that float16 needs round it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def scaled_rate(config: Settings, learning_rate: float) -> float:
    """The learning rate for the photos that a change of the weights sees, by the linear rule (Goyal 2017, 2.1)."""
    photos = config.BATCH_SIZE * config.ACCUMULATE_STEPS
    if config.LR_REFERENCE_BATCH in (None, photos):
        return learning_rate
    return learning_rate * photos / config.LR_REFERENCE_BATCH


def rate_text(config: Settings, learning_rate: float) -> str:
    """The learning rate that a stage trains with, and what it was scaled from if it was."""
    rate = scaled_rate(config, learning_rate)
    if rate == learning_rate:
        return f"{rate:g}"
    return f"{rate:g} ({learning_rate:g} is for LR_REFERENCE_BATCH={config.LR_REFERENCE_BATCH} photos a step)"


def warm_up_text(config: Settings, steps: int, epochs: int) -> str:
    """What a stage makes of WARMUP_STEPS where that is less than all of it, or the whole stage; "" elsewhere.

    Args:
        config: settings.
        steps: number of steps of an epoch, which is the longest warm-up.
        epochs: number of epochs of the stage.
    """
    asked = config.WARMUP_STEPS
    counted = f"{steps} steps" if steps > 1 else "one step"
    parts = [f"over the {counted} of an epoch, the longest warm-up there is"] if asked > steps else []
    if asked >= steps and epochs == 1:
        parts.append("all through this stage of one epoch"
                     + (", so LR_SCHEDULE=cosine lowers nothing in it" if config.LR_SCHEDULE == "cosine" else ""))
    return f"WARMUP_STEPS={asked}: the rate climbs {', and '.join(parts)}." if parts else ""


def make_optimizer(model: object, config: Settings, learning_rate: float, momentum: float, warmup_steps: int,
                   total_steps: int | None = None) -> object:
    """The optimizer of Config.OPTIMIZER for the model's trainable weights.

    "sgd": with momentum. Weight decay is divided by (1 - momentum): each step then shrinks a kernel as much as the
    usual L2 term does once momentum has built up. "adamw": the decay as it is.

    Args:
        model: training graph.
        config: settings.
        learning_rate: rate after the warm-up.
        momentum: of SGD.
        warmup_steps: number of steps over which the rate rises.
        total_steps: number of steps of the stage, which the schedules "step" and "cosine" need. Both numbers count
            batches, also where ACCUMULATE_STEPS of them make one change of the weights.

    Raises:
        ConfigError: the stage has fewer steps than ACCUMULATE_STEPS, so that nothing would be learned.
    """
    _check_accumulation(config.ACCUMULATE_STEPS, total_steps)
    variables = model.trainable_variables
    decay = config.WEIGHT_DECAY / (1.0 if config.OPTIMIZER == "adamw" else 1.0 - momentum)
    settings = {
        "schedule": _schedule(config, scaled_rate(config, learning_rate), warmup_steps, total_steps),
        "rates": _variable_rates(model, variables, config.LAYER_DECAY),
        # Biases, and scales and shifts of norms, are spared.
        "decays": [decay if len(v.shape) > 1 else 0.0 for v in variables],
        "mean_decay": config.EMA_DECAY,
        "global_clipnorm": config.GRADIENT_CLIP_NORM or None,
        "gradient_accumulation_steps": config.ACCUMULATE_STEPS if config.ACCUMULATE_STEPS > 1 else None,
    }
    optimizer = AdamW(**settings) if config.OPTIMIZER == "adamw" else SGD(**settings, momentum=momentum)
    if config.PRECISION == "mixed_float16":
        # Gradients below 6e-8 are nothing in float16 (Micikevicius 2018, section 3.2).
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


def _check_accumulation(together, steps):
    """A stage ends with its optimizer: gradients that wait in it for others are lost."""
    if together < 2 or not steps:
        return
    if steps < together:
        raise ConfigError(f"ACCUMULATE_STEPS={together} makes one change of the weights of {together} steps, and this "
                          f"stage has {steps}: nothing would be learned; train more epochs, or set "
                          f"ACCUMULATE_STEPS={steps} or less.")
    if steps % together:
        warnings.warn(f"The last {steps % together} of the {steps} steps of this stage change nothing: "
                      f"ACCUMULATE_STEPS={together} does not divide them.", stacklevel=4)


def _schedule(config, rate, warmup_steps, total_steps):
    if config.LR_SCHEDULE in ("constant", "plateau"):
        return WarmUp(rate, warmup_steps)
    return WarmUp(rate, warmup_steps, total_steps, config.LR_STEPS if config.LR_SCHEDULE == "step" else ())


def _variable_rates(model, variables, layer_decay):
    """Share of the learning rate of each variable."""
    if layer_decay == 1.0:
        return [1.0] * len(variables)
    rates = layer_rates(model, layer_decay)
    of_variable = {id(v): rates.get(layer.name, 1.0) for layer in model.layers for v in layer.trainable_variables}
    return [of_variable[id(v)] for v in variables]
