"""One set of weights gives one set of detections, whichever backend computes them."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

TESTS = pathlib.Path(__file__).parent
DETECT = """
import sys
import numpy as np
from mrcnn.model import MaskRCNN
from tiny import TinyConfig

weights, images, results = sys.argv[1:]
model = MaskRCNN.from_checkpoint(weights)
found = model.detect(list(np.load(images)), soft_masks=True)
np.savez(results, **{f"{name}{i}": r[name] for i, r in enumerate(found) for name in r})
"""
TRAIN = """
import sys
import keras
import numpy as np
from mrcnn.model import MaskRCNN
from tiny import Squares, TinyConfig

weights, images, logs = sys.argv[1:]
keras.utils.set_random_seed(3)
model = MaskRCNN("training", TinyConfig(OPTIMIZER="adamw", STEPS_PER_EPOCH=150), logs)
model.train(Squares().load(40), None, 3e-3, 1, "all")
model.train(Squares().load(40), None, 1e-3, 2, "all")
model.save_weights(weights)
np.save(images, [Squares().load(3, seed=7).load_image(i) for i in range(3)])
"""


def run(code, backend, *arguments):
    paths = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backends")
    # A network that knows something: among the guesses of a random one, rounding decides which come first.
    run(TRAIN, "tensorflow", str(folder / "weights.h5"), str(folder / "images.npy"), str(folder))
    return folder


def detections(files, backend):
    path = files / f"{backend}.npz"
    run(DETECT, backend, str(files / "weights.h5"), str(files / "images.npy"), str(path))
    return dict(np.load(path))


@pytest.fixture(scope="module")
def expected(files):
    return detections(files, "tensorflow")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_detections_agree_with_tensorflows(files, expected, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: pip install mrcnn-keras[{backend}]")
    result = detections(files, backend)
    assert all(expected[f"scores{i}"][0] > 0.3 for i in range(3))
    for name, value in expected.items():
        if name.startswith("class_ids"):
            np.testing.assert_array_equal(result[name], value, err_msg=name)
        elif name.startswith(("boxes", "scores", "soft_masks")):
            np.testing.assert_allclose(result[name], value, atol=1e-3, err_msg=name)
