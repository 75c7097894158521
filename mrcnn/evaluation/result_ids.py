"""Ids that a data set has for photos and classes, for results of photos that were looked at without it."""

import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from mrcnn.data.annotated import photo_name
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import located, reader
from mrcnn.data.formats.archives import check_photos
from mrcnn.data.formats.coco_entries import categories_by_id, category_name, checked_id, merged_categories
from mrcnn.data.formats.label_studio import find_photos, made_by_label_studio
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError
from mrcnn.evaluation.coco_data import category_ids, plain_id
from mrcnn.files import read_json

Id = int | str
WHERE = "left out of detections.json"


class ResultIds:
    """Ids of the photos and classes of annotations, found by the names of files and classes.

    Args:
        annotations: path in any known format; of a COCO file the lists "images" and "categories" do.
        photos: {id that results have for a photo: path of its file}.
        classes: {id that results have for a class: its name}.
        progress: called as progress(done, total) in bytes while an archive is unpacked.
        datasets: {part: prepared Dataset} of the annotations, of a program's own kind; None reads them by the package's
            readers. Of photos of one name in several parts those of "val" count, which is told.

    Attributes:
        image_ids, category_ids: {id that results have: that of the annotations} of those that were found.

    Raises:
        DataError: the annotations cannot be used, have none of the photos or none of the classes, or one id for several
            of the photos.
    """

    def __init__(self, annotations: str | os.PathLike, photos: Mapping[Id, str], classes: Mapping[Id, str],
                 progress: Callable[[int, int], None] | None = None,
                 datasets: Mapping[str, Dataset] | None = None) -> None:
        self.annotations, self._photos, self._classes = annotations, photos, classes
        photo = next(iter(photos.values()))
        read = _listed_ids(annotations, photo, progress) if datasets is None else (*_ids_of_parts(datasets), False)
        listed, categories, uploads = read
        self._listed = listed
        first = _ids_in(datasets["val"])[0] if "val" in (datasets or ()) else ()
        self.image_ids, self._several, self._elsewhere, self._of_val = _found_photos(listed, photos, first)
        self.image_ids.update(_found_alike(listed, photos, self.image_ids, self._several, uploads))
        self.category_ids = _found_classes(categories, classes)
        for found, wanted, what, number in ((self.image_ids, photos.values(), "photos", len(listed)),
                                            (self.category_ids, classes.values(), "classes", len(categories))):
            if not found:
                first = f"(first: {os.path.basename(next(iter(wanted), 'none'))})"
                if what == "photos" and self._several:
                    raise DataError(f"{annotations}: none of the {len(wanted)} photos is found there: it has the names "
                                    f"of {len(self._several)} several times {first}: let them lie "
                                    "in the folders that its names have.")
                raise DataError(f"{annotations}: none of the {len(wanted)} {what} is among its {number} {first}: names "
                                "must be the same; give the file that lists them.")
        self._check_ids()

    def _check_ids(self):
        """Raise DataError if two photos have one id: nobody could tell their results apart."""
        first = {}
        for key, number in self.image_ids.items():
            other = first.setdefault(number, key)
            if other != key:
                raise DataError(f"{self.annotations}: {self._photos[other]} and {self._photos[key]} both have the id "
                                f"{number!r} there: let each photo have an id of its own there, and a file_name with "
                                "its folders.")

    def differences(self) -> list[str]:
        """Tell in a line each what the annotations and the results do not share; nothing if they share all."""
        photos = [os.path.basename(path) for key, path in self._photos.items()
                  if key not in self.image_ids and key not in self._several]
        several = [os.path.basename(self._photos[key]) for key in self._several]
        classes = [name for key, name in self._classes.items() if key not in self.category_ids]
        seen = set(self.image_ids.values())
        unseen = [name for name, key in self._listed if key not in seen]
        names = {}
        for name, number in self._listed:
            names.setdefault(number, set()).add(_plain(name))
        shared = [f"{os.path.basename(self._photos[key])}: {number!r}" for key, number in self.image_ids.items()
                  if len(names[number]) > 1]
        told = ((photos, len(self._photos), f"photos are not in it by their names: what is found there is {WHERE}"),
                (several, len(self._photos), f"photos have a name that it has several times: {WHERE}; let file_name "
                                             "have their folders"),
                (self._of_val, len(self._photos), "photos have a name that several parts have, and are taken for those "
                                                  "of the part val: if they are others, leave them out"),
                (shared, len(self._photos), "photos have an id that it has for other photos too: let each photo of all "
                                            "parts have its own"),
                (self._elsewhere, len(self._photos), "photos are in another folder than it says, and taken for those "
                                                     "of the same file name: if they are others, leave them out"),
                (classes, len(self._classes), f"classes of the network are not in it by their names: their objects are "
                                              f"{WHERE}"),
                (unseen, len(self._listed), "photos of its own are not among those looked at: they have no results"))
        return [f"{self.annotations}: {len(names)} of {number} {what} (first: {names[0]})."
                for names, number, what in told if names]

    def given(self, results: Iterable[dict]) -> list[dict]:
        """Give results the ids of the annotations.

        Args:
            results: COCO results with ids of `photos` and `classes`.

        Returns:
            New dicts, without those whose photo or class was not found.
        """
        photos, classes = self.image_ids, self.category_ids
        return [{**one, "image_id": photos[one["image_id"]], "category_id": classes[one["category_id"]]}
                for one in results if one["image_id"] in photos and one["category_id"] in classes]


def _listed_ids(annotations, photo, progress):
    """What annotations list: [(name of a photo, its id)], {name of a class: its id}, whether they are Label Studio's.

    photo: path of one that is looked at
    """
    form, path, images = located(annotations, None, None, progress)
    if form == "coco":  # read without its photos and objects: that of a test set has none
        content = read_json(path, "COCO annotation file")
        for key in ("images", "categories"):
            if not isinstance(content.get(key), list) or not all(isinstance(entry, dict) for entry in content[key]):
                raise DataError(f"{path}: has no list {key!r} of objects, which gives the ids: check the file.")
        categories = categories_by_id(content["categories"], path)
        merged = merged_categories(categories)
        listed = [(_name_of(entry), checked_id(entry, "image", path)) for entry in content["images"]]
        if len({key for _, key in listed}) < len(listed):
            raise DataError(f"{path}: {len(listed) - len({key for _, key in listed})} image ids occur twice: give each "
                            "photo its own.")
        names = {category_name(key, entry): key for key, entry in categories.items() if key not in merged}
        return listed, names, made_by_label_studio(content)
    dataset, beside = reader(form)(), os.path.isdir(path) or form == "yolo"  # which know where their photos are
    images = images or (None if beside else os.path.dirname(photo) or ".")
    dataset.load(path, images, on_error="skip")
    check_photos(dataset, path, images)
    dataset.prepare()
    return *_ids_in(dataset), False


def _ids_of_parts(datasets):
    """What prepared data sets, {part: one}, list: as `_ids_in`."""
    listed, classes = {}, {}
    for dataset in datasets.values():
        photos, names = _ids_in(dataset)
        listed.update(dict.fromkeys(photos))  # parts may share photos
        for name, key in names.items():
            if classes.setdefault(name, key) != key:
                raise DataError(f"The class {name} has the id {classes[name]} in one part of the data and {key} in "
                                "another: let add_class give it one.")
    return list(listed), classes


def _ids_in(dataset):
    """What a prepared data set lists: [(name of a photo, its id)], {name of a class: its id}."""
    ids = category_ids(dataset)
    listed = [(dataset.image_info[i].get("path") or photo_name(dataset, i), plain_id(dataset.image_info[i]["id"]))
              for i in dataset.image_ids]
    return listed, {dataset.class_names[class_id]: key for class_id, key in ids.items()}


def _name_of(entry):
    """Name of a photo in COCO's list; LVIS has an address alone."""
    address = entry.get("coco_url")
    name = entry.get("file_name") or (address.rpartition("/")[2] if isinstance(address, str) else "")
    return str(name or f"image {entry.get('id')}")


def _plain(name):
    """A name as it looks: letters composed, separators of folders alike."""
    return unicodedata.normalize("NFC", str(name)).replace("\\", "/").strip()


def _found_photos(listed, photos, first):
    """({key: id} of the photos that are listed, keys of those that several are listed for, what is in other folders,
    what is taken for one of `first`, those listed that count where several are)."""
    by_name = {}
    for name, number in listed:
        by_name.setdefault(_plain(name).rpartition("/")[2], []).append((_plain(name), number))
    first = {(_plain(name), number) for name, number in first}
    found, several, elsewhere, of_first = {}, [], [], []
    for key, path in photos.items():
        whole = _plain(os.path.abspath(path))
        some = by_name.get(whole.rpartition("/")[2], [])
        fitting = [(name, number) for name, number in some if f"/{whole}".endswith(f"/{name.lstrip('./')}")]
        if fitting:  # the longest says most of the folders
            longest = max(len(name) for name, _ in fitting)
            some = [(name, number) for name, number in fitting if len(name) == longest]
        counting = [one for one in some if one in first] if len(some) > 1 else some
        if len(counting) == 1 < len(some):
            some = counting
            of_first.append(os.path.basename(path))
        if len(some) == 1:
            found[key] = some[0][1]
            if not fitting:
                elsewhere.append(f"{path}, there {some[0][0]}")
        elif some:
            several.append(key)
    return found, several, elsewhere, of_first


def _found_alike(listed, photos, found, several, uploads):
    """{key: id} of further photos, whose listed names the reader of the file finds too: %20, case, Label Studio's."""
    taken = set(found.values())
    names = {name: number for name, number in listed if number not in taken}
    paths = {os.path.abspath(path): key for key, path in photos.items() if key not in found and key not in several}
    if not names or not paths:
        return {}
    base = os.path.commonpath([os.path.dirname(path) for path in paths])
    if not os.path.isdir(base):
        return {}
    folder = PhotoFolder(base)
    files, refused = find_photos(list(names), folder, uploads)
    missing = [name for name, file in files.items() if file is None and name not in refused]
    files.update(folder.find_alike(missing, {file for file in files.values() if file}))
    places = {name: os.path.join(base, *file.split("/")) for name, file in files.items() if file}
    return {paths[place]: names[name] for name, place in places.items() if place in paths}


def _found_classes(categories, classes):
    """{key: category id} of the classes that are listed; a name that ends at its first comma is that of the whole one.
    """
    known = {_plain(name): number for name, number in categories.items()}
    short = _unique((name.split(",")[0], number) for name, number in known.items())
    alone = _unique((_plain(name).split(",")[0], key) for key, name in classes.items())
    found = {}
    for key, name in classes.items():
        name, cut = _plain(name), _plain(name).split(",")[0]
        number = known.get(name, short.get(name))
        if number is None and alone.get(cut) == key:
            number = known.get(cut)
        if number is not None:
            found[key] = number
    exact = {number: key for key, number in found.items() if known.get(_plain(classes[key])) == number}
    return {key: number for key, number in found.items() if exact.get(number, key) == key}  # of two the whole name


def _unique(pairs):
    """{name: number} of the names that occur once."""
    numbers = {}
    for name, number in pairs:
        numbers.setdefault(name, []).append(number)
    return {name: some[0] for name, some in numbers.items() if len(some) == 1}
