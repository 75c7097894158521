"""The backends that networks run on, and what is told of others."""

import os
import pathlib
import subprocess
import sys

import keras
import pytest

from mrcnn.errors import ConfigError
from mrcnn.ops.backends import BACKENDS, check_backend, why_no_backend

ROOT = pathlib.Path(__file__).parents[2]
CHOICE = "set the variable KERAS_BACKEND, or backend in Keras' keras.json, to tensorflow, jax or torch"


def test_this_one_and_those_that_train(monkeypatch):
    check_backend()
    for name in BACKENDS:
        monkeypatch.setattr(keras.backend, "backend", lambda name=name: name)
        check_backend()
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    with pytest.raises(ConfigError, match=f"backend numpy here, which trains and detects nothing of this: {CHOICE}"):
        check_backend()


@pytest.mark.parametrize("error, told", [
    (ModuleNotFoundError("", name="jax"), "is not installed here: pip install mrcnn-keras[jax], or set"),
    (ModuleNotFoundError("", name="tensorflow"), "is not installed here: pip install mrcnn-keras, or set"),
    (ModuleNotFoundError("", name="openvino"), "the backend openvino, which is not installed"),
    (ModuleNotFoundError("", name="h5py"), None), (ValueError("a shape"), None),
    (ValueError("a backend of matplotlib is missing: tensorflow"), None),
])
def test_what_an_import_of_keras_says(error, told, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    line = why_no_backend(error)
    assert line is None if told is None else told in line and CHOICE in line


@pytest.mark.parametrize("name, told", [("pytorch", "Keras knows no backend pytorch"), ("numpy", "the backend numpy")])
def test_a_command_ends_in_one_line(name, told, tmp_path):
    done = subprocess.run([sys.executable, "-m", "mrcnn", "train"], capture_output=True, text=True, cwd=tmp_path,
                          env={**os.environ, "KERAS_BACKEND": name, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 2 and done.stdout == ""
    line, = done.stderr.splitlines()
    assert line.startswith("error: ") and told in line and CHOICE in line
    assert not any(tmp_path.iterdir())
