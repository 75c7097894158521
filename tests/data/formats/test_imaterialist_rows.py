"""The pass over a CSV against Python's csv module, on fields that need quotes and on fields that do not."""

import csv
import io

import numpy as np
import pytest

from mrcnn.data.formats.imaterialist_rows import COLUMNS, Scan, first_columns


def scan_of(tmp_path, header, rows, **options):
    path = tmp_path / "rows.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, **options).writerows([header, *rows])
    return Scan(path, None)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_fields_are_those_of_the_csv_module(tmp_path, quoting, ending):
    rng = np.random.default_rng(1)
    pieces = ["a", "é", '"', ",", "'", " ", "7", '""', ",,"]
    text = lambda: "".join(rng.choice(pieces, rng.integers(1, 6)))  # noqa: E731
    for _ in range(20):
        header = rng.permutation([*COLUMNS, "AttributesIds", "note"]).tolist()
        rows = [
            {"ImageId": text(), "EncodedPixels": text().replace('"', ""), "Height": 5, "Width": 4, "ClassId": f"{i}_3",
             "AttributesIds": "1,2", "note": text()}
            for i in range(30)
        ]
        lines = [[row[name] for name in header] for row in rows]
        scan = scan_of(tmp_path, header, lines, quoting=quoting, lineterminator=ending)
        assert not scan.problems and not scan.photo_problems
        assert scan.names == list(dict.fromkeys(row["ImageId"] for row in rows))
        table, bounds = scan.rows()
        for photo, name in enumerate(scan.names):
            mine = [row for row in rows if row["ImageId"] == name]
            place = slice(bounds[photo], bounds[photo + 1])
            assert [text.decode() for text in table.texts(place)] == [row["EncodedPixels"] for row in mine]
            assert [table.labels[label] for label in table.label[place]] == [
                (int(row["ClassId"].split("_")[0]), (3, 1, 2)) for row in mine
            ]


def test_the_first_line_of_any_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b'\xef\xbb\xbf"ImageId", Height ,x\r\n1,2,3\n')
    assert first_columns(path) == ["ImageId", "Height", "x"]
    path.write_bytes(bytes(range(256)) * 1000)
    assert "ImageId" not in first_columns(path)
    assert first_columns(tmp_path) == first_columns(tmp_path / "absent") == []


def test_rows_lie_by_photo_and_in_the_order_of_the_file(tmp_path):
    names = ["b", "a", "b", "c", "a", "b"]
    rows = [[name, f"{i} 1", 5, 4, i] for i, name in enumerate(names)]
    scan = scan_of(tmp_path, COLUMNS, rows)
    table, bounds = scan.rows()
    assert scan.names == ["b", "a", "c"] and bounds.tolist() == [0, 3, 5, 6] and scan.sizes == [(5, 4)] * 3
    assert table.texts(slice(0, 6)) == [b"0 1", b"2 1", b"5 1", b"1 1", b"4 1", b"3 1"]
    assert [table.labels[label][0] for label in table.label] == [0, 2, 5, 1, 4, 3]
    assert [array.dtype.itemsize for array in (table.start, table.length, table.label)] == [8, 4, 4]  # bytes a row


def test_csv_module_agrees_on_what_this_file_means_by_a_row(tmp_path):
    content = 'ImageId,EncodedPixels,Height,Width,ClassId,AttributesIds\r\nx,1 2,5,4,6,"115,136"\r\ny,3 4,5,4,7,\r\n'
    (tmp_path / "rows.csv").write_bytes(content.encode())
    expected = list(csv.DictReader(io.StringIO(content)))
    scan = Scan(tmp_path / "rows.csv", None)
    table, _ = scan.rows()
    assert scan.names == [row["ImageId"] for row in expected]
    assert [text.decode() for text in table.texts(slice(0, 2))] == [row["EncodedPixels"] for row in expected]
    assert table.labels == [(6, (115, 136)), (7, ())]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_may_be_parted_by_semicolons_and_tabs(tmp_path, delimiter):
    path = tmp_path / "a.csv"
    rows = [COLUMNS, ("a.jpg", "1 2 9 3", "5.0", "7", "6.0_28"), ('"b.jpg"', '"5 1"', "5", "7", "3")]
    path.write_text("\n".join(delimiter.join(row) for row in rows))
    assert first_columns(path) == list(COLUMNS)
    scan = Scan(path, None)
    assert (scan.names, scan.sizes, scan.labels) == (["a.jpg", "b.jpg"], [(5, 7), (5, 7)], [(6, (28,)), (3, ())])
    table, bounds = scan.rows()
    assert table.texts(slice(0, 2)) == [b"1 2 9 3", b"5 1"] and bounds.tolist() == [0, 1, 2] and scan.problems == []
