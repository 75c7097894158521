"""LabelMe's files as they are written: read back, every mask is the same, by this reader and by LabelMe itself."""

import importlib.util
import json
import os

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, ObjectAnnotation
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.labelme_writer import write_labelme
from mrcnn.errors import DataError

HEIGHT, WIDTH = 24, 30


def plane(*boxes, less=()):
    """bool [H, W]: rectangles (y1, x1, y2, x2), without others."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for y1, x1, y2, x2 in boxes:
        mask[y1:y2, x1:x2] = True
    for y1, x1, y2, x2 in less:
        mask[y1:y2, x1:x2] = False
    return mask


RING = plane((3, 3, 12, 12), less=[(5, 5, 9, 9)])
MASKS = [
    plane((2, 3, 10, 12)),  # a polygon
    plane((2, 3, 10, 12), (4, 8, 20, 15)),
    RING,  # with a hole: a mask
    plane((1, 1, 4, 4), (10, 10, 15, 20)),  # of two parts
    plane((1, 1, 4, 4)) | plane((12, 12, 22, 22), less=[(14, 14, 18, 18)]),  # of two, one of them with a hole
    plane((5, 5, 6, 6)),  # one pixel
    plane((2, 2, 4, 4), (4, 4, 6, 6)),  # parts that touch in a corner
    plane((0, 0, HEIGHT, WIDTH)),
    np.random.default_rng(0).random((HEIGHT, WIDTH)) > 0.5,  # of very many parts
]


class Made(AnnotatedDataset):
    """Photos with objects as they are given."""

    def read_objects(self, image_id):
        yield from self.image_info[image_id]["entries"]


def made(folder, entries, names=("mug", "Glas ü")):
    dataset = Made()
    for class_id, name in enumerate(names, 1):
        dataset.add_class("made", class_id, name)
    dataset.attribute_names = {4: "chipped", 9: "full"}
    for name, some in entries.items():
        (folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(folder / "photos" / name)
        dataset.add_photo("made", name, str(folder / "photos" / name), name, HEIGHT, WIDTH, entries=some)
    dataset.prepare()
    return dataset


def entry(number, mask, class_id=1, crowd=False, attributes=()):
    return ObjectAnnotation(number, class_id, run_lengths.encode(mask), crowd, attributes)


@pytest.fixture
def written(tmp_path):
    """(data set, folder) of all masks in a photo each, and all in one."""
    entries = {f"{i}.png": [entry(0, mask, 1 + i % 2)] for i, mask in enumerate(MASKS)}
    entries["sub/all.png"] = [entry(i, mask, attributes=(4, 9) if i == 3 else ()) for i, mask in enumerate(MASKS)]
    entries["none.png"] = []
    dataset = made(tmp_path, entries)
    told = write_labelme(dataset, tmp_path / "labelme")
    assert f"--images {tmp_path / 'photos'} says where they are" in told
    assert "labels.txt keeps the classes' order" in told
    return dataset, tmp_path / "labelme"


@pytest.mark.parametrize("place, shown", [("", "."), ("my photos", "'my photos'")])
def test_where_photos_lie_is_said_as_a_command_takes_it(tmp_path, monkeypatch, place, shown):
    monkeypatch.chdir(tmp_path)
    dataset = Made()
    dataset.add_class("made", 1, "shirt")
    photo = os.path.join(place, "a.png")
    os.makedirs(place or ".", exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT)).save(photo)
    dataset.add_photo("made", "a.png", photo, "a.png", HEIGHT, WIDTH, entries=[entry(0, MASKS[0])])
    dataset.prepare()
    told = write_labelme(dataset, "my files")
    assert f"--images {shown} says where they are" in told and f"--names 'my files{os.sep}labels.txt' keeps" in told


def test_what_is_read_back_is_the_same(tmp_path, written):
    dataset, folder = written
    assert (folder / "labels.txt").read_text() == "mug\nGlas ü\n"
    back = open_dataset(folder, tmp_path / "photos", names=folder / "labels.txt")
    assert back.class_names == dataset.class_names and len(back.image_ids) == len(MASKS) + 2
    for image_id in dataset.image_ids:
        name = dataset.file_name(image_id)
        (other,) = (i for i in back.image_ids if back.file_name(i) == name)
        same = [(a.class_id, run_lengths.compress(a.rle)) for a in dataset.objects(image_id)]
        assert [(b.class_id, run_lengths.compress(b.rle)) for b in back.objects(other)] == same
        words = [tuple(back.attribute_names[i] for i in b.attributes) for b in back.objects(other)]
        assert words == [tuple(dataset.attribute_names[i] for i in a.attributes) for a in dataset.objects(image_id)]


def test_outlines_can_be_edited_where_they_are_exact(written):
    shapes = {i: json.loads((written[1] / f"{i}.json").read_text())["shapes"] for i in range(len(MASKS))}
    kinds = {i: [shape["shape_type"] for shape in some] for i, some in shapes.items()}
    assert kinds[0] == kinds[1] == kinds[7] == ["polygon"] and kinds[2] == ["mask"]
    assert kinds[3] == ["polygon", "polygon"] and sorted(kinds[4]) == ["mask", "polygon"]
    assert kinds[8] == ["mask"]  # in place of very many polygons
    assert shapes[0][0]["group_id"] is None and [shape["group_id"] for shape in shapes[3]] == [1, 1]
    assert sorted(shapes[0][0]["points"]) == [[3, 2], [3, 10], [12, 2], [12, 10]]


@pytest.mark.skipif(not importlib.util.find_spec("labelme"), reason="labelme is not installed")
def test_labelme_itself_draws_the_same(written):
    """Its own reading of a file, and its own drawing of masks; of polygons it draws the edge pixels too."""
    from labelme._label_file import LabelFile

    for i, mask in enumerate(MASKS):
        shapes = LabelFile(str(written[1] / f"{i}.json")).shapes
        for shape in shapes:
            if shape["shape_type"] == "mask":
                (x1, y1), (x2, y2) = np.asarray(shape["points"], int)
                assert shape["mask"].shape == (y2 - y1 + 1, x2 - x1 + 1)
                np.testing.assert_array_equal(shape["mask"], mask[y1:y2 + 1, x1:x2 + 1])


def test_what_the_form_cannot_hold_is_told(tmp_path):
    dataset = made(tmp_path, {"a.png": [entry(0, MASKS[0]), entry(1, MASKS[1], crowd=True)], "a.jpg": []})
    with pytest.warns(UserWarning, match="labelme: left out 1 crowds"):
        write_labelme(dataset, tmp_path / "labelme")
    assert sorted(path.name for path in (tmp_path / "labelme").iterdir()) == ["a.json", "a_2.json", "labels.txt"]
    with pytest.raises(DataError, match="'__ignore__': LabelMe takes this name for no object"):
        write_labelme(made(tmp_path, {"b.png": []}, ("__ignore__",)), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_classes_of_one_name_stay_two(tmp_path):
    dataset = made(tmp_path, {"a.png": [entry(0, MASKS[0], 1), entry(1, MASKS[1], 2)]}, ("mug", "mug"))
    with pytest.warns(UserWarning, match="2 classes share their name with another"):
        write_labelme(dataset, tmp_path / "labelme")
    again = open_dataset(tmp_path / "labelme", tmp_path / "photos", names=tmp_path / "labelme" / "labels.txt")
    assert again.class_names == ["BG", "mug (1)", "mug (2)"] and again.object_classes(0).tolist() == [1, 2]
