"""Writing CVAT's XML: read back it has the same masks, classes, attributes and photos."""

import json

import numpy as np
import pytest
from made_pictures import Pictures
from PIL import Image

from mrcnn.data.formats import open_dataset, recognise, writer
from mrcnn.data.formats.cvat_file import CvatFile
from mrcnn.data.formats.cvat_writer import write_cvat
from mrcnn.data.run_lengths import encode
from mrcnn.errors import DataError

HEIGHT, WIDTH = 14, 18


def coco(folder, masks, crowds=(), attributes=()):
    """A COCO data set of two photos, the second without objects."""
    annotations = []
    for number, mask in enumerate(masks):
        annotations.append({
            "id": number + 1, "image_id": 1, "category_id": 5 + number % 2, "segmentation": encode(mask),
            "iscrowd": int(number in crowds), "attribute_ids": list(attributes) if not number else [],
        })
    names = {1: "s/a &.png", 2: "b.png"}
    images = [{"id": i, "file_name": name, "height": HEIGHT, "width": WIDTH} for i, name in names.items()]
    (folder / "s").mkdir(exist_ok=True)
    for entry in images:
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / entry["file_name"])
    path = folder / "coco.json"
    path.write_text(json.dumps({
        "info": {"url": "http://cocodataset.org"}, "images": images, "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in ((5, "shirt <a>"), (6, "bag, purse"), (7, "unused"))],
        "attributes": [{"id": 0, "name": "length: mini"}, {"id": 3, "name": "torn"}],
    }))
    return open_dataset(path)


def full(rows, columns):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[rows, columns] = True
    return mask


def test_masks_come_back_with_classes_attributes_and_photos(tmp_path):
    noise = np.random.default_rng(1).random((HEIGHT, WIDTH)) < 0.4
    holed = full(slice(2, 9), slice(3, 12))
    holed[4:6, 5:7] = False
    masks = [full(slice(0, 5), slice(0, 7)), noise, ~noise, holed]
    source = coco(tmp_path, masks, attributes=[0, 3])
    write_cvat(source, tmp_path / "out.xml")
    again = open_dataset(tmp_path / "out.xml", tmp_path)
    assert again.class_names == source.class_names == ["BG", "shirt <a>", "bag, purse", "unused"]
    assert [info["file_name"] for info in again.image_info] == ["s/a &.png", "b.png"]
    read, class_ids = again.load_mask(0)
    np.testing.assert_array_equal(read, np.stack(masks, axis=-1))
    assert class_ids.tolist() == [1, 2, 1, 2] and len(again.objects(1)) == 0
    assert again.attribute_names == {1: "length: mini", 2: "torn"}
    assert [entry.attributes for entry in again.objects(0)] == [(1, 2), (), (), ()]


def test_one_part_is_a_polygon_and_holes_and_parts_are_masks(tmp_path):
    holed = full(slice(2, 9), slice(3, 12))
    holed[4:6, 5:7] = False
    write_cvat(coco(tmp_path, [full(slice(0, 5), slice(0, 7)), holed]), tmp_path / "out.xml")
    polygon, mask = CvatFile(tmp_path / "out.xml").photos[0].shapes
    corners = sorted(zip(polygon.outline["all_points_x"], polygon.outline["all_points_y"]))
    assert corners == [(0, 0), (0, 5), (7, 0), (7, 5)]
    # Rows of 9: two full ones and two of the third, then two out, seven in, two out, and the rest in.
    assert mask.outline["counts"].tolist() == [0, 20, 2, 7, 2, 32]


def test_crowds_and_empty_objects_are_told(tmp_path):
    masks = [full(slice(0, 5), slice(0, 7)), full(slice(0, 5), slice(0, 7))]
    with pytest.warns(UserWarning, match="left out 1 crowds"):
        write_cvat(coco(tmp_path, masks, crowds=[1]), tmp_path / "out.xml")
    assert len(open_dataset(tmp_path / "out.xml", tmp_path).objects(0)) == 1


def test_a_data_set_of_ones_own(tmp_path):
    assert writer("cvat") is write_cvat
    mask = full(slice(1, 4), slice(2, 9))
    pictures = Pictures([(np.zeros((HEIGHT, WIDTH, 3), np.uint8), mask[..., None], np.array([2]))])
    write_cvat(pictures, tmp_path / "new" / "out.xml")
    assert recognise(tmp_path / "new" / "out.xml") == "cvat"
    (photo,) = CvatFile(tmp_path / "new" / "out.xml").photos
    assert (photo.name, photo.size) == ("picture0.png", {"height": "14", "width": "18"})
    assert photo.shapes[0].label == "class 2"


def test_a_name_that_xml_cannot_hold_is_named(tmp_path):
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pictures = Pictures([(photo, np.zeros((HEIGHT, WIDTH, 0), bool), np.zeros(0, int))])
    pictures.class_info[1]["name"] = "a\x0bb"
    with pytest.raises(DataError, match="x0b.*XML cannot hold: rename"):
        write_cvat(pictures, tmp_path / "out.xml")
    assert not (tmp_path / "out.xml").exists()


def test_classes_of_one_name_stay_two(tmp_path):
    source = coco(tmp_path, [full(slice(0, 5), slice(0, 7)), full(slice(6, 9), slice(0, 7))])
    source.class_info[2]["name"] = "shirt <a>"
    with pytest.warns(UserWarning, match="2 classes share their name with another"):
        write_cvat(source, tmp_path / "out.xml")
    again = open_dataset(tmp_path / "out.xml", tmp_path)
    assert again.class_names == ["BG", "shirt <a> (1)", "shirt <a> (2)", "unused"]
    assert again.object_classes(0).tolist() == [1, 2]
