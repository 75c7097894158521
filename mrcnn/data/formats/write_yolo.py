"""Writing any data set as YOLO segmentation: data.yaml, images/ and labels/, as Ultralytics reads it.

A row holds one outline. Parts and holes of an object are joined to it by lines there and back that enclose nothing, so
that the same masks are read back here; a tool that draws such lines has them a pixel wide.
"""

import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Collection

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.class_names import written_classes
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import written_photos
from mrcnn.data.formats.outlines import rings
from mrcnn.data.formats.writers import LeftOut, chosen_photos, photo_and_objects
from mrcnn.data.formats.yolo_files import IMAGES, LABELS
from mrcnn.data.formats.yolo_layout import PARTS
from mrcnn.errors import DataError
from mrcnn.files import whole_folder

KNOWN = {**PARTS, "training": "train", "testing": "test"}  # names of parts: those that they have in YOLO
DIGITS = 9  # significant; a corner moves by less than a thousandth of a pixel


def write_yolo(dataset: Dataset, path: str | os.PathLike, image_ids: Collection[int] | None = None,
               progress: Callable | None = None, photos: str = "copy") -> str:
    """Write a data set as a folder of YOLO segmentation, its photos with it.

    Photos go to the part that they have as "split" in `image_info`; those of none, or of a part that is neither train,
    val nor test, go to train. What the form cannot hold is told with its number: crowds, attributes, other parts,
    objects whose mask is drawn otherwise.

    Args:
        dataset: prepared Dataset.
        path: of the folder, which appears when all is written.
        image_ids: ids in the data set of the photos to write; None writes all.
        progress: called as progress(done, total) after each photo.
        photos: "copy" copies them, "link" makes symbolic links to them.

    Returns:
        Where the photos are, a sentence.

    Raises:
        DataError: a photo or mask cannot be read, or the folder cannot be written.
    """
    written_photos.check_target(dataset, path, photos)
    image_ids = chosen_photos(dataset, image_ids)
    targets = written_photos.target_names(dataset, image_ids, _part, (IMAGES,))
    left_out, told = LeftOut(path, photos=True), _Told(targets.renamed)
    with whole_folder(path) as partial:
        for done, (image_id, (part, name)) in enumerate(zip(image_ids, targets.names), start=1):
            _, size, objects = photo_and_objects(dataset, image_id, left_out)
            kept = [entry for entry in objects if not entry.crowd]
            left_out.crowds += len(objects) - len(kept)
            written_photos.write_photo(dataset, image_id, os.path.join(partial, IMAGES, part, name), photos)
            label = os.path.join(partial, LABELS, part, f"{os.path.splitext(name)[0]}.txt")
            os.makedirs(os.path.dirname(label), exist_ok=True)
            with open(label, "x", encoding="ascii") as file:
                file.writelines(_row(entry, size, told) for entry in kept)
            if progress:
                progress(done, len(image_ids))
        parts = list(dict.fromkeys(part for part, _ in targets.names))
        with open(os.path.join(partial, "data.yaml"), "w", encoding="utf-8") as file:
            file.write(_settings(parts, written_classes(dataset, path)))
    left_out.warn()
    told.warn(path, parts)
    targets.warn(path)
    _tell_parts([dataset.image_info[i].get("split") for i in image_ids], path)
    return written_photos.sentence(os.path.join(path, IMAGES), photos)


def _part(part):
    """The part in which photos of a part are written."""
    return KNOWN.get(str(part).lower(), written_photos.TRAIN)


def _tell_parts(parts, path):
    """Warn of photos whose part YOLO does not know."""
    others = Counter(str(part) for part in parts if part and str(part).lower() not in KNOWN)
    if others:
        names = ", ".join(map(repr, sorted(others)[:3])) + (", ..." if len(others) > 3 else "")
        warnings.warn(f"{path}: {sum(others.values())} photos of part {names} are written to train, for YOLO knows "
                      "train, val and test alone: --split FILE (made by `data split`) gives them others.", stacklevel=3)


def _settings(parts, names):
    """Text of the data.yaml, whose folder is that of its paths."""
    lines = [f"{part}: {IMAGES}/{part}" for part in dict.fromkeys(PARTS.values()) if part in parts]
    return "\n".join([*lines, f"nc: {len(names)}", "names:",
                      *(f"  {i}: {_quoted(name)}" for i, name in enumerate(names))]) + "\n"


def _quoted(name):
    """A name in YAML's double quotes, as JSON's but for letters beyond 16 bits: JSON splits them, YAML joins none."""
    return '"' + "".join(c if ord(c) > 0xFFFF else json.dumps(c)[1:-1] for c in name) + '"'


def _row(entry, size, told):
    """The row of an object: its class and the corners of its outline, in shares of the photo's sides."""
    height, width = size
    found = rings(entry.rle)
    words = [f"{value:.{DIGITS}g}" for value in (joined(found) / (width, height)).ravel()]
    corners = np.array(list(map(float, words))).reshape(-1, 2) * (width, height)
    try:
        same = run_lengths.from_polygons([corners.ravel()], size) == run_lengths.compress(entry.rle)
    except DataError:  # longer than is drawn
        same = False
    told.count(entry, len(found), same)
    return f"{entry.class_id - 1} {' '.join(words)}\n"


def joined(found: list[np.ndarray]) -> np.ndarray:
    """Join the rings of a mask to one outline, by lines that go from the first corner to each ring and back.

    Args:
        found: list of float [P, 2], corners (x, y) of each ring.

    Returns:
        float [Q, 2].
    """
    first = found[0]
    if len(found) == 1:
        return first
    start = first[:1]
    pieces = [first, start]
    for ring in found[1:]:
        pieces += [ring, ring[:1], start]
    return np.concatenate(pieces)


class _Told:
    """Counts of what the form holds otherwise. renamed: photos that were called otherwise."""

    def __init__(self, renamed):
        self.renamed, self.joined, self.changed, self.attributes = renamed, 0, 0, 0

    def count(self, entry, rings_of_it, same):
        self.joined += rings_of_it > 1
        self.changed += not same
        self.attributes += bool(entry.attributes)

    def warn(self, path, parts):
        """Warn of what there is, a line each."""
        lines = {
            "{} objects of several parts or with holes are one outline each, joined by lines without width, which "
            "other tools may draw a pixel wide": self.joined,
            "{} objects are drawn otherwise than they were: look at them by `data show`": self.changed,
            "the attributes of {} objects are left out: the form has none": self.attributes,
            "{} photos are called after their endings too, for another has the same name but for it or for case":
                self.renamed,
        }
        for line, number in lines.items():
            if number:
                warnings.warn(f"{path}: {line.format(number)}.", stacklevel=3)
        if written_photos.VAL not in parts:
            warnings.warn(f"{path}: has no part val, which Ultralytics asks for: --split FILE (made by `data split`) "
                          "gives parts.", stacklevel=3)
