"""Ids, sizes and flags as numbers or text; categories that are no classes."""

import math

import pytest

from mrcnn.data.formats.coco_entries import (
    Ids,
    annotated_size,
    background_categories,
    checked_id,
    flag,
    merged_categories,
    phantom_categories,
    whole_number,
)
from mrcnn.errors import DataError


@pytest.mark.parametrize("value, number", [
    (1, 1), (1.0, 1), ("1", 1), (" 1.0 ", 1), ("007", 7), ("-1", -1), (0, 0), (1.5, None), ("1.5", None), ("a1", None),
    ("", None), (None, None), (True, None), ([1], None), (math.nan, None), (math.inf, None), ("inf", None), ("²", None),
])
def test_whole_numbers(value, number):
    assert whole_number(value) == number


def test_an_id_is_found_as_number_and_as_text_where_one_fits():
    ids = Ids([1, 2, "10", "x"])
    assert [ids.find(value) for value in (1, "1", 1.0, "1.0", 10, "10", "x", "2")] == [1, 1, 1, 1, "10", "10", "x", 2]
    assert [ids.find(value) for value in (3, "3", "y", None, [1], True, 1.5)] == [None] * 7


def test_an_id_that_fits_two_is_none_of_them():
    ids = Ids(["1", "01", 1.0])
    assert ids.find("1") == "1" and ids.find("01") == "01" and ids.find(1) == 1
    ids = Ids(["1", "01"])
    assert ids.find(1) is None and ids.find("1") == "1"
    assert "'01' and '1', text against number" in ids.reason("image_id", 1)
    assert ids.reason("image_id", 5) == "image_id 5, which the file does not list"


def test_ids_of_entries():
    assert checked_id({"id": 2.0}, "image", "a.json") == 2 and checked_id({"id": "2"}, "image", "a.json") == "2"
    for value in (None, True, 1.5, [1]):
        with pytest.raises(DataError, match="a.json: the image .* has no id"):
            checked_id({"id": value}, "image", "a.json")


@pytest.mark.parametrize("height, width, size, is_text", [
    (400, 240, (400, 240), False), ("400", 240.0, (400, 240), True), (400.0, 240, (400, 240), False),
    (-1, -1, None, False), (0, 240, None, False),
    (None, 240, None, False), ("", "", None, False), ("-1", 5, None, True),
])
def test_sizes(height, width, size, is_text):
    assert annotated_size({"height": height, "width": width}) == (size, is_text)


def test_no_sizes():
    assert annotated_size({}) == (None, False)
    for value in ("tall", 1.5, [1], True, math.inf):
        with pytest.raises(ValueError, match="height"):
            annotated_size({"height": value, "width": 4})


@pytest.mark.parametrize("value, says", [
    (1, True), (True, True), ("1", True), ("True", True), (1.0, True), (0, False), (False, False), (None, False),
    ("0", False), ("false", False), ("", False), (0.0, False), ("maybe", None), ([], None), (0.5, None),
])
def test_flags(value, says):
    assert flag(value) is says


def named(**groups):
    """Categories a, b ... of these groups, with ids from 0 on."""
    return {i: {"id": i, "name": name, "supercategory": group} for i, (name, group) in enumerate(groups.items())}


def test_a_group_that_is_listed_as_a_category_is_a_phantom():
    categories = named(clothes="none", shirt="clothes", shoe="clothes")
    assert phantom_categories(categories, {1, 2}) == phantom_categories(categories, set()) == [0]
    assert phantom_categories(categories, {0, 1}) == []  # it has objects
    assert phantom_categories(named(clothes="clothes", shirt="clothes"), {1}) == [0]
    assert phantom_categories(named(clothes=None, shirt="clothes"), {1}) == [0]


def test_categories_that_are_no_phantoms():
    assert phantom_categories(named(person="person", bag="accessory"), {1}) == []  # COCO's person, without objects
    assert phantom_categories(named(clothes="things", shirt="clothes"), {1}) == []  # no root
    assert phantom_categories(named(none="none", shirt="none"), {1}) == []
    assert phantom_categories(named(shirt="none", shoe="none"), set()) == []


def test_categories_without_objects_that_are_called_like_the_background():
    categories = named(_background_=None, background="none", shirt="none", __ignore__=None)
    assert background_categories(categories, {2}) == [0, 1, 3]
    assert background_categories(categories, {1, 2}) == [0, 3]  # one with objects is a class
    assert background_categories(named(background="none"), set()) == []
    assert background_categories(named(shirt="none", nothing="none", other="none"), {0}) == []


def test_categories_of_one_name_are_one_class():
    names = ["shirt", "Shirt", "shirt ", "café", "cafe\u0301", "shoe"]
    categories = {i: {"id": i, "name": name} for i, name in enumerate(names)}
    assert merged_categories(categories) == {2: 0, 4: 3}
