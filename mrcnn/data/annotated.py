"""What the readers of public formats share: objects as run lengths, and a list of what is wrong with them.

A reader subclasses `AnnotatedDataset` and gives `read_objects`. A fault that lies in the annotation file itself is met
when the file is loaded; one that lies in an object may be met when its photo is asked for. Several threads may ask for
objects at once: a reader changes nothing of its own after loading.
"""

import copy
import dataclasses
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.dataset import Dataset, Kind
from mrcnn.data.faults import AT_FAULT, Fault, Loss
from mrcnn.data.objects import OfTheWhole, is_users_own, objects_beyond, tell_left_out
from mrcnn.data.photo_names import NAME, as_called, file_name_of
from mrcnn.data.reporting import Reporting
from mrcnn.errors import DataError


@dataclasses.dataclass(frozen=True)
class ObjectAnnotation:
    """One object of a photo.

    Args:
        number: index of the object among those of the photo in the file.
        class_id: of the prepared data set.
        rle: COCO's compressed run lengths {"size": [H, W], "counts"}, checked.
        crowd: whether it is a crowd.
        attributes: ids of finer attributes that the format gives; one that is given twice counts once.
    """

    number: int
    class_id: int
    rle: dict
    crowd: bool = False
    attributes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.attributes)) < len(self.attributes):
            object.__setattr__(self, "attributes", tuple(dict.fromkeys(self.attributes)))


class AnnotatedDataset(Reporting):
    """Base class of the readers of formats.

    A subclass registers photos by `add_photo`, reports what is wrong by `fault`, what it took in a way of its own by
    `note`, and overrides `read_objects`.

    Args:
        class_map: ignored; Matterport's argument.

    Attributes:
        faults: list of Fault met while loading; their objects or photos are left out, unless a fault is harmless.
        notes: list of Note of what was taken otherwise than it is written.
        lost: list of Loss, of objects and photos that were left out.
        only_boxes: whether every outline is an upright rectangle, as far as the reader looks.
        attribute_names: {id: name} of what `ObjectAnnotation.attributes` lists.
        unused_groups: [(number of classes before it, its class_info)] of what the file lists as a class and uses as the
            name of a group or of the background alone: no class, unless `keep_groups` makes it one.
    """

    whole_names = True  # many classes of clothes share their first word
    looks_late = False  # whether a reader looks at objects only when they are asked for

    def __init__(self, class_map: object = None) -> None:
        super().__init__(class_map)
        self.only_boxes = False
        self.attribute_names = {}
        self.unused_groups = ()
        self._left_out = ()  # "source.id" of the classes that `choose_classes` left out

    @staticmethod
    def parts(annotations: str | os.PathLike) -> tuple[str, ...]:
        """Names of the parts that annotations are split into by their own files, such as ("train", "val").

        A reader of a format that has splits overrides this; its `load` then takes split, the name of one of them or
        None for all, and each photo has its part as "split" in `image_info`.

        Args:
            annotations: their path.

        Returns:
            The names; () of a format without splits.
        """
        return ()

    def map_source_class_id(self, source_class_id: str) -> int:
        """Look up a class by its id in a source.

        Args:
            source_class_id: "SOURCE.ID", such as "coco.12".

        Returns:
            Class id in this data set; 0, the background's, of a class that `choose_classes` left out.
        """
        return 0 if source_class_id in self._left_out else super().map_source_class_id(source_class_id)

    def add_category(self, source: str, class_id: int | str, class_name: str,
                     supercategory: str | None = None) -> None:
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
        """Read the objects of a photo one by one; every reader overrides this.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            An ObjectAnnotation, or a Fault, for each object.

        Raises:
            NotImplementedError: the reader does not.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how its objects are read.")

    # --- For users -----------------------------------------------------------------------------------------------
    def file_name(self, image_id: int) -> str:
        """Name a photo as the annotations do; splits and lists of faults use it.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            Name relative to the image folder.
        """
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
        for entry in self.objects_and_faults(image_id):
            if isinstance(entry, ObjectAnnotation):
                objects.append(entry)
            elif entry.kind != "empty mask" and not entry.harmless:
                if not self._skips:
                    raise DataError(
                        f'{entry}: correct the annotations, or leave it out (on_error="skip", --on-error skip).'
                    )
                warnings.warn(f"skipped {entry}.", stacklevel=2)
        return objects

    def object_faults(self, image_id: int) -> list[Fault]:
        """Find the faults of the objects of a photo.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            The faults.
        """
        return [entry for entry in self.objects_and_faults(image_id) if isinstance(entry, Fault)]

    def objects_and_faults(self, image_id: int) -> list[ObjectAnnotation | Fault]:
        """Read what `read_objects` yields, without what `without` dropped and `choose_classes` left out.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            An ObjectAnnotation, or a Fault, for each object.
        """
        dropped = self.image_info[image_id].get("dropped", ())
        return [entry for entry in self.read_objects(image_id)
                if entry.number not in dropped and getattr(entry, "class_id", None) != 0]

    def load_rles(self, image_id: int) -> tuple[list[dict], np.ndarray]:
        """Load the objects of a photo as run lengths.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            (list of compressed run lengths, class ids int32 [N], negative for crowds).
        """
        objects = self.objects(image_id)
        class_ids = [entry.class_id * (-1 if entry.crowd else 1) for entry in objects]
        return [entry.rle for entry in objects], np.array(class_ids, np.int32)

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:  # described by Dataset
        info = self.image_info[image_id]
        rles, class_ids = self.load_rles(image_id)
        return run_lengths.decode_all(rles, (info["height"], info["width"])), class_ids

    def object_classes(self, image_id: int) -> np.ndarray:
        """Tell the classes of the objects of a photo.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            int32 [N] class ids, negative for crowds.
        """
        return self.load_rles(image_id)[1]

    def object_count(self, image_id: int) -> int:
        """Count the objects of a photo, but for crowds.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            The number.
        """
        return int((self.object_classes(image_id) > 0).sum())

    def parts_lines(self) -> list[str]:
        """Tell of parts of label maps that are no objects of their own; there are none but in label maps.

        Returns:
            list of sentences.
        """
        return []

    def image_reference(self, image_id: int) -> str:
        """Tell the path of a photo and its id in the annotations.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            A text.
        """
        info = self.image_info[image_id]
        return f"{info['path']} (image {info['id']})"


def select(dataset: Kind, image_ids: Iterable[int]) -> Kind:
    """A prepared copy of a data set with some of its photos, in the order of `image_ids`; classes stay as they are.

    Methods of a user's own class are asked for a photo by the id that it has in the whole data set: they may look it up
    in lists of their own.
    """
    chosen, image_ids = copy.copy(dataset), [int(i) for i in image_ids]
    chosen.image_info = [dict(dataset.image_info[i]) for i in image_ids]
    for name in BY_ID:
        if is_users_own(dataset, name):
            setattr(chosen, name, OfTheWhole(dataset, name, image_ids))
    chosen._is_part = True
    chosen.prepare()
    return chosen


TWICE = "duplicate id"  # kind of the fault of a photo that is listed more than once
BY_ID = ("load_image", "load_mask", "load_rles", "object_count", "object_classes", "object_attributes", "label_map",
         "image_reference", "source_image_link", "sample_name")  # methods that a photo's id is given to


def without(dataset: Kind, faults: Sequence[Fault]) -> Kind:
    """A prepared copy of a data set that leaves out what a list of faults names: objects, or whole photos.

    faults: Faults; harmless ones, and those of photos that the data set does not have, are of no effect
    """
    names = [photo_name(dataset, i) for i in dataset.image_ids]
    first = {name: i for i, name in reversed(list(enumerate(names)))}  # of photos of one name the first stays
    faults = [fault._replace(photo=as_called(fault.photo, first)) for fault in faults if not fault.harmless]
    photos = {fault.photo for fault in faults if fault.number is None and fault.kind != TWICE}
    twice = {fault.photo for fault in faults if fault.number is None and fault.kind == TWICE}
    objects = {}
    for fault in (fault for fault in faults if fault.number is not None):
        objects.setdefault(fault.photo, {})[fault.number] = fault.kind
    again = {i for i in dataset.image_ids if names[i] in twice - photos and first[names[i]] != i}
    if is_users_own(dataset, "load_mask"):  # which knows nothing of what is dropped
        whole = {name for name, kinds in objects.items() if set(kinds.values()) != {"empty mask"}} - photos
        others = {names[i] for i in again if objects_beyond(dataset, i, first[names[i]])} - whole
        tell_left_out(dataset, {"with faulty objects": whole, "listed again with other objects": others})
        photos |= whole | others
    chosen = select(dataset, [i for i in dataset.image_ids if names[i] not in photos and i not in again])
    known = {(fault.photo, fault.number) for fault in getattr(dataset, "faults", ()) if not fault.harmless}  # lost then
    lost = [Loss(name, AT_FAULT, 0, whole=True) for name in names if name in photos]
    for image_id in chosen.image_ids:
        name, info = photo_name(chosen, image_id), chosen.image_info[image_id]
        kinds, dropped = objects.get(name, {}), frozenset(info.get("dropped", ()))
        if kinds:
            info["dropped"] = dropped | kinds.keys()
        new = [number for number in kinds.keys() - dropped if kinds[number] != "empty mask"]
        lost += [Loss(name, AT_FAULT, 1) for number in new if (name, number) not in known]
    if hasattr(dataset, "lost"):
        lost += [Loss(names[i], AT_FAULT, objects_beyond(dataset, i, first[names[i]])) for i in sorted(again)
                 if names[i] not in photos]
        chosen.lost = dataset.lost + lost
    return chosen


def keep_groups(dataset: Dataset, names: Iterable[str] | None, why: str) -> None:
    """Make those of a data set's unused groups classes, in their places, that others take for classes; that is told.

    The data set itself is changed. A group without objects is a class where other data, a checkpoint or a user says so.

    Args:
        dataset: any Dataset, prepared; those of other kinds have no such groups.
        names: that classes have elsewhere; None: not known.
        why: who names them, for the line that tells of it, as "b.json has it as a class".
    """
    groups = [(place, info) for place, info in getattr(dataset, "unused_groups", ())
              if f"{info['source']}.{info['id']}" not in dataset.class_from_source_map]  # as of a second file
    kept = [str(info["name"]) for _, info in groups if names is not None and str(info["name"]) in names]
    if not kept:
        return
    infos, rest = [], []
    for place in range(len(dataset.class_info) + 1):
        for before, info in groups:
            if before == place and str(info["name"]) in kept:
                infos.append(info)
            elif before == place:
                rest.append((len(infos), info))
        infos += dataset.class_info[place:place + 1]
    dataset.class_info, dataset.unused_groups = infos, tuple(rest)
    dataset.prepare()
    warnings.warn(f"{', '.join(kept)}: kept as a class, though no object here is of it and others name it as their "
                  f"supercategory: {why}.", stacklevel=2)
    for method in vars(dataset).values():
        if isinstance(method, OfTheWhole):  # the whole, which is asked, has to number its classes in the same way
            keep_groups(method.dataset, kept, why)


def photo_name(dataset: Dataset, image_id: int) -> str:
    """Name by which splits and lists of faults know a photo of any data set."""
    info = dataset.image_info[image_id]
    return info.get("file_name") or (file_name_of(info) if info.get("path") else info.get(NAME) or str(info["id"]))
