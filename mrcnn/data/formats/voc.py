"""PASCAL VOC's data for segmentation, as VOC, CVAT (Segmentation mask) and LabelMe (labelme2voc) lay it out.

    JPEGImages/NAME.jpg                     photos
    SegmentationObject/NAME.png             a pixel of value or colour k is of object k
    SegmentationClass/NAME.png              the class of each pixel; 255 is void, neither a class nor background
    ImageSets/Segmentation/PART.txt         names of the photos of a part; may be left out
    labelmap.txt, class_names.txt           classes; without such a file they are VOC's own twenty

Objects are where SegmentationObject has them, each of the class that most of its pixels have in SegmentationClass.
"""

import os
from collections.abc import Iterator

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.formats import label_colours, label_mapping, label_palettes, label_words, voc_layout
from mrcnn.data.formats.blurred_maps import BLURRED, is_blurred
from mrcnn.data.formats.label_files import other_size, png_size, read_label_map
from mrcnn.data.formats.label_mapping import IGNORED, UNKNOWN
from mrcnn.data.formats.label_maps import FORMAT as LABELS
from mrcnn.data.formats.label_maps import LabelMapDataset
from mrcnn.data.formats.photo_files import photo_size
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError

FORMAT = "voc"
LOOKED_AT = 20  # photos that are looked into when the data set is loaded
VOID = "with void pixels (255): outside every object, and ignored where one label a pixel is learned"
MIXED = f"of the first {LOOKED_AT} photos of which pixels have several classes: taken as the class of most; " \
        "`data validate` lists all"


def recognises(path: str | os.PathLike) -> bool:
    """Whether a folder has SegmentationObject and SegmentationClass, or is the first, or holds one that has both."""
    try:
        return voc_layout.find_root(path) is not None
    except (OSError, TypeError, ValueError):
        return False


class VocDataset(LabelMapDataset):
    """A folder of PASCAL VOC. `label_map` gives SegmentationClass as it is, void pixels ignored."""

    @staticmethod
    def parts(annotations: str | os.PathLike) -> tuple[str, ...]:
        """Names of the parts that ImageSets/Segmentation lists; () if there is no such list, or one of all photos."""
        root = voc_layout.find_root(annotations)
        return tuple(voc_layout.part_files(root)) if root else ()

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, split: str | None = None,
             **others: object) -> "VocDataset":
        """Register photos by lists of files and by headers; the first LOOKED_AT are looked into.

        Args:
            annotations: the folder, such as VOCdevkit/VOC2012.
            images: folder of the photos; None: JPEGImages in it.
            limit: take the first so many photos.
            on_error: "raise" at a bad sample or "skip" it (see `faults`).
            names: file of the classes (see `names_files.read_names`); None: one of voc_layout.NAMES_FILES in the
                folder, else VOC's own twenty.
            mapping: path or name of a mapping (see `label_mapping`); None: every label but 0 and 255 is a class.
            split: part of ImageSets/Segmentation; None takes all photos that have masks.

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and what is wrong.
        """
        self.refuse(annotations, **others)
        self.start_loading(on_error)
        root = voc_layout.find_root(annotations)
        if root is None:
            raise DataError(f"{annotations}: needs SegmentationObject, which numbers objects, and SegmentationClass "
                            "beside it, which tells their classes: give the folder that has both.")
        classes, colours, self._words = self._classes(root, names, mapping, self.note)
        folder = PhotoFolder(images or os.path.join(root, voc_layout.PHOTOS), self.note)
        stems = voc_layout.stems_of(root, split, self, annotations)[:limit]
        part_of = {} if split is not None else voc_layout.parts_of_stems(root)
        photos, refused, palettes = {}, {}, {}
        for stem in stems:
            try:
                photos[stem] = folder.find_stem(stem)
            except DataError as error:  # told below, of the photo
                photos[stem], refused[stem] = None, str(error).rstrip(".")
        lacking = [stem for stem, name in photos.items() if name is None]
        photos.update(self.find_alike(folder, lacking, set(photos.values())))
        for stem, message in refused.items():
            self.fault(annotations, Fault(stem, "path escape", message))
        for stem in stems:
            part = split if split is not None else part_of.get(stem)
            if photos[stem] is not None:
                self._add_voc(root, stem, photos[stem], folder, classes, colours, palettes,
                              {"split": part} if part else {})
        vocs_own = tuple(classes.names) == voc_layout.VOC_CLASSES[:len(classes.names)]
        self._settle_palettes(palettes, colours, vocs_own or (names or voc_layout.names_file(root)) is None)
        self.missing_photos(annotations, folder.path, [s for s in stems if photos[s] is None and s not in refused],
                            len(stems))
        for class_id, name in enumerate(classes.names, start=1):
            self.add_class(LABELS, class_id, name)
        self._look_into_some()
        self.finish_loading(annotations)
        return self

    @staticmethod
    def _classes(root, names, mapping, tell):
        """(LabelClasses, Colours, {label: 0 or 255 that it stands for}) of the labels of SegmentationClass."""
        names = names or voc_layout.names_file(root)
        folder = voc_layout.class_folder(root)
        if names is None:
            listed = dict(enumerate(("background", *voc_layout.VOC_CLASSES)))
            usual = label_colours.voc_colours()
            colours = label_colours.Colours({usual[label]: label for label in (*listed, IGNORED)}, False)
        else:
            listed, colours = label_colours.read_labels(names, folder)
        classes = label_mapping.label_classes(listed, mapping, tell=tell)
        words = label_words.words_among(listed).items()
        return classes, colours, {label: value for label, value in words if classes.table[label] == value}

    def _settle_palettes(self, palettes, colours, vocs_own):
        """Have maps whose palettes were made anew read by their colours, or leave their photos out.

        vocs_own: whether the classes are VOC's own
        """
        by_palette, at_odds = label_palettes.settled(palettes, colours, self.note, vocs_own)
        infos, self.image_info = self.image_info, []
        for info in infos:
            path = info.get("map_path")
            if path in at_odds:
                self.fault(path, Fault(info["file_name"], "bad entry", at_odds[path]))
                continue
            if path in by_palette:
                info["colours"] = by_palette[path]
            self.image_info.append(info)

    def _add_voc(self, root, stem, name, folder, classes, colours, palettes, details):
        """Register one photo, or what is wrong with it. palettes: as for `png_size`, of the maps"""
        paths = [voc_layout.mask_path(place, stem) for place in voc_layout.mask_folders(root)]
        try:
            size = photo_size(folder.join(name))
        except DataError as error:
            return self.fault(root, Fault(name, "unreadable", str(error).rstrip(".")))
        for path, found in zip(paths, (None, palettes)) if os.path.isfile(paths[0]) else ():
            try:
                mask_size = png_size(path, found)
            except DataError as error:
                return self.fault(path, Fault(name, "bad entry", str(error).rstrip(".")))
            if mask_size != size:
                return self.fault(path, Fault(name, "wrong size", f"the mask {other_size(mask_size, size)}"))
        objects, labels = paths if os.path.isfile(paths[0]) else (None, None)
        self.add_photo(FORMAT, stem, folder.join(name), name, *size, map_path=labels, object_path=objects,
                       label_classes=classes, colours=colours, turn=1, **details)

    def _look_into_some(self):
        """Note void pixels and objects of several classes among the first photos."""
        some = self.image_info[:LOOKED_AT]
        for info in some:
            read = self._read(info)
            if isinstance(read, Fault) or read is None:
                continue
            numbers, labels = read
            if is_blurred(labels):
                self.note("label map", f"of {len(some)} that were looked at, {BLURRED}", info["file_name"])
            if (labels == IGNORED).any():
                self.note("photo", VOID, info["file_name"])
            for number, inside in _regions(numbers):
                if _is_mixed(labels[inside]):
                    self.note("object", MIXED, f"{info['file_name']}, object {number}")

    # --- Objects -----------------------------------------------------------------------------------------------------
    def _read(self, info):
        """(numbers of objects, labels) of a photo, uint16 [H, W] each; None if it has no masks; or a Fault."""
        if info["object_path"] is None:
            return None
        size = info["height"], info["width"]
        try:
            numbers = voc_layout.object_numbers(info["object_path"])
            labels = read_label_map(info["map_path"], info["colours"])
        except DataError as error:
            return Fault(info["file_name"], "bad entry", str(error).rstrip("."))
        for mask in (numbers, labels):
            if mask.shape != size:
                return Fault(info["file_name"], "wrong size", f"the mask {other_size(mask.shape, size)}")
        for label, value in self._words.items():
            labels = np.where(labels == label, np.uint16(value), labels)
        return numbers, labels

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield the objects of a photo in the order of their numbers, or what is wrong with them."""
        info = self.image_info[image_id]
        read = self._read(info)
        if read is None or isinstance(read, Fault):
            yield from () if read is None else (read,)
            return
        numbers, labels = read
        table = info["label_classes"].table
        for number, inside in _regions(numbers):
            counts = np.bincount(labels[inside])
            counts[IGNORED:IGNORED + 1] = 0
            if not counts.any():
                continue  # void
            label = int(np.argmax(counts))
            value = table[label] if label < len(table) else UNKNOWN
            if label == 0 or value == UNKNOWN:
                what = "background in SegmentationClass" if label == 0 else f"of label {label}, which has no name"
                yield Fault(info["file_name"], "unknown class", f"most of its pixels are {what}", number)
                continue
            class_id = 0 if value in (0, IGNORED) else self.map_source_class_id(f"{LABELS}.{value}")
            if not class_id:
                continue  # as the mapping, or the choice of classes, says
            yield ObjectAnnotation(number, class_id, run_lengths.encode(inside))
            if _is_mixed(labels[inside]):
                listed = ", ".join(f"{counts[i]} of label {i}" for i in np.flatnonzero(counts))
                yield Fault(info["file_name"], "mixed classes", f"its pixels are {listed}: taken as the most", number)

    def object_classes(self, image_id: int) -> np.ndarray:
        """int32 [N]: class ids of the objects of a photo."""
        return AnnotatedDataset.object_classes(self, image_id)

    def label_map(self, image_id: int) -> np.ndarray:
        """uint8 [H, W]: the class of every pixel of a photo, as `LabelMapDataset.label_map` gives it."""
        info = self.image_info[image_id]
        if info["map_path"] is None:
            return np.zeros((info["height"], info["width"]), np.uint8)
        return super().label_map(image_id)


def _regions(numbers):
    """Yield (number, bool [H, W]) of each object of a photo."""
    for number in np.flatnonzero(np.bincount(numbers.ravel())[1:]) + 1:
        yield int(number), numbers == number


def _is_mixed(labels):
    """Whether pixels have more than one label, void not counted."""
    return len(np.setdiff1d(np.unique(labels), [IGNORED])) > 1
