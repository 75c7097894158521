"""The segmentations of COCO files as tools write them: run lengths, and polygons in several forms.

COCO writes a list of polygons, each a list [x1, y1, x2, y2, ...]. Read as well are one polygon without the list round
it, corners as pairs [x, y] or as {"x": x, "y": y}, and lists nested once more than they should be.
"""

from collections.abc import Iterable

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.faults import ObjectError
from mrcnn.data.formats.photo_files import TURNED

DEEPEST = 4  # lists in lists
FAR = 10  # sides of the photo that a polygon may reach to
SMALL = 4.0  # square pixels; a polygon of less area may hold no pixel, which only drawing it tells
NO_AREA = 1e-6  # square pixels


class SegmentationFault(ObjectError):
    """A segmentation that makes no mask."""


class Outline:
    """A segmentation that makes a mask.

    Attributes:
        segmentation: run lengths, or list of polygons [x1, y1, ...] in pixels; the very object given, if that was so
        form: what it was written as, if otherwise than COCO does
        crumbs: how many of its polygons have no area and are left out
        empty: whether it holds no pixel, being thinner than one
    """

    def __init__(self, segmentation: dict | list, form: str | None = None, crumbs: int = 0,
                 empty: bool = False) -> None:
        self.segmentation, self.form, self.crumbs, self.empty = segmentation, form, crumbs, empty


def outline_of(segmentation: object, shape: tuple[int, int]) -> Outline:
    """The Outline that a segmentation gives; nothing is drawn for any ordinary polygon.

    Args:
        segmentation: of a COCO annotation
        shape: (H, W) of the photo

    Raises:
        SegmentationFault: if it cannot be understood, or has no area in the photo.
    """
    if is_missing(segmentation):
        raise SegmentationFault("no mask", "it has no segmentation")
    if isinstance(segmentation, dict):
        return _run_lengths(segmentation, shape)
    polygons, form = _polygons(segmentation)
    parts = [_checked_part(polygon, number, polygons, shape) for number, polygon in enumerate(polygons, 1)]
    sound = [i for i, part in enumerate(parts) if part is not None]
    if not sound:
        _refuse_crumbs(polygons, shape)
    largest = max(parts[i] for i in sound)
    if largest <= 1 and max(np.max(np.asarray(polygons[i], np.float64)) for i in sound) <= 1:
        message = "its coordinates lie within 0 and 1, as shares of the photo do: multiply them by its width and height"
        raise SegmentationFault("bad entry", message)
    crumbs = len(parts) - len(sound)
    as_given = form is None and not crumbs
    kept = segmentation if as_given else [polygons[i] for i in sound]
    # A part of some area is enough; drawing is left to the few that are tiny.
    empty = largest < SMALL and not run_lengths.areas([run_lengths.from_polygons(kept, shape)])[0]
    return Outline(kept, form, crumbs, empty)


def is_missing(segmentation: object, deepest: int = 8) -> bool:
    """Whether there is nothing at all: null, [], [[]], "" and the like, so many lists deep at most."""
    if isinstance(segmentation, (list, tuple)):
        return deepest > 0 and all(is_missing(part, deepest - 1) for part in segmentation)
    return segmentation is None or segmentation == "" or segmentation == {}


def reach_of(segmentations: Iterable[object], orientation: int) -> tuple[float, float]:
    """(H, W) that outlines reach to, a run length by its size; (0, 0) where the EXIF orientation turns nothing.

    Args:
        segmentations: of the annotations of a photo; what cannot be understood counts as nothing
        orientation: of the photo's EXIF
    """
    reach = [0.0, 0.0]
    for segmentation in segmentations if orientation in TURNED else ():
        try:
            if isinstance(segmentation, dict):
                high = [float(side) for side in segmentation["size"]]
            else:
                corners = [np.asarray(part, np.float64).reshape(-1, 2) for part in _polygons(segmentation)[0]]
                high = np.concatenate(corners).max(axis=0)[::-1]
            reach = np.maximum(reach, high)
        except (TypeError, ValueError, KeyError, IndexError, OverflowError):  # told as a fault of the object
            continue
    return float(reach[0]), float(reach[1])


def is_rectangle(segmentation: dict | list) -> bool:
    """Whether a sound segmentation is one upright rectangle, as a box written as a polygon is."""
    if not isinstance(segmentation, list) or len(segmentation) != 1 or len(segmentation[0]) not in (8, 10):
        return False
    xs, ys = segmentation[0][::2], segmentation[0][1::2]
    return len(set(xs)) == len(set(ys)) == 2 and all((x == a) != (y == b) for x, y, a, b in zip(xs, ys, xs[1:], ys[1:]))


# --- Run lengths -----------------------------------------------------------------------------------------------------


def _run_lengths(rle, shape):
    try:
        runs = run_lengths.check(rle, shape)
    except (TypeError, ValueError, OverflowError) as error:
        raise SegmentationFault(_rle_kind(rle, shape, str(error)), str(error)) from error
    if not runs[1::2].sum():
        raise SegmentationFault("empty mask", "its RLE has no pixel inside")
    return Outline(rle)


def _rle_kind(rle, shape, message):
    """What kind of fault `check_rle` found."""
    size = rle.get("size")
    if isinstance(size, list) and len(size) == 2 and size != list(shape):
        return "wrong size"
    return "RLE overflow" if "covers" in message else "bad entry"


# --- Polygons in their forms -----------------------------------------------------------------------------------------


def _polygons(given):
    """(list of polygons [x1, y1, ...], None or the name of a form that is not COCO's)."""
    flat = isinstance(given, list) and all(_is_flat(part) for part in given)
    if flat and (len(given) < 3 or any(len(part) != 2 for part in given)):
        return given, None
    if not isinstance(given, list):
        raise SegmentationFault("bad entry", f"its segmentation {_shown(given)} is neither polygons nor run lengths")
    if _is_number(given[0]):
        return [given], "one list of numbers"
    corners = _corners(given)
    if corners is not None:
        return [corners], "one polygon of corners"
    return _nested(given, 1), "nested lists"


def _nested(given, depth):
    """Polygons of lists in lists."""
    polygons = []
    for number, part in enumerate(given, 1):
        if not isinstance(part, list) or depth > DEEPEST:
            what = f"part {number} of its segmentation is {_shown(part)}, with lists beside it"
            raise SegmentationFault("bad entry", f"{what}: a polygon must be a list [x1, y1, x2, y2, ...]")
        corners = part if part and _is_number(part[0]) else _corners(part)
        polygons += _nested(part, depth + 1) if corners is None else [corners]
    return polygons


def _corners(part):
    """[x1, y1, ...] of a list of pairs or of {"x", "y"}; None for any other list."""
    if part and all(isinstance(corner, dict) and {"x", "y"} <= set(corner) for corner in part):
        return [value for corner in part for value in (corner["x"], corner["y"])]
    pairs = part and all(isinstance(c, list) and len(c) == 2 and all(map(_is_number, c)) for c in part)
    return [value for corner in part for value in corner] if pairs else None


def _is_flat(part):
    return isinstance(part, list) and (not part or _is_number(part[0]))


def _is_number(value):
    return isinstance(value, (int, float, str)) and not isinstance(value, bool)


def _shown(value):
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "..."


# --- Polygons checked ------------------------------------------------------------------------------------------------


def _checked_part(polygon, number, polygons, shape):
    """Area of a polygon, square pixels; None if it has none in the photo. Raises SegmentationFault naming the part."""
    where = f"part {number} of {len(polygons)} of its segmentation"
    try:
        corners = np.asarray(polygon, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        message = f"{where} is {_shown(polygon)}: a polygon must be a list of numbers [x1, y1, x2, y2, ...]"
        raise SegmentationFault("bad entry", message) from error
    if corners.ndim != 1 or len(corners) % 2:
        hint = ""
        if len(polygons) == 1 and corners.ndim == 1 and corners.sum() == shape[0] * shape[1]:
            hint = ': they add up to the photo\'s pixels, as run lengths do: write {"size": [H, W], "counts": [...]}'
        message = f"{where} has {corners.size} numbers, which do not pair into corners [x1, y1, x2, y2, ...]{hint}"
        raise SegmentationFault("bad entry", message)
    if not np.isfinite(corners).all():
        raise SegmentationFault("bad entry", f"{where} has corners that are no finite numbers")
    farthest = np.abs(corners).max(initial=0)
    if farthest > FAR * max(shape):  # the rasteriser's memory grows with the way it walks
        size = f"{shape[0]}x{shape[1]}"
        raise SegmentationFault("mask outside", f"{where} reaches to {farthest:.0f}, far outside a photo of {size}")
    if len(corners) < 6:
        return None
    x, y = corners[::2], corners[1::2]
    closing = x[-1] * y[0] - y[-1] * x[0]
    area = abs(float(x[:-1] @ y[1:] - y[:-1] @ x[1:] + closing)) / 2
    if not (x.max() > 0 and y.max() > 0 and x.min() < shape[1] and y.min() < shape[0]):
        return None
    if area > NO_AREA:
        return area
    # A figure of eight has no signed area either: the rasteriser decides.
    return float(run_lengths.areas([run_lengths.from_polygons([corners.tolist()], shape)])[0]) or None


def _refuse_crumbs(polygons, shape):
    """Raise the SegmentationFault of polygons none of which has an area in the photo."""
    if all(len(polygon) < 6 for polygon in polygons):
        most = max(len(polygon) for polygon in polygons) // 2
        parts = f"{len(polygons)} part{'s' if len(polygons) > 1 else ''}"
        message = f"its segmentation has {parts} of at most {most} corners: a polygon needs three or more corners"
        raise SegmentationFault("bad entry", message)
    corners = np.concatenate([np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in polygons])
    low, high = corners.min(axis=0), corners.max(axis=0)
    inside = (high > 0).all() and low[0] < shape[1] and low[1] < shape[0]
    raise SegmentationFault("empty mask" if inside else "mask outside", "its polygons have no area in the photo")
