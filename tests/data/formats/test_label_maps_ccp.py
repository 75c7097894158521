"""Clothing Co-Parsing's label maps: the objects and the labels of its other forms."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats.imaterialist import ImaterialistDataset
from mrcnn.data.formats.label_mapping import READY_MAPPINGS, label_classes
from mrcnn.data.formats.label_maps import LabelMapDataset
from mrcnn.data.formats.names_files import read_names

CCP = Path(__file__).resolve().parents[4] / "shared" / "data" / "ccp"
needs_ccp = pytest.mark.skipif(not CCP.exists(), reason="needs ../shared/data/ccp")


def ccp(mapping):
    dataset = LabelMapDataset().load(CCP / "labels", mapping=mapping)
    dataset.prepare()
    return dataset, {dataset.file_name(i): i for i in dataset.image_ids}


def instances(dataset, image_id):
    """Set of (class name, run lengths) of a photo."""
    rles, class_ids = dataset.load_rles(image_id)
    texts = [rle["counts"] if isinstance(rle["counts"], str) else rle["counts"].decode() for rle in rles]
    assert len(set(texts)) == len(texts)
    return {(dataset.class_names[class_id], text) for class_id, text in zip(class_ids, texts)}


@needs_ccp
def test_label_maps_give_the_instances_of_the_coco_form():
    dataset, ids = ccp("ccp-13")
    content = json.loads((CCP / "instances_val.json").read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    assert dataset.class_names[1:] == [names[i] for i in sorted(names)]
    expected = {image["id"]: set() for image in content["images"]}
    for annotation in content["annotations"]:
        entry = names[annotation["category_id"]], annotation["segmentation"]["counts"]
        expected[annotation["image_id"]].add(entry)
    assert sum(map(len, expected.values())) == 442
    for image in content["images"]:
        assert instances(dataset, ids[image["file_name"]]) == expected[image["id"]], image["file_name"]


@needs_ccp
def test_label_maps_give_the_instances_of_the_imaterialist_form():
    dataset, ids = ccp("ccp-imaterialist")
    other = ImaterialistDataset().load(CCP / "imaterialist" / "val.csv", CCP / "photos")
    other.prepare()
    assert len(other.image_ids) == 80
    for image_id in other.image_ids:
        name = other.file_name(image_id)
        assert instances(dataset, ids[name]) == instances(other, image_id), name


@needs_ccp
def test_the_two_tasks_of_pixel_labelling():
    person, ids = ccp("ccp-person")
    clothes, _ = ccp("ccp-clothes")
    raw, _ = ccp("ccp-clothes-raw")
    names = ["BG", "skin", "hair", "t-shirt", "shoes", "pants", "dress"]
    assert person.class_names == ["BG", "person"] and clothes.class_names == raw.class_names == names
    numbers = {name: label for label, name in read_names(CCP / "label_names.txt").items()}
    for image_id in list(ids.values())[:5]:
        labels = np.array(Image.open(person.image_info[image_id]["map_path"]))
        np.testing.assert_array_equal(person.label_map(image_id), labels > 0)
        expected = np.zeros_like(labels)
        for class_id, name in enumerate(names[1:], start=1):
            expected[labels == numbers[name]] = class_id
        np.testing.assert_array_equal(raw.label_map(image_id), expected)
        mapped = clothes.label_map(image_id)
        np.testing.assert_array_equal(mapped[expected > 0], expected[expected > 0])
        for kind, name in (("shoes", "sandals"), ("shoes", "boots"), ("pants", "jeans"), ("t-shirt", "top")):
            assert (mapped[labels == numbers[name]] == names.index(kind)).all()


@needs_ccp
def test_ready_mappings_know_the_labels():
    names = read_names(CCP / "label_names.txt")
    assert len(names) == 59
    for mapping in READY_MAPPINGS:
        classes = label_classes(names, mapping)
        used = set(classes.table[:59].tolist())
        assert used == set(range(len(classes.names) + 1)), mapping
