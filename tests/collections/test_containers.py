"""Photos as rows of Parquet files, in the forms that others write; tar files are in test_sources.py."""

import numpy as np
import pytest

pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

from mrcnn.collections.containers import (  # noqa: E402
    PhotoTable,
    container_of,
    photo_column,
    photos_of_table,
    read_inside,
)
from mrcnn.collections.storage import place_of  # noqa: E402
from mrcnn.errors import DataError  # noqa: E402


def write(file, **columns):
    parquet.write_table(pyarrow.table(columns), file, row_group_size=7)
    return place_of("", str(file))


@pytest.fixture
def photos():
    return [bytes([number]) * (number + 1) for number in range(40)]


@pytest.mark.parametrize("form", ["binary", "large", "struct", "embedded later"])
def test_photos_in_any_order(tmp_path, photos, form):
    column = {"binary": pyarrow.array(photos), "large": pyarrow.array(photos, pyarrow.large_binary())}.get(form)
    if column is None:
        column = [{"bytes": data, "path": f"/d/{number}.jpg" if number else None} for number, data in enumerate(photos)]
    place = write(tmp_path / "t.parquet", label=list(range(40)), image=column)
    names, table = photos_of_table(place), PhotoTable(place)
    assert len(names) == len(table) == 40 and names[0] == "00000000"
    assert names[17] == ("00000017" if form in ("binary", "large") else "00000017/d/17.jpg")
    # From row to row, by two threads' turns, backwards, over the borders of row groups of seven.
    for order in (range(40), [i ^ 1 for i in range(40)], range(39, -1, -1), np.random.default_rng(0).permutation(40)):
        assert [table.photo(int(row)) for row in order] == [photos[row] for row in order]
    root = str(tmp_path)
    assert read_inside(*container_of(root, f"t.parquet/{names[17]}")) == photos[17]
    assert container_of(root, "t.parquet/17.jpg") is None and container_of(root, f"none.parquet/{names[17]}") is None


@pytest.mark.parametrize("heads, column", [
    (["url", "photo", "town"], "photo"), (["image", "file_name"], "file_name"), (["id", " Photo"], " Photo"),
    (["PHOTO", "photo"], "photo"), (["id", "town"], None), ([], None)])
def test_the_column_that_names_photos(heads, column):
    assert photo_column(heads) == column


def test_rows_are_read_on_and_not_again(tmp_path, photos, monkeypatch):
    table = PhotoTable(write(tmp_path / "t.parquet", image=photos))
    begun, iter_batches = [], table._file.iter_batches

    class Counted:
        def iter_batches(self, *arguments, row_groups, **named):
            begun.append(row_groups)
            return iter_batches(*arguments, row_groups=row_groups, **named)

    monkeypatch.setattr(table, "_file", Counted())
    for row in range(40):
        table.photo(row)
    assert begun == [[0], [1], [2], [3], [4], [5]]  # 40 rows in groups of 7


def test_which_column_holds_the_photos(tmp_path, photos):
    texts = [f"{number}.jpg" for number in range(40)]
    table = PhotoTable(write(tmp_path / "a.parquet", file_name=texts, image=photos))
    assert (table.picture, table.path) == ("image", "file_name") and table.names()[3] == "00000003/3.jpg"
    with pytest.warns(UserWarning, match="a.parquet: its column photo is taken for the photos; image holds bytes too"):
        table = PhotoTable(write(tmp_path / "a.parquet", image=photos[::-1], photo=photos))
    assert table.photo(1) == photos[1]
    with pytest.warns(UserWarning, match="its column jpg is taken for the photos.$"):
        assert PhotoTable(write(tmp_path / "a.parquet", jpg=photos)).photo(1) == photos[1]
    with pytest.warns(UserWarning, match="its column path is taken for the photos; thumb holds bytes too and are not"):
        table = PhotoTable(write(tmp_path / "a.parquet", path=texts, thumb=photos))
    assert table.picture is None and table.paths() == texts
    for columns, message in (({"id": [1]}, "has no column of paths or photos: name one"),
                             ({"image": [1]}, "no column of paths .image holds int64. or photos"),
                             ({"jpg": [b"a"], "png": [b"b"]}, "jpg, png may all be the photos: name that")):
        with pytest.raises(DataError, match=message):
            PhotoTable(write(tmp_path / "a.parquet", **columns))
    with pytest.raises(DataError, match="a.parquet holds paths, not photos: give a table of paths by itself"):
        photos_of_table(write(tmp_path / "a.parquet", path=texts))


def test_rows_without_bytes_and_damaged_tables_are_named(tmp_path, photos):
    place = write(tmp_path / "t.parquet", image=[{"bytes": None, "path": "a.jpg"}, None, {"bytes": b"x", "path": None}])
    table = PhotoTable(place)
    assert photos_of_table(place) == ["00000000/a.jpg", "00000001", "00000002"] and table.photo(2) == b"x"
    for row, message in ((0, "t.parquet: cannot read the photo of row 0 .the row has no bytes"), (1, "no bytes"),
                         (3, "photo of row 3 .it has 3 rows")):
        with pytest.raises(DataError, match=message):
            table.photo(row)
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    (tmp_path / "b.parquet").write_bytes(data[:len(data) // 2])
    with pytest.raises(DataError, match="b.parquet: cannot read the table .*: save it anew"):
        PhotoTable(place_of("", str(tmp_path / "b.parquet")))
    whole = write(tmp_path / "c.parquet", image=[np.random.default_rng(i).bytes(5000) for i in range(40)])
    data = bytearray((tmp_path / "c.parquet").read_bytes())
    data[60_000:60_400] = bytes(400)  # a page's header, or its pixels: told, or other bytes, as a checksum would tell
    data[4:60] = b"\xff" * 56  # the first page's header
    (tmp_path / "c.parquet").write_bytes(data)
    with pytest.raises(DataError, match="c.parquet: cannot read the table"):
        PhotoTable(whole).photo(0)
