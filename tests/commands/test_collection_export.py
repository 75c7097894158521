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
    said = capsys.readouterr().out
    photos = f"Photos are named relative to {tmp_path / 'photos'}: give it as --images."
    assert f"{objects} objects of 6 photos are written to " in said and photos in said
    assert run(tmp_path, "imaterialist", "a.csv") == 0
    said = capsys.readouterr()
    assert f"{objects} objects of 4 photos" in said.out and "2 photos in which nothing was found are left" in said.err
    assert run(tmp_path, "webdataset", "cut") == 0
    assert f"{objects} objects are cut out in 1 files in " in capsys.readouterr().out
    assert run(tmp_path, "labelstudio", "tasks.json") == 0  # all are of score 0.75
    assert "0 objects of 0 photos" in capsys.readouterr().out
    assert run(tmp_path, "labelstudio", "tasks2.json", "--below", "0.8") == 0
    said = capsys.readouterr().out
    assert f"{objects} objects of 4 photos" in said
    assert f"{tmp_path / 'photos'} as storage of local files, and {tmp_path} as LABEL_STUDIO_LOCAL_FILES_DOC" in said


def test_objects_without_a_pixel_are_told(tmp_path, capsys):
    from made_collections import row
    from made_collections import write_collection as write_rows

    write_rows(tmp_path / "out", [[row("a.jpg", 0, "top", area=0), row("https://host/b.jpg", 0, "top", area=0)]])
    for form, output in (("coco", "a.json"), ("imaterialist", "a.csv"), ("labelstudio", "t.json"), ("webdataset", "w")):
        assert run(tmp_path, form, output, "--below", "1") == 0
        said = capsys.readouterr().err
        assert "2 objects without a pixel are left out" in said
        assert ("1 photos are named by addresses of their own" in said) is (form in ("coco", "imaterialist"))


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
