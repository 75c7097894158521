"""LabelMe, versions 2 to 6: a JSON file for each photo, in a folder; the file may hold the photo itself.

Polygons, rectangles, circles and masks of one label and one group_id are one object, those without group_id an object
each. Points and lines enclose nothing and are faults. Labels that begin with one of LEFT_OUT are LabelMe's own words
for what is no object, and are left out. Flags that are ticked are attributes of their object.
"""

import contextlib
import itertools
import os
import posixpath
from collections.abc import Iterator

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.formats import labelme_shapes
from mrcnn.data.formats.boxes import Rectangles
from mrcnn.data.formats.coco_entries import annotated_size
from mrcnn.data.formats.json_head import json_paths
from mrcnn.data.formats.labelme_shapes import LEFT_OUT, RECTANGLES, upright_pixels
from mrcnn.data.formats.names_files import read_names
from mrcnn.data.formats.photo_files import photo_header
from mrcnn.data.formats.upright import Annotated, settled_turns, stored_size, turned_segmentation
from mrcnn.data.formats.via import RegionError
from mrcnn.data.images import leads_out
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError
from mrcnn.files import read_json
from mrcnn.text_files import as_utf8

FORMAT = "labelme"
LOOKED_AT = 200  # files of a folder and of those in it by which it is recognised


def recognises(path: str | os.PathLike) -> bool:
    """Whether a folder has LabelMe's files, or a file is one, by two names that each of them has.

    A folder that has none of its own has them in two folders or more: of one, that is the folder to give.
    """
    try:
        own, places = os.path.abspath(path), set()
        for file in itertools.islice(json_paths(path), LOOKED_AT):
            place = os.path.dirname(os.path.abspath(file))
            if _is_labelme(file):
                places.add(place)
                if len(places) > 1 or place == own or not os.path.isdir(path):
                    return True
    except (OSError, TypeError):
        pass
    return False


class LabelmeDataset(AnnotatedDataset):
    """A folder of LabelMe's files and their photos. Classes are numbered in the order of their names."""

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, boxes_as_masks: bool | None = None,
             **others: object) -> "LabelmeDataset":
        """Register the photos of a folder, those without shapes too, all shapes checked.

        A photo that is not there is taken from the file if that holds it, each time that it is asked for.

        Args:
            annotations: folder of the JSON files, or one such file.
            images: folder of the photos; None: where each file says, if that is in the folder of the JSON files, else
                by name in that folder.
            limit: take the first so many files.
            on_error: "raise" at a bad sample or "skip" it (see `faults`).
            names: path of a file of class names (see `names_files.read_names`), such as LabelMe's labels.txt, which
                sets the classes and their order; None: the labels of all files.
            boxes_as_masks: whether rectangles are masks where there is nothing else (see `boxes`).

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and what is wrong.
        """
        self.refuse(annotations, mapping=mapping, **others)
        self.start_loading(on_error)
        files = _json_files(annotations)
        root = os.path.commonpath([os.path.dirname(os.path.abspath(file)) for file in files or [annotations]])
        folder = PhotoFolder(images or root)
        listed = None if names is None else [n for n in read_names(names).values() if not n.startswith(LEFT_OUT)]
        missing, labels_seen, found, rectangles = [], set(), {}, Rectangles(self)
        for number, path in enumerate(files if listed is None else files[:limit]):
            wanted = limit is None or number < limit  # the others are read for their labels alone
            try:
                content = _read(path)
            except DataError as error:
                if wanted:
                    self.fault(path, Fault(os.path.basename(path), "bad entry", _reason(error, path)))
                continue
            labels_seen.update(labelme_shapes.labels(content["shapes"]))
            if wanted:
                below = os.path.relpath(os.path.dirname(os.path.abspath(path)), root).replace(os.sep, "/")
                self._find(path, content, folder, listed, found, missing, "" if below == "." else below)
        self._add_photos(found, folder, listed, rectangles)
        self.missing_photos(annotations, folder.path, missing, len(files[:limit]))
        for name in sorted(labels_seen) if listed is None else listed:
            self.add_class(FORMAT, name, name)
        flags = sorted({flag for info in self.image_info for entry in info["objects"] for flag in entry[3]})
        self.attribute_names = dict(enumerate(flags, 1))
        rectangles.settle(annotations, boxes_as_masks)
        self.finish_loading(annotations)
        return self

    def _find(self, path, content, folder, listed, found, missing, below):
        """Find one photo, or what is wrong with it.

        Shapes of a photo that EXIF turns wait for those of all others; of any other, memory holds run lengths alone.

        Args:
            found: {name of a photo: (path, Annotated, whether it is embedded, shapes or None, objects or None)}, which
                grows
            missing: list of names of photos that are not there, which grows
            below: folder of the file, as for `_photo_file`
        """
        try:
            name, there = _photo_file(folder, path, content, below)
        except DataError as error:
            return self.fault(path, Fault(os.path.basename(path), "path escape", _reason(error, path)))
        if not there and not content.get("imageData"):
            alike = self.find_alike(folder, [name], found)
            name, there = alike.get(name, name), bool(alike)
        if not there and not content.get("imageData"):
            return missing.append(name)
        if not there and below and not name.startswith(f"{below}/"):  # cameras give their photos the same names
            name = f"{below}/{name}"
        try:
            name, embedded, header = self._header(path, content, folder, name, there)
        except DataError as error:
            return self.fault(path, Fault(name, "unreadable", _reason(error, folder.join(name) if there else path)))
        if name in found:
            message = f"the photo {name} is that of another file too"
            self.fault(path, Fault(os.path.basename(path), "duplicate id", message))
            return self.lost_beyond(name, *(map(_drawn, one["shapes"]) for one in (content, _read(found[name][0]))))
        if isinstance(content.get("flags"), dict) and any(content["flags"].values()):
            self.note("photo", "with flags of the photo as a whole: these are left out", name)
        shapes = content["shapes"]
        found[name] = path, None, embedded, None, None  # another file of this name is at fault, whatever this one is
        try:
            size, _ = annotated_size({"height": content.get("imageHeight"), "width": content.get("imageWidth")})
        except ValueError as error:
            return self.fault(path, Fault(name, "wrong size", str(error)))
        seen = Annotated(name, size, *header, labelme_shapes.reach_of(shapes), bool(shapes))
        waits = header[1] != 1 or size not in (None, header[0])
        objects = None if waits else self._objects(path, name, header[0], 1, shapes, listed)
        found[name] = path, seen, embedded, shapes if waits else None, objects

    def _add_photos(self, found, folder, listed, rectangles):
        """Register the photos that `_find` found."""
        seen = {name: entry[1] for name, entry in found.items() if entry[1] is not None}
        turns, wrong = settled_turns(seen, self)
        for name, message in wrong.items():
            self.fault(found[name][0], Fault(name, "wrong size", message))
        for name, turn in turns.items():
            path, (_, _, size, *_), embedded, shapes, objects = found[name]
            if objects is None:
                objects = self._objects(path, name, size, turn, shapes, listed)
            for *_, is_rectangle in objects:
                rectangles.add(is_rectangle, name)
            objects = [entry[:-1] for entry in objects]
            photo = path if embedded else folder.join(name)
            self.add_photo(FORMAT, name, photo, name, *size, objects=objects, embedded=embedded)

    def _header(self, path, content, folder, name, there):
        """(name of a photo, whether it is taken from the file, ((H, W) upright, EXIF orientation)).

        Where the named file is no picture, as when it is the JSON file itself, the picture in the file is taken.
        """
        try:
            if there:
                return name, False, photo_header(folder.join(name))
        except DataError:
            if not content.get("imageData"):
                raise
            self.note("photo", "named by a file that is no picture: taken from imageData", name)
        header, form = labelme_shapes.decoded(content["imageData"], "imageData", labelme_shapes.header)
        if os.path.splitext(name)[1].lower() == ".json":  # the photo goes by this name in splits and other formats
            name = f"{os.path.splitext(name)[0]}.{'jpg' if form == 'JPEG' else form.lower()}"
        return name, True, header

    def _objects(self, path, photo, size, turn, shapes, listed):
        """list of (number, class name, run lengths, flags, whether a rectangle) of the objects; others are faults.

        An object has the number of its first shape in the file. turn: EXIF orientation by which shapes are turned
        """
        groups, stored = {}, stored_size(size, turn)
        for number, shape in enumerate(shapes):
            try:
                label, group = labelme_shapes.label_of(shape), labelme_shapes.group_of(shape)
                if label.startswith(LEFT_OUT):
                    continue
                if listed is not None and label not in listed:
                    raise RegionError("unknown class", f"its label {label!r} is not in the file of class names")
                groups.setdefault((label, number if group is None else None, group), []).append(number)
                self._note_left_out(shape, photo)
            except RegionError as error:
                self.fault(path, Fault(photo, error.kind, str(error), number))
        objects = []
        for (label, _, _), numbers in groups.items():
            rles = []
            for number in numbers:
                try:
                    rles.append(labelme_shapes.outline_rle(shapes[number], stored))
                except RegionError as error:
                    where = "" if number == numbers[0] else f"shape {number} of its group: "
                    self.fault(path, Fault(photo, error.kind, where + str(error), numbers[0]))
                    break
            else:
                if len(numbers) > 1:
                    how = "joined of the shapes of one label and group_id: separate things need group_ids of their own"
                    self.note("object", how, f"{photo}, {label}")
                rle = rles[0] if len(rles) == 1 else run_lengths.merge(rles)
                rle = rle if turn == 1 else turned_segmentation(rle, turn, stored)
                flags = {flag for number in numbers for flag in labelme_shapes.flags_of(shapes[number])}
                is_rectangle = labelme_shapes.kind_of(shapes[numbers[0]]) in RECTANGLES
                objects.append((numbers[0], label, rle, tuple(sorted(flags)), is_rectangle))
        return objects

    def _note_left_out(self, shape, photo):
        """Note what a shape says beyond its outline, label and flags; X-AnyLabeling writes more than LabelMe."""
        if shape.get("description"):
            self.note("shape", "with a description: this is left out", photo)
        for key in labelme_shapes.attributes_of(shape):
            how = f"with the attribute {key[:40]!r} in words: left out (as a flag of LabelMe it would be an attribute)"
            self.note("shape", how, photo)
        if shape.get("difficult"):
            self.note("shape", "marked as difficult: taken like any other", photo)

    def load_image(self, image_id: int) -> np.ndarray:
        """A photo as uint8 [H, W, 3] RGB.

        Raises:
            DataError: naming the file if it cannot be read.
        """
        info = self.image_info[image_id]
        if not info.get("embedded"):
            return super().load_image(image_id)
        try:
            text = _read(info["path"]).get("imageData")
            return labelme_shapes.decoded(text, "imageData", lambda image: upright_pixels(image, self.matte))
        except DataError as error:
            raise DataError(f"{info['path']}: {_reason(error, info['path'])}: put the photo beside it.") from error

    def photo_bytes(self, image_id: int) -> bytes | None:
        """bytes of the file of a photo that only the annotations hold, as it is there; None for any other photo."""
        info = self.image_info[image_id]
        return labelme_shapes.raw_bytes(_read(info["path"])["imageData"], "imageData") if info["embedded"] else None

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield the ObjectAnnotation of each object that loading found nothing wrong with."""
        ids = {name: i for i, name in self.attribute_names.items()}
        for number, class_name, rle, flags in self.image_info[image_id]["objects"]:
            class_id = self.map_source_class_id(f"{FORMAT}.{class_name}")
            yield ObjectAnnotation(number, class_id, rle, attributes=tuple(ids[flag] for flag in flags))


# --- Files -----------------------------------------------------------------------------------------------------------


def _json_files(path):
    """Paths of the JSON files in a folder, sorted, and of LabelMe's in the folders in it; a file stands for itself."""
    if not os.path.exists(path):
        raise DataError(f"{path}: no such folder: give the folder of the LabelMe files.")
    files = [file for file in json_paths(path) if file.lower().endswith(".json")]
    own = os.path.abspath(path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path)))
    # What is not LabelMe's is a fault beside its files; deeper it may belong to another program.
    return [file for file in files if os.path.dirname(os.path.abspath(file)) == own or _is_labelme(file)]


def _photo_file(folder, path, content, below):
    """(name in a PhotoFolder of the photo that a file names; whether it is there). Raises DataError if it has none.

    below: folder of the file, from that of all files on; "" for that itself
    """
    if not content.get("imagePath"):  # the photo is in the file, and goes by its name
        return "/".join(filter(None, (below, os.path.basename(path)))), False
    name = content["imagePath"].replace("\\", "/")
    with contextlib.suppress(DataError):
        found = (folder.find(posixpath.normpath(f"{below}/{name}")) if below else None) or folder.find(name)
        if found is not None or not leads_out(name):
            return found or name, found is not None
    # It leads out, as LabelMe writes where photos have a folder of their own.
    within = os.path.relpath(os.path.join(os.path.dirname(path), name), folder.path).replace(os.sep, "/")
    if not within.startswith("../") and not os.path.isabs(within) and ":" not in name and folder.find(within):
        return within, True
    last = name.split("/")[-1]
    return last, folder.find(last) is not None


def _is_labelme(path):
    with open(path, "rb") as file:
        text = as_utf8(file.read())
    return b'"shapes"' in text and (b'"imagePath"' in text or b'"imageData"' in text)


def _drawn(shape):
    """What two shapes of one object have in common."""
    return (shape.get("label"), shape.get("points"), shape.get("mask")) if isinstance(shape, dict) else shape


def _read(path):
    """Content of a file, checked to have a list of shapes and a photo. Raises DataError naming the file."""
    content = read_json(path, "LabelMe file")
    content = content if isinstance(content, dict) else {}
    named = content.get("imagePath")
    if not isinstance(content.get("shapes"), list):
        raise DataError(f"{path}: no LabelMe file, for it has no shapes: drop it or save it anew.")
    held = named in (None, "") and isinstance(content.get("imageData"), str)
    if not (isinstance(named, str) and named) and not held:
        raise DataError(f"{path}: no LabelMe file, for it has no imagePath and no imageData: drop it or save it.")
    return content


def _reason(error, path):
    """Text of an error without the path, which is said anyway, and the full stop."""
    return str(error).removeprefix(f"{path}: ").rstrip(".")
