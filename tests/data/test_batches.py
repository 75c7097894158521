"""Samples, their padding, their order over epochs, and what Keras' fit() makes of it."""

import threading
import warnings

import keras
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.data.augmentation import horizontal_flip
from mrcnn.data.batches import Batches, load_ground_truth
from mrcnn.data.dataset import Dataset
from mrcnn.data.images import DataError, place_image
from mrcnn.data.masks import mask_boxes


class Pictures(Dataset):
    """Pictures given as (photo, masks, class ids); `broken` lists the ids whose photo cannot be loaded."""

    def __init__(self, pictures, classes=3, source="made"):
        super().__init__()
        self.pictures, self.broken, self.threads = pictures, {}, set()
        for class_id in range(1, classes + 1):
            self.add_class(source, class_id, f"class {class_id}")
        for i in range(len(pictures)):
            self.add_image(source, i, f"folder/picture{i}.png")
        self.prepare()

    def load_image(self, image_id):
        self.threads.add(threading.current_thread().name)
        if image_id in self.broken:
            raise self.broken[image_id]
        return self.pictures[image_id][0]

    def load_mask(self, image_id):
        return self.pictures[image_id][1:]


def rectangles(shape, boxes, class_ids, seed=0):
    """(photo of noise, masks that fill the boxes, class ids)."""
    masks = np.zeros(shape + (len(boxes),), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    photo = np.random.default_rng(seed).integers(0, 256, shape + (3,), dtype=np.uint8)
    return photo, masks, np.array(class_ids, np.int32)


def ellipses(shape, count, seed=0):
    """(picture that shows the first three masks as its channels, masks, class ids) of random ellipses."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape) + 0.5
    masks = []
    for _ in range(count):
        cy, cx = rng.uniform(0.1, 0.9, 2) * shape
        ry, rx = rng.uniform(0.05, 0.3, 2) * shape
        masks.append(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1)
    masks = np.stack(masks, axis=-1)
    return masks[..., :3].astype(np.uint8) * 255, masks, np.array([1 + i % 3 for i in range(count)], np.int32)


def settings(**overrides):
    values = {
        "NUM_CLASSES": 4, "IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 64, "MAX_GT_INSTANCES": 5, "IMAGES_PER_GPU": 2,
        "MINI_MASK_SHAPE": (8, 8), "WORKERS": 0, **overrides,
    }
    return Config(**values)


def plain(count):
    """Pictures that differ in their first pixel alone, which holds their id; one object each."""
    pictures = []
    for i in range(count):
        photo = np.zeros((64, 64, 3), np.uint8)
        photo[0, 0] = i
        pictures.append((photo, np.ones((64, 64, 1), bool), np.array([1])))
    return Pictures(pictures)


def ids_in(batch):
    return batch["image"][:, 0, 0, 0].tolist()


# --- One sample ------------------------------------------------------------------------------------------------------


def test_a_sample_by_hand():
    # 80 x 40 on a canvas of 64: scale 0.8, so 64 x 32 with 16 to its left. Rows 10-30 become 8-24, columns 5-20 become
    # 16 + 4 = 20 to 16 + 16 = 32.
    dataset = Pictures([rectangles((80, 40), [(10, 5, 30, 20), (0, 0, 80, 40)], [2, -3])])
    sample = load_ground_truth(dataset, settings(), 0)
    np.testing.assert_array_equal(sample["window"], [0, 16, 64, 48])
    np.testing.assert_allclose(sample["gt_boxes"], [[8, 20, 24, 32], [0, 16, 64, 48]], atol=1e-4)
    assert sample["gt_boxes"].dtype == np.float32
    assert sample["gt_class_ids"].tolist() == [2, 3] and sample["gt_crowd"].tolist() == [False, True]
    assert (sample["gt_masks"] == 255).all() and sample["gt_masks"].shape == (2, 8, 8)
    assert sample["active_classes"].tolist() == [True] * 4
    np.testing.assert_array_equal(sample["image"], place_image(dataset.pictures[0][0], 64, 64)[0])


def test_the_flip_by_hand():
    dataset = Pictures([rectangles((80, 40), [(10, 5, 30, 20)], [2])])
    dataset.pictures[0][1][10:20, 5:10] = False  # the upper left part of the object is not its own
    still, flipped = (load_ground_truth(dataset, settings(), 0, horizontal_flip(p)) for p in (0.0, 1.0))
    # Columns 20-32 of 64 become 32-44.
    np.testing.assert_allclose(flipped["gt_boxes"], [[8, 32, 24, 44]], atol=1e-4)
    np.testing.assert_array_equal(flipped["window"], [0, 16, 64, 48])
    np.testing.assert_array_equal(flipped["image"], still["image"][:, ::-1])
    np.testing.assert_array_equal(flipped["gt_masks"], still["gt_masks"][:, :, ::-1])
    assert not flipped["gt_masks"][0, :4, 6:].any() and flipped["gt_masks"][0, 4:].all()


def overlap(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


@pytest.mark.parametrize("mode, shape", [("square", (150, 97)), ("square", (41, 33)), ("pad64", (100, 150)),
                                         ("crop", (150, 97)), ("none", (128, 64))])
@pytest.mark.parametrize("flip", [False, True])
def test_both_ways_to_place_objects_agree(mode, shape, flip):
    dataset = Pictures([ellipses(shape, 6, seed=1)])
    config = settings(IMAGE_RESIZE_MODE=mode, MAX_GT_INSTANCES=9, MINI_MASK_SHAPE=(28, 28))
    rng = [np.random.default_rng(3) for _ in range(2)]  # the same crop for both
    exact = load_ground_truth(dataset, config, 0, horizontal_flip(float(flip)), rng[0])
    step = -1 if flip else 1
    mirror = lambda image, masks, _: (image[:, ::step], masks[:, ::step])  # noqa: E731
    general = load_ground_truth(dataset, config, 0, mirror, rng[1])
    np.testing.assert_array_equal(general["image"], exact["image"])
    assert len(exact["gt_boxes"]) == len(general["gt_boxes"]) >= 2
    np.testing.assert_array_equal(general["gt_class_ids"], exact["gt_class_ids"])
    assert np.abs(general["gt_boxes"] - exact["gt_boxes"]).max() <= 1
    for a, b in zip(exact["gt_masks"], general["gt_masks"]):
        assert overlap(a >= 128, b >= 128) > 0.8


@pytest.mark.parametrize("mode, shape", [("square", (150, 97)), ("square", (41, 33)), ("pad64", (100, 150)),
                                         ("crop", (150, 97))])
@pytest.mark.parametrize("augmentation", [None, horizontal_flip(1.0), lambda image, masks, rng: (image, masks)])
def test_full_masks_lie_where_the_picture_shows_them(mode, shape, augmentation):
    dataset = Pictures([ellipses(shape, 3, seed=2)])
    config = settings(IMAGE_RESIZE_MODE=mode, USE_MINI_MASK=False)
    sample = load_ground_truth(dataset, config, 0, augmentation, np.random.default_rng(1))
    assert sample["gt_masks"].dtype == np.uint8
    assert len(sample["gt_masks"]) > 0
    for mask, box, class_id in zip(sample["gt_masks"], sample["gt_boxes"], sample["gt_class_ids"]):
        shown = sample["image"][..., class_id - 1] >= 128  # class i is mask i is channel i
        assert overlap(mask >= 128, shown) > 0.95
        assert np.abs(mask_boxes(shown[..., None])[0] - box).max() <= 1.01


def test_vanished_objects_are_dropped_with_all_that_belongs_to_them():
    # At a scale of 1 / 4 a side of 3 pixels becomes 0.75, one of 4 becomes 1.
    boxes = [(0, 0, 3, 200), (0, 0, 4, 4), (9, 9, 9, 9), (100, 100, 200, 200)]
    dataset = Pictures([rectangles((256, 256), boxes, [1, 2, 3, 3])])
    sample = load_ground_truth(dataset, settings(), 0)
    assert sample["gt_class_ids"].tolist() == [2, 3]
    np.testing.assert_allclose(sample["gt_boxes"], [[0, 0, 1, 1], [25, 25, 50, 50]], atol=1e-4)
    assert len(sample["gt_masks"]) == len(sample["gt_crowd"]) == 2
    gone = load_ground_truth(dataset, settings(), 0, lambda image, masks, rng: (image, np.zeros_like(masks)))
    assert gone["gt_boxes"].shape == (0, 4) and gone["gt_masks"].shape == (0, 8, 8)


def test_a_crop_clips_boxes_to_what_it_shows():
    dataset = Pictures([rectangles((64, 300), [(10, 0, 20, 300), (0, 0, 5, 5), (0, 295, 5, 300)], [1, 2, 3])])
    config = settings(IMAGE_RESIZE_MODE="crop")
    for seed in range(5):
        sample = load_ground_truth(dataset, config, 0, None, np.random.default_rng(seed))
        assert sample["image"].shape == (64, 64, 3)
        # The long object fills the crop from side to side.
        np.testing.assert_allclose(sample["gt_boxes"][0], [10, 0, 20, 64], atol=1e-4)
        assert (sample["gt_masks"][0] == 255).all()


def test_a_crop_that_ends_within_a_pixel_of_the_photo_clips_there_too():
    # 41 rows become 64, so that most crops begin and end between two of the photo's pixels.
    dataset = Pictures([rectangles((41, 200), [(0, 0, 41, 200)], [1])])
    for seed in range(5):
        sample = load_ground_truth(dataset, settings(IMAGE_RESIZE_MODE="crop"), 0, None, np.random.default_rng(seed))
        np.testing.assert_allclose(sample["gt_boxes"], [[0, 0, 64, 64]], atol=1e-3)
        assert (sample["gt_masks"] == 255).all()


def test_a_photo_without_objects():
    empty = Pictures([(np.zeros((64, 64, 3), np.uint8), np.zeros((0, 0, 0), bool), np.zeros(0, int))])
    for augmentation in (None, horizontal_flip(1.0), lambda image, masks, rng: (image, masks)):
        sample = load_ground_truth(empty, settings(), 0, augmentation)
        assert sample["gt_boxes"].shape == (0, 4) and sample["gt_masks"].shape == (0, 8, 8)
    batch = Batches(empty, settings())[0][0]
    assert not batch["gt_valid"].any() and not batch["gt_boxes"].any()


def test_active_classes_are_those_of_the_photos_source():
    pictures = [rectangles((64, 64), [(0, 0, 9, 9)], [class_id]) for class_id in (1, 2)]
    dataset = Pictures(pictures, classes=1)
    dataset.add_class("other", 1, "hat")  # class 2
    dataset.image_info[1]["source"] = "other"
    dataset.prepare()
    batch = Batches(dataset, settings(NUM_CLASSES=3), shuffle=False)[0][0]
    assert batch["active_classes"].tolist() == [[True, True, False], [True, False, True]]
    dataset.image_info[1]["source"] = "unknown"
    with pytest.raises(DataError, match="picture1.png.*'unknown' has no classes"):
        load_ground_truth(dataset, settings(NUM_CLASSES=3), 1)


def test_other_types_of_masks_and_photos_are_read_as_scripts_give_them():
    photo, masks, class_ids = rectangles((64, 64), [(4, 4, 20, 20)], [1])
    expected = load_ground_truth(Pictures([(photo, masks, class_ids)]), settings(), 0)
    loose = Pictures([(photo.astype(np.float64), masks.astype(np.uint8) * 255, class_ids.astype(float))])
    found = load_ground_truth(loose, settings(), 0)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype


GOOD = rectangles((64, 64), [(4, 4, 20, 20)], [1])


@pytest.mark.parametrize("photo, masks, class_ids, message", [
    (GOOD[0][..., 0], GOOD[1], GOOD[2], r"load_image gave \[64, 64\]"),
    (GOOD[0] / 255.0, GOOD[1], GOOD[2], "float64 values from 0.0 to 1.0: return uint8"),
    (GOOD[0].astype(int) - 300, GOOD[1], GOOD[2], "return uint8"),
    (GOOD[0], GOOD[1][:60], GOOD[2], "the photo is 64x64 pixels .* its masks are 60x64"),
    (GOOD[0], GOOD[1], [1, 2], r"masks \[64, 64, 1\] for 2 class ids"),
    (GOOD[0], GOOD[1], [4], "class id 4, but NUM_CLASSES=4 allows 1 to 3"),
    (GOOD[0], GOOD[1], [-4], "class id -4"),
    (GOOD[0], GOOD[1], [0], "class id 0"),
])
def test_what_does_not_fit_is_named(photo, masks, class_ids, message):
    with pytest.raises(DataError, match=f"picture0.png: .*{message}"):
        load_ground_truth(Pictures([(photo, masks, np.array(class_ids))]), settings(), 0)


def test_a_size_that_64_does_not_divide_names_the_photo():
    dataset = Pictures([rectangles((100, 64), [(4, 4, 20, 20)], [1])])
    with pytest.raises(DataError, match="picture0.png: .*100x64.*pad64"):
        load_ground_truth(dataset, settings(IMAGE_RESIZE_MODE="none"), 0)


# --- One batch -------------------------------------------------------------------------------------------------------


def test_a_batch_is_padded_and_says_what_is_real():
    pictures = [rectangles((64, 64), [(0, 0, 8, 8), (8, 8, 32, 32)], [1, -2]), rectangles((64, 32), [], [])]
    batches = Batches(Pictures(pictures), settings(), shuffle=False)
    (batch,) = batches[0]
    assert batch["gt_valid"].tolist() == [[True, True, False, False, False], [False] * 5]
    assert batch["gt_crowd"].tolist() == [[False, True, False, False, False], [False] * 5]
    assert batch["gt_class_ids"].tolist() == [[1, 2, 0, 0, 0], [0] * 5]
    np.testing.assert_allclose(batch["gt_boxes"][0, :2], [[0, 0, 8, 8], [8, 8, 32, 32]])
    assert not batch["gt_boxes"][0, 2:].any() and not batch["gt_masks"][0, 2:].any()
    kinds = {name: (value.dtype.name, value.shape) for name, value in batch.items()}
    assert kinds == {
        "image": ("uint8", (2, 64, 64, 3)), "window": ("float32", (2, 4)), "gt_boxes": ("float32", (2, 5, 4)),
        "gt_class_ids": ("int32", (2, 5)), "gt_masks": ("uint8", (2, 5, 8, 8)), "gt_valid": ("bool", (2, 5)),
        "gt_crowd": ("bool", (2, 5)), "active_classes": ("bool", (2, 4)),
    }


@pytest.mark.parametrize("mini", [True, False])
@pytest.mark.parametrize("mode", ["none", "pad64"])
def test_canvases_of_one_batch_are_padded_to_the_largest(mode, mini):
    pictures = [rectangles((64, 192), [(0, 0, 8, 8)], [1]), rectangles((128, 64), [(100, 30, 128, 64)], [2])]
    dataset = Pictures(pictures)
    config = settings(IMAGE_RESIZE_MODE=mode, USE_MINI_MASK=mini)
    (batch,) = Batches(dataset, config, shuffle=False)[0]
    assert batch["image"].shape == (2, 128, 192, 3)
    for row in range(2):  # padding moves nothing
        sample = load_ground_truth(dataset, config, row)
        height, width = sample["image"].shape[:2]
        np.testing.assert_array_equal(batch["image"][row, :height, :width], sample["image"])
        assert not batch["image"][row, height:].any() and not batch["image"][row, :, width:].any()
        np.testing.assert_array_equal(batch["gt_boxes"][row, 0], sample["gt_boxes"][0])
        rows, columns = sample["gt_masks"].shape[1:]
        np.testing.assert_array_equal(batch["gt_masks"][row, 0, :rows, :columns], sample["gt_masks"][0])
    assert batch["gt_masks"].shape == ((2, 5, 8, 8) if mini else (2, 5, 128, 192))


def test_too_many_objects_are_said_once_and_chosen_at_random():
    boxes = [(4 * i, 0, 4 * i + 4, 8 + i) for i in range(12)]
    dataset = Pictures([rectangles((64, 64), boxes, [1] * 12)] * 3)
    batches = Batches(dataset, settings(), batch_size=1)
    with pytest.warns(UserWarning, match="has 12 objects, more than MAX_GT_INSTANCES=5") as caught:
        chosen = []
        for epoch in range(8):
            batches.epoch = epoch
            chosen += [tuple(batches[i][0]["gt_boxes"][0, :, 0].tolist()) for i in range(3)]
    assert len(caught) == 1 and "picture" in str(caught[0].message)
    assert all(len(set(tops)) == 5 for tops in chosen)
    assert {top for tops in chosen for top in tops} == {4.0 * i for i in range(12)}  # each has its turn
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Batches(dataset, settings(MAX_GT_INSTANCES=12))[0]


def test_no_augmentation_for_some_sources():
    dataset = Pictures([rectangles((64, 64), [(0, 0, 8, 8)], [class_id]) for class_id in (4, 1)])
    dataset.image_info[0]["source"] = "upright"
    dataset.add_class("upright", 1, "sign")  # class 4
    dataset.prepare()
    batches = Batches(dataset, settings(NUM_CLASSES=5), shuffle=False, augmentation=horizontal_flip(1.0),
                      no_augmentation_sources=["upright"])
    np.testing.assert_allclose(batches[0][0]["gt_boxes"][:, 0], [[0, 0, 8, 8], [0, 56, 8, 64]])


def test_empty_photos_are_kept_or_skipped():
    empty = (np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 0), bool), np.zeros(0, int))
    crowd = rectangles((64, 64), [(0, 0, 8, 8)], [-1])
    dataset = Pictures([empty, GOOD, crowd, GOOD])
    assert Batches(dataset, settings()).image_ids.tolist() == [0, 1, 2, 3]
    assert Batches(dataset, settings(SKIP_EMPTY_IMAGES=True)).image_ids.tolist() == [1, 3]
    with pytest.raises(DataError, match="None of 2 photos has an object: set SKIP_EMPTY_IMAGES=False"):
        Batches(dataset, settings(SKIP_EMPTY_IMAGES=True), image_ids=[0, 2])

    dataset.load_mask = None  # a data set that counts is not asked for its masks
    dataset.object_count = lambda image_id: image_id % 2
    assert Batches(dataset, settings(SKIP_EMPTY_IMAGES=True)).image_ids.tolist() == [1, 3]


def test_data_sets_that_cannot_be_trained_on():
    with pytest.raises(DataError, match="has no photos"):
        Batches(Pictures([]), settings())
    with pytest.raises(DataError, match="call its prepare"):
        Batches(Dataset(), settings())
    with pytest.raises(DataError, match="4 classes with background, NUM_CLASSES is 3: set NUM_CLASSES=4"):
        Batches(plain(2), settings(NUM_CLASSES=3))
    with pytest.raises(TypeError, match="augmentation"):
        Batches(plain(2), settings(), augmentation="flip")


# --- Order -----------------------------------------------------------------------------------------------------------


def epochs_of(batches, count):
    """The ids of each epoch's batches, as read."""
    epochs = []
    for _ in range(count):
        epochs.append([ids_in(batches[i][0]) for i in range(len(batches))])
        batches.epoch += 1
    return epochs


def test_without_steps_an_epoch_is_every_photo_once():
    epochs = epochs_of(Batches(plain(7), settings()), 3)
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [2, 2, 2, 1]
        assert sorted(sum(epoch, [])) == list(range(7))
    assert epochs[0] != epochs[1] != epochs[2]


def test_with_steps_nobody_comes_again_before_everybody_has_come():
    # 5 epochs of 3 batches of 4 are 60 photos: 8 passes of 7, and 4 more.
    epochs = epochs_of(Batches(plain(7), settings(), batch_size=4, steps=3), 5)
    row = sum((sum(epoch, []) for epoch in epochs), [])
    assert all(len(batch) == 4 for epoch in epochs for batch in epoch)
    passes = [row[i:i + 7] for i in range(0, 56, 7)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert len(set(row[56:])) == 4
    assert len({tuple(one) for one in passes}) > 1


@pytest.mark.parametrize("steps", [None, 3])
def test_a_resumed_run_sees_what_an_unbroken_one_sees(steps):
    def flip_and_noise(image, masks, rng):
        noise = rng.integers(0, 100, image.shape).astype(np.uint8)
        return (image + noise)[:, ::rng.choice([-1, 1])].copy(), masks

    options = {"augmentation": flip_and_noise, "steps": steps, "seed": 11}
    unbroken = Batches(plain(7), settings(), **options)
    unbroken.epoch = 2
    resumed = Batches(plain(7), settings(WORKERS=2), first_epoch=2, **options)
    for index in range(len(unbroken)):
        assert unbroken.image_ids_of(index) == resumed.image_ids_of(index)
        np.testing.assert_array_equal(unbroken[index][0]["image"], resumed[index][0]["image"])
    other = Batches(plain(7), settings(), **{**options, "seed": 12})
    other.epoch = 2
    assert [unbroken.image_ids_of(i) for i in range(3)] != [other.image_ids_of(i) for i in range(3)]


def test_augmentation_differs_from_pass_to_pass():
    batches = Batches(plain(1), settings(), augmentation=lambda image, masks, rng: (
        np.full_like(image, rng.integers(256)), masks))
    assert len({ids_in(batches[0][0])[0] for batches.epoch in range(10)}) > 5


def test_without_shuffle_the_order_and_the_crops_stay():
    pictures = [rectangles((64, 200), [(0, 0, 64, 200)], [1], seed) for seed in range(5)]
    batches = Batches(Pictures(pictures), settings(IMAGE_RESIZE_MODE="crop"), shuffle=False, image_ids=[3, 1, 0])
    first = [batches[i][0]["image"] for i in range(2)]
    assert [batches.image_ids_of(i) for i in range(2)] == [[3, 1], [0]]
    batches.epoch = 4
    for before, after in zip(first, (batches[i][0]["image"] for i in range(2))):
        np.testing.assert_array_equal(before, after)


def test_image_ids_of_tells_the_photos_of_a_batch():
    batches = Batches(plain(9), settings(), steps=4)
    for epoch in (0, 3):
        batches.epoch = epoch
        for index in range(4):
            assert ids_in(batches[index][0]) == batches.image_ids_of(index)


def test_batches_end():
    batches = Batches(plain(3), settings())
    assert len(list(batches)) == len(batches) == 2
    with pytest.raises(IndexError):
        batches[2]


# --- Threads ---------------------------------------------------------------------------------------------------------


def test_threads_give_the_same_batches_as_none():
    pictures = [ellipses((90, 70), 4, seed) for seed in range(9)]
    options = {"augmentation": horizontal_flip(0.5), "steps": 7}
    alone = Batches(Pictures(pictures), settings(), **options)
    dataset = Pictures(pictures)
    threaded = Batches(dataset, settings(WORKERS=3), **options)
    for epoch in (0, 1):
        alone.epoch = threaded.epoch = epoch
        for index in list(range(7)) + [2, 0]:  # any order
            for name, value in alone[index][0].items():
                np.testing.assert_array_equal(threaded[index][0][name], value)
    assert all(name.startswith("mrcnn-data") for name in dataset.threads)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_names_the_photo(workers):
    dataset = plain(4)
    dataset.broken[2] = ZeroDivisionError("nothing left")
    batches = Batches(dataset, settings(WORKERS=workers), shuffle=False, batch_size=1)
    assert ids_in(batches[1][0]) == [1]
    with pytest.raises(DataError, match="picture2.png: ZeroDivisionError: nothing left"):
        batches[2]
    assert isinstance(batches.failure, DataError)
    assert ids_in(batches[3][0]) == [3]
    dataset.broken[2] = DataError("picture2.png: not a readable image")
    with pytest.raises(DataError, match="^picture2.png: not a readable image$"):
        batches[2]


# --- Keras -----------------------------------------------------------------------------------------------------------


class FirstPixel(keras.Model):
    """Its loss is the first pixel of the picture, so that the logs tell which picture was read."""

    def __init__(self):
        super().__init__()
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, inputs):
        image = keras.ops.cast(inputs["image"], "float32")
        objects = keras.ops.cast(keras.ops.sum(keras.ops.cast(inputs["gt_valid"], "float32")), "float32")
        return image[:, 0, 0, 0] * self.scale + 0.0 * objects

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(y_pred)


class Reader(keras.callbacks.Callback):
    """Notes the picture of each step, from the running mean of the loss, and what image_ids_of says of it."""

    def __init__(self, batches, validation=None):
        super().__init__()
        self.batches, self.validation = batches, validation
        self.read, self.said, self.validated = [], [], []

    def note(self, batch, logs, read):
        read[-1].append(logs["loss"] * (batch + 1) - sum(read[-1]))

    def on_epoch_begin(self, epoch, logs=None):
        self.read.append([])
        self.said.append([])

    def on_train_batch_end(self, batch, logs=None):
        self.note(batch, logs, self.read)
        self.said[-1] += self.batches.image_ids_of(batch)

    def on_test_begin(self, logs=None):
        self.validated.append([])

    def on_test_batch_end(self, batch, logs=None):
        self.note(batch, logs, self.validated)


def fitted(batches, validation=None, **options):
    model = FirstPixel()
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    reader = Reader(batches, validation)
    model.fit(batches, validation_data=validation, callbacks=[reader], verbose=0, shuffle=False, **options)
    reader.read = [[round(float(value)) for value in epoch] for epoch in reader.read]
    reader.validated = [[round(float(value)) for value in epoch] for epoch in reader.validated]
    return reader


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("steps", [None, 2, 4])
def test_fit_reads_the_epochs_in_their_order(workers, steps):
    config = settings(WORKERS=workers)
    batches = Batches(plain(6), config, batch_size=1, steps=steps, first_epoch=1)
    validation = Batches(plain(3), config, batch_size=1, shuffle=False)
    expected = epochs_of(Batches(plain(6), config, batch_size=1, steps=steps, first_epoch=1), 4)
    reader = fitted(batches, validation, epochs=4)
    assert reader.read == reader.said == [sum(epoch, []) for epoch in expected]
    assert reader.validated == [[0, 1, 2]] * 4
    assert batches.epoch == 5
    again = fitted(batches, epochs=1)  # a second stage goes on where the first ended
    assert again.read == again.said
    assert batches.epoch == 6


def test_fit_that_shuffles_is_told_not_to():
    batches = Batches(plain(64), settings(), batch_size=1)
    model = FirstPixel()
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    with pytest.raises(Exception, match="shuffle=False"):
        for _ in range(3):  # once in 64 times the shuffled order begins with 0
            model.fit(batches, verbose=0)


@pytest.mark.parametrize("shapes", [
    [(64, 64), (64, 64), (128, 64), (64, 192), (192, 192)],
    [(128, 128), (64, 128), (64, 64), (192, 64), (64, 64)],  # the second is 64 smaller than the first
])
def test_fit_takes_canvases_of_any_size(shapes):
    pictures = []
    for i, shape in enumerate(shapes):
        pictures.append((np.full(shape + (3,), i, np.uint8), np.ones(shape + (1,), bool), np.array([1])))
    for mode in ("none", "pad64"):
        batches = Batches(Pictures(pictures), settings(IMAGE_RESIZE_MODE=mode), batch_size=1, shuffle=False)
        assert fitted(batches, epochs=2).read == [list(range(5))] * 2


def test_one_batch_an_epoch_cannot_have_canvases_of_many_sizes():
    with pytest.raises(DataError, match="steps=1: .*2 batches or more"):
        Batches(plain(3), settings(IMAGE_RESIZE_MODE="pad64"), steps=1)


def test_objects_of_a_class_that_the_source_does_not_label_are_refused():
    dataset = plain(1)
    dataset.source_class_ids[dataset.image_info[0]["source"]] = [0, 2, 3]
    with pytest.raises(DataError, match="picture0.png: class id 1 is none of the classes"):
        Batches(dataset, settings(), batch_size=1)[0]


def test_fit_stops_at_an_error_and_keeps_it():
    dataset = plain(6)
    dataset.broken[4] = OSError("disk gone")
    batches = Batches(dataset, settings(WORKERS=2), batch_size=1, shuffle=False)
    with pytest.raises(Exception, match="picture4.png"):
        fitted(batches, epochs=1)
    assert isinstance(batches.failure, DataError) and str(batches.failure) == "picture4.png: OSError: disk gone"
