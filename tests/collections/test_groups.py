"""Groups of photos: months of EXIF, columns of tables, and how many outfits each has."""

import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")

from made_collections import row, write_collection  # noqa: E402
from PIL import Image  # noqa: E402

from mrcnn.collections.groups import counts_by_group, groups_of_table, month_of, months_of_exif  # noqa: E402
from mrcnn.collections.tables import Tables  # noqa: E402


@pytest.mark.parametrize(("date", "month"), [
    ("2024-05-31", "2024-05"), ("2024/05", "2024-05"), ("2024:12:01 23:59:59", "2024-12"),
    ("0000:00:00 00:00:00", None), ("0000-05-01", None), ("2024-13-01", None), ("2024-00-01", None),
    ("2024-5-3", "2024-05"), ("2024/5", None),
    ("None", None), ("spring", None)])
def test_a_month_is_one_of_twelve(date, month):
    assert month_of(date) == month


def test_months_of_exif_and_photos_that_cannot_be_opened(tmp_path):
    unset = "0000:00:00 00:00:00"
    for name, taken, changed in (("a", "2023:07:09 12:00:00", None), ("b", None, "2024:01:31 12:00:00"),
                                 ("c", unset, "2024:02:03 12:00:00"), ("d", unset, None)):
        exif = Image.Exif()
        if taken:
            exif.get_ifd(0x8769)[36867] = taken
        if changed:
            exif[306] = changed
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / f"{name}.jpg", exif=exif)
    (tmp_path / "e.jpg").write_bytes(b"no photo")
    tables = Tables(write_collection(tmp_path / "c", [[row(f"{name}.jpg", 0, "top") for name in "abcdef"]],
                                     root=tmp_path), copies=True)
    with pytest.warns(UserWarning, match="2 photos cannot be opened and have no month, as: .*e.jpg: not a readable"):
        found = months_of_exif(tables)
    assert found == {"a.jpg": "2023-07", "b.jpg": "2024-01", "c.jpg": "2024-02"}


def test_heic_without_its_package_is_told(tmp_path, monkeypatch):
    for name in ("pi_heif", "pillow_heif"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    tables = Tables(write_collection(tmp_path / "c", [[row("a.heic", 0, "top")]], root=tmp_path))
    with pytest.warns(UserWarning, match="1 photos cannot be opened .*a.heic: a HEIC photo: pip install pi-heif"):
        assert months_of_exif(tables) == {}


def test_a_table_of_dates_and_its_faults(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("photo,day\na.jpg,2024-05-31\nb.jpg,0000-00-00\na.jpg,2024-06-01\n")
    with pytest.warns(UserWarning) as told:
        assert groups_of_table(str(path), "day") == {"a.jpg": "2024-06"}
    said = [str(one.message) for one in told]
    assert any("1 lines give photos another day than lines before: the last" in text for text in said)
    assert any("1 photos have a day of no month, as 0000-00-00, hence no group" in text for text in said)


def table_of(folder, cells, head="photo,day"):
    path = folder / "t.csv"
    path.write_text("\n".join([head, *(f'{number:03d}.jpg,"{cell}"' for number, cell in enumerate(cells))]))
    return str(path)


def test_a_table_with_run_lengths_beside_its_groups(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"photo,EncodedPixels,shop\na.jpg,{'1 2 ' * 50_000},north\n")
    assert groups_of_table(str(path), "shop") == {"a.jpg": "north"}


DAYS = [f"2024-{1 + number % 12:02d}-05" for number in range(40)]


@pytest.mark.parametrize("odd", [1, 3, 4])
def test_a_few_odd_cells_among_dates_are_told(tmp_path, odd):
    cells = [*["n/a"] * odd, *DAYS, ""]
    with pytest.warns(UserWarning) as told:
        groups = groups_of_table(table_of(tmp_path, cells), "day")
    assert list(groups.values()) == [day[:7] for day in DAYS]
    assert [f"{odd} photos have a day of no month, as n/a, hence no group: correct it to YYYY-MM-DD" in str(one.message)
            for one in told] == [True]


@pytest.mark.parametrize("cells, message", [
    (["Bonn"] * 9 + DAYS, "40 of the 49 cells of day are dates, others are not, as Bonn: all are taken as they stand; "
                          "write all dates as YYYY-MM-DD"),
    (["spring", "2024-01-01"], "1 of the 2 cells of day are dates"),
    (["31/05/2024"] * 9 + ["n/a"], "9 cells of day look like dates in another form, as 31/05/2024: they are taken as"),
    (["5-31-24 12:00"] * 3, "3 cells of day look like dates in another form"),
    (["20240531"] * 3, "3 cells of day look like dates in another form"),
    (["2024.05.31"] * 3, "3 cells of day look like dates in another form"),
    (["Bonn", "Ulm", "31/05/2024"], None), (["123", "20249999", "1/2"], None)])
def test_dates_that_make_no_months_are_told(tmp_path, cells, message):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        groups = groups_of_table(table_of(tmp_path, cells), "day")
    assert list(groups.values()) == cells
    assert len(told) == bool(message) and all(message in str(one.message) for one in told)


def test_the_column_of_photos_is_that_of_collections(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("url,photo,town\nhttps://x/a.jpg,a.jpg,Ulm\n")
    assert groups_of_table(str(path), "town") == {"a.jpg": "Ulm"}


def test_all_groups_are_counted_with_outfits_that_have_nothing(tmp_path):
    rows = [row(f"{number:02d}.jpg", 0, "top" if number % 2 else "sock") for number in range(60)]
    tables = Tables(write_collection(tmp_path, [rows]), classes=["top"], copies=True)
    found, without = counts_by_group(tables, {f"{number:02d}.jpg": f"town {number // 2:02d}" for number in range(58)})
    [top] = tables.item_names()
    assert without == 2 and found == [(f"town {number:02d}", 2, {top: 1}) for number in range(29)]


def test_a_table_may_spell_the_photos_as_the_list_did(tmp_path):
    names = ("a.jpg", "b.jpg", "c.jpg", "/photos/d.jpg")  # the last as a collection of before has it
    tables = Tables(write_collection(tmp_path, [[row(name, 0, "top") for name in names]], root="/photos"), copies=True)
    with pytest.warns(UserWarning, match="1 photos are in several groups, .* as c.jpg: the last of each photo counts"):
        found, without = counts_by_group(tables, {"./a.jpg": "Ulm", "/photos/b.jpg": "Ulm", "c.jpg": "Ulm",
                                                  "x/../c.jpg": "Bonn", "/photos/d.jpg": "Ulm"})
    assert without == 0 and [(town, outfits) for town, outfits, _ in found] == [("Bonn", 1), ("Ulm", 3)]


def test_blanks_around_cells_of_photos_do_not_count(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("town,photo\nRome, a.jpg\nOslo,b.jpg \nBonn, \n")
    assert groups_of_table(str(path), "town") == {"a.jpg": "Rome", "b.jpg": "Oslo"}
