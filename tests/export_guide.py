"""The program of docs/export.md, which tests run on exported files."""

import importlib.util
import pathlib
import re
import sys
import types
import warnings

import pytest

GUIDE = pathlib.Path(__file__).parent.parent / "docs" / "export.md"


def guide():
    """The text of the program."""
    blocks = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return next(block for block in blocks if "def paste" in block)


def program_of_guide(monkeypatch):
    """Its functions. Where ai_edge_litert is not installed TensorFlow's interpreter stands for it."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        import tensorflow as tf

        stand_in = types.ModuleType("ai_edge_litert.interpreter")
        stand_in.Interpreter = tf.lite.Interpreter
        monkeypatch.setitem(sys.modules, "ai_edge_litert", types.ModuleType("ai_edge_litert"))
        monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", stand_in)
        warnings.filterwarnings("ignore", message="(?s).*tf.lite.Interpreter is deprecated")
    names = {"__name__": "guide"}
    exec(compile(guide(), "export.md", "exec"), names)
    return types.SimpleNamespace(**names)


def skip_without_packages(format):
    """Skip a test of a format whose packages are not installed."""
    needed = {"onnx": ("tf2onnx", "onnxruntime"), "openvino": ("tf2onnx", "onnxruntime", "openvino")}
    for name in needed.get(format, ()):
        if importlib.util.find_spec(name) is None:
            where = '"mrcnn-keras[openvino]"' if name == "openvino" else "--no-deps -r requirements-test.lock"
            pytest.skip(f"{name} is not installed: pip install {where}")
