"""Texts are read in the encoding that their beginning tells, and others are told with the remedy."""

import csv
import io
import threading

import pytest

from mrcnn.errors import DataError
from mrcnn.files import read_json
from mrcnn.text_files import (
    as_utf8,
    encoding_of,
    long_fields,
    open_text,
    refuse_wide,
    utf8_blocks,
    why_no_text,
    wide_encoding,
)

TEXT = '{"name": "caf\u00e9 \U0001f455"}\r\n'
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_text_is_the_same_in_every_encoding(tmp_path, encoding):
    path = tmp_path / "a.json"
    path.write_bytes(TEXT.encode(encoding))
    with open_text(path, newline="") as file:
        assert file.read() == TEXT
    assert as_utf8(path.read_bytes()).decode() == TEXT == b"".join(utf8_blocks(path, 7)).decode()
    assert read_json(path, "list")["name"] == "caf\u00e9 \U0001f455"
    assert wide_encoding(path) == (None if encoding.startswith("utf-8") else encoding.upper())


def test_marks_of_the_other_order_of_bytes_are_known_too():
    for encoding, mark in (("utf-16", "utf-16-be"), ("utf-16", "utf-16-le"), ("utf-32", "utf-32-be")):
        assert encoding_of("\ufeffab".encode(mark)) == encoding
        assert as_utf8("\ufeffab".encode(mark)) == b"ab"


def test_what_is_no_text_is_told_with_the_remedy(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes('["\u00e9"]'.encode("latin-1"))
    with pytest.raises(DataError, match="a.json: no list: byte 2 is no letter of UTF-8: save it as UTF-8"):
        read_json(path, "list")
    path.write_bytes("ab".encode("utf-16")[:-1])
    with pytest.raises(DataError, match="a.json: no text in UTF-16"):
        list(utf8_blocks(path, 9))
    with pytest.raises(DataError, match="a.json: is a text in UTF-16, as PowerShell.*save it as UTF-8"):
        refuse_wide(path)
    assert why_no_text(FileNotFoundError(2, "No such file")) == "No such file" and why_no_text(ValueError("x")) == "x"
    assert wide_encoding(tmp_path / "none") is None


def test_csv_takes_long_fields_in_the_block_alone():
    rows, usual = f"a,{'1 ' * 100_000}\n", csv.field_size_limit()
    with pytest.raises(csv.Error), long_fields(), long_fields():
        assert [len(cell) for cell in next(csv.reader(io.StringIO(rows)))] == [1, 200_000]
        raise csv.Error
    assert csv.field_size_limit() == usual
    with pytest.raises(csv.Error, match="field larger than field limit"):
        next(csv.reader(io.StringIO(rows)))


def test_blocks_of_several_threads_leave_the_limit_as_it_was():
    usual, lengths = csv.field_size_limit(), []

    def read():
        for _ in range(50):
            with long_fields():
                lengths.append(len(next(csv.reader(io.StringIO("1" * (usual + 1))))[0]))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(lengths) == {usual + 1} and len(lengths) == 200 and csv.field_size_limit() == usual
