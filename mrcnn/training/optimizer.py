"""The optimizer: SGD with momentum, warm-up, clipping of the global norm, and weight decay of kernels alone."""

import math

import keras
from keras import ops


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate reached by a linear climb from a thousandth (Goyal 2017, section 2.2), then kept or lowered.

    rate: the highest; steps: length of the climb, 0 for none
    total_steps: None keeps the rate; a number lowers it along half a cosine to nothing there (Loshchilov and Hutter
        2017, equation 5 without restarts)
    """

    def __init__(self, rate, steps, total_steps=None):
        self.rate, self.steps, self.total_steps = float(rate), int(steps), total_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = ops.convert_to_tensor(self.rate, "float32")
        if self.total_steps:
            progress = (step - self.steps) / max(self.total_steps - self.steps, 1)
            rate = rate * 0.5 * (1.0 + ops.cos(math.pi * ops.clip(progress, 0.0, 1.0)))
        if self.steps:
            rate = rate * (0.001 + 0.999 * ops.minimum(step / self.steps, 1.0))
        return rate

    def get_config(self):
        return {"rate": self.rate, "steps": self.steps, "total_steps": self.total_steps}


def make_optimizer(model, config, learning_rate, momentum, warmup_steps, total_steps=None):
    """The optimizer of Config.OPTIMIZER for the model's trainable weights.

    warmup_steps: length of the climb to learning_rate; total_steps: of the stage, which LR_SCHEDULE="cosine" needs

    "sgd": with momentum. Weight decay is decoupled from the gradient (Loshchilov and Hutter 2019, section 2) and
    divided by (1 - momentum): each step then shrinks a kernel as much as the usual L2 term does once momentum has
    built up. "adamw": Adam with decoupled weight decay (the same paper, algorithm 2).
    """
    schedule = WarmUp(learning_rate, warmup_steps, total_steps if config.LR_SCHEDULE == "cosine" else None)
    clip = config.GRADIENT_CLIP_NORM or None
    decay = config.WEIGHT_DECAY
    if config.OPTIMIZER == "adamw":
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=decay, global_clipnorm=clip)
    else:
        decay = decay / (1.0 - momentum) or None
        optimizer = keras.optimizers.SGD(schedule, momentum=momentum, global_clipnorm=clip, weight_decay=decay)
    if decay:
        spared = [v for v in model.trainable_variables if len(v.shape) < 2]  # biases, and scales and shifts of norms
        optimizer.exclude_from_weight_decay(var_list=spared)
    optimizer.build(model.trainable_variables)
    return optimizer
