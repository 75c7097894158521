"""Names that no file and no terminal likes: readers take them or say what is wrong, and nothing shows them raw."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.config import Config
from mrcnn.data.curation.statistics import summarise, summary_text
from mrcnn.data.curation.validate import faults_text, validate, write_faults
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.writers import write_coco
from mrcnn.errors import DataError

NAMES = ["a\ud800b", "a\0b", "/", "a/b", "", ".", "..", "\x1b[31mred", "$\\frac{$", "a\nb", "\u202eabc", "a:b",
         "\udcff", " "]
POINTS = [2, 2, 9, 2, 9, 9, 2, 9]


def coco(folder, photo, name):
    content = {"images": [{"id": 1, "file_name": photo, "height": 20, "width": 30}],
               "categories": [{"id": 1, "name": name}],
               "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [POINTS]}]}
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def via(folder, photo, name):
    shape = {"name": "polygon", "all_points_x": POINTS[::2], "all_points_y": POINTS[1::2]}
    regions = [{"shape_attributes": shape, "region_attributes": {"name": name}}]
    (folder / "a.json").write_text(json.dumps({"a1": {"filename": photo, "size": 1, "regions": regions}}))
    return folder / "a.json"


def labelme(folder, photo, name):
    shapes = [{"label": name, "points": np.reshape(POINTS, (-1, 2)).tolist(), "shape_type": "polygon"}]
    content = {"shapes": shapes, "imagePath": photo, "imageHeight": 20, "imageWidth": 30}
    (folder / "x.json").write_text(json.dumps(content))
    return folder


def table(folder, photo, name):
    text = f'ImageId,EncodedPixels,ClassId\n"{photo}",1 5,"{name}"\n'
    (folder / "a.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    return folder / "a.csv"


def label_maps(folder, photo, name):
    (folder / "labels").mkdir()
    Image.fromarray(np.full((20, 30), 1, np.uint8)).save(folder / "labels" / "a.png")
    (folder / "names.json").write_text(json.dumps(["none", name]))
    return folder / "labels"


def instances(folder, photo, name):
    if any(letter in name for letter in "\0/\ud800") or not name.strip("."):
        name = "object"  # no folder can be called so
    (folder / "a" / "images").mkdir(parents=True)
    (folder / "a" / "masks" / name).mkdir(parents=True)
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(folder / "a" / "images" / "a.png")
    Image.fromarray(np.full((20, 30), 255, np.uint8)).save(folder / "a" / "masks" / name / "1.png")
    return folder


@pytest.mark.parametrize("write", [coco, via, labelme, table, label_maps, instances])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("of_photo", [True, False])
def test_names_of_photos_and_classes(tmp_path, write, on_error, of_photo):
    for number, name in enumerate(NAMES):
        folder = tmp_path / str(number)
        folder.mkdir()
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(folder / "a.jpg")
        path = write(folder, name if of_photo else "a.jpg", "hat" if of_photo else name)
        names = str(folder / "names.json") if write is label_maps else None
        images = None if write is instances else str(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                dataset = open_dataset(str(path), images, on_error=on_error, names=names)
            except DataError:
                continue
            faults = validate(dataset, 1, False)
            shown = faults_text(faults) + summary_text(summarise(dataset, Config(NUM_CLASSES=dataset.num_classes)))
            write_faults(folder / "faults.json", faults)
            write_coco(dataset, str(folder / "coco" / "all.json"))
        assert not set(shown) & set("\x1b\0\ud800\u202e\udcff")
        copy = open_dataset(str(folder / "coco" / "all.json"), images or str(folder))
        assert copy.class_names == dataset.class_names
