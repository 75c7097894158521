"""Dominant colours against colours known from the definition of CIELAB, and against the mask itself."""

import numpy as np
import pytest

from mrcnn.collections.colours import dominant_colours, lab_of, spread_pixels
from mrcnn.data import run_lengths


def runs_of(mask):
    return run_lengths.check(run_lengths.encode(mask), mask.shape)


def test_colours_of_pixels_are_those_of_an_independent_conversion():
    color = pytest.importorskip("skimage.color")
    pixels = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), axis=-1).reshape(-1, 3).astype(np.uint8)
    # scikit-image rounds two constants of CIE's curve, which dark colours show.
    np.testing.assert_allclose(lab_of(pixels).T, color.rgb2lab(pixels), atol=5e-4)
    np.testing.assert_allclose(lab_of(np.uint8([[0, 0, 0], [255, 255, 255]])), [[0, 100], [0, 0], [0, 0]], atol=0.02)


def test_two_halves_are_two_colours_with_their_shares():
    image = np.zeros((40, 40, 3), np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[:, 5:35] = True
    image[:, 5:15], image[:, 15:35] = (255, 0, 0), (0, 0, 255)  # 10 columns to 20; what is outside is black
    blue, red = dominant_colours(image, runs_of(mask))
    # CIELAB (D65) of the corners of sRGB, from its definition.
    assert [red[name] for name in "lab"] == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert [blue[name] for name in "lab"] == pytest.approx([32.30, 79.19, -107.86], abs=0.05)
    assert (blue["share"], red["share"]) == pytest.approx((2 / 3, 1 / 3), abs=0.01)


def test_shades_of_one_cloth_are_one_colour_and_what_is_rare_is_none():
    rng = np.random.default_rng(0)
    image = rng.normal((150, 60, 40), 8, (60, 60, 3)).clip(0, 255).astype(np.uint8)
    image[:2, :40] = 255  # 80 of 3600 pixels, 2 %
    colours = dominant_colours(image, runs_of(np.ones((60, 60), bool)))
    assert len(colours) == 1 and colours[0]["share"] == pytest.approx(1 - 80 / 3600, abs=0.01)


def test_an_empty_mask_has_no_colour():
    assert dominant_colours(np.zeros((4, 5, 3), np.uint8), runs_of(np.zeros((4, 5), bool))) == []


@pytest.mark.parametrize("first", [False, True])
def test_all_pixels_of_a_small_mask_and_even_ones_of_a_large_one(first):
    mask = np.random.default_rng(1).random((13, 17)) < 0.4
    mask[0, 0] = first
    runs = runs_of(mask)
    found = np.zeros_like(mask)
    found[spread_pixels(runs, len(mask), 1000)] = True
    np.testing.assert_array_equal(found, mask)
    rows, columns = spread_pixels(runs, len(mask), 20)
    inside = np.argwhere(mask.T)[:, ::-1]  # down the columns, as run lengths go
    places = [np.flatnonzero((inside == place).all(axis=1)).item() for place in zip(rows, columns)]
    assert len(places) == 20
    # One in each twentieth of the pixels.
    assert [place * 20 // len(inside) for place in places] == list(range(20))


def test_each_pixel_counts_for_the_colour_that_is_nearest_to_it():
    rng = np.random.default_rng(4)
    base = np.array([(220, 30, 30), (30, 200, 40), (40, 40, 220), (240, 240, 240)])
    image = (base[rng.integers(0, 4, (30, 30))] + rng.integers(-9, 10, (30, 30, 3))).clip(0, 255).astype(np.uint8)
    colours = dominant_colours(image, runs_of(np.ones((30, 30), bool)))
    lab = lab_of(image.reshape(-1, 3)).T
    means = np.array([[colour[name] for name in "lab"] for colour in colours])
    nearest = np.linalg.norm(lab[:, None] - means, axis=2).argmin(axis=1)
    assert len(colours) == 4
    for number, colour in enumerate(colours):
        assert colour["share"] == pytest.approx((nearest == number).mean(), abs=0.001)
        np.testing.assert_allclose(means[number], lab[nearest == number].mean(axis=0), atol=0.1)
