"""YOLO's data sets as Ultralytics, Roboflow, CVAT, Label Studio and Darknet lay them out, and what may be wrong."""

import os
import warnings

import numpy as np
import pytest

from mrcnn.data.formats import open_dataset, parts_of, recognise
from mrcnn.errors import DataError
from tests.yolo_files import SQUARE, TRIANGLE, square_mask, write_tree

# A photo without labels is in most trees below.
pytestmark = pytest.mark.filterwarnings("ignore:.*without a text file of labels")

ROWS = f"1 {SQUARE}\n0 {TRIANGLE}\n"
ULTRALYTICS = {
    "data.yaml": "path: .\ntrain: images/train # photos\nval: images/val\ntest:\nnames:\n  0: shoe\n  1: shirt\n",
    "images/train/a.jpg": None, "images/train/b.jpg": None, "images/val/c.jpg": None,
    "labels/train/a.txt": ROWS, "labels/val/c.txt": f"1 {SQUARE}\n",
}
# Name of a layout: (files, what is given, part: names of photos, what is told).
LAYOUTS = {
    "ultralytics": (ULTRALYTICS, "data.yaml", {"train": ["images/train/a.jpg", "images/train/b.jpg"],
                                              "val": ["images/val/c.jpg"]}, "1 photo without a text file"),
    "roboflow": ({
        "data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['shoe', 'shirt']\n",
        "train/images/a.jpg": None, "train/labels/a.txt": ROWS, "valid/images/c.jpg": None, "valid/labels/c.txt": "",
    }, "", {"train": ["train/images/a.jpg"], "val": ["valid/images/c.jpg"]}, "2 paths of data.yaml that leads nowhere"),
    "roboflow in a folder of its name": ({
        "data.yaml": "path: ../datasets/x\ntrain: my-project-1/train/images\nval: my-project-1/valid/images\n"
                     "names: [shoe, shirt]\n",
        "train/images/a.jpg": None, "train/labels/a.txt": ROWS, "valid/images/c.jpg": None, "valid/labels/c.txt": "",
    }, "", {"train": ["train/images/a.jpg"], "val": ["valid/images/c.jpg"]},
        "my-project-1/train/images is train/images"),
    "cvat": ({
        "data.yaml": "path: ./\ntrain: train.txt\nnames:\n  0: shoe\n  1: shirt\n",
        "train.txt": "data/images/train/a.jpg\nimages/train/sub/b.png\n",
        "images/train/a.jpg": None, "images/train/sub/b.png": None,
        "labels/train/a.txt": ROWS, "labels/train/sub/b.txt": ROWS,
    }, "", {"train": ["images/train/a.jpg", "images/train/sub/b.png"]}, "1 photo named as its file looks"),
    "darknet": ({
        "obj.data": "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n",
        "obj.names": "shoe\nshirt\n", "train.txt": "data/obj_train_data/a.jpg\n",
        "obj_train_data/a.jpg": None, "obj_train_data/a.txt": ROWS,
    }, "", {"train": ["obj_train_data/a.jpg"]}, "taken for the one that it ends like"),
    "label studio": ({
        "classes.txt": "shoe\nshirt\n", "notes.json": "{}", "images/a.jpg": None, "labels/a.txt": ROWS,
    }, "", None, None),
    "lists of folders and of absolute paths": ({
        "set.yaml": "train: [one/images, two]\nval: val.txt\nnames: [shoe, shirt]\n",
        "one/images/a.jpg": None, "one/labels/a.txt": ROWS, "two/b.jpg": None, "two/b.txt": ROWS,
        "val.txt": "/content/data/three/images/c.jpg\n\n./three/images/d.jpg\n",
        "three/images/c.jpg": None, "three/images/d.jpg": None, "three/labels/c.txt": ROWS, "three/images/d.txt": ROWS,
    }, "set.yaml", {"train": ["one/images/a.jpg", "two/b.jpg"], "val": ["three/images/d.jpg", "three/images/c.jpg"]},
        "1 photo named as its file looks"),
}


def names_of(dataset):
    return [dataset.file_name(i) for i in dataset.image_ids]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_tools(tmp_path, layout):
    files, given, parts, said = LAYOUTS[layout]
    path = os.path.join(write_tree(tmp_path, files), given)
    assert recognise(path) == "yolo"
    assert set(parts_of(path)) == set(parts or ())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        dataset = open_dataset(path)
    assert (said or "") in " ".join(str(warning.message) for warning in told) and bool(told) == bool(said)
    assert dataset.class_names == ["BG", "shoe", "shirt"]
    if parts is None:
        assert names_of(dataset) == ["images/a.jpg"] and "split" not in dataset.image_info[0]
    else:
        assert set(names_of(dataset)) == {name for names in parts.values() for name in names}
    first = next(i for i in dataset.image_ids if dataset.file_name(i).endswith("a.jpg"))
    masks, class_ids = dataset.load_mask(first)
    assert class_ids.tolist() == [2, 1] == dataset.object_classes(first).tolist()
    np.testing.assert_array_equal(masks[..., 0], square_mask())
    assert dataset.load_image(first).shape == (16, 20, 3)
    for part, names in (parts or {}).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chosen = open_dataset(path, split=part)
        assert sorted(names_of(chosen)) == sorted(names)
        assert {info["split"] for info in chosen.image_info} == {part}


def test_a_photo_of_two_parts_is_taken_once_and_a_part_as_it_is(tmp_path):
    write_tree(tmp_path, {**ULTRALYTICS, "data.yaml": "train: images\nval: images/val\nnames: [shoe, shirt]"})
    with pytest.warns(UserWarning, match="1 photo of part train listed in val again: taken once"):
        assert len(open_dataset(tmp_path).image_ids) == 3
    assert len(open_dataset(tmp_path, split="val").image_ids) == 1


def test_photos_and_labels_in_linked_folders_are_read(tmp_path):
    write_tree(tmp_path / "far", {"photos/c.jpg": None, "texts/c.txt": ROWS})
    data = write_tree(tmp_path / "data", ULTRALYTICS)
    (data / "images" / "train" / "more").symlink_to(tmp_path / "far" / "photos")
    (data / "labels" / "train" / "more").symlink_to(tmp_path / "far" / "texts")
    dataset = open_dataset(data, split="train")
    assert "images/train/more/c.jpg" in names_of(dataset) and len(dataset.objects(len(dataset.image_ids) - 1)) == 2


def test_classes_of_one_name_are_one_class_and_missing_names_are_numbered(tmp_path):
    write_tree(tmp_path, {**ULTRALYTICS, "data.yaml": "train: images/train\nnames: [shirt, shirt]\n"})
    with pytest.warns(UserWarning, match="1 class of the name of another"):
        dataset = open_dataset(tmp_path)
    assert dataset.class_names == ["BG", "shirt"] and dataset.object_classes(0).tolist() == [1, 1]
    write_tree(tmp_path, {"data.yaml": "train: images/train\nnc: 2\n"})
    with pytest.warns(UserWarning, match="without a name: called class_0"):
        assert open_dataset(tmp_path).class_names == ["BG", "class_0", "class_1"]
    (tmp_path / "names.txt").write_text("hat\nbag\n")
    with pytest.warns(UserWarning):
        assert open_dataset(tmp_path, names=tmp_path / "names.txt").class_names == ["BG", "hat", "bag"]


def test_photos_elsewhere(tmp_path):
    here, photos = tmp_path / "export", tmp_path / "photos"
    files = {name: text for name, text in ULTRALYTICS.items() if text is not None}
    write_tree(here, files)
    write_tree(photos, {"a.jpg": None, "c.jpg": None})
    with pytest.raises(DataError, match="images/train: no such folder .*--images"):
        open_dataset(here)
    dataset = open_dataset(here, photos)
    assert names_of(dataset) == ["a.jpg", "c.jpg"] and dataset.object_classes(0).tolist() == [2, 1]
    write_tree(here, {"data.yaml": "train: train.txt\nnames: [shoe, shirt]\n",
                      "train.txt": "images/train/a.jpg\nimages/val/c.jpg"})
    with pytest.warns(UserWarning, match="2 photos named as its file looks"):
        assert names_of(open_dataset(here, photos)) == ["a.jpg", "c.jpg"]
    os.remove(photos / "c.jpg")
    with pytest.raises(DataError, match="1 of 2 photos are not in .*images/val/c.jpg"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        open_dataset(here, photos)


def test_names_with_the_digits_of_label_studio_find_photos_elsewhere(tmp_path):
    """Its YOLO export without photos calls text files as its uploads, or as what it would have fetched."""
    write_tree(tmp_path / "photos", {"a b.jpg": None, "in/IMG (1).png": None, "c.jpg": None, "d.jpg": None})
    path = write_tree(tmp_path / "export", {
        "classes.txt": "shoe\nshirt\n", "labels/61b36cc8__a%20b.txt": ROWS, "labels/0123abcd-IMG_1.txt": ROWS,
        "labels/0123abcd-c.txt": ROWS, "labels/1123abcd-c.txt": ROWS})
    with pytest.warns(UserWarning, match="2 photos whose text file has Label Studio's eight digits before its name"):
        dataset = open_dataset(path, str(tmp_path / "photos"), on_error="skip")
    assert {name: dataset.object_count(i) for i, name in enumerate(names_of(dataset))} == {
        "a b.jpg": 2, "in/IMG (1).png": 2, "c.jpg": 0, "d.jpg": 0}
    assert sorted(fault.photo for fault in dataset.faults) == ["0123abcd-c", "1123abcd-c"]


def test_a_bare_folder_needs_names(tmp_path):
    write_tree(tmp_path, {"a.jpg": None, "b.png": None, "a.txt": ROWS})
    with pytest.raises(DataError, match="nothing names the classes.*data.yaml.*--names"):
        open_dataset(tmp_path)
    (tmp_path / "classes.txt").write_text("shoe\nshirt")
    with pytest.warns(UserWarning, match="1 photo without a text file of labels: taken as photos without objects"):
        dataset = open_dataset(tmp_path)
    assert [len(dataset.objects(i)) for i in dataset.image_ids] == [2, 0]
    labels, photos = tmp_path / "other" / "labels", tmp_path / "photos"
    write_tree(labels, {"a.txt": ROWS})
    write_tree(photos, {"a.jpg": None})
    with pytest.raises(DataError, match="has labels of YOLO and no photos.*--images"):
        open_dataset(labels, names=tmp_path / "classes.txt")
    assert names_of(open_dataset(labels, photos, names=tmp_path / "classes.txt")) == ["a.jpg"]


def test_boxes(tmp_path):
    box = "0 0.5 0.5 0.2 0.25\n"  # centre (10, 8), sides 4 and 4: columns 8 to 11, rows 6 to 9
    write_tree(tmp_path, {**ULTRALYTICS, "labels/train/a.txt": box, "labels/val/c.txt": box})
    with pytest.raises(DataError, match="all 2 objects have a box and no outline .first: images/train/a.jpg"):
        open_dataset(tmp_path)
    with pytest.warns(UserWarning, match="2 objects written as a box: taken as its mask, a draft"):
        dataset = open_dataset(tmp_path, boxes_as_masks=True)
    expected = np.zeros((16, 20), bool)
    expected[6:10, 8:12] = True
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], expected)
    write_tree(tmp_path, {"labels/val/c.txt": ROWS})
    said = "1 of 3 rows are boxes among outlines .first: images/train/a.jpg, object 0.*--on-error skip.*--boxes-as-"
    with pytest.raises(DataError, match=said):
        open_dataset(tmp_path)
    with pytest.warns(UserWarning, match="skipped images/train/a.jpg, object 0: it has a box"):
        dataset = open_dataset(tmp_path, on_error="skip")
    assert "images/train/a.jpg" not in names_of(dataset)


@pytest.mark.parametrize("rows, said", [
    (f"7 {SQUARE}", "object 0: its class 7 has no name: classes are 0 to 1"),
    (f"{ROWS}0 0.1 nan 0.2 0.3 0.4 0.5", "object 2: its row has NaN"),
    ("0 16 20 300 20 300 200", "object 0: its row reaches from 16 to 300"),
])
def test_a_bad_row_is_named_and_can_be_skipped(tmp_path, rows, said):
    write_tree(tmp_path, {**ULTRALYTICS, "labels/train/a.txt": rows})
    with pytest.raises(DataError, match=f"images/train/a.jpg, {said}"):
        open_dataset(tmp_path)
    with pytest.warns(UserWarning, match=said):
        dataset = open_dataset(tmp_path, on_error="skip", keep_partial=True)
    assert len(dataset.faults) == 1 and len(dataset.image_ids) == 3


def test_a_file_that_lost_rows_after_loading_is_a_fault(tmp_path):
    write_tree(tmp_path, ULTRALYTICS)
    dataset = open_dataset(tmp_path)
    write_tree(tmp_path, {"labels/train/a.txt": f"1 {SQUARE}\n"})
    with pytest.raises(DataError, match="a.jpg, object 1: its row is no longer there: the file of labels has changed"):
        dataset.objects(0)


def test_what_is_told_of_rows(tmp_path):
    write_tree(tmp_path, {**ULTRALYTICS, "labels/train/b.txt": f"0 {SQUARE}\n0 {SQUARE}\n0 -0.01 0 0.5 0 0.5 1.02\n"})
    with pytest.warns(UserWarning) as told:
        dataset = open_dataset(tmp_path)
    text = " ".join(str(warning.message) for warning in told)
    assert "1 row written twice: taken once (first: images/train/b.jpg)" in text
    assert "1 object that reaches a little out of its photo: cut off" in text
    assert [entry.number for entry in dataset.objects(1)] == [0, 2] and not dataset.only_boxes


def test_outlines_of_four_corners_alone_may_be_oriented_boxes(tmp_path):
    write_tree(tmp_path, {**ULTRALYTICS, "labels/train/a.txt": "0 0.1 0.5 0.5 0.1 0.9 0.5 0.5 0.9\n",
                          "labels/val/c.txt": f"1 {SQUARE}\n"})
    with pytest.warns(UserWarning, match="2 objects of four corners, as all are: oriented boxes .OBB. look so"):
        assert not open_dataset(tmp_path).only_boxes
    write_tree(tmp_path, {"labels/train/a.txt": f"1 {SQUARE}\n"})
    assert open_dataset(tmp_path).only_boxes  # which the commands tell


def test_an_outline_without_a_pixel_is_no_object(tmp_path):
    write_tree(tmp_path, {**ULTRALYTICS, "labels/train/a.txt": "0 0.5 0.5 0.5 0.5 0.5 0.5\n"})
    with pytest.warns(UserWarning):
        dataset = open_dataset(tmp_path)
    assert dataset.objects(0) == [] and dataset.object_faults(0)[0].kind == "empty mask"


@pytest.mark.parametrize("change, said", [
    ({"data.yaml": "train: images/train\nkpt_shape: [17, 3]\nnames: [a]"}, "keypoints, which are no outlines"),
    ({"data.yaml": "train: images/gone\nnames: [a]"}, "images/gone: no such folder or list of photos"),
    ({"data.yaml": "train: {a: b}\nnames: [a]"}, "train must be a folder, a list of folders"),
    ({"data.yaml": "train: images/train\nnames: {x: shirt}"}, "names: x: 'shirt' is no index"),
    ({"data.yaml": "train: images/train\nnames: [~]"}, "names: 0: 'None' is no index with the name"),
    ({"data.yaml": f"train: images/train\nnames: {{{'9' * 5000}: a}}"}, "names: 99999999999999999999: 'a' is no index"),
    ({"data.yaml": "train: images/train\nnames: {0: a, 00: b}"}, "names: 00: 'b' .* has the index of another"),
    ({"data.yaml": "train: images/train\nnames: [a]\nnc: many"}, "nc: 'many' is no number"),
    ({"data.yaml": "train: elsewhere\nnames: [a]", "elsewhere/x.jpg": None}, "none of 1 photos has a text file"),
    ({"images/train/b.jpg": "no photo"}, "images/train/b.jpg: .*not a readable image"),
])
def test_refusals(tmp_path, change, said):
    write_tree(tmp_path, {**ULTRALYTICS, **change})
    with pytest.raises(DataError, match=said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        open_dataset(tmp_path / "data.yaml")


def test_parts_and_options_that_are_not_there(tmp_path):
    write_tree(tmp_path, ULTRALYTICS)
    with pytest.raises(DataError, match="has no part 'test': it has train, val"):
        open_dataset(tmp_path, split="test")
    with pytest.raises(DataError, match="takes no mapping"):
        open_dataset(tmp_path, mapping="ccp-13")
    with pytest.raises(DataError, match="takes no split: leave split 'train' out"):
        open_dataset(tmp_path, form="labelme", split="train")


def test_paths_that_lead_out_are_followed_and_told_for_folders_and_not_for_photos(tmp_path):
    here = tmp_path / "here"
    write_tree(tmp_path, {"other/images/a.jpg": None, "other/labels/a.txt": ROWS, "secret.jpg": None})
    write_tree(here, {"data.yaml": "train: ../other/images\nnames: [shoe, shirt]\n"})
    with pytest.warns(UserWarning, match="1 path of data.yaml that leads out of its folder: followed"):
        assert names_of(open_dataset(here)) == ["other/images/a.jpg"]
    write_tree(here, {"data.yaml": "train: train.txt\nnames: [shoe, shirt]\n", "train.txt": "../secret.jpg\na.jpg\n",
                      "a.jpg": None, "a.txt": ROWS})
    with pytest.raises(DataError, match="1 of 2 photos are not in .*: secret.jpg"):
        open_dataset(here)


def test_label_files_that_belong_to_two_photos_or_to_none_are_told(tmp_path):
    path = write_tree(tmp_path, {
        "data.yaml": "train: images/train\nnames: [shoe, shirt]\n", "images/train/a.jpg": None,
        "images/train/a.png": None, "images/train/b.jpg": None, "labels/train/a.txt": ROWS, "labels/train/B.txt": ROWS,
        "labels/train/c.txt": ROWS, "labels/train/readme.txt": "x",
    })
    with pytest.warns(UserWarning) as told:
        dataset = open_dataset(path)
    said = " ".join(str(entry.message) for entry in told)
    assert "1 photo that shares its text file with another of the same stem" in said and "a.png" in said
    assert "1 photo whose text file is called so in other letters, large and small: taken" in said
    assert "1 text file of labels without a photo: left out" in said and "(first: labels/train/c.txt)" in said
    assert [dataset.object_count(i) for i in range(3)] == [dataset.object_count(0)] * 3 and dataset.object_count(0)


def test_lists_of_another_machine_and_photos_elsewhere(tmp_path):
    """CVAT without saved images, and Darknet: what is listed has folders that are not here."""
    path = write_tree(tmp_path / "export", {
        "data.yaml": "path: ./\ntrain: train.txt\nnames:\n  0: shoe\n  1: shirt\n",
        "train.txt": "data/images/train/a.jpg\n", "labels/train/a.txt": ROWS,
    })
    write_tree(tmp_path / "photos", {"a.jpg": None})
    dataset = open_dataset(path, tmp_path / "photos")
    assert names_of(dataset) == ["a.jpg"] and dataset.object_count(0)


@pytest.mark.parametrize("settings, told", [
    ("train: images/train\ndefault: images/default\n", ["default: images/default"]),
    ("train: images/train\nTrain: [images/default]\n", ["Train: images/default"]),
    ("train: images/train\nextra: extra.txt\nnotes: readme.txt\n", ["extra: extra.txt"]),
    ("train: images/train\nroot: images\nlabels: labels/train\nsame: images/train\nupper: ../\nbackup: none\n"
     "site: https://x.y/z\n", []),
    ("train: [images/train, images/default]\nextra: images/default\n", []),
])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_parts_that_are_passed_over_are_told(tmp_path, settings, told, elsewhere):
    write_tree(tmp_path / "set", {
        "data.yaml": f"{settings}names: [shoe, shirt]\n", "labels/train/a.txt": ROWS, "labels/default/b.txt": ROWS,
        "extra.txt": "images/default/b.jpg\n", "readme.txt": "of us\n"})
    photos = tmp_path / ("photos" if elsewhere else "set/images")
    write_tree(photos, {f"{name}.jpg": None for name in (("a", "b") if elsewhere else ("train/a", "default/b"))})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = open_dataset(tmp_path / "set", photos if elsewhere else None)
    assert [note.first for note in dataset.notes if note.how.startswith("of data.yaml that names photos")] == told


@pytest.mark.parametrize("above", ["images/set", "other/set"])
@pytest.mark.parametrize("train, label", [("train", "train/a.txt"), ("images/train", "labels/train/a.txt"),
                                          ("images/train", "images/train/a.txt"), (".", "a.txt")])
def test_folders_above_the_data_set_may_be_called_images(tmp_path, above, train, label):
    write_tree(tmp_path / above, {"data.yaml": f"train: {train}\nnames: [shoe, shirt]\n", label: ROWS})
    write_tree(tmp_path / "photos", {"a.jpg": None})
    dataset = open_dataset(tmp_path / above, tmp_path / "photos")
    assert names_of(dataset) == ["a.jpg"] and dataset.load_mask(0)[1].tolist() == [2, 1]


def test_folders_without_labels_for_photos_elsewhere_are_told(tmp_path):
    write_tree(tmp_path / "set", {"data.yaml": "train: images/train\nval: images/val\nnames: [shoe, shirt]\n",
                                  "labels/train/a.txt": ROWS, "labels/val/classes.txt": "shoe"})
    write_tree(tmp_path / "photos", {"a.jpg": None})
    with pytest.warns(UserWarning, match="1 folder of data.yaml without text files of labels.*labels/val"):
        assert names_of(open_dataset(tmp_path / "set", tmp_path / "photos")) == ["a.jpg"]
    with pytest.raises(DataError, match="labels/val: has no text files of labels, though .*set names it"):
        open_dataset(tmp_path / "set", tmp_path / "photos", split="val")
    (tmp_path / "set/labels").rename(tmp_path / "set/moved")
    with pytest.raises(DataError, match="labels/train: no such folder of labels, though .*set names it"):
        open_dataset(tmp_path / "set", tmp_path / "photos")
