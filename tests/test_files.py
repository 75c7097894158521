"""JSON written whole or not at all, and tables as people read them."""

import json
import os

import pytest

from mrcnn.errors import DataError
from mrcnn.files import read_json, text_table, write_json


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "new" / "folder" / "names.json"
    write_json(path, {"names": ["a", "größe"], "number": 1.5})
    assert read_json(path, "list") == {"names": ["a", "größe"], "number": 1.5}
    assert os.listdir(path.parent) == ["names.json"]


def test_a_value_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "names.json"
    write_json(path, [1])
    with pytest.raises(TypeError):
        write_json(path, [object()])
    assert json.loads(path.read_text()) == [1]
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"below\.json: cannot write the file"):
        write_json(tmp_path / "file" / "below.json", [1])


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "half.json").write_text("[1, ")
    with pytest.raises(DataError, match=r"half\.json: no JSON file .*: give a split file\."):
        read_json(tmp_path / "half.json", "split file")
    (tmp_path / "deep.json").write_text("[" * 99999)
    with pytest.raises(DataError, match=r"deep\.json: no JSON file"):
        read_json(tmp_path / "deep.json", "split file")
    with pytest.raises(DataError, match=r"gone\.json: cannot read the split file \(No such file"):
        read_json(tmp_path / "gone.json", "split file")


def test_columns_line_up():
    assert text_table([["", "photos"], ["shoe", 12], ["a bag", 3]]) == "       photos\nshoe       12\na bag       3"
