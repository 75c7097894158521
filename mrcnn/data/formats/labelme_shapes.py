"""The shapes of LabelMe's files as run lengths, and the images that the files hold as text."""

import base64
import io
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.decoding import decoding
from mrcnn.data.encoded import EXIF_ORIENTATION, as_meant, check_scans, to_rgb
from mrcnn.data.formats.photo_files import TURNED
from mrcnn.data.formats.via import RegionError, checked_shape, shape_rle
from mrcnn.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

LEFT_OUT = ("__ignore__", "_background_")
AREAS = ("polygon", "rectangle", "oriented_rectangle", "circle", "mask")
RECTANGLES = ("rectangle", "oriented_rectangle")
NO_AREAS = ("point", "points", "line", "linestrip")
Made = TypeVar("Made")  # what is made of an image
PHOTO_FORMATS = ("JPEG", "PNG", "GIF", "BMP")  # that a file may hold; LabelMe itself writes the first two

# --- Shapes ----------------------------------------------------------------------------------------------------------


def labels(shapes: list) -> set[str]:
    """Set of the labels that name classes: those of shapes that have an area."""
    labels = set()
    for shape in shapes:
        if isinstance(shape, dict) and kind_of(shape) in AREAS and isinstance(shape.get("label"), str):
            labels.add(shape["label"].strip())
    return {label for label in labels if label and not label.startswith(LEFT_OUT)}


def label_of(shape: object) -> str:
    label = shape.get("label") if isinstance(shape, dict) else None
    if not isinstance(label, str):
        raise RegionError("bad entry", "it has no label that is a text")
    if not label.strip():
        raise RegionError("unknown class", "its label is empty")
    return label.strip()


def group_of(shape: dict) -> int | str | None:
    group = shape.get("group_id")
    if not isinstance(group, (int, str, type(None))):
        raise RegionError("bad entry", f"its group_id {str(group)[:40]!r} is no whole number")
    return group


def flags_of(shape: dict) -> list[str]:
    """Names of the flags of a shape that are ticked."""
    flags = shape.get("flags")
    return [str(name) for name, ticked in flags.items() if ticked is True] if isinstance(flags, dict) else []


def attributes_of(shape: dict) -> list[str]:
    """Names of the attributes in words that X-AnyLabeling gives a shape, without empty ones."""
    words = shape.get("attributes")
    words = words if isinstance(words, dict) else {}
    return [str(name) for name, word in words.items() if word not in (None, False, "")]


def kind_of(shape: dict) -> object:
    return shape.get("shape_type") or "polygon"  # as LabelMe takes a shape without


def reach_of(shapes: list) -> tuple[float, float]:
    """(H, W) that the points of shapes reach to; (0, 0) for none that can be understood."""
    reach = np.zeros(2)
    for shape in shapes:
        try:
            reach = np.maximum(reach, np.asarray(shape["points"], np.float64).reshape(-1, 2).max(axis=0)[::-1])
        except (TypeError, ValueError, KeyError, IndexError, OverflowError):  # told as a fault of the object
            continue
    return float(reach[0]), float(reach[1])


def outline_rle(shape: dict, size: tuple[int, int]) -> dict:
    """Compressed run lengths of a shape.

    Args:
        shape: of the file.
        size: (H, W) of the photo.

    Raises:
        RegionError: if it has none in the photo.
    """
    kind = kind_of(shape)
    if kind in NO_AREAS:
        raise RegionError("bad entry", f"its shape is a {kind}, which encloses nothing: draw a polygon")
    if kind not in AREAS:
        raise RegionError("bad entry", f"its shape_type {str(kind)[:40]!r} is none of {', '.join(AREAS)}")
    points = _points(shape, kind)
    if kind == "mask":
        return _mask_rle(shape, points, size)
    (x, y), (right, low) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    if kind == "rectangle":
        outline = {"name": "rect", "x": x, "y": y, "width": right - x, "height": low - y}
    elif kind == "circle":
        (x, y), rim = points.tolist()
        outline = {"name": "circle", "cx": x, "cy": y, "r": math.dist((x, y), rim)}
    else:
        outline = {"name": "polygon", "all_points_x": points[:, 0], "all_points_y": points[:, 1]}
    return shape_rle(checked_shape({"shape_attributes": outline}, size), size)


def _points(shape, kind):
    """float64 [P, (x, y)] of a shape, as many as its kind needs."""
    try:
        points = np.asarray(shape.get("points"), np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.zeros(0)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise RegionError("bad entry", f"the points of its {kind} are no list of [x, y] of finite numbers")
    # A polygon's are counted where it is drawn; other programs write a rectangle's four corners.
    needed = {"rectangle": (2, 4), "circle": (2,), "mask": (2,), "oriented_rectangle": (4,)}.get(kind)
    if needed and len(points) not in needed:
        raise RegionError("bad entry", f"its {kind} has {len(points)} points, needs {needed[0]}")
    return points


def _mask_rle(shape, points, size):
    """Compressed run lengths of a mask: a PNG of the box that its two points span, both pixels included."""
    low, high = points.min(axis=0), points.max(axis=0)
    if (high < 0).any() or low[0] >= size[1] or low[1] >= size[0]:
        raise RegionError("mask outside", f"its mask lies outside the photo of {_sides(size)} (height x width)")
    far = np.abs(points).max()
    if far > 10 * max(size):
        raise RegionError("bad entry", f"its mask reaches to {far:.6g}, far outside a photo of {_sides(size)}")

    def fitting(image):
        # Versions differ in how they round the box; none of them is a whole pixel more than one off.
        more = np.array(image.size) - (high - low)
        if (more <= -1).any() or (more >= 2).any():
            box = "x".join(f"{side:.6g}" for side in (high - low)[::-1] + 1)
            raise RegionError("wrong size", f"its mask has {_sides(image.size[::-1])} pixels, its points span {box}")
        return np.array(image)

    try:
        pixels = decoded(shape.get("mask"), "mask", fitting, ("PNG",))
    except RegionError:
        raise
    except DataError as error:
        raise RegionError("bad entry", str(error)) from error
    if pixels.ndim != 2:
        raise RegionError("bad entry", "its mask is a colour picture")
    x, y = np.rint(low).astype(int).tolist()
    part = pixels[max(-y, 0) : max(size[0] - y, 0), max(-x, 0) : max(size[1] - x, 0)] != 0
    if not part.any():
        raise RegionError("empty mask", "its mask holds no pixel of the photo")
    full = np.zeros(size, bool, order="F")
    full[max(y, 0) : max(y, 0) + part.shape[0], max(x, 0) : max(x, 0) + part.shape[1]] = part
    return run_lengths.encode(full)


# --- Images in the file ----------------------------------------------------------------------------------------------


def decoded(text: object, what: str, use: "Callable[[Image.Image], Made]",
            formats: tuple[str, ...] = PHOTO_FORMATS) -> Made:
    """What a function makes of the Pillow image in a base64 text.

    Args:
        text: base64.
        what: the text's name.
        use: function of the Pillow image.
        formats: Pillow's, allowed.

    Raises:
        DataError: with the reason if it is none, or has more pixels than Pillow decodes.
    """
    from PIL import Image

    data = raw_bytes(text, what)
    check_scans(data, f"its {what}")
    with decoding(f"its {what}"), Image.open(io.BytesIO(data), formats=formats) as image:
        return use(image)


def raw_bytes(text: object, what: str) -> bytes:
    """bytes of a base64 text.

    Args:
        text: base64.
        what: the text's name.

    Raises:
        DataError: if it is none.
    """
    if not isinstance(text, str):
        raise DataError(f"its {what} is no base64 text")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise DataError(f"its {what} is no base64 text") from error


def header(image: "Image.Image") -> tuple[tuple[tuple[int, int], int], str | None]:
    """(((height, width) of a Pillow image once its EXIF orientation is applied, that orientation), its format)."""
    orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    return ((image.size if orientation in TURNED else image.size[::-1]), orientation), image.format


def upright_pixels(image: "Image.Image", matte: tuple[int, int, int]) -> np.ndarray:
    """uint8 [H, W, 3] of a Pillow image, upright.

    Args:
        image: Pillow's.
        matte: RGB of the colour under what is transparent.
    """
    return to_rgb(as_meant(image), "its imageData", matte)


def _sides(size):
    return f"{size[0]}x{size[1]}"
