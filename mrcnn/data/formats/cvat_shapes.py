"""The shapes of CVAT's XML as outlines, and as run lengths.

Angles are degrees, clockwise as one sees the photo. A mask's run lengths go along the rows of its box, outside first;
COCO's go down the columns of the photo.
"""

import math
import re
from collections.abc import Iterable

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.formats.via import RegionError, checked_shape, shape_rle
from mrcnn.data.run_length_counts import MOST_PIXELS

THICK = 4  # pixels: a polygon of more area for its height and width is no sliver between pixels
RUNS = re.compile(r"\s*\d{1,10}(\s*,\s*\d{1,10})*\s*,?\s*")


def outline_of(kind: str, given: dict[str, str]) -> dict:
    """The outline of a shape, which no photo has been held against.

    Args:
        kind: of `cvat_file.AREAS`
        given: {name: text} of its element

    Returns:
        Dict as VIA's shape_attributes, or {"name": "mask", "counts": int64 [R], "left", "top", "width", "height"}.

    Raises:
        RegionError: if its numbers are none.
    """
    if kind == "mask":
        return _mask(given)
    if kind == "polygon":
        x, y = _points(given.get("points", ""))
        return {"name": "polygon", "all_points_x": x, "all_points_y": y}
    angle = math.radians(_number(given, "rotation", kind, "0"))
    if kind == "ellipse":
        values = {name: _number(given, name, kind) for name in ("cx", "cy", "rx", "ry")}
        return {"name": "ellipse", **values, "theta": angle}
    left, top, right, bottom = (_number(given, name, kind) for name in ("xtl", "ytl", "xbr", "ybr"))
    x, y = np.array([left, right, right, left]), np.array([top, top, bottom, bottom])
    if angle:
        middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
        x, y = x - middle_x, y - middle_y
        cos, sin = math.cos(angle), math.sin(angle)
        x, y = middle_x + x * cos - y * sin, middle_y + x * sin + y * cos
    return {"name": "polygon", "all_points_x": x, "all_points_y": y}


def reach_of(outlines: Iterable[dict]) -> tuple[float, float]:
    """(H, W) that outlines reach to, (0, 0) for none."""
    reach = np.zeros(2)
    for outline in outlines:
        if outline["name"] == "mask":
            ends = outline["top"] + outline["height"], outline["left"] + outline["width"]
        elif outline["name"] == "ellipse":
            cos, sin = math.cos(outline["theta"]), math.sin(outline["theta"])
            wide = math.hypot(outline["rx"] * cos, outline["ry"] * sin)
            high = math.hypot(outline["rx"] * sin, outline["ry"] * cos)
            ends = outline["cy"] + high, outline["cx"] + wide
        else:
            ends = np.max(outline["all_points_y"], initial=0), np.max(outline["all_points_x"], initial=0)
        reach = np.maximum(reach, ends)
    return float(reach[0]), float(reach[1])


def checked_outline(outline: dict,
                    size: tuple[int, int]) -> dict | np.ndarray | tuple[float, float, float, float, float]:
    """An outline held against its photo.

    Args:
        outline: of `outline_of`
        size: (H, W) of the photo

    Returns:
        What `outline_rle` draws: RLE of a mask; float64 [2 P] corners, or (cx, cy, rx, ry, theta) of an ellipse.

    Raises:
        RegionError: if it lies outside the photo, or has no pixel in it.
    """
    if outline["name"] == "mask":
        return _mask_rle(outline, size)
    if outline["name"] == "polygon" and _surely_fills(outline, size):
        return np.stack([outline["all_points_x"], outline["all_points_y"]], axis=1).ravel()
    shape = checked_shape({"shape_attributes": outline}, size)
    return np.array(shape) if isinstance(shape, list) else shape


def _surely_fills(outline, size):
    """Whether a polygon lies in the photo and is no sliver, so that it need not be drawn to know that it has pixels."""
    x, y = outline["all_points_x"], outline["all_points_y"]
    if len(x) < 3 or min(x.min(), y.min()) < 0 or x.max() > size[1] or y.max() > size[0]:
        return False
    area = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return area > THICK * float(np.ptp(x) + np.ptp(y))


def outline_rle(outline: dict | np.ndarray | tuple[float, float, float, float, float], size: tuple[int, int]) -> dict:
    """Compressed run lengths of what `checked_outline` gave. size: (H, W) of the photo."""
    if isinstance(outline, dict):
        return outline
    return shape_rle(outline.tolist() if isinstance(outline, np.ndarray) else outline, size)


# --- Numbers ---------------------------------------------------------------------------------------------------------


def _number(given, name, kind, default=None):
    text = given.get(name, default)
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        wrong = f"no {name}" if text is None else f"the {name} {text[:40]!r}, which is no number"
        raise RegionError("bad entry", f"its {kind} has {wrong}")
    return value


def _points(text):
    """(float64 [P] x, float64 [P] y) of "x,y;x,y"."""
    try:
        pairs = [point.split(",") for point in text.split(";") if point.strip()]
        points = np.array([[float(x), float(y)] for x, y in pairs])
    except ValueError:
        points = np.zeros(0)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise RegionError("bad entry", f"the points {text[:40]!r} of its polygon are no x,y;x,y;... of numbers")
    return points[:, 0].copy(), points[:, 1].copy()


# --- Masks -----------------------------------------------------------------------------------------------------------


def _mask(given):
    box = {}
    for name in ("left", "top", "width", "height"):
        value = _number(given, name, "mask")
        if value != int(value) or abs(value) > MOST_PIXELS:
            raise RegionError("bad entry", f"its mask has the {name} {value:g}, which is no whole number of pixels")
        box[name] = int(value)
    if min(box["width"], box["height"]) <= 0:
        raise RegionError("bad entry", f"its mask has a box of {box['height']}x{box['width']} pixels (height x width)")
    text = given.get("rle", "")
    if not RUNS.fullmatch(text):
        raise RegionError("bad entry", f"the rle {text[:40]!r} of its mask is no list of run lengths")
    counts = np.array([count for count in text.split(",") if count.strip()], np.int64)
    covered, area = int(counts.sum()), box["width"] * box["height"]
    if covered > area:
        message = f"the run lengths of its mask cover {covered} pixels, its box has {area}: draw it again"
        raise RegionError("RLE overflow", message)
    return {"name": "mask", "counts": counts, **box}


def _mask_rle(mask, size):
    """RLE of a mask. What its box has beyond the last run is outside, as CVAT takes it."""
    height, width = size
    box = f"{mask['height']}x{mask['width']} at ({mask['left']}, {mask['top']})"
    if mask["left"] >= width or mask["top"] >= height or mask["left"] < 0 or mask["top"] < 0:
        raise RegionError("mask outside", f"its mask of {box} begins outside the photo of {height}x{width}")
    if mask["left"] + mask["width"] > width or mask["top"] + mask["height"] > height:
        raise RegionError("mask outside", f"its mask of {box} reaches out of the photo of {height}x{width}")
    inside = np.zeros(mask["height"] * mask["width"], bool)  # no larger than the photo
    inside[: mask["counts"].sum()] = np.repeat(np.arange(len(mask["counts"])) % 2 == 1, mask["counts"])
    columns = np.zeros((mask["width"], mask["height"] + 2), np.int8)
    columns[:, 1:-1] = inside.reshape(mask["height"], mask["width"]).T
    steps = np.diff(columns, axis=1)
    column, start = np.nonzero(steps == 1)
    end = np.nonzero(steps == -1)[1]
    if not len(column):
        raise RegionError("empty mask", "its mask holds no pixel")
    before = (column.astype(np.int64) + mask["left"]) * height + mask["top"]
    return run_lengths.from_intervals(before + start, before + end, size)
