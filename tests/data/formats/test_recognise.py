"""Which format a file or folder is in, and opening it by that."""

import io
import json

import cvat_files
import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated import Fault, without
from mrcnn.data.formats import READERS, open_dataset, reader, recognise
from mrcnn.data.formats.deepfashion2 import CLASSES as deepfashion2_classes
from mrcnn.errors import DataError

SIDE = 16
MASK = np.zeros((SIDE, SIDE), np.uint8)
MASK[2:11, 1:10] = 1  # the object of every form below: rows 2 to 10, columns 1 to 9


def write_photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((SIDE, SIDE, 3), 90, np.uint8)).save(path)


def coco(folder):
    write_photo(folder / "a.png")
    (folder / "notes.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "height": SIDE, "width": SIDE}],
        "categories": [{"id": 1, "name": "shirt"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 2, 10, 2, 10, 11, 1, 11]]}],
    }))
    return folder / "notes.json"


def imaterialist(folder):
    write_photo(folder / "a.png")
    # Down the columns, from 1 on: row 2 of column x is pixel 16 * x + 3.
    runs = " ".join(f"{SIDE * x + 3} 9" for x in range(1, 10))
    (folder / "notes.csv").write_text(f"ImageId,EncodedPixels,Height,Width,ClassId\na.png,{runs},{SIDE},{SIDE},0\n")
    (folder / "label_descriptions.json").write_text(json.dumps({"categories": [{"id": 0, "name": "shirt"}]}))
    return folder / "notes.csv"


def run_length_csv(folder):
    write_photo(folder / "a.png")
    runs = " ".join(f"{SIDE * x + 3} 9" for x in range(1, 10))
    (folder / "notes.csv").write_text(f"Image_Label,EncodedPixels\na.png_shirt,{runs}\n")
    return folder / "notes.csv"


def via(folder):
    write_photo(folder / "a.png")
    shape = {"name": "polygon", "all_points_x": [1, 10, 10, 1], "all_points_y": [2, 2, 11, 11]}
    region = {"shape_attributes": shape, "region_attributes": {"name": "shirt"}}
    photo = {"filename": "a.png", "size": 123, "regions": [region]}
    (folder / "notes.json").write_text(json.dumps({"a.png123": photo}))
    return folder / "notes.json"


def cvat(folder):
    write_photo(folder / "images" / "a.png")
    polygon = '<polygon label="shirt" points="1.00,2.00;10.00,2.00;10.00,11.00;1.00,11.00" z_order="0"></polygon>'
    image = cvat_files.image(polygon, "a.png", (SIDE, SIDE))
    return cvat_files.written(folder, image, labels=[cvat_files.label("shirt")])


def label_studio(folder):
    write_photo(folder / "a.png")
    points = [[100 * x / SIDE, 100 * y / SIDE] for x, y in ((1, 2), (10, 2), (10, 11), (1, 11))]
    result = {"from_name": "label", "type": "polygonlabels", "value": {"points": points, "polygonlabels": ["shirt"]},
              "original_width": SIDE, "original_height": SIDE}
    task = {"id": 1, "data": {"image": "/data/upload/1/1a2b3c4d-a.png"}, "annotations": [{"id": 1, "result": [result]}]}
    (folder / "notes.json").write_text(json.dumps([task]))
    return folder / "notes.json"


def coco_panoptic(folder):
    write_photo(folder / "a.png")
    (folder / "notes").mkdir()
    ids = np.zeros((SIDE, SIDE, 3), np.uint8)
    ids[..., 1] = MASK  # 256
    Image.fromarray(ids).save(folder / "notes" / "a.png")
    (folder / "notes.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "height": SIDE, "width": SIDE}],
        "categories": [{"id": 1, "name": "shirt", "isthing": 1}],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 256, "category_id": 1}]}],
    }))
    return folder / "notes.json"


def deepfashion2(folder):
    write_photo(folder / "image" / "a.png")
    (folder / "annos").mkdir()
    item = {"category_id": 1, "segmentation": [[1, 2, 10, 2, 10, 11, 1, 11]]}
    (folder / "annos" / "a.json").write_text(json.dumps({"item1": item, "source": "shop", "pair_id": 1}))
    return folder


def labelme(folder):
    write_photo(folder / "a.png")
    shape = {"label": "shirt", "points": [[1, 2], [10, 2], [10, 11], [1, 11]], "group_id": None}
    content = {"version": "5.4.1", "flags": {}, "shapes": [shape], "imagePath": "a.png", "imageData": None}
    (folder / "a.json").write_text(json.dumps({**content, "imageHeight": SIDE, "imageWidth": SIDE}))
    return folder


def supervisely(folder):
    write_photo(folder / "ds" / "img" / "a.png")
    (folder / "ds" / "ann").mkdir()
    entry = {"classTitle": "shirt", "geometryType": "polygon",
             "points": {"exterior": [[1, 2], [9, 2], [9, 10], [1, 10]], "interior": []}}
    content = {"description": "", "tags": [], "size": {"height": SIDE, "width": SIDE}, "objects": [entry]}
    (folder / "ds" / "ann" / "a.png.json").write_text(json.dumps(content))
    (folder / "meta.json").write_text(json.dumps({"classes": [{"title": "shirt", "shape": "polygon"}], "tags": []}))
    return folder


def label_maps(folder):
    write_photo(folder / "photos" / "a.png")
    (folder / "labels").mkdir()
    Image.fromarray(MASK).save(folder / "labels" / "a.png")
    (folder / "label_names.txt").write_text("0 null\n1 shirt\n")
    return folder / "labels"


def instance_masks(folder):
    write_photo(folder / "a" / "images" / "a.png")
    (folder / "a" / "masks" / "shirt").mkdir(parents=True)
    Image.fromarray(MASK * 255).save(folder / "a" / "masks" / "shirt" / "1.png")
    return folder


def voc(folder):
    write_photo(folder / "JPEGImages" / "a.png")
    for place in ("SegmentationClass", "SegmentationObject"):
        (folder / place).mkdir()
        Image.fromarray(MASK).save(folder / place / "a.png")
    (folder / "class_names.txt").write_text("_background_\nshirt")
    return folder


def yolo(folder):
    write_photo(folder / "images" / "a.png")
    (folder / "labels").mkdir()
    corners = " ".join(str(value / SIDE) for value in (1, 2, 10, 2, 10, 11, 1, 11))
    (folder / "labels" / "a.txt").write_text(f"0 {corners}\n")
    (folder / "data.yaml").write_text("train: images\nnames: [shirt]\n")
    return folder / "data.yaml"


def arrays(folder):
    photo = np.full((1, SIDE, SIDE, 3), 90, np.uint8)
    np.savez(folder / "notes.npz", images=photo, masks=MASK[None], labels=np.array([1]), names=np.array(["shirt"]))
    return folder / "notes.npz"


def open_images(folder):
    write_photo(folder / "a.png")
    Image.fromarray(MASK == 1).save(folder / "m.png")
    (folder / "notes.csv").write_text("MaskPath,ImageID,LabelName,BoxID\nm.png,a,/m/01,x\n")
    (folder / "class-descriptions.csv").write_text("/m/01,shirt\n")
    return folder / "notes.csv"


def parquet(folder):
    pyarrow, file = pytest.importorskip("pyarrow"), io.BytesIO()
    Image.fromarray(np.full((SIDE, SIDE, 3), 90, np.uint8)).save(file, "PNG")
    row = {"image": {"bytes": file.getvalue(), "path": "a.png"},
           "objects": [{"category": "shirt", "segmentation": [1, 2, 10, 2, 10, 11, 1, 11]}]}
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist([row]), folder / "notes.parquet")
    return folder / "notes.parquet"


MADE = {
    "label_studio": label_studio,
    "coco": coco,
    "imaterialist": imaterialist,
    "run_length_csv": run_length_csv,
    "via": via,
    "cvat": cvat,
    "coco_panoptic": coco_panoptic,
    "deepfashion2": deepfashion2,
    "labelme": labelme,
    "supervisely": supervisely,
    "label_maps": label_maps,
    "instance_masks": instance_masks,
    "yolo": yolo,
    "voc": voc,
    "arrays": arrays,
    "open_images": open_images,
    "parquet": parquet,
}


def test_every_format_is_tried():
    assert set(MADE) == set(READERS)


@pytest.mark.parametrize("name", MADE)
def test_a_format_is_recognised_by_its_content_and_read(name, tmp_path):
    path = str(MADE[name](tmp_path))
    assert recognise(path) == name
    images = str(tmp_path / "photos") if name == "label_maps" else None
    dataset = open_dataset(path, images)
    names = deepfashion2_classes if name == "deepfashion2" else ("shirt",)
    assert type(dataset) is reader(name) and dataset.class_names == ["BG", *names] and len(dataset.image_ids) == 1
    masks, class_ids = dataset.load_mask(0)
    np.testing.assert_array_equal(masks[..., 0], MASK)
    assert class_ids.tolist() == [1] and dataset.load_image(0).shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("name", MADE)
def test_texts_in_utf_16_are_read_or_refused_by_name(name, tmp_path):
    path = str(MADE[name](tmp_path))
    for file in tmp_path.rglob("*.*"):
        if file.suffix in (".json", ".csv", ".txt", ".yaml", ".xml"):
            file.write_bytes(file.read_text().encode("utf-16"))
    if name in ("imaterialist", "run_length_csv"):  # whose rows are found again by their bytes
        for form in (None, name):
            with pytest.raises(DataError, match="notes.csv: .*a text in UTF-16.*save it as UTF-8"):
                open_dataset(path, form=form)
        return
    assert recognise(path) == name
    dataset = open_dataset(path, str(tmp_path / "photos") if name == "label_maps" else None)
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], MASK)
    assert dataset.class_names[1] == (deepfashion2_classes[0] if name == "deepfashion2" else "shirt")


def test_what_is_no_annotation_is_refused_by_name(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    for name, why in (("notes.txt", "no JSON; no CSV"), ("empty", "the folder is empty")):
        with pytest.raises(DataError, match=f"{name}: annotations of no known format: {why}"):
            recognise(str(tmp_path / name))
    with pytest.raises(DataError, match="gone.json: no such annotations"):
        open_dataset(str(tmp_path / "gone.json"))
    with pytest.raises(DataError, match="No annotation format 'nothing': take one of label_studio"):
        open_dataset(str(tmp_path / "notes.txt"), form="nothing")


@pytest.mark.parametrize("name", MADE)
def test_classes_are_known_without_masks_and_follow_what_is_dropped(name, tmp_path):
    dataset = open_dataset(str(MADE[name](tmp_path)), str(tmp_path / "photos") if name == "label_maps" else None)
    assert dataset.object_classes(0).tolist() == dataset.load_rles(0)[1].tolist() == [1]
    number = dataset.objects(0)[0].number
    dropped = without(dataset, [Fault(dataset.file_name(0), "bad entry", "made up", number)])
    assert dropped.object_classes(0).tolist() == [] and dropped.object_count(0) == 0
