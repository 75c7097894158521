"""Forms of answers whose masks have corners that tests of routes do not."""

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.serving.answers import labels_of_map, mask_of, objects_of


def test_a_mask_of_no_pixel_has_no_outline():
    assert mask_of(run_lengths.encode(np.zeros((4, 5), bool)), "polygons") == []


def test_a_square_is_its_four_corners():
    mask = np.zeros((4, 5), bool)
    mask[1:3, 2:4] = True
    [ring] = mask_of(run_lengths.encode(mask), "polygons")
    assert sorted(zip(ring[::2], ring[1::2])) == [(2, 1), (2, 3), (4, 1), (4, 3)]


def test_nothing_found():
    nothing = {"class_ids": np.zeros(0, np.int32), "scores": np.zeros(0), "boxes": np.zeros((0, 4)), "rles": []}
    assert objects_of(nothing, ["BG"], "rle") == []
    assert labels_of_map(np.zeros((3, 3), np.uint8), ["BG", "hat"], "rle") == {"classes": []}


def test_objects_have_the_attributes_that_a_network_tells():
    mask = run_lengths.encode(np.ones((2, 2), bool))
    found = {"class_ids": np.array([1, 1]), "scores": np.array([0.9, 0.8]), "boxes": np.array([[0, 0, 2, 2]] * 2),
             "rles": [mask, mask]}
    assert not any("attributes" in one for one in objects_of(found, ["BG", "hat"], "rle"))
    told = objects_of({**found, "attributes": [{"red": 0.75}, {}]}, ["BG", "hat"], "rle")
    assert [one["attributes"] for one in told] == [{"red": 0.75}, {}]
