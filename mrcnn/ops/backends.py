"""The backends of Keras that the networks run on; importing this does not import Keras, which may fail."""

import os

from mrcnn.errors import ConfigError

BACKENDS = ("tensorflow", "jax", "torch")
CHOOSE = "set the variable KERAS_BACKEND, or backend in Keras' keras.json, to tensorflow, jax or torch"


def check_backend() -> None:
    """Raise ConfigError where Keras runs on another backend than BACKENDS."""
    import keras

    name = keras.backend.backend()
    if name not in BACKENDS:
        raise ConfigError(f"Keras runs on the backend {name} here, which trains and detects nothing of this: {CHOOSE}.")


def why_no_backend(error: Exception) -> str | None:
    """What to tell of an error of importing Keras.

    Args:
        error: a ValueError of a backend that Keras does not know, or a ModuleNotFoundError.

    Returns:
        One line, or None where the backend is not what is missing.
    """
    if isinstance(error, ModuleNotFoundError):
        if error.name not in (*BACKENDS, "openvino"):
            return None
        extra = f"[{error.name}]" if error.name in ("jax", "torch") else ""
        return (f"Keras is to run on the backend {error.name}, which is not installed here: pip install "
                f"mrcnn-keras{extra}, or {CHOOSE}.")
    name = os.environ.get("KERAS_BACKEND") or str(error).rpartition(" ")[2]
    if "backend" not in str(error) or name in BACKENDS:
        return None
    return f"Keras knows no backend {name}: {CHOOSE}."
