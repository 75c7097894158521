"""Batches: their padding, their order over epochs, their threads, and what Keras' fit() makes of them."""

import re
import threading
import warnings

import keras
import numpy as np
import pytest
from made_pictures import Pictures, ellipses, ids_in, plain, rectangles, settings

from mrcnn.data.augmentation import horizontal_flip
from mrcnn.data.augmenters import copy_paste
from mrcnn.data.batches import Batches
from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import load_ground_truth
from mrcnn.errors import DataError

GOOD = rectangles((64, 64), [(4, 4, 20, 20)], [1])

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
    one = Batches(dataset, settings(NUM_CLASSES=5), no_augmentation_sources="upright")  # a name is no list of letters
    assert one.no_augmentation_sources == {"upright"}
    with pytest.raises(DataError, match="no photo has the source 'uprigth'. There are .*'upright'"):
        Batches(dataset, settings(NUM_CLASSES=5), no_augmentation_sources=["uprigth"])


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
    with pytest.raises(DataError, match="NUM_CLASSES is 3: set NUM_CLASSES=4"):
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


def broken_in(place):
    """(data set of 6 photos, augmentation) that fail at photo 4 in the place named."""
    dataset, augmentation = plain(6), None
    if place == "load_image":
        dataset.broken[4] = OSError("disk gone")
    elif place == "load_mask":

        def load_mask(image_id):
            if image_id == 4:
                raise OSError("disk gone")
            return dataset.pictures[image_id][1:]

        dataset.load_mask = load_mask
    elif place == "augmentation":

        def augmentation(image, masks, rng):
            if image[0, 0, 0] == 4:  # the photo's id
                raise OSError("disk gone")
            return image, masks

    else:
        dataset.broken[4] = OSError("disk gone")
        augmentation = copy_paste()
    return dataset, augmentation


def in_time(function, seconds=60):
    """What a function raises. Fails if it does not end: a worker's error must never leave its reader waiting."""
    errors = []

    def run():
        try:
            function()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"no end after {seconds} s"
    return errors[0] if errors else None


@pytest.mark.parametrize("place", ["load_image", "load_mask", "augmentation", "second photo"])
@pytest.mark.parametrize("workers", [1, 4])
def test_an_error_anywhere_arrives_with_the_photos_name_and_nothing_waits(place, workers):
    dataset, augmentation = broken_in(place)
    ids = [0, 1, 2, 3, 5] if place == "second photo" else range(6)
    batches = Batches(dataset, settings(WORKERS=workers), 1, shuffle=False, augmentation=augmentation, image_ids=ids)
    if place == "second photo":
        batches.image_ids = np.array([0, 4])  # photo 0 can but be paired with photo 4
    error = in_time(lambda: [batches[i] for i in range(len(batches))])
    assert isinstance(error, DataError)
    expected = r"picture4.png: OSError: disk gone( \(to be pasted into picture0.png\))?$"
    assert re.match(expected, str(error)), error
    dataset.broken.clear()
    batches.dataset, batches.augmentation = plain(6), None
    assert in_time(lambda: batches[0]) is None  # the threads live on


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


@pytest.mark.parametrize("place", ["load_image", "load_mask", "augmentation"])
def test_fit_stops_at_an_error_and_keeps_it(place):
    dataset, augmentation = broken_in(place)
    batches = Batches(dataset, settings(WORKERS=2), batch_size=1, shuffle=False, augmentation=augmentation)
    error = in_time(lambda: fitted(batches, epochs=1))
    assert error is not None and "picture4.png" in str(error)
    assert isinstance(batches.failure, DataError) and str(batches.failure) == "picture4.png: OSError: disk gone"
