"""Photos labelled for some classes only: LVIS' rule by hand, in COCO's numbers and in our own matching."""

import math

import pytest
from rectangles import comparable

from mrcnn.errors import DataError
from mrcnn.evaluation.coco import coco_average_precision
from mrcnn.evaluation.comparison import read_comparison
from mrcnn.evaluation.confusion import confusion_matrix
from mrcnn.evaluation.errors import judge
from mrcnn.evaluation.evaluate import measure
from mrcnn.evaluation.pairs import match, pair_images
from mrcnn.evaluation.partly_labelled import by_lvis_rule, class_lists, partly_text

# Class 1 is on photo 0 and is found with score 0.8. A detection of class 1 on photo 1, of which nothing is labelled,
# has score 0.9; beside it lies one of class 2, and on photo 0 a second one of class 1, where nothing is.
TRUTH = [[(1, 10, 10, 50, 50), (2, 60, 60, 90, 90)], []]
DETECTIONS = [[(1, 10, 10, 50, 50), (2, 60, 60, 90, 90)], [(1, 5, 5, 45, 45)]]
SCORES = [[0.8, 0.7], [0.9]]


def files(second, first=None):
    """Ground truth and results; second, first: the lists of LVIS' that the photos have, by classes 1 and 2."""
    truth, results = comparable(TRUTH, DETECTIONS, SCORES)
    ids = sorted(category["id"] for category in truth["categories"])
    for image, lists in zip(truth["images"], (first, second)):
        image.update({key: [ids[i - 1] for i in classes] for key, classes in (lists or {}).items()})
    return truth, results


@pytest.mark.parametrize("kind", ["segm", "bbox"])
@pytest.mark.parametrize("lists, expected", [
    (None, 0.75),  # all is labelled: the first of two detections is wrong, precision 1/2 for class 1, and 1 for class 2
    ({"neg_category_ids": [1]}, 0.75),  # class 1 is surely not there
    ({"neg_category_ids": [2]}, 1),  # nobody looked for class 1
    ({"neg_category_ids": [], "not_exhaustive_category_ids": []}, 1),
    ({"neg_category_ids": [1], "not_exhaustive_category_ids": [1]}, 1),
    ({"neg_category_ids": [1], "not_exhaustive_category_ids": [2]}, 0.75),
])
def test_average_precision_by_hand(kind, lists, expected):
    truth, results = files(lists)
    assert math.isclose(coco_average_precision(truth, results, kind)["AP50"], expected, abs_tol=1e-9)
    assert math.isclose(coco_average_precision(truth, results, kind)["AP"], expected, abs_tol=1e-9)


def test_ids_of_the_lists_may_be_texts():
    truth, results = files({"neg_category_ids": [1], "not_exhaustive_category_ids": [1]})
    usual = coco_average_precision(truth, results, "segm")["AP"]
    for image in truth["images"]:
        image.update({key: [str(i) for i in image[key]] for key in image if key.endswith("category_ids")})
    assert coco_average_precision(truth, results, "segm")["AP"] == usual == pytest.approx(1)
    truth["images"][1]["not_exhaustive_category_ids"] = []
    assert coco_average_precision(truth, results, "segm")["AP50"] == pytest.approx(0.75)  # surely not there


def test_of_an_open_class_what_takes_no_object_is_ignored_and_what_takes_one_counts():
    truth, results = comparable([[(1, 10, 10, 50, 50)]], [[(1, 60, 60, 90, 90), (1, 10, 10, 50, 50)]], [[0.9, 0.8]])
    for lists, ap in (({}, 0.5), ({"not_exhaustive_category_ids": [truth["categories"][0]["id"]]}, 1)):
        truth["images"][0].update(lists)
        # Recall is reached by the second detection: precision 1/2, or 1 where the first is ignored.
        assert math.isclose(coco_average_precision(truth, results, "segm")["AP50"], ap, abs_tol=1e-9)
    image, = pair_images(read_comparison(truth, results, "segm"))
    matches, ignored = match(image)
    assert matches.tolist() == [-1, 0] and ignored.tolist() == [True, False]


def test_a_crowd_of_an_open_class_hides_no_other_class():
    truth, results = comparable([[(1, 10, 10, 50, 50), (2, 60, 60, 90, 90)]],
                                [[(1, 10, 60, 50, 90), (2, 60, 10, 90, 50), (1, 10, 10, 50, 50)]], [[0.9, 0.8, 0.7]])
    truth["images"][0]["not_exhaustive_category_ids"] = [min(entry["id"] for entry in truth["categories"])]
    images = pair_images(read_comparison(truth, results, "segm"))
    # Rows true, columns detected: class 1 found; class 2 missed, and once where nothing is; the other of 1 is ignored.
    assert confusion_matrix(images, 2, 0.5).tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert judge(images).causes.tolist() == ["ignored", "background", "correct"]


def test_what_is_left_out_is_counted_and_told():
    truth, results = files({"neg_category_ids": []}, {"neg_category_ids": [], "not_exhaustive_category_ids": [2]})
    metrics = measure(truth, results)
    assert metrics["partly_labelled"] == {"photos": 2, "detections": 1, "open": 1}
    assert (metrics["objects"], metrics["detections"]) == (2, 2) and metrics["segm"]["AP"] == pytest.approx(1)
    text = partly_text(metrics["partly_labelled"])
    assert text.startswith("2 photos are labelled for some classes only") and "1 detections of classes" in text
    assert partly_text(by_lvis_rule([{"id": 1}], [], [], "segm")[2]) == ""


def test_lists_that_are_none_are_refused():
    assert class_lists({"id": 1, "neg_category_ids": None}) == {}
    with pytest.raises(DataError, match="Image 7 has neg_category_ids '5': it must be a list"):
        class_lists({"id": 7, "neg_category_ids": 5})
