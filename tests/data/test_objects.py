"""What data sets say of their objects: counts by hand, and which way they are read."""

import numpy as np
import pytest
from made_pictures import Pictures, plain, settings

from mrcnn.data import objects
from mrcnn.data.batches import Batches
from mrcnn.data.objects import class_counts, count_classes, has_objects, whole_class_ids
from mrcnn.errors import DataError


def test_counts_take_no_crowds():
    masks = np.ones((4, 4, 3), bool)
    dataset = Pictures([(None, masks, np.array([1, 1, -2])), (None, masks[..., :1], np.array([3])),
                        (None, masks[..., :0], np.zeros(0, int))])
    assert class_counts(dataset).tolist() == [[2, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert class_counts(dataset, [1]).tolist() == [[0, 0, 1]]


def test_objects_are_counted_without_masks_where_the_data_set_knows():
    dataset = plain(3)
    assert count_classes(dataset, [2, 0]).tolist() == [[1, 0, 0], [1, 0, 0]]
    dataset.pictures[1] = (*dataset.pictures[1][:2], np.array([-2]))  # a crowd
    assert count_classes(dataset, [1]).tolist() == [[0, 0, 0]]
    dataset.pictures[1] = None
    with pytest.raises(DataError, match="picture1.png: TypeError"):
        count_classes(dataset, [0, 1])
    dataset.load_mask = None
    dataset.object_classes = lambda image_id: np.array([3, 3, -1])
    assert count_classes(dataset, [1, 2]).tolist() == [[0, 0, 2], [0, 0, 2]]


def test_a_photo_has_objects_by_what_its_data_set_tells():
    masks = np.ones((4, 4, 1), bool)
    dataset = Pictures([(None, masks, np.array([-2])), (None, masks, np.array([2]))])
    assert [has_objects(dataset, i) for i in (0, 1)] == [False, True]  # a crowd is none
    dataset.load_mask = None
    dataset.label_map = lambda image_id: np.array([[0, 255], [0, [255, 3][image_id]]], np.uint8)
    assert [has_objects(dataset, i) for i in (0, 1)] == [False, True]
    dataset.object_classes = lambda image_id: [[1], []][image_id]
    assert [has_objects(dataset, i) for i in (0, 1)] == [True, False]
    assert [has_objects(dataset, i, of_label_maps=True) for i in (0, 1)] == [False, True]
    dataset.object_classes = lambda image_id: 1 // 0
    with pytest.raises(DataError, match="picture1.png: ZeroDivisionError"):
        has_objects(dataset, 1)


def test_class_ids_are_whole_numbers_whatever_holds_them():
    for given in ([1, 2], np.array([1.0, 2.0]), np.array([1, 2], object), np.array([[1], [2]]), ["1", "2"]):
        assert whole_class_ids(given, "a.png").tolist() == [1, 2]
    assert whole_class_ids([], "a.png").tolist() == []
    masks = np.ones((4, 4, 1), bool)
    for given in (["cat"], [None], [0.5], [np.inf]):
        with pytest.raises(DataError, match="picture0.png: load_mask gave class ids .*: return whole numbers"):
            class_counts(Pictures([(None, masks, given)]))


def test_masks_of_a_huge_data_set_are_not_decoded_to_count(monkeypatch):
    monkeypatch.setattr(objects, "DECODED_AT_MOST", 3)
    dataset = plain(4)
    with pytest.raises(DataError, match="4 photos, .*give Pictures .*object_classes.*CLASS_COUNTS"):
        Batches(dataset, settings(REPEAT_THRESHOLD=0.5))
    assert Batches(dataset, settings(REPEAT_THRESHOLD=0.5), image_ids=[0, 1, 2]).class_counts()[1] == 3
    dataset.object_classes = lambda image_id: np.array([1])
    assert Batches(dataset, settings(REPEAT_THRESHOLD=0.5)).class_counts()[1] == 4
