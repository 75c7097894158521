"""The objects of Supervisely's annotations as run lengths.

Whole numbers are pixels, both ends of a rectangle and the line round a polygon included, as Supervisely's own programs
draw what it exports. Where a shape has other numbers, all of its numbers are coordinates of a plane whose pixel i
covers [i, i + 1), as in its labelling tool.
"""

import io
import zlib

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.formats.labelme_shapes import decoding, raw_bytes
from mrcnn.data.formats.via import RegionError
from mrcnn.errors import DataError

BITMAPS = ("bitmap", "alpha_mask")
AREAS = ("polygon", "multipolygon", "rectangle", *BITMAPS)
NO_AREAS = ("point", "line", "polyline", "graph", "keypoints")
PNG = b"\x89PNG\r\n\x1a\n"
MORE_BYTES = 1 << 16  # of a PNG beside its pixels
FAR = 10  # times the longer side of the photo that a shape may reach


def kind_of(entry: dict) -> str:
    """The kind of an object: its geometryType, else what it looks like."""
    given = entry.get("geometryType") or entry.get("shape")
    if isinstance(given, str):
        return given
    return "bitmap" if entry.get("bitmap") else "polygon"  # as the first versions write them


def rle_of(entry: dict, size: tuple[int, int]) -> dict:
    """Draw an object.

    Args:
        entry: of the annotations, of one of AREAS
        size: (H, W) of the photo

    Returns:
        RLE of COCO, compressed.

    Raises:
        RegionError: it is none, lies outside the photo, or has no pixel in it.
    """
    kind = kind_of(entry)
    try:
        if kind in BITMAPS:
            mask = _bitmap(entry, size)
        elif kind == "rectangle":
            mask = _rectangle(entry, size)
        else:
            mask = np.zeros(size, bool)
            for exterior, interiors in _rings(entry, kind):
                mask |= _polygon(exterior, interiors, size)
    except RegionError:
        raise
    except DataError as error:
        raise RegionError("bad entry", str(error).rstrip(".")) from error
    if not mask.any():
        raise RegionError("empty mask", f"its {kind} holds no pixel of the photo")
    return run_lengths.encode(mask)


def reach_of(entries: list) -> tuple[float, float]:
    """(H, W) that the corners of objects reach to; what cannot be understood counts as nothing."""
    reach = np.zeros(2)
    for entry in entries:
        try:
            corners = [exterior for exterior, _ in _rings(entry, kind_of(entry))]
            reach = np.maximum(reach, np.concatenate(corners).max(axis=0)[::-1])
        except (RegionError, ValueError, TypeError, AttributeError):  # told as a fault of the object
            continue
    return float(reach[0]), float(reach[1])


# --- Points ----------------------------------------------------------------------------------------------------------


def _rings(entry, kind):
    """list of (corners of the outline, list of those of its holes), each float64 [P, (x, y)]."""
    parts = entry.get("parts") if kind == "multipolygon" else [entry.get("points")]
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise RegionError("bad entry", f"its {kind} has no points")
    rings = []
    for part in parts:
        holes = part.get("interior")
        holes = holes if isinstance(holes, list) else []
        rings.append((_corners(part.get("exterior"), kind), [_corners(hole, kind) for hole in holes]))
    return rings


def _corners(points, kind):
    try:
        corners = np.asarray(points, np.float64)
    except (TypeError, ValueError, OverflowError):
        corners = np.zeros(0)
    if corners.ndim != 2 or corners.shape[1] != 2 or not np.isfinite(corners).all():
        raise RegionError("bad entry", f"the points of its {kind} are no list of [x, y] of finite numbers")
    return corners


def _check_reach(corners, size, kind):
    far = np.abs(corners).max()
    if far > FAR * max(size):
        raise RegionError("bad entry", f"its {kind} reaches to {far:.6g}, far outside a photo of {size[0]}x{size[1]}")
    if (corners.max(axis=0) < 0).any() or corners[:, 0].min() >= size[1] or corners[:, 1].min() >= size[0]:
        raise RegionError("mask outside", f"its {kind} lies outside the photo of {size[0]}x{size[1]} (height x width)")


def _rectangle(entry, size):
    """bool [H, W] of a rectangle."""
    ((corners, _),) = _rings(entry, "rectangle")
    if len(corners) != 2:
        raise RegionError("bad entry", f"its rectangle has {len(corners)} points, needs 2")
    _check_reach(corners, size, "rectangle")
    (left, top), (right, foot) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    if (corners % 1).any():
        outline = [left, top, right, top, right, foot, left, foot]
        return run_lengths.decode(run_lengths.from_polygons([outline], size))
    mask = np.zeros(size, bool)
    mask[int(max(top, 0)) : int(foot) + 1, int(max(left, 0)) : int(right) + 1] = True
    return mask


def _polygon(exterior, interiors, size):
    """bool [H, W] of a polygon with holes."""
    import cv2

    if len(exterior) < 3:
        raise RegionError("bad entry", f"its polygon has {len(exterior)} corners, needs three or more")
    _check_reach(exterior, size, "polygon")
    rings = [exterior, *(hole for hole in interiors if len(hole) >= 3)]
    run_lengths.checked_polygons([corners.ravel().tolist() for corners in rings], size)
    if any((corners % 1).any() for corners in rings):
        drawn = [run_lengths.decode(run_lengths.from_polygons([corners.ravel().tolist()], size)) for corners in rings]
        return drawn[0] & ~np.any(drawn[1:], axis=0) if drawn[1:] else drawn[0]
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [exterior.astype(np.int32)], 1)
    if rings[1:]:
        cv2.fillPoly(mask, [corners.astype(np.int32) for corners in rings[1:]], 0)
    return mask > 0


# --- Bitmaps ---------------------------------------------------------------------------------------------------------


def _bitmap(entry, size):
    """bool [H, W] of a bitmap: a PNG, packed by zlib or not, whose corner lies at its origin."""
    given = entry.get("bitmap")
    given = given if isinstance(given, dict) else {}
    ((x, y),) = _corners([given.get("origin")], "bitmap").tolist()
    if max(abs(x), abs(y)) > FAR * max(size) or x % 1 or y % 1:
        raise RegionError("bad entry", f"the origin of its bitmap is {x:.6g}, {y:.6g}")
    pixels = _pixels(raw_bytes(given.get("data"), "bitmap"), size)
    x, y = int(x), int(y)
    if x >= size[1] or y >= size[0] or x + pixels.shape[1] <= 0 or y + pixels.shape[0] <= 0:
        raise RegionError("mask outside", f"its bitmap lies outside the photo of {size[0]}x{size[1]} (height x width)")
    part = pixels[max(-y, 0) : max(size[0] - y, 0), max(-x, 0) : max(size[1] - x, 0)]
    mask = np.zeros(size, bool)
    mask[max(y, 0) : max(y, 0) + part.shape[0], max(x, 0) : max(x, 0) + part.shape[1]] = part
    return mask


def _pixels(data, size):
    """bool [h, w]: where the picture of a bitmap is not transparent, or not 0 if it has no transparency."""
    from PIL import Image

    if not data.startswith(PNG):
        data = _unpacked(data, 5 * size[0] * size[1] + MORE_BYTES)
    with decoding("its bitmap"), Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        width, height = image.size
        if width > size[1] or height > size[0]:
            message = f"its bitmap has {height}x{width} pixels, the photo {size[0]}x{size[1]} (height x width)"
            raise RegionError("wrong size", message)
        if "A" in image.getbands() or "transparency" in image.info:
            return np.array(image.convert("RGBA"))[..., 3] > 0
        pixels = np.array(image)
    return pixels != 0 if pixels.ndim == 2 else pixels.any(axis=-1)


def _unpacked(data, most):
    """What zlib packed, if that is no more than so many bytes."""
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(data, most)
    except zlib.error as error:
        raise RegionError("bad entry", f"its bitmap is neither a PNG nor one packed by zlib ({error})") from error
    if not unpacking.eof:
        reason = "breaks off" if len(unpacked) < most else "is larger than the photo"
        raise RegionError("bad entry", f"its bitmap {reason}")
    return unpacked
