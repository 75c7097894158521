"""The optimizer: SGD with momentum, warm-up, clipping of the global norm, and weight decay of kernels alone."""

import keras
from keras import ops


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A constant learning rate reached by a linear climb from a thousandth of it (Goyal 2017, section 2.2).

    rate: the constant; steps: length of the climb, 0 for none.
    """

    def __init__(self, rate, steps):
        self.rate, self.steps = float(rate), int(steps)

    def __call__(self, step):
        if not self.steps:
            return ops.convert_to_tensor(self.rate, "float32")
        progress = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        return self.rate * (0.001 + 0.999 * progress)

    def get_config(self):
        return {"rate": self.rate, "steps": self.steps}


def make_optimizer(model, config, learning_rate, momentum, warmup_steps):
    """The optimizer of Config.OPTIMIZER for the model's trainable weights.

    "sgd": with momentum. Weight decay is decoupled from the gradient (Loshchilov and Hutter 2019, section 2) and
    divided by (1 - momentum): each step then shrinks a kernel as much as the usual L2 term does once momentum has
    built up. "adamw": Adam with decoupled weight decay (the same paper, algorithm 2).
    """
    schedule, clip = WarmUp(learning_rate, warmup_steps), config.GRADIENT_CLIP_NORM or None
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
