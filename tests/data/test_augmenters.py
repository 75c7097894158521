"""Flips, scales, colours and pasting by hand."""

import numpy as np
import pytest

from mrcnn.data import augmenters
from mrcnn.data.augmentation import apply_augmentation
from mrcnn.data.augmenters import Draw, recoloured
from mrcnn.data.images import Window
from mrcnn.data.masks import mask_boxes
from mrcnn.errors import DataError


def ellipses(height=120, width=160):
    """bool [H, W, 3]."""
    y, x = np.indices((height, width)) + 0.5
    places = [(50, 60, 30, 40), (70, 90, 40, 20), (25, 130, 15, 20)]
    return np.stack([((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1 for cy, cx, ry, rx in places], axis=-1)


def picture_of(masks):
    return masks.astype(np.uint8) * 255


# --- Flips -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flip, mirror", [
    (augmenters.horizontal_flip, lambda array: array[:, ::-1]), (augmenters.vertical_flip, lambda array: array[::-1]),
])
def test_a_flip_mirrors_both(flip, mirror):
    masks = ellipses()
    image, mirrored = apply_augmentation(flip(1.0), picture_of(masks), masks, np.random.default_rng(0))
    np.testing.assert_array_equal(image, picture_of(mirror(masks)))
    np.testing.assert_array_equal(mirrored, mirror(masks))
    image, still = apply_augmentation(flip(0.0), picture_of(masks), masks, np.random.default_rng(0))
    np.testing.assert_array_equal(still, masks)


@pytest.mark.parametrize("p, low, high", [(0.0, 0, 0), (1.0, 400, 400), (0.5, 150, 250)])
def test_a_flip_happens_as_often_as_asked(p, low, high):
    rng = np.random.default_rng(0)
    # 400 halves have a standard deviation of sqrt(400 / 4) = 10.
    for number, flip in enumerate((augmenters.vertical_flip(p), augmenters.horizontal_flip(p))):
        assert low <= sum(flip.draw(rng).mirrored[number] for _ in range(400)) <= high
        assert not any(flip.draw(rng).mirrored[1 - number] for _ in range(20))


def test_boxes_are_mirrored_by_hand():
    draw = Draw(mirrored=(True, True))
    # In 100 x 200: rows 10-30 become 70-90, columns 5-50 become 150-195.
    assert draw.mirror_boxes(np.array([[10.0, 5, 30, 50]]), (100, 200)).tolist() == [[70, 150, 90, 195]]


def test_two_draws_in_one():
    both = Draw(True, 2.0, (0.1, 0.2), (True, False), (len,)).then(Draw(False, 1.0, (0.5, 0.5), (True, True), (max,)))
    assert both == Draw(True, 2.0, (0.1, 0.2), (False, True), (len, max))
    assert Draw().then(both) == both
    assert both.then(Draw(True, 0.5, (0.7, 0.8))) == Draw(True, 1.0, (0.7, 0.8), (False, True), (len, max))


# --- Scales ----------------------------------------------------------------------------------------------------------


def test_a_photo_is_placed_by_hand():
    # 40 x 20 at scale 0.5 on a canvas of 32 x 32, then three times that: 60 x 30. Of the 28 rows too many, 0.25 are cut
    # off at the top: 7; of the 2 columns left over, all are at the left.
    photo = np.arange(40 * 20, dtype=np.uint16).reshape(40, 20, 1).astype(np.float32)
    window = Window((40, 20), (32, 32), (0.5, 0.5), (6.0, 11.0))
    canvas, placed = Draw(True, 3.0, (0.25, 1.0)).place(photo, np.zeros((32, 32, 1), np.float32), window)
    assert placed == Window((40, 20), (32, 32), (1.5, 1.5), (-7.0, 2.0))
    assert not canvas[:, :2].any()
    # Row 20 of the canvas is row (20.5 + 7) / 1.5 - 0.5 = 17.83 of the photo; column 10: (10.5 - 2) / 1.5 - 0.5 = 5.17.
    np.testing.assert_allclose(canvas[20, 10, 0], 17.8333 * 20 + 5.1667, atol=0.7)


@pytest.mark.parametrize("scale", [0.4, 1.0, 1.8])
def test_scaled_masks_on_a_canvas_agree_with_the_picture(scale):
    masks = ellipses()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        image, moved = apply_augmentation(augmenters.large_scale_jitter(scale, scale), picture_of(masks), masks, rng)
        assert np.abs(mask_boxes(image >= 128) - mask_boxes(moved)).max() <= 1
        assert ((image >= 128) != moved).mean() < 0.01
        if scale < 1:  # nothing is lost
            np.testing.assert_allclose(moved.sum(axis=(0, 1)), masks.sum(axis=(0, 1)) * scale**2, rtol=0.05)


def test_scales_and_places_are_spread_evenly():
    draws = [augmenters.large_scale_jitter(0.5, 1.5).draw(np.random.default_rng(i)) for i in range(400)]
    for values, low, high in (([d.scale for d in draws], 0.5, 1.5), ([d.position[0] for d in draws], 0, 1),
                              ([d.position[1] for d in draws], 0, 1)):
        # A mean of 400 has a standard deviation of 0.29 / 20 = 0.014.
        assert low <= min(values) < low + 0.05 and high - 0.05 < max(values) <= high
        assert abs(np.mean(values) - (low + high) / 2) < 0.06


# --- Colours ---------------------------------------------------------------------------------------------------------


def test_colours_by_hand():
    image = np.array([[[100, 100, 100], [200, 0, 0]]], np.uint8)
    assert recoloured(image, 1.0, 1.0, 1.0, 0.0).tolist() == image.tolist()
    assert recoloured(image, 0.5, 1.0, 1.0, 0.0).tolist() == [[[50, 50, 50], [100, 0, 0]]]
    assert recoloured(image, 2.0, 1.0, 1.0, 0.0).tolist() == [[[200, 200, 200], [255, 0, 0]]]
    # The red is a grey of 0.299 x 200 = 59.8, the mean of both 79.9.
    assert recoloured(image, 1.0, 1.0, 0.0, 0.0).tolist() == [[[100, 100, 100], [60, 60, 60]]]
    assert recoloured(image, 1.0, 0.0, 1.0, 0.0).tolist() == [[[80, 80, 80], [80, 80, 80]]]
    # A full turn is none, and any turn leaves greys and every pixel's own grey as they are.
    assert np.abs(recoloured(image, 1.0, 1.0, 1.0, 2 * np.pi).astype(int) - image).max() <= 1
    turned = recoloured(np.array([[[100, 100, 100], [120, 90, 80]]], np.uint8), 1.0, 1.0, 1.0, 0.9)
    assert turned[0, 0].tolist() == [100, 100, 100]
    assert turned[0, 1].tolist() != [120, 90, 80]
    np.testing.assert_allclose(augmenters.LUMA @ turned[0, 1], augmenters.LUMA @ [120, 90, 80], atol=1)


@pytest.mark.parametrize("channels, colours", [(2, 1), (4, 3), (6, 3)])
def test_channels_that_are_no_colours_stay(channels, colours):
    image = np.random.default_rng(0).integers(0, 256, (5, 6, channels), dtype=np.uint8)
    changed = recoloured(image, 0.7, 1.2, 0.8, 0.3)
    np.testing.assert_array_equal(changed[..., colours:], image[..., colours:])
    np.testing.assert_array_equal(changed[..., :colours], recoloured(image[..., :colours], 0.7, 1.2, 0.8, 0.3))
    assert not np.array_equal(changed, image) and changed.shape == image.shape


def test_colours_leave_masks_alone_and_happen_as_often_as_asked():
    masks = ellipses()
    picture = picture_of(masks) // 2 + 40
    changed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        image, same = apply_augmentation(augmenters.colour_jitter(p=0.5), picture, masks, rng)
        assert same is masks
        changed += not np.array_equal(image, picture)
    assert 15 <= changed <= 45  # 30 give or take 3.9


@pytest.mark.parametrize("make, message", [
    (lambda: augmenters.horizontal_flip(1.5), "flip is 1.5"),
    (lambda: augmenters.large_scale_jitter(2.0, 0.1), "the smaller first"),
    (lambda: augmenters.large_scale_jitter(0.0, 1.0), "above 0"),
    (lambda: augmenters.colour_jitter(hue=0.7), "hue=0.7"),
    (lambda: augmenters.colour_jitter(brightness=-1), "brightness=-1"),
    (lambda: augmenters.copy_paste(least=2), "remain of an object is 2"),
])
def test_values_out_of_range_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- Pasting ---------------------------------------------------------------------------------------------------------


def squares(*places, ids, grey, side=10, shape=(40, 40)):
    """(image of one grey, masks of squares at (y, x), class ids)."""
    masks = np.zeros(shape + (len(places),), bool)
    for i, (y, x) in enumerate(places):
        masks[y : y + side, x : x + side, i] = True
    return np.full(shape + (3,), grey, np.uint8), masks, np.array(ids, np.int32)


def test_pasting_by_hand():
    # Of the first object half remains, of the second nothing, of the third 9 of 100 pixels, of the fourth, a crowd, 50.
    image, masks, class_ids = squares((0, 0), (0, 20), (20, 1), (20, 25), ids=[1, 2, 3, -1], grey=50)
    other = squares((0, 5), (0, 20), (20, 0), (20, 20), (30, 30), ids=[4, 5, 6, 7, -2], grey=90)
    other[1][20:30, 10, 2] = True
    other[1][20, 8:11, 2] = other[1][21, 8:11, 2] = other[1][22, 8:11, 2] = False
    paste = augmenters.copy_paste(share=1.0, least=0.1)
    new_image, new_masks, new_ids = paste.mix(image, masks, class_ids, np.random.default_rng(0), lambda: other)
    assert new_ids.tolist() == [1, -1, 4, 5, 6, 7]  # crowds are not pasted
    assert new_masks.sum(axis=(0, 1)).tolist() == [50, 50, 100, 100, 101, 100]
    assert new_masks.sum(axis=2).max() == 1  # nothing is seen twice
    pasted = new_masks[..., 2:].any(axis=2)
    assert (new_image[pasted] == 90).all() and (new_image[~pasted] == 50).all()
    assert (image == 50).all() and masks.sum() == 400  # what was given is left alone


def test_some_but_never_none_are_pasted():
    image, masks, class_ids = squares(ids=[], grey=50)
    other = squares((0, 0), (0, 20), (20, 0), (20, 20), ids=[1, 2, 3, 4], grey=90)
    counts = np.zeros(5, int)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        pasted = augmenters.copy_paste().mix(image, masks, class_ids, rng, lambda: other)
        counts[len(pasted[2])] += 1
        assert pasted[1].shape == (40, 40, len(pasted[2]))
    # Binomial with 4 draws of 1/2: 12.5, 50, 75, 50, 12.5; none becomes one.
    assert counts[0] == 0 and 40 < counts[1] < 90 and 50 < counts[2] < 100 and counts[4] > 3


def test_no_second_sample_no_object_in_it_or_no_wish_leaves_all_as_it_was():
    sample = squares((0, 0), ids=[1], grey=50)
    empty = squares(ids=[], grey=90)
    crowd = squares((5, 5), ids=[-1], grey=90)
    for p, partner in ((1.0, lambda: None), (1.0, lambda: empty), (1.0, lambda: crowd), (0.0, lambda: 1 / 0)):
        for before, after in zip(sample, augmenters.copy_paste(p).mix(*sample, np.random.default_rng(0), partner)):
            assert after is before


def test_a_second_sample_of_another_size_is_cut_and_padded():
    image, masks, class_ids = squares((0, 0), ids=[1], grey=50)
    other = squares((5, 5), (5, 55), ids=[2, 3], grey=90, shape=(30, 70))
    paste = augmenters.copy_paste(share=1.0)
    new_image, new_masks, new_ids = paste.mix(image, masks, class_ids, np.random.default_rng(0), lambda: other)
    assert new_ids.tolist() == [1, 2]  # the third lies beyond the canvas
    assert new_image.shape == (40, 40, 3) and new_masks.shape == (40, 40, 2)
    assert new_masks.sum(axis=(0, 1)).tolist() == [75, 100]


def test_pasting_alone_says_what_it_needs():
    image, masks, _ = squares((0, 0), ids=[1], grey=50)
    with pytest.raises(DataError, match="needs a second sample"):
        apply_augmentation(augmenters.copy_paste(), image, masks, np.random.default_rng(0))
