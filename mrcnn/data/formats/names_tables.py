"""Tables with more than numbers and names, as ADE20K's objectInfo150.txt: the columns are told by their head."""

import os
import re
import warnings
from collections.abc import Sequence

from mrcnn.errors import DataError

NUMBER_WORDS = ("id", "index", "idx", "value", "number", "label", "pixel value", "class id", "classid", "class index",
                "label id", "category id")
NAME_WORDS = ("name", "class", "label", "category", "class name", "label name", "category name", "names", "classes",
              "labels", "categories", "class names", "label names", "category names")
SHOWN = 6  # columns in a message


def plain(word: str) -> str:
    """A word of a head in lower case, with single spaces."""
    return re.sub(r"[\s_-]+", " ", word.strip().lower())


def is_head(cells: Sequence[str]) -> bool:
    """Whether cells are the head of a table of numbers and names."""
    words = [plain(cell) for cell in cells]
    return len(words) == 2 and any(
        number in NUMBER_WORDS and name in NAME_WORDS for number, name in (words, words[::-1]))


def names_first(cells: Sequence[str]) -> bool:
    """Whether a head, as `is_head` knows it, says that the names are first."""
    number, name = (plain(cell) for cell in cells)
    return not (number in NUMBER_WORDS and name in NAME_WORDS)


def table_names(path: str | os.PathLike, rows: list[list[str]]) -> list[tuple[str, str]] | None:
    """[(number, name)] of a table of three columns or more under a head.

    Args:
        path: of the file, for messages.
        rows: cells of its lines.

    Returns:
        The two columns, of which a warning tells; None: lines of another length, or no head that has both.
    """
    if len(rows) < 2 or len(rows[0]) < 3 or len({len(row) for row in rows}) != 1:
        return None
    head, body = rows[0], rows[1:]
    numeric = [all(row[i].isdecimal() for row in body) for i in range(len(head))]
    number = _one([i for i, cell in enumerate(head) if numeric[i] and plain(cell) in NUMBER_WORDS], head, "id")
    name = _one([i for i, cell in enumerate(head) if not numeric[i] and plain(cell) in NAME_WORDS], head, "name")
    if number is None or name is None:
        return None
    left = [cell for i, cell in enumerate(head) if i not in (number, name)]
    warnings.warn(f"{path}: its columns {head[number]!r} and {head[name]!r} are the numbers and names; {len(left)} "
                  f"others are not read: {', '.join(left[:SHOWN])}.", stacklevel=5)
    return [(row[number], row[name]) for row in body]


def refuse_table(path: str | os.PathLike, rows: list[list[str]]) -> None:
    """Raise DataError if all lines have the same three columns or more, whose head does not tell which are meant."""
    if rows and len(rows[0]) > 2 and len({len(row) for row in rows}) == 1:
        shown = ", ".join(rows[0][:SHOWN])
        raise DataError(f"{path}: has {len(rows[0])} columns, and its first line ({shown[:60]}) does not say which are "
                        "the numbers and names: call one id and one name, or leave the others out.")


def _one(places, head, word):
    """The only place, or the only one whose head has a word among several; None if that is not one."""
    sure = [i for i in places if word in plain(head[i]) or (word == "id" and plain(head[i]) in ("idx", "index"))]
    found = places if len(places) == 1 else [i for i in sure if plain(head[i]) == word] or sure
    return found[0] if len(found) == 1 else None
