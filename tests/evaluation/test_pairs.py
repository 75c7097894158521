"""Pairs of detections and true objects, and the match of one image, by hand and against pycocotools."""

import numpy as np
import pytest
from rectangles import comparable

from mrcnn.evaluation import coco
from mrcnn.evaluation.comparison import read_comparison
from mrcnn.evaluation.pairs import MOST_DETECTIONS, match, pair_images


def pairs_of(truth, detections, scores=None, kind="segm"):
    """ImagePairs of each picture of rectangles."""
    return pair_images(read_comparison(*comparable(truth, detections, scores), kind))


@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_overlaps_and_order_by_hand(kind):
    truth = [[(1, 10, 10, 50, 50), (-2, 10, 60, 50, 100), (2, 60, 10, 80, 30)], []]
    # 40 x 40 moved by 8 columns: IoU 32/48. 40 x 20, three quarters of it in the crowd: 15 of its 20 columns.
    detections = [[(2, 10, 55, 50, 75), (1, 10, 18, 50, 58)], [(1, 0, 0, 9, 9)]]
    first, second = pairs_of(truth, detections, [[0.3, 0.6], [0.5]], kind)
    np.testing.assert_allclose(first.scores, [0.6, 0.3])
    assert first.classes.tolist() == [0, 1] and first.results.tolist() == [1, 0]
    assert first.true_classes.tolist() == [0, 1] and first.crowd_classes.tolist() == [1]
    np.testing.assert_allclose(first.overlaps, [[32 / 48, 0], [0, 0]])
    np.testing.assert_allclose(first.crowd_overlaps, [[0], [0.75]])
    assert second.overlaps.shape == (1, 0) and second.crowd_overlaps.shape == (1, 0)


def test_the_best_free_object_is_taken_in_order_of_score():
    # Objects side by side, 40 wide, 20 apart. The second detection fits the first object better (IoU 1), but that is
    # taken: with the other one its IoU is 20/60 = 1/3.
    truth = [[(1, 0, 0, 40, 40), (1, 0, 20, 40, 60)]]
    detections = [[(1, 0, 2, 40, 42), (1, 0, 0, 40, 40)]]
    image, = pairs_of(truth, detections, [[0.9, 0.8]])
    assert match(image, 0.5)[0].tolist() == [0, -1]
    assert match(image, 0.3)[0].tolist() == [0, 1]
    assert match(image, 0.96)[0].tolist() == [-1, 0]  # 38/42 is not enough for the first, so the object is free


def test_classes_may_be_left_out_of_account():
    image, = pairs_of([[(1, 10, 10, 50, 50)]], [[(2, 10, 10, 50, 50), (1, 10, 12, 50, 52)]], [[0.9, 0.8]])
    assert match(image)[0].tolist() == [-1, 0]
    assert match(image, by_class=False)[0].tolist() == [0, -1]
    assert match(image, by_class=False, score_threshold=0.95)[0].tolist() == [-1, -1]


def test_what_lies_in_a_crowd_is_ignored():
    truth = [[(1, 10, 10, 50, 50), (-2, 10, 60, 50, 100)]]
    # In the crowd: half of it, 19 of 40 columns, and one of another class.
    detections = [[(2, 10, 80, 50, 120), (2, 10, 81, 50, 119), (1, 10, 62, 50, 90)]]
    image, = pairs_of(truth, detections, [[0.9, 0.8, 0.7]])
    assert match(image)[1].tolist() == [True, True, False]  # 20/40 and 19/38 are one half
    assert match(image, by_class=False)[1].tolist() == [True, True, True]
    narrow, = pairs_of(truth, [[(2, 10, 82, 50, 120)]])
    assert match(narrow)[1].tolist() == [False]  # 18 of 38 columns
    # An object is taken before a crowd is looked at, and by a lower score too.
    both, = pairs_of([[(1, 10, 10, 50, 50), (-1, 0, 0, 100, 120)]], [[(1, 10, 10, 50, 50)] * 2], [[0.9, 0.8]])
    assert match(both)[0].tolist() == [0, -1] and match(both)[1].tolist() == [False, True]


def test_below_the_score_threshold_nothing_counts():
    image, = pairs_of([[(1, 10, 10, 50, 50)]], [[(1, 10, 10, 50, 50), (1, 60, 60, 80, 80)]], [[0.4, 0.9]])
    matches, ignored = match(image, score_threshold=0.5)
    assert matches.tolist() == [-1, -1] and ignored.tolist() == [False, True]
    assert match(image, score_threshold=image.scores[1])[0].tolist() == [-1, 0]  # at the threshold it counts


def test_no_more_detections_of_a_class_than_coco_counts():
    boxes = [(1, 0, 0, 9, 9)] * (MOST_DETECTIONS + 5) + [(2, 0, 0, 9, 9)] * 3
    scores = np.linspace(0.9, 0.1, len(boxes))
    image, = pairs_of([[]], [boxes], [scores])
    assert np.bincount(image.classes).tolist() == [MOST_DETECTIONS, 3]
    assert image.results.tolist() == list(range(MOST_DETECTIONS)) + [105, 106, 107]


def random_pictures(seed, count=40):
    """Rectangles that overlap, some of them crowds, and shaken, swapped and invented ones with scores that repeat."""
    rng = np.random.default_rng(seed)

    def box():
        (y, x), (h, w) = rng.integers(0, 60, 2), rng.integers(8, 40, 2)
        return int(y), int(x), int(y + h), int(x + w)

    truth, detections, scores = [], [], []
    for _ in range(count):
        objects = [(int(rng.choice([1, 2, 2, -1])), *box()) for _ in range(rng.integers(0, 6))]
        boxes = []
        for class_id, *sides in objects * 2:
            y1, x1, y2, x2 = (int(v) for v in np.maximum(rng.integers(-2, 3, 4) + sides, 0))
            boxes.append((int(rng.choice([abs(class_id), 1])), y1, x1, max(y2, y1 + 1), max(x2, x1 + 1)))
        boxes += [(2, *box()) for _ in range(2)]
        truth.append(objects)
        detections.append(boxes)
        scores.append(rng.random(len(boxes)).round(1))
    return truth, detections, scores


@pytest.mark.parametrize("kind", ["segm", "bbox"])
@pytest.mark.parametrize("iou, place", [(0.5, 0), (0.75, 5)])
def test_the_matches_are_those_of_pycocotools(kind, iou, place):
    """Detection by detection, crowds and equal scores among them."""
    comparison = read_comparison(*comparable(*random_pictures(3)), kind)
    evaluation = coco.coco_evaluation(comparison, fast=False)
    images, classes = len(comparison.image_ids), len(comparison.categories)
    sorts = len(evaluation.params.areaRng)
    matched = 0
    for i, pairs in enumerate(pair_images(comparison)):
        matches, ignored = match(pairs, iou)
        for k in range(classes):
            theirs = evaluation.evalImgs[k * sorts * images + i]  # of all sizes
            own = pairs.classes == k
            if theirs is None:
                assert not own.any()
                continue
            assert [r + 1 for r in pairs.results[own]] == theirs["dtIds"]
            hits = theirs["dtMatches"][place].astype(bool) & ~theirs["dtIgnore"][place].astype(bool)
            np.testing.assert_array_equal(matches[own] >= 0, hits)
            np.testing.assert_array_equal(ignored[own], theirs["dtIgnore"][place].astype(bool))
            matched += hits.sum()
    assert matched > 10
