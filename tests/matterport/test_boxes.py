"""Matterport's box functions against hand arithmetic and plain loops."""

import keras
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.matterport import boxes as m


def plain_iou(a, b):
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(height, 0) * max(width, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def random_boxes(count, seed=0, side=50.0):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, side, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(5, side, (count, 2))], axis=1).astype(np.float32)


def test_normalised_boxes_by_hand():
    # 101 x 201 pixels: the last pixel has index 100 and 200. (61 - 1) / 100 = 0.6, (121 - 1) / 200 = 0.6.
    pixels = np.array([[10, 20, 61, 121], [0, 0, 101, 201]])
    expected = np.array([[0.1, 0.1, 0.6, 0.6], [0, 0, 1, 1]])
    np.testing.assert_allclose(m.norm_boxes(pixels, (101, 201)), expected, rtol=1e-6)
    np.testing.assert_array_equal(m.denorm_boxes(expected, (101, 201)), pixels)
    # 0.1 + 0.0049 is 0.49 pixels more, and rounds back; the float version keeps it.
    assert m.denorm_boxes(expected + 0.0049, (101, 101))[0].tolist() == [10, 10, 61, 61]
    assert m.box_pixels(expected + 0.0049, (101, 101))[0] == pytest.approx([10.49, 10.49, 61.49, 61.49], abs=1e-4)
    assert m.norm_boxes(pixels, (101, 201)).dtype == np.float32 and m.denorm_boxes(expected, (9, 9)).dtype == np.int32


def test_tensors_are_normalised_as_arrays_are():
    pixels, shape = random_boxes(6), (64, 96)
    tensors = m.norm_boxes_graph(keras.ops.convert_to_tensor(pixels), keras.ops.convert_to_tensor(shape))
    assert keras.ops.is_tensor(tensors)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(tensors), m.norm_boxes(pixels, shape), rtol=1e-5)
    back = m.denorm_boxes_graph(tensors, keras.ops.convert_to_tensor(shape))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(back), np.rint(pixels))


def test_refinement_by_hand_and_back():
    # Centre from 5 to 15 at height 10: dy 1. Height from 10 to 20: log 2. The width stays at 20, moved by 5: 0.25.
    box, target = np.array([[0, 0, 10, 20]]), np.array([[5, 5, 25, 25]])
    deltas = m.box_refinement(box, target)
    np.testing.assert_allclose(deltas, [[1, 0.25, np.log(2), 0]], rtol=1e-6)
    np.testing.assert_allclose(m.apply_box_deltas(box, deltas), target, atol=1e-4)
    tensors = m.box_refinement_graph(keras.ops.convert_to_tensor(box), keras.ops.convert_to_tensor(target))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(tensors), deltas, rtol=1e-6)


def test_deltas_by_plain_numpy():
    boxes, deltas = random_boxes(20), np.random.default_rng(1).normal(0, 0.5, (20, 4)).astype(np.float32)
    size = boxes[:, 2:] - boxes[:, :2]
    centre = boxes[:, :2] + 0.5 * size + deltas[:, :2] * size
    size = size * np.exp(deltas[:, 2:])
    expected = np.concatenate([centre - 0.5 * size, centre + 0.5 * size], axis=1)
    np.testing.assert_allclose(m.apply_box_deltas(boxes, deltas), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "int32", "float16"])
def test_overlaps_of_any_type_are_those_of_real_numbers(kind):
    boxes, others = np.array([[10, 10, 60, 60]], kind), np.array([[70, 20, 90, 90], [10, 10, 60, 35]], kind)
    np.testing.assert_allclose(m.compute_overlaps(boxes, others), [[0, 0.5]])
    np.testing.assert_allclose(m.compute_iou(boxes[0], others), [0, 0.5])
    side = {"int32": 50000, "float16": 500}.get(kind)  # areas of 2.5e9 and 2.5e5 are beyond these
    if side:
        large = np.array([[0, 0, side, side], [0, 0, side, side * 4 // 5]], kind)
        np.testing.assert_allclose(m.compute_overlaps(large[:1], large[1:]), [[0.8]])


def test_overlaps_by_plain_loops():
    one, other = random_boxes(5), random_boxes(7, seed=1)
    expected = [[plain_iou(a, b) for b in other] for a in one]
    np.testing.assert_allclose(m.compute_overlaps(one, other), expected, rtol=1e-5)
    np.testing.assert_allclose(m.compute_iou(one[2], other, 0.0, np.zeros(7)), expected[2], rtol=1e-5)
    # Whole numbers, as masks give them: 50 shared of 150.
    assert m.compute_overlaps(np.array([[0, 0, 10, 10]]), np.array([[0, 5, 10, 15]])).tolist() == [[50 / 150]]


def test_suppression_by_plain_loops():
    boxes, scores = random_boxes(60), np.random.default_rng(2).permutation(60) / 60
    kept = []
    for index in np.argsort(-scores):
        if all(plain_iou(boxes[index], boxes[other]) <= 0.4 for other in kept):
            kept.append(index)
    indices = m.non_max_suppression(boxes, scores, 0.4)
    assert indices.dtype == np.int32 and indices.tolist() == kept and 2 < len(kept) < 60
    assert m.non_max_suppression(np.zeros((0, 4)), np.zeros(0), 0.4).tolist() == []


def test_batch_slice_works_row_by_row():
    a, b = np.arange(6.0).reshape(2, 3), np.array([10.0, 20.0])
    both = m.batch_slice([keras.ops.convert_to_tensor(a), keras.ops.convert_to_tensor(b)],
                         lambda x, y: (x + y, keras.ops.sum(x)), 2, names=["sum", "total"])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(both[0]), [[10, 11, 12], [23, 24, 25]])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(both[1]), [3, 12])
    single = m.batch_slice(keras.ops.convert_to_tensor(a), keras.ops.flip, 2)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(single), a[:, ::-1])


def test_anchors_by_plain_loops():
    expected = []
    for row in range(3):
        for column in range(0, 2):
            for ratio in (0.5, 1, 2):
                for scale in (8, 16):
                    y, x = (row + 0.5) * 4, (column + 0.5) * 4  # the centre of the cell
                    height, width = scale / np.sqrt(ratio), scale * np.sqrt(ratio)
                    expected.append([y - height / 2, x - width / 2, y + height / 2, x + width / 2])
    anchors = m.generate_anchors((8, 16), [0.5, 1, 2], (3, 2), 4, 1)
    np.testing.assert_allclose(anchors, expected, rtol=1e-5, atol=1e-5)
    # At every second cell: rows 0 and 2, column 0, six shapes each.
    sparse = m.generate_anchors((8, 16), [0.5, 1, 2], (3, 2), 4, 2)
    np.testing.assert_allclose(sparse, np.array(expected)[[*range(6), *range(24, 30)]], rtol=1e-5, atol=1e-5)


def test_pyramid_anchors_are_those_of_the_levels_in_turn():
    anchors = m.generate_pyramid_anchors((8, 32), [1], [(2, 2), (1, 1)], (4, 16), 1)
    # Centres 2 and 6 at stride 4, 8 at stride 16.
    assert anchors.tolist() == [
        [-2, -2, 6, 6], [-2, 2, 6, 10], [2, -2, 10, 6], [2, 2, 10, 10], [-8, -8, 24, 24]
    ]


def test_backbone_shapes_round_up_or_come_from_the_user():
    shapes = m.compute_backbone_shapes(Config(), (100, 130, 3))
    assert shapes.tolist() == [[25, 33], [13, 17], [7, 9], [4, 5], [2, 3]]

    class Own(Config):
        BACKBONE = staticmethod(lambda image, **_: None)
        COMPUTE_BACKBONE_SHAPE = staticmethod(lambda shape: [[shape[0], 7]])

    assert m.compute_backbone_shapes(Own(), (100, 130, 3)).tolist() == [[100, 7]]


def test_matterports_geometry_has_anchors_round_the_corners_of_cells():
    arguments = ((8, 16), [0.5, 1, 2], [(3, 2), (2, 1)], (4, 8), 1)
    exact, anchors = (m.generate_pyramid_anchors(*arguments, **more) for more in ({}, {"geometry": "matterport"}))
    # Half a cell up and to the left: 2 pixels at stride 4, on 18 anchors, and 4 at stride 8.
    np.testing.assert_allclose(exact - anchors, np.repeat([2.0, 4.0], [18, 6])[:, None] + np.zeros(4), atol=1e-5)
