"""What Weights & Biases and MLflow are sent, by a tracker of the test's own and by theirs where they are installed."""

import json
from types import SimpleNamespace

import pytest

from mrcnn.commands.train import TRACKERS as NAMES
from mrcnn.commands.train import closing, tracker_names
from mrcnn.config import Config
from mrcnn.errors import UsageError
from mrcnn.training import trackers
from mrcnn.training.trackers import TRACKERS, Tracking, trackers_of


class Notebook(Tracking):
    """Writes down what it is sent."""

    name, lines = "notebook", []

    def begin(self, known, project, title, settings):
        self.lines.append(("begin", known, project, title, settings["NUM_CLASSES"], settings["ARCHITECTURE"]))
        return known or "number 7"

    def send(self, epoch, figures):
        self.lines.append((epoch, figures))

    def end(self, finished):
        self.lines.append(("end", finished))


@pytest.fixture
def segmenter(tmp_path):
    (tmp_path / "run1").mkdir()
    return SimpleNamespace(log_dir=str(tmp_path / "run1"), config=Config(NAME="shop", NUM_CLASSES=3),
                           architecture_name=lambda: "mask-rcnn")


def test_one_run_over_all_stages_and_resumes(segmenter, monkeypatch):
    monkeypatch.setattr(Notebook, "lines", [])
    with closing([Notebook(segmenter)]) as (tracker,):
        for epoch in (0, 1):  # a stage of one epoch each
            tracker.on_train_begin()
            tracker.on_epoch_end(epoch, {"loss": 2 - epoch})
    with pytest.raises(KeyboardInterrupt), closing([Notebook(segmenter)]) as (resumed,):
        resumed.on_train_begin()
        raise KeyboardInterrupt
    begin = ("shop", "run1", 3, "mask-rcnn")
    assert Notebook.lines == [("begin", None, *begin), (0, {"loss": 2.0}), (1, {"loss": 1.0}), ("end", True),
                              ("begin", "number 7", *begin), ("end", False)]


def test_what_fails_costs_one_warning_and_no_training(segmenter):
    class Broken(Notebook):
        def send(self, epoch, figures):
            raise OSError("no network")

    tracker = Broken(segmenter)
    tracker.on_train_begin()
    with pytest.warns(UserWarning, match="notebook takes no figures .no network.*history.csv") as told:
        tracker.on_epoch_end(0, {"loss": 1})
        tracker.on_epoch_end(1, {"loss": 1})
    assert len(told) == 1


def test_names_of_trackers(monkeypatch):
    assert tuple(TRACKERS) == NAMES and tracker_names(None) == []
    with pytest.raises(UsageError, match="--log tensorbord: known are wandb, mlflow"):
        tracker_names("tensorbord")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install wandb"):
        tracker_names("wandb")


def send_two_epochs(name, segmenter):
    with closing(trackers_of([name], segmenter)) as (tracker,):
        tracker.on_train_begin()
        tracker.on_epoch_end(0, {"loss": 2.0})
    with closing(trackers_of([name], segmenter)) as (tracker,):
        tracker.on_train_begin()
        tracker.on_epoch_end(1, {"loss": 1.0, "val_segm_AP": 0.5})
    assert not tracker.warned
    with open(f"{segmenter.log_dir}/{trackers.RUNS}") as file:
        return json.load(file)[name]


def test_mlflow_has_the_figures(segmenter, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    from mlflow.tracking import MlflowClient

    number = send_two_epochs("mlflow", segmenter)
    run = MlflowClient().get_run(number)
    assert run.info.run_name == "run1" and run.info.status == "FINISHED"
    assert run.data.params["NUM_CLASSES"] == "3" and run.data.metrics == {"loss": 1.0, "val_segm_AP": 0.5}
    assert [(m.step, m.value) for m in MlflowClient().get_metric_history(number, "loss")] == [(0, 2.0), (1, 1.0)]


def test_weights_and_biases_keeps_its_files_in_the_run_folder(segmenter, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    number = send_two_epochs("wandb", segmenter)
    files = sorted((tmp_path / "run1" / "wandb").glob(f"offline-run-*-{number}/run-{number}.wandb"))
    written = [b"".join(file.read_bytes() for file in files[:n]) for n in (1, 2)]
    assert b"loss" in written[0] and b"val_segm_AP" in written[1]
