"""Areas and boxes beside outlines: what cannot be is taken from the mask, and nothing raises for what is no outline."""

import numpy as np
import pytest

from mrcnn.data import run_lengths
from mrcnn.data.stated_measures import as_corners, mended

SIZE = 40, 50
MASK = np.zeros(SIZE, bool)
MASK[10:30, 20:45] = True
POLYGON = [[20, 10, 45, 10, 45, 30, 20, 30]]
RLE = run_lengths.encode(MASK)
RUNS = {"size": list(SIZE), "counts": run_lengths.check(RLE, SIZE).tolist()}


@pytest.mark.parametrize("outline", [POLYGON, RLE, RUNS], ids=["polygon", "compressed", "runs"])
@pytest.mark.parametrize("stated, told", [
    ({"area": -1}, 1), ({"area": 500.5}, 0), ({"area": 2199}, 0), ({"area": 2201}, 1), ({}, 0), ({"area": None}, 0),
    ({"bbox": [20, 10, 45, 30]}, 1), ({"bbox": [19, 9, 27, 22]}, 0), ({"bbox": [0, 0, 5, 5]}, 1),
    ({"bbox": [0, 0, 500, 500]}, 1), ({"bbox": [20, 10, 35, 25]}, 0), ({"bbox": []}, 0),
    ({"bbox": np.array([20.0, 10, -25, 20])}, 1), ({"bbox": [1, 2], "area": "x"}, 2),
])
def test_what_cannot_be_is_taken_from_the_mask(outline, stated, told):
    annotation = {"id": 1, "segmentation": outline, **stated}
    (kept,), places = mended([annotation], [SIZE])
    assert len(places) == told and (kept is annotation) == (not told)
    if told:
        assert {key: kept[key] for key in stated} == {key: {"area": 500, "bbox": [20, 10, 25, 20]}[key]
                                                      for key in stated}


@pytest.mark.parametrize("outline", [None, [], 7, "x", {"size": [1]}, [[1, 1]], [["a", 1, 2, 3, 4, 5]], [7], {}])
def test_what_is_no_outline_is_left_to_those_who_read_masks(outline):
    good = {"segmentation": RUNS, "bbox": [20, 10, 45, 30]}
    kept, _ = mended([{"segmentation": outline, "area": -1, "bbox": [1, 2, 3, "4"]}, good], [SIZE, SIZE])
    assert kept[0]["bbox"] == [1, 2, 3, "4"] and kept[1]["bbox"] == [20, 10, 25, 20]
    assert mended([{**good, "area": -1}], [None])[0][0]["bbox"] == [20, 10, 25, 20]  # a photo of unknown size


def test_an_empty_mask_may_have_no_area():
    empty = run_lengths.encode(np.zeros(SIZE, bool))
    assert mended([{"segmentation": empty, "area": 0, "bbox": [3, 3, 1, 1]}], [SIZE])[1] == []


def test_corners_are_known_by_all_boxes_together():
    sizes = [SIZE, SIZE]
    assert as_corners([[20, 10, 45, 30], [1, 1, 9, 9]], sizes) == [0]
    assert as_corners([[20, 10, 45, 30], [30, 1, 9, 9]], sizes) == []  # the second is no pair of corners
    assert as_corners([[20, 10, 25, 20], [1, 1, 9, 9]], sizes) == []  # none reaches beyond
    assert as_corners([[20, 10, 45, 30], [1, 1, 9]], sizes) == as_corners([], []) == []
    assert as_corners([[20, 10, 45, 30]], [None]) == []
