"""A switch for graphs that other runtimes are to run: operations in keras.ops alone, and shapes known beforehand."""

import contextlib
import contextvars
from collections.abc import Iterator

_tracing = contextvars.ContextVar("tracing", default="own")  # or "portable", of which "onnx" and "static" are kinds


@contextlib.contextmanager
def portable_graph(static: bool, onnx: bool = False) -> Iterator[None]:
    """Graphs traced within call no kernels that only their backend has.

    Args:
        static: nor does any shape in them follow what is found, whatever the backend could do.
        onnx: it is to become an ONNX file: markers stand in it for ONNX's own suppression and RoIAlign. The backend is
            TensorFlow then, and `static` is false.
    """
    token = _tracing.set("onnx" if onnx else "static" if static else "portable")
    try:
        yield
    finally:
        _tracing.reset(token)


def is_portable() -> bool:
    """Whether the graph being traced is to run elsewhere."""
    return _tracing.get() != "own"


def becomes_onnx() -> bool:
    """Whether the graph being traced is to become an ONNX file."""
    return _tracing.get() == "onnx"


def needs_static_shapes() -> bool:
    """Whether the graph being traced is to run where all shapes must be known beforehand."""
    return _tracing.get() == "static"
