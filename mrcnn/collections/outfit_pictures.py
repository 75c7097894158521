"""Cut-outs of what people wear: a person's garments on their photo, which is faded around them."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mrcnn.collections.shards import read_photo
from mrcnn.collections.tables import Tables
from mrcnn.collections.together import Habit
from mrcnn.data import run_lengths
from mrcnn.data.images import resize_pixels, scaled_size
from mrcnn.errors import DataError

SIDE = 260  # pixels of the longer side of a cut-out
MARGIN = 0.06  # of the longer side of the garments' box
FADED = 0.75  # white over what is not worn


@dataclasses.dataclass
class Examples:
    """Cut-outs of habits.

    Attributes:
        pictures: [(uint8 [h, w, 3], name of the photo)] for each habit.
        missing: number of photos that could not be shown.
        reason: of one of them.
    """

    pictures: list[list[tuple[np.ndarray, str]]]
    missing: int = 0
    reason: str = ""


def examples(tables: Tables, habits: Sequence[Habit], count: int) -> Examples:
    """Cut out some outfits of each habit, those whose objects have the best scores.

    Args:
        tables: of a collection.
        habits: what is shown.
        count: cut-outs of each at most.
    """
    found = Examples([[] for _ in habits])
    if not count or not habits:
        return found
    outfits = [_outfits(tables, habit.items, count) for habit in habits]
    objects = _objects(tables, {outfit for some in outfits for outfit in some})
    for pictures, some in zip(found.pictures, outfits):
        for outfit in some:
            photo, sha256, rles, boxes = objects[outfit]
            digest, image, reason = read_photo(tables.collection.job(), photo)
            if reason is None and sha256 != digest:
                reason = f"{photo} is another file than the one that was labelled"
            if reason is None:
                pictures.append((cut_out(image, rles, boxes), photo))
            else:
                found.missing += 1
                found.reason = found.reason or reason
    return found


def _outfits(tables, items, count):
    """Numbers of outfits that have all items."""
    having = " AND ".join(f"bool_or(item = {int(item)})" for item in items)
    listed = ", ".join(map(str, items))
    return [outfit for (outfit,) in tables.rows(
        f"SELECT outfit FROM (SELECT outfit FROM items WHERE item IN ({listed}) GROUP BY outfit HAVING {having}) "
        "JOIN (SELECT outfit, avg(score) AS mean FROM objects GROUP BY outfit) USING (outfit) "
        "ORDER BY mean DESC, outfit LIMIT ?", count)]


def _objects(tables, outfits):
    """{outfit: (name of its photo, SHA-256 of that, RLEs, boxes [N, 4])} of its objects that count."""
    listed = ", ".join(map(str, sorted(outfits))) or "NULL"
    found = {}
    for outfit, photo, sha256, height, width, counts, *box in tables.rows(
            "SELECT objects.outfit, raw.photo, sha256, height, width, rle, y1, x1, y2, x2 FROM raw "
            "JOIN kept USING (photo) JOIN objects ON objects.photo = kept.id AND objects.object = raw.object "
            f"WHERE objects.outfit IN ({listed}) ORDER BY 1, raw.object"):
        entry = found.setdefault(outfit, (photo, sha256, [], []))
        if counts is not None:
            entry[2].append({"size": [height, width], "counts": counts})
        entry[3].append(box)
    return found


def cut_out(image: np.ndarray, rles: Sequence[dict], boxes: Sequence[Sequence[float]]) -> np.ndarray:
    """Cut the box of some objects out of a photo, and fade what is not of them.

    Args:
        image: uint8 [H, W, 3].
        rles: of the objects, of the photo's size.
        boxes: [N, 4] (y1, x1, y2, x2), pixels.

    Returns:
        uint8 [h, w, 3], its longer side at most SIDE pixels.

    Raises:
        DataError: the photo has another size than the rows say.
    """
    if rles and tuple(rles[0]["size"]) != image.shape[:2]:
        raise DataError(f"the photo has {image.shape[1]} x {image.shape[0]} pixels, the rows {rles[0]['size'][::-1]}: "
                        "it has changed.")
    boxes = np.asarray(boxes, float)
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    margin = MARGIN * (high - low).max()
    top, left = np.maximum(np.floor(low - margin), 0).astype(int)
    bottom, right = np.minimum(np.ceil(high + margin), image.shape[:2]).astype(int)
    shown = image[top:bottom, left:right].astype(np.float32)
    if rles:
        worn = np.zeros(image.shape[:2], bool)
        for rle in rles:
            worn |= run_lengths.decode(rle)
        outside = ~worn[top:bottom, left:right]
        shown[outside] = (1 - FADED) * shown[outside] + FADED * 255
    shape = scaled_size(shown.shape[:2], min(1, SIDE / max(shown.shape[:2])))
    return np.clip(np.rint(resize_pixels(shown.round().astype(np.uint8), shape)), 0, 255).astype(np.uint8)


