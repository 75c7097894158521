import math

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.ops import roi_align as roi

STRIDES = [4, 8, 16, 32]


def bilinear(feature_map, y, x):
    """Value of a map [h, w, F] at cell coordinates, as Detectron defines it at and beyond the border."""
    height, width = feature_map.shape[:2]
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(feature_map.shape[2])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(math.floor(y)), int(math.floor(x))
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    b, r = y - top, x - left
    return (
        feature_map[top, left] * (1 - b) * (1 - r)
        + feature_map[top, right] * (1 - b) * r
        + feature_map[bottom, left] * b * (1 - r)
        + feature_map[bottom, right] * b * r
    )


def brute_force(feature_map, stride, box, size, ratio):
    """One crop, point by point (Mask R-CNN figure 3)."""
    y1, x1, y2, x2 = [float(v) / stride for v in box]
    crop = np.zeros((size, size, feature_map.shape[2]))
    for row in range(size):
        for column in range(size):
            points = [
                bilinear(
                    feature_map,
                    y1 + (y2 - y1) / size * (row + (i + 0.5) / ratio) - 0.5,
                    x1 + (x2 - x1) / size * (column + (j + 0.5) / ratio) - 0.5,
                )
                for i in range(ratio)
                for j in range(ratio)
            ]
            crop[row, column] = np.mean(points, axis=0)
    return crop


def example(rng, count=40):
    maps = [rng.normal(size=(2, 128 // s, 96 // s, 5)).astype("float32") for s in STRIDES]
    corner = rng.uniform(-40, 100, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, 120, (count, 2))], axis=1).astype("float32")
    return maps, boxes, rng.integers(0, 2, count).astype("int32"), rng.integers(0, 4, count).astype("int32")


@pytest.mark.parametrize("function", [roi.roi_align, roi.reference_roi_align])
@pytest.mark.parametrize("size,ratio", [(7, 2), (14, 2), (3, 1)])
def test_equals_brute_force_inside_and_outside_the_map(function, size, ratio):
    maps, boxes, image, level = example(np.random.default_rng(4))
    tensors = [ops.convert_to_tensor(m) for m in maps]
    crops = ops.convert_to_numpy(
        function(tensors, STRIDES, *map(ops.convert_to_tensor, (boxes, image, level)), size, ratio)
    )
    for n in range(len(boxes)):
        expected = brute_force(maps[level[n]][image[n]], STRIDES[level[n]], boxes[n], size, ratio)
        np.testing.assert_allclose(crops[n], expected, atol=1e-4)


@pytest.mark.parametrize("function", [roi.roi_align, roi.reference_roi_align])
def test_crop_of_a_linear_map_is_linear(function):
    # Cell (i, j) of stride 4 has its centre at pixel 4i + 2; a map that holds the centre's row reproduces rows.
    rows = (np.arange(32) * 4 + 2).astype("float32")
    maps = [np.broadcast_to(rows[None, :, None, None], (1, 32, 32, 1)).copy()]
    box = np.array([[20.0, 30.0, 76.0, 100.0]], "float32")
    zero = ops.zeros(1, dtype="int32")
    crop = function([ops.convert_to_tensor(maps[0])], [4], ops.convert_to_tensor(box), zero, zero, 7, 2)
    # cells of 8 pixels from row 20: centres 24, 32, ..., 72
    np.testing.assert_allclose(ops.convert_to_numpy(crop)[0, :, 3, 0], np.arange(24, 73, 8), atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the native kernel is TensorFlow's")
def test_native_gradient_equals_the_reference():
    import tensorflow as tf

    maps, boxes, image, level = example(np.random.default_rng(5))
    weight = np.random.default_rng(6).normal(size=(len(boxes), 7, 7, 5)).astype("float32")
    gradients = []
    for function in (roi.roi_align, roi.reference_roi_align):
        variables = [tf.Variable(m) for m in maps]
        with tf.GradientTape() as tape:
            crops = function([v + 0 for v in variables], STRIDES, tf.constant(boxes), image, tf.constant(level), 7, 2)
            total = tf.reduce_sum(crops * weight)
        gradients.append([tf.convert_to_tensor(g).numpy() for g in tape.gradient(total, variables)])
    for native, reference in zip(*gradients):
        np.testing.assert_allclose(native, reference, atol=1e-3)


def test_levels_follow_equation_1():
    sides = np.array([1, 111.9, 112, 223.9, 224, 447.9, 448, 5000], "float32")
    boxes = np.stack([sides * 0, sides * 0, sides, sides], axis=1)
    levels = ops.convert_to_numpy(roi.pyramid_levels(ops.convert_to_tensor(boxes), 2, 5))
    # floor(4 + log2(side / 224)), held within 2..5
    assert levels.tolist() == [2, 2, 3, 3, 4, 4, 5, 5]


def test_mask_of_its_own_box_is_itself_and_outside_is_empty():
    rng = np.random.default_rng(7)
    mask = rng.uniform(size=(1, 28, 28)).astype("float32")
    box = np.array([[10.0, 20.0, 66.0, 132.0]], "float32")
    mask_tensor, box_tensor = ops.convert_to_tensor(mask), ops.convert_to_tensor(box)
    own = ops.convert_to_numpy(roi.sample_masks(mask_tensor, box_tensor, box_tensor, (28, 28), sampling_ratio=1))
    np.testing.assert_allclose(own, mask, atol=1e-5)  # one sample a cell, at its centre
    beside = box + np.array([0, 112, 0, 112], "float32")  # the box to the right of it
    beside = ops.convert_to_tensor(beside)
    assert not ops.convert_to_numpy(roi.sample_masks(mask_tensor, box_tensor, beside, (28, 28))).any()


def test_sampled_mask_equals_brute_force():
    rng = np.random.default_rng(8)
    masks = rng.uniform(size=(5, 56, 56)).astype("float32")
    boxes = np.array([[10, 10, 60, 90]] * 5, "float32")
    regions = (boxes + rng.uniform(-15, 15, (5, 4))).astype("float32")
    got = ops.convert_to_numpy(roi.sample_masks(*map(ops.convert_to_tensor, (masks, boxes, regions)), (14, 14)))
    for n in range(5):
        y1, x1, y2, x2 = regions[n]
        for row, column in ((0, 0), (3, 8), (13, 13), (7, 0)):
            total = 0.0
            for i in (0.25, 0.75):
                for j in (0.25, 0.75):
                    y, x = y1 + (y2 - y1) * (row + i) / 14, x1 + (x2 - x1) * (column + j) / 14
                    if 10 <= y <= 60 and 10 <= x <= 90:
                        cell = ((y - 10) / 50 * 56 - 0.5, (x - 10) / 80 * 56 - 0.5)
                        total += bilinear(masks[n][..., None], *cell)[0] / 4
            assert got[n, row, column] == pytest.approx(total, abs=1e-4)


def test_points_by_hand():
    # Cells of 4 pixels; the box 2..10 x 4..12 has its centre at pixel (6, 8), which is cell (6 / 4 - .5, 8 / 4 - .5) =
    # (1, 1.5): the mean of 5 and 6. Its corner, pixel (2, 4), is cell (0, .5): the mean of 0 and 1.
    feature_map = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    boxes = np.array([[2.0, 4.0, 10.0, 12.0], [-8.0, 0.0, 0.0, 8.0]], "float32")
    # The second box ends at the map's upper edge: pixel (0, 4) is cell (-.5, .5) and counts as the edge cells, the mean
    # of 0 and 1; pixel (-8, 4), two cells and a half outside, is nothing.
    points = np.array([[[0.5, 0.5], [0, 0]], [[1, 0.5], [0, 0.5]]], "float32")
    values = roi.sample_points(
        ops.convert_to_tensor(feature_map), 4, ops.convert_to_tensor(boxes), ops.zeros(2, dtype="int32"),
        ops.convert_to_tensor(points),
    )
    np.testing.assert_allclose(ops.convert_to_numpy(values)[..., 0], [[5.5, 0.5], [0.5, 0]], atol=1e-5)


def centres(size):
    """Centres of size x size cells as shares of their box: [size * size, 2]."""
    steps = (np.arange(size) + 0.5) / size
    return np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2).astype("float32")


def test_points_at_cell_centres_are_roi_align_with_one_sample_a_cell():
    maps, boxes, image, _ = example(np.random.default_rng(9))
    feature_map, boxes, image = map(ops.convert_to_tensor, (maps[1], boxes, image))
    crops = roi.roi_align([feature_map], [8], boxes, image, image * 0, 7, 1)
    points = np.tile(centres(7), (40, 1, 1))
    values = roi.sample_points(feature_map, 8, boxes, image, ops.convert_to_tensor(points))
    expected = ops.convert_to_numpy(crops).reshape(40, 49, 5)
    np.testing.assert_allclose(ops.convert_to_numpy(values), expected, atol=1e-4)
    assert (expected == 0).any() and np.abs(expected).max() > 1  # points off the map and on it


def test_masks_at_points_are_the_masks_cut_with_one_sample_a_cell():
    rng = np.random.default_rng(10)
    masks = rng.integers(0, 256, (3, 20, 30)).astype("uint8")
    boxes = np.array([[10, 10, 60, 90], [0, 5, 20, 35], [40, 40, 44, 80]], "float32")
    row = np.array([2, 0, 1, 0, 1], "int32")
    regions = (boxes[row] + rng.uniform(-6, 6, (5, 4))).astype("float32")
    points = np.tile(centres(9), (5, 1, 1))
    tensors = [ops.convert_to_tensor(v) for v in (masks, boxes, row, regions, points)]
    values = ops.convert_to_numpy(roi.sample_masks_at(*tensors))
    cut = roi.sample_masks(*map(ops.convert_to_tensor, (masks[row].astype("float32"), boxes[row], regions)), (9, 9), 1)
    np.testing.assert_allclose(values, ops.convert_to_numpy(cut).reshape(5, 81), atol=1e-2)
    assert (values == 0).any()
