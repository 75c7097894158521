"""Label maps, masks and run lengths that are not of their photo's size, as it is upright.

They may be of the photo as it is stored, before its EXIF turns it: where no other way fits, they are turned with it.
Pictures of labels may also be smaller or larger than the photo: of one shape, they are stretched to it.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import numpy as np

from mrcnn.data.formats.photo_files import TURNED
from mrcnn.data.formats.upright import TURNS, UNTOLD, turned_mask
from mrcnn.data.reporting import Reporting

STORED = "as its photo is before EXIF turns it: turned with it"
STRETCHED = "of another size than its photo, of one shape with it: stretched to it"
Name = TypeVar("Name", bound=Hashable)
MOST_STRETCH = 4  # times that a picture of labels may be smaller or larger than its photo


def turns_of(sizes: Mapping[Name, tuple[tuple[int, int], tuple[int, int], int]],
             stretch: bool = False, report: Reporting | None = None,
             called: Callable[[Name], str] = str) -> dict[Name, int | None]:
    """How annotations are to be turned to fit their photos.

    A photo that EXIF turns by a half, or a square one, fits both ways: it goes with the others of the data set, where
    these were all annotated as they are stored.

    Args:
        sizes: {name: ((H, W) of the annotation, (H, W) of the photo upright, EXIF orientation of the photo)}
        stretch: whether an annotation may have another size than its photo, if it is of its shape
        report: data set that is told of photos that fit both ways and are taken upright, as no others tell; None: none
        called: what such a photo is called, by its name in `sizes`

    Returns:
        {name: EXIF orientation by which the annotation is to be turned, 1: not at all; None if it does not fit}.
    """
    turns = {name: _turn(*entry, stretch) for name, entry in sizes.items()}
    quarter = {name for name, (_, upright, turn) in sizes.items() if turn in TURNED and upright[0] != upright[1]}
    decided = {turns[name] != 1 for name in quarter if turns[name] is not None}
    if decided == {True}:
        turns.update({name: sizes[name][2] for name in sizes.keys() - quarter if turns[name] is not None})
    elif decided != {False} and report is not None:
        for name, turn in turns.items():
            if turn == 1 and name not in quarter and sizes[name][2] in TURNS:
                report.note("photo", UNTOLD, called(name))
    return turns


def _turn(size, upright, orientation, stretch):
    stored = upright[::-1] if orientation in TURNED else upright
    for fits in (_is, _is_alike)[:1 + stretch]:
        if fits(size, upright):
            return 1
        if fits(size, stored):
            return orientation
    return None


def _is(size, other):
    return tuple(size) == tuple(other)


def _is_alike(size, other):
    """Whether both sides differ, in one proportion to a pixel of the smaller size, and not too much."""
    (height, width), (other_height, other_width) = size, other
    apart = abs(height * other_width - width * other_height)
    near = all(a != b and a <= MOST_STRETCH * b and b <= MOST_STRETCH * a for a, b in zip(size, other))
    return near and apart <= max(*size, *other)


def fitted(values: np.ndarray, size: tuple[int, int], turn: int) -> np.ndarray | None:
    """A picture of labels turned and stretched to its photo.

    Args:
        values: [h, w].
        size: (H, W) of the photo upright.
        turn: EXIF orientation, as `turns_of` gives it.

    Returns:
        [H, W]; None if it does not fit.
    """
    values = turned_mask(values, turn)
    if _is(values.shape, size):
        return np.ascontiguousarray(values)
    if not _is_alike(values.shape, size):
        return None
    # The value under the centre of each pixel.
    rows, columns = (((2 * np.arange(side) + 1) * own) // (2 * side) for side, own in zip(size, values.shape))
    return values[rows[:, None], columns]
