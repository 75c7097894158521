"""`area` and `bbox` as COCO's annotations state them beside an outline, which says both.

COCO's evaluation goes by what is stated: an object of negative area counts nowhere, a box of negative sides is never
found. What cannot be, or is not of the outline at all, is taken from the outline.
"""

import math
import numbers
from collections.abc import Sequence

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.errors import DataError

LISTS = (list, tuple, np.ndarray)
ELSEWHERE = 0.1  # share of the larger of two boxes that they have in common, below which they are different things
FULL = 1.1  # of the photo's pixels: an outline may reach a little beyond them
NEAR = 2  # pixels between the corners of boxes that are the same
FORM = "[x, y, width, height]"
TAKEN = "that of its mask is taken, correct the file"
NEVER_FOUND = "with a bbox of no width or height, which no detection finds: correct the file"


def is_finite(value: object) -> bool:
    """Whether a value is a number that is neither infinite nor NaN."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def is_box(value: object) -> bool:
    """Whether a value is a list of four finite numbers."""
    return isinstance(value, LISTS) and len(value) == 4 and all(map(is_finite, value))


def mended(annotations: Sequence[dict], sizes: Sequence[tuple | None]) -> tuple[list[dict], list[tuple[int, str, str]]]:
    """Annotations with areas and boxes that can be.

    Args:
        annotations: COCO's; those that need nothing are handed on as they are.
        sizes: (H, W) of the photo of each, or None where that is not known.

    Returns:
        (the annotations, list of (place of one that needed it, what it is with and what is taken, the value stated)).
        Without an outline a box stays as it is, and a bad area is that of the box.
    """
    kept, told = [], []
    outlines = _outline_boxes([annotation.get("segmentation") for annotation in annotations])
    for place, (annotation, size, outline) in enumerate(zip(annotations, sizes, outlines, strict=True)):
        box = annotation.get("bbox")
        reasons = {"area": _wrong_area(annotation.get("area"), size), "bbox": _wrong_box(box, outline)}
        if any(reasons.values()):
            taken = _taken(annotation, size, outline)
            taken = {key: taken[key] for key, how in reasons.items() if how and key in taken}
            told += [(place, reasons[key], str(annotation[key])[:60]) for key in taken]
            if reasons["bbox"] and "bbox" not in taken and is_box(box) and min(box[2:]) == 0:
                told.append((place, NEVER_FOUND, str(box)[:60]))
            annotation = {**annotation, **taken} if taken else annotation
        kept.append(annotation)
    return kept, told


def as_corners(boxes: Sequence[object], sizes: Sequence[tuple | None]) -> list[int]:
    """Places of boxes that reach beyond their photos, where all of them may be [x1, y1, x2, y2] by their numbers.

    Args:
        boxes: as COCO has them; one that is none ends the search.
        sizes: (H, W) of the photo of each, or None where that is not known.
    """
    if not boxes or not all(map(is_box, boxes)):
        return []
    x, y, right, foot = np.array([list(map(float, box)) for box in boxes]).T
    if (right < x).any() or (foot < y).any():
        return []
    high, wide = np.array([size or (math.inf, math.inf) for size in sizes], float).T
    within = (right <= wide + NEAR) & (foot <= high + NEAR)
    if not within.all():
        return []
    return np.flatnonzero((x + right > FULL * wide + NEAR) | (y + foot > FULL * high + NEAR)).tolist()


# --- What is wrong ---------------------------------------------------------------------------------------------------


def _wrong_area(area, size):
    """What is wrong with an area, as a `Note` goes on; "" where it can be, or is not stated."""
    if area is None:
        return ""
    if not is_finite(area):
        what = "an area that is no number"
    elif area < 0:
        what = "a negative area"
    elif area == 0:
        what = "an area of 0"
    elif size and area > FULL * size[0] * size[1]:
        what = "an area larger than the photo"
    else:
        return ""
    return f"with {what}: {TAKEN}"


def _wrong_box(box, outline):
    """What is wrong with a box beside that of its outline, or None; "" where nothing is, or it is not stated."""
    if box is None or (isinstance(box, LISTS) and len(box) == 0):
        return ""
    if not is_box(box):
        return f"with a bbox that is no {FORM}: {TAKEN}"
    if min(box[2:]) <= 0:
        return f"with a bbox of {'negative' if min(box[2:]) < 0 else 'no'} width or height: {TAKEN}"
    if outline is None:
        return ""
    x, y, width, height = outline
    if not _near(box, outline) and _near(box, (x, y, x + width, y + height)):
        return f"with a bbox that looks like [x1, y1, x2, y2] in place of {FORM}: {TAKEN}"
    across = min(x + width, box[0] + box[2]) - max(x, box[0])
    down = min(y + height, box[1] + box[3]) - max(y, box[1])
    if max(across, 0) * max(down, 0) < ELSEWHERE * max(width * height, box[2] * box[3]):
        return ("with an outline that lies elsewhere than its bbox: the box of the mask is taken: look at it, by "
                "`data show`")
    return ""


def _near(box, other):
    return all(abs(a - b) <= NEAR for a, b in zip(box, other))


# --- What the outline says -------------------------------------------------------------------------------------------


def _outline_boxes(segmentations):
    """[x, y, width, height] of each outline, nothing drawn; None of one that is none, or is empty."""
    boxes = [_polygons_box(shape) if isinstance(shape, LISTS) else None for shape in segmentations]
    places = [i for i, shape in enumerate(segmentations) if isinstance(shape, dict)]
    try:
        found = run_lengths.coco_boxes([segmentations[i] for i in places]) if places else []
    except DataError:  # one of them is none: told where masks are read
        found = [_run_lengths_box(segmentations[i]) for i in places]
    for i, box in zip(places, found, strict=True):
        boxes[i] = box
    return [box if box and min(box[2:]) > 0 else None for box in boxes]


def _polygons_box(polygons):
    try:
        xs = [float(value) for polygon in polygons for value in polygon[::2]]
        ys = [float(value) for polygon in polygons for value in polygon[1::2]]
        x, y = min(xs), min(ys)
        return [x, y, max(xs) - x, max(ys) - y]
    except (TypeError, ValueError, OverflowError, KeyError):  # told where masks are read
        return None


def _run_lengths_box(rle):
    try:
        return run_lengths.coco_boxes([rle])[0]
    except DataError:
        return None


def _taken(annotation, size, outline):
    """{"area", "bbox"} of the mask that an outline makes; what cannot be told is left out."""
    segmentation, box, area = annotation.get("segmentation"), annotation.get("bbox"), annotation.get("area")
    if not segmentation:
        return {"area": float(box[2] * box[3])} if is_box(box) and min(box[2:]) >= 0 else {}
    try:
        draw = run_lengths.compress if isinstance(segmentation, dict) else run_lengths.from_polygons
        rle = draw(segmentation, size)
        pixels, own = float(run_lengths.areas([rle])[0]), run_lengths.coco_boxes([rle])[0]
    except (DataError, TypeError, ValueError):  # told where masks are read; without a size nothing can be drawn
        pixels, own = 0, outline
    areas = {} if not pixels and is_finite(area) and area == 0 else {"area": pixels or None}
    return {**areas, **({"bbox": own} if own and min(own[2:]) > 0 else {})}
