"""history.csv, as the program and others write it."""

import math

import pytest

from mrcnn.errors import DataError
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
