"""numpy stays as it is until imgaug is imported, which then works on NumPy 2."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = """
import importlib.util, pkgutil, sys
import mrcnn.data.pipelines  # as `import mrcnn.model` does, and seconds of Keras too
import numpy as np

spec = importlib.util.find_spec("imgaug")  # whoever only asks whether it is there changes nothing
assert "imgaug" not in sys.modules and not hasattr(np, "sctypes") and not hasattr(np, "complex")
np.sctypes = mine = {"float": [np.float64, np.float32], "int": [np.int64], "uint": [np.uint8], "complex": []}
from imgaug import augmenters as iaa
import imgaug.parameters

assert np.sctypes is mine and np.complex is complex  # only what is missing is put back
imgaug.parameters.FrequencyNoise().draw_samples((8, 8), 1)  # which reads np.complex
picture = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
assert iaa.Fliplr(1.0).augment_image(picture)[..., 0].tolist() == [[1, 0], [3, 2]]
assert imgaug.__spec__.origin == spec.origin and pkgutil.get_data("imgaug", "__init__.py")
from mrcnn.data.imgaug_import import allow_imgaug
before = len(sys.meta_path)
allow_imgaug()
assert len(sys.meta_path) == before
"""


@pytest.mark.skipif(importlib.util.find_spec("imgaug") is None, reason="imgaug is not installed")
def test_numpy_is_touched_by_imgaug_alone():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True,
                          env=environment)
    assert done.returncode == 0, done.stderr
