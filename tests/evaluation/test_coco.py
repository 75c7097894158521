"""COCO figures: by hand, against pycocotools alone, and against the table that COCO publishes."""

import contextlib
import copy
import importlib.util
import io
import json
import math
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from rectangles import Rectangles, as_detection, comparable

from mrcnn.errors import DataError
from mrcnn.evaluation import coco
from mrcnn.evaluation.comparison import read_comparison

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VECTOR = os.path.join(os.path.dirname(ROOT), "shared", "data", "coco_ap_vector")
needs_vector = pytest.mark.skipif(
    not os.path.isdir(VECTOR), reason=f"NOT CHECKED against COCO's published table: no {VECTOR}"
)


def both(truth, detections, scores=None):
    """(12 numbers of masks, 12 numbers of boxes) for lists of objects per picture."""
    ground_truth, results = comparable(truth, detections, scores)
    json.dumps([ground_truth, results], allow_nan=False)  # every value is one that JSON knows
    return [coco.coco_average_precision(ground_truth, results, kind) for kind in ("segm", "bbox")]


# 40 x 40, 20 x 20 and 90 x 110 pixels: medium, small and large by COCO's 32^2 and 96^2.
OBJECTS = [[(1, 10, 10, 50, 50), (2, 60, 60, 80, 80)], [(2, 5, 5, 95, 115)]]


def test_a_perfect_detector_gets_1():
    for numbers in both(OBJECTS, OBJECTS):
        # Class 2 has two objects in two pictures: one detection a picture finds them all. So AR_1 is 1 as well.
        assert numbers == pytest.approx(dict.fromkeys(coco.NUMBERS, 1.0))


def test_a_shifted_box_counts_up_to_its_iou():
    # 40 x 40 moved by 8 columns: intersection 32 * 40, union 48 * 40, IoU 2/3: found at 0.50, 0.55, 0.60, 0.65 of ten.
    for numbers in both([[(1, 10, 10, 50, 50)]], [[(1, 10, 18, 50, 58)]]):
        assert numbers["AP"] == pytest.approx(0.4)
        assert numbers["AP50"] == pytest.approx(1) and numbers["AP75"] == 0


def test_a_shrunk_box_counts_up_to_its_iou():
    # 40 x 40 against 40 x 33 inside it: IoU 33/40 = 0.825: found at 0.50 ... 0.80, seven of ten.
    for numbers in both([[(1, 10, 10, 50, 50)]], [[(1, 10, 10, 50, 43)]]):
        assert numbers["AP"] == pytest.approx(0.7)


def test_classes_swapped_find_nothing():
    swapped = [[(2, 10, 10, 50, 50), (1, 60, 60, 80, 80)], [(1, 5, 5, 95, 115)]]
    for numbers in both(OBJECTS, swapped):
        assert numbers["AP"] == 0 and numbers["AR_100"] == 0


def test_a_false_positive_above_the_true_one_halves_precision():
    truth = [[(1, 10, 10, 50, 50)]]
    detections = [[(1, 60, 60, 90, 90), (1, 10, 10, 50, 50)]]
    # Ranked: false, true. Precision at every recall is 1/2. With the scores exchanged it is 1.
    for numbers in both(truth, detections, [[0.9, 0.8]]):
        assert numbers["AP50"] == pytest.approx(0.5)
    for numbers in both(truth, detections, [[0.8, 0.9]]):
        assert numbers["AP50"] == pytest.approx(1)


def test_crowds_are_neither_missed_nor_wrong():
    # A crowd to the right; two detections inside it count for nothing, neither does the crowd if nobody finds it.
    truth = [[(1, 10, 10, 50, 50), (-1, 10, 60, 90, 110)]]
    for detections in ([(1, 10, 10, 50, 50)], [(1, 10, 10, 50, 50), (1, 20, 65, 40, 90), (1, 50, 65, 80, 90)]):
        for numbers in both(truth, [detections], [[0.5, 0.9, 0.9][:len(detections)]]):
            assert numbers["AP"] == pytest.approx(1)


def test_an_image_without_objects_adds_false_positives_only():
    objects = [(1, 10, 10, 50, 50)]
    for numbers in both([objects, []], [objects, []]):
        assert numbers["AP"] == pytest.approx(1)
    # One false detection there, ranked above the true one: precision 1/2 at every recall.
    for numbers in both([objects, []], [objects, [(1, 60, 60, 90, 90)]], [[0.5], [0.9]]):
        assert numbers["AP50"] == pytest.approx(0.5)


def test_no_results_give_0_and_no_objects_give_nan_with_a_reason():
    truth = [[(1, 10, 10, 50, 50)]]  # medium alone
    for numbers in both(truth, [[]]):
        assert numbers["AP"] == 0 and numbers["AP_medium"] == 0 and numbers["AR_100"] == 0
        assert {n for n, v in numbers.items() if math.isnan(v)} == {"AP_small", "AP_large", "AR_small", "AR_large"}
        assert "32^2" in coco.undefined_numbers(numbers)["AP_small"]
        assert "AP" not in coco.undefined_numbers(numbers)
    for numbers in both([[]], [[(1, 10, 10, 50, 50)]]):
        assert all(math.isnan(value) for value in numbers.values())
        assert coco.undefined_numbers(numbers)["AP"] == "the ground truth has no object"


def test_annotation_ids_play_no_part():
    dataset = Rectangles().load(OBJECTS)
    truth = coco.ground_truth_from_dataset(dataset)
    results = [r for i, o in enumerate(OBJECTS) for r in coco.results_from_detections(dataset, i, as_detection(o))]
    for ids in ((0, 1, 2), (7, 7, 7)):
        other = copy.deepcopy(truth)
        for annotation, number in zip(other["annotations"], ids):
            annotation["id"] = number
        assert coco.coco_average_precision(other, results, "segm")["AP"] == pytest.approx(1)


def test_arguments_are_left_as_they_were(capsys):
    dataset = Rectangles().load(OBJECTS)
    truth = coco.ground_truth_from_dataset(dataset)
    results = coco.results_from_detections(dataset, 0, as_detection(OBJECTS[0]))
    before = copy.deepcopy((truth, results))
    coco.coco_average_precision(truth, results, "segm")
    assert (truth, results) == before
    assert capsys.readouterr().out == ""


def many(count):
    """`count` small squares in one picture, all of class 1."""
    return [[(1, y, x, y + 4, x + 4) for y in range(0, 95, 5) for x in range(0, 115, 5)][:count]]


def test_more_than_100_objects_of_a_class_count_where_they_are_asked_for():
    # COCO counts 100 of 150 detections: precision 1 up to recall 100/150, which is 67 of its 101 recalls (0 to 0.66).
    truth, results = comparable(many(150), many(150))
    for kind in coco.KINDS:
        assert coco.coco_average_precision(truth, results, kind)["AP"] == pytest.approx(67 / 101)
        assert coco.coco_average_precision(truth, results, kind, max_detections=150)["AP"] == pytest.approx(1)
    # Of five objects one detection reaches a recall of 0.2, which is 21 of the 101 recalls.
    truth, results = comparable(many(5), many(5))
    for kind in coco.KINDS:
        numbers = coco.coco_average_precision(truth, results, kind, max_detections=1)
        assert numbers["AP"] == numbers["AP50"] == pytest.approx(21 / 101)
        assert [numbers[name] for name in ("AR_1", "AR_10", "AR_100")] == pytest.approx([0.2, 1, 0.2])
        classes = coco.class_numbers(coco.coco_evaluation(read_comparison(truth, results, kind), max_detections=1))
        assert [numbers["AP"] for numbers in classes if not math.isnan(numbers["AP"])] == pytest.approx([21 / 101])
    truth, results = comparable(many(150), many(150))
    crowding = coco.crowded_images(read_comparison(truth, results, "segm"))
    assert crowding == {"images": 1, "objects": 50, "detections": 50, "most": 150, "needed": 150}
    line = coco.crowding_text(crowding, 100)
    assert "1 photos have more than 100" in line and "50 objects" in line and "--max-detections 150 counts all" in line
    assert coco.crowding_text(coco.crowded_images(read_comparison(truth, results, "segm"), 150), 150) == ""


def test_the_limit_that_is_advised_is_that_with_which_all_detections_count():
    truth, results = comparable([many(1)[0]], [many(150)[0]])  # one object, and detections in its place and elsewhere
    for most in (100, 101, 149):
        crowding = coco.crowded_images(read_comparison(truth, results, "segm"), most)
        assert "--max-detections 150 counts all" in coco.crowding_text(crowding, most)


def test_the_recall_is_named_by_the_limit():
    numbers = dict.fromkeys(coco.NUMBERS, 0.5)
    assert coco.format_numbers(numbers).splitlines()[8] == "AR_100     0.500"
    lines = coco.format_numbers(numbers, 301).splitlines()
    assert lines[8] == "AR_301     0.500" and not any("AR_100 " in line for line in lines)
    names = [line.split()[0] for line in coco.format_numbers(numbers, 10).splitlines()]
    assert names.count("AR_10") == 1 and "AR_100" not in names


def test_the_numbers_are_those_that_pycocotools_prints():
    truth, results = comparable([*many(40), *OBJECTS], [*many(33), *OBJECTS])
    for kind in coco.KINDS:
        evaluation = coco.coco_evaluation(read_comparison(truth, results, kind), fast=False)
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.summarize()
        expected = dict(zip(coco.NUMBERS, evaluation.stats, strict=True))
        assert coco.twelve_numbers(evaluation) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", coco.KINDS)
@pytest.mark.parametrize("most", [2, 100])
def test_tables_class_by_class_are_those_of_all_classes_at_once(kind, most):
    """Crowds, equal scores, classes without objects or detections, photos without either, a limit that cuts."""
    truth, results = comparable(
        [[*many(5)[0], (2, 60, 10, 80, 30), (-1, 10, 60, 90, 110)], [], [(2, 10, 10, 50, 50)], [(5, 0, 0, 20, 20)]],
        [[*many(4)[0], (2, 60, 10, 80, 32), (1, 20, 65, 40, 90)], [(2, 5, 5, 40, 40)], [(3, 0, 0, 9, 9)], []],
        [[0.5, 0.5, 0.9, 0.2, 0.5, 0.4], [0.8], [0.9], []], category_ids=range(1, 6))
    comparison = read_comparison(truth, results, kind)
    whole, parts = (make(comparison, max_detections=most) for make in (coco.coco_evaluation, coco.coco_tables))
    for name in ("precision", "recall"):
        np.testing.assert_array_equal(parts.eval[name], whole.eval[name])
    np.testing.assert_equal(coco.twelve_numbers(parts), coco.twelve_numbers(whole))
    np.testing.assert_equal(coco.precision_recall_curves(parts), coco.precision_recall_curves(whole))


def test_results_with_polygons_are_masks():
    # 40 x 40 pixels, as a polygon along their edges; the box that comes with it is another, and plays no part.
    truth, results = comparable([[(1, 10, 10, 50, 50)]], [[(1, 10, 10, 50, 50)]])
    polygon = {**results[0], "segmentation": [[10, 10, 50, 10, 50, 50, 10, 50]], "bbox": [0, 0, 3, 3]}
    assert coco.coco_average_precision(truth, [polygon], "segm")["AP"] == pytest.approx(1)


def test_only_the_images_named_are_evaluated():
    dataset = Rectangles().load(OBJECTS)
    truth = coco.ground_truth_from_dataset(dataset)
    results = coco.results_from_detections(dataset, 0, as_detection(OBJECTS[0]))
    assert coco.coco_average_precision(truth, results, "segm", image_ids=[1000])["AP"] == pytest.approx(1)
    # Over both pictures class 2 has one of two objects found: precision 1 up to recall 1/2, that is at 51 of COCO's
    # 101 recalls; class 1 has AP 1.
    assert coco.coco_average_precision(truth, results, "segm")["AP"] == pytest.approx((1 + 51 / 101) / 2)
    assert coco.ground_truth_from_dataset(dataset, [1])["images"] == [
        {"id": 1001, "file_name": "1.png", "height": 100, "width": 120}
    ]


def test_equal_to_pycocotools_on_the_same_files(tmp_path):
    """Random rectangles, jittered, some lost, some invented: both must give the same 12 numbers."""
    rng = np.random.default_rng(0)
    truth, detections, scores = [], [], []
    for _ in range(12):
        corners = rng.integers(0, 60, (5, 2))
        sides = rng.integers(8, 40, (5, 2))
        objects = [(int(rng.integers(1, 3)), y, x, y + h, x + w) for (y, x), (h, w) in zip(corners, sides)]
        truth.append(objects)
        moved = [(c, *np.maximum(rng.integers(-4, 5, 4) + box, 0)) for c, *box in objects]
        detections.append([(c, y1, x1, max(y2, y1 + 1), max(x2, x1 + 1)) for c, y1, x1, y2, x2 in moved[1:]])
        scores.append(rng.random(4).round(2))
    dataset = Rectangles().load(truth)
    results = []
    for i, objects in enumerate(detections):
        results += coco.results_from_detections(dataset, i, as_detection(objects, scores[i]))
    (tmp_path / "gt.json").write_text(json.dumps(coco.ground_truth_from_dataset(dataset)))
    (tmp_path / "dt.json").write_text(json.dumps(results))
    for kind in ("segm", "bbox"):
        numbers = coco.coco_average_precision(tmp_path / "gt.json", str(tmp_path / "dt.json"), kind)
        expected = pycocotools_alone(tmp_path / "gt.json", tmp_path / "dt.json", kind)
        assert 0.05 < numbers["AP"] < 0.95  # neither case is trivial
        np.testing.assert_allclose([-1 if math.isnan(v) else v for v in numbers.values()], expected, atol=1e-12)


def pycocotools_alone(ground_truth, results, kind):
    """The 12 numbers as pycocotools' own documentation computes them."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(ground_truth))
        evaluation = COCOeval(truth, truth.loadRes(str(results)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@needs_vector
@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_the_published_table_through_the_command(kind):
    """COCO's own results for 100 photos, and the table it prints for them: all 12 numbers to its three digits."""
    text = pathlib.Path(VECTOR, "val2014_fake_eval_res.txt").read_text().split(f"type={kind}")[1].split("type=")[0]
    published = re.findall(r"\] = (\S+)", text)
    output = subprocess.run(
        [sys.executable, "-m", "mrcnn.evaluation.coco", "--ground-truth", f"{VECTOR}/instances_val2014_100.json",
         "--results", f"{VECTOR}/instances_val2014_fake{kind}100_results.json", "--type", kind],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )
    lines = [line.split() for line in output.stdout.splitlines()]
    assert lines == [list(pair) for pair in zip(coco.NUMBERS, published, strict=True)]
    assert output.stderr == ""


# --- Bad input -------------------------------------------------------------------------------------------------------


# --- Classes and curves ----------------------------------------------------------------------------------------------


def vector(kind):
    return f"{VECTOR}/instances_val2014_100.json", f"{VECTOR}/instances_val2014_fake{kind}100_results.json"


@needs_vector
@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_numbers_of_a_class_are_those_of_pycocotools_for_this_category_alone(kind):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    comparison = read_comparison(*vector(kind), kind)
    evaluation = coco.coco_evaluation(comparison)
    numbers = coco.class_numbers(evaluation)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(vector(kind)[0])
        results = truth.loadRes(vector(kind)[1])
        for category, ours in zip(comparison.categories, numbers, strict=True):
            alone = COCOeval(truth, results, kind)
            alone.params.catIds = [category["id"]]
            alone.evaluate(), alone.accumulate(), alone.summarize()
            theirs = [math.nan if value == -1 else value for value in alone.stats[:3]]
            np.testing.assert_allclose([ours["AP"], ours["AP50"], ours["AP75"]], theirs, atol=1e-12)
    known = [ours for ours in numbers if not math.isnan(ours["AP"])]
    assert 20 < len(known) < len(numbers)  # COCO's 80 classes do not all occur in 100 photos
    mean = coco.twelve_numbers(evaluation)
    for name in ("AP", "AP50", "AP75"):
        assert np.mean([ours[name] for ours in known]) == pytest.approx(mean[name], abs=1e-12)


def test_the_curve_of_a_class_by_hand():
    # Two objects; ranked true (IoU 1), false, true (IoU 33/40 = 0.825). At IoU 0.5 precision is 1, 1/2, 2/3 at recall
    # 1/2, 1/2, 1: made falling and read at 0, 0.01 ... 1 it is 1 at the 51 recalls up to 1/2, 2/3 at the other 50.
    truth = [[(1, 10, 10, 50, 50), (1, 55, 10, 95, 50)]]
    detections = [[(1, 10, 10, 50, 50), (1, 10, 60, 50, 100), (1, 55, 10, 95, 43)]]
    for kind in ("segm", "bbox"):
        evaluation = coco.coco_evaluation(read_comparison(*comparable(truth, detections, [[0.9, 0.8, 0.7]]), kind))
        curves = coco.precision_recall_curves(evaluation)
        at_half = [1.0] * 51 + [2 / 3] * 50
        np.testing.assert_allclose(curves["classes"][0]["AP50"], at_half, atol=1e-9)
        np.testing.assert_allclose(curves["classes"][0]["AP75"], at_half, atol=1e-9)
        # Found at the seven thresholds up to 0.80; at the other three the last one is false.
        found_late = [1.0] * 51 + [0.7 * 2 / 3] * 50
        np.testing.assert_allclose(curves["classes"][0]["AP"], found_late, atol=1e-9)
        assert curves["classes"][1] == {}  # class 2 has no object: it is no part of the mean
        assert curves["mean"] == curves["classes"][0]
        np.testing.assert_allclose(curves["recall"], np.arange(101) / 100)
        numbers = coco.class_numbers(evaluation)
        assert numbers[0]["AP50"] == pytest.approx(np.mean(at_half))
        assert numbers[0]["AP"] == pytest.approx(np.mean(found_late))
        assert all(math.isnan(value) for value in numbers[1].values())


def test_no_true_object_leaves_no_curve():
    evaluation = coco.coco_evaluation(read_comparison(*comparable([[]], [[(1, 10, 10, 50, 50)]]), "segm"))
    assert coco.precision_recall_curves(evaluation)["mean"] == {}


# --- The fast evaluation ---------------------------------------------------------------------------------------------


@needs_vector
@pytest.mark.skipif(
    importlib.util.find_spec("faster_coco_eval") is None,
    reason="NOT CHECKED that the fast evaluation gives the same numbers: pip install faster-coco-eval",
)
@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_the_fast_evaluation_gives_the_same_numbers(kind):
    comparisons = [
        read_comparison(*vector(kind), kind),
        # Crowds, a picture without objects, one without detections, equal scores.
        read_comparison(*comparable(
            [[(1, 10, 10, 50, 50), (-1, 10, 60, 90, 110)], [], [(2, 10, 10, 50, 50)]],
            [[(1, 10, 12, 50, 52), (1, 20, 65, 40, 90), (2, 60, 10, 80, 30)], [(2, 5, 5, 40, 40)], []],
        ), kind),
    ]
    for comparison in comparisons:
        slow, fast = (coco.coco_evaluation(comparison, fast=choice) for choice in (False, True))
        assert type(slow).__module__.startswith("pycocotools") and type(fast).__module__.startswith("faster_coco_eval")
        np.testing.assert_allclose(list(coco.twelve_numbers(fast).values()), list(coco.twelve_numbers(slow).values()),
                                   atol=1e-6)
        for name in ("AP", "AP50", "AP75"):
            numbers = [[entry[name] for entry in coco.class_numbers(one)] for one in (fast, slow)]
            np.testing.assert_allclose(*numbers, atol=1e-6)
        curves = [coco.precision_recall_curves(one)["mean"]["AP"] for one in (fast, slow)]
        np.testing.assert_allclose(*curves, atol=1e-6)


def test_the_fast_evaluation_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    comparison = read_comparison(*comparable(OBJECTS, OBJECTS), "segm")
    assert coco.twelve_numbers(coco.coco_evaluation(comparison))["AP"] == pytest.approx(1)
    with pytest.raises(DataError, match="pip install faster-coco-eval"):
        coco.coco_evaluation(comparison, fast=True)


# --- The command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content, message", [
    (None, "gt.json: cannot read .*check the path"),
    ("{", "gt.json: no JSON file"),
    ("[" * 10**5, "gt.json: no JSON file"),
    ("[]", "gt.json is no COCO annotation file"),
    ('{"images": [], "annotations": []}', "has no 'categories'"),
])
def test_the_command_names_a_bad_file_in_one_line(tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / "gt.json").write_text(content)
    (tmp_path / "dt.json").write_text("[]")
    code = coco.main(["--ground-truth", str(tmp_path / "gt.json"), "--results", str(tmp_path / "dt.json")])
    output = capsys.readouterr()
    assert code == 2 and output.out == ""
    assert len(output.err.splitlines()) == 1 and re.search(message, output.err)


@pytest.mark.parametrize("broken", ["gt.json", "dt.json"])
def test_the_file_of_a_bad_entry_is_named(tmp_path, capsys, broken):
    truth, results = comparable(OBJECTS, OBJECTS)
    (truth["annotations"] if broken == "gt.json" else results)[0]["category_id"] = 77
    for name, content in (("gt.json", truth), ("dt.json", results)):
        (tmp_path / name).write_text(json.dumps(content))
    assert coco.main(["--ground-truth", str(tmp_path / "gt.json"), "--results", str(tmp_path / "dt.json")]) == 2
    assert re.search(rf"{broken}: .* has category 77", capsys.readouterr().err)


def test_the_command_prints_the_classes(tmp_path, capsys):
    # 40 x 33 of 40 x 40: found at seven of ten thresholds, 0.75 among them; class 20 has no object.
    truth, results = comparable([[(1, 10, 10, 50, 50)]], [[(1, 10, 10, 50, 43)]])
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "dt.json").write_text(json.dumps(results))
    paths = ["--ground-truth", str(tmp_path / "gt.json"), "--results", str(tmp_path / "dt.json")]
    assert coco.main([*paths, "--classes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12 + 1 + 3 and lines[0].split() == ["AP", "0.700"]
    assert lines[13:] == [
        "                AP    AP50    AP75",
        "class 10     0.700   1.000   1.000",
        "class 20    undefined: no object",
    ]


@pytest.mark.parametrize("fast", [False, None])
def test_an_empty_ground_truth_leaves_all_undefined(fast):
    for truth in ({"images": [], "annotations": [], "categories": []},
                  {"images": [{"id": 1, "height": 5, "width": 5}], "annotations": [], "categories": []},
                  {"images": [], "annotations": [], "categories": [{"id": 1, "name": "hat"}]}):
        evaluation = coco.coco_evaluation(read_comparison(truth, [], "segm"), fast)
        assert all(math.isnan(value) for value in coco.twelve_numbers(evaluation).values())
        assert len(coco.class_numbers(evaluation)) == len(truth["categories"])
