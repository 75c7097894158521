"""COCO figures: by hand, against pycocotools alone, and against the table that COCO publishes."""

import contextlib
import copy
import io
import json
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from mrcnn.data.dataset import Dataset
from mrcnn.data.images import DataError
from mrcnn.evaluation import coco

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VECTOR = os.path.join(os.path.dirname(ROOT), "shared", "data", "coco_ap_vector")
SIZE = (100, 120)  # height, width of the pictures here


class Rectangles(Dataset):
    """Pictures of rectangles; each object is (class id, negative for a crowd; y1, x1, y2, x2)."""

    def load(self, pictures, category_ids=(10, 20)):
        for category_id in category_ids:
            self.add_class("test", category_id, f"class {category_id}")
        for i, objects in enumerate(pictures):
            self.add_image("test", 1000 + i, path=f"photos/{i}.png", objects=objects)
        self.prepare()
        return self

    def load_image(self, image_id):
        return np.zeros(SIZE + (3,), np.uint8)

    def load_mask(self, image_id):
        objects = self.image_info[image_id]["objects"]
        masks = np.zeros(SIZE + (len(objects),), bool)
        for i, (_, y1, x1, y2, x2) in enumerate(objects):
            masks[y1:y2, x1:x2, i] = True
        return masks, np.array([o[0] for o in objects], np.int32)


def found(objects, scores=None):
    """What detect() would return for rectangles."""
    masks = np.zeros(SIZE + (len(objects),), bool)
    for i, (_, y1, x1, y2, x2) in enumerate(objects):
        masks[y1:y2, x1:x2, i] = True
    return {
        "boxes": np.array([o[1:] for o in objects], np.float32).reshape(-1, 4),
        "class_ids": np.array([o[0] for o in objects], np.int32),
        "scores": np.array(scores if scores is not None else [0.9] * len(objects), np.float32),
        "masks": masks,
    }


def both(truth, detections, scores=None):
    """(12 numbers of masks, 12 numbers of boxes) for lists of objects per picture."""
    dataset = Rectangles().load(truth)
    results = []
    for i, objects in enumerate(detections):
        results += coco.results_from_detections(dataset, i, found(objects, scores[i] if scores else None))
    ground_truth = coco.ground_truth_from_dataset(dataset)
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


def test_sub_pixel_boxes_are_kept():
    dataset = Rectangles().load([[(1, 10, 10, 50, 50)]])
    detection = {**found([(1, 10, 10, 50, 50)]), "boxes": np.array([[10.25, 10.5, 50.75, 50.0]], np.float32)}
    result, = coco.results_from_detections(dataset, 0, detection)
    assert result["bbox"] == [10.5, 10.25, 39.5, 40.5]  # x, y, width, height


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
    results = [r for i, o in enumerate(OBJECTS) for r in coco.results_from_detections(dataset, i, found(o))]
    for ids in ((0, 1, 2), (7, 7, 7)):
        other = copy.deepcopy(truth)
        for annotation, number in zip(other["annotations"], ids):
            annotation["id"] = number
        assert coco.coco_average_precision(other, results, "segm")["AP"] == pytest.approx(1)


def test_arguments_are_left_as_they_were(capsys):
    dataset = Rectangles().load(OBJECTS)
    truth = coco.ground_truth_from_dataset(dataset)
    results = coco.results_from_detections(dataset, 0, found(OBJECTS[0]))
    before = copy.deepcopy((truth, results))
    coco.coco_average_precision(truth, results, "segm")
    assert (truth, results) == before
    assert capsys.readouterr().out == ""


def test_only_the_images_named_are_evaluated():
    dataset = Rectangles().load(OBJECTS)
    truth = coco.ground_truth_from_dataset(dataset)
    results = coco.results_from_detections(dataset, 0, found(OBJECTS[0]))
    assert coco.coco_average_precision(truth, results, "segm", image_ids=[1000])["AP"] == pytest.approx(1)
    # Over both pictures class 2 has one of two objects found: precision 1 up to recall 1/2, that is at 51 of COCO's
    # 101 recalls; class 1 has AP 1.
    assert coco.coco_average_precision(truth, results, "segm")["AP"] == pytest.approx((1 + 51 / 101) / 2)
    assert coco.ground_truth_from_dataset(dataset, [1])["images"] == [
        {"id": 1001, "file_name": "1.png", "height": 100, "width": 120}
    ]


def test_annotations_of_a_file_are_handed_on_untouched():
    annotation = {"id": 5, "image_id": 9, "category_id": 10, "iscrowd": 0, "area": 3.5, "bbox": [1, 2, 3, 4],
                  "segmentation": [[1, 2, 4, 2, 4, 6.5]], "attributes": [1]}
    dataset = Dataset()
    dataset.add_class("coco", 10, "hat")
    dataset.add_image("coco", np.int64(9), path="a/b.jpg", width=20, height=30, annotations=[annotation])
    dataset.prepare()
    assert coco.ground_truth_from_dataset(dataset) == {
        "images": [{"id": 9, "file_name": "b.jpg", "height": 30, "width": 20}],
        "annotations": [annotation],
        "categories": [{"id": 10, "name": "hat"}],
    }


def test_boxes_and_areas_are_those_of_the_masks():
    annotation = coco.ground_truth_from_dataset(Rectangles().load([[(2, 60, 70, 80, 75)], []]))["annotations"][0]
    assert annotation["bbox"] == [70, 60, 5, 20] and annotation["area"] == 100
    assert annotation["category_id"] == 20 and annotation["image_id"] == 1000


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
        results += coco.results_from_detections(dataset, i, found(objects, scores[i]))
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


@pytest.mark.skipif(not os.path.isdir(VECTOR), reason=f"NOT CHECKED against COCO's published table: no {VECTOR}")
@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_the_published_table_through_the_command(kind):
    """COCO's own results for 100 photos, and the table it prints for them: all 12 numbers to its three digits."""
    text = open(os.path.join(VECTOR, "val2014_fake_eval_res.txt")).read().split(f"type={kind}")[1].split("type=")[0]
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


def truth_and_result():
    dataset = Rectangles().load(OBJECTS)
    return coco.ground_truth_from_dataset(dataset), coco.results_from_detections(dataset, 0, found(OBJECTS[0]))


@pytest.mark.parametrize("change, message", [
    ({"image_id": 77}, "Result 1 is of image 77, which the ground truth does not have"),
    ({"image_id": "1000"}, "number against text"),
    ({"category_id": 3}, "Result 1 has category 3, but the ground truth has categories 10, 20"),
    ({"score": float("nan")}, "score nan"),
    ({"score": None}, "score None"),
    ({"bbox": [1, 2, 3]}, r"must be \[x, y, width, height\]"),
    ({"segmentation": {"size": [120, 100], "counts": "0"}}, "Result 1 of image 1000 .* size .*120, 100"),
    ({"segmentation": {"size": [100, 120], "counts": "0"}}, "Result 1 of image 1000 .* covers 0 pixels"),
    ({"segmentation": None}, "no mask as RLE"),
])
def test_a_bad_result_is_named(change, message):
    truth, results = truth_and_result()
    results[1] = {**results[1], **change}
    with pytest.raises(DataError, match=message):
        coco.coco_average_precision(truth, results, "segm")


@pytest.mark.parametrize("change, message", [
    ({"image_id": 77}, "Annotation 2 is of image 77"),
    ({"category_id": 3}, "Annotation 2 has category 3"),
    ({"segmentation": []}, "Annotation 2 of image 1000 has no segmentation"),
    ({"segmentation": {"size": [100, 120]}}, "Annotation 2 of image 1000 has a segmentation that cannot be read"),
])
def test_a_bad_annotation_is_named(change, message):
    truth, results = truth_and_result()
    truth["annotations"][1] = {**truth["annotations"][1], **change}
    with pytest.raises(DataError, match=message):
        coco.coco_average_precision(truth, results, "segm")


def test_a_detection_of_a_class_that_the_dataset_lacks():
    with pytest.raises(DataError, match="class 3, but the dataset knows classes 1 to 2"):
        coco.results_from_detections(Rectangles().load(OBJECTS), 0, found([(3, 1, 1, 9, 9)]))


def test_two_images_of_one_id():
    dataset = Dataset()
    dataset.add_image("a", 1, "a/1.jpg", height=1, width=1, annotations=[])
    dataset.add_image("b", 1, "b/1.jpg", height=1, width=1, annotations=[])
    dataset.prepare()
    with pytest.raises(DataError, match="Image id 1 occurs twice, in sources 'a' and 'b'"):
        coco.ground_truth_from_dataset(dataset)


@pytest.mark.parametrize("content, message", [
    (None, "Cannot read .*gt.json"),
    ("{", "gt.json is no JSON file"),
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


def test_two_sources_that_share_category_ids():
    """Then the class ids are the category ids, in the annotations of files as well."""
    dataset = Dataset()
    dataset.add_class("a", 1, "hat")
    dataset.add_class("b", 1, "coat")
    for i, source in enumerate("ab"):
        annotation = {"id": 1 + i, "image_id": i, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25}
        dataset.add_image(source, i, f"{source}.jpg", height=100, width=120, annotations=[annotation])
    dataset.prepare()
    truth = coco.ground_truth_from_dataset(dataset)
    assert [c["id"] for c in truth["categories"]] == [a["category_id"] for a in truth["annotations"]] == [1, 2]
    result, = coco.results_from_detections(dataset, 1, found([(2, 1, 1, 6, 6)]))
    assert result["category_id"] == 2
