"""What only JAX can tell or do: a network as a compiled function that leaves it as it is, and what computes."""

from collections.abc import Callable

import jax
import numpy as np


def compiled(model: object) -> Callable:
    """A compiled function that runs a network from any number of threads.

    Keras' `predict_on_batch` gives the weights' memory away to the compiled step and writes them back after it: two
    calls at once find it gone.

    Args:
        model: built keras.Model.

    Returns:
        Function of the model's inputs that gives its outputs as numpy arrays, with the weights of the moment.
    """

    @jax.jit
    def call(trainable, others, inputs):
        return model.stateless_call(trainable, others, inputs, training=False)[0]

    def run(inputs):
        weights = ([variable.value for variable in group]
                   for group in (model.trainable_variables, model.non_trainable_variables))
        return jax.tree.map(np.asarray, call(*weights, inputs))

    return run


def on_processor() -> bool:
    """Whether JAX has found no accelerator."""
    return jax.default_backend() == "cpu"
