"""A sheet of what was looked for and what is most alike: cut-outs, a row for each object."""

from collections.abc import Sequence

import numpy as np

from mrcnn.collections.outfit_pictures import cut_out
from mrcnn.collections.queries import Query
from mrcnn.collections.reading import Collection
from mrcnn.collections.shards import read_photo
from mrcnn.collections.similar import Found
from mrcnn.data.images import resize_pixels, scaled_size
from mrcnn.drawing.pictures import contact_sheet

CELL = 160  # pixels of the longer side of a cut-out, small and large ones alike

def sheet_of(collection: Collection, query: Query, rows: Sequence[dict], found: Found,
             columns: int) -> tuple[np.ndarray, int, str]:
    """Draw each object that was looked for, and its matches behind it.

    Args:
        collection: of the matches.
        query: the photo that was asked about.
        rows: its objects that were looked for.
        found: what was found of each.
        columns: most matches in a row.

    Returns:
        (uint8 [H, W, 3], number of matches whose photo cannot be shown, the reason of one).
    """
    cells = {(line, 0): (_cut(query.image, row), f"{row['object']} {row['class']}") for line, row in enumerate(rows)}
    places, missing, reason = {}, 0, ""
    for line, matches in enumerate(found.matches):
        for column, match in enumerate(matches, 1):
            places.setdefault(match.row["photo"], []).append((line, column, match))
    for photo, some in places.items():  # each photo is read once
        digest, image, why = read_photo(collection.job(), photo)
        if why is None and digest != some[0][2].row["sha256"]:
            image, why = None, f"{photo} is another file than the one that was labelled"
        if why is not None:
            missing, reason = missing + len(some), reason or why
        for line, column, match in some:
            cells[line, column] = _cut(image, match.row), f"{match.cosine:.3f} {photo}"
    width = min(columns, max(map(len, found.matches), default=0)) + 1
    blank = np.full((1, 1, 3), 255, np.uint8), ""
    listed = [cells.get((line, column), blank) for line in range(len(rows)) for column in range(width)]
    pictures, titles = zip(*listed)
    return contact_sheet(pictures, titles, columns=width), missing, reason


def _cut(image, row):
    """The cut-out of an object; a grey square where its photo is not there."""
    if image is None or tuple(image.shape[:2]) != (row["height"], row["width"]):
        return np.full((CELL, CELL, 3), 225, np.uint8)
    rles = [] if row["rle"] is None else [{"size": [row["height"], row["width"]], "counts": row["rle"]}]
    cut = cut_out(image, rles, [[row[name] for name in ("y1", "x1", "y2", "x2")]])
    return resize_pixels(cut, scaled_size(cut.shape[:2], CELL / max(cut.shape[:2])))
