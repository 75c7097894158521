"""The package itself: what its import brings in, and what `mrcnn.load` opens."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from tiny import Squares, TinyConfig

import mrcnn
from mrcnn.errors import CheckpointError, ExportError
from mrcnn.model import MaskRCNN

pytestmark = pytest.mark.usefixtures("eagerly")


def test_importing_the_package_brings_nothing_in():
    code = "import sys; before = set(sys.modules); import mrcnn; print(*sorted(set(sys.modules) - before))"
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(mrcnn.__file__)))}
    new = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert [name for name in new.stdout.split() if name.split(".")[0] not in sys.stdlib_module_names] == ["mrcnn"]


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A folder of two runs, the second of them the newest, with other weights."""
    folder = tmp_path_factory.mktemp("logs")
    for seed, place in ((1, "first20260101T1200"), (2, "second20260102T1200")):
        model = MaskRCNN("inference", TinyConfig(SEED=seed, IMAGES_PER_GPU=1), str(folder))
        model.class_names = ["BG", "red", "green", "blue"]
        (folder / place).mkdir()
        model.save_weights(folder / place / "mask_rcnn_0001.h5")
        os.utime(folder / place / "mask_rcnn_0001.h5", (seed, seed))
    return folder


def test_last_is_the_newest_run_and_a_path_is_a_checkpoint(logs):
    last, first = mrcnn.load("last", logs), mrcnn.load(logs / "first20260101T1200" / "mask_rcnn_0001.h5")
    written = MaskRCNN("inference", TinyConfig(SEED=2, IMAGES_PER_GPU=1), str(logs)).inference_model.get_weights()
    for one, other in zip(last.inference_model.get_weights(), written, strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(last.inference_model.get_weights(),
                                                          first.inference_model.get_weights(), strict=True))
    assert last.class_names == ["BG", "red", "green", "blue"] and isinstance(last.inference_model, keras.Model)
    assert {"rois", "masks"} <= set(last.detect([Squares().load(1).load_image(0)])[0])


def test_settings_may_be_changed(logs):
    assert mrcnn.load("last", logs, DETECTION_MIN_CONFIDENCE=0.75).config.DETECTION_MIN_CONFIDENCE == 0.75


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="No checkpoint in .*: train first, or give the path"):
        mrcnn.load("last", tmp_path)
    with pytest.raises(CheckpointError, match="gone.h5"):
        mrcnn.load(tmp_path / "gone.h5")
    with pytest.raises(ExportError, match="gone.onnx: no such file"):
        mrcnn.load(tmp_path / "gone.onnx")
