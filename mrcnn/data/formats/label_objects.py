"""Objects of label maps: what becomes of the parts of each class that hang together, and a count of it for the user."""

from collections.abc import Container, Iterator
from typing import NamedTuple

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.formats.label_mapping import IGNORED, LabelClasses


class ClassParts(NamedTuple):
    """The parts of one class on one photo, where not each of them is an object.

    Attributes:
        joined: number of parts that make up one object, 2 or more; 0 where none are joined
        small: number of parts under the least area, which are in no object
        pixels: of these
        least: the least area, pixels
    """

    joined: int
    small: int
    pixels: int
    least: int


def map_objects(values: np.ndarray, classes: LabelClasses,
                told: dict[int, ClassParts] | None = None) -> Iterator[tuple[int, np.ndarray, tuple[int, int]]]:
    """Yield the objects of a label map by class, those of one class from top to bottom.

    Args:
        values: uint8 [H, W]: 1 to K as LabelClasses number the classes, 0, IGNORED.
        classes: LabelClasses.
        told: {class: ClassParts}, which grows by the classes of which not each part is an object.

    Returns:
        (class, mask bool [h, w] of a part of the photo, (y, x) of its corner in the photo) of each.
    """
    told = {} if told is None else told
    for value in (np.flatnonzero(np.bincount(values.ravel(), minlength=IGNORED)[1:IGNORED]) + 1).tolist():
        for mask, corner in _objects(values == value, value, classes, told):
            yield value, mask, corner


def _objects(inside, value, classes, told):
    """Yield (mask bool [h, w], (y, x) of its corner in the photo) of each object of a class. inside: bool [H, W]."""
    import cv2

    x, y, width, height = cv2.boundingRect(inside.view(np.uint8))
    part = np.ascontiguousarray(inside[y : y + height, x : x + width]).view(np.uint8)
    count, numbers, measures, _ = cv2.connectedComponentsWithStats(part, connectivity=8)
    areas, by_parts = measures[:, cv2.CC_STAT_AREA], value in classes.parts
    kept = areas >= classes.min_area
    kept[0] = False  # what is outside
    small, joined = count - 1 - int(kept.sum()), 0 if by_parts or kept.sum() < 2 else int(kept.sum())
    if small or joined:
        told[value] = ClassParts(joined, small, int(areas[1:][~kept[1:]].sum()), classes.min_area)
    if by_parts:
        # cv2's own order may differ with its number of threads; objects are known by their place among the others.
        for number in sorted(np.flatnonzero(kept), key=lambda i: (measures[i, 1], measures[i, 0], *measures[i, 2:])):
            left, top, part_width, part_height = measures[number, :4]
            rectangle = numbers[top : top + part_height, left : left + part_width]
            yield rectangle == number, (y + top, x + left)
    elif kept.any():
        yield kept[numbers], (y, x)


def encoded(mask: np.ndarray, corner: tuple[int, int], shape: tuple[int, int]) -> dict:
    """Compressed run lengths of a rectangle of a photo's mask.

    Args:
        mask: bool [h, w].
        corner: (y, x) of it in the photo.
        shape: (H, W) of the photo.
    """
    full = np.zeros(shape, bool, order="F")
    full[corner[0] : corner[0] + mask.shape[0], corner[1] : corner[1] + mask.shape[1]] = mask
    return run_lengths.encode(full)


def parts_lines(told: dict[str, list[tuple[str, ClassParts]]], shown: Container[str]) -> list[str]:
    """What a user must know of the parts of classes that are no objects of their own, a line each.

    Args:
        told: {name of a photo: list of (name of a class, ClassParts)}.
        shown: names of the photos that are looked at.

    Returns:
        The lines; none where each part is an object.
    """
    found = [(photo, name, parts) for photo, by_class in told.items() if photo in shown
             for name, parts in by_class]
    lines = []
    joined = [(photo, name, parts) for photo, name, parts in found if parts.joined]
    if joined:
        photo, name, parts = joined[0]
        photos, total = len({entry[0] for entry in joined}), sum(entry[2].joined for entry in joined)
        objects = "1 object is" if len(joined) == 1 else f"{len(joined)} objects are"
        on = f"on {photos} photo{'' if photos == 1 else 's'}, "
        lines.append(f"{objects} made of {total} parts that lie apart, {on}for a class is one object a photo (first: "
                     f"{name} on {photo}, {parts.joined} parts): if these are separate things, a mapping with "
                     f'"instances": {{"{name}": "parts"}} beside "classes" makes each an object (mapping=, --mapping)')
    small = [(photo, name, parts) for photo, name, parts in found if parts.small]
    if small:
        photo, name, parts = small[0]
        count, pixels = (sum(entry[2][i] for entry in small) for i in (1, 2))
        what, of = ("1 part", "is no object") if count == 1 else (f"{count} parts", "are no objects")
        lines.append(f"{what} of label maps under {parts.least} pixels {of}, with {pixels} pixels in all (first: "
                     f"{name} on {photo}): min_area=1 (--min-area 1), or another number, takes smaller ones")
    return lines
