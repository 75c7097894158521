"""The whole machine learns eight drawn pictures by heart, from random weights; each backend then finds the same."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from rewriting import rewriting_graphs
from tiny import TinyConfig

from mrcnn.data.drawn.people import DrawnPeople
from mrcnn.evaluation.evaluate import evaluate
from mrcnn.model import MaskRCNN

TESTS = pathlib.Path(__file__).parent
DETECT = """
import sys
import numpy as np
from mrcnn.model import MaskRCNN

weights, images, results, least = sys.argv[1:]
model = MaskRCNN.from_checkpoint(weights, DETECTION_MIN_CONFIDENCE=float(least))
found = model.detect(list(np.load(images)), soft_masks=True)
np.savez(results, **{f"{name}{i}": r[name] for i, r in enumerate(found) for name in r})
"""
SURE = 0.3  # the least score of detections that backends are to agree on: among mere guesses rounding decides

pytestmark = pytest.mark.slow


class LearningConfig(TinyConfig):
    NUM_CLASSES = 9
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    IMAGES_PER_GPU = 4
    STEPS_PER_EPOCH = 120
    WORKERS = 1
    TOP_DOWN_PYRAMID_SIZE = RPN_CHANNELS = MASK_CHANNELS = 32
    FPN_CLASSIF_FC_LAYERS_SIZE = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 64
    TRAIN_ROIS_PER_IMAGE = 32
    MAX_GT_INSTANCES = 20
    DETECTION_MAX_INSTANCES = 30
    DETECTION_NMS_THRESHOLD = 0.5
    OPTIMIZER = "adamw"
    LR_SCHEDULE = "cosine"
    WARMUP_STEPS = 20


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """(model, the pictures that it has learned)."""
    pictures = DrawnPeople()
    pictures.load_drawn(8, size=(128, 96), seed=11)
    pictures.prepare()
    keras.utils.set_random_seed(0)
    model = MaskRCNN("training", LearningConfig(), str(tmp_path_factory.mktemp("logs")))
    with rewriting_graphs(True):
        model.train(pictures, None, 2e-3, 2, "all")  # one stage, as each makes a graph of its own
    return model, pictures


def test_eight_pictures_are_learned_to_ap50_above_09(learned):
    metrics, _, _ = evaluate(*learned, progress=False)
    print(metrics["segm"], metrics["bbox"])
    assert metrics["segm"]["AP50"] > 0.9
    assert metrics["bbox"]["AP50"] > 0.9


@pytest.fixture(scope="module")
def files(learned, tmp_path_factory):
    """(folder with weights.h5 and images.npy, TensorFlow's detections in the images, as one dict)."""
    (model, pictures), folder = learned, tmp_path_factory.mktemp("backends")
    images = [pictures.load_image(i) for i in range(3)]
    model.save_weights(str(folder / "weights.h5"))
    np.save(folder / "images.npy", images)
    detections = {}
    for i, result in enumerate(model.detect(images, soft_masks=True)):
        sure = result["scores"] >= SURE
        for name, value in result.items():
            detections[f"{name}{i}"] = value[..., sure] if name.endswith("masks") else value[sure]
    return folder, detections


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_one_set_of_weights_gives_one_set_of_detections(files, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: pip install mrcnn-keras[{backend}]")
    folder, expected = files
    # XLA need not polish what runs once.
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(TESTS.parent),
                   "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"}
    arguments = [str(folder / name) for name in ("weights.h5", "images.npy", f"{backend}.npz")] + [str(SURE)]
    done = subprocess.run([sys.executable, "-c", DETECT, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    detections = dict(np.load(folder / f"{backend}.npz"))
    assert all(len(expected[f"scores{i}"]) > 2 for i in range(3))
    for name, value in expected.items():
        if name.startswith("class_ids"):
            np.testing.assert_array_equal(detections[name], value, err_msg=name)
        elif name.startswith(("boxes", "scores", "soft_masks")):
            np.testing.assert_allclose(detections[name], value, atol=1e-3, err_msg=name)
