"""Optional packages, and long errors."""

import sys

import pytest

from mrcnn.errors import ExportError
from mrcnn.export.packages import brief, extra


def test_pages_of_an_error_become_a_line():
    assert brief(ValueError("a\n  b")) == "a b"
    told = brief(ValueError("a" * 300 + "\n" + "b" * 300))
    assert told == "a" * 200 + " ... " + "b" * 200


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ExportError, match="ONNX needs tf2onnx .*pip install onnx tf2onnx onnxruntime"):
        extra("tf2onnx")
