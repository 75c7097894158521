"""Dominant colours against colours known from the definition of CIELAB, and against the mask itself."""

import numpy as np
import pytest

from mrcnn.collections.colours import dominant_colours, spread_pixels
from mrcnn.data import run_lengths


def test_two_halves_are_two_colours_with_their_shares():
    image = np.zeros((40, 40, 3), np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[:, 5:35] = True
    image[:, 5:15], image[:, 15:35] = (255, 0, 0), (0, 0, 255)  # 10 columns to 20; what is outside is black
    blue, red = dominant_colours(image, run_lengths.encode(mask))
    # CIELAB (D65) of the corners of sRGB, from its definition.
    assert [red[name] for name in "lab"] == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert [blue[name] for name in "lab"] == pytest.approx([32.30, 79.19, -107.86], abs=0.05)
    assert (blue["share"], red["share"]) == pytest.approx((2 / 3, 1 / 3), abs=0.01)


def test_shades_of_one_cloth_are_one_colour_and_what_is_rare_is_none():
    rng = np.random.default_rng(0)
    image = rng.normal((150, 60, 40), 8, (60, 60, 3)).clip(0, 255).astype(np.uint8)
    image[:2, :40] = 255  # 80 of 3600 pixels, 2 %
    colours = dominant_colours(image, run_lengths.encode(np.ones((60, 60), bool)))
    assert len(colours) == 1 and colours[0]["share"] == pytest.approx(1 - 80 / 3600, abs=0.01)


def test_an_empty_mask_has_no_colour():
    assert dominant_colours(np.zeros((4, 5, 3), np.uint8), run_lengths.encode(np.zeros((4, 5), bool))) == []


@pytest.mark.parametrize("first", [False, True])
def test_all_pixels_of_a_small_mask_and_even_ones_of_a_large_one(first):
    mask = np.random.default_rng(1).random((13, 17)) < 0.4
    mask[0, 0] = first
    rle = run_lengths.encode(mask)
    found = np.zeros_like(mask)
    found[spread_pixels(rle, mask.shape, 1000)] = True
    np.testing.assert_array_equal(found, mask)
    rows, columns = spread_pixels(rle, mask.shape, 20)
    inside = np.argwhere(mask.T)[:, ::-1]  # down the columns, as run lengths go
    places = [np.flatnonzero((inside == place).all(axis=1)).item() for place in zip(rows, columns)]
    assert len(places) == 20
    # One in each twentieth of the pixels.
    assert [place * 20 // len(inside) for place in places] == list(range(20))
