"""VGG Image Annotator (VIA), versions 1 to 3: a saved project, or what 1 and 2 export as JSON or CSV.

The class of a region is the value of one of its attributes: the one called like one of CLASS_ATTRIBUTES that most
regions have, or, if no region has such a one, the attribute that most regions have. Where no region of the file has any
attribute, all are of the class "object".
"""

import contextlib
import math
import os
from collections.abc import Iterator

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.faults import ObjectError
from mrcnn.data.formats import via_files
from mrcnn.data.formats.boxes import Rectangles
from mrcnn.data.formats.names_files import read_names
from mrcnn.data.formats.photo_files import photo_header
from mrcnn.data.formats.upright import Annotated, settled_turns, stored_size, turned_segmentation
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError

FORMAT = "via"
CLASS_ATTRIBUTES = ("class", "name", "label", "type", "category", "object")
ONLY_CLASS = "object"

recognises = via_files.recognises


class ViaDataset(AnnotatedDataset):
    """A file of VIA and its folder of photos. Classes are numbered in the order of their names."""

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, boxes_as_masks: bool | None = None,
             **others: object) -> "ViaDataset":
        """Register the photos of a file, those without regions too, all regions checked.

        annotations: path of the JSON or CSV file; images: folder of the photos; None: the folder of the file
        limit: take the first so many photos; on_error: "raise" at a bad sample or "skip" it (see `faults`)
        names: the attribute that holds the class; or path of a file of class names (see `names_files.read_names`),
            which sets the classes and their order; None: as told above, with the classes that the file has
        boxes_as_masks: whether rectangles are masks where there is nothing else (see `boxes`)

        Returns self. Raises DataError naming the file and what is wrong.
        """
        self.refuse(annotations, mapping=mapping, **others)
        self.start_loading(on_error)
        entries, options = via_files.read_entries(annotations)
        from_file = names is not None and os.path.isfile(names)
        attribute = _class_attribute(annotations, entries, options, None if from_file else names)
        self._note_others(entries, attribute)
        classes = list(read_names(names).values()) if from_file else _class_names(entries, options, attribute)
        folder = PhotoFolder(images or os.path.dirname(annotations) or ".")
        for name in classes:
            self.add_class(FORMAT, name, name)
        rectangles = Rectangles(self)
        photos = self._photos(annotations, entries[:limit], folder)
        # VIA notes no size: only regions show that a photo was seen as it is stored.
        seen = {name: Annotated(name, None, *header, _reach(regions) if header[1] != 1 else (0, 0), bool(regions))
                for name, _, header, regions in photos}
        turns, _ = settled_turns(seen, self)
        for name, path, (size, _), regions in photos:
            turn = turns[name]
            known = self._regions(annotations, name, stored_size(size, turn), regions, attribute, classes)
            for number, _, _ in known:
                rectangles.add(_region_list(regions)[number]["shape_attributes"]["name"] == "rect", name)
            self.add_photo(FORMAT, name, path, name, *size, regions=known, turn=turn)
        rectangles.settle(annotations, boxes_as_masks)
        self.finish_loading(annotations)
        return self

    def _note_others(self, entries, attribute):
        """Note the attributes of regions that are not the class, and outlines that nothing closes."""
        for entry in entries:
            for region in _region_list(entry.get("regions")):
                for name, value in _attributes(region).items():
                    if name != attribute and value not in ("", None, {}):
                        self.note("region", f"with the attribute {name[:40]!r} beside the class, {attribute!r}: left "
                                  "out; --names takes it as the class", entry["filename"])
                shape = region.get("shape_attributes") if isinstance(region, dict) else None
                if isinstance(shape, dict) and shape.get("name") == "polyline" and not _is_closed(shape):
                    self.note("polyline", "that is open: taken as an outline, whose ends a straight line joins",
                              entry["filename"])

    def _photos(self, annotations, entries, folder):
        """list of (name, path, header, regions) of the photos that can be used; faults of the others are noted."""
        photos, seen = [], {}
        files, refused = _files([entry for entry in entries if "trouble" not in entry], folder)
        files.update(self.find_alike(folder, [name for name in files if files[name] is None], set(files.values())))
        missing = [entry["filename"] for entry in entries if files.get(entry["filename"], "") is None]
        for position, entry in enumerate(entries, 1):
            given = entry["filename"]
            if "trouble" in entry:
                self.fault(annotations, Fault(given, "bad entry", entry["trouble"]))
                continue
            if given in refused:
                self.fault(annotations, Fault(given, "path escape", refused[given]))
            name = files.get(given)
            if name is None:
                continue
            if name in seen:
                # Under the photo's own name the fault would stand for the first entry, which is sound.
                message = f"the photo {name} is listed twice, here a second time"
                self.fault(annotations, Fault(f"entry {position}", "duplicate id", message))
                self.lost_beyond(name, _region_list(entry["regions"]), _region_list(seen[name]))
                continue
            seen[name] = entry["regions"]
            if not isinstance(entry["regions"], (dict, list)):
                self.fault(annotations, Fault(name, "bad entry", "its regions are neither a list nor an object"))
                continue
            try:
                photos.append((name, folder.join(name), photo_header(folder.join(name)), entry["regions"]))
            except DataError as error:
                self.fault(annotations, Fault(name, "unreadable", str(error).rstrip(".")))
        drawn = {files.get(entry["filename"]) or entry["filename"]: _region_list(entry["regions"])
                 for entry in reversed(entries) if "trouble" not in entry}
        self.missing_photos(annotations, folder.path, missing, len(entries), objects=drawn.get)
        return photos

    def _regions(self, annotations, photo, size, regions, attribute, classes):
        """list of (number, class name, shape) of a photo's regions that can be used; faults of others are noted."""
        known = []
        for number, region in enumerate(_region_list(regions)):
            try:
                shape, name = checked_shape(region, size), _class_name(region, attribute)
                if name not in classes:
                    raise RegionError("unknown class", f"its class {name!r} is not in the file of class names")
                known.append((number, name, shape))
            except RegionError as error:
                self.fault(annotations, Fault(photo, error.kind, str(error), number))
        return known

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield the ObjectAnnotation of each region that loading found nothing wrong with."""
        info = self.image_info[image_id]
        for number, class_name, shape in info["regions"]:
            size = info["height"], info["width"]
            stored = stored_size(size, info["turn"])
            rle = shape_rle(shape, stored)
            if info["turn"] != 1:
                rle = turned_segmentation(rle, info["turn"], stored)
            yield ObjectAnnotation(number, self.map_source_class_id(f"{FORMAT}.{class_name}"), rle)


# --- Classes ---------------------------------------------------------------------------------------------------------


def _class_attribute(path, entries, options, wanted):
    """Name of the attribute that holds the class; None if no region has any."""
    counts = dict.fromkeys(options, 0)
    for entry in entries:
        for region in _region_list(entry.get("regions")):
            for name, value in _attributes(region).items():
                counts[name] = counts.get(name, 0) + (value not in ("", None, {}))
    if wanted is not None:
        if wanted not in counts:
            has = ", ".join(map(repr, counts)) or "none"
            raise DataError(f"{path}: names {wanted!r} is neither a file nor an attribute of the regions ({has}).")
        return wanted
    usual = [name for name in counts if name.lower() in CLASS_ATTRIBUTES and counts[name]]
    # Of attributes that equally many regions have, the first by CLASS_ATTRIBUTES, else the first of the file.
    usual.sort(key=lambda name: CLASS_ATTRIBUTES.index(name.lower()))
    return max(usual or [name for name in counts if counts[name]], key=counts.get, default=None)


def _class_names(entries, options, attribute):
    """Names of the classes that the regions are of or that the project lets one choose from, sorted."""
    if attribute is None:
        return [ONLY_CLASS]
    names = set(options.get(attribute, ()))
    for entry in entries:
        for region in _region_list(entry.get("regions")):
            with contextlib.suppress(RegionError):  # told when the region is looked at
                names.add(_class_name(region, attribute))
    return sorted(names)


def _class_name(region, attribute):
    """Class of a region. Raises RegionError if its attribute names none, or several."""
    if attribute is None:
        return ONLY_CLASS
    value = _attributes(region).get(attribute)
    if isinstance(value, dict):  # a list of boxes to tick
        ticked = [str(name) for name, is_ticked in value.items() if is_ticked]
        if len(ticked) > 1:
            raise RegionError("bad entry", f"its {attribute!r} is several classes, {', '.join(ticked)}: tick one")
        value = ticked[0] if ticked else None
    name = "" if value is None else str(value).strip()
    if not name or name == "undefined":  # VIA's word for a choice that nobody made
        raise RegionError("unknown class", f"its attribute {attribute!r}, which holds the class, is empty")
    return name


def _attributes(region):
    attributes = region.get("region_attributes") if isinstance(region, dict) else None
    return attributes if isinstance(attributes, dict) else {}


# --- Shapes ----------------------------------------------------------------------------------------------------------


class RegionError(ObjectError):
    """What is wrong with a region."""


def checked_shape(region: object, size: tuple[int, int]) -> list[float] | tuple[float, float, float, float, float]:
    """A region's shape as `_shape` gives it.

    Args:
        region: of the file.
        size: (H, W) of the photo.

    Raises:
        RegionError: if it is none, lies outside the photo, or has no pixel in it.
    """
    given = region.get("shape_attributes") if isinstance(region, dict) else None
    if not isinstance(given, dict):
        raise RegionError("bad entry", "it has no shape_attributes")
    kind, shape = given.get("name"), _shape(given)
    if isinstance(shape, list):
        corners = np.reshape(shape, (-1, 2))
    else:
        corners = np.add(shape[:2], np.outer((-1, 1), _ellipse_reach(shape)))
    low, high, far = corners.min(axis=0), corners.max(axis=0), np.abs(corners).max()
    if (high <= 0).any() or low[0] >= size[1] or low[1] >= size[0]:
        raise RegionError("mask outside", f"its {kind} lies outside the photo of {size[0]}x{size[1]} (height x width)")
    if far > 10 * max(size):
        raise RegionError("bad entry", f"its {kind} reaches to {far:.6g}, far outside a photo of {size[0]}x{size[1]}")
    if not run_lengths.areas([shape_rle(shape, size)])[0]:
        raise RegionError("empty mask", f"its {kind} holds no pixel of the photo")
    return shape


def _shape(given):
    """Corners [x1, y1, x2, y2, ...] or ellipse (cx, cy, rx, ry, theta) that shape_attributes give."""
    kind = given.get("name")
    if kind in ("polygon", "polyline"):
        xs, ys = _numbers(given, "all_points_x", "all_points_y")
        if xs.ndim != 1 or xs.shape != ys.shape or len(xs) < 3:
            raise RegionError("bad entry", f"its {kind} has not three or more corners with x and y")
        return np.stack([xs, ys], axis=1).ravel().tolist()
    if kind == "rect":
        x, y, width, height = map(float, _numbers(given, "x", "y", "width", "height", single=True))
        return [x, y, x + width, y, x + width, y + height, x, y + height]
    if kind in ("circle", "ellipse"):
        names = ("cx", "cy", "r", "r") if kind == "circle" else ("cx", "cy", "rx", "ry")
        cx, cy, rx, ry, theta = map(float, _numbers({"theta": 0, **given}, *names, "theta", single=True))
        return cx, cy, abs(rx), abs(ry), theta
    raise RegionError("bad entry", f"its shape is {kind!r}, which encloses nothing: draw a polygon")


def _is_closed(shape):
    """Whether the last point of an outline is the first; what is no outline is told elsewhere."""
    try:
        xs, ys = _numbers(shape, "all_points_x", "all_points_y")
        return bool(abs(xs[0] - xs[-1]) <= 1 and abs(ys[0] - ys[-1]) <= 1)
    except (RegionError, IndexError):
        return True


def _numbers(shape, *names, single=False):
    """float64 arrays of some values of a shape. single: each must be one number."""
    try:
        values = [np.asarray(shape[name], np.float64) for name in names]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RegionError("bad entry", f"its {shape.get('name')} has not the numbers {', '.join(names)}") from error
    if not all(np.isfinite(value).all() and (value.ndim == 0 or not single) for value in values):
        raise RegionError("bad entry", f"the {', '.join(names)} of its {shape.get('name')} are no finite numbers")
    return values


def _reach(regions):
    """(H, W) that the regions of a photo reach to; what is no shape counts as nothing."""
    reach = np.zeros(2)
    for region in _region_list(regions):
        try:
            shape = _shape(region["shape_attributes"])
        except (RegionError, TypeError, KeyError, AttributeError):  # told as a fault of the region
            continue
        corners = np.reshape(shape, (-1, 2)) if isinstance(shape, list) else np.add(shape[:2], _ellipse_reach(shape))
        reach = np.maximum(reach, np.reshape(corners, (-1, 2)).max(axis=0)[::-1])
    return float(reach[0]), float(reach[1])


def shape_rle(shape: list[float] | tuple[float, float, float, float, float], size: tuple[int, int]) -> dict:
    """Compressed run lengths of a checked shape.

    Args:
        shape: of `checked_shape`.
        size: (H, W) of the photo.
    """
    if isinstance(shape, list):
        return run_lengths.from_polygons([shape], size)
    return run_lengths.encode(_ellipse_mask(shape, size))


def _ellipse_mask(ellipse, size):
    """bool [H, W]: the pixels whose centres lie in an ellipse.

    ellipse: (cx, cy, rx, ry, theta), pixels; theta: turn of its first axis from x towards y, radians
    """
    cx, cy, rx, ry, theta = ellipse
    reach = _ellipse_reach(ellipse)
    low = np.clip(np.floor((cx, cy) - reach), 0, size[::-1]).astype(int)
    high = np.clip(np.ceil((cx, cy) + reach), 0, size[::-1]).astype(int)
    x = np.arange(low[0], high[0])[None] + 0.5 - cx
    y = np.arange(low[1], high[1])[:, None] + 0.5 - cy
    along, across = x * math.cos(theta) + y * math.sin(theta), y * math.cos(theta) - x * math.sin(theta)
    mask = np.zeros(size, bool, order="F")
    if rx and ry:
        mask[low[1] : high[1], low[0] : high[0]] = (along / rx) ** 2 + (across / ry) ** 2 <= 1
    return mask


def _ellipse_reach(ellipse):
    """float64 [2]: how far an ellipse reaches from its centre in x and in y."""
    _, _, rx, ry, theta = ellipse
    cos, sin = math.cos(theta), math.sin(theta)
    return np.array([math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)])


# --- Entries ---------------------------------------------------------------------------------------------------------


def _files(entries, folder):
    """({name of a photo: it, or None if no file is called so}; {name that leads out of the folder: why})."""
    files, refused = {}, {}
    for entry in entries:
        try:
            files[entry["filename"]] = folder.find(entry["filename"])
        except DataError as error:
            refused[entry["filename"]] = str(error).rstrip(".")
    return files, refused


def _region_list(regions):
    """Regions as a list: VIA 1 writes {"0": region, ...}, VIA 2 [region, ...]."""
    return list(regions.values()) if isinstance(regions, dict) else regions if isinstance(regions, list) else []
