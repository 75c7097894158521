"""ONNX files: their operations, and what cannot be written."""

import sys

import pytest
from export_guide import skip_without_packages

from mrcnn.errors import ExportError
from mrcnn.export.onnx_files import brief, extra, open_onnx


def test_what_onnxruntime_does_not_take_is_told_in_one_line(tmp_path):
    skip_without_packages("onnx")
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(ExportError, match="onnxruntime cannot run what .*take savedmodel") as caught:
        open_onnx(str(tmp_path / "x.onnx"))
    assert "\n" not in str(caught.value)


def test_pages_of_an_error_become_a_line():
    assert brief(ValueError("a\n  b")) == "a b"
    told = brief(ValueError("a" * 300 + "\n" + "b" * 300))
    assert told == "a" * 200 + " ... " + "b" * 200


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ExportError, match="ONNX needs tf2onnx .*pip install onnx tf2onnx onnxruntime"):
        extra("tf2onnx")
