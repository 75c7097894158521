"""What Label Studio's annotators draw: regions as outlines in pixels or as run lengths, with their labels.

Coordinates are percent of the photo's width and height, as its browser shows it: upright. A view that the annotator
turned (`image_rotation`) changes nothing about them.
"""

import dataclasses
import json

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.formats import label_studio_brush
from mrcnn.data.formats.labelme_shapes import decoded
from mrcnn.data.formats.via import RegionError, checked_shape
from mrcnn.errors import DataError

# Kind of a region: the entries of its value that tell it, the first that fit.
KINDS = {
    "brush": {"rle"},
    "bitmask": {"imageDataURL"},
    "polygon": {"points"},
    "vector": {"vertices"},
    "ellipse": {"x", "y", "radiusX", "radiusY"},
    "rectangle": {"x", "y", "width", "height"},
    "keypoint": {"x", "y", "width"},
    "video": {"sequence"},
}
AREAS = ("brush", "bitmask", "polygon", "vector", "ellipse", "rectangle")
MASKS = ("brush", "bitmask")  # whose pixels are those of one size of the photo
GEOMETRY = ("rle", "imageDataURL", "points", "vertices", "sequence", "x", "y", "width", "height", "radiusX", "radiusY",
            "rotation")
OTHER_ANSWERS = ("text", "rating", "number", "taxonomy", "datetime", "pairwise", "ranker")  # of no use to masks
SHORTENED = "answer in short"  # the type of what JSON-MIN writes without its region
PICTURE = "data:image/png;base64,"


@dataclasses.dataclass
class Region:
    """One region of a photo.

    Attributes:
        number: index of the region among those of the annotation
        kind: of KINDS; None for a result that is no region, such as an answer or a relation
        value: as written, of the first of its results
        size: (height, width) of the photo as written, either may be missing
        turned: `image_rotation`, degrees
        labels: {name of a control: list of the labels that it gave the region}
        answers: {name of a control: list of what was chosen for the region}
        type: what its first result is called
        control: name of the control of its first result
        other: set of the keys of what else was said of it, such as "text"
    """

    number: int
    kind: str | None
    value: dict
    size: tuple
    turned: object
    labels: dict
    answers: dict
    type: str
    control: str = ""
    other: set = dataclasses.field(default_factory=set)

    @property
    def encloses(self) -> bool:
        """Whether it is an area, and so an object."""
        return self.kind in AREAS and (self.kind != "vector" or bool(self.value.get("closed")))


def regions_of(result: list) -> list[Region]:
    """Put together the regions of an annotation: each control that says something of a region has a result of its own.

    Args:
        result: list of results as written

    Returns:
        list of Region; what is none, such as an answer, has the kind None.
    """
    regions, times = {}, {}
    for place, one in enumerate(result):
        one = one if isinstance(one, dict) else {}
        value = one.get("value") if isinstance(one.get("value"), dict) else {}
        kind = next((kind for kind, keys in KINDS.items() if keys <= value.keys()), None)
        control = str(one.get("from_name", ""))
        name = str(one.get("type") or next((key for key in value if key not in GEOMETRY), "result"))
        key = one.get("id") if isinstance(one.get("id"), (str, int)) else None
        if kind is None and key not in regions:
            key = ("none", place)
        elif key is None:  # JSON-MIN: results of several controls on one region have the same outline, and no id
            outline = json.dumps([value.get(entry) for entry in GEOMETRY])
            time = times[outline, control] = times.get((outline, control), 0) + 1
            key = ("outline", outline, time)
        size = one.get("original_height"), one.get("original_width")
        region = regions.setdefault(key, Region(len(regions), kind, value, size, one.get("image_rotation"), {}, {},
                                                name, control))
        for entry, given in value.items():
            texts = [str(text) for text in given if isinstance(text, (str, int))] if isinstance(given, list) else []
            if entry.endswith("labels") and texts:
                _extend(region.labels, control, texts)
            elif entry == "choices" and texts:
                _extend(region.answers, control, texts)
            elif entry in OTHER_ANSWERS and given not in (None, "", []):
                region.other.add(entry)
    return list(regions.values())


def _extend(lists, name, texts):
    lists[name] = list(dict.fromkeys(lists.get(name, []) + [text.strip() for text in texts if text.strip()]))


# --- Outlines --------------------------------------------------------------------------------------------------------


def shape_of(region: Region, size: tuple[int, int]) -> list | tuple | dict:
    """Read the outline of a region.

    Args:
        region: of one of AREAS
        size: (H, W) of the photo as it was seen, pixels

    Returns:
        What `via.shape_rle` takes, or an RLE of COCO, compressed.

    Raises:
        RegionError: it is none, lies outside the photo, or has no pixel in it.
    """
    value = region.value
    if region.kind in MASKS:
        return _mask(value, region.kind, size)
    if region.kind in ("polygon", "vector"):
        points = value["points"] if region.kind == "polygon" else _vertices(value)
        if value.get("closed") is False:
            message = f"its {region.kind} is not closed, as a line is not: close it, or delete it"
            raise RegionError("bad entry", message)
        xs, ys = _pixels(points, size, region.kind).T
        outline = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
    elif region.kind == "ellipse":
        cx, cy, rx, ry = _pixels([[value["x"], value["y"]], [value["radiusX"], value["radiusY"]]], size, "ellipse").flat
        outline = {"name": "ellipse", "cx": cx, "cy": cy, "rx": rx, "ry": ry, "theta": _turn(value)}
    else:
        corner, (width, height) = _pixels([[value["x"], value["y"]], [value["width"], value["height"]]], size,
                                          "rectangle")
        outline = {"name": "rect", "x": corner[0], "y": corner[1], "width": width, "height": height}
        if _turn(value):  # about the corner, which is the top left one of the rectangle before it is turned
            cos, sin = np.cos(_turn(value)), np.sin(_turn(value))
            along, down = np.array([width * cos, width * sin]), np.array([-height * sin, height * cos])
            xs, ys = np.array([corner, corner + along, corner + along + down, corner + down]).T
            outline = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
    return checked_shape({"shape_attributes": outline}, size)


def _pixels(pairs, size, kind):
    """float64 [P, (x, y)] pixels of pairs in percent."""
    try:
        points = np.asarray(pairs, np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.zeros(0)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise RegionError("bad entry", f"the coordinates of its {kind} are no pairs of finite numbers")
    if np.abs(points).max(initial=0) > 1e6:  # what lies far outside is told in pixels
        raise RegionError("bad entry", f"its {kind} reaches to {np.abs(points).max():.6g} percent of the photo")
    return points * (size[1] / 100, size[0] / 100)


def _turn(value):
    """Radians by which a region is turned, from x towards y."""
    given = value.get("rotation")
    given = 0 if given is None else given
    if not isinstance(given, (int, float)) or not abs(given) <= 1e6:
        raise RegionError("bad entry", f"its rotation {str(given)[:40]!r} is no number of degrees")
    return float(np.deg2rad(given))


def _vertices(value):
    """Pairs of the vertices of a vector."""
    vertices = value["vertices"]
    if not isinstance(vertices, list) or not all(isinstance(vertex, dict) for vertex in vertices):
        raise RegionError("bad entry", "the vertices of its vector are no list of objects")
    if any(vertex.get("isBezier") for vertex in vertices):
        raise RegionError("bad entry", "its vector has curves, which are not read: draw straight lines")
    return [[vertex.get("x"), vertex.get("y")] for vertex in vertices]


def _mask(value, kind, size):
    """RLE of a brush or a bitmask."""
    try:
        if kind == "brush":
            rle = label_studio_brush.decode(value["rle"], size)
        else:
            rle = run_lengths.encode(decoded(_picture_text(value["imageDataURL"]), "mask",
                                             lambda image: _alpha(image, size), ("PNG",)))
    except RegionError:
        raise
    except DataError as error:
        kind_of_fault = "wrong size" if "pixels, the photo" in str(error) else "bad entry"
        raise RegionError(kind_of_fault, str(error).rstrip(".")) from error
    if not run_lengths.areas([rle])[0]:
        raise RegionError("empty mask", f"its {kind} has no pixel")
    return rle


def _picture_text(url):
    if not isinstance(url, str) or not url.startswith(PICTURE):
        raise RegionError("bad entry", f"its imageDataURL is no {PICTURE}...")
    return url[len(PICTURE):]


def _alpha(image, size):
    """bool [H, W]: where a Pillow image is not transparent, or not black if it has no transparency."""
    if image.size != size[::-1]:
        message = f"its bitmask has {image.size[1]}x{image.size[0]} pixels, the photo {size[0]}x{size[1]}"
        raise RegionError("wrong size", message)
    bands = image.getbands()
    if "A" in bands or "transparency" in image.info:
        return np.array(image.convert("RGBA"))[..., 3] > 0
    pixels = np.array(image)
    return pixels > 0 if pixels.ndim == 2 else pixels.any(axis=-1)
