"""COCO's panoptic form: a JSON file with segments_info, and a folder of PNGs whose colour R + 256 G + 65536 B is the
id of the segment of a pixel.

Things (`isthing`) are objects, and their categories classes. Stuff, as sky and road, has no objects: it is left out,
unless a file of names (--names) asks for its categories too.
"""

import os
from collections.abc import Iterator

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.formats import coco
from mrcnn.data.formats.coco_entries import (
    Ids,
    annotated_size,
    categories_by_id,
    category_name,
    checked_id,
    flag,
    in_order,
    read_entries,
)
from mrcnn.data.formats.coco_file import photo_name
from mrcnn.data.formats.label_files import other_size, png_size, read_png
from mrcnn.data.formats.names_files import read_names
from mrcnn.data.formats.photo_files import photo_size
from mrcnn.data.formats.upright import wrong_size
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.data.reporting import LIKE_A_FILE
from mrcnn.errors import DataError
from mrcnn.text_files import utf8_blocks

FORMAT = "coco_panoptic"
BLOCK = 1 << 22  # bytes
KEYS = (b'"segments_info"', b'"segmentation"')
IDS = 1 << 24  # that a colour can be of
VOID = (0, 0xFFFFFF)  # black in COCO, white elsewhere: pixels of no segment


def recognises(path: str | os.PathLike) -> bool:
    """Whether a file is COCO's JSON, with segments_info before any segmentation."""
    if not coco.recognises(path):
        return False
    rest = b""
    for block in utf8_blocks(path, BLOCK):
        text = rest + block
        panoptic, instances = (text.find(key) for key in KEYS)
        if max(panoptic, instances) >= 0:
            return panoptic >= 0 and (instances < 0 or panoptic < instances)
        rest = text[-len(KEYS[0]):]
    return False


class CocoPanopticDataset(AnnotatedDataset):
    """A panoptic annotation file, its folder of PNGs and its folder of photos. PNGs are read when asked for."""

    looks_late = True

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, **others: object) -> "CocoPanopticDataset":
        """Register the photos of a file, by its entries and the headers of files alone.

        Args:
            annotations: path of the JSON file; the PNGs are in the folder of its name beside it, or beside the file.
            images: folder of the photos; None: the folder of the file.
            limit: take the first so many photos.
            on_error: "raise" at a bad sample or "skip" it (see `faults`).
            names: path of a file of the names of categories to take, stuff too, in their order; None: all things.

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and what is wrong.
        """
        self.refuse(annotations, mapping=mapping, **others)
        self.start_loading(on_error)
        content = read_entries(annotations)
        photos = {}
        for entry in content["images"]:
            key = checked_id(entry, "image", annotations)
            if key in photos:
                raise DataError(f"{annotations}: image id {key!r} occurs twice: give each its own.")
            photos[key] = entry
        categories = categories_by_id(content["categories"], annotations)
        classes = self._classes(annotations, categories, names)
        for category_id in classes:
            name = category_name(category_id, categories[category_id])
            self.add_category(FORMAT, category_id, name, categories[category_id].get("supercategory"))
        entries = self._entries_of(annotations, content["annotations"], photos)
        for key in list(photos)[:limit]:
            if key not in entries:
                self.note("photo", "without an entry in annotations: left out", photo_name(key, photos[key]))
        chosen = [key for key in list(photos)[:limit] if key in entries]
        masks = PhotoFolder(_mask_folder(annotations, [entries[key] for key in chosen]))
        folder = PhotoFolder((os.path.dirname(annotations) or ".") if images is None else images)
        known = {"all": Ids(categories), "classes": set(classes)}
        for key, name in self._found(annotations, folder, chosen, photos):
            self._add(annotations, key, name, folder.join(name), photos[key], entries[key], masks, known)
        self.finish_loading(annotations)
        return self

    # --- What the file lists -----------------------------------------------------------------------------------------
    def _classes(self, path, categories, names):
        """list of ids of the categories that are classes."""
        if names is not None:
            by_name = {category_name(key, entry): key for key, entry in categories.items()}
            wanted = list(dict.fromkeys(read_names(names).values()))
            unknown = [name for name in wanted if name not in by_name]
            if unknown:
                raise DataError(f"{path}: has no category {unknown[0]!r} of {names}: it has {', '.join(by_name)}.")
            return [by_name[name] for name in wanted]
        stuff = [key for key, entry in categories.items() if flag(entry.get("isthing", 1)) is False]
        if stuff and len(stuff) < len(categories):
            how = "of stuff, which has no objects: left out (--names FILE takes the categories that it lists)"
            self.note("category", how, category_name(stuff[0], categories[stuff[0]]), len(stuff))
            return in_order(categories.keys() - set(stuff))
        if stuff:
            self.note("category", "of stuff, and none of things: taken as classes", category_name(stuff[0],
                      categories[stuff[0]]), len(stuff))
        return in_order(categories)

    def _entries_of(self, path, annotations, photos):
        """{image id: annotation}; what is wrong with others is noted."""
        known, entries = Ids(photos), {}
        for position, entry in enumerate(annotations):
            key = known.find(entry.get("image_id"))
            fault = None
            if key is None:
                fault = "bad entry", f"has {known.reason('image_id', entry.get('image_id'))}"
            elif key in entries:
                fault = "duplicate id", "is the second of its photo"
            elif not _is_sound(entry):
                fault = "bad entry", ("has no file_name, or no segments_info that is a list of objects with whole ids "
                                      f"below {IDS}")
            if fault is None:
                entries[key] = entry
            else:
                # Of two entries the first is sound, and a fault under the photo's name would stand for it.
                of_photo = key is not None and key not in entries
                name = photo_name(key, photos[key]) if of_photo else f"entry {position}"
                self.fault(path, Fault(name, fault[0], f"annotation number {position} {fault[1]}"))
        return entries

    # --- Photos ------------------------------------------------------------------------------------------------------
    def _found(self, path, folder, chosen, photos):
        """list of (image id, name of its file in the folder); what is wrong with the others is noted."""
        files = {}
        for key in chosen:
            name = photo_name(key, photos[key])
            try:
                files[key] = folder.find(name)
            except DataError as error:
                self.fault(path, Fault(name, "path escape", str(error).rstrip(".")))
        lacking = [photo_name(key, photos[key]) for key, name in files.items() if name is None]
        alike = self.find_alike(folder, lacking, set(files.values()))
        files = {key: name or alike.get(photo_name(key, photos[key])) for key, name in files.items()}
        missing = [photo_name(key, photos[key]) for key, name in files.items() if name is None]
        self.missing_photos(path, folder.path, missing, len(chosen))
        return [(key, name) for key, name in files.items() if name is not None]

    def _add(self, path, key, name, file, photo, entry, masks, known):
        """Register one photo, or what is wrong with it."""
        kind = "bad entry"
        try:
            kind = "path escape"
            mask = _mask_of(masks, entry["file_name"], path)
            if mask is None:
                message = f"its mask {entry['file_name']} {masks.tell_absent(entry['file_name'])}"
                return self.fault(path, Fault(name, "missing", message))
            if mask != entry["file_name"]:
                self.note("mask", LIKE_A_FILE, f"{entry['file_name']} is {mask}")
            kind = "unreadable"
            size = photo_size(file)
            kind = "bad entry"
            annotated, _ = annotated_size(photo)
            mask_size = png_size(masks.join(mask))
        except ValueError as error:
            return self.fault(path, Fault(name, kind, str(error).rstrip(".")))
        if annotated not in (None, size):
            return self.fault(path, Fault(name, "wrong size", wrong_size(size, annotated)))
        if mask_size != size:
            return self.fault(path, Fault(name, "wrong size", f"the mask {other_size(mask_size, size)}"))
        segments, listed = [], {segment["id"] for segment in entry["segments_info"]}
        if len(listed) < len(entry["segments_info"]):
            return self.fault(path, Fault(name, "duplicate id", "its segments_info has an id twice"))
        for number, segment in enumerate(entry["segments_info"]):
            category_id, crowd = known["all"].find(segment.get("category_id")), flag(segment.get("iscrowd"))
            if category_id is None or crowd is None:
                reason = known["all"].reason("category_id", segment.get("category_id"))
                message = reason if crowd is not None else f"iscrowd {segment['iscrowd']!r}, which is neither 0 nor 1"
                kind = "unknown class" if category_id is None else "bad entry"
                self.fault(path, Fault(name, kind, f"segment {segment['id']} has {message}", number))
            elif category_id in known["classes"]:
                segments.append((number, segment["id"], category_id, crowd))
        self.add_photo(FORMAT, key, file, name, *size, mask=masks.join(mask), segments=segments,
                       listed=np.array(sorted(listed), np.int64))

    # --- Objects -----------------------------------------------------------------------------------------------------
    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield an ObjectAnnotation, or a Fault, for each segment that is of a class."""
        info = self.image_info[image_id]
        name = info["file_name"]
        try:
            ids = segment_ids(read_png(info["mask"]))
        except DataError as error:
            yield Fault(name, "bad entry", str(error).rstrip("."))
            return
        if ids.shape != (info["height"], info["width"]):
            yield Fault(name, "wrong size", f"the mask {other_size(ids.shape, (info['height'], info['width']))}")
            return
        unlisted = np.setdiff1d(np.unique(ids), [*info["listed"], *VOID])
        if len(unlisted):
            message = f"its mask has {len(unlisted)} ids that segments_info lacks, the first {unlisted[0]}"
            yield Fault(name, "bad entry", message)
            return
        for number, segment_id, category_id, crowd in info["segments"]:
            inside = ids == segment_id
            if inside.any():
                class_id = self.map_source_class_id(f"{FORMAT}.{category_id}")
                yield ObjectAnnotation(number, class_id, run_lengths.encode(inside), crowd)
            else:
                yield Fault(name, "empty mask", f"its segment {segment_id} has no pixel", number)

    def object_classes(self, image_id: int) -> np.ndarray:
        """int32 [N]: class ids of the objects of a photo, negative for crowds; the PNG is not looked at."""
        info = self.image_info[image_id]
        dropped = info.get("dropped", ())
        class_ids = np.array([self.map_source_class_id(f"{FORMAT}.{category_id}") * (-1 if crowd else 1)
                              for number, _, category_id, crowd in info["segments"] if number not in dropped], np.int32)
        return class_ids[class_ids != 0]  # without classes that `choose_classes` left out


def segment_ids(pixels: np.ndarray) -> np.ndarray:
    """int64 [H, W]: ids of the segments that the pixels of a PNG are of; a grey one has the ids themselves."""
    if pixels.ndim == 2:
        return pixels.astype(np.int64)
    if pixels.shape[-1] < 3:
        return pixels[..., 0].astype(np.int64)
    return pixels[..., :3].astype(np.int64) @ np.array([1, 256, 65536])


def _is_sound(entry):
    segments = entry.get("segments_info")
    if not isinstance(entry.get("file_name"), str) or not entry["file_name"] or not isinstance(segments, list):
        return False
    ids = [segment.get("id") if isinstance(segment, dict) else None for segment in segments]
    return all(type(one) is int and 0 <= one < IDS for one in ids)


def _mask_folder(path, entries):
    """The folder of the PNGs: the one of the JSON file's name, beside it or above, or the file's own.

    Raises:
        DataError: if none of these has the first PNG.
    """
    folder, name = os.path.split(os.path.splitext(path)[0])
    places = [os.path.join(folder, name), os.path.join(folder, "..", name), folder or "."]
    for place in filter(os.path.isdir, places):
        masks = PhotoFolder(place)
        for entry in entries[:20]:
            try:
                if _mask_of(masks, entry["file_name"], path):
                    return place
            except DataError:  # told of the photo
                continue
    if not entries:
        return folder or "."
    first = entries[0]["file_name"][:100]
    raise DataError(f"{path}: its PNG files ({first}) are in none of {', '.join(places)}: put them into {places[0]}.")


def _mask_of(masks, name, path):
    """Name of a mask in its PhotoFolder, else None; of a file like it only where the folder has the masks alone."""
    alone = os.path.basename(masks.path) == os.path.basename(os.path.splitext(path)[0])
    return masks.find(name) or (masks.find_alike([name]).get(name) if alone else None)
