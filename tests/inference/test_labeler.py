"""From what canvases show to the label map of a photo: by hand, with a network that tells each pixel's own colour."""

import numpy as np
import pytest
from tiny import TinyConfig

from mrcnn.data.images import Window
from mrcnn.errors import DataError
from mrcnn.inference.labeler import Labeler, label_map_of, own_part, photo_part
from mrcnn.inference.tiles import tile_boxes


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


@pytest.mark.parametrize("shape", [(150, 210), (64, 500), (40, 30)])
def test_the_parts_of_tiles_fill_the_photo_without_a_gap(shape):
    boxes, covered = tile_boxes(shape, 64, 0.3), np.zeros(shape, int)
    for box in boxes:
        y1, x1, y2, x2 = own_part(box, boxes)
        assert (box[:2] <= [y1, x1]).all() and ([y2, x2] <= box[2:]).all()
        covered[y1:y2, x1:x2] += 1
    assert (covered == 1).all()


def test_of_equals_the_first_class_is_the_label():
    parts = [np.full((2, 2, 3), 1 / 3, np.float32)]
    for probabilities in (True, False):
        assert not label_map_of(parts, (4, 4), probabilities)["labels"].any()


def test_the_part_of_a_canvas_that_shows_the_photo():
    canvas = np.arange(64).reshape(8, 8, 1)
    window = Window((10, 4), (8, 8), (0.5, 0.5), (2.0, 3.0))
    np.testing.assert_array_equal(photo_part(canvas, window), canvas[2:7, 3:5])
