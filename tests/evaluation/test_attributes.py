"""Figures of attributes by hand: objects of 10 x 10 pixels, one below the other."""

import math

import numpy as np
import pytest

from mrcnn.data.run_lengths import encode
from mrcnn.errors import DataError
from mrcnn.evaluation.attributes import attribute_f1, match_jointly
from mrcnn.evaluation.evaluate import measure
from mrcnn.evaluation.report import report_html
from mrcnn.evaluation.tables import attributes_table

NAMES = {1: "plain", 2: "striped", 3: "long", 4: "red"}


def mask(place, rows=10):
    """Run lengths of an object at a place, of its ten rows or fewer."""
    pixels = np.zeros((60, 10), bool)
    pixels[10 * place:10 * place + rows] = True
    return encode(pixels)


def truth_of(*objects):
    """COCO's dict of (place, class, attribute ids, crowd or not)."""
    annotations = [
        {"id": i, "image_id": 1, "category_id": class_id, "segmentation": mask(place), "iscrowd": int(bool(crowd)),
         "attribute_ids": list(ids)}
        for i, (place, class_id, ids, *crowd) in enumerate(objects, 1)
    ]
    return {"images": [{"id": 1, "height": 60, "width": 10}], "annotations": annotations,
            "categories": [{"id": 1, "name": "skirt"}, {"id": 2, "name": "shoe"}],
            "attributes": [{"id": i, "name": name} for i, name in NAMES.items()]}


def found(place, class_id, score, ids, scores=None, rows=10):
    """One COCO result; of a mask of fewer rows the IoU with the object is rows / 10."""
    result = {"image_id": 1, "category_id": class_id, "score": score, "segmentation": mask(place, rows),
              "attribute_ids": ids}
    return result if scores is None else {**result, "attribute_scores": scores}


def figures(truth, results, **options):
    return measure(truth, results, **options)["attributes"]


def test_each_attribute_by_hand():
    truth = truth_of((0, 1, [2]), (1, 1, [2, 3]), (2, 1, [3]), (3, 1, [1]))
    results = [
        found(0, 1, 0.9, [2], {"striped": 0.9, "long": 0.6}),
        found(1, 1, 0.8, [2, 3], {"striped": 0.4, "long": 0.8}),
        found(2, 1, 0.7, [3], {"striped": 0.5, "long": 0.3}),
        # The object at place 3 is not found, and what is found at place 4 is none: neither counts here.
        found(4, 1, 0.6, [1], {"plain": 0.9}),
    ]
    result = figures(truth, results)
    rows = {row["name"]: row for row in result["classes"]}
    assert result["found"] == 3
    # striped: 0.9 right, 0.5 wrong, 0.4 right; precision 1 up to recall 0.5, then 2/3: (51 * 1 + 50 * 2/3) / 101.
    assert rows["striped"]["AP"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    # F1: from 0.51 to 0.9 it is 2 * 1 / (1 + 2), from 0.31 to 0.4 it is 2 * 2 / (3 + 2).
    assert rows["striped"]["F1"] == pytest.approx(0.8) and rows["striped"]["threshold"] <= 0.4
    # long: 0.8 right, 0.6 wrong, 0.3 right, as striped
    assert rows["long"]["AP"] == pytest.approx(rows["striped"]["AP"]) and rows["long"]["objects"] == 2
    assert math.isnan(rows["plain"]["AP"]) and math.isnan(rows["red"]["F1"])  # of no object that was found
    # All together 4 true ones: 0.9 and 0.8 right, 0.6 and 0.5 wrong, 0.4 and 0.3 right: at 0.3 2 * 4 / (6 + 4).
    assert result["F1"] == pytest.approx(0.8) and result["threshold"] <= 0.3
    assert result["mean_F1"] == pytest.approx(0.8) and result["mean_AP"] == pytest.approx(rows["long"]["AP"])


def test_objects_that_nobody_described():
    truth = truth_of((0, 1, [2]), (1, 1, []))
    results = [found(0, 1, 0.9, [2], {"striped": 0.6}), found(1, 1, 0.8, [2], {"striped": 0.7})]
    assert figures(truth, results)["classes"][1]["AP"] == pytest.approx(0.5)
    partial = figures(truth, results, partial_attributes=True)
    assert partial["classes"][1]["AP"] == 1 and partial["found"] == 1


def test_masks_of_objects_that_nobody_described_are_measured_neither_way():
    truth = truth_of((0, 1, [2]), (1, 1, []), (2, 1, []), (3, 2, []))
    described = [found(0, 1, 0.9, [2]), found(3, 2, 0.9, [])]
    undescribed = [found(1, 1, 0.95, [3]), found(2, 1, 0.94, [3])]
    assert figures(truth, described + undescribed)["AP_IoU+F1"]["AP_F75"] < 0.7
    for results in (described, described + undescribed[:1], described + undescribed):
        joint = figures(truth, results, partial_attributes=True)["AP_IoU+F1"]
        assert joint["AP"] == pytest.approx(1) and joint["AP_F75"] == pytest.approx(1)
    # A second detection of one, and one where nothing is, are false alarms still: precision 1/2 of the skirts. No shoe
    # is described, so shoes are measured by masks: one that is not found counts.
    for false in (found(1, 1, 0.91, [3]), found(5, 1, 0.91, [3])):
        joint = figures(truth, described + undescribed + [false], partial_attributes=True)["AP_IoU+F1"]
        assert joint["AP_F75"] == pytest.approx((0.5 + 1) / 2)
    joint = figures(truth, described[:1], partial_attributes=True)["AP_IoU+F1"]
    assert joint["AP_F75"] == pytest.approx(0.5)


def test_results_of_other_programs_have_ids_alone():
    truth = truth_of((0, 1, [2, 3]), (1, 1, [3]))
    result = figures(truth, [found(0, 1, 0.9, [2]), found(1, 1, 0.8, [2, 3, 99])])  # 99 is none of the truth's
    # told: striped right, striped wrong, long right; missed: long of the first
    assert result["F1"] == pytest.approx(2 * 2 / (3 + 3))


def test_no_attributes_no_figures():
    truth = truth_of((0, 1, [2]))
    plain = {key: value for key, value in found(0, 1, 0.9, []).items() if key != "attribute_ids"}
    assert figures(truth, [plain]) is None
    assert figures({key: value for key, value in truth.items() if key != "attributes"}, [found(0, 1, 0.9, [2])]) is None


@pytest.mark.parametrize("wrong, message", [
    ({"attribute_ids": 3}, "Result 0 has attribute_ids '3': it must be a list of ids"),
    ({"attribute_scores": {"long": None}}, "Result 0 has attribute_scores .*: it must give a number for each name"),
])
def test_attributes_of_results_are_checked(wrong, message):
    with pytest.raises(DataError, match=message):
        figures(truth_of((0, 1, [2])), [{**found(0, 1, 0.9, [2]), **wrong}])


# --- Fashionpedia's AP -----------------------------------------------------------------------------------------------


def macro_f1(told, true):
    """The mean of F1 over the labels 0 and 1, those that neither has left out, counted one by one."""
    values = []
    for label in (False, True):
        right = sum(a == b == label for a, b in zip(told, true))
        wrong = sum((a == label) != (b == label) for a, b in zip(told, true))
        if right + wrong:
            values.append(2 * right / (2 * right + wrong))
    return sum(values) / len(values)


def test_f1_of_attributes_is_that_of_counting():
    rng = np.random.default_rng(0)
    told, true = rng.random((12, 5)) < 0.4, rng.random((9, 5)) < 0.4
    told[0], true[0], told[1], true[1] = False, False, True, True
    expected = [[macro_f1(one, other) for other in true] for one in told]
    np.testing.assert_allclose(attribute_f1(told, true), expected, atol=1e-12)


def test_attributes_decide_with_the_mask():
    # Of four attributes the object has two and one of these is told: F1 of what it has 2/3, of what it has not
    # 2 * 2 / 5 = 4/5, their mean 0.733: the thresholds 0.5 to 0.7 are passed, 5 of 10. Its IoU is 0.8: 7 of 10 are.
    truth = truth_of((0, 1, [2, 3]))
    joint = figures(truth, [found(0, 1, 0.9, [2], rows=8)])["AP_IoU+F1"]
    assert joint["AP"] == pytest.approx(0.5 * 0.7)
    assert joint["AP_IoU50"] == pytest.approx(0.5) and joint["AP_F50"] == pytest.approx(0.7)
    assert joint["AP_IoU75"] == pytest.approx(0.5) and joint["AP_F75"] == 0 and joint["AP_IoU50_F50"] == 1


def test_a_detection_with_wrong_attributes_is_a_false_one():
    # The better score has all attributes wrong (F1 0): at every threshold it comes first and is wrong, so precision is
    # 1/2 at every recall.
    truth = truth_of((0, 1, [1, 2]))
    joint = figures(truth, [found(0, 1, 0.9, [3, 4]), found(0, 1, 0.8, [1, 2])])["AP_IoU+F1"]
    assert joint["AP"] == pytest.approx(0.5)


def test_classes_without_attributes_count_once():
    # The skirt is right in all: AP 1 at 10 thresholds of F1. The shoe is not found: 0, once.
    truth = truth_of((0, 1, [1]), (1, 2, []))
    assert figures(truth, [found(0, 1, 0.9, [1])])["AP_IoU+F1"]["AP"] == pytest.approx(10 / 11)
    # At one threshold of F1 both count alike.
    assert figures(truth, [found(0, 1, 0.9, [1])])["AP_IoU+F1"]["AP_F50"] == pytest.approx(1 / 2)
    # A shoe needs no attributes to be right, whatever is told of it.
    results = [found(0, 1, 0.9, [1]), found(1, 2, 0.9, [3])]
    assert figures(truth, results)["AP_IoU+F1"]["AP"] == 1


def test_crowds_are_neither_missed_nor_false():
    truth = truth_of((0, 1, [1]), (1, 1, [2], True))
    right = found(0, 1, 0.8, [1])
    assert figures(truth, [right, found(1, 1, 0.9, [2])])["AP_IoU+F1"]["AP"] == 1
    # As in Fashionpedia's evaluation a crowd has attributes as well, and is for one detection. Told [3] of [2] the F1
    # is (0 + 2 * 2 / 6) / 2 = 1/3, below all thresholds: 0.9 is false, 0.8 right, precision 1/2 at every recall.
    assert figures(truth, [right, found(1, 1, 0.9, [3])])["AP_IoU+F1"]["AP"] == pytest.approx(1 / 2)
    assert figures(truth, [right, *[found(1, 1, 0.9, [2])] * 3])["AP_IoU+F1"]["AP"] == pytest.approx(1 / 3)


def test_crowds_of_classes_without_attributes_are_for_all():
    truth = truth_of((0, 1, [1]), (1, 2, []), (2, 2, [], True))
    results = [found(0, 1, 0.8, [1]), found(1, 2, 0.8, []), *[found(2, 2, 0.9, [3])] * 3]
    assert figures(truth, results)["AP_IoU+F1"]["AP"] == 1


def test_classes_that_are_not_exhaustively_labelled_have_no_false_detections():
    truth = truth_of((0, 1, [1]))
    truth["images"][0]["not_exhaustive_category_ids"] = [1]
    results = [found(0, 1, 0.8, [1]), *[found(place, 1, 0.9, [3]) for place in (1, 2, 3)]]
    assert figures(truth, results)["AP_IoU+F1"]["AP"] == 1


def test_a_later_object_is_taken_only_if_it_is_no_worse_in_mask_and_attributes():
    # Two objects at one place: A of ten rows and attributes 1 and 2, B of eight and attribute 1. Detection 1 has eight
    # rows and 1 and 2: with A IoU 0.8 and F1 1, with B IoU 1 and F1 (2/3 + 4/5) / 2 = 0.733. Detection 2 has five rows
    # and 1: with A IoU 0.5 and F1 0.733, with B IoU 5/8 and F1 1.
    truth = truth_of((0, 1, [1, 2]), (0, 1, [1]))
    truth["annotations"][1]["segmentation"] = mask(0, 8)
    joint = figures(truth, [found(0, 1, 0.9, [1, 2], rows=8), found(0, 1, 0.8, [1], rows=5)])["AP_IoU+F1"]
    # Where detection 1 passes with A it keeps it, for B has the better mask and the worse attributes. So at IoU 0.5,
    # 0.55 and 0.6 detection 2 has B, and AP is 1 at each F1. From 0.65 to 0.8 detection 1 alone is right: recall 1/2,
    # AP 51/101. From 0.85 on it takes B, if F1 0.733 is enough, which it is for 5 of 10 thresholds; else none is right.
    half = 51 / 101
    assert joint["AP"] == pytest.approx((3 * 10 + 4 * 10 * half + 3 * 5 * half) / 100)
    assert joint["AP_F50"] == pytest.approx((3 + 7 * half) / 10)
    assert joint["AP_F75"] == pytest.approx((3 + 4 * half) / 10)


def in_turn(overlaps, agreement, crowd, shared, iou, least):
    """Fashionpedia's matching, one comparison after another: objects in their order, crowds last."""
    taken, matches = set(), []
    for detection, enough in enumerate(overlaps):
        least_iou, least_f1, match = iou, least, -1
        for place in [*np.flatnonzero(~crowd), *np.flatnonzero(crowd)]:
            over = match >= 0 and not crowd[match] and crowd[place]
            if over or place in taken or enough[place] < least_iou or agreement[detection, place] < least_f1:
                continue
            least_iou, least_f1, match = enough[place], agreement[detection, place], place
        if match >= 0 and not shared[match]:
            taken.add(match)
        matches.append(match)
    return matches


def test_matching_is_that_of_going_through_the_objects():
    rng, several = np.random.default_rng(0), 0
    for _ in range(1000):
        shape = rng.integers(1, 7), rng.integers(0, 6)
        overlaps, agreement = (rng.integers(40, 61, shape) / 60 for _ in range(2))  # with equal ones
        crowd = np.arange(shape[1]) >= shape[1] - rng.integers(0, 3)
        shared = crowd & (rng.random(shape[1]) < 0.5)
        found = match_jointly(overlaps, agreement, crowd, shared, 0.75, 0.75)
        assert found.tolist() == in_turn(overlaps, agreement, crowd, shared, 0.75, 0.75)
        several += len(set(found[found >= 0])) > 1
    assert several > 300


# --- In words --------------------------------------------------------------------------------------------------------


def test_the_table_goes_from_the_best_to_the_worst_and_the_report_has_it():
    truth = truth_of((0, 1, [2]), (1, 1, [3]))
    metrics = measure(truth, [found(0, 1, 0.9, [2], {"striped": 0.9, "long": 0.8}),
                              found(1, 1, 0.8, [3], {"long": 0.6})])
    # long: 0.8 wrong, 0.6 right: AP 1/2, F1 2 * 1 / (1 + 2) at 0.6; striped is all right. Together 0.9 right, 0.8
    # wrong, 0.6 right: F1 2 * 2 / (3 + 2).
    lines = attributes_table(metrics["attributes"]).split("\n")
    assert [line.split() for line in lines[1:3]] == [
        ["striped", "1", "1.000", "1.000", "at", lines[1].split()[-1]],
        ["long", "1", "0.500", "0.667", "at", lines[2].split()[-1]]]
    assert lines[3].startswith("Attributes of 2 found objects, all together: F1 0.800, precision 0.667, recall 1.000")
    assert lines[3].endswith("Masks and attributes: AP_IoU+F1 1.000, at IoU 0.50 and F1 0.50 1.000")
    page = report_html(metrics)
    assert "<h2>Attributes</h2>" in page and page.index("striped") < page.index(">long<")
    assert "<h2>Attributes</h2>" not in report_html({**metrics, "attributes": None})


def test_many_attributes_are_cut_in_the_middle():
    rows = [{"name": f"a{i}", "objects": 1, "AP": 1 - i / 100, "F1": 0.5, "threshold": None} for i in range(30)]
    figures = {"found": 1, "F1": math.nan, "precision": None, "recall": None, "threshold": None, "classes": rows,
               "AP_IoU+F1": {"AP": 0.0, "AP_IoU50_F50": 0.0}}
    lines = attributes_table(figures).split("\n")
    assert lines[11] == "... 10 attributes between, in metrics.json" and lines[10].split()[0] == "a9"
    assert lines[12].split()[0] == "a20" and ": no answer is right." in lines[-1]
