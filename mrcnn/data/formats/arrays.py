"""Photos, masks and labels as arrays, in memory or in files (.npy, .npz, .h5), as courses and notebooks have them.

Masks of all photos may lie in a row, [M, H, W]; how many labels each photo has tells which are its own. Nothing is read
before it is asked for.
"""

import io
import os
import warnings
from collections.abc import Iterator

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import Fault, ObjectAnnotation
from mrcnn.data.formats import array_labels, array_masks, label_maps
from mrcnn.data.formats.array_files import holds_arrays
from mrcnn.data.formats.array_inputs import arrays_of
from mrcnn.data.formats.array_masks import EACH, LABELS, NUMBERED, STACKED, Masks
from mrcnn.data.formats.array_photos import Photos
from mrcnn.data.formats.array_roles import arrays_by_role, files_in
from mrcnn.data.formats.label_mapping import IGNORED, label_classes
from mrcnn.data.formats.label_words import begins_with_nothing, from_0
from mrcnn.errors import DataError

FORMAT = "arrays"
MOST_PHOTOS = 20_000_000
NOTHING = -1  # label of what fills up a row, and has no mask
CHECKED_BOXES = 64  # objects whose boxes are held against their masks


def recognises(path: str | os.PathLike) -> bool:
    """Whether a file holds arrays, or a folder files of them with masks among these."""
    try:
        return bool(files_in(path)) if os.path.isdir(path) else holds_arrays(path)
    except OSError:
        return False
    except DataError:  # masks are among them, twice
        return True


class ArrayDataset(label_maps.WithLabelMaps):
    """Photos, masks and labels as arrays; prepared, if arrays are given here.

    Args:
        images: [N, 3, H, W], [N, H, W, 3] or [N, H, W], uint8 or floats of 0 to 1 or to 255; or a list of N arrays.
        masks: [M, H, W] of the objects of all photos in a row; or for each photo [K, H, W] or [H, W, K], as a list or
            in one array; or [N, H, W] of maps, whose values number the objects (with labels) or are labels (without).
        labels: for each photo a list of the labels of its objects; or [M] in a row; or one-hot rows [N, C] of one
            object a photo.
        boxes: [K, 4] for each photo, or [M, 4] in a row; held against the masks, which boxes come from.
        counts: [N] numbers of objects, where labels lie in a row.
        names: of the classes, in the order of the labels, with or without the background's; or {label: name}, or the
            path of a file of them.
        first_label: 0 or 1, the label of the first name; None: as the labels tell.
        channels: "first" or "last", where the colours lie; None: as the shape tells.
        mapping, min_area: of label maps, as for `open_dataset`.

    Raises:
        DataError: the arrays do not fit each other; the message says how.
    """

    looks_late = True
    embeds_pixels = True  # photo_bytes makes files, of one page each
    label_source = FORMAT

    def __init__(self, images: np.ndarray | list | None = None, masks: np.ndarray | list | None = None,
                 labels: np.ndarray | list | None = None, boxes: np.ndarray | list | None = None,
                 counts: np.ndarray | list | None = None, names: list | dict | str | None = None,
                 first_label: int | None = None, channels: str | None = None, mapping: dict | str | None = None,
                 min_area: int | None = None) -> None:
        super().__init__()
        given = {"images": images, "masks": masks, "labels": labels, "boxes": boxes, "counts": counts, "names": names}
        if all(values is None for values in given.values()):  # a reader, to be loaded
            return
        self.start_loading("raise")
        self._register("arrays", given, None, first_label, channels, mapping, min_area)
        self.prepare()

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None, mapping: str | dict | None = None,
             min_area: int | None = None, arrays: dict | None = None, **others: object) -> "ArrayDataset":
        """Register the photos of files of arrays.

        Args:
            annotations: an .npz or .h5 file with arrays named images, masks, labels, boxes, counts; or the file of the
                masks alone; or a folder of files that are named so.
            images: the file of the photos, if they are not in `annotations`.
            limit: take the first so many photos.
            on_error: "raise" at a bad sample or "skip" it (see `faults`).
            names: path of a file of class names, see `names_files.read_names`.
            mapping, min_area: of label maps, as for `open_dataset`.
            arrays: {"labels": path, "boxes": path, "counts": path, "first_label": 0 or 1, "channels": "first" or
                "last"}, as far as they are wanted.
            others: options of other formats, which are refused.

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and what is wrong.
        """
        self.refuse(annotations, **others)
        self.start_loading(on_error)
        options = dict(arrays or {})
        first_label, channels = options.pop("first_label", None), options.pop("channels", None)
        paths = files_in(annotations) if os.path.isdir(annotations) else {"": annotations}
        paths.update({role: path for role, path in {"images": images, **options}.items() if path is not None})
        for role, path in paths.items():
            if os.path.isdir(path):
                raise DataError(f"{path}: is a folder, where a file of arrays is needed (--{role or 'annotations'}): "
                                "give photos as an array, or annotations of another format, as label maps in PNGs.")
        found = arrays_by_role(paths, self._tell)
        if "images" not in found:
            raise DataError(f"{annotations}: has no photos: give the file of them (images=, --images).")
        found["names"] = found.get("names") if names is None else names
        try:
            self._register(annotations, found, limit, first_label, channels, mapping, min_area)
        except DataError as error:
            raise DataError(f"{annotations}: {str(error).removeprefix(f'{annotations}: ')}") from error
        return self

    def _tell(self, what, how, first, count=1):
        self.note(what, how, first, count)

    # --- Registering ---------------------------------------------------------------------------------------------
    def _register(self, source, given, limit, first_label, channels, mapping, min_area):
        """Hold the arrays against each other and register what they have."""
        given = arrays_of(given)
        masks, names = given["masks"], given.get("names")
        flat = not isinstance(masks, (list, tuple)) and len(masks.shape) == 3
        self._photos = Photos(given["images"], tuple(masks.shape[1:]) if flat else None, channels, self._tell)
        photos = self._photos.count
        if photos > MOST_PHOTOS:
            raise DataError(f"an array of {photos} photos, more than {MOST_PHOTOS}: refused.")
        counts = array_labels.read_counts(given["counts"], photos) if "counts" in given else None
        given, first_label = self._without_one_hot(given, counts, first_label)
        self._labels, boxes = (
            array_labels.per_photo(given[role], photos, counts, role, depth) if role in given else None
            for role, depth in (("labels", 0), ("boxes", 1)))
        counts = self._counts(counts, self._labels, boxes)
        self._masks = Masks(masks, self._photos, counts, self._tell)
        if self._masks.kind == LABELS:
            self._classes = self._map_classes(names, mapping, min_area)
            known = dict(enumerate(self._classes.names, 1))
        else:
            self.refuse(source, mapping=mapping, min_area=min_area)
            known = self._named(names, first_label)
        for label, name in known.items():
            self.add_class(FORMAT, label, name)
        self._known = set(known)
        for index in range(photos if limit is None else min(photos, limit)):
            self._add(source, index, counts)
        if boxes is not None:
            self._check_boxes(boxes)
        self.finish_loading(source)

    def _without_one_hot(self, given, counts, first_label):
        """(what is given, first_label), where labels that were one-hot rows, of one object a photo, are numbers."""
        labels = given.get("labels")
        if labels is None or not (counts is None or (counts == 1).all()):
            return given, first_label
        numbers = array_labels.of_one_hot(labels, self._photos.count)
        if numbers is None or not array_masks.are_one_each(given["masks"], self._photos, np.shape(labels[0])[-1]):
            return given, first_label
        self._tell("label", "of rows with a single 1, taken as one-hot: the place of the 1 is the label; to say so "
                   "give labels.argmax(-1)", f"photo 0 has label {numbers[0]}", len(numbers))
        if first_label is None:
            first_label = array_labels.first_of_one_hot(np.shape(labels[0])[-1], given.get("names"))
        return {**given, "labels": numbers}, first_label

    def _named(self, names, first_label):
        """{label: name} of objects; labels that stand for nothing become NOTHING."""
        zeros = array_labels.zeros_of_nothing(self._labels, first_label, names, self._masks.present, self._tell)
        if zeros is None:
            return array_labels.class_names_of(self._labels, names, first_label, self._tell, self._masks.depth())
        labels = [own[~nothing] for own, nothing in zip(self._labels, zeros)]
        try:
            known = array_labels.class_names_of(labels, names, first_label, self._tell)
        except DataError as error:
            raise DataError(f"{error} Not counted are zeros, for their masks have no pixel.") from error
        self._labels = [np.where(nothing, NOTHING, own).astype(np.int64) for own, nothing in zip(self._labels, zeros)]
        return known

    def _add(self, source, index, counts):
        """Register one photo, or what is wrong with it."""
        name, size, shape = f"{index:06d}.png", self._photos.size(index), self._masks.shape(index)
        if shape is not None and shape != size:
            message = f"the photo has {_sides(size)} pixels, its masks have {_sides(shape)} (height x width)"
            return self.fault(source, Fault(name, "wrong size", message))
        self.add_photo(FORMAT, index, None, name, *size, index=index, embedded=True)

    @staticmethod
    def _counts(counts, labels, boxes):
        """int64 [N] of the objects of each photo, of which all that is given must speak alike; None if nothing is."""
        known = {"counts": counts}
        known.update((role, np.array([len(entry) for entry in values], np.int64))
                     for role, values in (("labels", labels), ("boxes", boxes)) if values is not None)
        known = {role: values for role, values in known.items() if values is not None}
        for role, values in known.items():
            first, others = next(iter(known.items()))
            if (values != others).any():
                index = int(np.flatnonzero(values != others)[0])
                raise DataError(f"photo {index} has {others[index]} objects by its {first} and {values[index]} by its "
                                f"{role}: give those that belong together.")
        return next(iter(known.values()), None)

    def _map_classes(self, names, mapping, min_area):
        """LabelClasses of label maps."""
        listed = array_labels.listed_names(names)
        if isinstance(listed, list) and listed and not begins_with_nothing(listed):
            self._tell("name", "counted from label 1 on, as 0 is the background, which has none: if the first is that "
                       "of 0, write background in its place", listed[0], len(listed))
            listed = dict(enumerate(listed, 1))
        elif isinstance(listed, list):
            listed = from_0(dict(enumerate(listed)))
        if not listed:
            present = set()
            for index in range(self._photos.count):
                present.update(np.unique(self._masks.map(index)).tolist())
            listed = {label: f"class {label}" for label in sorted(present - {0, IGNORED})}
            self._tell("label", "without a name, after which its class is called: give names (names=, --names)",
                       next(iter(listed.values()), ""), len(listed))
        if not set(listed) - {0, IGNORED}:
            raise DataError("the maps have no label but 0, the background: there is nothing to learn.")
        self._tell("mask", "taken as a map of its photo, whose values are labels", "no labels are given for objects",
                   self._masks.count)
        return label_classes({0: "background", **listed}, mapping, min_area, self._tell)

    def _check_boxes(self, boxes):
        """Tell of boxes that do not fit the masks, as where masks and labels are in different orders."""
        rles, own = [], []
        for info in self.image_info:
            index = info["index"]
            if len(rles) >= CHECKED_BOXES or self._masks.kind not in (STACKED, EACH):
                break
            for plane, box in zip(self._masks.planes(index), boxes[index]):
                if plane.any():
                    rles.append(run_lengths.encode(plane))
                    own.append(box)
        fitting = array_masks.fitting_boxes(rles, own) if rles else 0
        if fitting < len(rles) / 2:
            how = (f"of {len(rles)} looked at with boxes that do not fit their masks, in whatever order of x and y: "
                   "check that masks, labels and boxes are of the same photos in one order")
            self.note("object", how, self.image_info[0]["file_name"], len(rles) - fitting)

    # --- Loading -------------------------------------------------------------------------------------------------
    def load_image(self, image_id: int) -> np.ndarray:
        """Load a photo.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            uint8 [H, W, 3] RGB.
        """
        return self._photos.load(self.image_info[image_id]["index"], self.matte)

    def photo_bytes(self, image_id: int) -> bytes:
        """Write a photo as a PNG.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            Its bytes.
        """
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(self.load_image(image_id)).save(file, "PNG")
        return file.getvalue()

    def sample_name(self, image_id: int) -> str:
        """Name a photo in messages: by the file that it would be written to, which has its index.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            The name.
        """
        return self.image_info[image_id]["file_name"]

    def object_classes(self, image_id: int) -> np.ndarray:
        """Tell the classes of the objects of a photo; masks are looked at only where labels alone do not tell.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            int32 [N] class ids.
        """
        info = self.image_info[image_id]
        if self._labels is None or not set(self._labels[info["index"]].tolist()) <= self._known | {NOTHING}:
            return super().object_classes(image_id)
        dropped = info.get("dropped", ())
        labels = [label for number, label in enumerate(self._labels[info["index"]])
                  if number not in dropped and label != NOTHING]
        class_ids = np.array([self.map_source_class_id(f"{FORMAT}.{int(label)}") for label in labels], np.int32)
        return class_ids[class_ids != 0]  # without classes that `choose_classes` left out

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Read the objects of a photo one by one.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            An ObjectAnnotation, or a Fault, for each object.
        """
        info = self.image_info[image_id]
        index, name = info["index"], info["file_name"]
        if self._masks.kind == LABELS:
            yield from self._objects_of(name, self._map_values(info), self._classes)
        elif self._masks.kind == NUMBERED:
            yield from self._numbered(index, name, self._map(info))
        else:
            yield from self._planes(index, name, self._masks.planes(index))

    def _planes(self, index, name, planes):
        """Entries of masks that are each of one object."""
        labels = None if self._labels is None else self._labels[index]
        count = -1
        for count, plane in enumerate(planes):
            if labels is not None and (count >= len(labels) or labels[count] == NOTHING):
                if plane.any():
                    message = f"it has {(labels != NOTHING).sum()} labels, and mask {count} is not empty: give a label "
                    yield Fault(name, "bad entry", f"{message}for each")
                continue
            label = next(iter(self._known)) if labels is None else labels[count]
            entry = self._entry(name, count, label, plane)
            yield self._told_empty(index, entry) if isinstance(entry, Fault) and entry.kind == "empty mask" else entry
        if labels is not None and (labels[count + 1:] != NOTHING).any():
            yield Fault(name, "bad entry", f"it has {len(labels)} labels and {count + 1} masks: give a mask for each")

    def _told_empty(self, index, fault):
        """The fault of a mask without a pixel inside, which is told of if the mask is not empty itself."""
        why = self._masks.why_empty(index, fault.number)
        if not why:
            return fault
        fault = fault._replace(message=why)
        warnings.warn(f"left out {fault}.", stacklevel=2)
        return fault

    def _numbered(self, index, name, values):
        """Entries of a map whose value k is object k, or its fault."""
        if isinstance(values, Fault):
            yield values
            return
        labels = self._labels[index] if self._labels is not None else ()
        extra = int(values.max(initial=0))
        if self._labels is not None and extra > len(labels):
            yield Fault(name, "bad entry", f"its map numbers {extra} objects, and it has {len(labels)} labels")
            return
        for number in range(len(labels) if self._labels is not None else extra):
            label = labels[number] if self._labels is not None else next(iter(self._known))
            mask = values == number + 1
            if label != NOTHING or mask.any():
                yield self._entry(name, number, label, mask)

    def _map_values(self, info: dict) -> np.ndarray | Fault | None:
        """As `WithLabelMaps` has it; masks of objects, and maps that number these, are no label maps."""
        if self._masks.kind != LABELS:
            return None
        values = self._map(info)
        return values if isinstance(values, Fault) else label_maps.classified(
            values, self._classes, info["file_name"])

    def _map(self, info):
        """[H, W] whole numbers of a map, or a Fault."""
        try:
            return self._masks.map(info["index"])
        except DataError as error:
            return Fault(info["file_name"], "bad entry", str(error).rstrip("."))

    def _entry(self, name, number, label, plane):
        """ObjectAnnotation of a mask, or what is wrong with it."""
        if label == NOTHING:
            return Fault(name, "bad entry", "its label is 0, as of what has no mask, and its mask is not empty", number)
        if int(label) not in self._known:
            return Fault(name, "unknown class", f"its label {label} has no name", number)
        if not plane.any():
            return Fault(name, "empty mask", "its mask has no pixel", number)
        return ObjectAnnotation(number, self.map_source_class_id(f"{FORMAT}.{int(label)}"), run_lengths.encode(plane))


def _sides(size):
    return f"{size[0]}x{size[1]}"
