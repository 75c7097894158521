"""Segmentations in the forms in which tools write them."""

import numpy as np
import pytest
from coco_files import HEIGHT, WIDTH, corners, rectangle

from mrcnn.data.formats.segmentations import (
    SegmentationFault,
    is_missing,
    is_rectangle,
    outline_of,
    reach_of,
)
from mrcnn.data.run_lengths import decode as rle_decode
from mrcnn.data.run_lengths import from_polygons as polygons_to_rle

SIZE = HEIGHT, WIDTH
BOX = corners(2, 3, 8, 9)  # rows 2 to 7, columns 3 to 8
PAIRS = [[3, 2], [9, 2], [9, 8], [3, 8]]
DICTS = [{"x": 3, "y": 2}, {"x": 9, "y": 2}, {"x": 9, "y": 8}, {"x": 3, "y": 8}]


@pytest.mark.parametrize("written, form", [
    ([BOX], None), (BOX, "one list of numbers"), (PAIRS, "one polygon of corners"), ([PAIRS], "nested lists"),
    ([[BOX]], "nested lists"), ([[[BOX]]], "nested lists"), ([[PAIRS]], "nested lists"),
    (DICTS, "one polygon of corners"), ([DICTS], "nested lists"), ([[str(value) for value in BOX]], None),
])
def test_every_form_gives_the_same_mask(written, form):
    outline = outline_of(written, SIZE)
    np.testing.assert_array_equal(rle_decode(polygons_to_rle(outline.segmentation, SIZE)), rectangle(2, 3, 8, 9))
    assert (outline.form, outline.crumbs, outline.empty) == (form, 0, False)
    assert (outline.segmentation is written) == (form is None)


def test_two_polygons_of_pairs_are_two_parts():
    other = [[20, 10], [30, 10], [30, 20], [20, 20]]
    mask = rle_decode(polygons_to_rle(outline_of([PAIRS, other], SIZE).segmentation, SIZE))
    np.testing.assert_array_equal(mask, rectangle(2, 3, 8, 9) | rectangle(10, 20, 20, 30))


@pytest.mark.parametrize("crumb", [[5, 5], [5, 5, 6, 5], [5, 5, 6, 5, 7, 5], [], [40, 5, 45, 5, 45, 9]])
def test_a_part_without_area_beside_a_sound_one_is_left_out(crumb):
    for parts in ([BOX, crumb], [crumb, BOX]):
        outline = outline_of(parts, SIZE)
        assert (outline.segmentation, outline.crumbs) == ([BOX], 1)


def test_a_figure_of_eight_has_an_area():
    eight = [0, 0, 8, 8, 8, 0, 0, 8]  # its two halves have areas of opposite sign
    assert outline_of([eight], SIZE).crumbs == 0


def test_an_outline_thinner_than_a_pixel_is_empty():
    assert outline_of([[3, 3, 9, 3.01, 3, 3.02]], SIZE).empty
    assert not outline_of([[3, 3, 5, 3, 5, 4.5, 3, 4.5]], SIZE).empty  # small, with pixels


@pytest.mark.parametrize("written, kind, message", [
    (None, "no mask", "no segmentation"), ([], "no mask", "no segm"), ([[], []], "no mask", "no segm"),
    ("", "no mask", "no segm"), ("1 2 3", "bad entry", "'1 2 3' is neither polygons nor run lengths"),
    (7, "bad entry", "7 is neither"), ([[5, 5, 6, 6]], "bad entry", "1 part of at most 2 corners"),
    ([[5, 5], [6, 6]], "bad entry", "2 parts of at most 1 corners"),
    ([[1, 1, 5, 5, 9, 9]], "empty mask", "no area"), ([corners(2, 40, 8, 50)], "mask outside", "no area in the photo"),
    ([BOX, corners(2, 3, 8, 500)], "mask outside", "part 2 of 2 .* reaches to 500"),
    ([[1, 1, 5, 5, 2]], "bad entry", "part 1 of 1 .* 5 numbers"), ([["a", 1, 5, 5, 2, 3]], "bad entry", "part 1 of 1"),
    ([[1, 1, 5, 5, 2, float("nan")]], "bad entry", "part 1 of 1 .* finite"), ([[1, True]], "bad entry", "."),
    ([[[[[[BOX]]]]]], "bad entry", "part 1 of its segmentation"), ([{"z": 1}], "bad entry", "part 1 of .* {'z': 1}"),
    ([{"x": 1, "y": None}] * 3, "bad entry", "part 1 of 1"), ({"size": [20, 30]}, "bad entry", "counts"),
])
def test_what_makes_no_mask(written, kind, message):
    with pytest.raises(SegmentationFault, match=message) as caught:
        outline_of(written, SIZE)
    assert caught.value.kind == kind


def test_what_is_missing():
    assert all(map(is_missing, (None, [], [[]], [[], [[]]], "", {}, [None])))
    assert not any(map(is_missing, ([[1]], "a", {"size": 1}, 0)))


def test_how_far_outlines_reach():
    some = [[BOX], PAIRS, {"size": [15, 4], "counts": ""}, None, "no outline", [[1, 2, 3]]]
    assert reach_of(some, 6) == (15, 9)  # columns of BOX, rows of the run lengths
    assert reach_of(some, 1) == (0, 0) == reach_of([], 6)


def test_what_is_a_rectangle():
    assert is_rectangle([BOX]) and is_rectangle([BOX + BOX[:2]]) and is_rectangle([BOX[2:] + BOX[:2]])
    for other in ([BOX, BOX], [[3, 2, 9, 2, 9, 8, 3, 7]], [[3, 2, 9, 8, 9, 2, 3, 8]], [BOX[:6]], {"size": [1, 1]}):
        assert not is_rectangle(other)


def test_lists_within_lists_are_looked_at_a_few_deep():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    assert is_missing([[[]], None, ""]) and not is_missing([[1]]) and not is_missing(nested)
