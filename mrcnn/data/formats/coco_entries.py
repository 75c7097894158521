"""The entries of a COCO file as tools write them: ids, sizes and flags as numbers or text, categories that are none."""

import math
import os
import unicodedata
from collections.abc import Iterable

from mrcnn.data.formats.label_words import stands_for
from mrcnn.errors import DataError
from mrcnn.files import read_json

LISTS = ("images", "annotations", "categories")
FALSE_WORDS, TRUE_WORDS = ("", "0", "false", "no"), ("1", "true", "yes")
NO_GROUP = ("", "none", "null")  # of supercategory


def read_entries(path: str | os.PathLike) -> dict:
    """Content of an annotation file, its three lists checked to be lists of objects.

    Raises:
        DataError: naming it.
    """
    content = read_json(path, "COCO annotation file")
    for key in LISTS:
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DataError(f"{path}: no COCO annotations, for it has no list {key!r} of objects: check the file.")
    return content


# --- Ids -------------------------------------------------------------------------------------------------------------


def whole_number(value: object) -> int | None:
    """The whole number that a value is, or that a text spells ("1", "1.0", "007"); None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value) if not value.strip().lstrip("+-").isdecimal() else int(value)
        except ValueError:
            return None
    if type(value) is int:
        return value
    if not isinstance(value, float):
        return None
    return int(value) if math.isfinite(value) and value == int(value) else None


def is_id(value: object) -> bool:
    """Whether a value can be an id: a whole number, 1.0 too, or a text."""
    return isinstance(value, str) or whole_number(value) is not None


def checked_id(entry: dict, what: str, path: str | os.PathLike) -> int | str:
    """Id of an entry, 1.0 as 1.

    Args:
        entry: of the file
        what: it is, for the message
        path: of the file

    Raises:
        DataError: if it has none.
    """
    value = entry.get("id")
    if not is_id(value):
        raise DataError(f"{path}: the {what} {str(entry)[:60]} has no id that is a number or text: add one.")
    return value if isinstance(value, str) else whole_number(value)


class Ids:
    """The ids of a list of entries, by which other entries name them, as number or as text.

    Args:
        ids: numbers and texts
    """

    def __init__(self, ids: Iterable[int | str]) -> None:
        self._ids, self._alike = set(ids), {}
        for value in self._ids:
            self._alike.setdefault(whole_number(value), []).append(value)

    def find(self, value: object) -> int | str | None:
        """The id that a value stands for: the same one, else the only one that is the same number; None if none is."""
        if not is_id(value):
            return None
        exact = value if isinstance(value, str) else whole_number(value)
        if exact in self._ids:
            return exact
        alike = self.alike(value)
        return alike[0] if len(alike) == 1 else None

    def alike(self, value: object) -> list[int | str]:
        """list of the ids that are the same number as a value, written as number or as text."""
        number = whole_number(value)
        return [] if number is None else self._alike.get(number, [])

    def reason(self, key: str, value: object) -> str:
        """Why `find` found nothing, for a message.

        Args:
            key: name of the entry's field with the id.
            value: of that field.
        """
        alike = " and ".join(map(repr, sorted(self.alike(value), key=str)))
        if alike:
            return f"{key} {value!r}, which may be {alike}, text against number: write the one that is meant"
        return f"{key} {value!r}, which the file does not list"


# --- Sizes and flags -------------------------------------------------------------------------------------------------


def annotated_size(photo: dict) -> tuple[tuple[int, int] | None, bool]:
    """((H, W) of a photo's entry, or None where a side is missing: -1, 0, null or nothing; whether a side is text).

    Raises:
        ValueError: for a side that is no whole number.
    """
    sides = photo.get("height"), photo.get("width")
    if all(type(side) is int and side > 0 for side in sides):  # nearly every file
        return sides, False
    size = []
    for side in sides:
        number = 0 if side is None or side == "" else whole_number(side)
        if number is None:
            raise ValueError(f"height {sides[0]!r} and width {sides[1]!r}, which are not whole numbers both")
        size.append(number)
    return (tuple(size) if min(size) > 0 else None), any(isinstance(side, str) and side for side in sides)


def flag(value: object) -> bool | None:
    """Whether `iscrowd` says yes: 1, true and "1" do, 0, false, null and "0" do not. None for what says neither."""
    if value is None or isinstance(value, (bool, int)):
        return bool(value)
    if isinstance(value, str):
        word = value.strip().lower()
        return False if word in FALSE_WORDS else True if word in TRUE_WORDS else None
    number = whole_number(value)
    return None if number is None else bool(number)


# --- Categories ------------------------------------------------------------------------------------------------------


def categories_by_id(entries: list[dict], path: str | os.PathLike) -> dict[int | str, dict]:
    """{id: entry} of the categories.

    Raises:
        DataError: naming the file if an id occurs twice, or one has none.
    """
    index = {}
    for entry in entries:
        key = checked_id(entry, "category", path)
        if key in index:
            raise DataError(f"{path}: category id {key!r} occurs twice: give each its own.")
        index[key] = entry
    return index


def category_name(category_id: int | str, category: dict) -> str:
    """Name of a category, its id where it has none."""
    name = category.get("name")
    return str(category_id if name is None or name == "" else name)


def in_order(category_ids: Iterable[int | str]) -> list[int | str]:
    """Category ids in the order of classes: numbers first."""
    return sorted(category_ids, key=lambda i: (isinstance(i, str), i))


def phantom_categories(categories: dict[int | str, dict], used: set[int | str]) -> list[int | str]:
    """list of ids of categories that are only the name of a group.

    Some tools list a group of classes as a class: no object is of it, and other categories name it as supercategory.

    Args:
        categories: {id: entry}
        used: ids of categories that objects are of
    """
    groups = {}
    for key, entry in categories.items():
        group = entry.get("supercategory")
        if group is not None and str(group).strip().lower() not in NO_GROUP:
            groups.setdefault(str(group).strip(), set()).add(key)

    def is_phantom(key):
        name = category_name(key, categories[key]).strip()
        own_group = str(categories[key].get("supercategory") or "none").strip()
        is_root = own_group.lower() in NO_GROUP or own_group == name
        return key not in used and is_root and bool(groups.get(name, set()) - {key})

    phantoms = [key for key in in_order(categories) if is_phantom(key)]
    return phantoms if len(phantoms) < len(categories) else []


def background_categories(categories: dict[int | str, dict], used: set[int | str]) -> list[int | str]:
    """list of ids of categories without objects that are called as the background is, or what is ignored.

    Some tools list LabelMe's `_background_` or CVAT's background as a class.

    Args:
        categories: {id: entry}
        used: ids of categories that objects are of
    """
    found = [key for key in in_order(categories)
             if key not in used and stands_for(category_name(key, categories[key])) is not None]
    return found if len(found) < len(categories) else []


def merged_categories(categories: dict[int | str, dict]) -> dict[int | str, int | str]:
    """{id: id of the first category of the same name} of the categories whose name one before them has.

    Names are the same if they look the same: composed letters or not, spaces around them or not.
    """
    firsts, merged = {}, {}
    for key in in_order(categories):
        name = unicodedata.normalize("NFC", category_name(key, categories[key])).strip()
        first = firsts.setdefault(name, key)
        if first != key:
            merged[key] = first
    return merged
