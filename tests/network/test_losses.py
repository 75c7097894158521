import math

import numpy as np
import pytest
from keras import ops

from mrcnn.network import losses


def t(values, dtype="float32"):
    return ops.convert_to_tensor(np.array(values, dtype))


def number(value):
    return float(ops.convert_to_numpy(value))


def test_rpn_class_loss_by_hand():
    # logits 0 and 2: -log sigmoid(0) = log 2 for the positive, -log(1 - sigmoid(2)) = log(1 + e^2) for the negative
    loss = losses.rpn_class_loss(
        t([[7, 0, 2, -9]]), t([[1, 2, 0]], "int32"), t([[1, 0, 0]], "bool"), t([[1, 1, 0]], "bool")
    )
    assert number(loss) == pytest.approx((math.log(2) + math.log(1 + math.e**2)) / 2, rel=1e-5)


def test_rpn_bbox_loss_by_hand():
    # one positive of two sampled: |2| -> 1.5, |.5| -> .125, two zeros; over the number of sampled anchors
    deltas = t([[[2, 0.5, 0, 0], [9, 9, 9, 9], [9, 9, 9, 9]]])
    loss = losses.rpn_bbox_loss(
        deltas, t([[0, 1, 2]], "int32"), t([[1, 0, 0]], "bool"), t([[1, 1, 0]], "bool"), t(np.zeros((1, 3, 4)))
    )
    assert number(loss) == pytest.approx(1.625 / 2)


def test_class_loss_by_hand_and_without_inactive_classes():
    logits = t([[0, 0, 0], [0, 3, 50]])
    class_ids, valid = t([1, 2], "int32"), t([1, 0], "bool")
    everything = t(np.ones((2, 3)), "bool")
    assert number(losses.mrcnn_class_loss(logits, class_ids, valid, everything)) == pytest.approx(math.log(3))
    without_2 = t([[1, 1, 0], [1, 1, 0]], "bool")
    assert number(losses.mrcnn_class_loss(logits, class_ids, valid, without_2)) == pytest.approx(math.log(2))


def test_box_loss_reads_the_own_class():
    deltas = np.full((2, 3, 4), 100.0)
    deltas[0, 2] = [1.5, 0, 0, 0]  # smooth L1: 1.5 - .5
    loss = losses.mrcnn_bbox_loss(
        t(deltas), t([2, 0], "int32"), t([1, 0], "bool"), t([1, 1], "bool"), t(np.zeros((2, 4)))
    )
    assert number(loss) == pytest.approx(0.5)  # over two sampled regions


def test_mask_loss_by_hand():
    logits = np.full((2, 2, 2, 3), 100.0)
    logits[0, ..., 1] = [[0, 0], [2, 2]]
    target = np.zeros((2, 2, 2))
    target[0, 0] = 1
    loss = losses.mrcnn_mask_loss(t(logits), t([1, 0], "int32"), t([1, 0], "bool"), t(target))
    assert number(loss) == pytest.approx((math.log(2) + math.log(1 + math.e**2)) / 2, rel=1e-5)


def test_point_loss_by_hand():
    # the first region: log 2 and log(1 + e^2); the second does not count
    logits, target = t([[0, 2], [99, 99]]), t([[1, 0], [0, 0]])
    loss = losses.mrcnn_point_loss(logits, t([1, 0], "bool"), target)
    assert number(loss) == pytest.approx((math.log(2) + math.log(1 + math.e**2)) / 2, rel=1e-5)
    assert number(losses.mrcnn_point_loss(logits, t([0, 0], "bool"), target)) == 0


def test_no_sample_is_no_loss():
    nothing = t([[0, 0]], "bool")
    zeros = t([[0, 0]], "int32")
    nan = t(np.full((1, 5), np.nan))
    assert number(losses.rpn_class_loss(nan, zeros, nothing, nothing)) == 0
    infinite = t(np.full((1, 5, 4), np.inf))
    assert number(losses.rpn_bbox_loss(infinite, zeros, nothing, nothing, t(np.zeros((1, 2, 4))))) == 0
    masks = losses.mrcnn_mask_loss(t(np.zeros((1, 2, 2, 3))), t([0], "int32"), t([0], "bool"), t(np.zeros((1, 2, 2))))
    assert number(masks) == 0


def test_huge_logits_stay_finite():
    loss = losses.sigmoid_cross_entropy(t([1e5, -1e5, 1e5]), t([1, 0, 0]))
    np.testing.assert_allclose(ops.convert_to_numpy(loss), [0, 0, 1e5])
