"""Optional packages of export, and their errors in one line."""

import importlib

from mrcnn.errors import ExportError


def brief(error: Exception) -> str:
    """The beginning and the end of an error's text, in one line: converters write pages."""
    text = " ".join(str(error).split())
    return text if len(text) <= 400 else f"{text[:200]} ... {text[-200:]}"


def extra(name: str, what: str = "ONNX", install: str = "pip install onnx tf2onnx onnxruntime") -> object:
    """An optional package.

    Args:
        name: that it is imported by.
        what: it is needed for.
        install: command that brings it.

    Raises:
        ExportError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExportError(f"{what} needs {name} ({error}): {install}.") from error
