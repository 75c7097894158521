"""Writing YOLO: what is read back has the same masks, and what the form cannot hold is told."""

import os
import re
import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.write_yolo import joined, write_yolo
from mrcnn.errors import DataError

SIZE = (37, 53)


class Masks(Dataset):
    """Photos without files, whose masks are given: {name: (list of masks, class ids)}."""

    def __init__(self, photos, classes=("shirt", "shoe: left, \"new\"")):
        super().__init__()
        self.photos = photos
        for i, name in enumerate(classes, start=1):
            self.add_class("own", i, name)
        for name in photos:
            self.add_image("own", name, None, file_name=name)
        self.prepare()
        self.class_names = ["BG", *classes]

    def load_image(self, image_id):
        return np.full((*SIZE, 3), 10 * image_id, np.uint8)

    def load_mask(self, image_id):
        masks, class_ids = self.photos[self.image_info[image_id]["id"]]
        return (np.stack(masks, axis=2) if masks else np.zeros((*SIZE, 0), bool)), np.array(class_ids, np.int32)


class Files(Masks):
    """The same with photos that are files."""

    load_image = Dataset.load_image


def shape(*rectangles, hole=None):
    mask = np.zeros(SIZE, bool)
    for top, left, bottom, right in rectangles:
        mask[top:bottom, left:right] = True
    if hole:
        mask[hole[0]:hole[2], hole[1]:hole[3]] = False
    return mask


def noise(seed):
    """Blobs of chance form, of several parts, with holes, that touch over corners and at the photo's edge."""
    rng = np.random.default_rng(seed)
    return np.kron(rng.random((10, 14)) < 0.5, np.ones((4, 4), bool))[:SIZE[0], :SIZE[1]]


PLAIN = shape((2, 3, 20, 9), (10, 3, 20, 30))
PARTS, HOLE = shape((0, 0, 5, 7), (30, 40, 37, 53)), shape((5, 5, 30, 45), hole=(10, 12, 20, 30))


def test_the_same_masks_are_read_back(tmp_path):
    dataset = Masks({"a.jpg": ([PLAIN, PARTS, HOLE], [1, 2, 1]), "b.png": ([], []),
                     "sub/c": ([noise(i) for i in range(6)], [1, 2] * 3)})
    for info, part in zip(dataset.image_info, ("train", "val", "val")):
        info["split"] = part
    with pytest.warns(UserWarning, match="8 objects of several parts or with holes are one outline each"):
        told = write_yolo(dataset, tmp_path / "out")
    assert re.fullmatch("The photos are copied to .*images.", told)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = open_dataset(tmp_path / "out" / "data.yaml")
    assert [read.file_name(i) for i in read.image_ids] == [
        "images/train/a.png", "images/val/b.png", "images/val/sub/c.png"]
    assert [info["split"] for info in read.image_info] == ["train", "val", "val"]
    assert read.class_names == dataset.class_names
    for image_id in dataset.image_ids:
        for before, after in zip(dataset.load_mask(image_id), read.load_mask(image_id)):
            np.testing.assert_array_equal(before, after)
        np.testing.assert_array_equal(read.load_image(image_id), dataset.load_image(image_id))
    write_yolo(read, tmp_path / "again")
    names = [os.path.join("labels", part, name) for part, name in (("train", "a.txt"), ("val", "sub/c.txt"))]
    for name in [*names, "data.yaml"]:
        assert (tmp_path / "again" / name).read_text() == (tmp_path / "out" / name).read_text()


def test_outlines_are_corners_in_shares_of_the_sides(tmp_path):
    dataset = Masks({"a.png": ([shape((0, 0, 37, 53))], [2])})
    with pytest.warns(UserWarning, match="has no part val, which Ultralytics asks for: --split FILE"):
        write_yolo(dataset, tmp_path / "out")
    label, *corners = (tmp_path / "out" / "labels" / "train" / "a.txt").read_text().split()
    assert label == "1" and {tuple(corners[i:i + 2]) for i in range(0, 8, 2)} == {
        ("0", "0"), ("1", "0"), ("1", "1"), ("0", "1")}
    text = (tmp_path / "out" / "data.yaml").read_text()
    assert text == 'train: images/train\nnc: 2\nnames:\n  0: "shirt"\n  1: "shoe: left, \\"new\\""\n'


@pytest.mark.filterwarnings("ignore:.*has no part val")
def test_names_are_those_that_a_whole_parser_reads(tmp_path):
    names = ("sneaker \U0001f45f", "caf\xe9 'x' \\ \"y\" # z: \x7f\x85\u2028\ufeff")
    write_yolo(Masks({"a.png": ([PLAIN], [1])}, names), tmp_path / "out")
    assert open_dataset(tmp_path / "out").class_names[1:] == list(names)
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load((tmp_path / "out" / "data.yaml").read_text("utf-8"))["names"] == dict(enumerate(names))


def test_rings_are_joined_at_their_first_corners():
    first, second = np.array([[0, 0], [4, 0], [4, 4.0]]), np.array([[1, 1], [2, 1], [2, 2.0]])
    assert joined([first]) is first
    assert joined([first, second]).tolist() == [
        [0, 0], [4, 0], [4, 4], [0, 0], [1, 1], [2, 1], [2, 2], [1, 1], [0, 0]]


@pytest.mark.filterwarnings("ignore:.*has no part val")
def test_what_is_left_out_and_photos_of_one_stem(tmp_path):
    dataset = Masks({"a.jpg": ([PLAIN, HOLE], [1, -1]), "a.png": ([PLAIN, shape()], [1, 1])})
    with pytest.warns(UserWarning) as told:
        write_yolo(dataset, tmp_path / "out")
    text = " ".join(str(warning.message) for warning in told)
    assert "left out 1 objects without a pixel, 1 crowds" in text and "1 photos are called after their endings" in text
    read = open_dataset(tmp_path / "out")
    assert [read.file_name(i) for i in read.image_ids] == ["images/train/a.png", "images/train/a_png.png"]
    assert [read.object_count(i) for i in read.image_ids] == [1, 1]


@pytest.mark.filterwarnings("ignore:.*has no part val")
def test_files_are_copied_or_linked_and_the_users_stay(tmp_path):
    photos = tmp_path / "train" / "images"
    photos.mkdir(parents=True)
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(photos / "a.jpg")
    dataset = Files({"train/images/a.jpg": ([PLAIN], [1])})
    dataset.image_info[0]["path"] = str(photos / "a.jpg")
    write_yolo(dataset, tmp_path / "copies")
    assert (tmp_path / "copies/images/train/a.jpg").read_bytes() == (photos / "a.jpg").read_bytes()
    assert "linked" in write_yolo(dataset, tmp_path / "links", photos="link")
    assert os.readlink(tmp_path / "links/images/train/a.jpg") == str(photos / "a.jpg")
    with pytest.raises(DataError, match="train: holds .*a.jpg, a photo of the data to convert"):
        write_yolo(dataset, tmp_path / "train")
    with pytest.raises(DataError, match="photos='move': take one of copy, link"):
        write_yolo(dataset, tmp_path / "x", photos="move")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("x")
    with pytest.raises(DataError, match="mine: cannot write"):
        write_yolo(dataset, tmp_path / "mine")
    assert os.listdir(tmp_path / "mine") == ["file"]


@pytest.mark.filterwarnings("ignore")
def test_another_program_reads_the_same_objects(tmp_path):
    supervision = pytest.importorskip("supervision")
    write_yolo(Masks({"a.jpg": ([PLAIN, HOLE], [1, 2])}), tmp_path)
    folders = [str(tmp_path / kind / "train") for kind in ("images", "labels")]
    ((_, _, read),) = supervision.DetectionDataset.from_yolo(*folders, str(tmp_path / "data.yaml"), force_masks=True)
    assert read.class_id.tolist() == [0, 1]
    for own, mask in zip((PLAIN, HOLE), read.mask):
        # It draws by OpenCV, which fills what an outline touches: one pixel more to the right and below, and the line
        # to the hole.
        grown = own | np.roll(own, 1, 0) | np.roll(own, 1, 1) | np.roll(own, (1, 1), (0, 1))
        grown[5:11, 5:13] = True
        assert (own <= mask).all() and (mask <= grown).all()


def read_back(dataset, folder):
    """{name: columns that the objects of the photo hold} of what is written and read again."""
    write_yolo(dataset, folder)
    read = open_dataset(folder)
    return {read.file_name(i): np.flatnonzero(read.load_mask(i)[0].any(axis=(0, 2))).tolist() for i in read.image_ids}


@pytest.mark.filterwarnings("ignore:.*has no part val")
@pytest.mark.parametrize("photos", [
    {"train/a.jpg": "train", "a.jpg": None},
    {"images/1.jpg": "train", "1.jpg": None, "val/1.jpg": "default"},
    {"train/a.jpg": "Training", "a.jpg": "train"},
    {"train/a.jpg": "train", "A.JPG": None},
])
def test_no_photo_takes_the_place_of_another_part(tmp_path, photos):
    dataset = Masks({name: ([shape((2, i, 9, i + 3))], [1]) for i, name in enumerate(photos)})
    for info, part in zip(dataset.image_info, photos.values()):
        info.update({"split": part} if part else {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read_back(dataset, tmp_path / "out")
    assert sorted(found.values()) == [[i, i + 1, i + 2] for i in range(len(photos))]


@pytest.mark.filterwarnings("ignore:.*has no part val")
def test_photos_in_folders_called_images_keep_their_labels(tmp_path):
    names = ("setA/images/1.jpg", "setA/photos/1.jpg", "images/x/images/images/2.jpg", "labels/3.jpg", ".s/4.jpg")
    dataset = Masks({name: ([shape((2, i, 9, i + 3))], [1]) for i, name in enumerate(names)})
    with pytest.warns(UserWarning) as told:
        found = read_back(dataset, tmp_path / "out")
    text = " ".join(str(warning.message) for warning in told)
    assert "3 photos are called otherwise, for readers pass over their own" in text
    assert found == {"images/train/setA/photos/1.png": [0, 1, 2], "images/train/setA/photos/1_jpg.png": [1, 2, 3],
                     "images/train/x/photos/photos/2.png": [2, 3, 4], "images/train/labels/3.png": [3, 4, 5],
                     "images/train/_s/4.png": [4, 5, 6]}


def test_parts_that_yolo_does_not_know_are_told_and_read_back(tmp_path):
    parts = ("default", "Validation", "../x", "testing", "train")
    dataset = Masks({f"{i}.jpg": ([PLAIN], [1]) for i in range(5)})
    for info, part in zip(dataset.image_info, parts):
        info["split"] = part
    with pytest.warns(UserWarning, match="2 photos of part '../x', 'default' are written to train.*--split FILE"):
        write_yolo(dataset, tmp_path / "out")
    text = (tmp_path / "out" / "data.yaml").read_text()
    assert text.startswith("train: images/train\nval: images/val\ntest: images/test\nnc: 2\n")
    read = open_dataset(tmp_path / "out")
    assert [info["split"] for info in read.image_info] == ["train"] * 3 + ["val", "test"]
    assert os.listdir(tmp_path) == ["out"]


def test_classes_of_one_name_stay_two(tmp_path):
    dataset = Masks({"a.jpg": ([shape((5, 5, 10, 20)), shape((12, 5, 18, 20))], [2, 1])}, ("hat", "hat"))
    with pytest.warns(UserWarning, match="2 classes share their name with another"):
        write_yolo(dataset, tmp_path / "out")
    again = open_dataset(tmp_path / "out" / "data.yaml")
    assert again.class_names == ["BG", "hat (1)", "hat (2)"] and sorted(again.object_classes(0).tolist()) == [1, 2]
