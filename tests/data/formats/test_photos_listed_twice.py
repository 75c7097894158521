"""Photos that a second entry of the annotations lists, in the formats of one file or task a photo."""

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import open_dataset


def labelme(folder, place, at):
    shape = {"label": "a", "points": [[at, at], [at + 9, at], [at + 9, at + 9]], "shape_type": "polygon", "flags": {}}
    content = {"version": "5.0", "flags": {}, "shapes": [shape], "imagePath": "a.jpg", "imageData": None,
               "imageHeight": 40, "imageWidth": 40}
    (folder / f"a{place}.json").write_text(json.dumps(content))
    return folder


def label_studio(folder, place, at):
    path = folder / "tasks.json"
    tasks = json.loads(path.read_text()) if place else []
    region = {"id": f"r{place}", "type": "polygonlabels", "from_name": "l", "to_name": "image", "original_width": 40,
              "original_height": 40, "image_rotation": 0,
              "value": {"points": [[at, at], [at + 20, at], [at + 20, at + 20]], "polygonlabels": ["a"]}}
    tasks.append({"id": place, "data": {"image": "a.jpg"}, "annotations": [{"id": place, "result": [region]}]})
    path.write_text(json.dumps(tasks))
    return path


def via(folder, place, at):
    path = folder / "via.json"
    entries = json.loads(path.read_text()) if place else {}
    shape = {"name": "polygon", "all_points_x": [at, at + 9, at + 9], "all_points_y": [at, at, at + 9]}
    name = "A.JPG" if place else "a.jpg"
    entries[str(place)] = {"filename": name, "size": 1, "file_attributes": {},
                           "regions": [{"shape_attributes": shape, "region_attributes": {"c": "a"}}]}
    path.write_text(json.dumps(entries))
    return path


def supervisely(folder, place, at):
    (folder / "ann").mkdir(exist_ok=True)
    points = {"exterior": [[at, at], [at + 9, at], [at + 9, at + 9]], "interior": []}
    entry = {"id": place, "classTitle": "a", "geometryType": "polygon", "points": points, "tags": []}
    content = {"size": {"height": 40, "width": 40}, "tags": [], "objects": [entry]}
    (folder / "ann" / ("a.json" if place else "a.jpg.json")).write_text(json.dumps(content))
    return folder / "ann"


@pytest.mark.parametrize("write", [labelme, label_studio, via, supervisely])
def test_objects_that_a_second_entry_alone_has_are_lost_to_the_photo(tmp_path, write):
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "a.jpg")
    for at, lost in ((3, []), (20, [1])):
        write(tmp_path, 0, 3)
        path = write(tmp_path, 1, at)
        dataset = open_dataset(str(path), str(tmp_path), on_error="skip", keep_partial=True)
        assert len(dataset.image_ids) == 1
        assert [loss.objects for loss in dataset.lost if loss.photo == "a.jpg"] == lost


def test_two_names_that_are_like_one_file_are_two_missing_photos(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / name)
    entries = {}
    for place, name in enumerate(("A.jpg", "A.JPG", "b.jpg")):
        via(tmp_path, 0, 3)
        entries[str(place)] = {**json.loads((tmp_path / "via.json").read_text())["0"], "filename": name}
    (tmp_path / "via.json").write_text(json.dumps(entries))
    polygon = {"category_id": 1, "segmentation": [[3, 3, 12, 3, 12, 12]], "area": 40, "bbox": [3, 3, 9, 9],
               "iscrowd": 0}
    (tmp_path / "coco.json").write_text(json.dumps({
        "images": [{"id": int(place), "file_name": entry["filename"], "height": 40, "width": 40}
                   for place, entry in entries.items()],
        "annotations": [{**polygon, "id": place + 1, "image_id": place} for place in range(3)],
        "categories": [{"id": 1, "name": "a"}]}))
    for path in (tmp_path / "via.json", tmp_path / "coco.json"):
        dataset = open_dataset(str(path), str(tmp_path), on_error="skip")
        assert [dataset.file_name(i) for i in dataset.image_ids] == ["b.jpg"]
        assert [fault.kind for fault in dataset.faults] == ["missing", "missing"]
