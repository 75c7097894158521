"""The command `evaluate` with a model that finds what is drawn."""

import json
import os
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from PIL import Image

from mrcnn.commands import evaluate as fashion_evaluate
from mrcnn.commands import main as fashion
from mrcnn.data.run_lengths import encode as rle_encode


class Finder:
    """A model that finds one hat, at the place of the bright pixels of a photo, with a score of 0.8."""

    class_names, epoch = ["BG", "hat"], 0
    config = SimpleNamespace(BATCH_SIZE=2, NUM_CLASSES=2, DETECTION_MAX_INSTANCES=100, POST_NMS_ROIS_INFERENCE=1000)

    def detect(self, images, rle=False):
        return [self.find(image[..., 0] > 100) for image in images]

    def find(self, mask):
        rows, columns = np.nonzero(mask)
        box = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        return {"boxes": np.array([box], np.float32), "class_ids": np.array([1], np.int32),
                "scores": np.array([0.8], np.float32), "rles": [rle_encode(mask)]}


@pytest.fixture
def command(monkeypatch, tmp_path):
    """A function that runs `evaluate` on three photos of one hat each, all found exactly; returns (exit code, folder).
    """
    monkeypatch.setattr(fashion_evaluate, "load_model", lambda path, options, overrides: Finder())
    images, annotations = [], []
    for i in range(3):
        image = np.zeros((40, 60, 3), np.uint8)
        image[10:30, 5 + i:25 + i] = 200
        Image.fromarray(image).save(tmp_path / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "height": 40, "width": 60})
        corners = [5 + i, 10, 25 + i, 10, 25 + i, 30, 5 + i, 30]
        annotations.append({"id": i + 1, "image_id": i, "category_id": 3, "iscrowd": 0, "area": 400,
                            "bbox": [5 + i, 10, 20, 20], "segmentation": [corners]})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "hat"}]}
    (tmp_path / "val.json").write_text(json.dumps(content))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["mrcnn_class_names"] = json.dumps(["BG", "hat"])

    def run(*options):
        code = fashion.main(["evaluate", "--weights", str(tmp_path / "weights.h5"), "--images", str(tmp_path),
                             "--annotations", str(tmp_path / "val.json"), *options])
        return code, tmp_path / "evaluation"

    return run


def test_it_prints_tables_and_writes_a_report(command, capsys):
    code, folder = command()
    output = capsys.readouterr().out
    assert code == 0
    assert "masks      1.000   1.000   1.000" in output and "3 photos, 3 objects, 3 detections" in output
    assert ["hat", "3", "3", *["1.000"] * 5, "at", "0.40"] in [line.split() for line in output.splitlines()]
    assert "All classes together: F1 1.000, precision 1.000, recall 1.000 at score 0.40" in output
    files = [".mrcnn-output", "curves.json", "detections.json", "ground_truth.json", "metrics.json", "report.html"]
    assert sorted(os.listdir(folder)) == files
    report = (folder / "report.html").read_text()
    assert report.count("data:image/jpeg") == 1 and "As annotated, and as detected" in report
    assert json.loads((folder / "curves.json").read_text())["confusion"]["score_threshold"] == 0.4


def test_photos_with_as_many_detections_as_there_may_be_are_told(command, capsys, monkeypatch):
    command("--no-report")
    assert "DETECTION_MAX_INSTANCES" not in capsys.readouterr().out
    monkeypatch.setattr(Finder.config, "DETECTION_MAX_INSTANCES", 1)
    command("--no-report")
    lines = [line for line in capsys.readouterr().out.splitlines() if "DETECTION_MAX_INSTANCES" in line]
    assert len(lines) == 1 and lines[0].startswith("3 of 3 photos have DETECTION_MAX_INSTANCES=1 detections")
    assert "--set DETECTION_MAX_INSTANCES=2" in lines[0]
    command("--no-report", "--tile", "512")  # then it holds for each tile
    assert "DETECTION_MAX_INSTANCES" not in capsys.readouterr().out


def test_the_report_may_be_left_out(command, capsys):
    code, folder = command("--no-report")
    assert code == 0 and "report.html" not in os.listdir(folder)
    assert "report.html" not in capsys.readouterr().out


def test_a_report_of_before_does_not_stay_beside_other_figures(command, recwarn):
    """It told the former call's figures beside the new ones, without a word."""
    for words in ([], ["--no-report", "--limit", "1"]):
        code, folder = command(*words)
        assert code == 0
    assert "report.html" not in os.listdir(folder) and json.loads((folder / "metrics.json").read_text())["images"] == 1
    assert len([told for told in recwarn if "report.html of an earlier call is removed" in str(told.message)]) == 1
    (folder / "pixels.html").write_text("the user's")
    assert command("--no-report")[0] == 0 and (folder / "pixels.html").read_text() == "the user's"


def test_the_score_threshold_of_the_confusion_matrix(command):
    _, folder = command("--score-threshold", "0.9", "--no-report")
    confusion = json.loads((folder / "curves.json").read_text())["confusion"]
    assert confusion["score_threshold"] == 0.9 and confusion["counts"] == [[0, 0], [3, 0]]  # 0.8 is less: all missed


def test_pixels_are_anothers_task(command, monkeypatch):
    asked = []
    monkeypatch.setattr(fashion_evaluate, "evaluate_pixels",
                        lambda options, model, dataset, *others: asked.append((model, dataset)) or 0)
    code, folder = command("--pixels")
    assert code == 0 and not folder.exists()
    (model, dataset), = asked
    assert isinstance(model, Finder) and len(dataset.image_ids) == 3


@pytest.mark.parametrize("words, message", [
    (["--pixels", "--score-threshold", "0.5"], "--score-threshold: about objects, and label maps are measured here"),
    (["--pixels", "--max-detections", "200", "--score-threshold", "0"], "--score-threshold, --max-detections: about"),
    (["--refine", "crf"], "--refine is about label maps: add --pixels"),
    (["--set", "LABEL_REFINE=crf"], "--set LABEL_REFINE is about label maps: add --pixels"),
    (["--max-detections", "500"], "--max-detections 500: DETECTION_MAX_INSTANCES=100 is the most that a photo"),
    (["--pixels", "--refine", "blur"], "no step 'blur'"),
])
def test_options_that_have_no_say_are_told(command, capsys, words, message):
    code, folder = command(*words)
    output = capsys.readouterr()
    assert code == 2 and output.err.count("\n") == 1 and message in output.err and not folder.exists()


def test_the_least_score_is_that_of_ap_unless_asked(command, monkeypatch):
    seen = []

    def load(path, options, overrides):
        seen.append(overrides)
        return Finder()

    monkeypatch.setattr(fashion_evaluate, "load_model", load)
    command("--no-report")
    command("--no-report", "--min-confidence", "0.3")
    command("--no-report", "--set", "DETECTION_MIN_CONFIDENCE=0.2")
    assert [overrides["DETECTION_MIN_CONFIDENCE"] for overrides in seen] == [0.05, 0.3, 0.2]


def limit_of(most, regions=1000):
    return SimpleNamespace(DETECTION_MAX_INSTANCES=most, POST_NMS_ROIS_INFERENCE=regions)


def results_of(scores):
    return [{"image_id": 7, "score": score} for score in scores]


def truth_of(objects):
    return {"annotations": [{"image_id": 7, "iscrowd": 0}] * objects}


def test_the_limit_of_detections_is_told_only_where_a_higher_one_helps():
    metrics = {"images": 1, "best": {"threshold": 0.5}}
    line = fashion_evaluate.missed_text(limit_of(3), metrics, results_of([0.9, 0.8, 0.7]), truth_of(1), None)
    assert "1 of 1 photos" in line and "--set DETECTION_MAX_INSTANCES=6" in line  # the third would still be shown
    assert "POST_NMS_ROIS_INFERENCE" not in line
    doubtful = results_of([0.9, 0.3, 0.1])
    assert fashion_evaluate.missed_text(limit_of(3), metrics, doubtful, truth_of(2), None) == ""
    line = fashion_evaluate.missed_text(limit_of(3), metrics, doubtful, truth_of(4), None)
    assert "DETECTION_MAX_INSTANCES=6" in line
    line = fashion_evaluate.missed_text(limit_of(3, 3), metrics, doubtful, truth_of(4), None)
    assert "POST_NMS_ROIS_INFERENCE=12" in line
    assert fashion_evaluate.missed_text(limit_of(3), metrics, doubtful, truth_of(4), 512) == ""
    unsaid = {"annotations": [{"image_id": 7}, {"image_id": 7, "iscrowd": None}, {"image_id": 7, "iscrowd": 0}]}
    assert "1 of 1 photos" in fashion_evaluate.missed_text(limit_of(3), metrics, doubtful, unsaid, None)
