"""The record of a run."""

import csv
import math

from mrcnn.training.callbacks import HistoryFile


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
    assert [row["epoch"] for row in rows] == ["0", "1", "1"]
    assert [float(row["loss"]) for row in rows] == [2, 1, 0.5]
    assert float(rows[0]["val_loss"]) == 3 and math.isnan(float(rows[1]["val_loss"]))
    assert math.isnan(float(rows[0]["val_segm_AP"])) and float(rows[2]["val_segm_AP"]) == 0.25
