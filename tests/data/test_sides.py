"""Left and right change places in mirrored photos, in classes, attributes and labels, or it is told that they stay."""

import warnings

import numpy as np
import pytest
from made_pictures import rectangles, settings

from mrcnn.data.augmentation import compose
from mrcnn.data.augmenters import colour_jitter, copy_paste, horizontal_flip, vertical_flip
from mrcnn.data.batches import Batches
from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import load_ground_truth
from mrcnn.data.label_samples import LabelSamples, load_label_sample
from mrcnn.data.recipes import augmentation_of
from mrcnn.data.sides import counterparts, swaps_of, turned_ids

NAMES = ("hat", "left shoe", "right shoe")


class Shoes(Dataset):
    """A photo of a left shoe, which is an upright bar, a right one, a flat bar, and a crowd of left ones, far below."""

    attribute_names = {7: "heel: left", 9: "heel: right", 11: "red"}

    def __init__(self, names=NAMES, photos=1):
        super().__init__()
        for i, name in enumerate(names, 1):
            self.add_class("made", i, name)
        for i in range(photos):
            self.add_image("made", i, None)
        self.prepare()

    def load_image(self, image_id):
        return np.full((64, 64, 3), 90, np.uint8)

    def load_mask(self, image_id):
        masks = rectangles((64, 64), [(4, 4, 28, 12), (4, 20, 12, 44), (40, 0, 60, 64)], [2, 3, -2])[1]
        return masks, np.array([2, 3, -2]), [[7, 11], [9], []]


def of_shapes(sample):
    """{what is seen of an object: (its class id, its attributes)}"""
    sides = sample["gt_boxes"][:, 2:] - sample["gt_boxes"][:, :2]
    shapes = ["crowd" if crowd else "upright" if height > width else "flat"
              for (height, width), crowd in zip(sides, sample["gt_crowd"])]
    given = sample.get("gt_attributes", [()] * len(shapes))
    return {shape: (int(class_id), tuple(ids)) for shape, class_id, ids in zip(shapes, sample["gt_class_ids"], given)}


PLAIN = {"upright": (2, (7, 11)), "flat": (3, (9,)), "crowd": (2, ())}
SWAPPED = {"upright": (3, (9, 11)), "flat": (2, (7,)), "crowd": (3, ())}


def same(image, masks, rng):
    return image, masks


def test_pairs_of_names_by_hand():
    names = ("hat", "Left shoe", "right-shoe", "leftArm", "left bag", "RIGHT_ARM", "leftover", "rightover", "left 1",
             "right 2", "right 1", "left to right", "right to left", "left_shoe")
    assert counterparts(names) == (0, 2, 1, 5, 4, 3, 6, 7, 10, 9, 8, 12, 11, 13)
    assert counterparts(("left", "right", "hat", "right", "left", "left")) == (1, 0, 2, 4, 3, 5)  # in their order
    for alone in (("left sleeve", "right leg"), ("left",)):
        assert counterparts(alone) == tuple(range(len(alone)))
    assert turned_ids(["BG", "left", "right"], 5) == (0, 2, 1, 3, 4) and turned_ids(None, 2) == (0, 1)


@pytest.mark.parametrize("augmentation, mirrored", [
    (None, False), (horizontal_flip(1.0), True), (horizontal_flip(0.0), False), (vertical_flip(1.0), True),
    (compose([horizontal_flip(1.0), vertical_flip(1.0)]), False), (compose([same, horizontal_flip(1.0)]), True),
    (compose([horizontal_flip(1.0), same]), True), (compose([horizontal_flip(1.0), same, colour_jitter(),
                                                             horizontal_flip(1.0)]), False),
])
@pytest.mark.filterwarnings("ignore:In mirrored", "ignore:The function")
def test_left_and_right_change_places_in_mirrored_photos(augmentation, mirrored):
    dataset = Shoes()
    for attributes in (False, True):
        sample = load_ground_truth(dataset, settings(), 0, augmentation, attributes=attributes)
        expected = SWAPPED if mirrored else PLAIN
        assert of_shapes(sample) == (expected if attributes else {key: (i, ()) for key, (i, _) in expected.items()})
    labels, still = (load_label_sample(dataset, settings(), 0, one)["labels"] for one in (augmentation, None))
    counts, before = np.bincount(labels.ravel(), minlength=256), np.bincount(still.ravel(), minlength=256)
    assert counts[[2, 3]].tolist() == [24 * 8, 8 * 24] and counts[255] == before[255] == 20 * 64
    upright = np.flatnonzero((labels == (3 if mirrored else 2)).any(axis=0))
    assert len(upright) == 8


@pytest.mark.filterwarnings("ignore:In mirrored")
def test_pasted_objects_change_places_as_their_own_photo_was_mirrored():
    dataset, upright, flat = Shoes(photos=2), set(), set()
    augmentation, config = compose([horizontal_flip(0.5), copy_paste()]), settings(MAX_GT_INSTANCES=9)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        sample = load_ground_truth(dataset, config, 0, augmentation, rng, attributes=True)
        for box, class_id, ids in zip(sample["gt_boxes"], sample["gt_class_ids"], sample["gt_attributes"]):
            if box[0] == 4 and box[2] == 28 and box[3] - box[1] == 8:
                upright.add((box[1] > 32, int(class_id), ids))
            elif box[0] == 4 and box[2] == 12 and box[3] - box[1] == 24:
                flat.add((box[1] == 20, int(class_id), ids))
    assert upright == {(False, 2, (7, 11)), (True, 3, (9, 11))} and flat == {(True, 3, (9,)), (True, 2, (7,))}


def test_classes_change_places_within_their_source():
    dataset = Shoes(("left shoe", "right hat"))
    dataset.add_class("other", 1, "right shoe")
    dataset.attribute_names = {}
    dataset.prepare()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset.load_mask = lambda image_id: Shoes.load_mask(dataset, 0)[:1] + (np.array([1, 2, 1]),)
        sample = load_ground_truth(dataset, settings(), 0, horizontal_flip(1.0))
    assert sample["gt_class_ids"].tolist() == [1, 2, 1]


@pytest.mark.parametrize("names", [
    [("left shoe", "right shoe"), ("left shoe", "right shoe")], [("right shoe", "hat", "left shoe"), ("hat",)],
    [("left shoe, sneaker", "right shoe, boot"), ("left",)], [("left hat, a", "left hat, b", "right hat, b")],
    [("left shoe", "left shoe", "right shoe")],
])
@pytest.mark.filterwarnings("ignore:In mirrored", "ignore:.*have one name up to the first comma")
def test_training_and_mirrored_views_know_the_same_pairs(names):
    dataset = Dataset()
    for source, of_source in enumerate(names):
        for i, name in enumerate(of_source, 1):
            dataset.add_class(f"source{source}", i, name)
    dataset.prepare()
    count = len(dataset.class_names)
    warnings.filterwarnings("error", "Mirrored views")
    assert tuple(swaps_of(dataset, count).classes) == turned_ids(dataset.class_names, count)


@pytest.mark.filterwarnings("ignore:In mirrored")
def test_pairs_that_mirrored_views_do_not_know_are_told():
    """Where a source has no right of its left, the views took that of another source, without a word."""
    dataset = Dataset()
    for i, (source, name) in enumerate([("A", "left shoe"), ("B", "left shoe"), ("B", "right shoe")]):
        dataset.add_class(source, i, name)
    dataset.prepare()
    with pytest.warns(UserWarning, match="Mirrored views .* pair others than training does, by source"):
        assert swaps_of(dataset, 4).classes.tolist() == [0, 1, 3, 2]
    assert turned_ids(dataset.class_names, 4) == (0, 3, 2, 1)


def caught(dataset, augmentation, times=2, samples=None):
    """Texts of the warnings of some batches."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        batches = Batches(dataset, settings(), batch_size=1, augmentation=augmentation,
                          **({"samples": samples} if samples else {}))
        for batches.epoch in range(times):
            batches[0]
    return [str(one.message) for one in told]


@pytest.mark.parametrize("samples", [None, LabelSamples])
def test_what_changes_places_is_told_once(samples):
    dataset = Shoes()
    (told,) = caught(dataset, horizontal_flip(1.0), samples=samples)
    assert told.startswith("In mirrored photos 'left shoe' with 'right shoe' and 1 more pair change places")
    assert not caught(dataset, horizontal_flip(1.0), samples=samples)
    plain = Shoes(("hat", "left shoe", "shoe"))
    plain.attribute_names = {}
    assert not caught(plain, horizontal_flip(1.0), samples=samples)
    assert not caught(Shoes(), colour_jitter(), samples=samples)


@pytest.mark.parametrize("samples", [None, LabelSamples])
def test_mirrors_that_cannot_be_looked_into_are_told_of_once(samples):
    iaa = pytest.importorskip("imgaug.augmenters", reason="imgaug is not installed")
    dataset = Shoes()
    for augmentation, what in ((iaa.Sequential([iaa.Add(3), iaa.Fliplr(0.5)]), "Fliplr"), (same, "The function same")):
        (told,) = caught(dataset, augmentation, samples=samples)
        assert told.startswith(f"{what} mirrors photos, or may do so, and 'left shoe' with 'right shoe' and 1 more")
        assert "mirror by mrcnn.data.augmenters.horizontal_flip" in told
        assert not caught(dataset, augmentation, samples=samples)
    assert not caught(dataset, iaa.Sequential([iaa.Affine(rotate=(-10, 10)), iaa.Add(3)]), samples=samples)
    plain = Shoes(("hat", "left shoe", "shoe"))
    plain.attribute_names = {}
    assert not caught(plain, iaa.Fliplr(0.5), samples=samples)


def test_the_default_augmentation_of_photos_mirrors_sides_rightly():
    pytest.importorskip("imgaug.augmenters", reason="imgaug is not installed")
    dataset, seen = Shoes(), set()
    with pytest.warns(UserWarning, match="change places") as told:
        for seed in range(12):
            sample = load_ground_truth(dataset, settings(), 0, augmentation_of("imgaug"), np.random.default_rng(seed))
            centres = (sample["gt_boxes"][:, 1] + sample["gt_boxes"][:, 3]) / 2
            seen.add((bool(centres[0] < centres[1]), *sample["gt_class_ids"][:2].tolist()))
    assert seen == {(True, 2, 3), (False, 3, 2)} and len(told) == 1
