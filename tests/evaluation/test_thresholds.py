"""Figures against the score threshold: by hand, and AP against pycocotools."""

import math

import numpy as np
import pytest
from rectangles import comparable

from mrcnn.evaluation import coco
from mrcnn.evaluation.comparison import read_comparison
from mrcnn.evaluation.pairs import pair_images
from mrcnn.evaluation.thresholds import THRESHOLDS, mean_precision, rank_images, ranked_precision, threshold_curves

HIT, MISS = (1, 10, 10, 50, 50), (1, 60, 60, 90, 90)


def rankings_of(truth, detections, scores=None, classes=2):
    return rank_images(pair_images(read_comparison(*comparable(truth, detections, scores), "segm")), classes)


def at(curves, name, threshold):
    return curves[name][int(round(threshold * 100))]


def test_average_precision_by_hand():
    # Two objects. Ranked true, false, true: 1 at the 51 recalls up to 1/2, 2/3 at the other 50.
    truth = [[HIT, (1, 55, 10, 95, 50)]]
    ranking, none = rankings_of(truth, [[HIT, MISS, (1, 55, 10, 95, 50)]], [[0.9, 0.8, 0.7]])
    assert ranking.objects == 2 and ranking.correct.tolist() == [True, False, True]
    assert ranked_precision(ranking) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert ranked_precision(ranking, 0.75) == pytest.approx(51 / 101)  # without the last one
    assert ranked_precision(ranking, 0.95) == 0
    assert math.isnan(ranked_precision(none))  # class 2 has no object
    assert mean_precision([ranking, none]) == ranked_precision(ranking)
    assert math.isnan(mean_precision([none]))


@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_average_precision_is_that_of_pycocotools(kind):
    rng = np.random.default_rng(1)
    truth, detections, scores = [], [], []
    for _ in range(20):
        corners, sides = rng.integers(0, 60, (4, 2)), rng.integers(8, 40, (4, 2))
        objects = [(int(rng.integers(1, 3)), y, x, y + h, x + w) for (y, x), (h, w) in zip(corners, sides)]
        moved = [(c, y1 + int(rng.integers(8)), x1, y2 + 9, x2 + int(rng.integers(9))) for c, y1, x1, y2, x2 in objects]
        truth.append(objects)
        detections.append(moved + [(1, 0, 0, 9, 9)])
        scores.append(rng.random(5).round(1))
    comparison = read_comparison(*comparable(truth, detections, scores), kind)
    expected = [numbers["AP50"] for numbers in coco.class_numbers(coco.coco_evaluation(comparison, fast=False))]
    ours = [ranked_precision(ranking) for ranking in rank_images(pair_images(comparison), 2)]
    np.testing.assert_allclose(ours, expected, atol=1e-12)
    assert all(0.05 < value < 0.95 for value in ours)


def test_curves_by_hand():
    # Three objects, one never found. Scores: correct 0.9 and 0.5, wrong 0.7 and 0.3.
    truth = [[HIT, (1, 55, 10, 95, 50)], [HIT]]
    detections = [[HIT, MISS, (1, 55, 10, 95, 50)], [MISS]]
    curves = threshold_curves(rankings_of(truth, detections, [[0.9, 0.7, 0.5], [0.3]]))
    overall = curves["overall"]
    for threshold, correct, shown in ((0.95, 0, 0), (0.8, 1, 1), (0.6, 1, 2), (0.4, 2, 3), (0.1, 2, 4)):
        assert at(overall, "precision", threshold) == pytest.approx(correct / shown if shown else 1)
        assert at(overall, "recall", threshold) == pytest.approx(correct / 3)
        assert at(overall, "F1", threshold) == pytest.approx(2 * correct / (shown + 3))
    # F1 is 4/6 with three shown, that is from 0.31 to 0.50, 4/7 with all, 2/4 with one. The middle of the 20 thresholds
    # 0.31 ... 0.50 is 0.41.
    assert overall["best"] == pytest.approx({"threshold": 0.41, "F1": 2 / 3, "precision": 2 / 3, "recall": 2 / 3})
    assert curves["classes"] == [overall, {}]  # class 2 has no object
    # 1 at the recalls up to 1/3, which are 34 of 101; with the second correct one 2/3 at the 33 up to 2/3.
    assert at(overall, "AP50", 0.6) == pytest.approx(34 / 101)
    assert at(overall, "AP50", 0.4) == at(overall, "AP50", 0) == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert curves["threshold"] == THRESHOLDS.tolist()


def test_classes_are_pooled_for_f1_and_averaged_for_ap():
    truth = [[HIT, (2, 55, 10, 95, 50)]]
    detections = [[HIT, (1, 60, 60, 90, 90), (2, 55, 10, 95, 50)]]
    curves = threshold_curves(rankings_of(truth, detections, [[0.6, 0.8, 0.9]]))
    # At 0.5: class 1 has one of two right (F1 2/3, AP 1/2), class 2 its only one (F1 and AP 1); together 2 of 3.
    first, second = curves["classes"]
    assert at(first, "F1", 0.5) == pytest.approx(2 / 3) and at(second, "F1", 0.5) == 1
    assert at(curves["overall"], "F1", 0.5) == pytest.approx(4 / 5)
    assert at(curves["overall"], "AP50", 0.5) == pytest.approx(0.75)
    assert second["best"]["threshold"] == pytest.approx(0.45)  # the middle of 0.00 ... 0.90


def test_nothing_correct_has_no_best_threshold():
    curves = threshold_curves(rankings_of([[HIT]], [[MISS]]))
    assert curves["overall"]["best"] is None and max(curves["overall"]["F1"]) == 0
    curves = threshold_curves(rankings_of([[HIT]], [[]]))
    assert curves["overall"]["best"] is None and curves["overall"]["precision"] == [1.0] * 101


def test_no_true_objects_and_no_images():
    assert threshold_curves(rankings_of([[]], [[MISS]])) == {
        "threshold": THRESHOLDS.tolist(), "overall": {}, "classes": [{}, {}]
    }
    assert [ranking.objects for ranking in rank_images([], 2)] == [0, 0]


def test_what_lies_in_a_crowd_counts_neither_way():
    truth = [[HIT, (-1, 55, 55, 95, 95)]]
    curves = threshold_curves(rankings_of(truth, [[HIT, MISS]], [[0.5, 0.9]]))
    assert at(curves["overall"], "F1", 0.5) == 1 and at(curves["overall"], "precision", 0.9) == 1
