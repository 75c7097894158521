"""The command `data suspects`: what it prints and writes, of networks of objects and of label maps."""

import csv
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
from made_pictures import Pictures, rectangles
from PIL import Image
from tiny_pixels import pixel_network

from mrcnn.commands import suspects as command
from mrcnn.commands.main import main

pytestmark = pytest.mark.usefixtures("eagerly")
BOXES = [(5, 5, 25, 25), (30, 10, 55, 35)]


@pytest.fixture
def data(monkeypatch):
    """Twelve pictures with two objects each, of which the last lacks the second in the truth."""
    pictures = [rectangles((60, 40), BOXES, [1, 2], seed=i) for i in range(11)]
    pictures.append(rectangles((60, 40), BOXES[:1], [1], seed=11))
    dataset = Pictures(pictures)
    monkeypatch.setattr(command, "open_data", lambda options: dataset)
    monkeypatch.setattr(command, "checkpoint_of", lambda options: "run/weights.h5")
    monkeypatch.setattr(command, "check_classes", lambda *arguments: None)
    return dataset


class Detector:
    """Finds both objects in each picture."""

    config = SimpleNamespace(BATCH_SIZE=5)

    def detect(self, images, rle=True):
        masks = np.zeros((60, 40, 2), bool)
        for i, (y1, x1, y2, x2) in enumerate(BOXES):
            masks[y1:y2, x1:x2, i] = True
        return [{"boxes": np.array(BOXES, float), "class_ids": np.array([1, 2]), "scores": np.array([0.9, 0.8]),
                 "masks": masks} for _ in images]


class Labeler:
    """Labels both objects in each picture, surely."""

    config = SimpleNamespace(BATCH_SIZE=5)

    def label_each(self, images, probabilities=False):
        for _ in images:
            labels = np.zeros((60, 40), np.uint8)
            for class_id, (y1, x1, y2, x2) in enumerate(BOXES, 1):
                labels[y1:y2, x1:x2] = class_id
            yield {"labels": labels, "probabilities": np.eye(4, dtype=np.float32)[labels]}


@pytest.mark.parametrize("model", [Detector(), Labeler()])
def test_what_the_truth_lacks_is_told_listed_and_drawn(data, model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "load_model", lambda *arguments: model)
    assert main(["data", "suspects", "--output", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "1 suspects in 1 of 12 photos" in output and "picture11.png" in output and "not in the truth" in output
    assert "missing: found with confidence" in output and "was trained on hide their errors" in output
    with open(tmp_path / "suspects.csv", newline="") as file:
        row, = csv.DictReader(file)
    entry, = json.loads((tmp_path / "suspects.json").read_text())
    assert row["rank"] == "1" and row["photo"] == entry["photo"] == "picture11.png" and row["true_box"] == ""
    assert row["found_class"] == entry["found_class"] == "class 2" and entry["reason"] == "missing"
    assert row["found_box"] == "30 10 55 35" and entry["found_box"] == [30, 10, 55, 35]
    with Image.open(tmp_path / "suspects.jpg") as sheet:
        assert sheet.size[0] > 2 * 40
    assert main(["data", "suspects", "--output", str(tmp_path)]) == 0  # its own files are replaced


def test_without_a_suspect_there_is_no_sheet(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "load_model", lambda *arguments: Detector())
    assert main(["data", "suspects", "--output", str(tmp_path)]) == 0
    assert "suspects.jpg" in os.listdir(tmp_path)
    data.pictures[-1] = rectangles((60, 40), BOXES, [1, 2])
    with pytest.warns(UserWarning, match="suspects.jpg of an earlier call is removed"):
        assert main(["data", "suspects", "--output", str(tmp_path)]) == 0
    assert "nothing speaks against their truth" in capsys.readouterr().out
    assert "suspects.jpg" not in os.listdir(tmp_path) and json.loads((tmp_path / "suspects.json").read_text()) == []


def test_a_checkpoint_of_a_network_of_label_maps(tmp_path, capsys):
    model = pixel_network("unet", tmp_path, "inference", NUM_CLASSES=9)
    from mrcnn.commands.datasets import drawn_pictures

    model.class_names = drawn_pictures("val", 1).class_names
    path = str(tmp_path / "weights.h5")
    model.save_weights(path)
    assert main(["data", "suspects", "--weights", path, "--limit", "2"]) == 0
    assert "of 2 photos" in capsys.readouterr().out or not json.loads((tmp_path / "suspects/suspects.json").read_text())
    assert main(["data", "suspects", "--weights", str(tmp_path / "gone.h5")]) == 2
    assert "gone.h5: no such file" in capsys.readouterr().err
