"""Outlines along the edges of pixels: drawn again they are the mask."""

import cv2
import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.formats.outlines import one_polygon, rings


def even_odd(found, shape):
    """bool [H, W]: pixels whose centre has an odd number of edges of the rings to its right."""
    inside = np.zeros(shape, bool)
    for ring in found:
        for (x, y1), (_, y2) in zip(ring[0::2].astype(int), ring[1::2].astype(int)):  # upright edges
            inside[min(y1, y2) : max(y1, y2), :x] ^= True
    return inside


def test_a_corner_of_three_pixels():
    mask = np.zeros((5, 6), bool)
    mask[1, 2:4] = mask[2, 2] = True
    (ring,) = rings(run_lengths.encode(mask))
    assert {tuple(corner) for corner in ring.tolist()} == {(2, 1), (4, 1), (4, 2), (3, 2), (3, 3), (2, 3)}


def test_rings_are_the_mask_even_where_pixels_touch_in_a_corner():
    for seed in range(20):
        mask = np.random.default_rng(seed).random((9, 11)) < 0.5
        np.testing.assert_array_equal(even_odd(rings(run_lengths.encode(mask)), mask.shape), mask)


def test_one_polygon_is_drawn_as_the_mask():
    rng, exact = np.random.default_rng(4), 0
    for _ in range(20):
        drawn = np.zeros((60, 70), np.uint8)
        cv2.ellipse(drawn, [int(v) for v in rng.integers(20, 40, 2)], [int(v) for v in rng.integers(5, 30, 2)],
                    int(rng.integers(180)), 0, int(rng.integers(100, 361)), 1, -1)
        _, labels = cv2.connectedComponents(drawn, connectivity=4)
        rle = run_lengths.encode(labels == 1)
        polygon = one_polygon(rle)
        if polygon is None:  # it touches itself in a corner
            continue
        exact += 1
        np.testing.assert_array_equal(run_lengths.decode(run_lengths.from_polygons([polygon], (60, 70))), labels == 1)
    assert exact > 14


def test_parts_holes_and_nothing_are_no_one_polygon():
    mask = np.zeros((8, 8), bool)
    assert rings(run_lengths.encode(mask)) == [] and one_polygon(run_lengths.encode(mask)) is None
    mask[1:6, 1:6] = True
    assert one_polygon(run_lengths.encode(mask)) is not None
    mask[3, 3] = False
    assert one_polygon(run_lengths.encode(mask)) is None
    mask[3, 3] = mask[7, 7] = True
    assert one_polygon(run_lengths.encode(mask)) is None
