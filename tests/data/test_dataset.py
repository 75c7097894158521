"""The contract of `Dataset` that scripts rely on."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.dataset import Dataset, short_name
from mrcnn.errors import DataError


def two_sources():
    dataset = Dataset()
    dataset.add_class("shop", 7, "shirt, blouse")
    dataset.add_class("shop", 3, "shoe")
    dataset.add_class("street", 7, "coat")
    dataset.add_image("shop", "a17", "photos/a17.jpg", width=5, tags=["x"])
    dataset.add_image("street", 4, None)
    dataset.prepare()
    return dataset


def test_prepare_numbers_classes_and_photos():
    dataset = two_sources()
    assert dataset.num_classes == 4 and dataset.num_images == 2
    assert dataset.class_names == ["BG", "shirt", "shoe", "coat"]  # names end at their first comma
    np.testing.assert_array_equal(dataset.class_ids, [0, 1, 2, 3])
    np.testing.assert_array_equal(dataset.image_ids, [0, 1])
    np.testing.assert_array_equal(dataset._image_ids, [0, 1])
    assert dataset.class_info[0] == {"source": "", "id": 0, "name": "BG"}
    assert dataset.class_from_source_map == {".0": 0, "shop.7": 1, "shop.3": 2, "street.7": 3}
    assert dataset.image_from_source_map == {"shop.a17": 0, "street.4": 1}
    assert sorted(dataset.sources) == ["", "shop", "street"]
    assert dataset.source_class_ids == {"": [0], "shop": [0, 1, 2], "street": [0, 3]}  # background is in all


def test_names_that_the_cut_would_make_alike_stay_whole():
    class Shop(Dataset):
        pass

    dataset = Shop()
    for class_id, name in enumerate(("jacket, light", "shirt, blouse", "jacket, heavy"), 1):
        dataset.add_class("shop", class_id, name)
    with pytest.warns(UserWarning, match="2 classes have one name .*jacket, light; jacket, heavy.: let them") as told:
        dataset.prepare()
        dataset.prepare()
    assert dataset.class_names == ["BG", "jacket, light", "shirt", "jacket, heavy"] and len(told) == 1
    dataset.whole_names = True
    dataset.prepare()
    assert dataset.class_names == ["BG", "jacket, light", "shirt, blouse", "jacket, heavy"]
    assert short_name("shirt, blouse") == "shirt"


def test_lookups():
    dataset = two_sources()
    assert dataset.map_source_class_id("street.7") == 3
    assert dataset.get_source_class_id(3, "street") == 7
    with pytest.raises(AssertionError, match="shop"):
        dataset.get_source_class_id(1, "street")
    assert dataset.image_info[0] == {
        "id": "a17", "source": "shop", "path": "photos/a17.jpg", "width": 5, "tags": ["x"]
    }
    assert dataset.source_image_link(0) == "photos/a17.jpg"
    assert dataset.image_reference(0) == ""
    assert dataset.sample_name(0) == "a17.jpg" and dataset.sample_name(1) == "street image 4"


def test_a_class_is_added_once():
    dataset = two_sources()
    dataset.add_class("shop", 3, "boot")
    assert len(dataset.class_info) == 4 and dataset.class_info[2]["name"] == "shoe"
    with pytest.raises(AssertionError, match="dot"):
        dataset.add_class("shop.eu", 1, "hat")


def test_more_may_come_after_prepare():
    dataset = two_sources()
    dataset.add_class("street", 8, "scarf")
    dataset.add_image("street", 5, None)
    dataset.prepare()
    assert dataset.num_classes == 5 and list(dataset.image_ids) == [0, 1, 2]


def test_subclasses_that_pass_themselves_work():
    class Kaggle(Dataset):
        def __init__(self):
            super().__init__(self)
            self.add_class("kaggle", 1, "thing")

    dataset = Kaggle()
    assert len(dataset.image_ids) == 0  # before prepare() too
    dataset.prepare(class_map=None)
    assert dataset.class_names == ["BG", "thing"]


def test_default_load_image_reads_the_file(tmp_path):
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    dataset = Dataset()
    dataset.add_image("x", 1, str(tmp_path / "a.png"))
    dataset.add_image("x", 2, None)
    dataset.prepare()
    np.testing.assert_array_equal(dataset.load_image(0), pixels)
    with pytest.raises(DataError, match="x image 2 has no path: override load_image"):
        dataset.load_image(1)


def test_default_load_mask_warns_and_finds_nothing():
    with pytest.warns(UserWarning, match="does not override load_mask"):
        masks, class_ids = two_sources().load_mask(0)
    assert masks.size == 0 and masks.ndim == 3 and masks.shape[2] == 0
    assert class_ids.shape == (0,) and class_ids.dtype == np.int32


def test_photos_that_load_mask_leaves_to_the_base_class_are_told_by_source():
    class Balloons(Dataset):
        def load_mask(self, image_id):
            return super().load_mask(image_id)

    dataset = Balloons()
    dataset.add_image("street", 1, None)
    with pytest.warns(UserWarning, match="^Balloons.load_mask leaves photos of source 'street' to Dataset.load_mask"):
        masks, class_ids = dataset.load_mask(0)
    assert masks.shape[2] == len(class_ids) == 0
