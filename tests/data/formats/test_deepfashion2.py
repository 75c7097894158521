"""DeepFashion2: photos by headers, items on demand, attributes and details, and what is wrong in them."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import run_lengths
from mrcnn.data.formats import deepfashion2, open_dataset, recognise
from mrcnn.data.formats.deepfashion2 import DeepFashion2Dataset
from mrcnn.errors import DataError

HEIGHT, WIDTH = 20, 16
BOX = [[2, 3, 9, 3, 9, 12, 2, 12]]


def item(category_id=1, segmentation=None, **more):
    return {"segmentation": BOX if segmentation is None else segmentation, "scale": 2, "viewpoint": 2, "zoom_in": 1,
            "landmarks": [3, 4, 2], "style": 1, "bounding_box": [2, 3, 9, 12], "category_id": category_id,
            "occlusion": 3, "category_name": "short sleeve top", **more}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train" / "annos").mkdir(parents=True)
    (tmp_path / "train" / "image").mkdir()
    return tmp_path / "train"


def add(folder, stem="000001", photo=True, **items):
    content = {**items, "source": "shop", "pair_id": 7}
    (folder / "annos" / f"{stem}.json").write_text(json.dumps(content))
    if photo:
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "image" / f"{stem}.jpg")


def load(path, **options):
    dataset = DeepFashion2Dataset().load(path, **options)
    dataset.prepare()
    return dataset


def test_items_are_objects_in_the_order_of_their_numbers(folder):
    parts = [[1, 1, 4, 1, 4, 4, 1, 4], [8, 8, 11, 8, 11, 11, 8, 11]]
    add(folder, item10=item(13), item2=item(8, parts), item1=item())
    assert recognise(folder) == recognise(folder / "annos") == "deepfashion2"
    dataset = open_dataset(folder)
    assert len(dataset.class_names) == 14 and dataset.class_names[8] == "trousers"
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == [1, 8, 13] and dataset.image_info[0]["file_name"] == "000001.jpg"
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[3:12, 2:9] = True
    np.testing.assert_array_equal(masks[..., 0], expected)
    assert run_lengths.areas(dataset.load_rles(0)[0]).tolist() == [63, 18, 63]  # two squares of 9 pixels each


def test_attributes_and_details(folder):
    add(folder, item1=item(scale=1, zoom_in=9, viewpoint=None))
    dataset = load(folder)
    (only,) = dataset.objects(0)
    assert [dataset.attribute_names[i] for i in only.attributes] == ["scale: small", "occlusion: heavy"]
    details = dataset.details(0)
    assert (details["source"], details["pair_id"], details["item1"]["style"]) == ("shop", 7, 1)
    assert details["item1"]["landmarks"] == [3, 4, 2]


def test_loading_reads_no_annotation(folder, monkeypatch):
    for number in range(5):
        add(folder, f"{number:06}", item1=item())
    monkeypatch.setattr(deepfashion2, "read_json", None)
    dataset = load(folder, limit=3)
    assert [info["id"] for info in dataset.image_info] == ["000000", "000001", "000002"]


@pytest.mark.parametrize("bad, said", [
    (item(14), "object 0: item1 has the category_id 14, which is none of 1 to 13"),
    (item("1"), "item1 has the category_id 1, which is none"),
    (7, "item1 has the category_id None"),
    (item(segmentation=[[1, 2, 3, 4]]), "object 0: item1: "),
    (item(segmentation=[]), "item1: it has no segmentation"),
    (item(segmentation=[[90, 90, 99, 90, 99, 99]]), "item1: "),
])
def test_an_item_at_fault_is_named(folder, bad, said):
    add(folder, item1=bad, item2=item())
    with pytest.raises(DataError, match=f"000001.jpg, .*{said}"):
        load(folder).objects(0)
    with pytest.warns(UserWarning, match="kept 1 photo that lost 1 object"):
        dataset = open_dataset(folder, on_error="skip", keep_partial=True)
    assert len(dataset.objects(0)) == 1


def test_files_at_fault_are_named(folder, monkeypatch):
    add(folder, item1=item())
    dataset = load(folder)
    for text, said in (("{", "no JSON file"), ("[]", "no object of up to 1000 items")):
        (folder / "annos" / "000001.json").write_text(text)
        with pytest.raises(DataError, match=f"000001.*{said}"):
            dataset.objects(0)
    monkeypatch.setattr(deepfashion2, "LARGEST_FILE", 1)
    with pytest.raises(DataError, match="more than 1 bytes, which no photo needs"):
        dataset.objects(0)
    os.remove(folder / "annos" / "000001.json")
    with pytest.raises(DataError, match="cannot read the DeepFashion2 file"):
        dataset.objects(0)


def test_photos_that_are_missing_or_broken_are_named(folder):
    add(folder, "000001", item1=item())
    add(folder, "000002", photo=False, item1=item())
    with pytest.raises(DataError, match="1 of 2 photos are not in .*000002"):
        load(folder)
    (folder / "image" / "000002.jpg").write_bytes(b"none")
    with pytest.raises(DataError, match="000002.jpg"):
        load(folder)
    assert len(load(folder, on_error="skip").image_ids) == 1


def test_photos_may_be_elsewhere(folder, tmp_path):
    add(folder, item1=item())
    (folder / "image").rename(tmp_path / "photos")
    assert len(load(folder / "annos", images=tmp_path / "photos").objects(0)) == 1
    with pytest.raises(DataError, match="no such image folder"):
        load(folder)
