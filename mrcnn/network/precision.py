"""The number format that layers compute in: half where it is much of the work, float32 wherever there are coordinates.

Above 1024 float16 has no number between two whole pixels, and bfloat16 above 256 has only every other pixel: boxes,
anchors, targets, scores and losses are float32 whatever Config.PRECISION says, and weights are too. Maps have their
channels last, as all that is written here takes them, whatever keras.json of another project says.
"""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def layers_compute_in(policy: str) -> Iterator[None]:
    """Layers made inside compute in "float32", "mixed_float16" or "mixed_bfloat16", with channels last.

    Serves as a decorator, too. Keras' global policy and format play no part: what a layer computes in, and the order of
    its axes, are settled when it is made, not when it is called.
    """
    before, order = keras.config.dtype_policy(), keras.config.image_data_format()
    keras.config.set_dtype_policy(policy)
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
        keras.config.set_image_data_format(order)
