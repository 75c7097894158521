"""What is inside of masks of numbers: by hand, for every kind that a load_mask has returned."""

import warnings

import numpy as np
import pytest
from made_pictures import Pictures, settings

from mrcnn.data.attributes import load_objects
from mrcnn.data.curation.validate import validate
from mrcnn.data.ground_truth import load_ground_truth
from mrcnn.data.label_samples import true_label_map
from mrcnn.data.mask_values import bool_masks, cut_masks

SHAPE = np.zeros((8, 9, 2), bool)
SHAPE[1:4, 2:6, 0] = SHAPE[5:7, 3:9, 1] = True


def spread(inside, outside, kind):
    return np.where(SHAPE, inside, outside).astype(kind)


@pytest.mark.parametrize("masks", [
    SHAPE, SHAPE.astype(np.uint8), SHAPE.astype(np.float32), spread(255, 0, np.uint8), spread(7, 0, int),
    spread(0.25, 0, np.float32), spread(-1, 0, np.int8), SHAPE * np.array([3, 200], np.uint8),
    SHAPE.astype(np.uint8).transpose(2, 0, 1).copy().transpose(1, 2, 0), SHAPE * 65535.0,
])
def test_zeros_and_one_other_number_are_no_news(masks):
    found, told = cut_masks(masks)
    assert found.dtype == bool and not told
    np.testing.assert_array_equal(found, SHAPE)


@pytest.mark.parametrize("masks, level", [
    (spread(250, 3, np.uint8), "3 to 250, of which 127.5"),
    (spread(0.95, 0.02, np.float32), "0.02 to 0.95, of which 0.5"),
    (spread(250.0, 3, np.float64), "3 to 250, of which 127.5"),
    (spread(60000, 100, np.uint16), "100 to 60000, of which 30000"),
    (spread(60, 3, np.uint8), "3 to 60, of which 30"),
    (spread(4, -4, np.float32), "-4 to 4, of which what is above 0"),
])
def test_all_others_are_cut_in_the_middle(masks, level):
    found, told = cut_masks(masks)
    np.testing.assert_array_equal(found, SHAPE)
    assert level in told


def test_what_is_exactly_half_is_inside_and_parts_and_nothing():
    assert cut_masks(np.array([[0, 0.4, 0.5, 1, np.nan]]))[0].tolist() == [[False, False, True, True, False]]
    parts, told = cut_masks(np.array([[0, 1, 2, 3]], np.uint8))
    assert parts.tolist() == [[False, True, True, True]] and "0 to 3, of which what is above 0" in told
    assert not cut_masks(np.full((2, 2, 1), 0.02))[0].any() and cut_masks(np.full((2, 2, 1), 0.9))[0].all()
    assert cut_masks(np.zeros((0, 4, 0)))[0].shape == (0, 4, 0) and cut_masks([[0, 1]])[0].tolist() == [[False, True]]


@pytest.mark.parametrize("kind", [np.uint8, int, np.float32, float])
def test_numbers_of_parts_are_inside_in_any_type(kind):
    parts, told = cut_masks(np.array([[0, 1, 2, 3]], kind))
    assert parts.tolist() == [[False, True, True, True]] and "0 to 3, of which what is above 0" in told
    assert cut_masks(np.array([[0, 100.0, 200, 255]]))[0].tolist() == [[False, False, True, True]]
    assert cut_masks(np.array([[0, 1, 2, 3.5]]))[0].tolist() == [[False, False, True, True]]


@pytest.mark.parametrize("plain", [1, 2, 255])
def test_a_mask_of_two_values_is_whole_beside_others_that_are_cut_at_their_own_middle(plain):
    stack = np.stack([SHAPE[..., 0] * plain, np.where(SHAPE[..., 1], 250, 3), np.zeros((8, 9), int)], axis=-1)
    found, told = cut_masks(stack.astype(np.uint8))
    np.testing.assert_array_equal(found[..., :2], SHAPE)
    assert not found[..., 2].any() and "3 to 250, of which 127.5" in told
    shares = np.stack([SHAPE[..., 0] * float(plain), np.where(SHAPE[..., 1], 0.9, 0.2)], axis=-1)
    found, told = cut_masks(shares)
    np.testing.assert_array_equal(found, SHAPE)
    assert "0.2 to 0.9, of which 0.5" in told


def test_the_warning_without_a_data_set_names_the_remedy():
    with pytest.warns(UserWarning, match="more than two values are cut in the middle.*give bool masks"):
        np.testing.assert_array_equal(bool_masks(spread(250, 3, np.uint8)), SHAPE)


def test_masks_of_a_load_mask_are_cut_alike_everywhere_and_told_of_once():
    class_ids, photo = np.array([1, 2]), None
    grey = Pictures([(photo, spread(250, 3, np.uint8), class_ids), (photo, spread(240, 9, np.uint8), class_ids)])
    plain = Pictures([(photo, SHAPE, class_ids)])
    photo = np.zeros((8, 9, 3), np.uint8)
    grey.load_image = plain.load_image = lambda image_id: photo
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for image_id in (0, 1):
            sample, other = (load_ground_truth(data, settings(), i) for data, i in ((grey, image_id), (plain, 0)))
            for key in ("gt_boxes", "gt_masks"):
                np.testing.assert_array_equal(sample[key], other[key])
            np.testing.assert_array_equal(true_label_map(grey, image_id), true_label_map(plain, 0))
            np.testing.assert_array_equal(load_objects(grey, image_id)[0], SHAPE)
    assert [str(one.message)[:60] for one in caught] == ["picture0.png: load_mask gave masks with values from 3 to 250"]
    with pytest.warns(UserWarning, match="for 2 of 2 photos .first: picture0.png, with values from 3 to 250"):
        assert validate(grey, workers=1, progress=False) == []
