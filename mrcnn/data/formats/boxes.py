"""Rectangles: boxes alone train no masks, but a rectangle that an annotator drew among outlines is an outline.

This is one rule for VIA, LabelMe and Label Studio, whose COCO files have a rectangle as a box without outline. Where
every object is a box, to take the boxes as masks must be asked for.
"""

import math
import os
from typing import NoReturn

from mrcnn.data.reporting import Reporting
from mrcnn.errors import DataError

AMONG_OUTLINES = "drawn as a rectangle, among others drawn as outlines: taken as its mask"
ONLY_A_BOX = "it has a box and no outline: draw one, or take boxes as masks for a draft (--boxes-as-masks)"


def needs_outlines(source: str | os.PathLike, count: int, first: str) -> NoReturn:
    """Raise the DataError of annotations that are boxes and nothing else.

    Args:
        source: path of the annotations
        count: of the objects
        first: name of the first of them
    """
    raise DataError(
        f"{source}: all {count} objects have a box and no outline (first: {first}): boxes alone cannot train masks: "
        "draw outlines, or take the boxes as masks for a draft (boxes_as_masks=True, --boxes-as-masks)."
    )


class Rectangles:
    """The rectangles among the objects of a file, which are taken as their masks, and told of.

    Args:
        report: the AnnotatedDataset that loads the file
    """

    def __init__(self, report: Reporting) -> None:
        self._report, self._rectangles, self._others, self._first = report, 0, 0, None

    def add(self, is_rectangle: bool, name: str) -> None:
        """Count an object.

        Args:
            is_rectangle: whether its outline is a rectangle.
            name: of its photo.
        """
        self._rectangles += is_rectangle
        self._others += not is_rectangle
        if is_rectangle and self._first is None:
            self._first = name

    def settle(self, source: str | os.PathLike, as_masks: bool | None) -> None:
        """Tell of the rectangles.

        Args:
            source: path of the annotations
            as_masks: whether it is asked for that rectangles are masks where there is nothing else

        Raises:
            DataError: if every object is a rectangle, and that is not asked for.
        """
        if self._rectangles and not self._others and not as_masks:
            needs_outlines(source, self._rectangles, self._first)
        if self._rectangles:
            how = AMONG_OUTLINES if self._others else "drawn as a rectangle, which is taken as its mask: a draft"
            self._report.note("object", how, self._first, self._rectangles)


def outline_of_box(box: object) -> list[float] | None:
    """The polygon [x1, y1, ...] of COCO's box [x, y, width, height]; None if it is none of some area."""
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(v, (int, float)) for v in box):
        return None
    try:
        x, y, width, height = map(float, box)
    except OverflowError:
        return None
    if not all(map(math.isfinite, (x, y, width, height))) or min(width, height) <= 0:
        return None
    return [x, y, x + width, y, x + width, y + height, x, y + height]
