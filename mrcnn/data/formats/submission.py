"""Detections as the competition iMaterialist-Fashion takes them: a CSV of run lengths, attributes behind the class.

A row is an object, `ImageId,EncodedPixels,ClassId`, the latter as `6_28_77`: class 6 with the attributes 28 and 77. No
pixel may be of two objects of a photo, so each is that of the object of the highest score.
"""

import csv
import os
from collections import Counter
from collections.abc import Sequence

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.attributes import by_id, told_apart
from mrcnn.data.dataset import short_name
from mrcnn.data.formats.imaterialist import read_descriptions
from mrcnn.data.formats.writers import rle_to_encoded_pixels
from mrcnn.errors import DataError
from mrcnn.files import whole_file

HEADER = ("ImageId", "EncodedPixels", "ClassId")


class Submission:
    """The rows of a submission, a photo at a time.

    Args:
        descriptions: path of label_descriptions.json, which numbers the classes and attributes.
        class_names: {category id of COCO's results: name}.
        attributes: names of the network's attributes, or None.

    Raises:
        DataError: the file cannot be read, or lacks a class or an attribute of the network, or has several categories
            that a class may stand for.
    """

    def __init__(self, descriptions: str | os.PathLike, class_names: dict, attributes: Sequence[str] | None):
        categories, known = read_descriptions(descriptions)
        if categories is None:
            raise DataError(f"{descriptions} lists no categories: give iMaterialist's label_descriptions.json.")
        ids, counts = {}, Counter(str(entry["name"]) for entry in categories.values())
        fitting = {}  # of names that end at their first comma, as those of some data sets do
        for number, entry in categories.items():
            fitting.setdefault(short_name(str(entry["name"])), []).append(number)
            ids[str(entry["name"])] = number
        for name in set(class_names.values()) - ids.keys():
            self._check_one(descriptions, name, [categories[number]["name"] for number in fitting.get(name, ())])
        ids = {**{name: numbers[0] for name, numbers in fitting.items()}, **ids}
        numbers = self._numbered(descriptions, class_names.values(), ids, "class")
        self.class_ids = {}
        for category, name in class_names.items():
            own = category if str(categories.get(category, {}).get("name")) == name else numbers[name]
            if counts[name] > 1 and own != category:
                raise DataError(f"{descriptions} has {counts[name]} categories called {name!r}, of which none has the "
                                f"id {category} that the network's data has: give each a name of its own.")
            if own in self.class_ids.values():
                raise DataError(f"{descriptions}: category {own} ({categories[own]['name']!r}) would be that of two of "
                                f"the network's classes, which are both called {name!r}: give each a name of its own.")
            self.class_ids[category] = own
        known = {name: i for i, name in told_apart(known).items()}
        if not known:  # a network may know them by their ids
            numbers = (int(name.rpartition(" ")[2]) for name in attributes or () if name.rpartition(" ")[2].isdecimal())
            known = {by_id(number): number for number in numbers}
        self.attribute_ids = self._numbered(descriptions, attributes or (), known, "attribute")
        self.rows, self.photos, self.without, self.hidden, self.empty = [], 0, 0, 0, 0

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
                            f"{len(names)} are missing): give the label_descriptions.json that it was trained with.")
        return {name: ids[name] for name in names}

    def add(self, photo: str, results: Sequence[dict]) -> None:
        """Add the objects of a photo.

        Args:
            photo: its ImageId, the name of its file.
            results: COCO's, of `mrcnn.evaluation.coco_data.results_from_detections`.
        """
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
            attributes = sorted(self.attribute_ids[name] for name in result.get("attributes", ()))
            label = "_".join(map(str, (self.class_ids[result["category_id"]], *attributes)))
            self.rows.append((photo, rle_to_encoded_pixels(run_lengths.encode(visible)), label))
        self.photos += 1
        self.without += len(self.rows) == count

    def write(self, path: str | os.PathLike) -> str:
        """Write the CSV, whole or not at all.

        Args:
            path: of the file.

        Returns:
            One line of what is in it and what is not.
        """
        with whole_file(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(HEADER)
            rows.writerows(self.rows)
        text = f"{path}: {len(self.rows)} objects of {self.photos} photos"
        if self.without:
            text += f"; {self.without} photos without an object have no row"
        if self.hidden:
            text += f"; {self.hidden} objects that better ones cover wholly are left out"
        if self.empty:
            text += f"; {self.empty} objects whose masks have no pixel are left out"
        return text
