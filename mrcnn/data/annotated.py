"""What the readers of public formats share: objects as run lengths, and a list of what is wrong with them.

A reader subclasses `AnnotatedDataset` and gives `read_objects`. A fault that lies in the annotation file itself is met
when the file is loaded; one that lies in an object may be met when its photo is asked for.
"""

import copy
import dataclasses
import os
import warnings
from typing import NamedTuple

import numpy as np

from mrcnn.data import masks as mask_ops
from mrcnn.data.dataset import Dataset
from mrcnn.data.images import DataError

# What can be wrong with a sample; `mrcnn.data.validate` lists samples under these names.
FAULT_KINDS = {
    "unreadable": "the photo cannot be decoded",
    "missing": "the photo's file is not in the folder",
    "path escape": "the photo's name leads out of the image folder",
    "wrong size": "photo and annotation have different sizes",
    "empty mask": "an object has no pixel",
    "mask outside": "an object lies outside the photo",
    "unknown class": "an object is of a class that the data set does not list",
    "RLE overflow": "run lengths reach beyond the photo",
    "duplicate id": "an id occurs twice",
    "bad entry": "an entry that cannot be understood",
}


class Fault(NamedTuple):
    """One bad sample.

    photo: file name as annotated; kind: of FAULT_KINDS; message: what is wrong, without the photo's name
    number: which of the photo's objects, counted from 0 in the order of the file; None: the photo as a whole
    """

    photo: str
    kind: str
    message: str
    number: int | None = None

    def __str__(self):
        return f"{self.photo}{'' if self.number is None else f', object {self.number}'}: {self.message}"


@dataclasses.dataclass(frozen=True)
class ObjectAnnotation:
    """One object of a photo.

    number: its place among the photo's objects in the file, from 0 on; class_id: of the prepared data set
    rle: COCO's compressed run lengths {"size": [H, W], "counts"}, checked; crowd: whether it is a crowd
    attributes: ids of finer attributes that the format gives
    """

    number: int
    class_id: int
    rle: dict
    crowd: bool = False
    attributes: tuple = ()


class AnnotatedDataset(Dataset):
    """Base class of the readers.

    A subclass registers photos by `add_photo`, reports what is wrong by `fault`, and overrides `read_objects`.
    Attribute `faults`: list of Fault met (and skipped) while loading.
    """

    def __init__(self, class_map=None):
        super().__init__(class_map)
        self.faults = []
        self._skips = False

    # --- For readers ---------------------------------------------------------------------------------------------
    def start_loading(self, on_error):
        """on_error: "raise" at the first fault, or "skip" what is at fault and keep it in `faults`."""
        if on_error not in ("raise", "skip"):
            raise ValueError(f'on_error={on_error!r} is neither "raise" nor "skip".')
        self._skips = on_error == "skip"

    def fault(self, source, fault):
        """Raise DataError for a fault, or note it, as `start_loading` was told. source: path of the annotations."""
        if not self._skips:
            raise DataError(
                f'{source}: {fault}: correct the annotations, or leave it out (on_error="skip", --on-error skip).'
            )
        self.faults.append(fault)

    def finish_loading(self, source):
        """Warn of what was skipped, and raise DataError if no photo remains."""
        if self.faults:
            shown = "; ".join(map(str, self.faults[:3]))
            more = f" and {len(self.faults) - 3} more" if len(self.faults) > 3 else ""
            warnings.warn(f"{source}: skipped {shown}{more}.", stacklevel=3)
        if not self.image_info:
            raise DataError(f"{source}: no photos remain: there are none, or the limit or the classes keep none.")

    def add_photo(self, source, image_id, folder_path, file_name, height, width, **details):
        """Register a photo. folder_path: its path on disk; file_name: relative to the image folder; sides in pixels."""
        self.add_image(source, image_id, folder_path, file_name=str(file_name), height=height, width=width, **details)

    def read_objects(self, image_id):
        """Yield an ObjectAnnotation, or a Fault, for each object of a photo; every reader overrides this."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its objects are read.")

    # --- For users -----------------------------------------------------------------------------------------------
    def file_name(self, image_id):
        """Name of a photo in the annotations, relative to the image folder; splits and lists of faults go by it."""
        info = self.image_info[image_id]
        return info.get("file_name") or self.sample_name(image_id)

    def objects(self, image_id):
        """list of ObjectAnnotation of a photo. Raises DataError naming the photo at the first Fault."""
        dropped = self.image_info[image_id].get("dropped", ())
        objects = []
        for entry in self.read_objects(image_id):
            if entry.number in dropped:
                continue
            if isinstance(entry, Fault):
                raise DataError(f"{entry}: correct the annotations, or leave it out by what `data validate` lists.")
            objects.append(entry)
        return objects

    def object_faults(self, image_id):
        """list of Fault: what is wrong with the objects of a photo."""
        return [entry for entry in self.read_objects(image_id) if isinstance(entry, Fault)]

    def load_rles(self, image_id):
        """Objects of a photo: (list of compressed run lengths, int32 [N] class ids, negative for crowds)."""
        objects = self.objects(image_id)
        class_ids = [entry.class_id * (-1 if entry.crowd else 1) for entry in objects]
        return [entry.rle for entry in objects], np.array(class_ids, np.int32)

    def load_mask(self, image_id):
        """Objects of a photo: (masks bool [H, W, N], int32 [N] class ids, negative for crowds)."""
        info = self.image_info[image_id]
        rles, class_ids = self.load_rles(image_id)
        return mask_ops.rles_decode(rles, (info["height"], info["width"])), class_ids

    def object_count(self, image_id):
        """Number of objects of a photo, crowds not counted."""
        return sum(not entry.crowd for entry in self.objects(image_id))

    def image_reference(self, image_id):
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

    faults: Faults; those of photos that the data set does not have are of no effect
    """
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


def photo_name(dataset, image_id):
    """Name by which splits and lists of faults know a photo of any data set."""
    info = dataset.image_info[image_id]
    return info.get("file_name") or (os.path.basename(info["path"]) if info.get("path") else str(info["id"]))
