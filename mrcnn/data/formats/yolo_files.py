"""The photos of a YOLO data set and the label file of each, listed folder by folder."""

import itertools
import os
from typing import NamedTuple

from mrcnn.data.formats.yolo_layout import HEAD, LOOKED_AT, NAMES, Layout, components
from mrcnn.data.images import PHOTO_ENDINGS
from mrcnn.data.photo_folder import folders_below
from mrcnn.errors import DataError
from mrcnn.text_files import as_utf8, open_text

IMAGES, LABELS = "images", "labels"
MOST_PHOTOS = 10_000_000
LARGEST_LIST = 1 << 30  # bytes of a text file that lists photos
NO_LABELS = ("readme.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "notes.txt")


class Entry(NamedTuple):
    """A photo. photo: name in the folder of the photos; label: path of its label file, None if it has none."""

    photo: str
    label: str | None


class LabelFiles:
    """The label files of a folder: in labels/ where photos are in images/, or beside the photos.

    Args:
        root: the folder of the data set.

    Attributes:
        twice: names of photos that have a file in both places; that in labels/ is taken.
        shared: names of photos whose file is that of another photo too, which differs in the ending.
        alike: names of photos whose file is called as they are but for the case of letters.
        found: number of label files that were found.
        without: folders that a data.yaml names and that have no label files, where photos are looked for by these.
    """

    def __init__(self, root: str) -> None:
        self.root, self.twice, self.found = root, [], 0
        self.shared, self.alike, self.without = [], [], []
        self._names, self._places, self._cases, self._used = {}, {}, {}, {}

    def find(self, name: str) -> str | None:
        """Path of the label file of a photo, None if it has none. name: of the photo, below the root."""
        folder, base = os.path.split(name)
        places = self._places.get(folder)
        if places is None:
            places = self._places[folder] = self._of(folder)
        wanted = f"{os.path.splitext(base)[0]}.txt"
        found = [(place, wanted) for place in places if wanted in self._names[place]]
        if not found:
            wanted = wanted.casefold()
            alike = [(place, other) for place in places for other in self._in_any_case(place).get(wanted, ())]
            if len(alike) != 1:
                return None
            self.alike.append(name)
            found = alike
        self.found += 1
        if len(found) > 1:
            self.twice.append(name)
        if self._used.setdefault(found[0], name) != name:
            self.shared.append(name)
        return os.path.join(self.root, *found[0])

    def without_photo(self) -> list[str]:
        """Names below the root of the label files that lie beside those that were found, and are no photo's."""
        left = []
        for place in sorted({place for place, _ in self._used}):
            left += ["/".join(filter(None, (place, name))) for name in sorted(self._names[place])
                     if _is_label(name) and (place, name) not in self._used]
        return left

    def _in_any_case(self, place):
        """{name in small letters: [names in a place]}."""
        if place not in self._cases:
            cases = self._cases[place] = {}
            for name in self._names[place]:
                cases.setdefault(name.casefold(), []).append(name)
        return self._cases[place]

    def _of(self, folder):
        parts = folder.replace(os.sep, "/").split("/")
        places = [folder]
        if IMAGES in parts:
            last = len(parts) - 1 - parts[::-1].index(IMAGES)
            places.insert(0, "/".join([*parts[:last], LABELS, *parts[last + 1:]]))
        for place in places:
            if place not in self._names:
                self._names[place] = names_in(os.path.join(self.root, place))
        return places


def names_in(folder: str) -> set[str]:
    """The set of the names in a folder; empty if there is no such folder."""
    try:
        return set(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError, ValueError):  # or of a name that no folder can have
        return set()
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}): check its permissions.") from error


def photos_below(folder: str, root: str) -> list[str]:
    """Names below `root` of the photos in a folder and in those below it, sorted.

    Raises:
        DataError: there are more than MOST_PHOTOS files.
    """
    found, seen = [], 0
    for top, folders, names in folders_below(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen += len(names)
        if seen > MOST_PHOTOS:
            raise DataError(f"{folder}: more than {MOST_PHOTOS} files lie in it: give the folder of the photos.")
        place = os.path.relpath(top, root).replace(os.sep, "/")
        prefix = "" if place == "." else f"{place}/"
        found += [prefix + name for name in sorted(names)
                  if name.lower().endswith(PHOTO_ENDINGS) and not name.startswith(".")]
    return found


def labels_below(folder: str) -> list[str]:
    """Paths of the label files in a folder and in those below it, sorted."""
    found = []
    for top, folders, names in folders_below(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [os.path.join(top, name) for name in sorted(names) if _is_label(name)]
    return found


def _is_label(name):
    """Whether a file may have labels, by its name."""
    return (name.lower().endswith(".txt") and name not in NAMES and name.lower() not in NO_LABELS
            and not name.startswith("."))


def listed_names(path: str, root: str) -> list[list[str]]:
    """The photos that a text file lists, a path a line.

    Args:
        path: of the file.
        root: folder that the photos lie in.

    Returns:
        list of lists of names below the root that a line may mean, the likeliest first.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        if os.path.getsize(path) > LARGEST_LIST:
            raise DataError(f"{path}: more than {LARGEST_LIST} bytes, which no list of photos has: give another.")
        with open_text(path, errors="surrogateescape") as file:
            lines = [line.rstrip("\n") for line in file]
    except OSError as error:
        raise DataError(f"{path}: cannot read the list of photos ({error.strerror}): check the path.") from error
    places, names = dict.fromkeys([os.path.dirname(os.path.abspath(path)), root]), []
    for line in lines:
        text = line.strip().replace("\\", "/")
        if not text or text.startswith("#"):
            continue
        likely = []
        for meant in (line.replace("\\", "/"), text):  # a name may begin with a space
            for place in places:
                name = os.path.normpath(os.path.join(place, meant))
                if name.startswith(root + os.sep):
                    likely.append(name[len(root) + 1:].replace(os.sep, "/"))
        likely.append("/".join(components(text)))
        names.append([name for name in dict.fromkeys(likely) if name])
    return [likely for likely in names if likely]


def label_folders(folder: str, root: str) -> list[str]:
    """Where the labels of a folder of photos may lie, the likeliest first.

    Args:
        folder: of the photos, in the root.
        root: the folder of the data set. A folder above it that is called images counts for the last alone.
    """
    below = os.path.normpath(os.path.join(root, _label_folder(os.path.relpath(folder, root))))
    return list(dict.fromkeys([below, folder, _label_folder(folder)]))


def _label_folder(folder):
    """A folder with its last images/ replaced by labels/."""
    parts = folder.split(os.sep)
    if IMAGES not in parts:
        return folder
    last = len(parts) - 1 - parts[::-1].index(IMAGES)
    return os.sep.join([*parts[:last], LABELS, *parts[last + 1:]])


def passed_over(layout: Layout) -> list[str]:
    """Keys of a data.yaml that name photos, or labels, of a part that is none here, each as "key: value".

    Folders with what the parts of the data set have, in whole or in part, are not among them.
    """
    sources = [source for sources in layout.parts.values() for source in sources]
    known = [place for source in sources for place in label_folders(source, layout.root)]
    told = []
    for key, paths in layout.others.items():
        for path in paths:
            apart = not any(_holds(path, place) or _holds(place, path) for place in known)
            found = apart and (_lists_photos(path) or any(map(_has_samples, label_folders(path, layout.root))))
            told += [key] if found and key not in told else []
    return told


def _holds(folder, path):
    return os.path.join(path, "").startswith(os.path.join(folder, ""))


def _has_samples(folder):
    """Whether photos or label files are in a folder, or in the first LOOKED_AT folders of it."""
    return any(name.lower().endswith(PHOTO_ENDINGS) or _is_label(name)
               for _, _, names in itertools.islice(folders_below(folder), LOOKED_AT) for name in names)


def _lists_photos(path):
    """Whether the first lines of a text file are names of photos."""
    if not path.lower().endswith(".txt"):
        return False
    try:
        with open(path, "rb") as file:
            lines = as_utf8(file.read(HEAD)).lower().split(b"\n")
    except OSError:
        return False
    return any(line.strip().endswith(tuple(map(str.encode, PHOTO_ENDINGS))) for line in lines[:LOOKED_AT])
