"""What the readers of public formats share: objects as run lengths, and a list of what is wrong with them.

A reader subclasses `AnnotatedDataset` and gives `read_objects`. A fault that lies in the annotation file itself is met
when the file is loaded; one that lies in an object may be met when its photo is asked for. Several threads may ask for
objects at once: a reader changes nothing of its own after loading.
"""

import copy
import dataclasses
import difflib
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.dataset import Dataset
from mrcnn.data.images import image_path
from mrcnn.errors import DataError

# Files that are photos; a photo named without ending is the first of these that there is.
PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".jp2")

# What can be wrong with a sample; `mrcnn.data.curation.validate` lists samples under these names.
FAULT_KINDS = {
    "unreadable": "the photo cannot be decoded",
    "missing": "the photo's file is not in the folder",
    "path escape": "the photo's name leads out of the image folder",
    "wrong size": "photo and annotation have different sizes",
    "empty mask": "an object has no pixel",
    "mask outside": "an object lies outside the photo",
    "unknown class": "an object is of a class that the data set does not list",
    "RLE overflow": "run lengths reach beyond the photo, or do not fill it where they should",
    "duplicate id": "an id occurs twice",
    "bad entry": "an entry that cannot be understood",
}


class Fault(NamedTuple):
    """One bad sample.

    Args:
        photo: `file_name` of the photo in the data set, or the name as annotated if it has no file.
        kind: a key of FAULT_KINDS.
        message: what is wrong, without the photo's name.
        number: index of the object among those of the photo in the file; None is the photo as a whole.
    """

    photo: str
    kind: str
    message: str
    number: int | None = None

    @property
    def harmless(self) -> bool:
        """Whether training may go on with the object: nothing but its id is wrong, and ids are of no use there."""
        return self.kind == "duplicate id" and self.number is not None

    def __str__(self):
        return f"{self.photo}{'' if self.number is None else f', object {self.number}'}: {self.message}"


@dataclasses.dataclass(frozen=True)
class ObjectAnnotation:
    """One object of a photo.

    Args:
        number: index of the object among those of the photo in the file.
        class_id: of the prepared data set.
        rle: COCO's compressed run lengths {"size": [H, W], "counts"}, checked.
        crowd: whether it is a crowd.
        attributes: ids of finer attributes that the format gives.
    """

    number: int
    class_id: int
    rle: dict
    crowd: bool = False
    attributes: tuple[int, ...] = ()


class PhotoFolder:
    """The folder of a data set's photos. Each of its folders is listed once: far cheaper than a look at each file.

    path: of the folder. Raises DataError if there is none.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        if not os.path.isdir(self.path):
            raise DataError(f"{self.path}: no such image folder: give the folder of the photos.")
        self._names, self._stems = {}, {}

    def find(self, name):
        """`name` if the folder has a file of that name (subfolders allowed), else None.

        Raises DataError if the name leads out of the folder.
        """
        place, base = os.path.split(image_path(self.path, name))
        return name if base in self._listed(place) else None

    def find_stem(self, name):
        """Name of the photo that is `name` with the ending that it lacks, else None. Raises DataError as `find`."""
        place, base = os.path.split(image_path(self.path, name))
        if place not in self._stems:
            stems = self._stems[place] = {}
            for stem, ending in map(os.path.splitext, sorted(self._listed(place))):
                if ending.lower() in PHOTO_ENDINGS:
                    stems.setdefault(stem, []).append(ending)
        endings = self._stems[place].get(base)
        return name + min(endings, key=lambda ending: PHOTO_ENDINGS.index(ending.lower())) if endings else None

    def join(self, name):
        """Path of a photo that `find` or `find_stem` found."""
        return os.path.join(self.path, name)

    def _listed(self, place):
        """Names of the files in a folder; none if there is no such folder."""
        if place not in self._names:
            try:
                self._names[place] = {entry.name for entry in os.scandir(place) if not entry.is_dir()}
            except (FileNotFoundError, NotADirectoryError):
                self._names[place] = set()
            except OSError as error:
                raise DataError(f"{place}: cannot be listed ({error.strerror}): check its permissions.") from error
        return self._names[place]


class AnnotatedDataset(Dataset):
    """Base class of the readers of formats.

    A subclass registers photos by `add_photo`, reports what is wrong by `fault`, and overrides `read_objects`.

    Args:
        class_map: ignored; Matterport's argument.

    Attributes:
        faults: list of Fault met while loading; their objects or photos are left out, unless a fault is harmless.
        attribute_names: {id: name} of what `ObjectAnnotation.attributes` lists.
    """

    def __init__(self, class_map: object = None) -> None:
        super().__init__(class_map)
        self.faults = []
        self.attribute_names = {}
        self._skips = False
        self._loaded_before = (0, 0)
        self._left_out = ()  # "source.id" of the classes that `choose_classes` left out

    # --- For readers ---------------------------------------------------------------------------------------------
    def start_loading(self, on_error: str) -> None:
        """Begin to load. on_error "raise" raises at the first fault; "skip" leaves it out and keeps it in `faults`."""
        if on_error not in ("raise", "skip"):
            raise ValueError(f'on_error={on_error!r} is neither "raise" nor "skip".')
        self._skips = on_error == "skip"
        self._loaded_before = (len(self.image_info), len(self.faults))

    def refuse(self, source: str, **options: object) -> None:
        """Raise DataError if an option that the format has no use for is given. source is the annotations' path."""
        for name, value in options.items():
            if value is not None:
                raise DataError(f"{source}: this format of annotations takes no {name}: leave {name} {value!r} out.")

    def fault(self, source: str, fault: Fault) -> None:
        """Raise DataError for a fault, or note it, as `start_loading` was told; a harmless one is only noted.

        Args:
            source: path of the annotations.
            fault: what is wrong.
        """
        if not (self._skips or fault.harmless):
            raise DataError(
                f'{source}: {fault}: correct the annotations, or leave it out (on_error="skip", --on-error skip).'
            )
        self.faults.append(fault)

    def missing_photos(self, source: str, folder: str, names: list[str], count: int) -> None:
        """Report photos that are not in their folder: all in one DataError, or each as a Fault.

        Args:
            source: path of the annotations.
            folder: folder of the photos.
            names: names of the missing photos.
            count: number of all photos of the annotations.
        """
        if names and not self._skips:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise DataError(
                f"{source}: {len(names)} of {count} photos are not in {folder}: {shown}: give the folder of the "
                'photos, or leave these out (on_error="skip", --on-error skip).'
            )
        for name in names:
            self.fault(source, Fault(name, "missing", f"the photo is not in {folder}"))

    def finish_loading(self, source: str) -> None:
        """Warn of what was skipped, and raise DataError if no photo was loaded."""
        photos_before, faults_before = self._loaded_before
        new = self.faults[faults_before:]
        for harmless, verb in ((False, "skipped"), (True, "found harmless faults:")):
            faults = [fault for fault in new if fault.harmless == harmless]
            if faults:
                shown = "; ".join(map(str, faults[:3]))
                more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
                warnings.warn(f"{source}: {verb} {shown}{more}.", stacklevel=3)
        if len(self.image_info) == photos_before:
            raise DataError(f"{source}: no photos remain: there are none, or the limit or the classes keep none.")

    def prepare(self, class_map: object = None) -> None:
        """Number classes and photos. Names stay whole: many classes of clothes share their first word."""
        super().prepare(class_map)
        self.class_names = [str(info["name"]) for info in self.class_info]

    def map_source_class_id(self, source_class_id: str) -> int:
        """Class id of a class in its source; 0, the background's, of one that `choose_classes` left out."""
        return 0 if source_class_id in self._left_out else super().map_source_class_id(source_class_id)

    def add_category(self, source: str, class_id: int, class_name: str, supercategory: str | None = None) -> None:
        """Register a class as `add_class` does, with its group.

        Args:
            source, class_id, class_name: as for `add_class`.
            supercategory: name of the group of classes that it belongs to, kept in class_info.
        """
        self.add_class(source, class_id, class_name)
        for info in self.class_info:
            if supercategory is not None and (info["source"], info["id"]) == (source, class_id):
                info["supercategory"] = supercategory

    def add_photo(self, source: str, image_id: object, folder_path: str | None, file_name: str, height: int, width: int,
                  **details: object) -> None:
        """Register a photo.

        Args:
            source: name of the format.
            image_id: id of the photo in the annotations.
            folder_path: path of the photo on disk.
            file_name: name relative to the image folder.
            height, width: sides of the photo, pixels.
            details: further entries of its dict in `image_info`.
        """
        self.add_image(source, image_id, folder_path, file_name=str(file_name), height=height, width=width, **details)

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield an ObjectAnnotation, or a Fault, for each object of a photo; every reader overrides this."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its objects are read.")

    # --- For users -----------------------------------------------------------------------------------------------
    def file_name(self, image_id: int) -> str:
        """Name of a photo in the annotations, relative to the image folder; splits and lists of faults use it."""
        info = self.image_info[image_id]
        return info.get("file_name") or self.sample_name(image_id)

    def objects(self, image_id: int) -> list[ObjectAnnotation]:
        """Read the objects of a photo.

        An object without a pixel is left out. With on_error="skip" any other fault is left out with a warning.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            The objects, in the order of the annotations.

        Raises:
            DataError: an object has a fault; the message names the photo.
        """
        objects = []
        for entry in self._entries(image_id):
            if isinstance(entry, ObjectAnnotation):
                objects.append(entry)
            elif entry.kind != "empty mask":
                if not self._skips:
                    raise DataError(
                        f'{entry}: correct the annotations, or leave it out (on_error="skip", --on-error skip).'
                    )
                warnings.warn(f"skipped {entry}.", stacklevel=2)
        return objects

    def object_faults(self, image_id: int) -> list[Fault]:
        """Faults of the objects of a photo."""
        return [entry for entry in self._entries(image_id) if isinstance(entry, Fault)]

    def _entries(self, image_id):
        """What `read_objects` yields, without what `without` dropped and `choose_classes` left out."""
        dropped = self.image_info[image_id].get("dropped", ())
        return [entry for entry in self.read_objects(image_id)
                if entry.number not in dropped and getattr(entry, "class_id", None) != 0]

    def load_rles(self, image_id: int) -> tuple[list[dict], np.ndarray]:
        """Objects of a photo as (list of compressed run lengths, class ids int32 [N], negative for crowds)."""
        objects = self.objects(image_id)
        class_ids = [entry.class_id * (-1 if entry.crowd else 1) for entry in objects]
        return [entry.rle for entry in objects], np.array(class_ids, np.int32)

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Objects of a photo as (masks bool [H, W, N], class ids int32 [N], negative for crowds)."""
        info = self.image_info[image_id]
        rles, class_ids = self.load_rles(image_id)
        return run_lengths.decode_all(rles, (info["height"], info["width"])), class_ids

    def object_classes(self, image_id: int) -> np.ndarray:
        """int32 [N]: class ids of the objects of a photo, negative for crowds."""
        return self.load_rles(image_id)[1]

    def object_count(self, image_id: int) -> int:
        """Number of objects of a photo, crowds not counted."""
        return int((self.object_classes(image_id) > 0).sum())

    def image_reference(self, image_id: int) -> str:
        """Path of the photo and its id in the annotations."""
        info = self.image_info[image_id]
        return f"{info['path']} (image {info['id']})"


def select(dataset, image_ids):
    """A prepared copy of a data set with some of its photos, in the order of `image_ids`; classes stay as they are."""
    chosen = copy.copy(dataset)
    chosen.image_info = [dict(dataset.image_info[int(i)]) for i in image_ids]
    chosen.prepare()
    return chosen


def without(dataset, faults):
    """A prepared copy of a data set that leaves out what a list of faults names: objects, or whole photos.

    faults: Faults; harmless ones, and those of photos that the data set does not have, are of no effect
    """
    faults = [fault for fault in faults if not fault.harmless]
    photos = {fault.photo for fault in faults if fault.number is None}
    objects = {}
    for fault in faults:
        if fault.number is not None:
            objects.setdefault(fault.photo, set()).add(fault.number)
    names = [photo_name(dataset, i) for i in dataset.image_ids]
    chosen = select(dataset, [i for i in dataset.image_ids if names[i] not in photos])
    for image_id in chosen.image_ids:
        numbers = objects.get(photo_name(chosen, image_id))
        if numbers:
            info = chosen.image_info[image_id]
            info["dropped"] = frozenset(info.get("dropped", ())) | numbers
    return chosen


def choose_classes(dataset: AnnotatedDataset, names: Sequence[str]) -> AnnotatedDataset:
    """A prepared copy of a data set that knows some of its classes, in an order of its own.

    Objects of other classes are as if they were not annotated.

    Args:
        dataset: AnnotatedDataset, prepared.
        names: of the classes to know.

    Raises:
        DataError: if a name is given twice, or the data set has no such class.
    """
    names = list(names)
    known = {name: info for name, info in zip(dataset.class_names[1:], dataset.class_info[1:])}
    for name in names:
        if name not in known or names.count(name) > 1:
            close = difflib.get_close_matches(str(name), known, 1)
            hint = f" (did you mean {close[0]!r}?)" if close and name not in known else ""
            what = "are named twice" if name in known else "are none of the data's"
            raise DataError(f"CLASSES: {name!r} {what}{hint}: take some of {', '.join(known)}, each once.")
    chosen = copy.copy(dataset)
    chosen.class_info = [dataset.class_info[0], *(dict(known[name]) for name in names)]
    left_out = (info for name, info in known.items() if name not in names)
    chosen._left_out = {*dataset._left_out, *(f"{info['source']}.{info['id']}" for info in left_out)}
    chosen.prepare()
    return chosen


def photo_name(dataset, image_id):
    """Name by which splits and lists of faults know a photo of any data set."""
    info = dataset.image_info[image_id]
    return info.get("file_name") or (os.path.basename(info["path"]) if info.get("path") else str(info["id"]))
