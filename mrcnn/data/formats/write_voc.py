"""Writing any data set as a folder of PASCAL VOC: masks of objects and of classes, which CVAT and others read.

A pixel is of one object. Where objects overlap, the smaller lies above the larger; crowds are void, neither a class nor
background.
"""

import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Collection

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import ObjectAnnotation
from mrcnn.data.class_names import written_classes
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import voc_layout, written_photos
from mrcnn.data.formats.label_colours import voc_colours
from mrcnn.data.formats.label_mapping import IGNORED
from mrcnn.data.formats.label_words import stands_for
from mrcnn.data.formats.writers import LeftOut, chosen_photos, photo_and_objects
from mrcnn.data.objects import known_label_map
from mrcnn.errors import DataError
from mrcnn.files import whole_folder

MOST_CLASSES = 254
MOST_IN_PALETTE = 254  # objects of a photo; more are written as 16-bit grey values
LABELMAP = "labelmap.txt"
UNFIT = (":", "#", "\n", "\r")  # in a name of labelmap.txt


def write_voc(dataset: Dataset, path: str | os.PathLike, image_ids: Collection[int] | None = None,
              progress: Callable | None = None, photos: str = "copy") -> str:
    """Write a data set as a folder of PASCAL VOC, its photos with it.

    Photos are listed by the part that they have as "split" in `image_info`. What the form cannot hold is told with its
    number: pixels that objects share, crowds, attributes. Label maps are written as they are.

    Args:
        dataset, path, image_ids, progress, photos: as for `write_yolo.write_yolo`.

    Returns:
        Where the photos are, a sentence.

    Raises:
        DataError: there are more than MOST_CLASSES classes, one is called as the background is, a photo or mask cannot
            be read, or the folder cannot be written.
    """
    written_photos.check_target(dataset, path, photos)
    names = _checked_names(written_classes(dataset, path), path)
    image_ids = chosen_photos(dataset, image_ids)
    targets = _of_one_folder(written_photos.target_names(dataset, image_ids, _part))
    left_out, told = LeftOut(path, photos=True, pixels=True), _Told(targets.renamed)
    listed = {}
    with whole_folder(path) as partial:
        for done, (image_id, (part, name)) in enumerate(zip(image_ids, targets.names), start=1):
            _, size, objects = photo_and_objects(dataset, image_id, left_out)
            numbers, labels = painted(objects, size, told)
            known = known_label_map(dataset, image_id)
            if known is not None:  # with pixels to be ignored, and parts that are too small for objects
                labels, void = known, (known == IGNORED) & (numbers == 0)
                numbers[void] = IGNORED if numbers.dtype == np.uint8 else 0
                told.ignored += bool(void.any())
            stem = os.path.splitext(name)[0]
            for folder, values in (("SegmentationObject", numbers), ("SegmentationClass", labels)):
                _save(os.path.join(partial, folder, f"{stem}.png"), values)
            written_photos.write_photo(dataset, image_id, os.path.join(partial, voc_layout.PHOTOS, name), photos)
            listed.setdefault(part or voc_layout.ALL[0], []).append(stem)
            if progress:
                progress(done, len(image_ids))
        os.makedirs(os.path.join(partial, voc_layout.LISTS))
        for part, stems in listed.items():
            _write_lines(os.path.join(partial, voc_layout.LISTS, f"{part}.txt"), map(_in_list, stems))
        if told.crowds or told.ignored:
            names[1].extend([f"ignored:{_colour_text(IGNORED)}::"] if names[0] == LABELMAP else [])
        _write_lines(os.path.join(partial, names[0]), names[1])
    left_out.warn()
    told.warn(path)
    targets.warn(path)
    _tell_parts([dataset.image_info[i].get("split") for i in image_ids], path)
    return written_photos.sentence(os.path.join(path, voc_layout.PHOTOS), photos)


def painted(objects: list[ObjectAnnotation], size: tuple[int, int], told: "_Told") -> tuple[np.ndarray, np.ndarray]:
    """The two masks of a photo.

    Args:
        objects: list of ObjectAnnotation.
        size: (H, W) of the photo.
        told: _Told, which counts what is hidden.

    Returns:
        (numbers uint8 or uint16 [H, W], labels uint8 [H, W]); 255 is void in labels, and in numbers of 8 bits.
    """
    areas = run_lengths.areas([entry.rle for entry in objects]).tolist()
    crowds = np.zeros(size, bool)
    count = sum(not entry.crowd for entry in objects)
    numbers = np.zeros(size, np.uint8 if count <= MOST_IN_PALETTE else np.uint16)
    labels = np.zeros(size, np.uint8)
    order = sorted(range(len(objects)), key=lambda i: -areas[i])
    number_of = {}
    for i, entry in enumerate(objects):
        if not entry.crowd:
            number_of[i] = len(number_of) + 1
    for i in order:
        mask = run_lengths.decode(objects[i].rle, size)  # one at a time: all of a large photo's are gigabytes
        if objects[i].crowd:
            crowds |= mask
        else:
            numbers[mask], labels[mask] = number_of[i], objects[i].class_id
    void = crowds & (numbers == 0)
    labels[void] = IGNORED
    if numbers.dtype == np.uint8:
        numbers[void] = IGNORED
    told.crowds += sum(entry.crowd for entry in objects)
    told.attributes += sum(bool(entry.attributes) for entry in objects)
    shown = np.bincount(numbers.ravel(), minlength=count + 1)
    for i, number in number_of.items():
        told.hidden += shown[number] == 0
        told.covered += 0 < shown[number] < areas[i]
    return numbers, labels


# --- Names and files -------------------------------------------------------------------------------------------------


def _checked_names(names, path):
    """(name of the file of classes, its lines)."""
    for name in names:
        if stands_for(name) is not None or name != name.strip() or len(name.splitlines()) > 1:
            raise DataError(f"{path}: a class called {name!r} has another meaning in this form: give it another name.")
    if len(names) > MOST_CLASSES:
        raise DataError(f"{path}: {len(names)} classes are more than the {MOST_CLASSES} of this form: leave some out.")
    if any(letter in name for name in names for letter in UNFIT):
        return "class_names.txt", ["_background_", *names]
    lines = [f"{name}:{_colour_text(i)}::" for i, name in enumerate(["background", *names])]
    return LABELMAP, ["# label:color_rgb:parts:actions", *lines]


def _colour_text(label):
    return ",".join(map(str, voc_colours()[label]))


def _of_one_folder(targets):
    """Targets with names that differ over all parts, which are in one folder here."""
    taken, made, renamed = set(), [], targets.renamed
    for part, name in targets.names:
        stem, ending = os.path.splitext(name)
        key = stem
        while written_photos.same_file(key) in taken:
            key = f"{key}_{part or 'photo'}"
        taken.add(written_photos.same_file(key))
        renamed += key != stem
        made.append((part, key + ending))
    return targets._replace(names=made, renamed=renamed)


def _part(part):
    """The part of a photo as the name of a list, which is read in small letters; None if it has none."""
    name = re.sub(r"[/\\\0\r\n]|^\.", "_", str(part or "").lower())
    return voc_layout.ALIASES.get(name, name) or None


def _tell_parts(parts, path):
    """Warn of photos whose part cannot be the name of a list."""
    others = Counter(str(part) for part in parts if _part(part) and str(part).lower() not in (
        _part(part), *voc_layout.ALIASES))
    if others:
        first = min(others)
        warnings.warn(f"{path}: {sum(others.values())} photos are of a part that no file can be called after (first: "
                      f"{first!r} is {_part(first)!r}): go by the new names.", stacklevel=3)


def _in_list(stem):
    """The name of a photo as lists have it: in quotes, as datumaro's are, where spaces at its ends would be lost."""
    return stem if stem == stem.strip() else f'"{stem}"'


def _save(path, values):
    """Write a PNG with VOC's palette, or of 16 bits."""
    from PIL import Image

    os.makedirs(os.path.dirname(path), exist_ok=True)
    image = Image.fromarray(values)
    if values.dtype == np.uint8:
        image.putpalette(np.array(voc_colours(), np.uint8).ravel().tolist())
    with open(path, "xb") as file:  # never over the mask of another photo
        image.save(file, "PNG")


def _write_lines(path, lines):
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{line}\n" for line in lines)


class _Told:
    """Counts of what the form holds otherwise. renamed: photos that were called otherwise."""

    def __init__(self, renamed):
        self.renamed, self.hidden, self.covered, self.crowds, self.attributes = renamed, 0, 0, 0, 0
        self.ignored = 0  # photos with pixels to be ignored, which are void

    def warn(self, path):
        """Warn of what there is, a line each."""
        lines = {
            "{} objects lost the pixels that they share with smaller ones: a pixel is of one object": self.covered,
            "{} objects are hidden by smaller ones and left out": self.hidden,
            "{} crowds are void pixels, neither a class nor background": self.crowds,
            "the attributes of {} objects are left out: the form has none": self.attributes,
            "{} photos are called otherwise, for another has the same name but for its ending, case or part":
                self.renamed,
        }
        for line, number in lines.items():
            if number:
                warnings.warn(f"{path}: {line.format(number)}.", stacklevel=3)
