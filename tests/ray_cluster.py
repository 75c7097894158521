"""What tests of a cluster of Ray ask of its processes and of what it has written; its fixtures are in ray_fixtures."""

import importlib.util
import os
import pathlib
import time

import pytest

COUNT, DELAY = 90, 0.4  # photos, and seconds that a stub of a network takes for each
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None or not os.path.isdir("/proc/self"),
                               reason="needs the package ray, and /proc to look for processes")

def shards_in(folder):
    return {name: os.stat(folder / name).st_mtime_ns for name in os.listdir(folder)
            if name.endswith(".parquet")} if folder.is_dir() else {}


def wait_for(condition, process):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "nothing happens"
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def workers_of(nodes):
    """Numbers of the processes of workers."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            number, name = int(entry.parent.name), entry.read_text()
            parent = int((entry.parent / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if name.startswith("ray::Worker") and parent in nodes:
            found.append(number)
    return found


def raylet_of(node):
    return node.all_processes["raylet"][0].process.pid
