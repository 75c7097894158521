"""Errors by cause and what they cost, by hand and against the counts of TIDE's own program."""

import math
import os

import pytest
from rectangles import comparable

from mrcnn.evaluation.comparison import read_comparison
from mrcnn.evaluation.errors import CAUSES, detection_errors, judge
from mrcnn.evaluation.pairs import pair_images

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VECTOR = os.path.join(os.path.dirname(ROOT), "shared", "data", "coco_ap_vector")

A, B = (1, 10, 10, 50, 50), (1, 55, 10, 95, 50)  # two objects of class 1
LOW = (1, 10, 30, 50, 70)  # moved by 20 of 40 columns: IoU 20/60 = 1/3 with A
AWAY = (1, 60, 60, 90, 90)


def images_of(truth, detections, scores=None):
    return pair_images(read_comparison(*comparable(truth, detections, scores), "segm"))


def errors_of(truth, detections, scores=None, **options):
    return detection_errors(images_of(truth, detections, scores), 2, **options)


def as_class(class_id, box):
    return (class_id, *box[1:])


@pytest.mark.parametrize("detection, cause", [
    (A, "correct"),
    (LOW, "localisation"),
    (as_class(2, A), "classification"),
    (as_class(2, LOW), "both"),
    (AWAY, "background"),
    ((1, 10, 46, 50, 86), "background"),  # 4 of 76 columns: IoU 0.053
    ((1, 10, 43, 50, 83), "background"),  # 7 of 73: 0.096
    ((1, 10, 42, 50, 82), "localisation"),  # 8 of 72: 0.111
])
def test_the_cause_of_one_detection(detection, cause):
    verdicts = judge(images_of([[A]], [[detection]]))
    assert verdicts.causes.tolist() == [cause]
    means = cause in ("correct", "localisation", "classification")
    assert verdicts.objects.tolist() == [0 if means else -1]
    assert verdicts.missed.tolist() == [not means] and verdicts.detected.tolist() == [cause == "correct"]


def test_a_second_detection_of_an_object_is_a_duplicate():
    verdicts = judge(images_of([[A]], [[A, (1, 10, 12, 50, 52)]], [[0.9, 0.8]]))
    assert verdicts.causes.tolist() == ["correct", "duplicate"]


def test_the_right_class_in_the_wrong_place_comes_before_the_wrong_class():
    # On the object of class 2 exactly, and at IoU 1/3 with that of class 1, its own.
    truth = [[A, as_class(2, LOW)]]
    assert judge(images_of(truth, [[LOW]])).causes.tolist() == ["localisation"]
    # A duplicate that also covers an object of another class is a classification error.
    truth = [[A, as_class(2, (1, 10, 12, 50, 52))]]
    assert judge(images_of(truth, [[A, A]], [[0.9, 0.8]])).causes.tolist() == ["correct", "classification"]


def test_what_lies_in_a_crowd_of_its_class_is_no_error():
    truth = [[A, (-1, 55, 55, 95, 95)]]
    errors = errors_of(truth, [[A, AWAY]], [[0.5, 0.9]])
    assert errors["AP50"] == pytest.approx(1) and errors["false_positives"]["count"] == 0
    assert all(value == {"count": 0, "dAP": 0} for value in errors["causes"].values())


def gains(errors):
    return {cause: value["dAP"] for cause, value in errors["causes"].items() if value["dAP"]}


def test_mending_a_localisation():
    # Ranked: LOW (means A), B. Precision 1/2 up to recall 1/2: AP50 = 51/101 * 1/2. Mended: both found, AP50 1.
    errors = errors_of([[A, B]], [[LOW, B]], [[0.9, 0.8]])
    base = 51 / 101 / 2
    assert errors["AP50"] == pytest.approx(base)
    assert gains(errors) == pytest.approx({"localisation": 1 - base})
    assert errors["classes"][0] == {**dict.fromkeys(CAUSES, 0), "localisation": 1}
    # Without it, B alone is ranked: 51/101. Asked for B alone, A not found: precision 1/2 everywhere.
    assert errors["false_positives"] == {"count": 1, "dAP": pytest.approx(51 / 101 - base)}
    assert errors["false_negatives"] == {"count": 1, "dAP": pytest.approx(1 / 2 - base)}


def test_mending_a_localisation_of_an_object_that_is_found_removes_it():
    # LOW, A, B: precision 1/2, then 2/3: falling 2/3 everywhere. Without LOW 1.
    errors = errors_of([[A, B]], [[LOW, A, B]], [[0.9, 0.8, 0.7]])
    assert gains(errors) == pytest.approx({"localisation": 1 / 3})
    # Of two that mean the same object the higher one is mended, the other removed: A and B at 1, where it was
    # precision 1/3 up to recall 1/2.
    errors = errors_of([[A, B]], [[LOW, LOW, B]], [[0.9, 0.8, 0.7]])
    assert errors["causes"]["localisation"]["count"] == 2
    assert gains(errors) == pytest.approx({"localisation": 1 - 51 / 101 / 3})


def test_mending_a_classification():
    # Class 1: A is detected as class 2. Class 2: its own object is found after this false one: precision 1/2.
    own = (2, 55, 60, 95, 100)
    errors = errors_of([[A, own]], [[as_class(2, A), own]], [[0.9, 0.8]])
    assert errors["AP50"] == pytest.approx((0 + 1 / 2) / 2)
    assert gains(errors) == pytest.approx({"classification": 3 / 4})  # both classes perfect
    assert errors["classes"][1]["classification"] == 1  # counted for the class that was detected


def test_an_object_that_both_causes_mean_is_mended_once():
    # As in tidecv the highest score has it. LOW, then A as class 2: without the latter class 1 is as it was.
    base, wrong = 51 / 101 / 2, as_class(2, A)
    assert gains(errors_of([[A, B]], [[LOW, wrong, B]], [[0.9, 0.8, 0.7]])) == pytest.approx({"localisation": 1 - base})
    # The other way round LOW is removed: B alone, 51/101. Mended, class 1 ranks A, LOW, B: 1 at 51 recalls, 2/3 at 50.
    assert gains(errors_of([[A, B]], [[wrong, LOW, B]], [[0.9, 0.8, 0.7]])) == pytest.approx(
        {"localisation": 51 / 101 - base, "classification": (51 + 50 * 2 / 3) / 101 - base})


@pytest.mark.parametrize("detection, cause", [(AWAY, "background"), (as_class(2, LOW), "both"), (A, "duplicate")])
def test_mending_by_removal(detection, cause):
    # The false one comes between or before the true ones; class 2 has an object of its own to be false for.
    own = (2, 60, 60, 80, 80)
    wrong = AWAY if cause == "background" else detection
    truth, answers = ([[A, B]], [[A, wrong, B]]) if cause != "both" else ([[A, own]], [[A, wrong, own]])
    errors = errors_of(truth, answers, [[0.9, 0.8, 0.7]])
    assert errors["causes"][cause]["count"] == 1
    if cause == "both":  # class 2: precision 1/2 everywhere; class 1 perfect
        assert errors["AP50"] == pytest.approx(3 / 4) and gains(errors) == pytest.approx({"both": 1 / 4})
    else:  # 1 at 51 recalls, 2/3 at 50
        base = (51 + 50 * 2 / 3) / 101
        assert errors["AP50"] == pytest.approx(base) and gains(errors) == pytest.approx({cause: 1 - base})


def test_mending_misses():
    # One of two found: 51/101. Not asked for the other: 1.
    errors = errors_of([[A, B]], [[A]])
    assert gains(errors) == pytest.approx({"missed": 50 / 101}) and errors["causes"]["missed"]["count"] == 1


def test_a_class_that_is_all_missed_stays_in_the_mean():
    # Class 2 has nothing but a missed object, with a false detection or none: a mean over class 1 alone would rise.
    for answers in ([[A]], [[A, (2, 5, 90, 20, 110)]]):
        errors = errors_of([[A, (2, 60, 60, 80, 80)]], answers)
        assert errors["AP50"] == pytest.approx(0.5) and gains(errors) == {}
        assert errors["classes"][1]["missed"] == 1 and errors["false_negatives"] == {"count": 1, "dAP": 0}
    # What is left of class 1 counts as one of two classes.
    errors = errors_of([[A, B, (2, 60, 60, 80, 80)]], [[A]])
    assert gains(errors) == pytest.approx({"missed": 50 / 101 / 2})


def test_errors_above_a_threshold_are_counted_apart():
    errors = errors_of([[A]], [[AWAY, AWAY, A]], [[0.9, 0.2, 0.1]], score_threshold=0.5)
    assert errors["causes"]["background"]["count"] == 2 and errors["causes"]["background"]["shown"] == 1
    assert "shown" not in errors["causes"]["missed"]


def test_nothing_true_and_nothing_detected():
    errors = errors_of([[]], [[A]])
    assert math.isnan(errors["AP50"]) and errors["causes"]["background"]["count"] == 1
    errors = errors_of([[A]], [[]])
    assert errors["AP50"] == 0 and errors["causes"]["missed"]["count"] == 1
    assert detection_errors([], 2)["false_negatives"]["count"] == 0


@pytest.mark.skipif(not os.path.isdir(VECTOR), reason=f"NOT CHECKED against TIDE's counts: no {VECTOR}")
@pytest.mark.parametrize("kind, counts", [("segm", (76, 82, 7, 0, 4, 109)), ("bbox", (83, 1, 0, 1, 0, 97))])
def test_the_counts_are_those_of_tides_own_program(kind, counts):
    """What tidecv 1.0.1 prints for COCO's example results; its AP, and so its gains, are not COCO's."""
    comparison = read_comparison(
        f"{VECTOR}/instances_val2014_100.json", f"{VECTOR}/instances_val2014_fake{kind}100_results.json", kind
    )
    causes = detection_errors(pair_images(comparison), len(comparison.categories))["causes"]
    assert tuple(causes[cause]["count"] for cause in CAUSES) == counts
