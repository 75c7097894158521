"""Folders of instance masks as PNGs: one a photo that numbers its objects, or one an object.

Two layouts are known. That of the Penn-Fudan pedestrians:

    PNGImages/NAME.png  PedMasks/NAME_mask.png      a pixel of value k is of object k, 0 is background; class "person"

and that of the Data Science Bowl 2018's nuclei, with a folder for each photo:

    NAME/images/NAME.png  NAME/masks/ANY.png        a picture an object (see `label_files.mask_of`); class "object"
                          NAME/masks/CLASS/ANY.png  the same, of a class
"""

import os
from collections.abc import Iterator

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.formats.fitting import STORED, STRETCHED, fitted, turns_of
from mrcnn.data.formats.label_files import (
    MASK_ENDINGS,
    mask_size,
    other_size,
    png_size,
    read_label_map,
    read_mask,
    tell_soft,
)
from mrcnn.data.formats.photo_files import photo_header
from mrcnn.data.images import PHOTO_ENDINGS
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError

FORMAT = "instance_masks"
NUMBERED_PHOTOS, NUMBERED_MASKS, MASK_SUFFIX = "PNGImages", "PedMasks", "_mask.png"
NUMBERED_CLASS = "person"
ONLY_CLASS = "object"


def recognises(path: str | os.PathLike) -> bool:
    """Whether a folder has one of the two layouts."""
    try:
        return _is_numbered(path) or any(_is_photo_folder(os.path.join(path, name)) for name in _folders(path))
    except (OSError, TypeError, ValueError):
        return False


class InstanceMaskDataset(AnnotatedDataset):
    """A folder of photos with instance masks, in one of the two layouts."""

    looks_late = True

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, **others: object) -> "InstanceMaskDataset":
        """Register the photos of a folder, by headers and lists of files alone.

        Args:
            annotations: the folder that holds both photos and masks.
            images: folder of the photos if it is another: of PNGImages' files, or of NAME/images/NAME.png.
            limit: take the first so many photos.
            on_error: "raise" at a bad sample or "skip" it (see `faults`).

        Returns:
            The data set itself.

        Raises:
            DataError: naming the folder or file and what is wrong.
        """
        self.refuse(annotations, names=names, mapping=mapping, **others)
        self.start_loading(on_error)
        if not os.path.isdir(annotations):
            raise DataError(f"{annotations}: no such folder: give the folder that holds photos and masks.")
        if _is_numbered(annotations):
            self._load_numbered(annotations, images, limit)
        else:
            self._load_folders(annotations, images, limit)
        self.finish_loading(annotations)
        return self

    def _load_numbered(self, annotations, images, limit):
        folder = PhotoFolder(images or os.path.join(annotations, NUMBERED_PHOTOS), self.note)
        masks = os.path.join(annotations, NUMBERED_MASKS)
        names = [name for name in sorted(os.listdir(masks)) if name.endswith(MASK_SUFFIX)][:limit]
        self.add_class(FORMAT, NUMBERED_CLASS, NUMBERED_CLASS)
        file_names = {stem: folder.find_stem(stem) for stem in (name.removesuffix(MASK_SUFFIX) for name in names)}
        lacking = [stem for stem, name in file_names.items() if name is None]
        file_names.update(self.find_alike(folder, lacking, set(file_names.values())))
        missing, found = {}, {}
        for mask_name in names:
            stem = mask_name.removesuffix(MASK_SUFFIX)
            name = file_names[stem]
            if name is None:
                missing[mask_name] = stem
                continue
            path = os.path.join(masks, mask_name)
            found[stem] = name, path, {"numbered": path}
        self._add_photos(annotations, folder, found)
        self.missing_photos(annotations, folder.path, list(missing), len(names), missing)

    def _load_folders(self, annotations, images, limit):
        folder = PhotoFolder(images or annotations)
        names = [name for name in _folders(annotations) if _is_photo_folder(os.path.join(annotations, name))]
        for name in sorted(set(_folders(annotations)) - set(names)):
            if _photos(os.path.join(annotations, name, "images")):
                self.note("folder of a photo", "without masks/: left out; make an empty folder masks/ if it shows no "
                          "object", name)
        for class_name in sorted({c for name in names for c, _ in _mask_files(os.path.join(annotations, name))}):
            self.add_class(FORMAT, class_name, class_name)
        missing, found = [], {}
        for name in names[:limit]:
            photos = _photos(os.path.join(folder.path, name, "images"))
            if len(photos) > 1:
                message = f"its folder has {len(photos)} photos, needs one: {', '.join(photos[:3])}"
                self.fault(annotations, Fault(f"{name}/images", "bad entry", message))
                continue
            if not photos:
                missing.append(f"{name}/images")
                continue
            photo = f"{name}/images/{photos[0]}"
            masks = os.path.join(annotations, name, "masks")
            files = _mask_files(os.path.join(annotations, name))
            first = os.path.join(masks, files[0][1]) if files else None
            found[name] = photo, first, {"masks": masks, "mask_files": files}
        self._add_photos(annotations, folder, found)
        self.missing_photos(annotations, folder.path, missing, len(names[:limit]))

    def _add_photos(self, annotations, folder, found):
        """Register photos, or what is wrong with them.

        Args:
            annotations: path of the folder.
            folder: PhotoFolder.
            found: {id: (name of the photo, path of its first mask or None, what else is known of it)}.
        """
        sizes, told = {}, set()  # told: of photos whose masks tell how they were annotated
        for image_id, (name, mask, details) in found.items():
            try:
                upright, orientation = photo_header(folder.join(name))
            except DataError as error:
                self.fault(annotations, Fault(name, "unreadable", str(error).rstrip(".")))
                continue
            try:
                own_size = (png_size if "numbered" in details else mask_size)(mask) if mask else upright
                sizes[image_id] = own_size, upright, orientation
                told.update([image_id] if mask else ())
            except DataError as error:
                if "numbered" in details:
                    self.fault(annotations, Fault(name, "bad entry", str(error).rstrip(".")))
                else:  # told with its number when the objects are read
                    sizes[image_id] = upright, upright, orientation
        turns = turns_of({image_id: sizes[image_id] for image_id in told}, stretch=True, report=self,
                         called=lambda image_id: found[image_id][0])
        for image_id in sizes:
            turn = turns.get(image_id, 1)
            (name, _, details), (own_size, size, _) = found[image_id], sizes[image_id]
            if turn is None and "numbered" in details:
                self.fault(annotations, Fault(name, "wrong size", f"the mask {other_size(own_size, size)}"))
                continue
            if turn not in (1, None):
                self.note("mask", STORED, name)
            if turn and own_size not in (size, size[::-1] if turn != 1 else size):
                self.note("mask", STRETCHED, f"{name}: {other_size(own_size, size)}")
            self.add_photo(FORMAT, image_id, folder.join(name), name, *size, turn=turn or 1, **details)

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield an ObjectAnnotation, or a Fault, for each object: by its number in the mask, or by file name."""
        info = self.image_info[image_id]
        yield from self._numbered_objects(info) if "numbered" in info else self._filed_objects(info)

    def object_classes(self, image_id: int) -> np.ndarray:
        """int32 [N]: class ids of the objects of a photo; masks that are files of their own are not looked at."""
        info = self.image_info[image_id]
        if "numbered" in info:
            return super().object_classes(image_id)
        dropped = info.get("dropped", ())
        names = [name for number, (name, _) in enumerate(info["mask_files"]) if number not in dropped]
        class_ids = np.array([self.map_source_class_id(f"{FORMAT}.{name}") for name in names], np.int32)
        return class_ids[class_ids != 0]  # without classes that `choose_classes` left out

    def _numbered_objects(self, info):
        class_id, size = self.map_source_class_id(f"{FORMAT}.{NUMBERED_CLASS}"), (info["height"], info["width"])
        try:
            values = read_label_map(info["numbered"])
        except DataError as error:
            yield Fault(info["file_name"], "bad entry", str(error).rstrip("."))
            return
        own_size, values = values.shape, fitted(values, size, info["turn"])
        if values is None:
            yield Fault(info["file_name"], "wrong size", f"the mask {other_size(own_size, size)}")
            return
        for number, value in enumerate(np.flatnonzero(np.bincount(values.ravel(), minlength=1)[1:]) + 1):
            yield ObjectAnnotation(number, class_id, run_lengths.encode(values == value))

    def _filed_objects(self, info):
        size = info["height"], info["width"]
        for number, (class_name, file) in enumerate(info["mask_files"]):
            try:
                own, soft = read_mask(os.path.join(info["masks"], file))
            except DataError as error:
                yield Fault(info["file_name"], "bad entry", str(error).rstrip("."), number)
                continue
            if soft:
                tell_soft(self, os.path.join(info["masks"], file))
            inside = fitted(own, size, info["turn"])
            if inside is None:
                message = f"{file}: the mask {other_size(own.shape, size)}"
                yield Fault(info["file_name"], "wrong size", message, number)
            elif not inside.any():
                yield Fault(info["file_name"], "empty mask", f"its mask {file} has no pixel", number)
            else:
                class_id = self.map_source_class_id(f"{FORMAT}.{class_name}")
                yield ObjectAnnotation(number, class_id, run_lengths.encode(inside))


# --- Files -----------------------------------------------------------------------------------------------------------


def _is_numbered(folder):
    """Whether a folder is laid out as the Penn-Fudan pedestrians."""
    return os.path.isdir(os.path.join(folder, NUMBERED_MASKS))


def _is_photo_folder(folder):
    """Whether a folder is that of one photo with a mask for each object."""
    return all(os.path.isdir(os.path.join(folder, name)) for name in ("images", "masks"))


def _folders(folder):
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())


def _photos(folder):
    """Names of the photos in a folder; none if there is no folder."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [name for name in names if name.lower().endswith(PHOTO_ENDINGS) and not name.startswith(".")]


def _mask_files(folder):
    """list of (class name, path in `masks`) of the masks of a photo's folder, sorted by path."""
    masks = os.path.join(folder, "masks")
    files = [(ONLY_CLASS, name) for name in _pictures(masks)]
    return files + [
        (name, f"{name}/{file}") for name in _folders(masks) for file in _pictures(os.path.join(masks, name))]


def _pictures(folder):
    names = (entry.name for entry in os.scandir(folder) if entry.is_file())
    return sorted(name for name in names if name.lower().endswith(MASK_ENDINGS) and not name.startswith("."))
