"""Boxes and rectangles as masks."""

import pytest

from mrcnn.data.annotated import AnnotatedDataset
from mrcnn.data.formats.boxes import Rectangles, outline_of_box
from mrcnn.errors import DataError


def test_the_outline_of_a_box():
    assert outline_of_box([3, 2, 6, 4.5]) == [3, 2, 9, 2, 9, 6.5, 3, 6.5]
    for none in (None, [], [1, 2, 3], [0, 0, 0, 5], [0, 0, 5, -1], [0, 0, float("nan"), 1], ["1", 2, 3, 4], "box"):
        assert outline_of_box(none) is None


def rectangles(dataset, count, others):
    boxes = Rectangles(dataset)
    for number in range(count + others):
        boxes.add(number >= others, f"{number}.jpg")
    return boxes


def test_rectangles_alone_must_be_asked_for():
    with pytest.raises(DataError, match="a.json: all 3 objects .*first: 0.jpg.*--boxes-as-masks"):
        rectangles(AnnotatedDataset(), 3, 0).settle("a.json", False)


def test_rectangles_are_told_of():
    for others, as_masks, words in ((5, False, "among others"), (0, True, "a draft")):
        dataset = AnnotatedDataset()
        rectangles(dataset, 3, others).settle("a.json", as_masks)
        note, = dataset.notes
        assert (note.count, note.first) == (3, f"{others}.jpg") and words in note.how
    dataset = AnnotatedDataset()
    rectangles(dataset, 0, 5).settle("a.json", False)
    assert dataset.notes == []
