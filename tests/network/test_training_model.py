"""The training graph's losses under the settings of the recipe."""

import math

import keras
import numpy as np
import pytest
from gradients import outputs_of
from keras import layers, ops
from tiny import TinyConfig, tiny_batch

from mrcnn.errors import ConfigError
from mrcnn.network.geometries import box_head_losses
from mrcnn.network.losses import GIOU_WEIGHT
from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.network.training_model import LOSS_NAMES, BoxHeadLosses, NamedLosses, named_losses
from mrcnn.ops import boxes as box_ops

pytestmark = pytest.mark.usefixtures("eagerly")

RECIPE = {
    "LABEL_SMOOTHING": 0.1, "BBOX_LOSS": "giou", "CLASS_LOSS": "seesaw", "CLASS_COUNTS": (0, 900, 30, 1),
    "SOFT_MASK_TARGETS": True,
}


@pytest.fixture(scope="module")
def training():
    keras.utils.set_random_seed(0)
    return build_mask_rcnn(TinyConfig(**RECIPE))[0]


class TwoLosses(NamedLosses):
    """Means of a batch of numbers and of their squares."""

    def loss_values(self, outputs):
        return {"number": ops.mean(outputs["x"]), "square": ops.mean(outputs["x"] ** 2)}


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_parts_of_the_loss_add_up_to_it_whatever_the_batches(batch):
    image = keras.Input((1,), name="x")
    graph = TwoLosses({"x": image}, {"x": layers.Identity()(image)}, {"number": 1, "square": 2}, "two")
    graph.compile()
    # 1, 2, 6: the mean is 3, that of the squares 41/3; of batches of 2 without weights 3.75 and 19.25.
    told = graph.evaluate({"x": np.array([[1.0], [2.0], [6.0]])}, batch_size=batch, verbose=0, return_dict=True)
    assert told == {name: pytest.approx(value) for name, value in
                    {"number": 3, "square": 41 / 3, "loss": 3 + 2 * 41 / 3}.items()}


def triangles():
    """A batch whose objects are the lower left halves of their boxes."""
    return {**tiny_batch(), "gt_masks": tiny_batch()["gt_masks"] * np.tri(56, dtype="uint8")}


@pytest.fixture(scope="module")
def outputs(training):
    return outputs_of(training, triangles(), training=True)


def values_of(outputs, **settings):
    head = box_head_losses(TinyConfig(**settings))
    return {name: float(ops.convert_to_numpy(value)) for name, value in named_losses(outputs, head).items()}


def test_giou_is_that_of_the_decoded_boxes(outputs):
    out = {name: ops.convert_to_numpy(value) for name, value in outputs.items()}
    total = 0
    for row in np.flatnonzero(out["region_positive"] & out["region_valid"]):
        region, std = out["region_boxes"][row], TinyConfig.BBOX_STD_DEV
        a = box_ops.decode(out["box_deltas"][row, out["region_class_ids"][row]], region, std)
        b = box_ops.decode(out["region_deltas"][row], region, std)
        assert box_ops.iou_matrix(b[None], tiny_batch()["gt_boxes"].reshape(-1, 4)).max() > 0.999  # a true box
        both = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
        either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
        hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
        total += 1 - (both / either - (hull - either) / hull)
    assert total > 0
    loss = values_of(outputs, BBOX_LOSS="giou")["mrcnn_bbox_loss"]
    assert loss == pytest.approx(GIOU_WEIGHT * total / out["region_valid"].sum(), rel=1e-3)


def test_settings_change_the_loss_that_they_name_and_no_other(outputs):
    plain = values_of(outputs)
    assert plain == {
        name: pytest.approx(float(ops.convert_to_numpy(value))) for name, value in named_losses(outputs).items()
    }
    for settings, changed in (
        ({"BBOX_LOSS": "giou"}, "mrcnn_bbox_loss"),
        ({"BBOX_LOSS": "l1"}, "mrcnn_bbox_loss"),
        ({"LABEL_SMOOTHING": 0.2}, "mrcnn_class_loss"),
        ({"CLASS_LOSS": "seesaw", "CLASS_COUNTS": [0, 900, 1, 1]}, "mrcnn_class_loss"),
        ({"CLASS_LOSS": "class-balanced", "CLASS_COUNTS": [0, 900, 1, 1]}, "mrcnn_class_loss"),
    ):
        values = values_of(outputs, **settings)
        assert [name for name in plain if abs(values[name] - plain[name]) > 1e-6] == [changed]
    # Boxes of equal counts do not see-saw but where the network believes a rival more; of a new network all are alike.
    equal = values_of(outputs, CLASS_LOSS="seesaw", CLASS_COUNTS=[0, 5, 5, 5])
    assert equal["mrcnn_class_loss"] >= plain["mrcnn_class_loss"] - 1e-6


def test_mask_targets_are_shares(outputs):
    targets, valid = (ops.convert_to_numpy(outputs[name]) for name in ("mask_targets", "mask_valid"))
    targets = targets[valid]
    assert targets.min() >= 0 and targets.max() <= 1 + 1e-6
    # True boxes are among the regions: of the cells on the diagonal three quarters are in the mask.
    whole = np.tri(28) - np.eye(28) / 4
    assert (np.abs(targets - whole).max(axis=(1, 2)) < 1e-3).any()


def test_a_step_of_the_whole_recipe_learns(training):
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    training.compile(keras.optimizers.SGD(0.01), jit_compile=jit)
    logs = [training.train_on_batch(tiny_batch(), return_dict=True) for _ in range(3)]
    assert set(logs[0]) == {"loss", *LOSS_NAMES}
    assert all(math.isfinite(value) for log in logs for value in log.values())
    assert logs[-1]["mrcnn_class_loss"] < logs[0]["mrcnn_class_loss"]


def test_a_loss_that_lacks_its_counts_says_so(outputs, training):
    with pytest.raises(ConfigError, match="CLASS_LOSS='seesaw' .*train\\(\\), .* or set CLASS_COUNTS"):
        values_of(outputs, CLASS_LOSS="seesaw")
    before = training.box_head
    training.take_class_counts(np.array([0, 1, 2, 3]))
    assert training.box_head.class_counts == (0.0, 1.0, 2.0, 3.0) and training.box_head.box_loss == "giou"
    training.box_head = before
    assert not any("count" in weight.path for weight in training.weights)  # numbers of the loss, not of the network
    assert BoxHeadLosses() == box_head_losses(TinyConfig(BBOX_STD_DEV=[1, 1, 1, 1]))


@pytest.mark.parametrize("counts", [[1, 2, 3], "four", [0, 1, 2, -1], [0, 1, 2, None], 4])
def test_counts_that_are_none_are_refused(counts):
    with pytest.raises(ConfigError, match="CLASS_COUNTS=.*give (NUM_CLASSES=4|a list of .*) numbers"):
        TinyConfig(CLASS_COUNTS=counts).check()
