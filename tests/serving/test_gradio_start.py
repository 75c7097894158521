"""Gradio keeps to itself: no analytics, and its folder of photos goes."""

import importlib.util
import os
import pathlib

import pytest

from mrcnn.errors import UsageError
from mrcnn.serving.gradio_start import FOLDER, QUIET, private_gradio


def test_photos_are_gone_afterwards(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv(FOLDER, raising=False)
    with pytest.raises(KeyboardInterrupt), private_gradio() as folder:
        assert os.environ[FOLDER] == folder and {name: os.environ[name] for name in QUIET} == QUIET
        (pathlib.Path(folder) / "photo.jpg").write_bytes(b"private")
        raise KeyboardInterrupt
    assert not os.path.exists(folder) and FOLDER not in os.environ and os.environ["HF_HUB_OFFLINE"] == "0"


def test_what_to_install_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r'needs gradio: pip install "mrcnn-keras\[demo\]"'), private_gradio():
        pass
