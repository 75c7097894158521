import keras
import numpy as np
import pytest
from gradients import outputs_of
from keras import ops
from tiny import TinyConfig, tiny_batch

from mrcnn.errors import ConfigError
from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.network.training_model import LOSS_NAMES, named_losses

pytestmark = pytest.mark.usefixtures("eagerly")

# PyTorch's compiler, which programs leave alone, takes a minute for each graph.
JIT = keras.backend.backend() == "jax"


@pytest.fixture(scope="module")
def networks():
    keras.utils.set_random_seed(0)
    training, inference = build_mask_rcnn(TinyConfig())
    inference.jit_compile = JIT
    return training, inference


def detect(inference, images, windows):
    least = np.full(len(images), TinyConfig.DETECTION_MIN_CONFIDENCE, "float32")
    return {name: np.asarray(value) for name, value in inference.predict_on_batch(
        {"image": images.astype("float32"), "window": windows, "min_confidence": least}).items()}


def test_an_image_alone_gives_what_it_gives_in_a_batch(networks):
    batch = tiny_batch(3)
    together = detect(networks[1], batch["image"], batch["window"])
    assert together["valid"].sum() > 5
    for row in range(3):
        alone = detect(networks[1], batch["image"][row : row + 1], batch["window"][row : row + 1])
        for name, value in alone.items():
            np.testing.assert_allclose(value[0], together[name][row], atol=1e-4, err_msg=name)


def test_detections_lie_in_the_window(networks):
    batch = tiny_batch(1)
    window = np.array([[8, 0, 40, 64]], "float32")
    outputs = detect(networks[1], batch["image"], window)
    boxes = outputs["boxes"][outputs["valid"]]
    assert len(boxes)
    assert (boxes[:, 0] >= 8).all() and (boxes[:, 2] <= 40).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert set(outputs["class_ids"][outputs["valid"]]) <= {1, 2, 3}


def test_padding_of_the_ground_truth_changes_nothing(networks):
    batch = tiny_batch()
    dirty = {name: value.copy() for name, value in batch.items()}
    dirty["gt_boxes"][:, 2:] = [0, 0, 30, 30]
    dirty["gt_class_ids"][:, 2:] = 3
    names = ("anchor_index", "anchor_positive", "anchor_deltas")
    training = networks[0]
    seeds = [v for v in training.non_trainable_variables if "seed" in v.path]
    start = [np.asarray(v) for v in seeds]
    assert seeds
    results = []
    for inputs in (batch, dirty):
        for variable, value in zip(seeds, start):
            variable.assign(value)
        results.append(outputs_of(training, inputs, training=False))
    for name in names + ("region_boxes", "region_class_ids", "region_deltas", "mask_targets"):
        np.testing.assert_array_equal(*(ops.convert_to_numpy(r[name]) for r in results), err_msg=name)


def test_images_without_objects_have_finite_losses_and_teach(networks):
    batch = tiny_batch()
    batch["gt_valid"][:] = False
    losses = named_losses(outputs_of(networks[0], batch, training=True))
    values = {name: float(ops.convert_to_numpy(value)) for name, value in losses.items()}
    assert values["rpn_class_loss"] > 0 and values["mrcnn_class_loss"] > 0
    assert values["rpn_bbox_loss"] == values["mrcnn_bbox_loss"] == values["mrcnn_mask_loss"] == 0


# JAX compiles the step of each for as long as all else here.
@pytest.mark.parametrize("settings", [{}, {"MASK_SHAPE": [56, 56]}][: 1 if keras.backend.backend() == "jax" else 2])
def test_the_total_is_the_weighted_sum_and_its_gradients_reach_every_weight(settings):
    weights = dict.fromkeys(LOSS_NAMES, 1.0) | {"mrcnn_mask_loss": 3.0, "rpn_bbox_loss": 0.5}
    # All 1023 anchors are sampled: the coarsest levels, which have a dozen of them, are never left out.
    training, inference = build_mask_rcnn(
        TinyConfig(RPN_TRAIN_ANCHORS_PER_IMAGE=1023, LOSS_WEIGHTS=weights, **settings))
    size = settings.get("MASK_SHAPE", [28, 28])
    assert list(inference.output["masks"].shape[2:]) == size == list(training.output["mask_targets"].shape[1:])
    before = [np.asarray(v) for v in training.trainable_variables]
    training.compile(keras.optimizers.SGD(0.5), jit_compile=JIT)
    logs = training.train_on_batch(tiny_batch(), return_dict=True)
    assert set(logs) == {"loss", *LOSS_NAMES}
    assert logs["loss"] == pytest.approx(sum(weights[name] * logs[name] for name in LOSS_NAMES), rel=1e-5)
    training.train_on_batch(tiny_batch(seed=1))
    still = [v.path for v, old in zip(training.trainable_variables, before) if np.array_equal(np.asarray(v), old)]
    assert not still


def test_training_and_inference_share_their_weights(networks):
    training, inference = networks
    layer = training.get_layer("mrcnn_class_logits")
    assert layer is inference.get_layer("mrcnn_class_logits")


def test_free_sizes_run_in_pad64_mode():
    config = TinyConfig(IMAGE_RESIZE_MODE="pad64")
    _, inference = build_mask_rcnn(config)
    inference.jit_compile = JIT
    rng = np.random.default_rng(0)
    for height, width in ((64, 128), (192, 64)):
        image = rng.integers(0, 255, (1, height, width, 3)).astype("uint8")
        outputs = detect(inference, image, np.array([[0, 0, height, width]], "float32"))
        assert outputs["valid"].any()
        assert outputs["boxes"][..., 2].max() <= height and outputs["boxes"][..., 3].max() <= width


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"IMAGE_MAX_DIM": 100}, "IMAGE_MAX_DIM=100 does not divide by 64.*64 or 128"),
        ({"NUM_CLASSES": 1}, "NUM_CLASSES counts background"),
        ({"RPN_ANCHOR_SCALES": (8, 16)}, r"RPN_ANCHOR_SCALES=\(8, 16\): give a list of 5 numbers"),
        ({"MASK_SHAPE": [42, 42]}, r"MASK_SHAPE \[42, 42\].*use one of \[14, 14\], \[28, 28\], \[56, 56\]"),
        ({"MASK_SHAPE": [28, 56]}, r"MASK_SHAPE \[28, 56\] is not square"),
        ({"MASK_SHAPE": [7, 7]}, "MASK_POOL_SIZE=14 doubled"),
        ({"MASK_SHAPE": [112, 112]}, r"MINI_MASK_SHAPE \[56, 56\] is coarser.*use \[224, 224\]"),
        ({"MASK_HEAD": "point"}, "MASK_HEAD='point' is none of conv, points"),
        ({"POINT_HEAD_SUBDIVISIONS": 0}, "POINT_HEAD_SUBDIVISIONS=0"),
        (
            {"MASK_HEAD": "points", "LOSS_WEIGHTS": dict.fromkeys(LOSS_NAMES, 1.0)},
            "LOSS_WEIGHTS lacks mrcnn_point_loss",
        ),
        ({"NORM": "batch", "HEAD_NORM": "group", "MASK_CHANNELS": 24}, "MASK_CHANNELS=24 does not divide by 16"),
        ({"BACKBONE_STRIDES": [8, 16, 32, 64, 128]}, "levels at 4, 8, 16, 32, 64"),
        ({"MINI_MASK_SHAPE": 5}, "MINI_MASK_SHAPE=5: give a list of 2 whole numbers"),
        ({"TRAIN_ROIS_PER_IMAGE": -3}, "TRAIN_ROIS_PER_IMAGE=-3: give a whole number, 1 or more"),
        ({"STEPS_PER_EPOCH": 0}, "STEPS_PER_EPOCH=0"),
        ({"IMAGE_CHANNEL_COUNT": 4}, "MEAN_PIXEL has 3 values for IMAGE_CHANNEL_COUNT=4"),
        ({"NORM": "layer"}, "NORM='layer' is none of batch, group"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        build_mask_rcnn(TinyConfig(**settings))
