"""Fixtures: a cluster of Ray on the loopback, and commands that label drawn people slowly. A plugin of pytest."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

import h5py
import pytest
from garments import CLASSES, write_photos
from ray_cluster import COUNT, DELAY

DRIVER = f"""
import os, signal, sys
import garments
from mrcnn.commands import collection
from mrcnn.commands.main import main

DELAY = float(os.environ.get("DELAY", {DELAY}))

class Finder(garments.GarmentFinder):
    def find(self, image):
        if tuple(image[0, 0]) == (1, 2, 3):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().find(image)

def slow_finder(path, options, overrides):
    return Finder(delay=DELAY, batch=1)

if "NETWORK" not in os.environ:
    collection.load_finder = slow_finder
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def start(tmp_path):
    """A function (arguments) -> Popen of a process that labels slowly.

    photos: what it labels; output: name of its folder; delay: seconds a photo; environment: {name: value} of variables.
    """
    root, started = pathlib.Path(__file__).parent, []
    (tmp_path / "driver.py").write_text(DRIVER)
    write_photos(tmp_path / "photos", COUNT)
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["mrcnn_class_names"] = json.dumps(CLASSES)

    def start(*arguments, photos=tmp_path / "photos", output="out", delay=DELAY, shard_size=1, environment=()):
        started.append(subprocess.Popen(
            [sys.executable, str(tmp_path / "driver.py"), "collection", "label", str(photos), "--weights",
             str(tmp_path / "weights.h5"), "--output", str(tmp_path / output), "--shard-size", str(shard_size),
             *arguments],
            env={**os.environ, "PYTHONPATH": f"{root.parent}{os.pathsep}{root}", "DELAY": str(delay),
                 **dict(environment)},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def nodes_of(cpus):
    """A cluster on the loopback with a node for each number of CPUs, which know of no variable that is set later."""
    root = pathlib.Path(__file__).parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", f"{root.parent}{os.pathsep}{root}")
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        try:
            for number in cpus:
                cluster.add_node(num_cpus=number, include_dashboard=False, object_store_memory=80 * 1024**2)
            yield cluster
        finally:
            cluster.shutdown()


@pytest.fixture
def cluster():
    """Three nodes of one CPU."""
    with nodes_of([1, 1, 1]) as cluster:
        yield cluster


@pytest.fixture
def small_cluster():
    """A node of two CPUs, which is there sooner."""
    with nodes_of([2]) as cluster:
        yield cluster
