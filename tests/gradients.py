"""Outputs, loss and gradients of a training network, as each backend computes them."""

import keras
import numpy as np


def loss_and_gradients(model, batch, compiled=True):
    """The total loss as a number, and {path: gradient} of the trainable weights as arrays.

    compiled: run TensorFlow as a graph, as training does.
    """
    batch = {name: keras.ops.convert_to_tensor(value) for name, value in batch.items()}
    loss, gradients = {"tensorflow": _tensorflow, "torch": _torch, "jax": _jax}[keras.backend.backend()](
        model, batch, compiled
    )
    arrays = [keras.ops.convert_to_numpy(g) for g in gradients]
    return float(loss), {v.path: a for v, a in zip(model.trainable_variables, arrays)}


def _tensorflow(model, batch, compiled):
    import tensorflow as tf

    def step():
        with tf.GradientTape() as tape:
            loss = model.compute_loss(y_pred=model(batch, training=True))
        return loss, tape.gradient(loss, [v.value for v in model.trainable_variables])

    return (tf.function(step) if compiled else step)()


def _torch(model, batch, compiled):
    model.zero_grad()
    loss = model.compute_loss(y_pred=model(batch, training=True))
    loss.backward()
    return loss.detach(), [v.value.grad for v in model.trainable_variables]


def _jax(model, batch, compiled):
    import jax

    frozen = [v.value for v in model.non_trainable_variables]

    def loss_of(trainable):
        outputs, _ = model.stateless_call(trainable, frozen, batch, training=True)
        with keras.StatelessScope():
            return model.compute_loss(y_pred=outputs)

    return jax.jit(jax.value_and_grad(loss_of))([v.value for v in model.trainable_variables])


def outputs_of(model, batch, training):
    """What a network makes of a batch, as tensors; its seeds stay on JAX, where it is compiled as a whole.

    JAX compiles each operation that it meets outside of a function, which takes longer than the whole at once.
    """
    if keras.backend.backend() != "jax":
        return model(batch, training=training)
    import jax

    values = [[v.value for v in variables] for variables in (model.trainable_variables, model.non_trainable_variables)]
    return jax.jit(lambda *given: model.stateless_call(*given, training=training)[0])(*values, batch)


def whole(gradients):
    """All gradients as one vector."""
    return np.concatenate([value.ravel() for value in gradients.values()])
