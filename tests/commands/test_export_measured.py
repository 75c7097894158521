"""AP of a network and of its file beside each other, with detectors whose figures are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn.architectures import exported
from mrcnn.commands import export_measured
from mrcnn.commands.export_measured import figures_of, measured_text, time_ratio
from mrcnn.data.dataset import Dataset
from mrcnn.data.run_lengths import encode


class Square(Dataset):
    """One picture with one square of 40 pixels."""

    def load(self):
        self.add_class("test", 1, "red")
        self.add_image("test", "picture", path=None)
        self.prepare()
        return self

    def load_image(self, image_id):
        return np.zeros((50, 80, 3), np.uint8)

    def load_mask(self, image_id):
        return square(0)[..., None], np.array([1], np.int32)


def square(shift):
    mask = np.zeros((50, 80), bool)
    mask[5:45, 10 + shift:50 + shift] = True
    return mask


class Finder:
    """Finds the square `shift` columns beside its place, score 0.6; takes seconds of its own clock for a canvas."""

    clock = 0.0
    config = SimpleNamespace(BATCH_SIZE=1)
    about = {"thresholds": {"score": 0.5}, "inputs": {"image": {"shape": [2, 64, 64, 3]}}}

    def __init__(self, shift=0, seconds=0.0):
        self.shift, self.seconds, self.asked, self.runs = shift, seconds, [], 0

    def detect(self, images, rle, min_confidence):
        self.asked.append(min_confidence)
        box = np.array([[5, 10 + self.shift, 45, 50 + self.shift]], float)
        return [{"boxes": box, "class_ids": np.array([1]), "scores": np.array([0.6]),
                 "rles": [encode(square(self.shift))]} for _ in images]

    def place(self, image):
        return np.zeros((64, 64, 3), np.uint8), SimpleNamespace(box=np.array([0, 0, 40, 64]))

    def predict(self, canvases, windows):
        assert canvases.shape == (2, 64, 64, 3) and windows.tolist() == [[0, 0, 40, 64]] * 2
        self.runs += 1
        Finder.clock += self.seconds if self.runs > 1 else 99  # the first time it sets up more than it computes


def test_network_and_file_are_asked_for_the_scores_that_the_file_has():
    network, file = Finder(), Finder(shift=10)
    # 10 of 40 columns: IoU 30 / 50 = 0.6, enough for 0.50, 0.55 and 0.60 of the ten thresholds.
    assert figures_of(network, file, Square().load())["segm_AP"] == pytest.approx(1)
    told = figures_of(file, file, Square().load())
    assert told["segm_AP"] == told["bbox_AP"] == pytest.approx(0.3) and told["segm_AP75"] == 0
    assert network.asked == file.asked == [0.5]


def test_the_table_tells_what_the_file_loses(monkeypatch):
    monkeypatch.setattr(exported, "open_exported", lambda path: Finder(shift=10))
    lines = measured_text(Finder(), "x.onnx", Square().load()).splitlines()
    cells = [line.split() for line in lines[:4]]
    assert cells[0] == ["segm_AP", "segm_AP50", "segm_AP75", "bbox_AP"]
    assert cells[1][:2] == ["network", "1.0000"] and cells[2][:2] == ["file", "0.3000"]
    assert cells[3] == ["change", "-0.7000", "+0.0000", "-1.0000", "-0.7000"]
    assert lines[4].startswith("1 photo; the file takes ") and "--min-confidence 0.05" in lines[5]


def test_times_are_those_of_the_same_canvases_in_turns(monkeypatch):
    monkeypatch.setattr(export_measured, "time", SimpleNamespace(perf_counter=lambda: Finder.clock))
    network, file = Finder(seconds=2), Finder(seconds=0.5)
    assert time_ratio(network, file, Square().load()) == pytest.approx(0.25)
    assert network.runs == file.runs == 8
