"""What an evaluation compares, where the ground truth or the results state what cannot be."""

import json
import math
import subprocess
import sys
import warnings

import pytest
from rectangles import Rectangles, comparable

from mrcnn.data.dataset import Dataset
from mrcnn.errors import DataError
from mrcnn.evaluation import coco
from mrcnn.evaluation.comparison import checked_truth, read_comparison, read_comparisons
from mrcnn.evaluation.evaluate import detect_all, measure

A, B = (1, 10, 20, 40, 70), (2, 50, 30, 90, 60)


def stating(**values):
    """(truth, results): A is missed, B found; A's annotation states other values."""
    truth, results = comparable([[A, B]], [[B]])
    truth["annotations"][0].update(values)
    return truth, results


@pytest.mark.parametrize("area, words", [
    (-1500, "a negative area"), (0, "an area of 0"), (math.nan, "no number"), ("1500", "no number"),
    (True, "no number"), ([1500], "no number"), (1e11, "larger than the photo"),
])
def test_an_object_of_an_area_that_cannot_be_counts_with_that_of_its_mask(area, words):
    truth, results = stating(area=area)
    with pytest.warns(UserWarning, match="^The ground truth: 1 object with an? .*first: annotation 1 of") as told:
        metrics = measure(truth, results)
    assert len(told) == 1 and words in str(told[0].message)
    assert metrics["segm"]["AP"] == metrics["bbox"]["AP"] == pytest.approx(0.5)  # one of two classes
    assert metrics["segm"]["AR_medium"] == pytest.approx(0.5)
    assert read_comparisons_of(truth, results)["segm"].objects[0]["area"] == 1500


def read_comparisons_of(truth, results):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_comparisons(truth, results)


@pytest.mark.parametrize("box, words", [
    ([70, 40, -50, -30], "negative width or height"), ([20, 10, 0, 30], "no width or height"),
    ([20, 10, 70, 40], r"looks like \[x1, y1, x2, y2\]"), ([100, 80, 10, 10], "lies elsewhere"),
    ([20, 10, 50], "that is no"), (["20", "10", "50", "30"], "that is no"), ({"x": 1}, "that is no"),
    ([20, 10, math.nan, 30], "that is no"),
])
def test_a_box_that_is_not_of_the_mask_is_taken_from_it(box, words):
    truth, results = comparable([[A, B]], [[A, B]])
    truth["annotations"][0]["bbox"] = box
    with pytest.warns(UserWarning, match=f"1 object with .*{words}.*first: annotation 1 of image 1000") as told:
        metrics = measure(truth, results)
    assert len(told) == 1 and metrics["segm"]["AP"] == metrics["bbox"]["AP"] == pytest.approx(1)
    (entry, _) = read_comparisons_of(truth, results)["bbox"].objects
    assert entry["bbox"] == [20, 10, 50, 30]


def test_what_is_a_little_off_stays_as_it_is_stated():
    truth, results = stating(area=1300.5, bbox=[18, 9, 55, 33])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        entry = read_comparison(truth, results, "bbox").objects[0]
        assert checked_truth(truth) is truth
    assert (entry["area"], entry["bbox"]) == (1300.5, [18, 9, 55, 33])


@pytest.mark.parametrize("box", [[1, 2, 3], [1, 2, 3, math.inf], [1, 2, 3, "4"], 5, [1, 2, -3, 4]])
def test_a_true_box_without_a_mask_is_refused_where_it_cannot_be(box):
    truth, results = stating(bbox=box, segmentation=None)
    with pytest.raises(DataError, match=r"Annotation 1 of image 1000 has bbox .*must be \[x, y, width.*leave"):
        coco.coco_average_precision(truth, results, "bbox")


def test_a_true_box_without_a_mask_and_without_width_is_told():
    truth, results = stating(bbox=[20, 10, 0, 30], segmentation=None, area=None)
    with pytest.warns(UserWarning, match="1 object with a bbox of no width or height, which no detection finds"):
        assert coco.coco_average_precision(truth, results, "bbox")["AP"] == pytest.approx(0.5)


def test_a_bad_area_of_a_box_without_a_mask_is_that_of_the_box():
    truth, results = stating(bbox=[20, 10, 50, 30], segmentation=None, area=-5)
    with pytest.warns(UserWarning, match="1 object with a negative area"):
        assert read_comparison(truth, results, "bbox").objects[0]["area"] == 1500


@pytest.mark.parametrize("kind", coco.KINDS)
def test_a_result_of_negative_sides_is_refused(kind):
    truth, results = comparable([[A]], [[A, B]])
    results[1]["bbox"] = [70, 40, -50, -30]
    with pytest.raises(DataError, match=r"Result 1 of image 1000 has bbox \[70, 40, -50, -30\].*not negative"):
        read_comparison(truth, results, kind)


def test_results_and_boxes_alone_that_look_like_corners_are_told():
    truth, results = comparable([[A, B]], [[A, B]])
    for entry in results:
        x, y, width, height = entry["bbox"]
        entry["bbox"] = [x, y, x + width, y + height]
    with pytest.warns(UserWarning, match=r"The results: .* look like \[x1, y1, x2, y2\]: 1 of 2 reach beyond") as told:
        measure(truth, results)
    assert len(told) == 1
    bare = [{**entry, "bbox": result["bbox"], "segmentation": []}
            for entry, result in zip(truth["annotations"], results)]
    with pytest.warns(UserWarning, match="objects without masks look like"):
        read_comparison({**truth, "annotations": bare}, [], "bbox")
    results[0]["bbox"][2] = 5  # corners are in order: this one is a box
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_comparison(truth, results, "bbox")


class Kept(Rectangles):
    """Pictures that keep COCO's annotations, as a data set of a user's own may."""

    load_mask = Dataset.load_mask


class Unasked:
    """A network that is not to be asked."""

    def detect(self, images, **options):
        raise AssertionError("detected")


def test_bad_data_shows_before_anything_is_detected():
    def kept(**values):
        dataset = Kept().load([[A, B]])
        annotations = [{**entry, **values} for entry in stating()[0]["annotations"]]
        dataset.image_info[0].update(height=100, width=120, annotations=annotations)
        return dataset

    with pytest.raises(DataError, match="Annotation 1 has iscrowd 2"):
        detect_all(Unasked(), kept(iscrowd=2), progress=False)
    with (pytest.warns(UserWarning, match="2 objects with an area that is no number"),
          pytest.raises(AssertionError, match="detected")):
        detect_all(Unasked(), kept(area="600"), progress=False)


def test_the_command_tells_in_one_line(tmp_path):
    truth, results = stating(area=-1500)
    (tmp_path / "n1.json").write_text(json.dumps(truth))
    (tmp_path / "n2.json").write_text(json.dumps(results))
    run = subprocess.run([sys.executable, "-m", "mrcnn.evaluation.coco", "--ground-truth", str(tmp_path / "n1.json"),
                          "--results", str(tmp_path / "n2.json"), "--classes"], capture_output=True, text=True)
    line, = run.stderr.splitlines()
    assert line.startswith(f"warning: {tmp_path}/n1.json: 1 object with a negative area") and line.endswith("-1500).")
    assert "AP         0.500" in run.stdout
