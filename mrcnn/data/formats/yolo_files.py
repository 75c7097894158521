"""The photos of a YOLO data set and the label file of each, listed folder by folder."""

import os
from typing import NamedTuple

from mrcnn.data.formats.yolo_layout import NAMES, components
from mrcnn.data.images import PHOTO_ENDINGS
from mrcnn.errors import DataError
from mrcnn.text_files import open_text

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
    """

    def __init__(self, root: str) -> None:
        self.root, self.twice, self.found = root, [], 0
        self.shared, self.alike = [], []
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
    for top, folders, names in os.walk(folder):
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
    for top, folders, names in os.walk(folder):
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
            lines = [line.strip() for line in file]
    except OSError as error:
        raise DataError(f"{path}: cannot read the list of photos ({error.strerror}): check the path.") from error
    places, names = dict.fromkeys([os.path.dirname(os.path.abspath(path)), root]), []
    for line in lines:
        text = line.replace("\\", "/")
        if not text or text.startswith("#"):
            continue
        likely = []
        for place in places:
            name = os.path.normpath(os.path.join(place, text))
            if name.startswith(root + os.sep):
                likely.append(name[len(root) + 1:].replace(os.sep, "/"))
        likely.append("/".join(components(text)))
        names.append([name for name in dict.fromkeys(likely) if name])
    return [likely for likely in names if likely]


def label_folder(folder: str) -> str:
    """The folder of labels that goes with a folder of photos: its last images/ replaced by labels/."""
    parts = folder.split(os.sep)
    if IMAGES not in parts:
        return folder
    last = len(parts) - 1 - parts[::-1].index(IMAGES)
    return os.sep.join([*parts[:last], LABELS, *parts[last + 1:]])
