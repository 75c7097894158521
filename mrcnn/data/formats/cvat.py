"""CVAT for images 1.1: an XML file, `annotations.xml`, with the photos in `images/` beside it or elsewhere.

Polygons, boxes, ellipses and masks of one label and one group are one object, as in CVAT's own COCO export; a box among
them only bounds them. Labels that a group has beside that are objects of their own. Points, lines and skeletons enclose
nothing: a label that has nothing else is no class.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.faults import AT_FAULT, Loss
from mrcnn.data.formats.boxes import Rectangles
from mrcnn.data.formats.coco_entries import annotated_size
from mrcnn.data.formats.cvat_file import AREA_TYPES, AREAS, CvatFile, CvatPhoto
from mrcnn.data.formats.cvat_shapes import checked_outline, outline_rle, reach_of
from mrcnn.data.formats.photo_files import photo_header
from mrcnn.data.formats.upright import Annotated, settled_turns, stored_size, turned_segmentation
from mrcnn.data.formats.via import RegionError
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.data.reporting import Reporting
from mrcnn.errors import DataError
from mrcnn.text_files import as_utf8, utf8_blocks

FORMAT = "cvat"
FILE = "annotations.xml"  # of an export that was unpacked
HEAD = 1 << 16  # bytes of a file by which it is recognised
ELEMENT = re.compile(r"<([A-Za-z_][\w.-]*)")
SUBSET = re.compile(rb'<image\s[^<>]*?\ssubset="([^"<>]{0,200})"')
BLOCK, LONGEST_IMAGE = 1 << 20, 1 << 12  # bytes read at once, and of the element of a photo
PARTS = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
ORDER = ("train", "val", "test")
MOST_VALUES = 100  # that an attribute may have; one with more is text, not a choice


def recognises(path: str | os.PathLike) -> bool:
    """Whether a file is CVAT's XML, for images or video, or a folder has it as annotations.xml."""
    if os.path.isdir(path):
        return os.path.isfile(os.path.join(path, FILE)) and recognises(os.path.join(path, FILE))
    try:
        with open(path, "rb") as file:
            head = as_utf8(file.read(HEAD)).decode("utf-8", "ignore").lstrip()
    except OSError:
        return False
    first = ELEMENT.search(head)
    return head.startswith("<") and first is not None and first[1] == "annotations"


class CvatDataset(AnnotatedDataset):
    """An XML file of CVAT and its folder of photos. Classes are numbered in the order in which the file lists labels.

    What the form has beside is in `image_info`: "subset", and "tags" of a whole photo. Where a project has several
    subsets, they are the parts of the data set: Train is "train", Validation "val", Test "test".
    """

    @staticmethod
    def parts(annotations: str | os.PathLike) -> tuple[str, ...]:
        """Names of the subsets of a project, such as ("train", "val"); () if all photos are of one."""
        found, rest = set(), b""
        for block in utf8_blocks(_xml_file(annotations), BLOCK):
            text = rest + block
            found |= {_part_of(subset.decode("utf-8", "replace")) for subset in SUBSET.findall(text)}
            rest = text[-LONGEST_IMAGE:]
        listed = [part for part in ORDER if part in found] + sorted(found - {*ORDER, ""})
        return tuple(listed) if len(listed) > 1 else ()

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, boxes_as_masks: bool | None = None,
             split: str | None = None, **others: object) -> "CvatDataset":
        """Register the photos of a file, those without shapes too, all shapes checked.

        Args:
            annotations: path of the XML file, or of the folder that has it as annotations.xml.
            images: folder of the photos, whose names may be as in the file, or below `images` or the subset's folder;
                None: the folder of the file.
            limit: take the first so many photos.
            on_error: "raise" at a bad sample or "skip" it (see `faults`).
            boxes_as_masks: whether boxes are masks where there is nothing else (see `boxes`).
            split: one of `parts`; None takes all photos.

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and what is wrong.
        """
        self.refuse(annotations, names=names, mapping=mapping, **others)
        self.start_loading(on_error)
        path = _xml_file(annotations)
        content = CvatFile(path)
        photos = [photo for photo in content.photos if split in (None, _part_of(photo.subset))]
        if not photos and content.photos:
            has = ", ".join(sorted({photo.subset or "none" for photo in content.photos}))
            raise DataError(f"{path}: no photo is of the subset {split!r} (--split): it has {has}.")
        classes = self._classes(content)
        for name in classes:
            self.add_class(FORMAT, name, name)
        folder, rectangles = PhotoFolder(images or os.path.dirname(path) or "."), Rectangles(self)
        attributes = Attributes(content.photos, self)
        self.attribute_names = attributes.names
        for photo, seen, turn in self._seen(path, self._found(path, photos[:limit], folder), folder):
            self._add(path, photo, seen, turn, folder.join(seen.name), set(classes), attributes, rectangles)
        rectangles.settle(path, boxes_as_masks)
        self.finish_loading(path)
        return self

    # --- Classes -----------------------------------------------------------------------------------------------------
    def _classes(self, content):
        """list of the labels that are classes: the listed ones without those that enclose nothing anywhere."""
        shapes = [shape for photo in content.photos for shape in photo.shapes]
        enclosing = {shape.label for shape in shapes if shape.kind in AREAS and shape.label}
        others = {shape.label for shape in shapes} | {tag for photo in content.photos for tag in photo.tags}
        if not content.labels:
            return sorted(enclosing)
        classes = []
        for name, kind in content.labels.items():
            if name in enclosing or (name not in others and kind in AREA_TYPES):
                classes.append(name)
            else:
                self.note("label", "of points, lines, skeletons or tags, which enclose nothing: no class", name)
        return classes

    # --- Photos ------------------------------------------------------------------------------------------------------
    def _found(self, path, photos, folder):
        """list of (CvatPhoto, name of its file); what is wrong with the others is noted."""
        files = {}
        for place, photo in enumerate(photos):
            try:
                files[place] = _file_of(photo, folder)
            except DataError as error:
                self.fault(path, Fault(photo.name or f"image {photo.id}", "path escape", str(error).rstrip(".")))
        lacking = [photos[place].name for place, name in files.items() if name is None]
        alike = self.find_alike(folder, lacking, set(files.values()))
        files = {place: name or alike.get(photos[place].name) for place, name in files.items()}
        self.missing_photos(path, folder.path, [photos[place].name for place, name in files.items() if name is None],
                            len(photos))
        found, taken = [], {}
        for place, name in files.items():
            if name in taken:
                # Under the photo's own name the fault would stand for the first entry, which is sound.
                message = f"the photo {name} is listed twice, here a second time"
                self.fault(path, Fault(f"image {photos[place].id}", "duplicate id", message))
                kept = set(map(repr, taken[name].shapes))  # outlines may be arrays, which == does not compare
                more = sum(repr(shape) not in kept for shape in photos[place].shapes)
                self.lost += [Loss(name, AT_FAULT, more)] if more else []
            elif name is not None:
                taken[name] = photos[place]
                found.append((photos[place], name))
        return found

    def _seen(self, path, found, folder):
        """list of (CvatPhoto, Annotated, EXIF orientation by which it is turned) of those that can be used."""
        seen = {}
        for photo, name in found:
            try:
                size, _ = annotated_size(photo.size)
                header = photo_header(folder.join(name))
            except ValueError as error:  # of the file's entry, or of the photo
                kind = "unreadable" if isinstance(error, DataError) else "bad entry"
                self.fault(path, Fault(name, kind, str(error).rstrip(".")))
                continue
            outlines = [shape.outline for shape in photo.shapes if shape.outline]
            seen[name] = photo, Annotated(name, size, *header, reach_of(outlines), bool(outlines))
        turns, wrong = settled_turns({name: entry for name, (_, entry) in seen.items()}, self)
        for name, message in wrong.items():
            self.fault(path, Fault(name, "wrong size", message))
        return [(*seen[name], turn) for name, turn in turns.items()]

    def _add(self, path, photo, seen, turn, file, classes, attributes, rectangles):
        """Register one photo. turn: EXIF orientation by which it is turned"""
        name, upright = seen.name, seen.upright
        outlines = self._outlines(path, name, photo, classes, stored_size(upright, turn))
        objects = [(numbers[0], photo.shapes[numbers[0]].label, [outlines[number] for number in numbers],
                    attributes.ids(photo, numbers)) for numbers in self._grouped(name, photo, outlines)]
        for number, _, _, _ in objects:
            rectangles.add(photo.shapes[number].kind == "box", name)
        if len({photo.shapes[number].z_order for number in outlines}) > 1:
            self.note("photo", "whose shapes have several z_order: what lies below another stays whole", name)
        for number in outlines:
            if photo.shapes[number].occluded:
                self.note("shape", "that is marked as occluded: the mark is left out", name)
        for tag in photo.tags:
            self.note("tag", "of a whole photo: kept in image_info, of no use to masks", f"{name}, {tag}")
        self.add_photo(FORMAT, name, file, name, *upright, objects=objects, turn=turn, subset=photo.subset,
                       split=_part_of(photo.subset) or None, tags=photo.tags)

    # --- Objects -----------------------------------------------------------------------------------------------------
    def _outlines(self, path, name, photo, classes, size):
        """{number of a shape: its checked outline}; what is wrong with the others is noted."""
        outlines = {}
        enclosing = {(shape.label, shape.group) for shape in photo.shapes if shape.group and shape.kind in AREAS}
        for number, shape in enumerate(photo.shapes):
            try:
                if shape.kind not in AREAS and not shape.error:
                    if shape.label in classes and (shape.label, shape.group) not in enclosing:
                        message = f"its shape is a {shape.kind}, which encloses nothing: draw a polygon or a mask"
                        raise RegionError("bad entry", message)
                    self.note("shape", "of points, lines or skeletons: left out", f"{name}, {shape.kind} {shape.label}")
                    continue
                if shape.label not in classes:
                    raise RegionError("unknown class", f"its label {shape.label!r} is none that <meta> lists")
                if shape.error:
                    raise shape.error
                outlines[number] = checked_outline(shape.outline, size)
            except RegionError as error:
                self.fault(path, Fault(name, error.kind, str(error), number))
        return outlines

    def _grouped(self, name, photo, outlines):
        """list of lists of the numbers of shapes that are one object."""
        groups, of_group = {}, Counter()
        for number in outlines:
            shape = photo.shapes[number]
            key = (shape.label, shape.group) if shape.group else number
            groups.setdefault(key, []).append(number)
        joined = []
        for numbers in groups.values():
            drawn = [number for number in numbers if photo.shapes[number].kind != "box"]
            if drawn and len(drawn) < len(numbers):
                how = "of a group that has outlines of its label: left out, as it only bounds them"
                self.note("box", how, name, len(numbers) - len(drawn))
            joined.append(drawn or numbers)
            if len(joined[-1]) > 1:
                how = "joined of the shapes of one group and label (group_id), as CVAT's own COCO export does"
                self.note("object", how, f"{name}, {photo.shapes[numbers[0]].label}")
            of_group.update({photo.shapes[numbers[0]].group} - {0})
        for group, labels in of_group.items():
            if labels > 1:
                self.note("group", "with several labels: each label is an object of its own", f"{name}, group {group}")
        return joined

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield the ObjectAnnotation of each object that loading found nothing wrong with."""
        info = self.image_info[image_id]
        size = info["height"], info["width"]
        stored = stored_size(size, info["turn"])
        for number, label, outlines, attributes in info["objects"]:
            rles = [outline_rle(outline, stored) for outline in outlines]
            rle = rles[0] if len(rles) == 1 else run_lengths.merge(rles)
            rle = rle if info["turn"] == 1 else turned_segmentation(rle, info["turn"], stored)
            yield ObjectAnnotation(number, self.map_source_class_id(f"{FORMAT}.{label}"), rle, attributes=attributes)

    def object_classes(self, image_id: int) -> np.ndarray:
        """int32 [N]: class ids of the objects of a photo; nothing is drawn."""
        info = self.image_info[image_id]
        dropped = info.get("dropped", ())
        class_ids = np.array([self.map_source_class_id(f"{FORMAT}.{label}") for number, label, _, _ in info["objects"]
                              if number not in dropped], np.int32)
        return class_ids[class_ids != 0]  # without classes that `choose_classes` left out


class Attributes:
    """The attributes of shapes as numbers: a box that is ticked is its name, a choice is "name: value".

    Args:
        photos: list of CvatPhoto
        report: the AnnotatedDataset that loads them, which is told of texts that are no choice

    Attributes:
        names: {id: name}
    """

    def __init__(self, photos: list[CvatPhoto], report: Reporting) -> None:
        values, first = {}, {}
        for photo in photos:
            for shape in photo.shapes:
                for name, value in shape.attributes if shape.kind in AREAS else ():
                    first.setdefault(name, photo.name)
                    values.setdefault(name, set()).add(value)
        for name in [name for name, some in values.items() if len(some) > MOST_VALUES]:
            how = f"with more than {MOST_VALUES} values, as texts and numbers have: not kept"
            report.note("attribute", how, f"{name}, {first[name]}")
            del values[name]
        words = {_word(name, value) for name, some in values.items() for value in some} - {None}
        self._known = set(values)
        self._ids = {word: number for number, word in enumerate(sorted(words), 1)}
        self.names = {number: word for word, number in self._ids.items()}

    def ids(self, photo: CvatPhoto, numbers: list[int]) -> tuple[int, ...]:
        """Sorted tuple of the ids of the attributes of some of a photo's shapes. numbers: of the shapes."""
        words = {_word(*pair) for n in numbers for pair in photo.shapes[n].attributes if pair[0] in self._known}
        return tuple(sorted(self._ids[word] for word in words - {None}))


def _word(name, value):
    """What an attribute is called; None for a box that is not ticked, and for no value."""
    if not value or value.lower() == "false":
        return None
    return name if value.lower() == "true" else f"{name}: {value}"


def _xml_file(path):
    return os.path.join(path, FILE) if os.path.isdir(path) else os.fspath(path)


def _part_of(subset):
    """The part that a subset is called elsewhere: Validation is val."""
    name = subset.strip()
    return PARTS.get(name.lower(), name.lower() if name.lower() in ORDER else name)


def _file_of(photo, folder):
    """Name of a photo's file in a PhotoFolder, as CVAT's exports lay it; None: there is none. Raises DataError."""
    places = ["", "images/"] + ([f"{photo.subset}/", f"images/{photo.subset}/"] if photo.subset else [])
    return next(filter(None, (folder.find(place + photo.name) for place in places)), None)
