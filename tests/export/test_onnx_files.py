"""ONNX files: what onnxruntime does not take."""

import pytest
from export_guide import skip_without_packages

from mrcnn.errors import ExportError
from mrcnn.export.running import open_file


@pytest.mark.parametrize("content", [b"no model", b""])
def test_what_onnxruntime_does_not_take_is_told_in_one_line(content, tmp_path):
    skip_without_packages("onnx")
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(ExportError, match=r"x\.onnx is no onnx file that its runtime takes.*; export it") as caught:
        open_file(str(tmp_path / "x.onnx"), {"format": "onnx"})
    assert "\n" not in str(caught.value)
