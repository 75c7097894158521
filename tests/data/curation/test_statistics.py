"""Statistics of a data set: counts and sizes by hand, and the same whether masks or run lengths are read."""

import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from mrcnn.config import Config
from mrcnn.data.curation.statistics import measure_objects, summarise, summary_text
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import open_dataset
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.errors import DataError

CCP = pathlib.Path(__file__).parents[3] / "shared" / "data" / "ccp"


class Boxes(Dataset):
    """Photos [H, W] of rectangles (class id, y1, x1, y2, x2); a negative class id is a crowd."""

    def load(self, *photos, classes=3):
        for class_id in range(1, classes + 1):
            self.add_class("test", class_id, f"class {class_id}")
        for i, (shape, objects) in enumerate(photos):
            self.add_image("test", i, f"{i}.jpg", shape=shape, objects=objects, height=shape[0], width=shape[1])
        self.prepare()
        return self

    def load_image(self, image_id):
        return np.zeros(self.image_info[image_id]["shape"] + (3,), np.uint8)

    def load_mask(self, image_id):
        info = self.image_info[image_id]
        masks = np.zeros(info["shape"] + (len(info["objects"]),), bool)
        for i, (_, y1, x1, y2, x2) in enumerate(info["objects"]):
            masks[y1:y2, x1:x2, i] = True
        return masks, np.array([entry[0] for entry in info["objects"]], np.int32)


class Runs(Boxes):
    """The same as run lengths."""

    def load_rles(self, image_id):
        masks, class_ids = Boxes.load_mask(self, image_id)
        return [rle_encode(masks[..., i]) for i in range(len(class_ids))], class_ids


PHOTOS = [
    ((100, 50), [(1, 0, 0, 40, 20), (1, 50, 10, 60, 20), (-2, 0, 0, 100, 50)]),
    ((80, 200), [(2, 10, 100, 30, 140)]),
    ((60, 60), []),
]
CONFIG = Config(IMAGE_MIN_DIM=0, IMAGE_MAX_DIM=128, RPN_ANCHOR_SCALES=(8, 16, 32, 64, 128))


@pytest.mark.parametrize("kind", [Boxes, Runs])
def test_figures_by_hand(kind):
    summary = summarise(kind().load(*PHOTOS), CONFIG)
    json.dumps(summary, allow_nan=False)
    assert [summary[key] for key in ("photos", "empty_photos", "objects", "crowds", "too_small")] == [3, 1, 3, 1, 0]
    # Class 1: areas 800 and 100 of 5000 pixels; class 2: 800 of 16000, its crowd left out; class 3: none.
    assert summary["classes"] == [
        {"name": "class 1", "objects": 2, "photos": 1, "median_area": 450.0, "median_share": 0.09},
        {"name": "class 2", "objects": 1, "photos": 1, "median_area": 800.0, "median_share": 0.05},
        {"name": "class 3", "objects": 0, "photos": 0, "median_area": None, "median_share": None},
    ]
    assert [summary["height"][key] for key in ("min", "median", "max")] == [60, 80, 100]
    assert [summary["width"][key] for key in ("min", "median", "max")] == [50, 60, 200]
    assert summary["height"]["edges"] == summary["width"]["edges"] and summary["height"]["edges"][0] == 50
    assert summary["objects_per_photo"] == {"min": 0, "median": 1, "max": 2, "mean": 1.0, "counts": [1, 1, 1]}
    # Only the second photo is shrunk, its 80 x 200 pixels to 51 x 128, and so its box of 20 x 40 to 12.75 x 25.6.
    assert summary["box_scale"]["min"] == 10 and summary["box_scale"]["max"] == pytest.approx(np.sqrt(800))
    assert summary["box_scale"]["median"] == pytest.approx(np.sqrt(12.75 * 25.6))
    assert [summary["box_ratio"][key] for key in ("min", "median")] == [0.5, 1.0]
    assert summary["box_ratio"]["max"] == pytest.approx(25.6 / 12.75)
    assert sum(summary["box_scale"]["counts"]) == sum(summary["box_ratio"]["counts"]) == 3
    assert summary["canvas"] == {"min": [128, 128], "max": [128, 128]}


@pytest.mark.parametrize("kind", [Boxes, Runs])
def test_photos_whose_data_set_gives_no_size(kind):
    dataset = kind().load(*PHOTOS)
    for info in dataset.image_info:
        del info["height"], info["width"]
    assert measure_objects(dataset)["shapes"].tolist() == [[100, 50], [80, 200], [60, 60]]


def test_recall_is_a_falling_share():
    summary = summarise(Runs().load(*PHOTOS), CONFIG)
    assert summary["anchors"]["current"]["scales"] == [8, 16, 32, 64, 128]
    for anchors in summary["anchors"].values():
        assert anchors["recall"][0] == 1 and anchors["recall"] == sorted(anchors["recall"], reverse=True)
    # Three boxes: recall is a number of thirds.
    assert all(abs(3 * value - round(3 * value)) < 1e-9 for value in summary["anchors"]["current"]["recall"])
    assert summary["anchors"]["proposed"]["mean_overlap"] > summary["anchors"]["current"]["mean_overlap"]


def test_what_training_drops_is_counted():
    # 300 pixels shrink to 128: the side of 2 pixels to 0.85
    summary = summarise(Runs().load(((300, 300), [(1, 0, 0, 2, 90), (1, 0, 0, 90, 90)])), CONFIG)
    assert summary["too_small"] == 1 and sum(summary["box_scale"]["counts"]) == 1 and summary["objects"] == 2
    assert "1 objects are under a canvas pixel" in summary_text(summary)
    assert list(summary["too_small_classes"].values()) == [1]
    # Sides of 90 become 38.4, those of 2 and 90 together sqrt(0.85 * 38.4) = 5.7.
    scales = (2 * 90) ** 0.5 * 128 / 300, 90 * 128 / 300
    assert summary["object_scale"]["median"] == pytest.approx(sum(scales) / 2, rel=1e-5)
    assert summary["object_scale"]["p10"] == pytest.approx(scales[0] + 0.1 * (scales[1] - scales[0]), rel=1e-5)


@pytest.mark.parametrize("photos", [(), (((10, 20), []),), (((10, 20), [(-1, 0, 0, 5, 5)]),)])
def test_nothing_to_count(photos):
    summary = summarise(Runs().load(*photos), CONFIG)
    json.dumps(summary, allow_nan=False)
    assert summary["objects"] == 0 and summary["anchors"] is None and summary["box_scale"] is None
    assert f"{len(photos)} photos, 0 objects" in summary_text(summary)


def test_text():
    lines = summary_text(summarise(Boxes().load(*PHOTOS), CONFIG)).split("\n")
    assert lines[0] == "3 photos, 3 objects, 1 crowds; 1 photos without objects"
    rows = [line.split() for line in lines]
    assert ["photo", "height", "60", "80", "100"] in rows
    assert ["class", "1", "2", "66.7", "%", "1", "450", "px", "9.00", "%"] in rows
    assert ["1", "of", "3", "classes", "have", "no", "object"] in rows
    assert lines[-1].startswith('to take the proposed ones: --set "RPN_ANCHOR_SCALES=[')


def test_progress_and_errors():
    states = []
    summarise(Boxes().load(*PHOTOS), CONFIG, lambda *state: states.append(state))
    assert states == [(1, 3), (2, 3), (3, 3)]
    dataset = Boxes().load(*PHOTOS)

    def load_mask(image_id):
        raise DataError("1.jpg, object 0: its RLE covers 3 pixels")

    dataset.load_mask = load_mask
    with pytest.raises(DataError, match="1.jpg"):
        summarise(dataset, CONFIG)


@pytest.mark.parametrize("count", [255, 256, 300])
def test_any_number_of_objects_in_a_photo(count):
    # Squares of 2 pixels in rows of 20 of a photo of 60 x 60; pycocotools counts their areas in 8 bits.
    squares = [(1, 3 * (i // 20), 3 * (i % 20), 3 * (i // 20) + 2, 3 * (i % 20) + 2) for i in range(count)]
    summary = summarise(Runs().load(((60, 60), squares)), CONFIG)
    assert summary["objects"] == count and summary["classes"][0]["median_area"] == 4
    assert summary["box_scale"]["min"] == summary["box_scale"]["max"] == 2


def test_unsound_run_lengths_name_their_photo():
    dataset = Runs().load(*PHOTOS)
    dataset.load_rles = lambda image_id: ([{"size": [100, 50], "counts": [7]}], [1])
    with pytest.raises(DataError, match="0.jpg.*covers 7 pixels"):
        summarise(dataset, CONFIG)


@pytest.mark.skipif(not CCP.exists(), reason="needs ../shared/data/ccp")
def test_photos_of_clothes():
    path = CCP / "instances_val.json"
    content = json.loads(path.read_text())
    summary = summarise(open_dataset(path, CCP / "photos"), Config(IMAGE_MIN_DIM=512, IMAGE_MAX_DIM=512))
    assert summary["objects"] == len(content["annotations"]) and summary["photos"] == len(content["images"])
    for category, entry in zip(sorted(content["categories"], key=lambda c: c["id"]), summary["classes"]):
        own = [a for a in content["annotations"] if a["category_id"] == category["id"]]
        assert entry["name"] == category["name"] and entry["objects"] == len(own)
        assert entry["photos"] == len({a["image_id"] for a in own})
        if own:
            assert entry["median_area"] == np.median([a["area"] for a in own])
    # The largest box of the file, on a canvas where the longer side of its photo becomes 512.
    sides = {image["id"]: max(image["height"], image["width"]) for image in content["images"]}
    scale = max(512 / sides[a["image_id"]] * np.sqrt(a["bbox"][2] * a["bbox"][3]) for a in content["annotations"])
    assert summary["box_scale"]["max"] == pytest.approx(scale, rel=1e-2)


def test_what_is_measured_once_is_seen_on_several_canvases():
    dataset = Boxes().load(*PHOTOS)
    measured = measure_objects(dataset)
    wider = Config(IMAGE_MIN_DIM=0, IMAGE_MAX_DIM=64, RPN_ANCHOR_SCALES=(8, 16, 32, 64, 128))
    for config in (CONFIG, wider):
        assert summarise(dataset, config, measured=measured) == summarise(dataset, config)
    summary = summarise(dataset, CONFIG, measured=measured, fit=False)
    assert summary["anchors"] is None and summary["wide_photos"] == 1  # 80 x 200 alone
    assert summary["long_side"] == {"min": 60, "median": 100, "max": 200}
    # Boxes 40 x 20 and 10 x 10 at scale 1, and 20 x 40 at 128 / 200: roots 28.28, 10 and 18.1; the tenth percentile
    # lies a fifth of the way from the smallest to the next.
    third = 28.2843 * 0.64
    assert summary["box_scale"]["p10"] == pytest.approx(10 + 0.2 * (third - 10), rel=0.01)


def test_parts_of_label_maps_are_in_the_text(tmp_path):
    labels = np.zeros((20, 30), np.uint8)
    labels[:5, :5] = labels[10:15, 10:15] = 1
    (tmp_path / "maps").mkdir()
    Image.fromarray(labels).save(tmp_path / "maps" / "a.png")
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.jpg")
    (tmp_path / "maps" / "label_names.txt").write_text("background\ncat\n")
    text = summary_text(summarise(open_dataset(tmp_path / "maps", tmp_path, min_area=9), CONFIG, fit=False))
    assert "1 objects, 0 crowds" in text and "1 object is made of 2 parts that lie apart" in text


class Described(Boxes):
    """Attributes of each object: two of one name, and one without a name."""

    attribute_names = {28: "long", 30: "long", 31: "red"}

    def object_attributes(self, image_id):
        return [[28], [30, 99], [28]][:len(self.image_info[image_id]["objects"])]


def test_attributes_of_one_name_are_told_apart():
    summary = summarise(Described().load(*PHOTOS), CONFIG, fit=False)
    assert [(entry["name"], entry["objects"]) for entry in summary["attributes"]] == [
        ("long (28)", 2), ("long (30)", 1), ("attribute 99", 1)]
    assert summary["unused_attributes"] == 1 and "long (30)" in summary_text(summary)
