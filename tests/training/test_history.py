"""history.csv, as the program and others write it."""

import math
import re

import pytest

from mrcnn.errors import DataError
from mrcnn.training.callbacks import HistoryFile
from mrcnn.training.history import number_of, read_history_rows, write_history_rows


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "history.csv"
    assert read_history_rows(path) == []
    write_history_rows(path, [{"epoch": 0, "loss": 2.5}, {"epoch": 1, "loss": 1.5, "val_loss": 2.0}])
    rows = read_history_rows(path)
    assert rows == [{"epoch": "0", "loss": "2.5", "val_loss": "nan"}, {"epoch": "1", "loss": "1.5", "val_loss": "2.0"}]
    assert number_of(rows[1]["loss"]) == 1.5
    assert all(math.isnan(number_of(cell)) for cell in (rows[0]["val_loss"], "", None, "high"))


@pytest.mark.parametrize("content, said", [
    (b"loss\n1.0\n", "line 2 has no epoch"),
    (b"epoch,loss\n0,1.0\none,2.0\n", "line 3 has no epoch"),
    (b"epoch,loss\n0,1.0,3.0\n", "line 2 .* more fields"),
    (b"epoch,loss\n-1,1.0\n", "line 2 has no epoch"),
    (b"epoch,loss\n0,\xff\n", "utf-8"),
    (b'epoch,loss\n0,"' + b"9" * 200_000 + b'"\n', "field larger"),
])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path, content, said):
    (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"history\.csv is no history of a run \(.*{said}.*move it away"):
        read_history_rows(tmp_path / "history.csv")


@pytest.mark.parametrize("saved, said", [
    ("", r"2 epochs \(first: 0\) since"), ("epoch,loss\n", r"2 epochs \(first: 0\) since"),
    ("epoch,loss\n0,4.0\n", r"1 epochs \(first: 1\) since"), ("epoch,loss\n0,4.0\n1", None),
    ("epoch\n1\n0\n", r"1 columns \(first: loss\) since"),
])
def test_what_a_saved_history_lacks_is_kept_and_told_once(tmp_path, recwarn, saved, said):
    path = tmp_path / "history.csv"
    record = HistoryFile(str(path))
    record.on_train_begin()
    for epoch in range(4):
        record.on_epoch_end(epoch, {"loss": 4.0 - epoch})
        if epoch in (1, 2):
            path.write_text(saved)
    rows = [(row["epoch"], float(row["loss"])) for row in read_history_rows(path)]
    assert rows == [("0", 4), ("1", 3), ("2", 2), ("3", 1)]
    told = [str(warning.message) for warning in recwarn if "history.csv" in str(warning.message)]
    assert len(told) == 1 and re.search(said or "epochs", told[0]) and "written again. Open a copy" in told[0]


@pytest.mark.parametrize("saved, said", [
    ("epoch,loss,rate\n0,,\n1,3.0,0.5\n", r"2 cells of the epochs that it has \(first: loss of 0\)"),
    ("epoch,loss,rate\n0,4.0,0.5\n1,3.0\n", r"1 cells of .* \(first: rate of 1\)"),
    ("epoch,loss,rate\n0,4.0,0.5\n1,3.0,0.", r"1 cells of .* \(first: rate of 1\)"),
    ("epoch,loss,rate\n0,4.0,0.5\n1,3", r"2 cells of .* \(first: loss of 1\)"),
    ("epoch,loss,rate\n0,4.0,0.5\n1", r"1 epochs \(first: 1\) since"),
    ("epoch,loss,rate\n0,4.0,0.5\n1,3.0,0.5", None), ("epoch,loss,rate,note\n0,4.0,0.5,\n1,3.0,0.5,\n", None),
])
def test_cells_that_were_emptied_or_cut_are_kept_and_told(tmp_path, recwarn, saved, said):
    path = tmp_path / "history.csv"
    record = HistoryFile(str(path))
    record.on_train_begin()
    for epoch in range(3):
        record.on_epoch_end(epoch, {"loss": 4.0 - epoch, "rate": 0.5})
        if epoch == 1:
            path.write_text(saved)
    assert [(float(row["loss"]), float(row["rate"])) for row in read_history_rows(path)] == [(4, .5), (3, .5), (2, .5)]
    told = [str(warning.message) for warning in recwarn if "history.csv" in str(warning.message)]
    assert len(told) == bool(said) and all(re.search(said, text) for text in told)


def test_changed_cells_and_added_columns_of_a_saved_history_are_taken(tmp_path):
    path = tmp_path / "history.csv"
    record = HistoryFile(str(path))
    record.on_train_begin()
    record.on_epoch_end(0, {"loss": 4.0})
    path.write_text("epoch,loss,note\n0,3.5,warm\n")
    record.on_epoch_end(1, {"loss": 1.0})
    assert path.read_text().split() == ["epoch,loss,note", "0,3.5,warm", "1,1.0,nan"]
