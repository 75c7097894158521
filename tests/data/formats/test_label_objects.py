"""Objects of label maps: the count of the parts that are none, and what is told of it."""

import numpy as np

from mrcnn.data.formats.label_mapping import LabelClasses
from mrcnn.data.formats.label_objects import ClassParts, encoded, map_objects, parts_lines
from mrcnn.data.run_lengths import decode

# Class 1: parts of 2, 2 and 1 pixels; class 2: one of 3; class 3, of which each part is an object: 2 and 1.
VALUES = np.array([[1, 1, 0, 2, 2, 2],
                   [0, 0, 0, 0, 0, 0],
                   [1, 1, 0, 1, 0, 3],
                   [0, 0, 0, 0, 0, 3],
                   [3, 0, 0, 0, 0, 0]], np.uint8)
CLASSES = LabelClasses(("cat", "dog", "shoe"), np.arange(256).astype(np.int16), frozenset({3}), 2)


def test_objects_and_the_parts_that_are_none():
    told = {}
    objects = [(value, decode(encoded(mask, corner, VALUES.shape))) for value, mask, corner
               in map_objects(VALUES, CLASSES, told)]
    assert [(value, int(mask.sum())) for value, mask in objects] == [(1, 4), (2, 3), (3, 2)]
    np.testing.assert_array_equal(objects[2][1], (VALUES == 3) & (np.arange(6) == 5))
    assert told == {1: ClassParts(2, 1, 1, 2), 3: ClassParts(0, 1, 1, 2)}


def test_lines_of_the_photos_that_are_shown():
    told = {"a.png": [("cat", ClassParts(2, 0, 0, 60))], "b.png": [("cat", ClassParts(3, 2, 49, 60))],
            "c.png": [("dog", ClassParts(9, 9, 9, 60))]}
    joined, small = parts_lines(told, {"a.png", "b.png"})
    assert joined.startswith("2 objects are made of 5 parts that lie apart, on 2 photos, ") and "cat on a.png" in joined
    assert small.startswith("2 parts of label maps under 60 pixels are no objects, with 49 pixels in all")
    assert parts_lines(told, ()) == []
