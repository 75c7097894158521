"""The order of training photos: how often, in which company, and that passes follow from seed and number alone."""

import collections

import keras
import numpy as np
import pytest
from made_pictures import Pictures, plain, settings

from mrcnn.data import order
from mrcnn.data.batches import Batches
from mrcnn.data.dataset import Dataset
from mrcnn.data.order import Passes, canvas_shapes, repeat_factors
from mrcnn.errors import DataError

# --- Repetition ------------------------------------------------------------------------------------------------------


def photos_of(passes, number):
    return [photo for _, photo, _ in passes.entries(number * passes.length, (number + 1) * passes.length)]


def test_repeat_factors_by_hand():
    # Classes in 4, 1 and 0 of 4 photos; t = .25 / 1 < 1, sqrt(.25 / .25) = 1; at t = 1 the rare one has sqrt(1 / .25).
    counts = [[1, 0, 0], [3, 0, 0], [1, 5, 0], [1, 0, 0]]
    np.testing.assert_allclose(repeat_factors(counts, 0.25), [1, 1, 1, 1])
    np.testing.assert_allclose(repeat_factors(counts, 1.0), [1, 1, 2, 1])
    # Of four photos one has class 0 and one has nothing: 1 for the latter, the larger of two for the former.
    counts = [[1, 1], [0, 1], [0, 1], [0, 0]]
    np.testing.assert_allclose(repeat_factors(counts, 0.9), [(0.9 / 0.25) ** 0.5, (0.9 / 0.75) ** 0.5] + [1.2**0.5, 1])
    np.testing.assert_allclose(repeat_factors(np.zeros((2, 0)), 0.9), [1, 1])


def test_passes_show_photos_as_often_as_they_are_to_be_shown():
    repeats = np.array([1, 1.25, 2, 3.5, 1.9])  # 9.65: ten places, and .35 of one over for any photo
    passes = Passes(5, 3, repeats)
    assert passes.length == 10
    counts = np.array([np.bincount(photos_of(passes, number), minlength=5) for number in range(1500)])
    assert (counts.sum(axis=1) == 10).all()
    assert (counts >= np.floor(repeats)).all() and (counts <= np.floor(repeats) + 2).all()
    # Standard error of a mean of 1500 draws of variance under 1/2: .018.
    np.testing.assert_allclose(counts.mean(axis=0), repeats + 0.35 / 5, atol=0.08)
    assert len(np.unique(counts, axis=0)) > 4  # rounded anew each time


def test_whole_factors_are_met_exactly():
    for number in range(20):
        assert sorted(photos_of(Passes(3, 0, np.array([1.0, 3.0, 2.0])), number)) == [0, 1, 1, 1, 2, 2]
    thirds = Passes(30, 0, np.full(30, 4 / 3))  # their sum is 40 but for rounding
    assert {len(photos_of(thirds, number)) for number in range(3)} == {40}


def test_each_repetition_in_a_pass_has_a_number_of_its_own():
    passes = Passes(3, 5, np.array([1.0, 3.0, 2.5]))
    for number in range(5):
        entries = passes.entries(number * 7, number * 7 + 7)
        assert {pass_ for pass_, _, _ in entries} == {number}
        assert len(set(entries)) == 7
        assert sorted(repetition for _, photo, repetition in entries if photo == 1)[:3] == [0, 1, 2]


def test_passes_without_options_are_plain_permutations():
    # The order of runs from before there were options, which they are to be resumed in.
    for number in range(3):
        expected = np.random.default_rng([order.ORDER, 7, number]).permutation(9).tolist()
        assert photos_of(Passes(9, 7), number) == expected
    assert photos_of(Passes(4, None), 2) == [0, 1, 2, 3]


def rare(count=12):
    """Pictures of class 1, of which the first shows class 2 as well; their first pixel holds their id."""
    dataset = plain(count)
    image, mask, _ = dataset.pictures[0]
    dataset.pictures[0] = image, np.repeat(mask, 2, axis=2), np.array([1, 2])
    return dataset


def test_batches_repeat_rare_classes_with_other_augmentation():
    # Class 2 is in 1/12 of the photos: r = sqrt(.75 / (1 / 12)) = 3, the others 1: 14 photos a pass.
    noise = []

    def augmentation(image, masks, rng):
        noise.append((int(image[0, 0, 0]), int(rng.integers(2**31))))
        return image, masks

    batches = Batches(rare(), settings(REPEAT_THRESHOLD=0.75), augmentation=augmentation)
    assert len(batches) == 7
    for batches.epoch in range(3):
        ids = [photo for index in range(7) for photo in batches.image_ids_of(index)]
        assert sorted(ids) == [0, 0] + list(range(12))
        noise.clear()
        for index in range(7):
            batches[index]
        assert [photo for photo, _ in noise] == ids
        assert len({number for _, number in noise}) == 14
    np.testing.assert_allclose(batches.class_counts(), [0, 14, 3, 0])
    np.testing.assert_allclose(Batches(rare(), settings()).class_counts(), [0, 12, 1, 0])


def test_validation_shows_each_photo_once_in_its_order():
    config = settings(REPEAT_THRESHOLD=0.75, ASPECT_BUCKETS=True, IMAGE_RESIZE_MODE="pad64")
    batches = Batches(rare(5), config, shuffle=False)
    assert [batches.image_ids_of(index) for index in range(len(batches))] == [[0, 1], [2, 3], [4]]


# --- Shapes ----------------------------------------------------------------------------------------------------------

TALL, WIDE, LARGE = (128, 64), (64, 128), (192, 192)


def shaped(shapes):
    """Pictures of some sizes, whose first pixel holds their id, with one object each."""
    pictures = []
    for i, shape in enumerate(shapes):
        photo = np.zeros(shape + (3,), np.uint8)
        photo[0, 0] = i
        pictures.append((photo, np.ones(shape + (1,), bool), np.array([1])))
    return Pictures(pictures)


def test_batches_hold_photos_of_like_shape():
    # Of 8 tall and 8 wide photos each batch of 4 can be of one shape.
    shapes = [TALL, WIDE] * 8
    config = settings(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=None, ASPECT_BUCKETS=True)
    batches = Batches(shaped(shapes), config, batch_size=4)
    orders, first = set(), set()
    for batches.epoch in range(4):
        members = [batches.image_ids_of(index) for index in range(len(batches))]
        assert sorted(sum(members, [])) == list(range(16))
        assert all(len({shapes[i] for i in ids}) == 1 for ids in members)
        assert batches[0][0]["image"].shape[1:3] == shapes[members[0][0]]  # no padding
        orders.add(tuple(map(tuple, members)))
        first.add(shapes[members[0][0]])
    assert len(orders) == 4 and first == {TALL, WIDE}  # other company each time, and batches of both in any order


@pytest.mark.parametrize("repeats", [None, np.linspace(1, 2.5, 13)])
@pytest.mark.parametrize("new_batch", [True, False])
@pytest.mark.parametrize("batch_size", [1, 3, 5, 40])
def test_every_pass_is_whole_whatever_the_batches(batch_size, new_batch, repeats):
    shapes = [TALL] * 5 + [WIDE] * 4 + [LARGE] * 4
    options = (13, 1, repeats, shapes, batch_size, new_batch)
    passes, again = Passes(*options), Passes(*options)
    for number in (0, 5, 1):  # in any order
        photos = photos_of(passes, number)
        assert photos == photos_of(again, number)
        times = np.bincount(photos, minlength=13)
        if repeats is None:
            assert (times == 1).all()
        else:
            assert (times >= np.floor(repeats)).all() and len(photos) == np.ceil(repeats.sum())
    assert photos_of(passes, 0) != photos_of(passes, 1)


def test_batches_that_run_across_passes_are_cut_where_they_are_read():
    # 61 photos in batches of 5: the 13th batch takes 1 of the first pass and 4 of the second, the 25th 2 and 3 ...
    shapes = [TALL] * 31 + [WIDE] * 30
    config = settings(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=None, ASPECT_BUCKETS=True)
    batches = Batches(shaped(shapes), config, batch_size=5, steps=61)  # five passes an epoch
    mixed = sum(len({shapes[i] for i in batches.image_ids_of(index)}) > 1 for index in range(61))
    # In each pass one where the shapes meet, and one that it shares with the pass before: of five passes, at most 10.
    assert mixed <= 10
    seen = collections.Counter(i for index in range(61) for i in batches.image_ids_of(index))
    assert set(seen.values()) == {5} and len(seen) == 61
    resumed = Batches(shaped(shapes), config, batch_size=5, steps=61, first_epoch=3)
    batches.epoch = 3
    assert [resumed.image_ids_of(i) for i in range(61)] == [batches.image_ids_of(i) for i in range(61)]


def test_like_shapes_come_next_to_each_other():
    shapes = [(512, 320), (320, 512), (512, 384), (512, 512), (1024, 640), (384, 512)]
    ranks = order._shape_ranks(shapes)
    # Wide ones first, by half octaves of height / width; the tall ones by area.
    assert [shapes[i] for i in np.argsort(ranks)] == [
        (320, 512), (384, 512), (512, 512), (512, 320), (512, 384), (1024, 640)
    ]


def test_canvases_follow_from_sizes_told_read_or_loaded(tmp_path):
    from PIL import Image

    path = str(tmp_path / "turned.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn: 100 wide and 300 high when upright
    Image.new("RGB", (300, 100)).save(path, exif=exif)
    dataset = Dataset()
    dataset.add_image("made", 0, "nowhere.jpg", height=60, width=90)
    dataset.add_image("made", 1, path)
    dataset.prepare()
    config = settings(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=None)
    assert canvas_shapes(dataset, [0, 1], config).tolist() == [[64, 128], [320, 128]]
    loaded = canvas_shapes(shaped([TALL, (70, 10)]), [1, 0], config)
    assert loaded.tolist() == [[128, 64], [128, 64]]
    dataset.add_image("made", 2, str(tmp_path / "gone.jpg"))
    dataset.prepare()
    with pytest.raises(DataError, match="gone.jpg"):
        canvas_shapes(dataset, [2], config)
    broken = plain(2)
    broken.broken[1] = OSError("disk gone")
    with pytest.raises(DataError, match="picture1.png: OSError: disk gone"):
        canvas_shapes(broken, [0, 1], config)


class Reads(keras.Model):
    """Looks at the picture and learns nothing."""

    def __init__(self):
        super().__init__()
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, inputs):
        return keras.ops.cast(inputs["image"], "float32")[:, 0, 0, 0] * self.scale

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.sum(y_pred)


@pytest.mark.parametrize("steps", [None, 3])
def test_fit_reads_batches_of_like_shape_of_any_sizes(steps):
    # On TensorFlow the first two batches must not agree on a size, though here many do.
    config = settings(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=None, ASPECT_BUCKETS=True, REPEAT_THRESHOLD=0.9)
    dataset = shaped([TALL, TALL, WIDE, TALL, LARGE, TALL, WIDE])
    image, mask, _ = dataset.pictures[2]
    dataset.pictures[2] = image, mask, np.array([2])  # 1/7 of the photos: sqrt(6.3) = 2.5 times a pass
    batches = Batches(dataset, config, batch_size=2, steps=steps)
    model = Reads()
    model.compile(keras.optimizers.SGD(0.0))
    means = []
    model.fit(batches, epochs=3, verbose=0, shuffle=False, callbacks=[
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: means.append(logs["loss"]))
    ])
    expected = []
    for batches.epoch in range(3):
        members = [batches.image_ids_of(index) for index in range(len(batches))]
        expected.append(np.average(list(map(sum, members)), weights=list(map(len, members))))  # as Keras has the mean
    np.testing.assert_allclose(means, expected, rtol=1e-5)
