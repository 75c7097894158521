"""What only JAX can tell or do: a network as a compiled function that leaves it as it is, and what computes."""

import warnings
from collections.abc import Callable

import jax
import keras
import numpy as np


def compiled(model: object) -> Callable:
    """A compiled function that runs a network from any number of threads.

    For each number of rows JAX compiles anew, which takes as long as many batches. So fewer rows than once before are
    filled up to the next power of two, or to a number below it that is compiled already: a single photo does not cost
    as much as a whole batch, and no number of rows as much as twice itself. It compiles anew for each shape of canvas
    too, which is told for those after the first.

    Args:
        model: built keras.Model of a dict of inputs, one of them "image", whose outputs have the rows of the inputs.

    Returns:
        Function of the model's inputs that gives its outputs as numpy arrays, with the weights of the moment.
    """
    run, known = compiled_as_it_is(model), {}

    def filled(inputs):
        rows = len(next(iter(inputs.values())))
        shapes = tuple((name, value.shape[1:]) for name, value in sorted(inputs.items()))
        if known and shapes not in known:
            height, width = inputs["image"].shape[1:3]
            warnings.warn(f"JAX compiles the network anew for canvases of {height} x {width} pixels, as for each other "
                          "shape once: IMAGE_RESIZE_MODE=square without TEST_SCALES has a single one; the variable "
                          "JAX_COMPILATION_CACHE_DIR=FOLDER keeps what is compiled for later runs.", stacklevel=2)
        sizes = known.setdefault(shapes, set())
        power, compiled_sizes = 2 ** (rows - 1).bit_length(), tuple(sizes)
        fresh = power if power < max(compiled_sizes, default=0) else rows
        size = min((size for size in compiled_sizes if rows <= size <= power), default=fresh)
        places = np.minimum(np.arange(size), rows - 1)  # the last row again
        outputs = run({name: value[places] for name, value in inputs.items()} if size > rows else inputs)
        sizes.add(size)
        return {name: value[:rows] for name, value in outputs.items()}

    return filled


def compiled_as_it_is(model: object) -> Callable:
    """The same of a network whose outputs may have any shape: rows are not filled.

    Keras' `predict_on_batch` gives the weights' memory away to the compiled step and writes them back after it: two
    calls at once find it gone.

    Args:
        model: built keras.Model.

    Returns:
        Function as that of `compiled`.
    """

    @jax.jit
    def call(values, inputs):
        # Keras' stateless_call tells variables by which of them are trained, and compiled steps outlive a stage.
        with keras.StatelessScope(zip(model.variables, values, strict=True)):
            return model.call(inputs, training=False)

    def run(inputs):
        return jax.tree.map(np.asarray, call([variable.value for variable in model.variables], inputs))

    return run


def on_processor() -> bool:
    """Whether JAX has found no accelerator."""
    return jax.default_backend() == "cpu"
