"""YOLACT's losses by hand."""

import math

import numpy as np
import pytest
from keras import ops

from mrcnn.network.yolact_losses import (
    hard_negatives,
    yolact_bbox_loss,
    yolact_class_loss,
    yolact_mask_loss,
    yolact_semantic_loss,
)


def value(function, *arrays, **options):
    result = function(*(ops.convert_to_tensor(array) for array in arrays), **options)
    return ops.convert_to_numpy(result)


def test_the_hardest_negatives_are_three_for_each_positive():
    losses = np.array([[9, 8, 1, 5, 2, 7, 3, 4], [1, 2, 3, 4, 5, 6, 7, 8]], "float32")
    positive, negative = np.zeros((2, 8), bool), np.ones((2, 8), bool)
    positive[0, 0] = True
    negative[0, [0, 5]] = False  # the positive one, and one between the thresholds, whatever their losses
    chosen = value(hard_negatives, losses, positive, negative, ratio=3)
    assert np.flatnonzero(chosen[0]).tolist() == [1, 3, 7]  # of losses 8, 5 and 4
    assert np.flatnonzero(chosen[1]).tolist() == [5, 6, 7]  # without a positive as many as for one
    none = value(hard_negatives, losses, positive, np.zeros((2, 8), bool), ratio=3)
    assert not none.any()
    positive[1, :3], negative[1, :3] = True, False
    assert value(hard_negatives, losses, positive, negative, ratio=3)[1].sum() == 5  # all there are, of nine
    equal = value(hard_negatives, np.ones((1, 8), "float32"), positive[:1], negative[:1], ratio=2)
    assert equal.sum() == 2  # of equal ones no more than were asked for


def test_class_loss_counts_positives_and_hard_negatives():
    """One positive of class 1; of four negatives the two with most of class 1 count, at a ratio of 2."""
    scores = np.array([0.5, 0.9, 0.8, 0.1, 0.2])  # of class 1, the rest being background's
    logits = np.stack([np.log(1 - scores), np.log(scores), np.full(5, 7.0)], axis=-1)[None].astype("float32")
    class_ids = np.array([[1, 0, 0, 0, 0]], "int32")
    positive = class_ids > 0
    active = np.array([[True, True, False]])  # class 2, however sure, is none that the photo's source labels
    loss = value(yolact_class_loss, logits, class_ids, positive, ~positive, active, ratio=2)
    assert loss == pytest.approx(-math.log(0.5) - math.log(0.1) - math.log(0.2), rel=1e-5)


def test_class_loss_is_over_the_positives_of_all_images():
    logits, class_ids = np.zeros((2, 6, 3), "float32"), np.zeros((2, 6), "int32")
    class_ids[0, :2] = 1, 2
    positive = class_ids > 0
    loss = value(yolact_class_loss, logits, class_ids, positive, ~positive, np.ones((2, 3), bool), ratio=3)
    # 2 positives and 4 negatives (all there are of 6 wanted), and 3 of the image without a positive
    assert loss == pytest.approx((2 + 4 + 3) * math.log(3) / 2, rel=1e-5)


def test_box_loss():
    deltas = np.array([[[0.5, 0, 0, 0], [3, 0, 0, -2], [9, 9, 9, 9]]], "float32")
    positive = np.array([[True, True, False]])
    # 0.5 * 0.5^2; (3 - 0.5) + (2 - 0.5): over two positives
    loss = value(yolact_bbox_loss, deltas, positive, np.zeros_like(deltas))
    assert loss == pytest.approx((0.125 + 4.0) / 2)
    assert value(yolact_bbox_loss, deltas, np.zeros((1, 3), bool), deltas + 1) == 0


def test_mask_loss_is_the_mean_over_the_true_box():
    """A box of 2 x 1 cells, one right at -log 0.9 and one wrong at -log 0.2; everything outside of it is no matter."""
    logits = np.full((1, 3, 4, 4), 50.0, "float32")
    logits[0, 0, 1, 2], logits[0, 0, 2, 2] = math.log(0.9 / 0.1), math.log(0.8 / 0.2)
    target = np.zeros((1, 3, 4, 4), "float32")
    target[0, 0, 1, 2] = 1
    logits[0, 1], target[0, 1] = 0.0, 1  # log 2 everywhere
    boxes = np.array([[[1, 2, 3, 3], [0, 0, 4, 4], [0, 0, 4, 4]]], "float32")
    valid = np.array([[True, True, False]])
    one = -(math.log(0.9) + math.log(0.2)) / 2
    assert value(yolact_mask_loss, logits, target, boxes, valid) == pytest.approx((one + math.log(2)) / 2, rel=1e-5)
    # A box smaller than a cell has that cell, and one across an edge both.
    small = np.array([[[1.2, 2.1, 1.4, 2.3], [0, 0, 4, 4], [0, 0, 4, 4]]], "float32")
    alone = np.array([[True, False, False]])
    assert value(yolact_mask_loss, logits, target, small, alone) == pytest.approx(-math.log(0.9), rel=1e-4)
    across = np.array([[[1.9, 2.1, 2.1, 2.3], [0, 0, 4, 4], [0, 0, 4, 4]]], "float32")
    assert value(yolact_mask_loss, logits, target, across, alone) == pytest.approx(one, rel=1e-4)


def test_semantic_loss():
    logits = np.zeros((1, 2, 2, 3), "float32")
    logits[0, 0, 0] = 40, 99, -40  # right, of no class of the source, wrong by 40
    seen = np.zeros((1, 2, 2, 3), "float32")
    seen[0, 0, 0] = 1, 0, 1
    valid = np.array([[[True, True], [False, False]]])
    active = np.array([[True, True, False, True]])
    # Of two cells: 0 + 40, and two classes at log 2
    assert value(yolact_semantic_loss, logits, seen, valid, active) == pytest.approx((40 + 2 * math.log(2)) / 2)
