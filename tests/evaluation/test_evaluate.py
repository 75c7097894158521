"""evaluate() and its report, with detectors whose figures are known."""

import json
import math
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from rectangles import comparable

from mrcnn.data.dataset import Dataset
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.errors import DataError
from mrcnn.evaluation import coco, comparison
from mrcnn.evaluation.errors import CAUSES
from mrcnn.evaluation.evaluate import INSTANCE_FIGURES, evaluate, instance_figures, mean_overlap, measure
from mrcnn.evaluation.pairs import pair_images
from mrcnn.evaluation.report import FILES, write_report
from mrcnn.evaluation.tables import class_table, metrics_table
from mrcnn.files import write_json

CLASS_COLOURS = (0, 100, 200)  # a picture tells its objects, so that a detector can know them


class Squares(Dataset):
    """Five pictures; picture i holds i squares of 40 pixels, of classes 1 and 2 in turn, side by side."""

    def load(self, count=5):
        self.loaded = 0
        self.add_class("test", 1, "red")
        self.add_class("test", 2, "blue")
        for i in range(count):
            self.add_image("test", f"picture {i}", path=None, squares=i)
        self.prepare()
        return self

    def load_image(self, image_id):
        self.loaded += 1
        image = np.zeros((50, 250, 3), np.uint8)
        for i in range(self.image_info[image_id]["squares"]):
            image[5:45, 50 * i:50 * i + 40] = CLASS_COLOURS[1 + i % 2]
        return image

    def load_mask(self, image_id):
        count = self.image_info[image_id]["squares"]
        masks = np.zeros((50, 250, count), bool)
        for i in range(count):
            masks[5:45, 50 * i:50 * i + 40, i] = True
        return masks, np.array([1 + i % 2 for i in range(count)], np.int32)


class Oracle:
    """A detector that finds the squares of a picture, `shift` columns beside their place."""

    def __init__(self, shift=0, batch_size=2):
        self.shift, self.config, self.batches = shift, SimpleNamespace(BATCH_SIZE=batch_size), []

    def detect(self, images, rle=False):
        assert rle
        self.batches.append(len(images))
        return [self.squares(image) for image in images]

    def squares(self, image):
        starts = [x for x in range(0, 250, 50) if image[10, x, 0]]
        masks = np.zeros((50, 250, len(starts)), bool)
        for i, x in enumerate(starts):
            masks[5:45, x + self.shift:x + 40 + self.shift, i] = True
        return {
            "boxes": np.array([[5, x + self.shift, 45, x + 40 + self.shift] for x in starts], float).reshape(-1, 4),
            "class_ids": np.array([CLASS_COLOURS.index(image[10, x, 0]) for x in starts], int),
            "scores": np.full(len(starts), 0.5),
            "rles": [rle_encode(masks[..., i]) for i in range(len(starts))],
        }


def test_a_perfect_detector_over_batches():
    model, dataset = Oracle(), Squares().load()
    metrics, results, truth = evaluate(model, dataset, progress=False)
    assert model.batches == [2, 2, 1]  # five pictures, two at a time
    assert metrics["segm"]["AP"] == metrics["bbox"]["AP"] == pytest.approx(1)
    assert (metrics["images"], metrics["objects"], metrics["detections"]) == (5, 10, 10)  # 0 + 1 + 2 + 3 + 4 squares
    assert len(results) == len(truth["annotations"]) == 10
    # Squares of 40 x 40 are of medium size: there is neither a small nor a large object.
    assert set(metrics["undefined"]["segm"]) == {"AP_small", "AP_large", "AR_small", "AR_large"}


def test_a_shifted_detector():
    # 10 of 40 columns: IoU 30/50 = 0.6: found at 0.50, 0.55, 0.60 of the ten thresholds.
    metrics, _, _ = evaluate(Oracle(shift=10), Squares().load(), progress=False)
    assert metrics["segm"]["AP"] == pytest.approx(0.3) and metrics["bbox"]["AP"] == pytest.approx(0.3)
    assert metrics["segm"]["AP50"] == pytest.approx(1) and metrics["segm"]["AP75"] == 0


def test_images_are_loaded_batch_by_batch():
    """When detect() sees a batch, no image beyond that batch has been loaded."""
    dataset, loaded = Squares().load(), []
    model = Oracle(batch_size=2)
    detect = model.detect
    model.detect = lambda images, rle: (loaded.append(dataset.loaded), detect(images, rle))[1]
    dataset.load_mask(0)
    dataset.image_info[0].update(height=50, width=250)  # the empty picture's size need not be read from its image
    evaluate(model, dataset, progress=False)
    assert loaded == [2, 4, 5]


def test_limit_batch_size_and_choice_of_images():
    model = Oracle()
    metrics, _, truth = evaluate(model, Squares().load(), image_ids=[4, 3, 2], limit=2, batch_size=5, progress=False)
    assert model.batches == [2] and metrics["objects"] == 7
    assert [image["id"] for image in truth["images"]] == ["picture 4", "picture 3"]


def test_a_model_that_finds_nothing():
    model = Oracle()
    model.squares = lambda image: {"boxes": np.zeros((0, 4)), "class_ids": [], "scores": [], "rles": []}
    metrics, results, _ = evaluate(model, Squares().load(), progress=False)
    assert results == [] and metrics["segm"]["AP"] == 0 and metrics["bbox"]["AP"] == 0


def test_nothing_to_evaluate():
    with pytest.raises(DataError, match="no image to evaluate"):
        evaluate(Oracle(), Squares().load(), limit=0)


def test_progress_is_shown_on_a_terminal_unless_unwanted(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    evaluate(Oracle(), Squares().load())
    output = capsys.readouterr()
    assert output.out == "" and "Detecting" in output.err and "5/5" in output.err
    evaluate(Oracle(), Squares().load(), progress=False)
    assert capsys.readouterr().err == ""


def test_the_report_says_what_pycocotools_says_of_its_files(tmp_path):
    metrics, results, truth = evaluate(Oracle(shift=10), Squares().load(), progress=False)
    write_report(tmp_path / "new" / "report", metrics, results, truth)
    folder = tmp_path / "new" / "report"
    assert sorted(os.listdir(folder)) == [
        "curves.json", "detections.json", "ground_truth.json", "metrics.json", "report.html"
    ]
    written = json.loads((folder / "metrics.json").read_text(), parse_constant=pytest.fail)  # NaN is no JSON
    assert written["segm"]["AP_small"] is None and "32^2" in written["undefined"]["segm"]["AP_small"]
    for kind in ("segm", "bbox"):
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        coco = COCO(str(folder / "ground_truth.json"))
        evaluation = COCOeval(coco, coco.loadRes(str(folder / "detections.json")), kind)
        evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
        assert [written[kind][name] for name in ("AP", "AP50", "AP75")] == pytest.approx(evaluation.stats[:3])


def test_the_report_as_files(tmp_path):
    metrics, results, truth = evaluate(Oracle(shift=10), Squares().load(), progress=False)
    write_report(tmp_path, metrics, results, truth, html=False)
    assert sorted(os.listdir(tmp_path)) == ["curves.json", "detections.json", "ground_truth.json", "metrics.json"]
    short = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=pytest.fail)
    long = json.loads((tmp_path / "curves.json").read_text(), parse_constant=pytest.fail)
    assert set(long) == {"curves", "thresholds", "confusion"} and not set(long) & set(short)
    assert set(short) | set(long) == set(metrics)
    assert long["curves"]["segm"]["mean"]["AP50"] == [1] * 101 and long["confusion"]["names"][0] == "background"
    assert [entry["name"] for entry in short["classes"]] == ["red", "blue"]


# --- What is measured ------------------------------------------------------------------------------------------------


def test_all_figures_of_a_perfect_detector():
    objects = [[(1, 10, 10, 50, 50), (2, 60, 60, 80, 80)], [(2, 5, 5, 95, 115)]]
    metrics = measure(*comparable(objects, objects))
    for kind in ("segm", "bbox"):
        assert metrics[kind]["AP"] == pytest.approx(1) and metrics["errors"][kind]["AP50"] == pytest.approx(1)
        assert not any(value["count"] for value in metrics["errors"][kind]["causes"].values())
        assert all(entry[kind] == pytest.approx({"AP": 1, "AP50": 1, "AP75": 1}) for entry in metrics["classes"])
    assert [(entry["objects"], entry["detections"]) for entry in metrics["classes"]] == [(1, 1), (2, 2)]
    assert metrics["best"] == {"threshold": 0.45, "F1": 1, "precision": 1, "recall": 1}  # all have the score 0.9
    assert metrics["confusion"]["counts"] == [[0, 0, 0], [0, 1, 0], [0, 0, 2]]
    assert metrics["confusion"]["of_objects"][1:] == [[0, 1, 0], [0, 0, 1]]
    assert [row[1:] for row in metrics["confusion"]["of_detections"]] == [[0, 0], [1, 0], [0, 1]]
    assert metrics["confusion"]["score_threshold"] == 0.45


def test_shifted_shrunk_and_swapped():
    truth = [[(1, 10, 10, 50, 50), (2, 55, 60, 95, 100)]]
    # Shifted by 8 of 40 columns: IoU 2/3: found at four of ten thresholds. Shrunk to 33 columns: 0.825, seven of ten.
    metrics = measure(*comparable(truth, [[(1, 10, 18, 50, 58), (2, 55, 60, 95, 93)]]))
    assert [entry["segm"]["AP"] for entry in metrics["classes"]] == pytest.approx([0.4, 0.7])
    assert metrics["segm"]["AP"] == pytest.approx(0.55) and metrics["segm"]["AP75"] == pytest.approx(0.5)
    # Swapped classes: nothing is found, everything is a classification error, and mending those gives AP50 1.
    metrics = measure(*comparable(truth, [[(2, 10, 10, 50, 50), (1, 55, 60, 95, 100)]]))
    assert metrics["segm"]["AP"] == 0 and metrics["best"] is None
    assert metrics["errors"]["segm"]["causes"]["classification"] == {"count": 2, "dAP": 1.0, "shown": 2}
    assert metrics["confusion"]["counts"] == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert metrics["confusion"]["score_threshold"] == 0.5  # no better one is known


def test_nothing_true_and_nothing_found_are_defined():
    metrics = measure(*comparable([[]], [[(1, 10, 10, 50, 50)]]))
    assert metrics["objects"] == 0 and metrics["best"] is None
    gains = {f"gain of {name}" for name in (*CAUSES, "false positives", "false negatives")}
    assert set(metrics["undefined"]["segm"]) == {*metrics["segm"], *gains}  # each with its reason
    assert metrics["confusion"]["counts"][0] == [0, 1, 0]
    metrics = measure(*comparable([[(1, 10, 10, 50, 50)]], [[]]))
    assert metrics["segm"]["AP"] == 0 and metrics["confusion"]["counts"][1] == [1, 0, 0]
    # Without the one missed object no class has any: what mending misses would bring is not 0, but not known.
    assert {name: why for name, why in metrics["undefined"]["bbox"].items() if name in gains} == {
        "gain of missed": "without the missed objects (1) none is left to measure",
        "gain of false negatives": "without the objects not found (1) none is left to measure"}


def test_a_result_of_an_unknown_class_is_refused():
    truth, results = comparable([[(1, 10, 10, 50, 50)]], [[(1, 10, 10, 50, 50)]])
    results[0]["category_id"] = 99
    with pytest.raises(DataError, match="Result 0 has category 99"):
        measure(truth, results)


# --- Files and tables ------------------------------------------------------------------------------------------------


def test_numbers_take_memory_with_the_objects_and_not_with_photos_times_classes(monkeypatch):
    photos, cells = 20, []
    make = coco.coco_evaluation
    monkeypatch.setattr(coco, "coco_evaluation", lambda comparison, *arguments, **options: cells.append(
        len(comparison.image_ids) * len(comparison.categories)) or make(comparison, *arguments, **options))
    objects = [[(i, 10, 10, 50, 50)] for i in range(1, photos + 1)]
    truth, results = comparable(objects, objects, category_ids=range(photos))
    assert measure(truth, results, max_detections=50)["segm"]["AP"] == pytest.approx(1)
    assert instance_figures(truth, results)["segm_AP"] == pytest.approx(1)
    assert set(cells) == {1} and len(cells) == 3 * len(coco.KINDS) * photos  # one photo and one class each


def test_numbers_are_written_where_the_report_fails(tmp_path):
    metrics, results, truth = evaluate(Oracle(), Squares().load(), progress=False)
    write_report(tmp_path, metrics, results, truth)
    assert sorted(os.listdir(tmp_path)) == sorted(FILES)

    def pictures():
        raise MemoryError("a photo too many")

    metrics["images"] = 99
    with pytest.raises(MemoryError):
        write_report(tmp_path, metrics, results, truth, pictures=pictures)
    # The earlier report is of other numbers.
    assert sorted(os.listdir(tmp_path)) == sorted(set(FILES) - {"report.html"})
    assert json.loads((tmp_path / "metrics.json").read_text())["images"] == 99


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(TypeError):
        write_json(path, {"new": object()})
    assert json.loads(path.read_text()) == {"old": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_the_table():
    metrics, _, _ = evaluate(Oracle(shift=10), Squares().load(), progress=False)
    assert metrics_table(metrics).splitlines() == [
        "              AP    AP50    AP75",
        "masks      0.300   1.000   0.000",
        "boxes      0.300   1.000   0.000",
        "5 photos, 10 objects, 10 detections",
    ]


def test_the_table_of_classes():
    truth = [[(1, 10, 10, 50, 50), (2, 55, 60, 95, 100)]]
    detections = [[(1, 10, 18, 50, 58), (2, 55, 60, 95, 93), (2, 0, 0, 9, 9)]]
    metrics = measure(*comparable(truth, detections, [[0.9, 0.9, 0.1]], category_ids=(10, 20, 30)))
    # The shifted one is found at four thresholds, the shrunk one at seven. The false one scores 0.1: the best F1
    # of its class is at 0.11 to 0.89, for in float32 0.9 is a little less.
    assert class_table(metrics).splitlines() == [
        "class     objects  detected      AP    AP50    AP75  box AP  best F1 at score",
        "class 20        1         2   0.700   1.000   1.000   0.700    1.000 at 0.50  best",
        "class 10        1         1   0.400   1.000   0.000   0.400    1.000 at 0.45  worst",
        "without true objects, so left out of every mean: class 30",
    ]


def test_the_table_of_many_classes_shows_both_ends():
    count = 46
    truth = [[(k + 1, 10, 10, 50, 50) for k in range(count)]]
    detections = [[(k + 1, 10, 10, 50, 50 - k // 2) for k in range(count)]]
    lines = class_table(measure(*comparable(truth, detections, category_ids=range(count)))).splitlines()
    assert len(lines) == 1 + 20 + 1 and lines[11] == "... 26 classes between, in metrics.json"
    assert lines[1].endswith("best") and lines[-1].endswith("worst")
    assert "none correct" in lines[-1]  # 40 - 22 of 40 columns: IoU 0.45


def test_evaluation_needs_no_network():
    """These modules take arrays: importing them imports no Keras."""
    import subprocess

    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = "import sys, mrcnn.evaluation.report, mrcnn.evaluation.average_precision; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0


# --- Figures of one epoch --------------------------------------------------------------------------------------------


def square(y, x, height=10):
    plane = np.zeros((40, 40), bool)
    plane[y:y + height, x:x + 10] = True
    return rle_encode(plane)


def made_up():
    """(ground truth, results): three objects of 10 x 10 pixels, of which the first is found with IoU 60 / 100, the
    second wholly but with score 0.4, and the third not at all; and a detection of another class on it."""
    truth = {"images": [{"id": 7, "height": 40, "width": 40}], "categories": [{"id": 1}, {"id": 2}], "annotations": [
        {"id": i, "image_id": 7, "category_id": 1, "iscrowd": 0, "area": 100, "bbox": [x, 0, 10, 10],
         "segmentation": square(0, x)} for i, x in enumerate((0, 15, 30), 1)]}
    results = [{"image_id": 7, "category_id": 1, "score": 0.9, "segmentation": square(0, 0, 6)},
               {"image_id": 7, "category_id": 1, "score": 0.4, "segmentation": square(0, 15)},
               {"image_id": 7, "category_id": 2, "score": 0.9, "segmentation": square(0, 30)}]
    return truth, results


def test_the_mean_overlap_of_made_up_detections():
    truth, results = made_up()
    images = pair_images(comparison.read_comparison(truth, results, "segm"))
    assert mean_overlap(images) == pytest.approx(0.2)  # (0.6 + 0 + 0) / 3
    assert mean_overlap(images, 0.3) == pytest.approx(1.6 / 3)
    nothing = pair_images(comparison.read_comparison({**truth, "annotations": []}, [], "segm"))
    assert math.isnan(mean_overlap(nothing))


def test_the_figures_of_an_epoch():
    truth, results = made_up()
    figures = instance_figures(truth, results)
    assert set(figures) == {*INSTANCE_FIGURES, "threshold", "F1"}
    assert figures["segm_AP50"] == pytest.approx(67 / 101)  # recall 2 / 3, precision 1: 67 of 101 points
    assert figures["segm_IoU"] == pytest.approx(0.2)
    # Both right ones, one wrong, one missed, at thresholds up to 0.4: F1 = 2 * 2 / (2 * 2 + 1 + 1).
    assert figures["F1"] == pytest.approx(4 / 6) and 0 <= figures["threshold"] <= 0.4
    assert math.isnan(instance_figures(truth, [])["threshold"])


@pytest.mark.parametrize("kind", [np.int64, np.float32])
def test_photos_that_training_takes_are_measured_too(kind):
    class Loose(Squares):
        def load_image(self, image_id):
            return super().load_image(image_id).astype(kind)

    model, seen = Oracle(), set()
    detect = model.detect
    model.detect = lambda images, rle: (seen.update(image.dtype for image in images), detect(images, rle))[1]
    assert evaluate(model, Loose().load(), progress=False)[0]["segm"]["AP"] == pytest.approx(1)
    assert seen == {np.dtype(np.uint8)}


def test_a_model_of_other_classes_is_refused_before_it_detects():
    model = Oracle()
    model.class_names = ["BG", "blue", "red"]  # of Squares: red, blue
    with pytest.raises(DataError, match="class 1 is 'blue' there and 'red' here"):
        evaluate(model, Squares().load(), progress=False)
    assert not model.batches
    model.class_names = ["BG", "red", "blue"]
    assert evaluate(model, Squares().load(), progress=False)[0]["segm"]["AP"] == pytest.approx(1)
