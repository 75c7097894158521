"""YOLACT, small: it learns eight pictures by heart, detects as Mask R-CNN does, and is the same on every backend."""

import copy
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from gradients import loss_and_gradients
from rewriting import rewriting_graphs, running_eagerly
from tiny import Squares, TinyConfig, tiny_batch
from tiny_yolact import TinyYolact

from mrcnn import architectures
from mrcnn.architectures.yolact import Yolact
from mrcnn.data.instance_samples import InstanceSamples
from mrcnn.errors import CheckpointError, ConfigError
from mrcnn.model import MaskRCNN
from mrcnn.training.runs import find_last_checkpoint

TESTS = pathlib.Path(__file__).parent.parent
DETECT = """
import sys
import numpy as np
from mrcnn import architectures

weights, images, results = sys.argv[1:]
model = architectures.load(weights)
found = model.detect(list(np.load(images)), soft_masks=True)
np.savez(results, **{f"{name}{i}": r[name] for i, r in enumerate(found) for name in r})
"""


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """(model, the pictures that it has learned, the folder of its logs)."""
    if keras.backend.backend() == "torch":
        pytest.skip("on PyTorch gradients, a few steps and a resumed run will do")
    pictures, logs = Squares().load(8), tmp_path_factory.mktemp("logs")
    config = TinyYolact(NAME="eight", IMAGES_PER_GPU=8, STEPS_PER_EPOCH=60, TOP_DOWN_PYRAMID_SIZE=32, WARMUP_STEPS=5,
                        OPTIMIZER="adamw", LR_SCHEDULE="cosine", DETECTION_MIN_CONFIDENCE=0.3)
    model = Yolact("training", config, str(logs))
    with rewriting_graphs(True):
        model.train(pictures, None, 3e-3, 1, "all")
    return model, pictures, logs


@pytest.mark.slow
def test_it_learns_eight_pictures_by_heart(learned):
    model, pictures, _ = learned
    figures = model.measure(pictures)
    print(figures)
    assert figures["segm_AP50"] > 0.95 and figures["segm_AP75"] > 0.95 and figures["bbox_AP50"] > 0.95


@pytest.mark.slow
def test_the_checkpoint_detects_the_same_and_in_tiles(learned):
    model, pictures, logs = learned
    again = architectures.load(find_last_checkpoint(str(logs), "eight"))
    assert type(again) is Yolact
    image = pictures.load_image(0)
    first, second = (one.detect([image])[0] for one in (model, again))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    truth, class_ids = pictures.load_mask(0)
    assert first["masks"].shape == (64, 64, len(first["scores"])) and first["class_ids"][0] == class_ids[0]
    assert (first["masks"][..., 0] ^ truth[..., 0]).sum() < 0.1 * truth.sum()
    labels = again.label([image])[0]["labels"]
    assert ((labels == class_ids[0]) ^ truth[..., 0]).sum() < 0.1 * truth.sum()
    wide = again.detect_tiled([np.concatenate([image, pictures.load_image(1)], axis=1)], tile=64, whole=False)[0]
    assert len(wide["scores"]) >= 2 and set(wide["class_ids"]) >= {class_ids[0], pictures.load_mask(1)[1][0]}


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow compares the others with itself")
@pytest.mark.parametrize("backend", ["jax", pytest.param("torch", marks=pytest.mark.long)])
def test_one_set_of_weights_gives_one_set_of_detections(learned, backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: pip install mrcnn-keras[{backend}]")
    model, pictures, _ = learned
    images = [pictures.load_image(i) for i in range(8)]
    model.save_weights(str(tmp_path / "weights.h5"))
    np.save(tmp_path / "images.npy", images)
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(TESTS.parent),
                   "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"}
    arguments = [str(tmp_path / name) for name in ("weights.h5", "images.npy", "found.npz")]
    done = subprocess.run([sys.executable, "-c", DETECT, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    found = dict(np.load(tmp_path / "found.npz"))
    for i, expected in enumerate(model.detect(images, soft_masks=True)):
        assert len(expected["scores"])
        np.testing.assert_array_equal(found[f"class_ids{i}"], expected["class_ids"])
        for name in ("boxes", "scores", "soft_masks"):
            np.testing.assert_allclose(found[f"{name}{i}"], expected[name], atol=1e-3, err_msg=name)


# --- Without training ------------------------------------------------------------------------------------------------


def model_of(folder, mode="inference", **settings):
    return Yolact(mode, TinyYolact(**settings), str(folder))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_of(tmp_path_factory.mktemp("logs"), "training")


def outputs_of(network, batch):
    values = network({name: keras.ops.convert_to_tensor(value) for name, value in batch.items()}, training=True)
    return {name: keras.ops.convert_to_numpy(value) for name, value in network.loss_values(values).items()}


def test_heads_and_class_layers(model):
    layout, names = model.training_model.layout, [layer.name for layer in model.training_model.layers if layer.weights]
    heads = [name for name in names if layout.is_head(name)]
    assert {"fpn_p7", "yolact_shared", "yolact_prototypes", "yolact_semantic"} <= set(heads)
    assert not [name for name in heads if name.startswith(("res", "bn"))] and len(heads) < len(names)
    # Nothing but these and the backbone's stages changes its shape with the classes.
    other = model_of("logs", "training", NUM_CLASSES=7).training_model
    shapes = [{layer.name: [w.shape for w in layer.weights] for layer in one.layers if layer.weights}
              for one in (model.training_model, other)]
    assert sorted(name for name in shapes[0] if shapes[0][name] != shapes[1][name]) == sorted(layout.class_layers)


def test_the_total_is_the_weighted_sum_and_every_weight_learns(model):
    batch = tiny_batch(config=TinyYolact)
    batch["gt_boxes"][:, :2] = [[0, 0, 32, 32], [8, 8, 56, 56]]  # anchors of P5 and P6, so that these have a say
    parts = outputs_of(model.training_model, batch)
    loss, gradients = loss_and_gradients(model.training_model, batch, compiled=False)
    weights = model.training_model.loss_weights
    assert weights == {"yolact_class_loss": 1, "yolact_bbox_loss": 1.5, "yolact_mask_loss": 6.125,
                       "yolact_semantic_loss": 1}
    # The sample of positives whose masks are assembled is drawn anew, but all have their masks here.
    assert loss == pytest.approx(sum(weights[name] * parts[name] for name in weights), rel=1e-3)
    assert all(np.isfinite(value).all() for value in gradients.values())
    still = [path for path, value in gradients.items() if not np.any(value)]
    # On so small a canvas the only cell of P7 lies at the corner, and none of its anchors may be a hard negative.
    assert not [path for path in still if "fpn_p7" not in path]


def test_a_blank_photo_changes_no_loss(model):
    """Rows that fill a batch up for several devices lie in a crowd, and teach nothing."""
    one, padded = tiny_batch(1, config=TinyYolact), tiny_batch(2, config=TinyYolact)
    for name, value in one.items():
        padded[name][0] = value[0]
    InstanceSamples(None, model.config).blank(padded, 1)
    alone, both = outputs_of(model.training_model, one), outputs_of(model.training_model, padded)
    for name in alone:
        assert both[name] == pytest.approx(float(alone[name]), rel=1e-3), name


@pytest.mark.long
def test_resuming_gives_what_an_unbroken_run_gives(tmp_path):
    def weights_of(one):
        return one.training_model.get_weights()

    data, settings = Squares().load(4), {"YOLACT_TRAIN_MASKS": 4}  # so few that it matters which
    with running_eagerly(True):
        whole, resumed = (model_of(tmp_path / name, "training", **settings) for name in ("whole", "resumed"))
        start = weights_of(whole)
        left = tmp_path / "killed" / "tiny20260101T0000"  # as a run killed after its first epoch leaves it
        leave = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: epoch or shutil.copytree(whole.log_dir, left))
        whole.train(data, None, 0.01, 2, "all", custom_callbacks=[leave])
        resumed.load_weights(left / "yolact_tiny_0001.h5")
        assert resumed.epoch == 1
        resumed.train(data, None, 0.01, 2, "all")
    moved, apart = (max(abs(a - b).max() for a, b in zip(weights_of(whole), other))
                    for other in (start, weights_of(resumed)))
    assert apart < moved / 1000


@pytest.mark.parametrize("mode", ["rectangle", "pad64"])
def test_canvases_of_any_shape_and_masks_as_they_are(mode, tmp_path):
    """The losses of a canvas are those of a network that is built for it."""
    fixed, free = (model_of(tmp_path, "training", IMAGE_RESIZE_MODE=one) for one in ("square", mode))
    free.training_model.set_weights(fixed.training_model.get_weights())
    batch = tiny_batch(config=TinyYolact)
    expected = outputs_of(fixed.training_model, batch)
    for name, value in outputs_of(free.training_model, batch).items():
        assert value == pytest.approx(float(expected[name]), rel=1e-3), name
    wide = Squares().load(1, size=(64, 100)).load_image(0)
    with running_eagerly(mode == "rectangle"):  # one graph of unknown shapes is as good as two
        found = free.detect([wide, wide[:, :64]], min_confidence=0.0)
    assert [result["masks"].shape[:2] for result in found] == [(64, 100), (64, 64)]


def test_full_masks_teach_what_mini_masks_teach(model, tmp_path):
    full = model_of(tmp_path, "training", USE_MINI_MASK=False)
    full.training_model.set_weights(model.training_model.get_weights())
    batch = tiny_batch(config=TinyYolact)
    batch["gt_boxes"] = 4 * np.round(batch["gt_boxes"] / 4)  # of whole cells, so that no rounding is in it
    expected = outputs_of(model.training_model, batch)
    masks = np.zeros((*batch["gt_masks"].shape[:2], 64, 64), "uint8")
    for image, number in np.argwhere(batch["gt_valid"]):
        top, left, bottom, right = batch["gt_boxes"][image, number].astype(int)
        masks[image, number, top:bottom, left:right] = 255  # as the mini masks, which are full
    for name, value in outputs_of(full.training_model, {**batch, "gt_masks": masks}).items():
        assert value == pytest.approx(float(expected[name]), rel=1e-4), name


def test_views_and_precision(tmp_path):
    config = TinyYolact(TEST_FLIP=True, TEST_SCALES=(1.0, 1.25), PRECISION="mixed_bfloat16")
    model, image = Yolact("inference", config, str(tmp_path)), Squares().load(1).load_image(0)
    with running_eagerly(True):
        result = model.detect([image], min_confidence=0.0)[0]
    assert len(result["scores"]) and result["boxes"].dtype == np.float32
    assert model.inference_model.get_layer("yolact_shared").compute_dtype == "bfloat16"
    assert model.inference_model.get_layer("yolact_detection").compute_dtype == "float32"


def test_the_greedy_form_keeps_no_fewer(tmp_path):
    crowded = {"DETECTION_MAX_INSTANCES": 120, "DETECTION_NMS_THRESHOLD": 0.2}  # rows of boxes that overlap the next
    fast, greedy = (model_of(tmp_path, YOLACT_NMS=kind, **crowded) for kind in ("fast", "greedy"))
    greedy.training_model.set_weights(fast.training_model.get_weights())
    image = Squares().load(1).load_image(0)
    with running_eagerly(True):
        found = [one.detect([image], min_confidence=0.0)[0] for one in (fast, greedy)]
    assert 0 < len(found[0]["scores"]) < len(found[1]["scores"])


def test_weights_of_another_network_are_refused_in_one_line(tmp_path):
    other = MaskRCNN("inference", TinyConfig(), str(tmp_path))
    other.save_weights(tmp_path / "other.h5")
    with pytest.raises(CheckpointError, match="of the architecture mask-rcnn, this network is yolact"):
        model_of(tmp_path).load_weights(tmp_path / "other.h5")
    own = model_of(tmp_path)
    own.save_weights(tmp_path / "own.h5")
    with pytest.raises(CheckpointError, match="of the architecture yolact, not of mask-rcnn"):
        MaskRCNN.from_checkpoint(tmp_path / "own.h5")


@pytest.mark.parametrize("settings,message", [
    ({"IMAGE_MIN_DIM": 550, "IMAGE_MAX_DIM": 550}, "IMAGE_MAX_DIM=550 does not divide by 64 .*use 512 or 576"),
    ({"YOLACT_NEGATIVE_IOU": 0.6}, "YOLACT_NEGATIVE_IOU=0.6 is above YOLACT_POSITIVE_IOU=0.5"),
    ({"YOLACT_NMS": "soft"}, "YOLACT_NMS='soft' is none of fast, greedy"),
    ({"LOSS_WEIGHTS": {"yolact_mask_loss": 1}}, "LOSS_WEIGHTS lacks yolact_bbox_loss, yolact_class_loss"),
    ({"RPN_NMS_THRESHOLD": 0.7}, "RPN_NMS_THRESHOLD"),
])
def test_settings_that_do_not_fit(settings, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        model_of(tmp_path, **settings)


def test_anchors_go_with_the_canvas():
    assert TinyYolact(YOLACT_ANCHOR_SCALES=None, IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64).anchor_scales() == pytest.approx(
        [24 * 64 / 550, 48 * 64 / 550, 96 * 64 / 550, 192 * 64 / 550, 384 * 64 / 550])
    config = copy.copy(TinyYolact())
    config.YOLACT_ANCHOR_SCALES = (10, 20, 30, 40, 50)
    assert config.anchor_scales() == (10, 20, 30, 40, 50)


def anchor_sides(model):
    """The sides of a network's square anchors of P3..P7, pixels."""
    return [float(np.sqrt(shapes.prod(axis=-1))[0]) for shapes in model.inference_model.get_layer("anchors").shapes]


@pytest.mark.parametrize("trained, run", [
    ({}, {"IMAGE_MIN_DIM": 128, "IMAGE_MAX_DIM": 128}),
    ({"IMAGE_RESIZE_MODE": "crop", "IMAGE_MAX_DIM": 128}, {"TEST_SCALES": (1.0, 1.25)}),
    ({"IMAGE_RESIZE_MODE": "crop", "IMAGE_MAX_DIM": 128, "TEST_SCALES": (1.0, 1.25)}, {"TEST_SCALES": (1.0,)}),
])
def test_the_anchors_of_a_checkpoint_are_those_that_it_was_trained_with(trained, run, tmp_path):
    model = model_of(tmp_path, YOLACT_ANCHOR_SCALES=None, **trained)
    of_64 = pytest.approx([scale * 64 / 550 for scale in (24, 48, 96, 192, 384)])
    assert anchor_sides(model) == of_64
    model.save_weights(tmp_path / "a.h5")
    assert anchor_sides(architectures.load(tmp_path / "a.h5", **run)) == of_64
