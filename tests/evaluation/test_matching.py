"""Matterport's matching rule, by hand."""

import numpy as np
import pytest

from mrcnn.errors import DataError
from mrcnn.evaluation.matching import compute_matches, compute_overlaps_masks, greedy_match


def rectangles(boxes, size=(60, 60)):
    masks = np.zeros(size + (len(boxes),), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    return masks


def match(gt, predictions, **thresholds):
    """compute_matches for [(class, y1, x1, y2, x2)] and [(score, class, y1, x1, y2, x2)]."""
    gt_boxes, boxes = (np.array([row[-4:] for row in rows]).reshape(-1, 4) for rows in (gt, predictions))
    return compute_matches(
        gt_boxes, np.array([g[0] for g in gt], int), rectangles(gt_boxes),
        boxes, np.array([p[1] for p in predictions], int), np.array([p[0] for p in predictions], float),
        rectangles(boxes), **thresholds,
    )


def test_overlaps_by_hand():
    # 10x10 against itself: 1. Moved by 5 columns: 50 / 150. Elsewhere: 0. Two empty masks: 0, not NaN.
    masks = rectangles([(0, 0, 10, 10), (0, 5, 10, 15), (40, 40, 50, 50), (0, 0, 0, 0)])
    overlaps = compute_overlaps_masks(masks, masks)
    expected = [[1, 1 / 3, 0, 0], [1 / 3, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(overlaps, expected, rtol=1e-6)


def test_overlaps_of_large_masks_are_counted_exactly():
    # 300 x 300 pixels lie in two blocks of the sum. 45,000 of 90,000 pixels.
    masks = np.zeros((300, 300, 2), bool)
    masks[..., 0] = True
    masks[::2, :, 1] = True
    np.testing.assert_array_equal(compute_overlaps_masks(masks, masks), [[1, 0.5], [0.5, 1]])


def test_nothing_to_overlap():
    assert compute_overlaps_masks(np.zeros((0, 0, 0)), rectangles([(0, 0, 9, 9)])).shape == (0, 1)


def test_the_best_overlap_of_the_same_class_is_taken_in_order_of_score():
    gt = [(1, 0, 0, 10, 10), (1, 0, 8, 10, 18), (2, 30, 30, 40, 40)]
    predictions = [
        (0.6, 1, 0, 1, 10, 11),    # best with object 0, but that is taken by a higher score: IoU with 1 is 3/17 < 0.5
        (0.9, 1, 0, 0, 10, 10),    # object 0
        (0.8, 1, 30, 30, 40, 40),  # covers object 2, of another class
        (0.7, 1, 0, 9, 10, 19),    # object 1, IoU 9/11
    ]
    gt_match, pred_match, overlaps = match(gt, predictions)
    # In falling order of score: 0.9 -> 0, 0.8 -> none, 0.7 -> 1, 0.6 -> none.
    np.testing.assert_array_equal(pred_match, [0, -1, 1, -1])
    np.testing.assert_array_equal(gt_match, [0, 2, -1])
    np.testing.assert_allclose(overlaps[3], [9 / 11, 3 / 17, 0], rtol=1e-6)


def test_the_next_best_object_is_taken_when_the_best_is_gone():
    gt = [(1, 0, 0, 10, 10), (1, 0, 2, 10, 12)]
    # The second detection fits object 0 (IoU 1) better than object 1 (8/12), but comes second.
    gt_match, pred_match, _ = match(gt, [(0.9, 1, 0, 0, 10, 10), (0.8, 1, 0, 0, 10, 10)])
    np.testing.assert_array_equal(pred_match, [0, 1])
    np.testing.assert_array_equal(gt_match, [0, 1])


def test_an_iou_equal_to_the_threshold_is_a_match():
    # 10 x 20 against its half: IoU 0.5 exactly.
    for threshold, expected in ((0.5, 0), (0.51, -1)):
        assert match([(1, 0, 0, 10, 20)], [(0.9, 1, 0, 0, 10, 10)], iou_threshold=threshold)[1] == [expected]


def test_rows_of_zeros_are_padding():
    gt_boxes = np.array([[0, 0, 10, 10], [0, 0, 0, 0]])
    masks = rectangles(gt_boxes)
    gt_match, pred_match, overlaps = compute_matches(
        gt_boxes, np.array([1, 0]), masks, gt_boxes, np.array([1, 0]), np.array([0.9, 0.0]), masks
    )
    assert gt_match.tolist() == [0] and pred_match.tolist() == [0] and overlaps.shape == (1, 1)


def test_no_objects_and_no_detections():
    for gt, predictions in (([], [(0.9, 1, 0, 0, 5, 5)]), ([(1, 0, 0, 5, 5)], []), ([], [])):
        gt_match, pred_match, overlaps = match(gt, predictions)
        assert gt_match.tolist() == [-1] * len(gt) and pred_match.tolist() == [-1] * len(predictions)
        assert overlaps.shape == (len(predictions), len(gt))


def test_of_equal_overlaps_the_first_or_the_last_is_taken():
    overlaps = np.array([[0.6, 0.9, 0.9], [0.6, 0.9, 0.9], [0.6, 0.9, 0.9]])
    everything = np.ones((3, 3), bool)
    assert greedy_match(overlaps, everything).tolist() == [1, 2, 0]
    assert greedy_match(overlaps, everything, last=True).tolist() == [2, 1, 0]
    some = np.array([[True, False, False], [True, False, False], [False, False, True]])
    assert greedy_match(overlaps, some).tolist() == [0, -1, 2]  # the second one's only object is gone
    assert greedy_match(np.zeros((2, 0)), np.zeros((2, 0), bool)).tolist() == [-1, -1]


def test_overlaps_of_grey_masks_are_those_of_what_is_inside():
    masks = np.zeros((6, 6, 2), bool)
    masks[:2, :2, 0] = masks[:2, :4, 1] = True
    grey = np.where(masks, 250, 3).astype(np.uint8)
    with pytest.warns(UserWarning, match="more than two values"):
        np.testing.assert_array_equal(compute_overlaps_masks(grey, grey), [[1, 0.5], [0.5, 1]])


def test_an_empty_object_keeps_its_place():
    """An empty mask has the box 0, 0, 0, 0: in front of another it took that one's mask away."""
    gt_match, pred_match, overlaps = match([(1, 0, 0, 0, 0), (1, 0, 0, 20, 20)], [(0.9, 1, 0, 0, 20, 20)])
    assert gt_match.tolist() == [-1, 0] and pred_match.tolist() == [1] and overlaps.tolist() == [[0, 1]]
    padded = match([(1, 0, 0, 20, 20), (1, 0, 0, 0, 0)], [(0.9, 1, 0, 0, 20, 20), (0, 0, 0, 0, 0, 0)])
    assert padded[0].tolist() == [0] and padded[1].tolist() == [0]  # zeros at the end are padding


def test_what_does_not_belong_together_is_refused():
    masks, box = rectangles([(0, 0, 20, 10)], (40, 30)), [[0, 0, 20, 10]]
    turned = masks.transpose(1, 0, 2)  # as many pixels, other places
    with pytest.raises(DataError, match=r"size \[30, 40\] and \[40, 30\].*expand_mask"):
        compute_matches(box, [1], masks, box, [1], [0.9], turned)
    two = [[0, 0, 20, 10], [20, 0, 40, 10]]
    with pytest.raises(DataError, match="2 boxes, but 1 gt_class_ids: each box needs one"):
        compute_matches(two, [1], rectangles(two, (40, 30)), box, [1], [0.9], masks)
    with pytest.raises(DataError, match="2 boxes, but 1 pred_scores, 1 pred_masks"):
        compute_matches(box, [1], masks, two, [1, 1], [0.9], masks)
