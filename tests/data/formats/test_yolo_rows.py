"""Rows of YOLO's label files: outlines, boxes, and what is neither."""

import pytest

from mrcnn.data.formats import yolo_rows
from mrcnn.data.formats.yolo_rows import Row, RowFault, is_rectangle, read_row, read_rows
from mrcnn.errors import DataError


def test_an_outline_and_a_box():
    assert read_row(b"3 0.1 0.2 0.5 0.2 0.5 0.9\r") == Row(3, [0.1, 0.2, 0.5, 0.2, 0.5, 0.9], False, False)
    # Centre (0.5, 0.25), sides 0.5 and 0.25: from (0.25, 0.125) to (0.75, 0.375).
    row = read_row(b" 0.0\t.5 .25 5e-1 0.25")
    assert row == Row(0, [0.25, 0.125, 0.75, 0.125, 0.75, 0.375, 0.25, 0.375], True, False)
    assert is_rectangle(row.corners)


def test_corners_a_little_outside_are_moved_to_the_edge():
    assert read_row(b"0 -0.01 0 1.02 0 1 1") == Row(0, [0, 0, 1, 0, 1, 1], False, True)


@pytest.mark.parametrize("line, kind, said", [
    (b"0 0.1 0.2 0.3", "bad entry", "3 numbers behind the class, which do not pair"),
    (b"0 0.1 0.2", "bad entry", "2 numbers behind the class: an outline needs three corners"),
    (b"0", "bad entry", "0 numbers"),
    (b"", "bad entry", "has '', which is no number"),
    (b"0 0.1 0.2 0.3 0.4 0.9", "bad entry", "a box with a confidence"),
    (b"0 0.1 0.2 0.3 0.4 0.5 0.6 0.9", "bad entry", "7 numbers .*without a confidence"),
    (b"0 0.1 x 0.3 0.4", "bad entry", "has 'x', which is no number"),
    (b"0 0.1 nan 0.3 0.4 0.5 0.6", "bad entry", "NaN or infinity in place of numbers"),
    (b"0 0.1 inf 0.3 -inf 0.5 0.6", "bad entry", "NaN or infinity"),
    (b"nan 0.1 0.1 0.3 0.1 0.5 0.6", "bad entry", "the class 'nan' in place of an index"),
    (b"0.5 0.1 0.1 0.3 0.1 0.5 0.6", "bad entry", "the class '0.5'"),
    (b"0 0.5 0.5 0 0.1", "bad entry", "box has the sides 0 and 0.1"),
    (b"0 12 20 300 20 300 200", "mask outside", "reaches from 12 to 300.*divide pixels by width and height"),
])
def test_a_row_that_is_none(line, kind, said):
    with pytest.raises(RowFault, match=said) as error:
        read_row(line)
    assert error.value.kind == kind


def test_huge_rows_and_files_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(yolo_rows, "MOST_NUMBERS", 8)
    with pytest.raises(RowFault, match="more than 8 numbers: simplify"):
        read_row(b"0 " + b"0.5 " * 10)
    monkeypatch.setattr(yolo_rows, "LARGEST_FILE", 8)
    (tmp_path / "a.txt").write_text("0 0.1 0.2 0.3 0.4 0.5 0.6")
    with pytest.raises(DataError, match="a.txt: more than 8 bytes"):
        read_rows(tmp_path / "a.txt")
    with pytest.raises(DataError, match="none.txt: cannot read the labels"):
        read_rows(tmp_path / "none.txt")


def test_lines_of_a_file(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf0 1\r\n\r\n  \n1 2")
    assert read_rows(tmp_path / "a.txt") == [b"0 1", b"1 2"]


@pytest.mark.parametrize("corners, answer", [
    ([0, 0, 1, 0, 1, 1, 0, 1], True), ([0, 1, 0, 0, 1, 0, 1, 1], True), ([0, 0, 1, 0, 1, 1, 0, 1, 0, 0], True),
    ([0, 0, 1, 0, 1, 1], False), ([0, 0, 1, 0, 1, 1, 0.1, 1], False), ([0, 0, 1, 1, 1, 0, 0, 1], False),
    ([0, 0, 1, 0, 1, 1, 0, 1, 0, 0.5], False),
])
def test_upright_rectangles(corners, answer):
    assert is_rectangle(corners) is answer
