"""Matterport's per-image figures, by hand."""

import numpy as np
import pytest

from mrcnn.evaluation.average_precision import compute_ap, compute_ap_range, compute_recall


def arguments(gt, predictions):
    """The seven arguments of compute_ap for [(class, y1, x1, y2, x2)] and [(score, class, y1, x1, y2, x2)]."""
    boxes = [np.array([row[-4:] for row in rows]).reshape(-1, 4) for rows in (gt, predictions)]
    masks = [np.zeros((60, 60, len(b)), bool) for b in boxes]
    for mask, rows in zip(masks, boxes):
        for i, (y1, x1, y2, x2) in enumerate(rows):
            mask[y1:y2, x1:x2, i] = True
    return (
        boxes[0], np.array([g[0] for g in gt], int), masks[0],
        boxes[1], np.array([p[1] for p in predictions], int), np.array([p[0] for p in predictions], float), masks[1],
    )


def test_the_area_under_the_envelope():
    gt = [(1, 0, 0, 10, 10), (1, 20, 0, 30, 10)]
    predictions = [(0.9, 1, 0, 0, 10, 10), (0.8, 1, 40, 40, 50, 50), (0.7, 1, 20, 0, 30, 10)]
    # Ranked true, false, true: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1. The envelope is 1 up to recall 1/2 and
    # 2/3 up to 1: AP = 1/2 + 1/2 * 2/3 = 5/6.
    ap, precisions, recalls, overlaps = compute_ap(*arguments(gt, predictions))
    assert ap == pytest.approx(5 / 6)
    np.testing.assert_allclose(precisions, [1, 1, 2 / 3, 2 / 3, 0])
    np.testing.assert_allclose(recalls, [0, 0.5, 0.5, 1, 1])
    np.testing.assert_array_equal(overlaps, [[1, 0], [0, 0], [0, 1]])


def test_a_missed_object_caps_recall():
    gt = [(1, 0, 0, 10, 10), (1, 20, 0, 30, 10)]
    # One of two found: precision 1 up to recall 1/2, nothing after.
    assert compute_ap(*arguments(gt, [(0.9, 1, 0, 0, 10, 10)]))[0] == pytest.approx(0.5)


def test_empty_images_have_defined_values():
    box = (1, 0, 0, 10, 10)
    for gt, predictions in (([], []), ([], [(0.9, *box)]), ([box], [])):
        ap, precisions, recalls, _ = compute_ap(*arguments(gt, predictions))
        assert ap == 0 and np.isfinite(precisions).all() and np.isfinite(recalls).all()


def test_the_mean_over_thresholds(capsys):
    # 10 x 20 against 10 x 15 of it: IoU 0.75: found at 0.50, 0.55 ... 0.75, six of ten thresholds.
    values = arguments([(1, 0, 0, 10, 20)], [(0.9, 1, 0, 0, 10, 15)])
    assert compute_ap_range(*values, verbose=0) == pytest.approx(0.6)
    assert capsys.readouterr().out == ""
    # One of the two thresholds 0.7 and 0.8.
    assert compute_ap_range(*values, iou_thresholds=[0.7, 0.8]) == pytest.approx(0.5)
    assert "AP @0.70-0.80:" in capsys.readouterr().out


def test_recall_counts_each_true_box_once():
    gt = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50]])
    predictions = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 25, 30, 35], [0, 40, 10, 50]])
    # IoU 1 and 0.9 with the first box, 1/3 with the second, none: at 0.5 one of three boxes is found, by 0 and 1.
    recall, positive = compute_recall(predictions, gt, 0.5)
    assert recall == pytest.approx(1 / 3) and positive.tolist() == [0, 1]
    assert compute_recall(predictions, gt, 0.3)[0] == pytest.approx(2 / 3)


def test_recall_without_boxes():
    box, none = np.array([[0, 0, 10, 10]]), np.zeros((0, 4))
    for predictions, gt in ((box, none), (none, box), (none, none)):
        recall, positive = compute_recall(predictions, gt, 0.5)
        assert recall == 0 and len(positive) == 0
