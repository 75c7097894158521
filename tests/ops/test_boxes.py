import math

import numpy as np
import pytest
from keras import ops

from mrcnn.ops import boxes


def random_boxes(rng, count, limit=100.0):
    corner = rng.uniform(0, limit, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(1, 50, (count, 2))], axis=1).astype("float32")


def test_area_and_intersection_by_hand():
    a = np.array([0.0, 0.0, 4.0, 6.0])
    b = np.array([2.0, 3.0, 10.0, 5.0])
    assert boxes.area(a) == 24  # 4 * 6
    assert boxes.intersection(a, b) == 4  # rows 2..4, columns 3..5
    assert boxes.iou(a, b) == pytest.approx(4 / (24 + 16 - 4))
    assert boxes.area(np.array([5.0, 5.0, 3.0, 9.0])) == 0  # upside down


def test_boxes_without_area_overlap_nothing():
    empty = np.zeros((1, 4), "float32")
    assert boxes.iou(empty, empty)[0] == 0
    assert boxes.iou_matrix(empty, np.array([[0.0, 0.0, 2.0, 2.0]]))[0, 0] == 0


def test_iou_matrix_agrees_with_counting_pixels():
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 20, (6, 2))
    whole = np.concatenate([corner, corner + rng.integers(1, 20, (6, 2))], axis=1)
    pixels = np.zeros((6, 40, 40), bool)
    for picture, (y1, x1, y2, x2) in zip(pixels, whole):
        picture[y1:y2, x1:x2] = True
    shared = (pixels[:, None] & pixels[None]).sum((2, 3))
    union = (pixels[:, None] | pixels[None]).sum((2, 3))
    np.testing.assert_allclose(boxes.iou_matrix(whole.astype(float), whole.astype(float)), shared / union)


def test_encode_by_hand():
    box, target = np.array([0.0, 0.0, 10.0, 20.0]), np.array([5.0, 0.0, 25.0, 20.0])
    # centre 5 -> 15 is one height; height doubles; columns stay
    np.testing.assert_allclose(boxes.encode(box, target, [1, 1, 1, 1]), [1, 0, math.log(2), 0])
    np.testing.assert_allclose(boxes.encode(box, target, [0.1, 0.1, 0.2, 0.2]), [10, 0, math.log(2) / 0.2, 0])


def test_decode_undoes_encode():
    rng = np.random.default_rng(1)
    a, b = random_boxes(rng, 50), random_boxes(rng, 50)
    std = [0.1, 0.1, 0.2, 0.2]
    np.testing.assert_allclose(boxes.decode(boxes.encode(a, b, std), a, std), b, rtol=1e-4, atol=1e-3)


def test_decode_clamps_growth():
    huge = boxes.decode(np.array([0.0, 0.0, 1e9, 1e9]), np.array([0.0, 0.0, 16.0, 16.0]), [1, 1, 1, 1])
    assert huge[2] - huge[0] == pytest.approx(1000)  # 16 * 1000 / 16


def test_encode_of_degenerate_boxes_is_finite():
    assert np.isfinite(boxes.encode(np.zeros(4), np.zeros(4), [1, 1, 1, 1])).all()


def test_tensors_give_what_numpy_gives():
    rng = np.random.default_rng(2)
    a, b = random_boxes(rng, 7), random_boxes(rng, 7)
    std = [0.1, 0.1, 0.2, 0.2]
    window = np.array([10, 10, 60, 60], "float32")
    for function, arguments in (
        (lambda p, q: boxes.iou_matrix(p, q), (a, b)),
        (lambda p, q: boxes.encode(p, q, std), (a, b)),
        (lambda p, q: boxes.decode(p, q, std), ((a - b) / 50, b)),
        (lambda p, q: boxes.clip(p, q), (a, window)),
    ):
        tensors = [ops.convert_to_tensor(argument) for argument in arguments]
        np.testing.assert_allclose(ops.convert_to_numpy(function(*tensors)), function(*arguments), rtol=1e-5, atol=1e-4)


def test_clip_by_hand():
    clipped = boxes.clip(np.array([-5.0, 3.0, 200.0, 40.0]), np.array([0.0, 10.0, 100.0, 90.0]))
    np.testing.assert_array_equal(clipped, [0, 10, 100, 40])
