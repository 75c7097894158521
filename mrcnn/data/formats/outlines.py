"""The outlines of masks along the edges of their pixels, which drawn again give the same masks."""

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.strips import mask_part
from mrcnn.errors import DataError


def rings(rle: dict) -> list[np.ndarray]:
    """Trace the edges of a mask.

    Args:
        rle: RLE, compressed or not.

    Returns:
        list of float64 [P, 2], the corners (x, y) of each ring in pixels: outlines of parts, and of holes. None for an
        empty mask.
    """
    part = mask_part(rle)
    if part is None:
        return []
    top, left, inside = part
    pixels = np.pad(inside, 1)
    here, right, below, beyond = pixels[:-1, :-1], pixels[:-1, 1:], pixels[1:, :-1], pixels[1:, 1:]
    # A point of the grid is a corner where one or three of its four pixels are inside, and two where two are that
    # touch in it alone.
    corners = (here ^ right ^ below ^ beyond).astype(int) + 2 * ((here == beyond) & (right == below) & (here != right))
    y, x = (np.repeat(axis, corners[np.nonzero(corners)]) for axis in np.nonzero(corners))
    # Along a line of the grid edges begin and end by turns: each corner's partner along its row and its column.
    by_column, along_row, along_column = np.lexsort((y, x)), np.arange(len(x)) ^ 1, np.empty(len(x), int)
    along_column[by_column[0::2]], along_column[by_column[1::2]] = by_column[1::2], by_column[0::2]
    along_row, along_column, found, seen = along_row.tolist(), along_column.tolist(), [], [False] * len(x)
    for place in range(len(x)):
        ring = []
        while not seen[place]:
            ring += [place, along_column[place]]
            seen[place] = seen[along_column[place]] = True
            place = along_row[along_column[place]]
        if ring:
            found.append(np.stack([x[ring] + left, y[ring] + top], axis=1).astype(np.float64))
    return found


def one_polygon(rle: dict) -> list[float] | None:
    """Find the one polygon that is drawn as a mask is.

    Args:
        rle: RLE, compressed or not.

    Returns:
        [x1, y1, x2, y2, ...] pixels; None if there is none, as for a mask of several parts or with holes.
    """
    found = rings(rle)
    if len(found) != 1:
        return None
    polygon = found[0].ravel().tolist()
    try:
        drawn = run_lengths.from_polygons([polygon], tuple(rle["size"]))
    except DataError:  # longer than is drawn
        return None
    return polygon if drawn == run_lengths.compress(rle) else None
