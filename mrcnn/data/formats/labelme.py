"""LabelMe, versions 4 and 5: a JSON file for each photo, in a folder; the file may hold the photo itself.

Polygons, rectangles, circles and masks of one label and one group_id are one object, those without group_id an object
each. Points and lines enclose nothing and are faults. Labels that begin with one of LEFT_OUT are LabelMe's own words
for what is no object, and are left out.
"""

import base64
import io
import math
import os

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation, PhotoFolder
from mrcnn.data.formats.label_mapping import read_names
from mrcnn.data.formats.photo_files import TURNED, photo_size
from mrcnn.data.formats.via import RegionError, checked_shape, shape_rle
from mrcnn.data.images import EXIF_ORIENTATION, to_rgb
from mrcnn.errors import DataError
from mrcnn.files import read_json

FORMAT = "labelme"
LEFT_OUT = ("__ignore__", "_background_")
AREAS = ("polygon", "rectangle", "oriented_rectangle", "circle", "mask")
NO_AREAS = ("point", "points", "line", "linestrip")
PHOTO_FORMATS = ("JPEG", "PNG", "GIF", "BMP")  # that a file may hold; LabelMe itself writes the first two
LOOKED_AT = 5  # files of a folder by which it is recognised


def recognises(path):
    """Whether a folder has LabelMe's files, or a file is one, by two names that each of them has."""
    try:
        return any(map(_is_labelme, _json_files(path)[:LOOKED_AT]))
    except (DataError, OSError, TypeError):
        return False


class LabelmeDataset(AnnotatedDataset):
    """A folder of LabelMe's files and their photos. Classes are numbered in the order of their names."""

    def load(self, annotations, images=None, limit=None, on_error="raise", names=None, mapping=None):
        """Register the photos of a folder, those without shapes too, all shapes checked.

        annotations: folder of the JSON files, or one such file; images: folder of the photos; None: where each file
            says, if that is in the folder of the JSON files, else by name in that folder
        limit: take the first so many files; on_error: "raise" at a bad sample or "skip" it (see `faults`)
        names: path of a file of class names (see `label_mapping.read_names`), such as LabelMe's labels.txt, which sets
            the classes and their order; None: the labels of all files

        A photo that is not there is taken from the file if that holds it, each time that it is asked for.

        Returns self. Raises DataError naming the file and what is wrong.
        """
        self.refuse(annotations, mapping=mapping)
        self.start_loading(on_error)
        files = _json_files(annotations)
        folder = PhotoFolder(images or os.path.dirname(files[0] if files else "") or ".")
        listed = None if names is None else [n for n in read_names(names).values() if not n.startswith(LEFT_OUT)]
        missing, found, taken = [], set(), set()
        for number, path in enumerate(files if listed is None else files[:limit]):
            wanted = limit is None or number < limit  # the others are read for their labels alone
            try:
                content = _read(path)
            except DataError as error:
                if wanted:
                    self.fault(path, Fault(os.path.basename(path), "bad entry", _reason(error, path)))
                continue
            found.update(_labels(content["shapes"]))
            if wanted:
                self._add(path, content, folder, listed, taken, missing)
        self.missing_photos(annotations, folder.path, missing, len(files[:limit]))
        for name in sorted(found) if listed is None else listed:
            self.add_class(FORMAT, name, name)
        self.finish_loading(annotations)
        return self

    def _add(self, path, content, folder, listed, taken, missing):
        """Register one photo, or what is wrong with it. taken: names of the photos so far; missing: of those missed."""
        try:
            name, there = _photo_file(folder, content["imagePath"])
        except DataError as error:
            return self.fault(path, Fault(os.path.basename(path), "path escape", _reason(error, path)))
        if not there and not content.get("imageData"):
            return missing.append(name)
        if name in taken:
            message = f"the photo {name} is that of another file too"
            return self.fault(path, Fault(os.path.basename(path), "duplicate id", message))
        taken.add(name)
        photo = folder.join(name) if there else path
        try:
            size = photo_size(photo) if there else _decoded(content["imageData"], "imageData", _upright_size)
        except DataError as error:
            return self.fault(path, Fault(name, "unreadable", _reason(error, photo)))
        fault = _size_fault(name, content, size)
        if fault:
            return self.fault(path, fault)
        objects = self._objects(path, name, size, content["shapes"], listed)
        self.add_photo(FORMAT, name, photo, name, *size, objects=objects, embedded=not there)

    def _objects(self, path, photo, size, shapes, listed):
        """list of (number, class name, run lengths) of a photo's objects that can be used; faults of others are noted.

        An object has the number of its first shape in the file.
        """
        groups = {}
        for number, shape in enumerate(shapes):
            try:
                label, group = _label(shape), _group(shape)
                if label.startswith(LEFT_OUT):
                    continue
                if listed is not None and label not in listed:
                    raise RegionError("unknown class", f"its label {label!r} is not in the file of class names")
                groups.setdefault((label, number if group is None else None, group), []).append(number)
            except RegionError as error:
                self.fault(path, Fault(photo, error.kind, str(error), number))
        objects = []
        for (label, _, _), numbers in groups.items():
            rles = []
            for number in numbers:
                try:
                    rles.append(_shape_rle(shapes[number], size))
                except RegionError as error:
                    where = "" if number == numbers[0] else f"shape {number} of its group: "
                    self.fault(path, Fault(photo, error.kind, where + str(error), numbers[0]))
                    break
            else:
                objects.append((numbers[0], label, rles[0] if len(rles) == 1 else run_lengths.merge(rles)))
        return objects

    def load_image(self, image_id):
        """A photo as uint8 [H, W, 3] RGB. Raises DataError naming the file if it cannot be read."""
        info = self.image_info[image_id]
        if not info.get("embedded"):
            return super().load_image(image_id)
        try:
            return _decoded(_read(info["path"]).get("imageData"), "imageData", _upright_pixels)
        except DataError as error:
            raise DataError(f"{info['path']}: {_reason(error, info['path'])}: put the photo beside it.") from error

    def read_objects(self, image_id):
        """Yield the ObjectAnnotation of each object that loading found nothing wrong with."""
        for number, class_name, rle in self.image_info[image_id]["objects"]:
            yield ObjectAnnotation(number, self.map_source_class_id(f"{FORMAT}.{class_name}"), rle)


# --- Shapes ----------------------------------------------------------------------------------------------------------


def _labels(shapes):
    """Set of the labels that name classes: those of shapes that have an area."""
    labels = set()
    for shape in shapes:
        if isinstance(shape, dict) and _kind(shape) in AREAS and isinstance(shape.get("label"), str):
            labels.add(shape["label"].strip())
    return {label for label in labels if label and not label.startswith(LEFT_OUT)}


def _label(shape):
    label = shape.get("label") if isinstance(shape, dict) else None
    if not isinstance(label, str):
        raise RegionError("bad entry", "it has no label that is a text")
    if not label.strip():
        raise RegionError("unknown class", "its label is empty")
    return label.strip()


def _group(shape):
    group = shape.get("group_id")
    if not isinstance(group, (int, str, type(None))):
        raise RegionError("bad entry", f"its group_id {str(group)[:40]!r} is no whole number")
    return group


def _kind(shape):
    return shape.get("shape_type") or "polygon"  # as LabelMe takes a shape without


def _shape_rle(shape, size):
    """Compressed run lengths of a shape. size: (H, W) of the photo. Raises RegionError if it has none in the photo."""
    kind = _kind(shape)
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
        pixels = _decoded(shape.get("mask"), "mask", fitting, ("PNG",))
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


def _decoded(text, what, use, formats=PHOTO_FORMATS):
    """What a function makes of the Pillow image in a base64 text. what: the text's name; formats: Pillow's, allowed.

    Raises DataError with the reason if it is none, or has more pixels than Pillow decodes.
    """
    from PIL import Image

    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (AttributeError, ValueError) as error:
        raise DataError(f"its {what} is no base64 text") from error
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            return use(image)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"its {what} has too many pixels: shrink it, or raise PIL.Image.MAX_IMAGE_PIXELS") from error
    except Exception as error:  # decoders raise whatever they like on broken data
        reason = "unknown format" if isinstance(error, Image.UnidentifiedImageError) else str(error) or repr(error)
        raise DataError(f"its {what} is no readable image ({reason})") from error


def _upright_size(image):
    """(height, width) of a Pillow image once its EXIF orientation is applied."""
    turned = image.getexif().get(EXIF_ORIENTATION, 1) in TURNED
    return image.size if turned else image.size[::-1]


def _upright_pixels(image):
    from PIL import ImageOps

    return to_rgb(ImageOps.exif_transpose(image), "its imageData")


def _size_fault(photo, content, size):
    """A Fault if the size of a photo is not the one that its file gives. size: (H, W) of the photo, upright."""
    given = content.get("imageHeight"), content.get("imageWidth")
    if given in ((None, None), size):
        return None
    message = f"the photo is {_sides(size)} pixels (height x width, upright), annotated as {_sides(given)}"
    if given == size[::-1]:
        message += ", as if its EXIF orientation were another: save it upright"
    return Fault(photo, "wrong size", message)


def _sides(size):
    return f"{size[0]}x{size[1]}"


# --- Files -----------------------------------------------------------------------------------------------------------


def _json_files(path):
    """Paths of the JSON files in a folder, sorted; a file stands for itself."""
    if os.path.isfile(path):
        return [os.fspath(path)] if os.fspath(path).lower().endswith(".json") else []
    try:
        names = sorted(entry.name for entry in os.scandir(path) if entry.is_file())
    except OSError as error:
        raise DataError(f"{path}: no such folder: give the folder of the LabelMe files.") from error
    return [os.path.join(path, name) for name in names if name.lower().endswith(".json") and not name.startswith(".")]


def _photo_file(folder, image_path):
    """(name in a PhotoFolder of the photo that a file names; whether it is there). Raises DataError if it has none."""
    name = image_path.replace("\\", "/")
    try:
        return name, folder.find(name) is not None
    except DataError:  # it leads out, as LabelMe writes where photos have a folder of their own
        last = name.split("/")[-1]
        return last, folder.find(last) is not None


def _is_labelme(path):
    with open(path, "rb") as file:
        text = file.read()
    return b'"shapes"' in text and b'"imagePath"' in text


def _read(path):
    """Content of a file, checked to have a list of shapes and the path of a photo. Raises DataError naming the file."""
    content = read_json(path, "LabelMe file")
    for key, kind in (("shapes", list), ("imagePath", str)):
        value = content.get(key) if isinstance(content, dict) else None
        if not isinstance(value, kind) or (key == "imagePath" and not value):
            raise DataError(f"{path}: no LabelMe file, for it has no {key}: drop it or save it anew.")
    return content


def _reason(error, path):
    """Text of an error without the path, which is said anyway, and the full stop."""
    return str(error).removeprefix(f"{path}: ").rstrip(".")
