"""Ids of a data set for results of photos that were looked at without it."""

import json
import os

import pytest
from PIL import Image

from mrcnn.data.dataset import Dataset
from mrcnn.errors import DataError
from mrcnn.evaluation.result_ids import ResultIds

CATEGORIES = [{"id": 7, "name": "coat"}, {"id": 3, "name": "hat, cap"}, {"id": 9, "name": "bag"}]


def listed(path, names, categories=CATEGORIES):
    """A test set's COCO file: photos 10, 11, ... and no list of objects."""
    images = [{"id": 10 + i, "file_name": name, "height": 4, "width": 4} for i, name in enumerate(names)]
    path.write_text(json.dumps({"images": images, "categories": categories}))
    return str(path)


def photos(*paths):
    return {os.path.basename(path): path for path in paths}


def results(*pairs):
    return [{"image_id": photo, "category_id": number, "score": 0.5} for photo, number in pairs]


def test_names_find_the_ids(tmp_path):
    path = listed(tmp_path / "test.json", ["test/a.jpg", "b.jpg"])
    ids = ResultIds(path, photos("in/b.jpg", "in/a.jpg"), {1: "hat", 2: "coat", 3: "bag"})
    assert ids.given(results(("b.jpg", 1), ("a.jpg", 2))) == results((11, 3), (10, 7))
    (line,) = ids.differences()
    assert "1 of 2 photos are in another folder than it says" in line and "(first: in/a.jpg, there test/a.jpg)" in line
    assert ResultIds(path, photos("in/b.jpg", "test/a.jpg"), {1: "hat", 2: "coat", 3: "bag"}).differences() == []


def test_what_is_not_shared_is_told_and_left_out(tmp_path):
    path = listed(tmp_path / "test.json", ["a.jpg", "c.jpg"])
    ids = ResultIds(path, photos("in/a.jpg", "in/x.jpg"), {1: "coat", 2: "boot"})
    assert ids.given(results(("x.jpg", 1), ("a.jpg", 2), ("a.jpg", 1))) == results((10, 7))
    lines = ids.differences()
    assert [line.removeprefix(f"{path}: ")[:6] for line in lines] == ["1 of 2"] * 3
    for line, name, what in zip(lines, ("x.jpg", "boot", "c.jpg"), ("left out", "left out", "have no results")):
        assert f"(first: {name})" in line and what in line


def test_folders_tell_photos_of_one_name_apart(tmp_path):
    path = listed(tmp_path / "test.json", ["a/1.jpg", "b/1.jpg", "a/2.jpg", "b/2.jpg"])
    assert ResultIds(path, photos(str(tmp_path / "b" / "1.jpg")), {1: "bag"}).image_ids == {"1.jpg": 11}
    ids = ResultIds(path, {"1": str(tmp_path / "a" / "1.jpg"), "2": str(tmp_path / "c" / "2.jpg")}, {1: "bag"})
    assert ids.image_ids == {"1": 10}
    assert "1 of 2 photos have a name that it has several times" in ids.differences()[0]


def test_the_longest_of_the_names_that_fit_is_taken(tmp_path):
    path = listed(tmp_path / "test.json", ["1.jpg", "sub/1.jpg"])
    ids = ResultIds(path, {"a": str(tmp_path / "sub" / "1.jpg"), "b": str(tmp_path / "1.jpg")}, {1: "bag"})
    assert ids.image_ids == {"a": 11, "b": 10}


def test_names_are_found_as_the_reader_finds_them(tmp_path):
    names = ["My photo.JPG", "000042.jpg", "hat.png"]
    for name in names:
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    path = listed(tmp_path / "test.json", ["my%20photo.jpg", None, "1a2b3c4d-hat.png"])
    content = json.loads((tmp_path / "test.json").read_text())
    content["images"][1] = {"id": 11, "coco_url": "http://images/val2017/000042.jpg"}  # as LVIS has it
    (tmp_path / "test.json").write_text(json.dumps(content))
    ids = ResultIds(path, photos(*(str(tmp_path / name) for name in names)), {1: "bag", 2: "coat", 3: "hat"})
    assert ids.image_ids == {"My photo.JPG": 10, "000042.jpg": 11, "hat.png": 12} and ids.differences() == []


def test_classes_of_one_short_name_are_not_merged(tmp_path):
    path = listed(tmp_path / "test.json", ["a.jpg"], [{"id": 5, "name": "top"}, {"id": 6, "name": "coat"}])
    assert ResultIds(path, photos("a.jpg"), {1: "top, a", 2: "coat"}).category_ids == {1: 5, 2: 6}
    assert ResultIds(path, photos("a.jpg"), {1: "top, a", 2: "top, b", 3: "coat"}).category_ids == {3: 6}
    path = listed(tmp_path / "test.json", ["a.jpg"], [{"id": 5, "name": "top, tee"}])
    assert ResultIds(path, photos("a.jpg"), {1: "top", 2: "top, tee"}).category_ids == {2: 5}


def test_other_formats_have_ids_too(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder / "val").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "val" / "a.png")
    (tmp_path / "labels" / "val" / "a.txt").write_text("1 0.1 0.1 0.9 0.1 0.9 0.9\n")
    (tmp_path / "data.yaml").write_text("val: images/val\nnames: [hat, coat]\n")
    ids = ResultIds(tmp_path / "data.yaml", photos("elsewhere/a.png"), {1: "coat", 2: "hat"})
    assert ids.category_ids == {1: 1, 2: 0}  # YOLO counts its names from 0 on
    assert list(ids.image_ids) == ["a.png"] and len(ids.differences()) == 1  # of the folder
    same = ResultIds(tmp_path / "data.yaml", photos(str(tmp_path / "images/val/a.png")), {1: "coat", 2: "hat"})
    assert same.differences() == []


@pytest.mark.parametrize("names, categories, message", [
    (["b.jpg"], CATEGORIES, "none of the 1 photos is among its 1 .first: a.jpg"),
    (["a.jpg"], [{"id": 1, "name": "shoe"}], "none of the 1 classes is among its 1 .first: bag"),
    (["a.jpg"], None, "no list 'categories' of objects"),
])
def test_annotations_of_something_else(tmp_path, names, categories, message):
    with pytest.raises(DataError, match=message):
        ResultIds(listed(tmp_path / "test.json", names, categories), photos("in/a.jpg"), {1: "bag"})


def test_two_photos_do_not_get_one_id(tmp_path):
    """Of one name in two folders, where the file knows no folders: their results were mixed without a word."""
    path = listed(tmp_path / "test.json", ["1.jpg", "2.jpg"])
    with pytest.raises(DataError, match="a/1.jpg and b/1.jpg both have the id 10 there: .* file_name with its folders"):
        ResultIds(path, {"a": "a/1.jpg", "b": "b/1.jpg", "c": "2.jpg"}, {1: "bag"})


@pytest.mark.parametrize("photo, class_id, message", [
    (5, 1, "train/a.jpg and val/a.jpg both have the id 5"),
    (6, 2, "class bag has the id 1 in one part of the data and 2 in another"),
])
def test_parts_of_a_data_set_share_no_ids_of_photos_and_all_of_classes(photo, class_id, message):
    parts = [Dataset(), Dataset()]
    for part, name, number, category in zip(parts, ("train", "val"), (5, photo), (1, class_id)):
        part.add_class("own", category, "bag")
        part.add_image("own", number, f"{name}/a.jpg")
        part.prepare()
    with pytest.raises(DataError, match=message):
        ResultIds("own", {"a": "train/a.jpg", "b": "val/a.jpg"}, {1: "bag"},
                  datasets=dict(zip(("train", "val"), parts)))


def in_parts(*starts):
    """Data of a program of its own in the parts train and val, of three photos each, ids counted from a start on."""
    datasets = {}
    for part, start in zip(("train", "val"), starts):
        datasets[part] = dataset = Dataset()
        dataset.add_class("own", 1, "bag")
        for i in range(3):
            dataset.add_image("own", start + i, f"/data/{part}/{i}.jpg")
        dataset.prepare()
    return datasets


def test_of_photos_of_one_name_in_several_parts_those_of_val_count():
    """They were not found, though the part val alone has them."""
    photos = {1: "/upload/0.jpg", 2: "/upload/1.jpg"}
    ids = ResultIds("own", photos, {1: "bag"}, datasets=in_parts(10, 20))
    assert ids.image_ids == {1: 20, 2: 21}
    told, elsewhere, _ = ids.differences()
    assert told == ("own: 2 of 2 photos have a name that several parts have, and are taken for those of the part val: "
                    "if they are others, leave them out (first: 0.jpg).")
    assert "(first: /upload/0.jpg, there /data/val/0.jpg)" in elsewhere
    message = "own: none of the 2 photos is found there: it has the names of 2 several times .first: 0.jpg.: let them"
    with pytest.raises(DataError, match=message):
        ResultIds("own", photos, {1: "bag"}, datasets=dict(zip(("train", "test"), in_parts(10, 20).values())))


def test_ids_that_other_photos_of_the_parts_have_too_are_told():
    photos = {1: "/data/val/0.jpg", 2: "/data/train/1.jpg"}
    ids = ResultIds("own", photos, {1: "bag"}, datasets=in_parts(0, 0))
    assert ids.image_ids == {1: 0, 2: 1}
    assert ids.differences()[0] == ("own: 2 of 2 photos have an id that it has for other photos too: let each photo of "
                                    "all parts have its own (first: 0.jpg: 0).")
    assert not any("other photos too" in line for line in
                   ResultIds("own", photos, {1: "bag"}, datasets=in_parts(0, 3)).differences())


def test_an_id_that_occurs_twice(tmp_path):
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}] * 2, "categories": CATEGORIES}))
    with pytest.raises(DataError, match="1 image ids occur twice"):
        ResultIds(str(path), photos("in/a.jpg"), {1: "bag"})
