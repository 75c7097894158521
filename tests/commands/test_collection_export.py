"""The command `collection export`: what it says, and what it refuses."""

import json

import pytest

pytest.importorskip("pyarrow")

from garments import write_collection  # noqa: E402

from mrcnn.commands.main import main  # noqa: E402


def run(tmp_path, form, output, *arguments):
    return main(["collection", "export", str(tmp_path / "out"), "--format", form, "--output", str(tmp_path / output),
                 *arguments])


def test_each_format_is_written_and_told(tmp_path, capsys):
    write_collection(tmp_path, 6)
    assert run(tmp_path, "coco", "a.json") == 0
    objects = len(json.loads((tmp_path / "a.json").read_text())["annotations"])
    assert f"{objects} objects of 6 photos are written to " in capsys.readouterr().out
    assert run(tmp_path, "imaterialist", "a.csv") == 0
    said = capsys.readouterr()
    assert f"{objects} objects of 4 photos" in said.out and "2 photos in which nothing was found are left" in said.err
    assert run(tmp_path, "webdataset", "cut") == 0
    assert f"{objects} objects are cut out in 1 files in " in capsys.readouterr().out
    assert run(tmp_path, "labelstudio", "tasks.json") == 0  # all are of score 0.75
    assert "0 objects of 0 photos" in capsys.readouterr().out
    assert run(tmp_path, "labelstudio", "tasks2.json", "--below", "0.8") == 0
    assert f"{objects} objects of 4 photos" in capsys.readouterr().out


def test_a_name_with_another_ending_is_refused(tmp_path, capsys):
    write_collection(tmp_path, 1)
    assert run(tmp_path, "coco", "a.csv") == 2
    assert "give --format coco a name that ends in .json" in capsys.readouterr().err


def test_files_of_the_users_stay(tmp_path, capsys):
    write_collection(tmp_path, 2)
    names = tmp_path / "label_descriptions.json"
    names.write_text("mine")
    assert run(tmp_path, "imaterialist", "a.csv") == 2
    assert "label_descriptions.json was not written by this program" in capsys.readouterr().err
    assert names.read_text() == "mine" and not (tmp_path / "a.csv").exists()
    assert run(tmp_path, "imaterialist", "a.csv", "--overwrite") == 0 and names.read_text() != "mine"
    assert run(tmp_path, "imaterialist", "a.csv") == 0  # what it wrote itself it may write again
