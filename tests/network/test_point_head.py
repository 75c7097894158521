import keras
import numpy as np
import pytest
from gradients import outputs_of
from keras import ops
from tiny import TinyConfig, tiny_batch

from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.network.point_head import PointFeatures, ReplaceCells, TrainingPoints, UnsureCells, subdivide
from mrcnn.network.training_model import LOSS_NAMES, named_losses
from mrcnn.ops.roi_align import sample_grids
from mrcnn.training.stages import select_layers
from mrcnn.weights import files as weights

JIT = "auto" if keras.backend.backend() == "jax" else False
POINT_LAYERS = ["mrcnn_mask_point", "mrcnn_mask_point_fc1", "mrcnn_mask_point_fc2", "mrcnn_mask_point_fc3"]


def numpy_of(value):
    return ops.convert_to_numpy(value)


def enlarged(grids):
    """[N, r, c] -> [N, 2r, 2c], bilinear between cell centres: a quarter and three quarters of the neighbours."""
    for axis in (1, 2):
        grids = np.moveaxis(grids, axis, 0)
        before = np.concatenate([grids[:1], grids[:-1]])
        after = np.concatenate([grids[1:], grids[-1:]])
        grids = np.stack([0.75 * grids + 0.25 * before, 0.75 * grids + 0.25 * after], axis=1)
        grids = np.moveaxis(grids.reshape((-1,) + grids.shape[2:]), 0, axis)
    return grids


def centres(size):
    """(y, x) of the centres of size x size cells, as shares: two [size, size]."""
    steps = (np.arange(size) + 0.5) / size
    return np.meshgrid(steps, steps, indexing="ij")


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def test_unsure_cells_by_hand():
    # 8 and -8 side by side become 8, 4, -4, -8; of the second grid 0 and 0 become 0 throughout.
    logits = np.array([[[8, -8]], [[0, 0]]], "float32")
    unsure = UnsureCells(4)(ops.convert_to_tensor(logits))
    np.testing.assert_allclose(numpy_of(unsure["logits"])[0], [[8, 4, -4, -8]] * 2)
    assert sorted(numpy_of(unsure["cells"])[0].tolist()) == [1, 2, 5, 6]
    order = np.argsort(numpy_of(unsure["cells"])[0])
    # two rows of four columns: centres at 1/4, 3/4 and 1/8, 3/8, 5/8, 7/8
    expected = [[0.25, 0.375], [0.25, 0.625], [0.75, 0.375], [0.75, 0.625]]
    np.testing.assert_allclose(numpy_of(unsure["points"])[0][order], expected)
    assert UnsureCells(99)(ops.convert_to_tensor(logits))["cells"].shape[1] == 8  # there are no more


def test_replaced_cells_are_those_named_and_no_others():
    logits = np.zeros((2, 2, 3), "float32")
    cells = np.array([[5, 0], [1, 4]], "int32")
    values = np.array([[1, 2], [3, 4]], "float32")
    inputs = {"logits": logits, "cells": cells, "values": values}
    result = numpy_of(ReplaceCells()({name: ops.convert_to_tensor(value) for name, value in inputs.items()}))
    assert result.tolist() == [[[2, 0, 0], [0, 0, 1]], [[0, 3, 0], [0, 4, 0]]]


@pytest.mark.parametrize("count", [50, 10_000])
def test_repeating_the_coarse_prediction_is_enlarging_it(count):
    coarse = np.random.default_rng(0).normal(size=(3, 7, 7)).astype("float32")
    rows = np.arange(3, dtype="int32")

    def coarse_at(points):
        return sample_grids(ops.convert_to_tensor(coarse), ops.convert_to_tensor(rows), points)

    once = numpy_of(subdivide(ops.convert_to_tensor(coarse), coarse_at, 1, count))
    np.testing.assert_allclose(once, enlarged(coarse), atol=1e-5)

    stages = [enlarged(coarse), enlarged(enlarged(coarse))]
    turns = iter(stages)

    def what_is_there(points):
        return sample_grids(ops.convert_to_tensor(next(turns)), ops.convert_to_tensor(rows), points)

    twice = numpy_of(subdivide(ops.convert_to_tensor(coarse), what_is_there, 2, count))
    np.testing.assert_allclose(twice, stages[1], atol=1e-5)


def test_an_oracle_finds_a_straight_edge_exactly():
    # Inside is x < .51. Of 28 columns 14 have their centre inside, the next at 14.5 / 28 = .518: the edge lies at
    # 14 / 28 = 56 / 112. Of 112 columns 57 have: the last at 56.5 / 112 = .504, the next at 57.5 / 112 = .513.
    coarse = np.where(centres(28)[1] < 0.51, 10.0, -10.0).astype("float32")[None]
    truth = centres(112)[1] < 0.51
    assert truth.sum() == 57 * 112
    masks = numpy_of(subdivide(ops.convert_to_tensor(coarse), oracle(lambda y, x: x < 0.51), 2, 784))[0] > 0
    assert (masks == truth).all()
    plain = enlarged(enlarged(coarse))[0] > 0
    assert overlap(plain, truth) == pytest.approx(56 / 57)


def oracle(inside):
    """A point predictor that knows the shape."""

    def predict(points):
        y, x = np.moveaxis(numpy_of(points), -1, 0)
        return ops.convert_to_tensor(np.where(inside(y, x), 10, -10).astype("float32"))

    return predict


def test_an_oracle_restores_a_curved_shape():
    def inside(y, x):  # a disc less a notch two cells of 112 wide
        return ((y - 0.5) ** 2 + (x - 0.47) ** 2 < 0.43**2) & ~((np.abs(x - 0.3) < 0.02) & (y < 0.5))

    coarse = np.where(inside(*centres(28)), 10.0, -10.0).astype("float32")[None]
    truth = inside(*centres(112))
    plain = enlarged(enlarged(coarse))[0] > 0
    masks = numpy_of(subdivide(ops.convert_to_tensor(coarse), oracle(inside), 2, 784))[0] > 0
    assert overlap(masks, truth) > 0.999 > 0.98 > overlap(plain, truth)


def test_training_points_gather_where_the_mask_is_unsure():
    # The logit is x - .5, so that the most unsure quarter of three times as many candidates lies within .125 of the
    # middle, give or take; 49 of 196 points are spread over all the box.
    ramp = np.tile(np.linspace(-0.5, 0.5, 28, dtype="float32"), (5, 28, 1))
    layer = TrainingPoints(196, seed=3)
    first, second = (numpy_of(layer(ops.convert_to_tensor(ramp))) for _ in range(2))
    assert first.shape == (5, 196, 2) and first.min() >= 0 and first.max() <= 1
    assert (np.abs(first[:, :147, 1] - 0.5) < 0.2).all()
    assert (np.abs(first[:, 147:, 1] - 0.5) > 0.25).mean() == pytest.approx(0.5, abs=0.15)
    assert np.abs(first[:, :147, 0] - 0.5).max() > 0.4  # along the edge they are everywhere
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(numpy_of(TrainingPoints(196, seed=3)(ops.convert_to_tensor(ramp))), first)


def test_features_are_those_of_the_regions_image_and_of_its_own_mask():
    maps = np.stack([np.full((8, 8, 2), 1.0), np.full((8, 8, 2), 2.0)]).astype("float32")
    inputs = {
        "map": maps, "boxes": np.array([[4, 4, 20, 20]] * 2, "float32"), "image_index": np.array([1, 0], "int32"),
        "coarse": np.array([[[0, 8]], [[4, 4]]], "float32"), "points": np.array([[[0.5, 0.5]]] * 2, "float32"),
    }
    features = PointFeatures(4)({name: ops.convert_to_tensor(value) for name, value in inputs.items()})
    assert numpy_of(features["fine"]).tolist() == [[[2, 2]], [[1, 1]]]
    assert numpy_of(features["coarse"]).tolist() == [[[4]], [[4]]]


# --- In the network ------------------------------------------------------------------------------------------------
ALL_CELLS = 112 * 112


def build(**settings):
    settings = {"MASK_HEAD": "points", "POINT_HEAD_CHANNELS": 16, "POINT_HEAD_TRAINING_POINTS": 40, **settings}
    return build_mask_rcnn(TinyConfig(**settings))


@pytest.fixture(scope="module")
def networks():
    keras.utils.set_random_seed(0)
    # Every cell is predicted by the point head: which are the most unsure may hang on rounding.
    training, inference = build(POINT_HEAD_INFERENCE_POINTS=ALL_CELLS)
    # As it begins the head says one half of everything, whatever the picture.
    kernel = inference.get_layer("mrcnn_mask_point").kernel
    kernel.assign(np.random.default_rng(0).normal(0, 0.3, kernel.shape).astype("float32"))
    return training, inference


def detect(inference, images, windows):
    least = np.full(len(images), TinyConfig.DETECTION_MIN_CONFIDENCE, "float32")
    inputs = {"image": images.astype("float32"), "window": windows, "min_confidence": least}
    # Two batches are not worth a graph, but JAX compiles even single operations and so is quicker with one.
    outputs = inference.predict_on_batch(inputs) if JIT else inference(inputs, training=False)
    return {name: numpy_of(value) for name, value in outputs.items()}


def test_refined_masks_follow_their_detection(networks):
    batch = tiny_batch(3)
    together = detect(networks[1], batch["image"], batch["window"])
    assert together["masks"].shape[1:] == (10, 112, 112)
    assert together["valid"].sum() > 5
    assert not together["masks"][~together["valid"]].any()
    assert (together["masks"][together["valid"]] > 0).all()
    order = [2, 0, 1]
    moved = detect(networks[1], batch["image"][order], batch["window"])
    np.testing.assert_allclose(moved["masks"], together["masks"][order], atol=1e-3)
    assert np.abs(together["masks"] - together["masks"][order]).max() > 0.1


def test_the_point_loss_begins_at_one_half_everywhere():
    training, _ = build()
    losses = named_losses(outputs_of(training, tiny_batch(), training=True))
    assert float(losses["mrcnn_point_loss"]) == pytest.approx(np.log(2), abs=0.05)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX compiles this step for half a minute")
def test_point_loss_alone_teaches_points_pyramid_and_coarse_mask():
    only_points = dict.fromkeys(TinyConfig.LOSS_WEIGHTS, 0.0) | {"mrcnn_point_loss": 1.0}
    training, _ = build(LOSS_WEIGHTS=only_points)
    training.compile(keras.optimizers.SGD(1.0), run_eagerly=not JIT, jit_compile=JIT)
    before = {v.path: np.asarray(v) for v in training.trainable_variables}
    logs = [training.train_on_batch(tiny_batch(seed=seed), return_dict=True) for seed in (0, 1)]
    changed = {v.path for v in training.trainable_variables if not np.array_equal(np.asarray(v), before[v.path])}
    layers = {path.split("/")[0] for path in changed}
    assert {*POINT_LAYERS, "fpn_p2", "fpn_c2p2", "mrcnn_mask", "mrcnn_mask_conv1"} <= layers
    assert {path for path in before if "mask_point" in path} <= changed
    assert not {"mrcnn_class_logits", "mrcnn_bbox_fc", "rpn_class_raw"} & layers
    for entry in logs:
        assert entry["loss"] == pytest.approx(entry["mrcnn_point_loss"], rel=1e-5)


def test_weights_come_back_and_those_of_the_plain_head_serve(networks, tmp_path):
    path = str(tmp_path / "points.h5")
    weights.write_weights(path, networks[0])
    other, _ = build()
    report = weights.load_weights(path, other)
    assert set(POINT_LAYERS) <= set(report.loaded)
    for a, b in zip(networks[0].weights, other.weights):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=a.path)
    assert set(POINT_LAYERS) <= set(select_layers(other, "heads", frozen_norm=True))

    plain, _ = build_mask_rcnn(TinyConfig())
    weights.write_weights(path, plain)
    report = weights.load_weights(path, other, by_name=True)
    assert sorted(report.missing) == POINT_LAYERS and not report.unused


def disc_batch(rng, images=2):
    """A bright disc a picture, which both heads can learn exactly."""
    batch = tiny_batch(images)
    batch["image"][:] = 60
    batch["gt_valid"][:, 1] = False
    y, x = np.mgrid[:64, :64] + 0.5
    for row in range(images):
        radius = rng.uniform(10, 20)
        centre = rng.uniform(radius, 64 - radius, 2)
        batch["image"][row][(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = 220
        batch["gt_boxes"][row, 0] = [*(centre - radius), *(centre + radius)]
    rows, columns = centres(56)
    batch["gt_masks"][:, 0] = np.where((rows - 0.5) ** 2 + (columns - 0.5) ** 2 < 0.25, 255, 0)
    return batch


@pytest.mark.slow
@pytest.mark.long
def test_both_heads_learn_discs_and_the_total_is_the_weighted_sum():
    keras.utils.set_random_seed(1)
    weight_of = dict.fromkeys(LOSS_NAMES, 1.0) | {"mrcnn_point_loss": 2.0}
    training, _ = build(LOSS_WEIGHTS=weight_of)
    training.compile(keras.optimizers.Adam(3e-3), jit_compile=JIT)
    rng = np.random.default_rng(0)
    logs = [training.train_on_batch(disc_batch(rng), return_dict=True) for _ in range(40)]
    assert logs[0]["loss"] == pytest.approx(sum(weight_of[name] * logs[0][name] for name in weight_of), rel=1e-5)
    for name in ("mrcnn_mask_loss", "mrcnn_point_loss"):
        assert logs[0][name] == pytest.approx(np.log(2), abs=0.05)  # nothing known: one half everywhere
        assert np.mean([entry[name] for entry in logs[-5:]]) < 0.6 * logs[0][name]
