"""What a thread has freed is the machine's again."""

import ctypes
import os
import subprocess
import sys

import pytest

from mrcnn.serving import memory

# A thread that lives on frees 20 MB twice: the first time glibc learns to keep such blocks.
FREED = """
import sys, threading
from mrcnn.serving.memory import give_back_large_blocks

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def work():
    for _ in range(2):
        b"x" * 20_000_000
    done.set()
    over.wait()

told = sys.argv[1] == "yes" and give_back_large_blocks()
done, over, before = threading.Event(), threading.Event(), resident()
threading.Thread(target=work).start()
done.wait()
print(told, resident() - before)
over.set()
"""
linux = pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="of glibc")


def freed(asked, **environment):
    """(whether it was set, bytes that the thread has kept)"""
    clean = {name: value for name, value in os.environ.items() if name not in memory.SETTINGS}
    run = subprocess.run([sys.executable, "-c", FREED, asked], env={**clean, **environment}, stdout=subprocess.PIPE,
                         text=True)
    told, kept = run.stdout.split()
    return told == "True", int(kept)


@linux
def test_large_blocks_are_given_back():
    told, kept = freed("yes")
    assert told and kept < 5e6
    assert freed("no")[1] > 15e6  # else the test would show nothing


@linux
def test_whoever_chose_for_himself_is_let_alone():
    assert freed("yes", MALLOC_MMAP_THRESHOLD_="50000000")[0] is False


def test_a_library_that_cannot_is_let_alone(monkeypatch):
    for name in memory.SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for library in (object(), type("musl", (), {"mallopt": staticmethod(lambda *_: 0)})):
        monkeypatch.setattr(memory.ctypes, "CDLL", lambda _, library=library: library)
        assert memory.give_back_large_blocks() is False
