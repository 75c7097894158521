"""A forked child of a process that has built a network: what would hang there for ever raises one line."""

import os
import signal
import time

import numpy as np
import pytest
from tiny import Squares
from tiny_semantic import TinySemantic, TinySettings

from mrcnn.errors import RunError
from mrcnn.ops import forks


def said_in_a_child(tries, path, seconds=15):
    """{name: what is raised} of functions that a forked child calls one after the other, as far as it comes."""
    child = os.fork()
    if child == 0:
        with open(path, "w") as told:
            for name, attempt in tries.items():
                try:
                    attempt()
                    told.write(f"{name}: nothing\n")
                except Exception as error:
                    told.write(f"{name}: {type(error).__name__}: {error}\n")
                told.flush()
        os._exit(0)
    end = time.monotonic() + seconds
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(0.02)
    return dict(line.split(": ", 1) for line in path.read_text().splitlines())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_is_told_and_does_not_hang(tmp_path):
    model, data = TinySemantic("training", TinySettings(), str(tmp_path / "logs")), Squares().load(2)
    tries = {
        "label": lambda: model.label([np.zeros((64, 64, 3), np.uint8)]),
        "train": lambda: model.train(data, None, 0.1, 1, "all"),
        "losses_on": lambda: model.losses_on(data),
        "make": lambda: TinySemantic("inference", TinySettings(), str(tmp_path / "logs")),
    }
    said = said_in_a_child(tries, tmp_path / "said.txt")
    assert list(said) == list(tries)
    for line in said.values():
        assert line.startswith("RunError: Process ") and f"was forked from {os.getpid()}, where" in line
        assert line.endswith('Load the model in each process and none before, or start processes by "spawn".')
    assert not (tmp_path / "logs").exists()  # no run folder was taken


def test_one_process_asks_as_often_as_it_likes(monkeypatch):
    monkeypatch.setattr(forks, "_process", None)
    forks.refuse_forked()
    forks.refuse_forked()
    assert forks._process == os.getpid()
    monkeypatch.setattr(forks, "_process", os.getpid() + 1)
    with pytest.raises(RunError, match=f"Process {os.getpid()} was forked from {os.getpid() + 1}"):
        forks.refuse_forked()
