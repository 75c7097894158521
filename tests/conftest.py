"""TensorFlow reads its settings at its import: the package sets them before any test file imports Keras.

One thread for each operation: sums are then added up in the same order in every run, so that a training resumed can be
compared with one unbroken, and the two workers of the test command do not fight for two cores.
"""

import gc
import os

import pytest

# Python looks for cycles less often: traced graphs are millions of objects, and so are the test files as they are read.
_OFTEN = gc.get_threshold()
gc.set_threshold(50_000, 20, 20)

for _name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import mrcnn  # noqa: E402, F401
from mrcnn.data.imgaug_import import allow_imgaug  # noqa: E402

allow_imgaug()  # tests run side by side hand their warnings over as classes, some of them imgaug's


@pytest.fixture(scope="session", autouse=True)
def graphs_as_they_are():
    """TensorFlow does not rewrite graphs: tests build hundreds and run each a few times.

    Programs that tests start, samples and scripts among them, have theirs rewritten, as users' are.
    """
    from rewriting import rewriting_graphs  # Keras, which the process that hands tests out does without

    with rewriting_graphs(False):
        yield


@pytest.fixture(scope="session", autouse=True)
def few_garbage_collections():
    """Python does not look for cycles among what was imported, nor as often elsewhere as it does by itself."""
    gc.collect()
    gc.freeze()
    yield
    gc.set_threshold(*_OFTEN)
    gc.unfreeze()


@pytest.fixture(scope="module")
def eagerly():
    """For files that train a few steps or detect a few times, where to trace the graphs would be most of the work.

    That the graphs do the same is seen where a training is long or a process of its own: tests/test_learning.py,
    tests/test_wheel.py, the notebooks and other files without this.
    """
    from rewriting import running_eagerly

    with running_eagerly(True):
        yield


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that none is left over when the rest is done.

    Files are handed out whole and in this order: `--no-loadscope-reorder` keeps it.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
