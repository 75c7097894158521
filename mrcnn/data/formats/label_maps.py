"""Label maps: one PNG or MATLAB file a photo, in which the value of each pixel is its label.

Which labels make up a class is told by a mapping (`mrcnn.data.formats.label_mapping`). A class becomes objects by this
rule: its pixels fall into parts that hang together, over corners too; parts of fewer than `min_area` pixels are left
out; of paired things (shoes, boots, socks, gloves: what the mapping calls "parts") each part is an object, of all
others the union of the parts is one object. `WithLabelMaps.parts_lines` tells what was joined and left out.
"""

import os
import warnings
from collections.abc import Iterator

import numpy as np

from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.dataset import source_ids
from mrcnn.data.formats import (
    binary_maps,
    blurred_maps,
    label_colours,
    label_mapping,
    label_objects,
    label_palettes,
    photo_places,
)
from mrcnn.data.formats.fitting import STORED, STRETCHED, fitted, turns_of
from mrcnn.data.formats.label_files import MAP_ENDINGS, few_labels, map_size, other_size, read_label_map
from mrcnn.data.formats.label_mapping import IGNORED, UNKNOWN, LabelClasses
from mrcnn.data.formats.label_objects import encoded, map_objects
from mrcnn.data.formats.photo_files import photo_header
from mrcnn.data.images import PHOTO_ENDINGS
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError

FORMAT = "label_maps"
# How the stem of a label map ends where it is not that of its photo, and how the photo's ends in its place.
MAP_SUFFIXES = (("_gtFine_labelIds", "_leftImg8bit"), ("_gtCoarse_labelIds", "_leftImg8bit"),
                ("_gtFine_labelTrainIds", "_leftImg8bit"), ("_gtCoarse_labelTrainIds", "_leftImg8bit"), ("_mask", ""),
                ("_masks", ""), ("_label", ""), ("_labels", ""), ("_seg", ""), ("_segmentation", ""), ("_gt", ""),
                ("_L", ""), ("_labelIds", ""), ("_labelTrainIds", ""))
NUMBERED = ("_labelIds.png", "_labelTrainIds.png")  # Cityscapes' maps of a photo, of which the first kind is taken
PHOTO_FOLDERS = ("photos", "images", "JPEGImages")  # beside the folder of label maps
ELSEWHERE = ("not beside the label maps by one of the usual names: taken, as it alone has photos of theirs (images=, "
             "--images: another)")


def recognises(path: str | os.PathLike, named: bool = False) -> bool:
    """Whether a folder holds label maps: PNGs of few values or colours, or MATLAB files of one integer array.

    Args:
        path: of the folder.
        named: whether a file of label names is given for it.
    """
    try:
        first = next(iter(map_files(path)), None)
        named = named or bool(label_mapping.find_names(path))
        return first is not None and few_labels(os.path.join(path, first), named)
    except (DataError, OSError, TypeError, ValueError):
        return False


class WithLabelMaps(AnnotatedDataset):
    """Base class of readers whose photos have label maps, all of them or some.

    A subclass overrides `_map_values`, and registers its classes by the numbers that LabelClasses gives them.

    Args:
        class_map: ignored; Matterport's argument.

    Attributes:
        parts_of: {`file_name` of a photo: {class: ClassParts}} of the photos whose objects were read so far. Threads
            may read a photo at once: each writes the same.
    """

    label_source = FORMAT  # of the classes

    def __init__(self, class_map: object = None) -> None:
        super().__init__(class_map)
        self.parts_of = {}

    def _tell_parts(self, photo, told):
        if told:
            self.parts_of[photo] = told

    def parts_lines(self) -> list[str]:
        """Tell of the parts of label maps' classes that are no objects of their own.

        Returns:
            list of sentences, of the photos of this data set whose objects were read so far.
        """
        names = {str(i): info["name"] for info in self.class_info for source, i in source_ids(info)
                 if source == self.label_source}
        told = {photo: [(names[str(value)], parts) for value, parts in by_class.items() if str(value) in names]
                for photo, by_class in list(self.parts_of.items())}
        return label_objects.parts_lines(told, {info["file_name"] for info in self.image_info})

    def _map_values(self, info: dict) -> np.ndarray | Fault | None:
        """The label map of a photo.

        Args:
            info: entry of `image_info`.

        Returns:
            uint8 [H, W]: 1 to K as LabelClasses number the classes, 0, IGNORED; or a Fault; or None, for a photo that
            has objects and no label map.

        Raises:
            NotImplementedError: the reader does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how its label maps are read.")

    def _objects_of(self, photo: str, values: np.ndarray | Fault,
                    classes: LabelClasses) -> Iterator[ObjectAnnotation | Fault]:
        """Yield the objects of what `_map_values` gave, by class, those of one class from top to bottom; or its fault.

        photo: `file_name` of the photo
        """
        if isinstance(values, Fault):
            yield values
            return
        told = {}
        for number, (value, mask, corner) in enumerate(map_objects(values, classes, told)):
            class_id = self.map_source_class_id(f"{self.label_source}.{value}")
            yield ObjectAnnotation(number, class_id, encoded(mask, corner, values.shape))
        self._tell_parts(photo, told)

    def label_map(self, image_id: int) -> np.ndarray | None:
        """Tell the class of every pixel of a photo.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            uint8 [H, W]: a class id, 0 background, 255 ignored; or None, for a photo that has no label map. 255
            everywhere, with a warning, if it cannot be used and the data set was loaded with on_error="skip".

        Raises:
            DataError: the label map cannot be used; the message names the photo.
        """
        info = self.image_info[image_id]
        values = self._map_values(info)
        if values is None:
            return None
        if isinstance(values, Fault):
            if not self._skips:
                raise DataError(f'{values}: correct the label map, or leave it out (on_error="skip", --on-error skip).')
            warnings.warn(f"skipped {values}.", stacklevel=2)
            return np.full((info["height"], info["width"]), IGNORED, np.uint8)
        class_ids = np.zeros(256, np.uint8)  # background, also for classes that were left out
        class_ids[IGNORED] = IGNORED
        for class_id, entry in enumerate(self.class_info):
            class_ids[[i for source, i in source_ids(entry) if source == self.label_source]] = class_id
        return class_ids[values]


class LabelMapDataset(WithLabelMaps):
    """A folder of label maps and a folder of photos that have the same stems."""

    looks_late = True

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, min_area: int | None = None,
             **others: object) -> "LabelMapDataset":
        """Register the photos that have a label map, by headers alone; a few maps are looked at for 0 and 255 alone.

        Args:
            annotations: folder of the label maps, NAME.png (palette, grey or colours) or NAME.mat.
            images: folder of the photos, NAME with any ending; None: one of PHOTO_FOLDERS beside `annotations`, else
                itself, else the one that `photo_places` finds.
            limit: take the first so many label maps.
            on_error: "raise" at a bad sample or "skip" it (see `faults`).
            names: file of the labels' names (see `names_files.read_names`); None: one of NAMES_FILES there or above.
            mapping: path or name of a mapping (see `label_mapping`); None: every label but 0 is a class.
            min_area: pixels of the smallest part of a class that is an object; None: as the mapping says, else
                MIN_AREA.

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and what is wrong.
        """
        self.refuse(annotations, **others)
        self.start_loading(on_error)
        files = map_files(annotations)
        names = names or label_mapping.find_names(annotations)
        if names is None:
            wanted = ", ".join(label_mapping.NAMES_FILES)
            raise DataError(f"{annotations}: has no file of label names ({wanted}): give one (names=, --names).")
        listed, colours = label_colours.read_labels(names, annotations)
        classes = label_mapping.label_classes(listed, mapping, min_area, self.note)
        stems = {file: os.path.splitext(file)[0] for file in files[:limit]}
        folder, same, photos = self._find_photos(annotations, images or _photo_folder(annotations), stems)
        elsewhere = folder.path
        if images is None and not any(photos.values()):
            other = photo_places.other_photo_folder(annotations, [(s, *photo_stems(s)) for s in stems.values()])
            elsewhere = f"{folder.path} or {photo_places.looked_into(annotations)}"
            if other is not None:
                self.note("folder of photos", ELSEWHERE, other)
                folder, same, photos = self._find_photos(annotations, other, stems)
                elsewhere = folder.path
        self._tell_left_out(annotations, files, same)
        missing = [file for file, name in photos.items() if name is None]
        found = {os.path.join(annotations, file): name for file, name in photos.items() if name is not None}
        inside = self._label_of_255(list(found), listed, colours)
        self._add_photos(found, folder, colours, label_classes=classes, inside=inside)
        self.missing_photos(annotations, elsewhere, missing, len(files[:limit]), stems)
        for class_id, name in enumerate(classes.names, start=1):
            self.add_class(FORMAT, class_id, name)
        self.finish_loading(annotations)
        return self

    def _find_photos(self, annotations, place, stems):
        """(PhotoFolder of a place, whether it has the maps too, {label map: name of its photo, or None}).

        stems: {label map: its stem}
        """
        same = os.path.abspath(place) == os.path.abspath(annotations)  # then a map finds itself
        folder = PhotoFolder(place, None if same else self.note)
        photos = {file: folder.find_stem(stem) for file, stem in stems.items()}
        for file, stem in stems.items():
            if photos[file] is None or (same and photos[file] == file):
                named = next(filter(None, map(folder.find, _photo_names(stem))), None)
                photos[file] = named or next(filter(None, map(folder.find_stem, photo_stems(stem))), None)
                if photos[file] is not None:
                    self.note("label map", "called otherwise than its photo: taken by the usual endings", file)
        lacking = [] if same else [stems[file] for file, name in photos.items() if name is None]
        alike = self.find_alike(folder, lacking, set(photos.values()))
        photos = {file: name or alike.get(stems[file]) for file, name in photos.items()}
        return folder, same, {file: None if same and name == file else name for file, name in photos.items()}

    def _tell_left_out(self, folder, files, same):
        """Note the pictures that may be label maps too. same: whether the photos lie among them"""
        for name in () if same else _unread_maps(folder):
            self.note("picture", "of a kind that no label map is read from: left out; save it as PNG", name)
        others = [name for name in _visible_files(folder) if name.endswith(NUMBERED[1])]
        if others and files[0].endswith(NUMBERED[0]):
            self.note("label map", f"left out, as those called *{NUMBERED[0]} beside them are taken: to take these, "
                      "give a folder that has them alone, with their own names", others[0], len(others))

    def _label_of_255(self, paths, listed, colours):
        """As `binary_maps.label_of_255` has it; colours that are listed tell by themselves. Smoothed maps are noted."""
        if colours is not None and colours.listed:
            return None
        blurred_maps.tell_blurred(paths, lambda path: read_label_map(path, colours), self.note)
        maps = (read_label_map(path, colours) for path in binary_maps.of_a_few(paths))
        first = os.path.basename(paths[0]) if paths else ""
        return binary_maps.label_of_255(listed, maps, len(paths), first, self.note)

    def _add_photos(self, found, folder, colours, **details):
        """Register photos, or what is wrong with them. found: {path of a label map: name of its photo in the folder}"""
        sizes, maps, palettes = {}, {}, {}
        for map_path, name in found.items():
            if maps.setdefault(name, map_path) != map_path:
                # Under the photo's own name the fault would stand for the first map, which is sound.
                message = f"the photo {name} is that of {os.path.basename(maps[name])} too"
                self.fault(map_path, Fault(os.path.basename(map_path), "duplicate id", message))
                continue
            try:
                upright, orientation = photo_header(folder.join(name))
            except DataError as error:
                self.fault(map_path, Fault(name, "unreadable", str(error).rstrip(".")))
                continue
            try:
                sizes[map_path] = map_size(map_path, palettes), upright, orientation
            except DataError as error:
                self.fault(map_path, Fault(name, "bad entry", str(error).rstrip(".")))
        by_palette, at_odds = label_palettes.settled(palettes, colours, self.note)
        for map_path, message in at_odds.items():
            del sizes[map_path]
            self.fault(map_path, Fault(found[map_path], "bad entry", message))
        for map_path, turn in turns_of(sizes, stretch=True, report=self, called=found.get).items():
            name, (own_size, size, _) = found[map_path], sizes[map_path]
            if turn is None:
                self.fault(map_path, _wrong_size(name, own_size, size))
                continue
            if turn != 1:
                self.note("label map", STORED, name)
            if own_size not in (size, size[::-1] if turn != 1 else size):
                self.note("label map", STRETCHED, f"{name}: {other_size(own_size, size)}")
            self.add_photo(FORMAT, os.path.splitext(name)[0], folder.join(name), name, *size, map_path=map_path,
                           turn=turn, colours=by_palette.get(map_path, colours), **details)

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield the objects of a photo by class, those of one class from top to bottom, or the fault of its map."""
        info = self.image_info[image_id]
        yield from self._objects_of(info["file_name"], self._map_values(info), info["label_classes"])

    def object_classes(self, image_id: int) -> np.ndarray:
        """int32 [N]: class ids of the objects of a photo; they are counted, not encoded."""
        info = self.image_info[image_id]
        values = self._map_values(info)
        if isinstance(values, Fault):
            return super().object_classes(image_id)  # which tells it, or leaves it out
        dropped, class_ids, told = info.get("dropped", ()), [], {}
        for number, (value, *_) in enumerate(map_objects(values, info["label_classes"], told)):
            class_id = self.map_source_class_id(f"{FORMAT}.{value}")
            if class_id and number not in dropped:
                class_ids.append(class_id)
        self._tell_parts(info["file_name"], told)
        return np.array(class_ids, np.int32)

    def _map_values(self, info: dict) -> np.ndarray | Fault:
        """As `WithLabelMaps` has it; every photo has a label map."""
        try:
            labels = read_label_map(info["map_path"], info["colours"])
        except DataError as error:
            return Fault(info["file_name"], "bad entry", str(error).rstrip("."))
        size, own_size = (info["height"], info["width"]), labels.shape
        labels = fitted(labels, size, info["turn"])
        if labels is None:
            return _wrong_size(info["file_name"], own_size, size)
        labels = binary_maps.with_label(labels, info.get("inside"), info["file_name"])
        return labels if isinstance(labels, Fault) else classified(labels, info["label_classes"], info["file_name"])


def classified(labels: np.ndarray, classes: LabelClasses, name: str) -> np.ndarray | Fault:
    """The classes of a label map's pixels.

    Args:
        labels: [H, W] whole numbers from 0 on.
        classes: LabelClasses.
        name: of the photo.

    Returns:
        uint8 [H, W]: 1 to K as LabelClasses number the classes, 0, IGNORED; or a Fault, for labels without a name.
    """
    table = classes.table
    present = np.flatnonzero(np.bincount(labels.ravel()))
    unknown = [int(label) for label in present if label >= len(table) or table[label] == UNKNOWN]
    if unknown:
        listed = ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        step = _stretched(unknown, table)
        hint = f", multiples of {step}, as labels stretched for the eye are: divide them by {step}" if step else ""
        known = np.flatnonzero(table[1:IGNORED] != UNKNOWN) + 1
        if not step and len(known) == 1 and len(unknown) > 2 and 127 < unknown[-1] < 256:
            hint = f", as soft edges of a mask of 0 to 255 are: write {known[0]} where it is above 127, and 0 elsewhere"
        return Fault(name, "unknown class", f"its label map has labels without a name: {listed}{hint}")
    return table.astype(np.uint8)[labels]


def _stretched(unknown, table):
    """By what labels were multiplied to fill 0 to 255, if they look so, else None. table: of LabelClasses"""
    known = np.flatnonzero(table[:IGNORED] != UNKNOWN)
    step = IGNORED // max(int(known.max(initial=0)), 1)
    return step if step > 1 and all(label % step == 0 for label in unknown) else None


def _wrong_size(name, map_size, size):
    return Fault(name, "wrong size", f"the label map {other_size(map_size, size)}")


# --- Files -----------------------------------------------------------------------------------------------------------


def map_files(folder: str | os.PathLike) -> list[str]:
    """Names of the label maps in a folder, sorted; files of names are none. Raises DataError if there is no folder."""
    files = [name for name in _visible_files(folder) if name not in label_mapping.NAMES_FILES]
    maps = [name for name in files if name.lower().endswith(MAP_ENDINGS)]
    for ending in NUMBERED:
        cityscapes = [name for name in maps if name.endswith(ending)]
        if cityscapes:
            return cityscapes  # beside other pictures of the same photo
    # Photos that lie beside their maps are none.
    stems = {os.path.splitext(name)[0] for name in files}
    partners = {name: stems.intersection(photo_stems(os.path.splitext(name)[0])) for name in maps}
    photos = set().union(*partners.values())
    suffixed = [name for name in maps if partners[name]]
    return suffixed if all(partners[m] or os.path.splitext(m)[0] in photos for m in maps) else maps


def photo_stems(stem: str) -> list[str]:
    """Stems that the photo of a label map may have, other than the map's."""
    return [stem.removesuffix(ending) + photos for ending, photos in MAP_SUFFIXES if stem.endswith(ending)]


def _photo_names(stem):
    """Names that the photo of a label map x_png may have, as `mrcnn label` calls it where there is an x.jpg too."""
    name, _, ending = stem.rpartition("_")
    return [f"{name}.{ending}"] if name and f".{ending}".lower() in PHOTO_ENDINGS else []


def _unread_maps(folder):
    """Names of the pictures in a folder of label maps that may be maps too, of kinds that are not read."""
    return [name for name in _visible_files(folder) if name.lower().endswith((".tif", ".tiff", ".bmp", ".gif"))]


def _visible_files(folder):
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    except OSError as error:
        raise DataError(f"{folder}: no such folder: give the folder of the label maps.") from error
    return [name for name in names if not name.startswith(".")]


def _photo_folder(folder):
    above = os.path.dirname(os.path.abspath(folder))
    beside = [os.path.join(above, name) for name in PHOTO_FOLDERS]
    return next((path for path in beside if os.path.isdir(path)), str(folder))
