"""The record of a run."""

import csv
import math
import warnings

import pytest

from mrcnn.training.callbacks import Drawing, HistoryFile


def test_history_keeps_its_columns_over_resumes(tmp_path):
    path = tmp_path / "history.csv"
    first = HistoryFile(str(path))
    first.on_epoch_end(0, {"loss": 2.0, "val_loss": 3.0})
    first.on_epoch_end(1, {"loss": 1.0})
    # A resumed run repeats an epoch and measures what the first did not.
    HistoryFile(str(path)).on_epoch_end(1, {"loss": 0.5, "val_segm_AP": 0.25})
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "val_loss", "val_segm_AP"]
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert [float(row["loss"]) for row in rows] == [2, 0.5]
    assert float(rows[0]["val_loss"]) == 3 and math.isnan(float(rows[1]["val_loss"]))
    assert math.isnan(float(rows[0]["val_segm_AP"])) and float(rows[1]["val_segm_AP"]) == 0.25


def test_a_picture_that_fails_costs_one_warning():
    calls = []
    drawing = Drawing(lambda: calls.append(1) or 1 / 0)
    with pytest.warns(UserWarning, match="could not be drawn.*ZeroDivisionError"):
        drawing.on_epoch_end(0)
    drawing.due = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawing.on_epoch_end(1)
    assert len(calls) == 2


def test_epochs_shorter_than_a_drawing_are_drawn_at_the_end():
    calls = []
    drawing = Drawing(lambda: calls.append(1))
    drawing.on_epoch_end(0)
    drawing.due = math.inf  # as after a drawing that took long
    drawing.on_epoch_end(1)
    assert len(calls) == 1
    drawing.on_train_end()
    drawing.on_train_end()  # nothing new since
    assert len(calls) == 2
