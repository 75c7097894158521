"""Label maps as a network trains on them: of objects and of maps, placed, augmented, collated."""

import os
import pathlib

import numpy as np
import pytest
from tiny import Squares, TinyConfig

from mrcnn.data.augmentation import compose, horizontal_flip
from mrcnn.data.augmenters import colour_jitter, copy_paste, large_scale_jitter, vertical_flip
from mrcnn.data.batches import Batches
from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import load_ground_truth
from mrcnn.data.images import Window, place_image
from mrcnn.data.label_samples import LabelSamples, load_label_sample, place_labels, true_label_map
from mrcnn.errors import DataError

CCP = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data" / "ccp"


# --- True label maps -------------------------------------------------------------------------------------------------


class Boxes(Dataset):
    """Photos of rectangles (y1, x1, y2, x2, class id)."""

    def load(self, *photos):
        for i, name in enumerate(("coat", "bag"), 1):
            self.add_class("test", i, name)
        for i, boxes in enumerate(photos):
            self.add_image("test", i, path=None, boxes=boxes, height=10, width=12)
        self.prepare()
        return self

    def load_mask(self, image_id):
        boxes = self.image_info[image_id]["boxes"]
        masks = np.zeros((10, 12, len(boxes)), bool)
        for i, (y1, x1, y2, x2, _) in enumerate(boxes):
            masks[y1:y2, x1:x2, i] = True
        return masks, np.array([box[4] for box in boxes], np.int32)


def test_the_smaller_object_is_in_front_and_crowds_are_ignored():
    dataset = Boxes().load([(2, 2, 4, 4, 2), (0, 0, 8, 8, 1), (3, 3, 10, 12, -1)], [])
    labels = true_label_map(dataset, 0)
    assert labels.dtype == np.uint8 and (labels[2:4, 2:4] == 2).all()
    assert (labels == 2).sum() == 4 and (labels == 1).sum() == 60 and (labels == 255).sum() == 63 - 25
    assert true_label_map(dataset, 1).shape == (10, 12) and not true_label_map(dataset, 1).any()


def test_class_ids_that_a_label_map_cannot_hold_are_told():
    dataset = Boxes()
    for i in range(3, 301):
        dataset.add_class("test", i, f"class {i}")
    dataset.load([(0, 0, 3, 3, 254)], [(0, 0, 3, 3, 1), (4, 4, 8, 8, 255)], [(0, 0, 3, 3, 300)])
    assert true_label_map(dataset, 0).max() == 254
    for image_id, class_id in ((1, 255), (2, 300)):
        with pytest.raises(DataError, match=f"test image {image_id}: .* class id {class_id}, .* up to 254: merge some"):
            true_label_map(dataset, image_id)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32])
def test_masks_of_numbers_are_those_of_bools(kind):
    class Numbers(Squares):
        def load_mask(self, image_id):
            masks = np.zeros((8, 8, 2), kind)
            masks[1:6, 1:6, 0] = masks[2:4, 2:4, 1] = 1
            return masks, np.array([1, 2], np.int32)

    labels = true_label_map(Numbers().load(1), 0)
    assert [int((labels == label).sum()) for label in (0, 1, 2)] == [64 - 25, 21, 4]


def test_masks_and_classes_of_different_numbers_are_told():
    class Uneven(Squares):
        def load_mask(self, image_id):
            return np.ones((8, 8, 1), bool), np.array([1, 2], np.int32)

    with pytest.raises(DataError, match="for 2 class ids: one each"):
        true_label_map(Uneven().load(1), 0)


def test_a_dataset_that_knows_its_label_maps_is_asked():
    class Mapped(Boxes):
        def label_map(self, image_id):
            return np.full((10, 12), 255, np.uint8)

    assert (true_label_map(Mapped().load([(0, 0, 8, 8, 1)]), 0) == 255).all()


@pytest.mark.skipif(not CCP.exists(), reason=f"no Clothing Co-Parsing at {CCP}")
def test_objects_of_clothing_co_parsing_make_its_label_maps():
    """Objects were cut out of label maps, so they overlap nowhere: the map of the objects is that of their classes."""
    from mrcnn.data.formats.coco import CocoDataset

    dataset = CocoDataset()
    dataset.load_coco(os.path.join(CCP, "instances_val.json"), os.path.join(CCP, "photos"), limit=3)
    dataset.prepare()
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        assert masks.sum(axis=2).max() <= 1
        np.testing.assert_array_equal(true_label_map(dataset, image_id), (masks * class_ids).sum(axis=2))


# --- On the canvas ---------------------------------------------------------------------------------------------------


def test_each_canvas_pixel_has_the_label_that_its_centre_lies_in():
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    # Twice as large and moved by (1, 2): canvas pixel (1, 2) has its centre at ((1.5 - 1) / 2, (2.5 - 2) / 2).
    placed = place_labels(labels, Window((2, 3), (6, 9), (2.0, 2.0), (1.0, 2.0)))
    expected = np.full((6, 9), 255, np.uint8)
    expected[1:5, 2:8] = labels.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(placed, expected)
    # Half as large and cut off at the top left: canvas pixel 0 has its centre at (0.5 + 1) / 0.5 = 3.
    placed = place_labels(np.arange(64, dtype=np.uint8).reshape(8, 8), Window((8, 8), (3, 3), (0.5, 0.5), (-1.0, -1.0)))
    np.testing.assert_array_equal(placed, [[27, 29, 31], [43, 45, 47], [59, 61, 63]])


@pytest.mark.parametrize("size", [(64, 64), (50, 80), (130, 90)])
def test_objects_of_a_sample_lie_where_the_network_of_objects_sees_them(size):
    """The same photo through both kinds of samples: boxes and labels agree to a pixel, also after augmentation."""
    data, config = Squares().load(4, size=size), TinyConfig(USE_MINI_MASK=False)
    augmentation = compose([large_scale_jitter(0.7, 1.4), horizontal_flip(0.5), vertical_flip(0.5), colour_jitter()])
    for image_id in range(4):
        objects, labels = (load(data, config, image_id, augmentation, np.random.default_rng(image_id))
                           for load in (load_ground_truth, load_label_sample))
        np.testing.assert_array_equal(objects["image"], labels["image"])
        np.testing.assert_array_equal(objects["active_classes"], labels["active_classes"])
        shown = labels["labels"] != 255
        y1, x1, y2, x2 = np.rint(objects["window"]).astype(int)
        assert shown[y1:y2, x1:x2].all() and shown.sum() == (y2 - y1) * (x2 - x1)
        if len(objects["gt_boxes"]):
            mask = objects["gt_masks"][0] >= 128
            label = labels["labels"] == objects["gt_class_ids"][0]
            assert (mask != label).sum() <= mask.any(axis=0).sum() + mask.any(axis=1).sum()  # half of the border


def test_augmentations_that_move_masks_move_labels():
    """What is moved in from outside the photo is ignored, and so is what was ignored before."""
    data, config = Squares().load(1), TinyConfig()

    def move(image, masks, rng):
        moved, planes = np.zeros_like(image), np.zeros_like(masks)
        moved[10:], planes[10:] = image[:-10], masks[:-10]
        return moved, planes

    plain, moved = (load_label_sample(data, config, 0, augmentation)["labels"] for augmentation in (None, move))
    assert (moved[:10] == 255).all()
    np.testing.assert_array_equal(moved[10:], plain[:-10])


def test_pasted_classes_replace_what_they_hide():
    data, config = Squares().load(6), TinyConfig()
    augmentation = compose([copy_paste(p=1.0, share=1.0)])
    for image_id in range(3):
        sample = load_label_sample(data, config, image_id, augmentation, np.random.default_rng(image_id))
        own = load_label_sample(data, config, image_id)["labels"]
        changed = sample["labels"] != own
        pasted = np.unique(sample["labels"][changed])
        assert len(pasted) == 1 and 0 < pasted[0] < 4  # one square of another picture, wherever it lies
        channel = int(pasted[0]) - 1
        assert (sample["image"][changed][:, channel] == 250).all()


@pytest.mark.parametrize("labels,message", [
    (np.zeros((10, 10), np.uint8), "square0.png: the photo is 64x64 .* its label map 10x10"),
    (np.full((64, 64), 9, np.uint8), "square0.png: its label map has label 9, but NUM_CLASSES=4 allows 0 to 3 and 255"),
])
def test_label_maps_that_do_not_fit_are_told(labels, message):
    data = Squares().load(1)
    data.label_map = lambda image_id: labels
    with pytest.raises(DataError, match=message):
        load_label_sample(data, TinyConfig(), 0)


def test_labels_of_classes_that_a_source_does_not_label_are_told():
    data = Squares().load(1)
    data.add_class("other", 1, "violet")
    data.prepare()
    data.label_map = lambda image_id: np.full((64, 64), 4, np.uint8)
    with pytest.raises(DataError, match="square0.png: label 4 .* source 'squares' labels"):
        load_label_sample(data, TinyConfig(NUM_CLASSES=5), 0)


# --- Batches ---------------------------------------------------------------------------------------------------------


def test_batches_are_padded_with_what_is_ignored():
    data = Squares()
    for part, size in enumerate(((64, 128), (64, 64))):
        data.load(1, seed=part, size=size)
    config = TinyConfig(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=None)
    (batch,) = Batches(data, config, shuffle=False, samples=LabelSamples)[0]
    assert {name: (value.shape, value.dtype.name) for name, value in batch.items()} == {
        "image": ((2, 64, 128, 3), "uint8"), "labels": ((2, 64, 128), "uint8"), "active_classes": ((2, 4), "bool")}
    assert (batch["labels"][1, :, 64:] == 255).all() and (batch["labels"][0] != 255).all()
    image, _ = place_image(data.load_image(1), None, 64, 0, "pad64")
    np.testing.assert_array_equal(batch["image"][1, :, :64], image)


def test_blank_rows_teach_nothing():
    data = Squares().load(2)
    (batch,) = Batches(data, TinyConfig(), shuffle=False, samples=LabelSamples)[0]
    LabelSamples(data, TinyConfig()).blank(batch, 1)
    assert (batch["labels"][0] != 255).all() and (batch["labels"][1] == 255).all() and not batch["image"][1].any()


def test_empty_photos_are_those_without_a_labelled_pixel():
    data, config = Boxes().load([], [], []), TinyConfig(SKIP_EMPTY_IMAGES=True)
    data.label_map = lambda image_id: np.full((10, 12), (0, 1, 255)[image_id], np.uint8)  # of parts that are no objects
    assert Batches(data, config, samples=LabelSamples).image_ids.tolist() == [1]
    with pytest.raises(DataError, match="None of 2 photos has a labelled pixel: set SKIP_EMPTY_IMAGES=False"):
        Batches(data, config, samples=LabelSamples, image_ids=[0, 2])
