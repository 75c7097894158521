"""From what canvases show to the label map of a photo: by hand, with a network that tells each pixel's own colour."""

import cv2
import numpy as np
import pytest
from tiny import TinyConfig

from mrcnn.data.images import Window, resize_pixels
from mrcnn.errors import DataError
from mrcnn.inference import pipeline
from mrcnn.inference.labeler import Labeler, blend_weights, label_map_of, photo_part
from mrcnn.labeling.photos import labelled
from mrcnn.labeling.refine import STEPS, build_chain


class Colours(Labeler):
    """Its classes are the channels red, green and blue, and black: the brightest one is the most probable."""

    def __init__(self, **settings):
        self.config, self.seen = TinyConfig(**settings), []

    def predict(self, canvases, windows):
        self.seen.append(canvases.shape)
        scores = np.concatenate([np.full((*canvases.shape[:3], 1), 20), canvases], axis=-1).astype(np.float32) + 1
        return {"probabilities": scores / scores.sum(axis=-1, keepdims=True)}


def stripes(height, width):
    """Photo of upright stripes of 16 pixels in turn red, green and blue, and its labels."""
    labels = np.broadcast_to(np.arange(width) // 16 % 3 + 1, (height, width))
    return (np.arange(1, 4) == labels[..., None]).astype(np.uint8) * 200, labels


@pytest.mark.parametrize("size", [(64, 64), (48, 32), (32, 64)])
def test_a_photo_that_fits_its_canvas_is_told_to_the_pixel(size):
    image, labels = stripes(*size)
    model = Colours()
    (result,) = model.label_each([image])
    np.testing.assert_array_equal(result["labels"], labels)
    assert model.seen == [(1, 64, 64, 3)]


def test_a_photo_that_is_shrunk_is_told_but_for_borders():
    image, labels = stripes(200, 300)
    (result,) = Colours().label_each([image], probabilities=False)
    right = result["labels"] == labels
    inner = np.abs(np.arange(300) % 16 - 7.5) < 4
    assert right[:, inner].all()


def test_views_are_averaged_where_they_belong():
    image, labels = stripes(48, 32)
    model = Colours(TEST_FLIP=True, TEST_SCALES=(1.0, 2.0))
    (result,) = model.label_each([image])
    np.testing.assert_array_equal(result["labels"][:, :14], labels[:, :14])
    assert sum(count for count, *_ in model.seen) == 4


class LeftHalf(Labeler):
    """Sure of class 1 in the left half of each canvas and of class 2 in the right, whatever is there; 0 never is."""

    def __init__(self, **settings):
        self.config = TinyConfig(NUM_CLASSES=3, **settings)

    def predict(self, canvases, windows):
        told = np.zeros((*canvases.shape[:3], 3), np.float32)
        half = canvases.shape[2] // 2
        told[:, :, :half, 1] = told[:, :, half:, 2] = 1
        return {"probabilities": told}


def test_what_turns_with_the_picture_is_averaged_by_hand():
    """A photo of 64x48 fills the columns 8 to 56 of its canvas: 24 of them are left and 24 right. Mirrored the same
    columns are told the other way round, so that the mean is a half and a half."""
    image = np.zeros((64, 48, 3), np.uint8)
    (plain,), (views,) = (list(model.label_each([image])) for model in (LeftHalf(), LeftHalf(TEST_FLIP=True)))
    np.testing.assert_array_equal(plain["labels"], np.broadcast_to(np.repeat([1, 2], 24), (64, 48)))
    assert plain["probabilities"].shape == views["probabilities"].shape == (64, 48, 3)
    np.testing.assert_array_equal(views["probabilities"][..., 1:], 0.5)
    # What is left of a mirrored photo is right of the photo: with such names both views say the same.
    sided = LeftHalf(TEST_FLIP=True)
    sided.class_names = ["BG", "left half", "right half"]
    (turned,) = sided.label_each([image])
    np.testing.assert_array_equal(turned["probabilities"], plain["probabilities"])


def test_views_agree_where_the_network_does_not_care():
    """Stripes of colours are told alike in each view, mirrored and enlarged, but for the rims of the stripes."""
    image, labels = stripes(64, 64)
    inner = np.abs(np.arange(64) % 16 - 7.5) < 6
    (plain,) = Colours().label_each([image])
    (views,) = Colours(TEST_FLIP=True, TEST_SCALES=(1.0, 2.0)).label_each([image])
    np.testing.assert_allclose(views["probabilities"][:, inner], plain["probabilities"][:, inner], atol=1e-6)


def test_a_mirrored_photo_is_told_mirrored():
    """With both views the answer to a mirrored photo is the mirrored answer, of an uneven width too."""
    image = np.random.default_rng(0).integers(0, 255, (50, 37, 3)).astype(np.uint8)
    model = Colours(TEST_FLIP=True, TEST_SCALES=(1.0, 1.25))
    one, other = model.label_each([image, np.ascontiguousarray(image[:, ::-1])])
    np.testing.assert_allclose(other["probabilities"], one["probabilities"][:, ::-1], atol=1e-6)


def test_each_tile_is_seen_in_all_views():
    """A photo of 64x112 in tiles of 64, at columns 0 and 48: each is told a half and a half, and so is their blend."""
    model = LeftHalf(TEST_FLIP=True)
    (result,) = model.label_each_tiled([np.zeros((64, 112, 3), np.uint8)], tile=64)
    np.testing.assert_allclose(result["probabilities"][..., 1:], 0.5, atol=1e-6)
    image, labels = stripes(150, 210)
    seen = Colours(TEST_FLIP=True, TEST_SCALES=(1.0, 2.0))
    (result,) = seen.label_each_tiled([np.ascontiguousarray(image)], tile=64)
    assert (result["labels"] == labels).mean() > 0.95 and len(seen.seen) >= 24  # four views of at least six tiles
    np.testing.assert_allclose(result["probabilities"].sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_refinement_takes_its_probabilities(step):
    """Stripes are right before, and stay so away from their rims; a step gives probabilities that sum to 1."""
    image, labels = stripes(64, 64)
    (result,) = Colours().label_each([image])
    refined = build_chain(step)(image, result["probabilities"])
    assert refined.shape == (64, 64, 4) and refined.dtype == np.float32 and refined.min() >= 0
    np.testing.assert_allclose(refined.sum(axis=-1), 1, atol=1e-4)
    inner = np.abs(np.arange(64) % 16 - 7.5) < 4
    assert (next(labelled(Colours(), [image], chain=build_chain(step))) == labels)[:, inner].all()


def test_batches_are_no_larger_than_the_settings_say():
    images = [stripes(64, 64)[0]] * 5
    model = Colours(IMAGES_PER_GPU=2)
    assert len(list(model.label_each(images))) == 5
    assert [count for count, *_ in model.seen] == [2, 2, 1]


def test_tiles_are_told_to_the_pixel_where_the_whole_is_not():
    image, labels = stripes(150, 210)
    image = np.ascontiguousarray(image)
    for options in ({}, {"probabilities": False}):
        (result,) = Colours().label_each_tiled([image], tile=64, overlap=0.25, **options)
        np.testing.assert_array_equal(result["labels"], labels)
        assert ("probabilities" in result) == (not options)
    (enlarged,) = Colours().label_each_tiled([image], tile=64, scale=2.0)
    assert (enlarged["labels"] == labels).mean() > 0.9
    with pytest.raises(DataError, match="tile=8: give the side"):
        list(Colours().label_each_tiled([image], tile=8))


def test_the_weights_of_tiles_blend_evenly():
    """Tiles 0-4 and 2-6 of 6 pixels: those in between lie 1.5 and 0.5 from the end of one, and so from the other."""
    weights = blend_weights([0, 2, 0], [4, 6, 4], 6)
    np.testing.assert_allclose(weights[0], [1, 1, 0.75, 0.25])
    np.testing.assert_allclose(weights[2], [0.25, 0.75, 1, 1])
    np.testing.assert_allclose(blend_weights([0], [3], 3)[0], 1)


@pytest.mark.parametrize("overlap", [0.1, 0.5])
def test_the_probabilities_of_tiles_sum_to_one(overlap):
    (result,) = Colours().label_each_tiled([stripes(150, 210)[0]], tile=64, overlap=overlap)
    np.testing.assert_allclose(result["probabilities"].sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_array_equal(result["probabilities"].argmax(axis=-1), result["labels"])


def test_of_equals_the_first_class_is_the_label():
    parts = [np.full((2, 2, 3), 1 / 3, np.float32)]
    for probabilities in (True, False):
        assert not label_map_of(parts, (4, 4), probabilities)["labels"].any()


def test_views_of_several_sizes_count_alike():
    """Two of 4x4 cells and one of 2x2: the mean of all three at the photo's size, however they are grouped."""
    rng = np.random.default_rng(0)
    parts = [rng.random(shape).astype(np.float32) for shape in ((4, 4, 2), (2, 2, 2), (4, 4, 2))]
    wanted = np.mean([[resize_pixels(part[..., i], (8, 8)) for part in parts] for i in range(2)], axis=1)
    result = label_map_of(parts, (8, 8))
    np.testing.assert_allclose(result["probabilities"], wanted.transpose(1, 2, 0), atol=1e-6)
    np.testing.assert_array_equal(result["labels"], label_map_of(parts, (8, 8), probabilities=False)["labels"])
    before = [part.copy() for part in parts]
    label_map_of(parts[:1], (4, 4), probabilities=False)
    np.testing.assert_array_equal(parts[0], before[0])


def test_the_part_of_a_canvas_that_shows_the_photo():
    canvas = np.arange(64).reshape(8, 8, 1)
    window = Window((10, 4), (8, 8), (0.5, 0.5), (2.0, 3.0))
    np.testing.assert_array_equal(photo_part(canvas, window), canvas[2:7, 3:5])


@pytest.mark.parametrize("views", [{}, {"TEST_FLIP": True, "TEST_SCALES": (1.0, 0.5)}])
def test_step_by_step_it_tells_the_same(views):
    images = [stripes(*size)[0] for size in ((64, 64), (48, 32), (100, 90))]
    model = Colours(**views)
    expected = list(model.label_each(images))
    steps = pipeline.steps_of(model, "label_each", "label_steps", probabilities=True)
    told = pipeline.through([[0, 1], [2]], lambda number: images[number], steps, lambda number, image, result: result)
    for (_, result, _), usual in zip(told, expected, strict=True):
        np.testing.assert_array_equal(result["labels"], usual["labels"])
        np.testing.assert_array_equal(result["probabilities"], usual["probabilities"])


def own_labels(model, image, **options):
    (result,) = model.label(image, **options)
    return result


def test_label_refines_as_the_settings_say_and_label_each_does_not(tmp_path):
    image, labels = stripes(64, 64)
    image[30:33, 20:23], chain = 0, "small-regions:least=0.01"  # a speck of black, class 0
    plain, refining = Colours(), Colours(LABEL_REFINE=chain)
    (raw,) = refining.label_each([image])
    assert (raw["labels"] == 0).sum() == 9 and (own_labels(plain, image)["labels"] == raw["labels"]).all()
    refined, labels_alone = own_labels(refining, image), own_labels(refining, image, probabilities=False)
    np.testing.assert_array_equal(refined["labels"], labels)
    np.testing.assert_array_equal(refined["labels"], next(labelled(plain, [image], None, build_chain(chain))))
    np.testing.assert_allclose(refined["probabilities"].sum(axis=-1), 1, atol=1e-5)
    assert set(labels_alone) == {"labels"} and refined["labels"].dtype == np.uint8
    np.testing.assert_array_equal(labels_alone["labels"], labels)
    # Files, and photos that come one by one, are looked at once more.
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    both = refining.label(one for one in (image, str(tmp_path / "a.png")))
    assert len(both) == 2 and all((one["labels"] == labels).all() for one in both)
    assert refining.label([]) == []
