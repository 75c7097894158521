"""Reading COCO's JSON form: what is right comes back exactly, what is wrong is named."""

import copy
import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats.coco import CocoDataset
from mrcnn.data.images import DataError
from mrcnn.data.masks import rle_encode

HEIGHT, WIDTH = 20, 30


def rectangle(y1, x1, y2, x2):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def corners(y1, x1, y2, x2):
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def runs(mask):
    """COCO's uncompressed run lengths, by their definition."""
    flat = mask.T.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return ([0] if flat[0] else []) + lengths


# Category ids are sparse and out of order; the annotations use all four ways to write a mask.
CONTENT = {
    "images": [
        {"id": 900, "file_name": "b.png", "height": HEIGHT, "width": WIDTH},
        {"id": 4, "file_name": "sub/a.png", "height": HEIGHT, "width": WIDTH},
        {"id": 7, "file_name": "empty.png", "height": HEIGHT, "width": WIDTH},
    ],
    "categories": [{"id": 100, "name": "shoe"}, {"id": 2, "name": "coat"}, {"id": 31, "name": "bag, purse"}],
    "annotations": [
        {"id": 1, "image_id": 4, "category_id": 31, "segmentation": [corners(2, 3, 8, 9)]},
        {"id": 2, "image_id": 4, "category_id": 2, "iscrowd": 0,
         "segmentation": [corners(0, 0, 4, 4), corners(10, 20, 20, 30)]},
        {"id": 3, "image_id": 900, "category_id": 100, "segmentation": rle_encode(rectangle(5, 5, 9, 25))},
        {"id": 4, "image_id": 4, "category_id": 100, "iscrowd": 1,
         "segmentation": {"size": [HEIGHT, WIDTH], "counts": runs(rectangle(0, 0, 20, 2))}},
    ],
}


@pytest.fixture
def files(tmp_path):
    """Function that writes photos and a JSON of content, and returns the two paths that load_coco takes."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("b.png", "sub/a.png", "empty.png"):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / name)

    def write(content):
        path = tmp_path / "instances.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path), str(folder)

    return write


def load(paths, **options):
    dataset = CocoDataset()
    dataset.load_coco(*paths, **options)
    dataset.prepare()
    return dataset


def changed(**edits):
    """CONTENT with edits such as annotations__0__category_id=5."""
    content = copy.deepcopy(CONTENT)
    for path, value in edits.items():
        *way, last = [int(part) if part.isdigit() else part for part in path.split("__")]
        place = content
        for part in way:
            place = place[part]
        place[last] = value
    return content


# --- What is right ---------------------------------------------------------------------------------------------------


def test_categories_become_classes_in_the_order_of_their_ids(files):
    dataset = load(files(CONTENT))
    assert dataset.class_names == ["BG", "coat", "bag", "shoe"]
    assert [info["id"] for info in dataset.class_info] == [0, 2, 31, 100]
    assert dataset.map_source_class_id("coco.100") == 3


def test_every_way_to_write_a_mask(files):
    dataset = load(files(CONTENT))
    assert [info["id"] for info in dataset.image_info] == [900, 4, 7]
    masks, class_ids = dataset.load_mask(1)
    assert masks.dtype == bool and masks.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(masks[..., 0], rectangle(2, 3, 8, 9))
    np.testing.assert_array_equal(masks[..., 1], rectangle(0, 0, 4, 4) | rectangle(10, 20, 20, 30))
    np.testing.assert_array_equal(masks[..., 2], rectangle(0, 0, 20, 2))
    assert class_ids.dtype == np.int32 and class_ids.tolist() == [2, 1, -3]  # a crowd is negative
    masks, class_ids = dataset.load_mask(0)
    np.testing.assert_array_equal(masks[..., 0], rectangle(5, 5, 9, 25))
    assert class_ids.tolist() == [3]


def test_a_photo_without_objects_is_kept(files):
    masks, class_ids = load(files(CONTENT)).load_mask(2)
    assert masks.shape == (HEIGHT, WIDTH, 0) and class_ids.shape == (0,)


def test_image_info_carries_the_annotations_untouched(files):
    dataset = load(files(CONTENT))
    info = dataset.image_info[1]
    assert info["annotations"] == [CONTENT["annotations"][i] for i in (0, 1, 3)]
    assert (info["height"], info["width"], info["source"]) == (HEIGHT, WIDTH, "coco")
    assert dataset.load_image(1).shape == (HEIGHT, WIDTH, 3)
    assert dataset.sample_name(1) == "a.png"
    assert [dataset.object_count(i) for i in range(3)] == [1, 2, 0]  # the crowd is not counted


def test_limit_and_class_ids(files):
    assert [info["id"] for info in load(files(CONTENT), limit=2).image_info] == [900, 4]
    dataset = load(files(CONTENT), class_ids=[31, 2])
    assert dataset.class_names == ["BG", "coat", "bag"]
    assert [info["id"] for info in dataset.image_info] == [4]  # the others show neither
    assert dataset.load_mask(0)[1].tolist() == [2, 1]
    with pytest.raises(DataError, match="no category 5: it has 100, 2, 31"):
        load(files(CONTENT), class_ids=[5])


def test_ids_may_be_text(files):
    content = changed(images__0__id="photo-b", annotations__2__image_id="photo-b")
    assert load(files(content)).load_mask(0)[1].tolist() == [3]


def test_with_a_second_source_each_photo_keeps_to_its_own(files):
    class Mixed(CocoDataset):
        def load_mask(self, image_id):
            if self.image_info[image_id]["source"] == "own":
                return np.ones((4, 4, 1), bool), np.array([4], np.int32)
            return super().load_mask(image_id)

    dataset = Mixed()
    dataset.load_coco(*files(CONTENT))
    dataset.add_class("own", 1, "hat")
    dataset.add_image("own", 1, None)
    dataset.prepare()
    assert dataset.load_mask(3)[1].tolist() == [4] and dataset.load_mask(0)[1].tolist() == [3]
    assert dataset.source_class_ids["coco"] == [0, 1, 2, 3]


# --- What is wrong ---------------------------------------------------------------------------------------------------

SHORT = {"size": [HEIGHT, WIDTH], "counts": [100, 20]}

FAULTS = {
    "unknown image": (changed(annotations__2__image_id=5), "annotation 3 has image_id 5"),
    "number against text": (changed(annotations__2__image_id="900"), "annotation 3 has image_id '900'"),
    "no image": (changed(annotations__2__image_id=None), "annotation 3 has image_id None"),
    "unknown category": (changed(annotations__2__category_id=3), "annotation 3 has category_id 3"),
    "line": (changed(annotations__0__segmentation=[[1, 1, 5, 5, 9, 9]]), r"annotation 1 of sub/a.png: .*no area"),
    "two corners": (changed(annotations__0__segmentation=[[1, 1, 5, 5]]), r"annotation 1 of sub/a.png: .*corners"),
    "no polygon": (changed(annotations__0__segmentation=[]), "annotation 1 of sub/a.png: it has no segmentation"),
    "nothing": (changed(annotations__0__segmentation=None), "annotation 1 of sub/a.png: it has no segmentation"),
    "short RLE": (changed(annotations__2__segmentation=SHORT), "annotation 3 of b.png: .*120 pixels, .* has 600"),
    "long RLE": (
        changed(annotations__2__segmentation=rle_encode(np.ones((HEIGHT + 1, WIDTH), bool))), "annotation 3 .*size"
    ),
    "cut RLE": (
        changed(annotations__2__segmentation__counts=rle_encode(rectangle(5, 5, 9, 25))["counts"][:-2]),
        "annotation 3 of b.png",
    ),
    "empty RLE": (changed(annotations__2__segmentation=rle_encode(rectangle(0, 0, 0, 0))), "annotation 3 .*no pixel"),
    "photo missing": (changed(images__0__file_name="c.png"), "1 of 3 photos are not in .*photos: c.png"),
    "way out": (changed(images__0__file_name="../b.png"), "image 900: .*'../b.png' leads out"),
    "absolute": (changed(images__0__file_name="/tmp/b.png"), "image 900: .*'/tmp/b.png' leads out"),
    "no name": (changed(images__0__file_name=None), "image 900"),
    "no height": (changed(images__0__height=None), "image 900 .*height None"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_remedy(files, fault):
    content, message = FAULTS[fault]
    with pytest.raises(DataError, match=f"instances.json: .*{message}.*on_error") as caught:
        load(files(content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_can_be_skipped_with_a_warning(files, fault):
    content, message = FAULTS[fault]
    with pytest.warns(UserWarning, match=f"skipped .*{message}"):
        dataset = load(files(content), on_error="skip")
    kept = [annotation["id"] for info in dataset.image_info for annotation in info["annotations"]]
    faulty_photo = content["images"] != CONTENT["images"]
    faulty = 3 if faulty_photo else int(message.split("annotation ")[1][0])  # image 900 has annotation 3 alone
    assert sorted(kept) == [i for i in (1, 2, 3, 4) if i != faulty]
    assert len(dataset.image_ids) == (2 if faulty_photo else 3)


def test_many_faults_make_one_warning(files):
    content = changed()
    for annotation in content["annotations"]:
        annotation["category_id"] = 55
    with pytest.warns(UserWarning) as caught:
        dataset = load(files(content), on_error="skip")
    assert len(caught) == 1 and "and 1 more" in str(caught[0].message)
    assert len(dataset.image_ids) == 3


def test_missing_photos_are_named_and_counted_before_training(files):
    content = changed()
    content["images"] += [{"id": 1000 + i, "file_name": f"gone{i}.png", "height": 5, "width": 5} for i in range(50)]
    with pytest.raises(DataError, match=r"50 of 53 photos are not in .*: gone0.png, gone1.png, gone2.png, \.\.\."):
        load(files(content))
    assert len(load(files(content), limit=3).image_ids) == 3  # the rest is not asked for


@pytest.mark.parametrize("content, message", [
    ("{not json", "no JSON file"),
    ("[]", "no list 'images'"),
    ({"images": [], "categories": []}, "no list 'annotations'"),
    ({"images": {}, "annotations": [], "categories": []}, "no list 'images'"),
    ({"images": [1], "annotations": [], "categories": []}, "no list 'images' of objects"),
    ({"images": [], "annotations": [], "categories": []}, "no photos remain"),
    (changed(images__1__id=900), "image id 900 occurs twice"),
    (changed(categories__1__id=100), "category id 100 occurs twice"),
    (changed(images__1__id=None), "image .* has no id"),
    (changed(images__1__id=[1]), "image .* has no id"),
])
def test_files_that_are_no_coco_annotations(files, content, message):
    with pytest.raises(DataError, match=f"instances.json: .*{message}"):
        load(files(content))


def test_missing_files(files, tmp_path):
    annotations, folder = files(CONTENT)
    with pytest.raises(DataError, match="absent.json: cannot read"):
        load((str(tmp_path / "absent.json"), folder))
    with pytest.raises(DataError, match="nowhere: no such image folder"):
        load((annotations, str(tmp_path / "nowhere")))
    with pytest.raises(ValueError, match="neither"):
        load((annotations, folder), on_error="ignore")
