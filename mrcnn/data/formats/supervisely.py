"""Supervisely: a project of data sets, each with a folder `img` of photos and a folder `ann` of their annotations.

    meta.json                       classes and tags of the project
    DATASET/img/photo.jpg           DATASET/ann/photo.jpg.json
    DATASET/datasets/NESTED/...     data sets in a data set

Tags of an object are its attributes.
"""

import math
import os
from collections.abc import Iterator

from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.formats.boxes import Rectangles
from mrcnn.data.formats.coco_entries import annotated_size
from mrcnn.data.formats.json_head import keys_by_depth, read_head
from mrcnn.data.formats.names_files import read_names
from mrcnn.data.formats.photo_files import photo_header
from mrcnn.data.formats.supervisely_shapes import AREAS, NO_AREAS, kind_of, reach_of, rle_of
from mrcnn.data.formats.upright import Annotated, settled_turns, stored_size, turned_segmentation
from mrcnn.data.formats.via import RegionError
from mrcnn.data.photo_folder import PhotoFolder, folders_below
from mrcnn.errors import DataError
from mrcnn.files import read_json

FORMAT = "supervisely"
ANNOTATIONS, PHOTOS, NESTED, META = "ann", "img", "datasets", "meta.json"
LOOKED_AT = 2  # folders in folders by which files are recognised; data sets in data sets are looked at all the way


def recognises(path: str | os.PathLike) -> bool:
    """Whether a file, a folder of such files, a data set or a project is Supervisely's, by the first file of it."""
    try:
        file = next(_annotation_files(path, LOOKED_AT), None)
        return file is not None and {"size", "objects"} <= keys_by_depth(read_head(file), 1)[1]
    except (OSError, TypeError, ValueError):
        return False


class SuperviselyDataset(AnnotatedDataset):
    """A project, a data set of it, or a folder of annotations. Classes come in the order of the project's meta.json."""

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, boxes_as_masks: bool | None = None,
             **others: object) -> "SuperviselyDataset":
        """Register the photos of a project, those without objects too, all objects checked.

        Args:
            annotations: folder of the project, of a data set or of the annotations, or one file of these
            images: folder of the photos; None: the folders `img` beside those of the annotations
            limit: take the first so many photos
            on_error: "raise" at a bad sample or "skip" it (see `faults`)
            names: path of a file of class names (see `names_files.read_names`), which sets the classes and their
                order; None: those of meta.json, and after them others that objects have
            boxes_as_masks: whether rectangles are masks where there is nothing else (see `boxes`)

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and what is wrong.
        """
        self.refuse(annotations, mapping=mapping, **others)
        self.start_loading(on_error)
        root = _root_of(annotations)
        folder, contents = PhotoFolder(images or root, self.note), []
        for path in _annotation_files(annotations):
            try:
                contents.append((path, _read(path)))
            except DataError as error:
                name = os.path.relpath(path, root)
                self.fault(annotations, Fault(name, "bad entry", str(error).removeprefix(f"{path}: ").rstrip(".")))
        objects = [entry for _, content in contents for entry in content["objects"] if isinstance(entry, dict)]
        classes = list(read_names(names).values()) if names is not None else self._classes(annotations, contents)
        for name in classes:
            self.add_class(FORMAT, name, name)
        self.attribute_names.update(enumerate(sorted({tag for entry in objects for tag in _tags(entry)}), 1))
        rectangles = Rectangles(self)
        for content, seen, turn in self._turned(annotations, self._photos(annotations, contents[:limit], folder, root)):
            name, size = seen.name, seen.upright
            known = self._objects(annotations, name, size, turn, content["objects"], classes)
            for number, _, _, _ in known:
                rectangles.add(kind_of(content["objects"][number]) == "rectangle", name)
            if content.get("tags"):
                self.note("photo", "with tags of the photo as a whole: these are left out", name)
            self.add_photo(FORMAT, name, folder.join(name), name, *size, objects=known)
        rectangles.settle(annotations, boxes_as_masks)
        self.finish_loading(annotations)
        return self

    def _classes(self, annotations, contents):
        """Names of the classes: those that meta.json lists for areas, and others that objects have, sorted."""
        entries = (entry for _, content in contents for entry in content["objects"] if isinstance(entry, dict))
        titles = {entry["classTitle"].strip() for entry in entries
                  if kind_of(entry) in AREAS and _is_name(entry.get("classTitle"))}
        listed = _listed_classes(annotations, [path for path, _ in contents])
        known = [name for name, shape in (listed or {}).items() if shape not in NO_AREAS or name in titles]
        others = sorted(titles - set(known))
        if others:
            where = "meta.json does not list" if listed is not None else "no meta.json lists, in the folder or above it"
            after = "after those that it does" if listed is not None else "and no others"
            remedy = "give the whole project, or the names in their order by --names"
            self.note("class", f"that {where}: taken in the order of the names, {after}; {remedy}", others[0],
                      len(others))
        return [*known, *others]

    def _photos(self, annotations, contents, folder, root):
        """Yield (content of the annotations, name of the photo, its header) of what can be used."""
        names, taken, missing = {}, {}, []
        for path, _ in contents:
            name = _photo_name(path, root)
            names[path] = folder.find(name) or folder.find_stem(name) or _found(folder, os.path.basename(name))
        lacking = {path: _photo_name(path, root) for path, name in names.items() if name is None}
        alike = self.find_alike(folder, list(lacking.values()), set(names.values()))
        names.update({path: alike.get(name) for path, name in lacking.items()})
        for path, content in contents:
            name = names[path]
            if name is None:
                missing.append(lacking[path])
            elif name in taken:
                message = f"the photo {name} is that of another file too"
                self.fault(annotations, Fault(os.path.relpath(path, root), "duplicate id", message))
                self.lost_beyond(name, *(map(_drawn, one["objects"]) for one in (content, taken[name])))
            else:
                taken[name] = content
                try:
                    yield content, name, photo_header(folder.join(name))
                except DataError as error:
                    self.fault(annotations, Fault(name, "unreadable", str(error).rstrip(".")))
        self.missing_photos(annotations, folder.path, missing, len(contents))

    def _turned(self, annotations, photos):
        """list of (content, Annotated, EXIF orientation by which objects are turned) of photos that can be used."""
        seen = {}
        for content, name, header in photos:
            try:
                size, _ = annotated_size(content["size"])
            except ValueError as error:
                self.fault(annotations, Fault(name, "wrong size", str(error)))
                continue
            reach = reach_of(content["objects"]) if header[1] != 1 else (0, 0)
            seen[name] = content, Annotated(name, size, *header, reach, bool(content["objects"]))
        turns, wrong = settled_turns({name: entry for name, (_, entry) in seen.items()}, self)
        for name, message in wrong.items():
            self.fault(annotations, Fault(name, "wrong size", message))
        return [(*seen[name], turn) for name, turn in turns.items()]

    def _objects(self, annotations, photo, size, turn, entries, classes):
        """list of (number, class name, run lengths, attribute ids) of a photo's objects that can be used."""
        known, stored = [], stored_size(size, turn)
        numbers = {tag: number for number, tag in self.attribute_names.items()}
        for number, entry in enumerate(entries):
            try:
                if not isinstance(entry, dict):
                    raise RegionError("bad entry", "it is no object with a geometryType")
                kind = kind_of(entry)
                if kind in NO_AREAS:
                    self.note("object", f"that is a {kind}, which encloses nothing: left out", photo)
                    continue
                if kind not in AREAS:
                    raise RegionError("bad entry", f"its geometryType {kind[:40]!r} is none of {', '.join(AREAS)}")
                title = _title(entry)
                if title not in classes:
                    raise RegionError("unknown class", f"its class {title!r} is not in the file of class names")
                rle = rle_of(entry, stored)
                if entry.get("description"):
                    self.note("object", "with a description: this is left out", photo)
            except RegionError as error:
                self.fault(annotations, Fault(photo, error.kind, str(error), number))
                continue
            rle = rle if turn == 1 else turned_segmentation(rle, turn, stored)
            known.append((number, title, rle, tuple(numbers[tag] for tag in _tags(entry))))
        return known

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield the ObjectAnnotation of each object that loading found nothing wrong with."""
        for number, class_name, rle, attributes in self.image_info[image_id]["objects"]:
            yield ObjectAnnotation(number, self.map_source_class_id(f"{FORMAT}.{class_name}"), rle,
                                   attributes=attributes)


# --- Files -----------------------------------------------------------------------------------------------------------


def _drawn(entry):
    """What two entries of one object have in common, whatever their ids and dates."""
    keys = ("classTitle", "geometryType", "points", "bitmap")
    return [entry.get(key) for key in keys] if isinstance(entry, dict) else entry


def _annotation_files(path, deepest=math.inf):
    """Yield the annotation files of a project, a data set, a folder of them, or of one.

    deepest: folders in folders that are looked at, but for those of data sets in data sets
    """
    if os.path.isfile(path):
        if os.fspath(path).lower().endswith(".json"):
            yield os.fspath(path)
        return
    path = os.path.normpath(path)
    for place, folders, files in folders_below(path):
        folders.sort()
        above, base = os.path.split(os.path.abspath(place))
        if base == ANNOTATIONS:
            yield from (os.path.join(place, name) for name in sorted(files)
                        if name.lower().endswith(".json") and not name.startswith("."))
        if place[len(path):].count(os.sep) >= deepest and base != NESTED:
            nested = os.path.basename(above) == NESTED
            folders[:] = [name for name in folders if nested and name in (ANNOTATIONS, NESTED)]
        folders[:] = [name for name in folders if name != PHOTOS and not name.startswith(".")]


def _root_of(path):
    """Folder that holds annotations and photos alike."""
    folder = os.path.dirname(path) if os.path.isfile(path) else os.fspath(path)
    if os.path.basename(os.path.abspath(folder)) == ANNOTATIONS:
        folder = os.path.dirname(os.path.abspath(folder))
    return folder or "."


def _photo_name(path, root):
    """Name of the photo of an annotation file, relative to the folder that holds both."""
    place, base = os.path.split(os.path.relpath(path, root))
    name = base[: -len(".json")]
    if os.path.basename(place) == ANNOTATIONS:
        place = os.path.join(os.path.dirname(place), PHOTOS)
    return os.path.join(place, name).replace(os.sep, "/") if place else name


def _found(folder, name):
    """Name of the photo in a folder that has the photos alone."""
    return folder.find(name) or folder.find_stem(name)


def _read(path):
    """Content of an annotation file. Raises DataError naming it."""
    content = read_json(path, "annotation file of Supervisely")
    if not isinstance(content, dict) or not isinstance(content.get("objects"), list):
        raise DataError(f"{path}: no annotations of Supervisely, for it has no list of objects: export them anew.")
    size = content.get("size")
    return {**content, "size": size if isinstance(size, dict) else {}}


# --- Classes and tags ------------------------------------------------------------------------------------------------


def _listed_classes(annotations, paths):
    """{name: shape} of the classes that the meta.json of each annotation file lists; None if there is none."""
    root, listed = os.path.abspath(_root_of(annotations)), None
    read = {}  # {folder: what its meta.json lists, or None}
    for place in dict.fromkeys(os.path.dirname(os.path.abspath(path)) for path in paths):
        for folder in _folders_above(place, root):
            if folder not in read:
                read[folder] = _read_meta(os.path.join(folder, META))
            if read[folder] is not None:
                listed = {} if listed is None else listed
                for name, shape in read[folder].items():
                    listed.setdefault(name, shape)
                break
    return listed


def _folders_above(place, root):
    """Yield a folder and those above it: up to the root, then out of all data sets that this is in, to the project."""
    while place != root and place.startswith(os.path.join(root, "")):
        yield place
        place = os.path.dirname(place)
    yield root
    base = NESTED  # the folder above the root may be the project's in any case
    while NESTED in (base, os.path.basename(root)):
        root, base = os.path.split(root)
        yield root


def _read_meta(path):
    """{name: shape} of the classes that a meta.json lists; None if there is none, or it is no project's."""
    content = read_json(path, "project of Supervisely") if os.path.isfile(path) else None
    listed = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        return None
    classes = [entry for entry in listed if isinstance(entry, dict) and _is_name(entry.get("title"))]
    return {entry["title"].strip(): entry.get("shape") for entry in classes}


def _is_name(value):
    return isinstance(value, str) and bool(value.strip())


def _title(entry):
    if not _is_name(entry.get("classTitle")):
        raise RegionError("unknown class", "it has no classTitle")
    return entry["classTitle"].strip()


def _tags(entry):
    """list of the tags of an object, as "name" or "name: value"."""
    tags = []
    given = entry.get("tags") if kind_of(entry) in AREAS else None
    for tag in given if isinstance(given, list) else ():
        name = tag.get("name") if isinstance(tag, dict) else tag
        value = tag.get("value") if isinstance(tag, dict) else None
        if isinstance(name, str) and name.strip():
            has_value = isinstance(value, (str, int, float)) and str(value).strip()
            tags.append(f"{name.strip()}: {value}" if has_value else name.strip())
    return list(dict.fromkeys(tags))
