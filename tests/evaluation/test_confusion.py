"""The confusion matrix of detections, counted by hand."""

import numpy as np
from rectangles import comparable

from mrcnn.evaluation.comparison import read_comparison
from mrcnn.evaluation.confusion import confusion_matrix, normalised
from mrcnn.evaluation.pairs import pair_images

# Two pictures: a 40 x 40 of class 1, a 20 x 20 of class 2, a crowd of class 1; and one of class 2 alone.
TRUTH = [[(1, 10, 10, 50, 50), (2, 60, 10, 80, 30), (-1, 10, 60, 50, 120)], [(2, 5, 5, 95, 115)]]


def matrix_of(detections, scores=None, threshold=0.5, truth=TRUTH):
    images = pair_images(read_comparison(*comparable(truth, detections, scores), "segm"))
    return confusion_matrix(images, 2, threshold).tolist()


def test_a_perfect_detector_fills_the_diagonal():
    assert matrix_of([[TRUTH[0][0], TRUTH[0][1]], TRUTH[1]]) == [[0, 0, 0], [0, 1, 0], [0, 0, 2]]


def test_each_kind_of_mistake_has_its_place():
    detections = [
        [(2, 10, 10, 50, 50),  # the object of class 1 taken for class 2
         (1, 60, 60, 90, 90),  # nothing is there
         (1, 20, 70, 40, 90),  # in the crowd: not counted
         (2, 10, 10, 50, 49)],  # the object is taken: nothing is left for it
        [],  # the object of class 2 is missed, as is that of the first picture
    ]
    #                              background  1  2
    assert matrix_of(detections, [[0.9, 0.8, 0.8, 0.7], []]) == [
        [0, 1, 1],  # background: detected where nothing is
        [0, 0, 1],
        [2, 0, 0],
    ]


def test_the_higher_score_takes_the_object_whatever_its_class():
    detections = [[(2, 10, 12, 50, 52), (1, 10, 10, 50, 50)], []]
    assert matrix_of(detections, [[0.9, 0.8], []])[1] == [0, 0, 1]  # 38/42 is enough
    assert matrix_of(detections, [[0.8, 0.9], []])[1] == [0, 1, 0]


def test_scores_below_the_threshold_do_not_count():
    detections = [[TRUTH[0][0], (1, 60, 60, 90, 90)], []]
    assert matrix_of(detections, [[0.4, 0.3], []]) == [[0, 0, 0], [1, 0, 0], [2, 0, 0]]
    assert matrix_of(detections, [[0.6, 0.3], []]) == [[0, 0, 0], [0, 1, 0], [2, 0, 0]]


def test_rows_hold_the_objects_and_columns_the_detections():
    rng = np.random.default_rng(0)
    detections, count = [], np.zeros(2, int)
    for _ in TRUTH:
        boxes = []
        for _ in range(6):
            (y, x), side, k = rng.integers(0, 50, 2), rng.integers(10, 45), int(rng.integers(2))
            in_crowd = y + side > 10 and y < 50 and x + side > 60
            if not in_crowd:  # which would not be counted
                boxes.append((k + 1, int(y), int(x), int(y + side), int(x + side)))
                count[k] += 1
        detections.append(boxes)
    matrix = np.array(matrix_of(detections))
    assert matrix[1:].sum(axis=1).tolist() == [1, 2]  # true objects of class 1 and 2
    assert matrix[:, 1:].sum(axis=0).tolist() == count.tolist()


def test_shares_of_rows_and_of_columns():
    matrix = np.array([[0, 1, 3], [1, 3, 0], [0, 0, 0]])
    np.testing.assert_allclose(normalised(matrix, axis=1), [[0, 0.25, 0.75], [0.25, 0.75, 0], [np.nan] * 3])
    np.testing.assert_allclose(normalised(matrix, axis=0), [[0, 0.25, 1], [1, 0.75, 0], [0, 0, 0]])


def test_no_images():
    assert confusion_matrix([], 2, 0.5).tolist() == [[0] * 3] * 3
