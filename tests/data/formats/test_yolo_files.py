"""Which label file is a photo's, and what lists of photos may mean."""

import pytest

from mrcnn.data.formats import yolo_files
from mrcnn.data.formats.yolo_files import LabelFiles, label_folders, labels_below, listed_names, photos_below
from mrcnn.errors import DataError
from tests.yolo_files import write_tree

ROW = "0 0.1 0.1 0.5 0.1 0.5 0.5"


def test_a_label_file_lies_in_labels_or_beside_its_photo(tmp_path):
    write_tree(tmp_path, {"images/train/a.b.txt": ROW, "labels/train/a.b.txt": ROW, "images/train/c.txt": ROW,
                          "images/x/images/d.jpg": None, "images/x/labels/d.txt": ROW, "e.txt": ROW})
    labels = LabelFiles(str(tmp_path))
    wanted = {"images/train/a.b.jpg": "labels/train/a.b.txt", "images/train/c.png": "images/train/c.txt",
              "images/x/images/d.jpg": "images/x/labels/d.txt", "e.JPG": "e.txt", "images/train/none.jpg": None,
              "a\0b/e.jpg": None}
    for name, path in wanted.items():
        assert labels.find(name) == (None if path is None else str(tmp_path / path))
    assert labels.twice == ["images/train/a.b.jpg"] and labels.found == 4


def test_what_lies_below_a_folder(tmp_path, monkeypatch):
    write_tree(tmp_path, {"b.jpg": None, "sub/a.PNG": None, ".hidden/c.jpg": None, "sub/._a.png": None,
                          "sub/a.txt": ROW, "classes.txt": "x", "README.txt": "x"})
    assert photos_below(tmp_path, tmp_path) == ["b.jpg", "sub/a.PNG"]
    assert photos_below(tmp_path / "sub", tmp_path) == ["sub/a.PNG"]
    assert labels_below(tmp_path) == [str(tmp_path / "sub" / "a.txt")]
    monkeypatch.setattr(yolo_files, "MOST_PHOTOS", 2)
    with pytest.raises(DataError, match="more than 2 files lie in it"):
        photos_below(tmp_path, tmp_path)


def test_lines_of_a_list(tmp_path):
    lists = tmp_path / "lists"
    write_tree(lists, {"train.txt": f"./a.jpg\n\n# remark\n../images/b.jpg\n{tmp_path}/c.jpg\n"
                                    "/content/x/d.jpg\nC:\\data\\e.jpg\n../../f.jpg\n g.jpg\n"})
    assert listed_names(str(lists / "train.txt"), str(tmp_path)) == [
        ["lists/a.jpg", "a.jpg"], ["images/b.jpg"], ["c.jpg", f"{str(tmp_path)[1:]}/c.jpg"], ["content/x/d.jpg"],
        ["lists/C:/data/e.jpg", "C:/data/e.jpg", "data/e.jpg"], ["f.jpg"],
        ["lists/ g.jpg", " g.jpg", "lists/g.jpg", "g.jpg"]]
    with pytest.raises(DataError, match="gone.txt: cannot read the list of photos"):
        listed_names(str(lists / "gone.txt"), str(tmp_path))


def test_the_folder_of_labels_of_a_folder_of_photos():
    assert label_folders("/x/images/y/images/train", "/x/images/y") == [
        "/x/images/y/labels/train", "/x/images/y/images/train"]
    assert label_folders("/images/y/train", "/images/y") == ["/images/y/train", "/labels/y/train"]
    assert label_folders("/images/y", "/images/y") == ["/images/y", "/labels/y"]
