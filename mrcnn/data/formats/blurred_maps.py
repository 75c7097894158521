"""Label maps that were smoothed: between two labels lie bands of others, whose numbers are between theirs."""

import os
from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.data.formats.binary_maps import of_a_few
from mrcnn.errors import DataError

LOOKED_AT = 8  # maps, when a data set is loaded
SHARE, LEAST = 0.1, 20  # of the pixels at edges, and how many, that make a map a smoothed one; sound ones have few
BLURRED = ("with bands of other labels along many edges: if they come from antialiasing, or from resizing that "
           "blends, their classes are wrong there: draw without antialiasing, resize by nearest neighbour; if they are "
           "labels of outlines, all is well")


def is_blurred(labels: np.ndarray) -> bool:
    """Whether many pixels at the edges of a label map have a label strictly between those on both sides.

    Args:
        labels: [H, W] numbers.
    """
    between = edges = 0
    for rows in (labels, labels.T):
        before, middle, after = rows[:, :-2], rows[:, 1:-1], rows[:, 2:]
        rising, falling = (before < middle) & (middle < after), (before > middle) & (middle > after)
        between += int(np.count_nonzero(rising | falling))
        edges += int(np.count_nonzero(before != after))
    return between >= LEAST and between > SHARE * edges


def tell_blurred(maps: Sequence[object], read: Callable[[object], np.ndarray], tell: Callable[..., None]) -> None:
    """Note the smoothed ones of a few maps.

    Args:
        maps: paths of the maps of a data set, or their rows.
        read: gives the labels [H, W] of a map; it may raise DataError, which others tell.
        tell: function(what, how, first).
    """
    some = of_a_few(maps, LOOKED_AT)
    for one in some:
        try:
            labels = read(one)
        except DataError:
            continue
        if labels.ndim == 2 and is_blurred(labels):
            first = f"row {one}" if isinstance(one, int) else os.path.basename(str(one))
            tell("label map", f"of {len(some)} that were looked at, {BLURRED}", first)
