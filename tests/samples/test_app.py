"""The page of one's own: its path, its argument, and its one line where something is missing."""

import os
import runpy
import subprocess
import sys

import pytest
from stub_server import StubLabels

import mrcnn
from mrcnn.errors import UsageError

APP = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "samples", "app.py")


def test_it_runs_from_a_checkout_and_asks_for_a_checkpoint(tmp_path):
    result = subprocess.run([sys.executable, APP], capture_output=True, text=True, cwd=tmp_path,
                            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"})
    assert result.returncode == 1 and result.stderr.splitlines()[-1] == "usage: python samples/app.py last|CHECKPOINT"


def ended(monkeypatch, argument):
    """What the program says at its end."""
    monkeypatch.setattr(sys, "argv", [APP, argument])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(APP, run_name="__main__")
    return end.value.code


def test_a_missing_package_is_one_line(monkeypatch):
    def launch(served, port):
        raise UsageError(f"{type(served.model).__name__} on {port} needs gradio: pip install it.")

    monkeypatch.setattr("mrcnn.serving.page.launch", launch)
    monkeypatch.setattr(mrcnn, "load", lambda path: {"last": StubLabels()}[path])
    assert ended(monkeypatch, "last") == "error: StubLabels on 7860 needs gradio: pip install it."


def test_a_run_that_is_not_there_is_one_line(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert ended(monkeypatch, "last").startswith("error: No checkpoint in ")
    assert "gone.h5" in ended(monkeypatch, "gone.h5")
