"""COCO's JSON form: polygons, compressed and uncompressed run lengths, crowds; also as Fashionpedia, ModaNet and Label
Studio write it."""

import os
import re

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation, PhotoFolder
from mrcnn.data.formats.label_studio import find_photos, made_by_label_studio
from mrcnn.data.formats.photo_files import photo_size
from mrcnn.errors import DataError
from mrcnn.files import read_json

FORMAT = SOURCE = "coco"
LISTS = ("images", "annotations", "categories")
MAX_AREA = (1 << 32) - 1  # pixels; COCO's run lengths have 32 bits
HEAD = 1 << 18  # bytes of a file by which it is recognised
# A bracket, or a string, which the end of the head may cut off, with the colon that makes it a key.
JSON_TOKENS = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)(?:"(\s*:)?|\\?\Z)|[\[{\]}]', re.DOTALL)


def recognises(path):
    """Whether a file is JSON with COCO's images or annotations at its top level, as far as its beginning shows."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD).decode("utf-8-sig", "ignore")
    except OSError:
        return False
    if not head.lstrip().startswith("{"):
        return False
    depth = 0
    for token in JSON_TOKENS.finditer(head):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
        elif depth == 1 and token[2] and token[1] in LISTS[:2]:
            return True
    return False


class CocoDataset(AnnotatedDataset):
    """A COCO annotation file and its folder of photos. Categories become classes 1 to K in the order of their ids."""

    def load(self, annotations, images=None, limit=None, on_error="raise", names=None, mapping=None):
        """What all readers offer; see `load_coco`. The format takes neither names nor mapping. Returns self."""
        self.refuse(annotations, names=names, mapping=mapping)
        return self.load_coco(annotations, images, limit=limit, on_error=on_error)

    def load_coco(self, annotations, images=None, class_ids=None, limit=None, on_error="raise"):
        """Register the photos and objects of a file, all of them checked without decoding a mask or a photo.

        annotations: path of the JSON file; images: folder of the photos; None: the folder of the file
        class_ids: category ids to keep, with the photos that show one of them; None keeps all
        limit: number of photos to take, from the first on; None takes all
        on_error: "raise" at the first bad photo or object, or "skip" those, with one warning that says how many

        Annotation ids that occur twice, as in merged files, are harmless: they are listed in `faults`, the objects
        kept; but an object that is the same in all but area and box is kept once. Sizes that the file lacks are read
        from the photos. Names of Label Studio's uploads are looked up as `label_studio.find_photos` says.

        Returns self. Raises DataError naming the file and the bad entry if the file is missing or no COCO JSON, an id
        of an image or category occurs twice, an annotation is of an unknown image or category, polygons have no area,
        an RLE does not cover its photo, a photo is missing or lies outside the folder, or nothing remains.
        """
        self.start_loading(on_error)
        content = _read(annotations)
        categories = _categories_by_id(content["categories"], annotations)
        photos = self._unique_photos(content["images"], annotations)
        kept = _kept_categories(categories, class_ids, annotations)
        objects = self._objects_by_photo(content["annotations"], photos, categories, annotations)
        if class_ids is not None:
            objects = {i: [pair for pair in objects[i] if pair[1]["category_id"] in kept] for i in objects}
        chosen = [i for i in photos if class_ids is None or objects[i]][:limit]
        folder = PhotoFolder((os.path.dirname(annotations) or ".") if images is None else images)
        uploads = made_by_label_studio(content)
        self._add_photos([photos[i] for i in chosen], objects, folder, uploads, annotations)
        for category_id in kept:
            category = categories[category_id]
            name = str(category.get("name", category_id))
            self.add_category(SOURCE, category_id, name, category.get("supercategory"))
        attributes = content.get("attributes")  # Fashionpedia's
        for entry in attributes if isinstance(attributes, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("id"), int):
                self.attribute_names[entry["id"]] = str(entry.get("name", entry["id"]))
        self.finish_loading(annotations)
        return self

    # --- Entries of the file -----------------------------------------------------------------------------------------
    def _unique_photos(self, entries, source):
        """{id: entry} of the images; a second one of an id is a fault."""
        photos = {}
        for entry in entries:
            key = _checked_id(entry, "image", source)
            if key in photos:
                name = _photo_name(entry)
                # Under the name of the first the fault would stand for the first, which is sound.
                name = f"image {key}" if name == _photo_name(photos[key]) else name
                self.fault(source, Fault(name, "duplicate id", f"image id {key!r} occurs twice, here a second time"))
            else:
                photos[key] = entry
        return photos

    def _objects_by_photo(self, entries, photos, categories, source):
        """{image id: [(number among the photo's objects, annotation)]} of those whose photo and category exist."""
        objects, counts, seen = {i: [] for i in photos}, dict.fromkeys(photos, 0), {}
        for position, annotation in enumerate(entries):
            name = f"annotation {annotation['id']}" if "id" in annotation else f"annotation number {position}"
            image_id, category_id = annotation.get("image_id"), annotation.get("category_id")
            if not _is_id(image_id) or image_id not in photos:
                message = f"{name} has image_id {image_id!r}, which the file does not list"
                self.fault(source, Fault(f"image {image_id}", "bad entry", message))
                continue
            photo, number = _photo_name(photos[image_id]), counts[image_id]
            counts[image_id] += 1
            if not _is_id(category_id) or category_id not in categories:
                message = f"{name} has category_id {category_id!r}, which the file does not list"
                self.fault(source, Fault(photo, "unknown class", message, number))
                continue
            twin = seen.setdefault(annotation["id"], annotation) if _is_id(annotation.get("id")) else annotation
            if twin is not annotation:
                same = all(twin.get(key) == annotation.get(key) for key in ("image_id", "category_id", "segmentation"))
                message = f"{name} occurs twice" + (", with the same object, which is taken once" if same else "")
                self.fault(source, Fault(photo, "duplicate id", message, number))
                if same:
                    continue
            objects[image_id].append((number, annotation))
        return objects

    # --- Photos ------------------------------------------------------------------------------------------------------
    def _add_photos(self, photos, objects, folder, uploads, source):
        """Register photos with those of their annotations that are sound. uploads: as for `find_photos`."""
        for photo, file_name in self._found_photos(photos, folder, uploads, source):
            size = self._size(photo, folder.join(file_name), source)
            if size is None:
                continue
            sound = []
            for number, annotation in objects[photo["id"]]:
                fault = segmentation_fault(annotation.get("segmentation"), size)
                if fault is None:
                    sound.append((number, annotation))
                else:
                    kind, message = fault
                    message = f"annotation {annotation.get('id')}: {message}"
                    self.fault(source, Fault(file_name, kind, message, number))
            self.add_photo(SOURCE, photo["id"], folder.join(file_name), file_name, *size,
                           annotations=[annotation for _, annotation in sound], numbers=[number for number, _ in sound])

    def _found_photos(self, photos, folder, uploads, source):
        """list of (image entry, name of its file in the folder)."""
        named = []
        for photo in photos:
            name = photo.get("file_name")
            if isinstance(name, str) and name:
                named.append((photo, name))
            else:
                message = f"image {photo['id']} has the file_name {name!r}, which is none"
                self.fault(source, Fault(_photo_name(photo), "bad entry", message))
        files, refused = find_photos([name for _, name in named], folder, uploads)
        for photo, name in named:
            if name in refused:
                self.fault(source, Fault(name, "path escape", f"image {photo['id']}: {refused[name]}"))
        missing = [name for _, name in named if name in files and files[name] is None]
        self.missing_photos(source, folder.path, missing, len(photos))
        return [(photo, files[name]) for photo, name in named if files.get(name) is not None]

    def _size(self, photo, path, source):
        """(H, W) of a photo as annotated, or of its file if the annotations lack it; None after a fault."""
        sides = photo.get("height"), photo.get("width")
        name = _photo_name(photo)
        if None in sides:
            try:
                return photo_size(path)
            except DataError as error:
                self.fault(source, Fault(name, "unreadable", str(error).rstrip(".")))
                return None
        if not all(isinstance(side, (int, float)) and side >= 1 for side in sides) or sides[0] * sides[1] > MAX_AREA:
            message = f"image {photo['id']} has height {sides[0]!r} and width {sides[1]!r}"
            self.fault(source, Fault(name, "bad entry", message))
            return None
        return int(sides[0]), int(sides[1])

    # --- Objects -----------------------------------------------------------------------------------------------------
    def read_objects(self, image_id):
        """Yield an ObjectAnnotation, or a Fault, for each annotation of a photo that loading kept."""
        info = self.image_info[image_id]
        shape = info["height"], info["width"]
        for number, annotation in zip(info["numbers"], info["annotations"]):
            segmentation = annotation["segmentation"]
            if isinstance(segmentation, dict):
                rle = run_lengths.compress(segmentation, shape)
            else:
                rle = run_lengths.from_polygons(segmentation, shape)
                if not run_lengths.areas([rle])[0]:  # thinner than a pixel, which only drawing them tells
                    message = f"annotation {annotation.get('id')}: its polygons hold no pixel"
                    yield Fault(self.file_name(image_id), "empty mask", message, number)
                    continue
            class_id = self.map_source_class_id(f"{SOURCE}.{annotation['category_id']}")
            attributes = annotation.get("attribute_ids")
            attributes = tuple(attributes) if isinstance(attributes, list) else ()
            yield ObjectAnnotation(number, class_id, rle, bool(annotation.get("iscrowd")), attributes)

    def object_classes(self, image_id):
        """int32 [N]: class ids of the objects of a photo, negative for crowds; their masks are not looked at."""
        info = self.image_info[image_id]
        dropped = info.get("dropped", ())
        class_ids = np.array([
            self.map_source_class_id(f"{SOURCE}.{annotation['category_id']}") * (-1 if annotation.get("iscrowd") else 1)
            for number, annotation in zip(info["numbers"], info["annotations"]) if number not in dropped
        ], np.int32)
        return class_ids[class_ids != 0]  # without classes that were left out


# --- Reading and checking --------------------------------------------------------------------------------------------


def _read(path):
    """Content of an annotation file, its three lists checked to be lists of objects."""
    content = read_json(path, "COCO annotation file")
    for key in LISTS:
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DataError(f"{path}: no COCO annotations, for it has no list {key!r} of objects: check the file.")
    return content


def _is_id(value):
    return isinstance(value, (int, str))


def _checked_id(entry, what, path):
    """Id of an entry. Raises DataError if it has none."""
    if not _is_id(entry.get("id")):
        raise DataError(f"{path}: the {what} {str(entry)[:60]} has no id that is a number or text: add one.")
    return entry["id"]


def _categories_by_id(entries, path):
    """{id: entry}; an id may occur once."""
    index = {}
    for entry in entries:
        key = _checked_id(entry, "category", path)
        if key in index:
            raise DataError(f"{path}: category id {key!r} occurs twice: give each its own.")
        index[key] = entry
    return index


def _kept_categories(categories, class_ids, path):
    """Category ids to keep, in the order of classes."""
    unknown = [i for i in class_ids if i not in categories] if class_ids is not None else []
    if unknown:
        raise DataError(f"{path}: no category {unknown[0]!r}: it has {', '.join(map(str, list(categories)[:20]))}.")
    kept = categories if class_ids is None else set(class_ids)
    return sorted(kept, key=lambda i: (isinstance(i, str), i))


def _photo_name(photo):
    """What a fault calls a photo: its file name as annotated, else its id."""
    name = photo.get("file_name")
    return name if isinstance(name, str) and name else f"image {photo['id']}"


def segmentation_fault(segmentation, shape):
    """(kind of FAULT_KINDS, reason) for a segmentation that cannot be decoded or has no area; None for a sound one.

    Costs no rasterising for any ordinary polygon. segmentation: as COCO has it; shape: (H, W) of the photo
    """
    if isinstance(segmentation, dict):
        try:
            runs = run_lengths.check(segmentation, shape)
        except (TypeError, ValueError) as error:
            return _rle_kind(segmentation, shape, str(error)), str(error)
        return None if runs[1::2].sum() else ("empty mask", "its RLE has no pixel inside")
    if not isinstance(segmentation, list) or not segmentation:
        return "empty mask", "it has no segmentation"
    try:
        run_lengths.check_polygons(segmentation, shape)
    except DataError as error:
        return _polygon_kind(segmentation, shape), str(error)
    return None


def _rle_kind(rle, shape, message):
    """What kind of fault `run_lengths.check` found."""
    size = rle.get("size")
    if isinstance(size, list) and len(size) == 2 and size != list(shape):
        return "wrong size"
    return "RLE overflow" if "covers" in message else "bad entry"


def _polygon_kind(polygons, shape):
    """What kind of fault `check_polygons` found."""
    try:
        corners = [np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in polygons]
    except (TypeError, ValueError):
        return "bad entry"
    if any(len(part) < 3 or not np.isfinite(part).all() for part in corners):
        return "bad entry"
    height, width = shape
    low, high = np.concatenate(corners).min(axis=0), np.concatenate(corners).max(axis=0)
    inside = (high > 0).all() and low[0] < width and low[1] < height
    return "empty mask" if inside and np.abs([low, high]).max() <= 10 * max(shape) else "mask outside"
