"""Photos in arrays: each type by its own range, a hair above 1, copies, and one photo alone."""

import warnings

import numpy as np
import pytest

from mrcnn.data.formats.array_photos import Photos
from mrcnn.data.formats.arrays import ArrayDataset
from mrcnn.data.unannotated import ArrayPhotos
from mrcnn.errors import DataError

WHITE = (255, 255, 255)
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 16, 20, 3), dtype=np.uint8)
IMAGES[:, 0, 0] = 255


def made(images, told=None):
    told = [] if told is None else told
    return Photos(images, None, None, lambda what, how, first, count=1: told.append(f"{count} {what} {how} {first}"))


def all_of(photos):
    return np.stack([photos.load(index, WHITE) for index in range(photos.count)])


@pytest.mark.parametrize("images", [IMAGES, list(IMAGES), IMAGES.transpose(0, 3, 1, 2), IMAGES[..., :1],
                                    IMAGES[..., 0], [image.copy() for image in IMAGES], IMAGES.astype(np.float32)])
def test_a_photo_can_be_drawn_on_without_a_change_to_the_array(images):
    before, photos = np.array(images), made(images)
    for index in range(photos.count):
        photos.load(index, WHITE)[:] = 7
    np.testing.assert_array_equal(before, np.array(images))


@pytest.mark.parametrize("top, tolerance", [(1.0, 0), (1.000001, 1), (1.2, 255), (1.99, 255)])
def test_floats_a_hair_above_1_are_no_black_photos(top, tolerance):
    told = []
    loaded = all_of(made((IMAGES / 255 * top).astype(np.float32), told)).astype(int)
    np.testing.assert_allclose(loaded, np.minimum(np.rint(IMAGES * top), 255), atol=1)
    assert np.abs(loaded - IMAGES).max() <= max(tolerance, 1)
    assert "within 0 to 1" in told[0] and ("above 1 is cut off" in told[0]) == (top > 1.001)
    assert f"{np.float32(top):.9g}" in told[0]


@pytest.mark.parametrize("others", [IMAGES[2:] / 255, (IMAGES[2:] / 255).astype(np.float32), IMAGES[2:] * 1.0,
                                    IMAGES[2:].astype(np.uint16) * 257])
def test_types_of_a_list_are_judged_apart(others):
    told = []
    np.testing.assert_array_equal(all_of(made([*IMAGES[:2], *others], told)), IMAGES)
    assert any("in a list of several types" in note and "photo 2 is" in note for note in told)


def test_photos_of_another_range_than_the_first_are_refused():
    images = IMAGES * 1.0
    images[3] /= 255
    first = made(list(images[:3]) * 10 + [images[3]] + list(images[:3]))
    with pytest.raises(DataError, match="photo 30 has values from 0.* to 1, the first ones .* from 0 to 255"):
        first.load(30, WHITE)
    dark = IMAGES * 1.0
    dark[3] = 1.0  # whole numbers: of 0 to 255, and black
    assert (made(dark).load(3, WHITE) == 1).all()
    later = made([*(IMAGES / 255)[:3]] * 10 + [IMAGES[3] / 255 * 1.2] + [*(IMAGES / 255)[:3]])
    with pytest.raises(DataError, match="photo 30 has values .* to 1.2, .* from 0 to 1"):
        later.load(30, WHITE)


def test_one_photo_for_several_is_told(tmp_path):
    masks = np.ones((1, 16, 20), np.uint8)
    for labels in ([1], np.array([1]), None):
        with pytest.raises(DataError, match=r"one photo of shape \[16, 20, 3\].*lists of one"):
            ArrayDataset(IMAGES[0], masks, labels, names=["cat"])
    with pytest.raises(DataError, match="3 photos.*one photo is given as lists of one"):
        ArrayDataset(IMAGES[0].transpose(2, 0, 1), masks, [1], names=["cat"])
    told = []
    made(IMAGES[:3, ..., 0], told)
    assert "3 photo grey, for images is [N, height, width]" in told[0]
    np.save(tmp_path / "one.npy", IMAGES[0])
    with pytest.raises(DataError, match=r"one.npy: images is one photo.*images\[None\]"):
        ArrayPhotos().load_array(tmp_path / "one.npy", ["BG", "cat"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(list(IMAGES[:1]))
