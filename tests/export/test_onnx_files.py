"""ONNX files: what onnxruntime does not take."""

import pytest
from export_guide import skip_without_packages

from mrcnn.errors import ExportError
from mrcnn.export.onnx_files import open_onnx


def test_what_onnxruntime_does_not_take_is_told_in_one_line(tmp_path):
    skip_without_packages("onnx")
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(ExportError, match="onnxruntime cannot run what .*take savedmodel") as caught:
        open_onnx(str(tmp_path / "x.onnx"))
    assert "\n" not in str(caught.value)
