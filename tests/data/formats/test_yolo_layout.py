"""Where a data.yaml leads: literally, by what it ends with, or nowhere; and which files are one."""

import ntpath
import os
import types

import pytest

from mrcnn.data.formats import yolo_layout
from mrcnn.data.formats.yolo_layout import has_rows, read_layout, settings_file
from mrcnn.errors import DataError
from tests.yolo_files import write_tree

NAMES = "names: [shirt]\n"


@pytest.mark.parametrize("value, found", [
    ("train/images", "train/images"),
    ("../train/images", "train/images"),
    ("/content/project-1/train/images", "train/images"),
    ("C:\\data\\train\\images", "train/images"),
    ("/kaggle/working/train", "train"),
    ("./", "."),
    ("../elsewhere/images", None),  # `images` alone is too little to be known by
])
def test_paths_are_found_as_they_are_or_by_their_ends(tmp_path, value, found):
    write_tree(tmp_path, {"data.yaml": f"train: {value}\n{NAMES}", "train/images/a.jpg": None, "images/b.jpg": None})
    (source,) = read_layout(tmp_path).parts["train"]
    if found is None:
        assert not os.path.exists(source)
    else:
        assert source == os.path.normpath(tmp_path / found)


def test_path_starts_at_the_file_or_where_the_program_runs(tmp_path, monkeypatch):
    write_tree(tmp_path, {"configs/data.yaml": f"path: ../sets/one\ntrain: a\n{NAMES}", "sets/one/a/b.jpg": None})
    layout = read_layout(tmp_path / "configs")
    assert layout.root == str(tmp_path / "sets" / "one") and layout.parts == {"train": [f"{layout.root}/a"]}
    assert [how for _, how, _ in layout.notes] == ["of data.yaml that leads out of its folder: followed"]
    monkeypatch.chdir(tmp_path)
    write_tree(tmp_path, {"configs/data.yaml": f"path: sets/one\ntrain: a\nvalidation: [a]\n{NAMES}"})
    assert set(read_layout("configs/data.yaml").parts) == {"train", "val"}


@pytest.mark.parametrize("files, found", [
    ({"data.yaml": "train: a\nnc: 2\n"}, "data.yaml"),
    ({"mine.yml": "path: x\nval: a\n"}, "mine.yml"),
    ({"one.yaml": "val: a\nnc: 1", "two.yaml": "val: b\nnc: 1"}, None),
    ({"config.yaml": "epochs: 3\nnames: x\n"}, None),
    ({"obj.data": "classes = 1\ntrain = data/train.txt\n"}, "obj.data"),
    ({"data.yaml": "nothing", "x.yaml": "train: a\nnames: [b]"}, "x.yaml"),
])
def test_which_file_is_the_data_yaml(tmp_path, files, found):
    assert settings_file(write_tree(tmp_path, files)) == (None if found is None else str(tmp_path / found))


def test_rows_tell_a_folder_of_labels(tmp_path):
    assert not has_rows(write_tree(tmp_path, {"a.txt": "hello", "classes.txt": "0 0.1 0.2 0.3 0.4"}))
    assert has_rows(write_tree(tmp_path, {"labels/train/a.txt": "0 0.1 .2 1e-3 0.4\n1 0 0 1 1 1 0"}))


def test_darknet_without_its_names(tmp_path):
    write_tree(tmp_path, {"obj.data": "train = train.txt\nnames = data/obj.names\nclasses = 1\n", "train.txt": "a.jpg"})
    with pytest.raises(DataError, match="obj.data: its file of class names 'data/obj.names' is not there.*--names"):
        read_layout(tmp_path)


def test_drives_of_windows(monkeypatch):
    monkeypatch.setattr(yolo_layout, "os", types.SimpleNamespace(path=ntpath))
    with pytest.raises(DataError, match=r"D:\\photos: not all on the drive of C:\\set: bring them together"):
        yolo_layout._root({"train": ["D:\\photos"]}, "C:\\set", "C:\\set", [])


def test_number_of_classes_that_does_not_fit(tmp_path):
    write_tree(tmp_path, {"data.yaml": "train: a\nnc: 3\nnames: {0: shirt, 5: shoe}\n", "a/b.jpg": None})
    layout = read_layout(tmp_path)
    assert layout.names == {0: "shirt", 5: "shoe"}
    assert [how for _, how, _ in layout.notes] == ["of 3, where names has 2: names count"]
