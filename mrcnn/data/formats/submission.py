"""Detections as the competition iMaterialist-Fashion takes them: a CSV of run lengths with attributes.

A row is an object. In 2019's form it is `ImageId,EncodedPixels,ClassId`, the latter as `6_28_77`: class 6 with the
attributes 28 and 77. In 2020's form these have a column of their own, `AttributesIds`, as `28,77`, and ImageId has no
ending. No pixel may be of two objects of a photo, so each is that of the object of the highest score.
"""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.attributes import by_id, told_apart
from mrcnn.data.dataset import short_name
from mrcnn.data.formats.imaterialist import read_descriptions
from mrcnn.data.formats.imaterialist_rows import ATTRIBUTES, PIXELS
from mrcnn.data.formats.upright import TURNS, turned_mask
from mrcnn.data.formats.writers import rle_to_encoded_pixels
from mrcnn.data.images import PHOTO_ENDINGS
from mrcnn.errors import DataError
from mrcnn.files import read_json, whole_file

HEADERS = {"2019": ("ImageId", PIXELS, "ClassId"), "2020": ("ImageId", PIXELS, "ClassId", ATTRIBUTES)}
ATTRIBUTES_OF_2020 = 294  # in its label_descriptions.json; 2019's has 92
BACK = {6: 8, 8: 6}  # EXIF orientations that undo another; the others undo themselves


class Submission:
    """The rows of a submission, a photo at a time.

    Args:
        descriptions: path of label_descriptions.json, which numbers the classes and attributes.
        class_names: {category id of COCO's results: name}; where all are ids of the file and none is a name, they are
            taken as ids.
        attributes: names of the network's attributes, or None; "attribute 28" is the id 28.
        form: "2019" or "2020"; None: as `form_of` tells from the descriptions.
        as_stored: whether pixels count as photos are stored, before their EXIF turns them.

    Raises:
        DataError: the file cannot be read, or lacks a class or an attribute of the network, or has several categories
            that a class may stand for.
    """

    def __init__(self, descriptions: str | os.PathLike, class_names: dict, attributes: Sequence[str] | None,
                 form: str | None = None, as_stored: bool = False):
        categories, known = read_descriptions(descriptions)
        if categories is None:
            raise DataError(f"{descriptions} lists no categories: give iMaterialist's label_descriptions.json.")
        self.form, self._why = (form, "as asked for") if form else form_of(descriptions)
        self.as_stored = as_stored
        self.class_ids = self._ids_of_classes(descriptions, class_names, categories)
        self.by_ids = self.class_ids is None
        if self.by_ids:
            numbers = self._numbered(descriptions, class_names.values(), {str(i): i for i in categories}, "class")
            self.class_ids = {category: numbers[name] for category, name in class_names.items()}
        self.attribute_ids = self._ids_of_attributes(descriptions, attributes or (), known)
        self.rows, self.photos, self.without, self.hidden, self.empty = [], 0, 0, 0, 0
        self.unread, self.turned = [], []  # names of photos

    def _ids_of_classes(self, path, class_names, categories):
        """{category id of results: that of the file}; None where the network's classes are named by the file's ids."""
        ids, counts = {}, Counter(str(entry["name"]) for entry in categories.values())
        fitting = {}  # of names that end at their first comma, as those of some data sets do
        for number, entry in categories.items():
            fitting.setdefault(short_name(str(entry["name"])), []).append(number)
            ids[str(entry["name"])] = number
        names = set(class_names.values())
        if names and all(name.isdecimal() for name in names) and not names & {*ids, *fitting}:
            return None
        for name in names - ids.keys():
            self._check_one(path, name, [categories[number]["name"] for number in fitting.get(name, ())])
        ids = {**{name: numbers[0] for name, numbers in fitting.items()}, **ids}
        numbers, found = self._numbered(path, class_names.values(), ids, "class"), {}
        for category, name in class_names.items():
            own = category if str(categories.get(category, {}).get("name")) == name else numbers[name]
            if counts[name] > 1 and own != category:
                raise DataError(f"{path} has {counts[name]} categories called {name!r}, of which none has the "
                                f"id {category} that the network's data has: give each a name of its own.")
            if own in found.values():
                raise DataError(f"{path}: category {own} ({categories[own]['name']!r}) would be that of two of "
                                f"the network's classes, which are both called {name!r}: give each a name of its own.")
            found[category] = own
        return found

    def _ids_of_attributes(self, path, names, listed):
        """{name: id} of the network's attributes. listed: {id: name} of the file."""
        numbers = listed
        if not listed:  # a network may know them by their ids all the same
            numbers = [int(end) for end in (name.rpartition(" ")[2] for name in names) if end.isdecimal()]
        known = {by_id(number): number for number in numbers}
        return self._numbered(path, names, {**known, **{name: i for i, name in told_apart(listed).items()}},
                              "attribute")

    @staticmethod
    def _check_one(path, name, fitting):
        if len(fitting) > 1:
            raise DataError(f"{path} has {len(fitting)} categories that the network's class {name!r} may stand for "
                            f"({'; '.join(fitting)}): give one in which these differ before their first comma, or "
                            "train on data whose class names are whole.")

    @staticmethod
    def _numbered(path, names, ids, what):
        missing = [name for name in names if name not in ids]
        if missing:
            raise DataError(f"{path} has no {what} {missing[0]!r}, which the network knows ({len(missing)} of "
                            f"{len(names)} are missing): give the label_descriptions.json of the data that it was "
                            "trained on.")
        return {name: ids[name] for name in names}

    def check_photos(self, names: Iterable[str]) -> None:
        """Look that photos have an ImageId of their own.

        Args:
            names: of all photos.

        Raises:
            DataError: two have the same.
        """
        seen = {}
        for name in names:
            other = seen.setdefault(self._image_id(name), name)
            if other != name:
                raise DataError(f"{other} and {name} would have one ImageId, {self._image_id(name)}, for the form of "
                                f"{self.form} leaves the ending out: rename one.")

    def _image_id(self, photo):
        stem, ending = os.path.splitext(photo)
        return stem if self.form == "2020" and ending.lower() in PHOTO_ENDINGS else photo

    def add(self, photo: str, results: Sequence[dict] | None, orientation: int = 1) -> None:
        """Add the objects of a photo.

        Args:
            photo: its name, that of its file.
            results: COCO's, of `mrcnn.evaluation.coco_data.results_from_detections`, of the photo upright; None: it
                could not be read.
            orientation: of the photo's EXIF.
        """
        if results is None:
            self.unread.append(photo)
            return
        taken, count = None, len(self.rows)
        for result in sorted(results, key=lambda result: -result["score"]):
            mask = run_lengths.decode(result["segmentation"])
            taken = np.zeros(mask.shape, bool) if taken is None else taken
            visible = mask & ~taken
            taken |= mask
            if not visible.any():
                self.hidden += bool(mask.any())
                self.empty += not mask.any()
                continue
            if self.as_stored:
                visible = turned_mask(visible, BACK.get(orientation, orientation))
            self.rows.append(self._row(photo, visible, result))
        self.photos += 1
        self.without += len(self.rows) == count
        if orientation in TURNS and len(self.rows) > count:
            self.turned.append(photo)

    def _row(self, photo, mask, result):
        label = str(self.class_ids[result["category_id"]])
        attributes = [str(i) for i in sorted({self.attribute_ids[name] for name in result.get("attributes", ())})]
        label = (label, ",".join(attributes)) if self.form == "2020" else ("_".join([label, *attributes]),)
        return self._image_id(photo), rle_to_encoded_pixels(run_lengths.encode(np.ascontiguousarray(mask))), *label

    def write(self, path: str | os.PathLike) -> str:
        """Write the CSV, whole or not at all.

        Args:
            path: of the file.

        Returns:
            One line of what is in it and what is not.
        """
        with whole_file(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(HEADERS[self.form])
            rows.writerows(self.rows)
        text = f"{path}: {len(self.rows)} objects of {self.photos} photos, in the form of {self.form} ({self._why})"
        if self.by_ids:
            text += "; the network's classes are named by numbers, which are taken for the ids of the classes"
        if self.without:
            text += f"; {self.without} photos without an object have no row"
        if self.unread:
            text += f"; {len(self.unread)} photos that cannot be read have no row (first: {self.unread[0]})"
        if self.hidden:
            text += f"; {self.hidden} objects that better ones cover wholly are left out"
        if self.empty:
            text += f"; {self.empty} objects whose masks have no pixel are left out"
        return text + self._told_of_turned()

    def _told_of_turned(self):
        if not self.turned:
            return ""
        text = f"; {len(self.turned)} photos are turned by their EXIF (first: {self.turned[0]}): their pixels count "
        return text + ("as the photos are stored" if self.as_stored else
                       "upright; if the competition counts them as stored, ask for that (--submission-as-stored, "
                       "as_stored=True)")


def form_of(descriptions: str | os.PathLike) -> tuple[str, str]:
    """Tell which year's form goes with label_descriptions.json, by its number of attributes and its year.

    Args:
        descriptions: path of the file.

    Returns:
        (key of HEADERS, why, in words).
    """
    content = read_json(descriptions, "label_descriptions.json")
    listed, info = content.get("attributes"), content.get("info")
    count = len(listed) if isinstance(listed, list) else 0
    year = str(info.get("year")) if isinstance(info, dict) else ""
    if count == ATTRIBUTES_OF_2020:
        return "2020", f"{descriptions} lists {count} attributes, as 2020's"
    if year in HEADERS:
        return year, f"by the year in {descriptions}"
    return "2019", f"{descriptions} lists {count} attributes, 2020's {ATTRIBUTES_OF_2020}; --submission-form asks " \
                   "for another"
