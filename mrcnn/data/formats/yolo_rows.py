"""The rows of YOLO's label files: an object each, the index of its class and the corners of its outline.

    0 0.681 0.485 0.670 0.487 0.676 0.493      class, then x y of each corner, in shares of the photo's width and height
    1 0.5 0.5 0.25 0.1                         four numbers are a box, its centre and its sides, and no outline
"""

import math
import os
from typing import NamedTuple

from mrcnn.errors import DataError
from mrcnn.text_files import as_utf8

LARGEST_FILE = 1 << 26  # bytes
MOST_NUMBERS = 1 << 20  # of a row
TOLERANCE = 0.05  # shares of a side by which corners may lie outside; they are moved to the edge
BOX = 4  # numbers


class RowFault(ValueError):
    """What is wrong with a row. kind: of FAULT_KINDS."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class Row(NamedTuple):
    """One object.

    Attributes:
        label: index of its class.
        corners: [x1, y1, x2, y2, ...] shares of the photo's sides, 0 to 1.
        is_box: whether it is written as a box.
        clipped: whether a corner lay a little outside.
    """

    label: int
    corners: list[float]
    is_box: bool
    clipped: bool


def read_rows(path: str | os.PathLike) -> list[bytes]:
    """Lines of a label file that are not blank.

    Args:
        path: of the file.

    Returns:
        list of bytes; the place of a row among them is the object's number.

    Raises:
        DataError: it cannot be read, or is larger than any label file.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.readall()[:LARGEST_FILE + 1] if os.fstat(file.fileno()).st_size <= LARGEST_FILE else None
    except OSError as error:
        raise DataError(f"{path}: cannot read the labels ({error.strerror}): check its rights.") from error
    if data is None or len(data) > LARGEST_FILE:
        raise DataError(f"{path}: more than {LARGEST_FILE} bytes, which no label file has: replace it.")
    return [line for line in as_utf8(data).splitlines() if line and not line.isspace()]


def read_row(line: bytes) -> Row:
    """Read one row.

    Args:
        line: bytes.

    Returns:
        Row.

    Raises:
        RowFault: it is none.
    """
    words = line.split(None, MOST_NUMBERS + 1)
    count = len(words) - 1
    if count > MOST_NUMBERS:
        raise RowFault("bad entry", f"its row has more than {MOST_NUMBERS} numbers: simplify the outline")
    try:
        label, *numbers = map(float, words)
    except ValueError:
        shown = next((word for word in words if not _is_number(word)), b"").decode("utf-8", "replace")[:20]
        raise RowFault("bad entry", f"its row has {shown!r}, which is no number") from None
    if not math.isfinite(sum(numbers)) or not label.is_integer():
        what = "NaN or infinity" if label.is_integer() else f"the class {words[0].decode('utf-8', 'replace')[:20]!r}"
        raise RowFault("bad entry", f"its row has {what} in place of {'numbers' if label.is_integer() else 'an index'}")
    if count == BOX:
        x, y, width, height = numbers
        if min(width, height) <= 0:
            raise RowFault("bad entry", f"its box has the sides {width:g} and {height:g}, which hold nothing")
        left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        numbers = [left, top, right, top, right, bottom, left, bottom]
    elif count % 2 or count < 6:
        raise RowFault("bad entry", _what_it_may_be(count))
    least, most = min(numbers), max(numbers)
    clipped = least < 0 or most > 1
    if clipped:
        if least < -TOLERANCE or most > 1 + TOLERANCE:
            raise RowFault("mask outside", f"its row reaches from {least:g} to {most:g}, where numbers are shares of "
                           "the photo's sides, 0 to 1: divide pixels by width and height")
        numbers = [min(max(number, 0.0), 1.0) for number in numbers]
    return Row(int(label), numbers, count == BOX, clipped)


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True


def _what_it_may_be(count):
    if count == 5:
        return "its row has 5 numbers behind the class: a box with a confidence, as detections have"
    if count % 2:
        return (f"its row has {count} numbers behind the class, which do not pair: three or more corners x y are "
                "needed, without a confidence")
    return f"its row has {count} numbers behind the class: an outline needs three corners x y"


def is_rectangle(corners: list[float]) -> bool:
    """Whether an outline is an upright rectangle.

    Args:
        corners: [x1, y1, ...].
    """
    if len(corners) not in (8, 10):
        return False
    if len(corners) == 10 and corners[:2] != corners[8:]:  # the first corner again
        return False
    xs, ys = corners[0:8:2], corners[1:8:2]
    return len(set(xs)) == len(set(ys)) == 2 and len(set(zip(xs, ys))) == 4 and (xs[0] == xs[1] or ys[0] == ys[1])
