"""The number format that layers compute in: half where it is much of the work, float32 wherever there are coordinates.

Above 1024 float16 has no number between two whole pixels, and bfloat16 above 256 has only every other pixel: boxes,
anchors, targets, scores and losses are float32 whatever Config.PRECISION says, and weights are too.
"""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def layers_compute_in(policy: str) -> Iterator[None]:
    """Layers made inside compute in "float32", "mixed_float16" or "mixed_bfloat16", whatever Keras' global policy is.

    Serves as a decorator, too. What a layer computes in is settled when it is made, not when it is called.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
