"""The folder of a data set's photos, and which of its files a name stands for."""

import os
import unicodedata
import urllib.parse
from collections.abc import Callable, Container, Sequence

from mrcnn.data.images import PHOTO_ENDINGS, image_path
from mrcnn.errors import DataError

SEVERAL_ENDINGS = ("of several that differ in the ending alone, which the annotations do not give: jpg taken before "
                   "png; move the wrong ones out of the folder")


class PhotoFolder:
    """The folder of a data set's photos. Each of its folders is listed once: far cheaper than a look at each file.

    Symbolic links in it are followed, also those that lead out: the folder is the user's own. Names are not: none of an
    annotation file leads out of the folder.

    Args:
        path: of the folder.
        note: called as `Reporting.note` where one of several files is taken for a name; None: nobody is told.

    Raises:
        DataError: if there is none.
    """

    def __init__(self, path: str | os.PathLike, note: Callable[[str, str, str], None] | None = None):
        self.path = os.fspath(path)
        if not os.path.isdir(self.path):
            raise DataError(f"{self.path}: no such image folder: give the folder of the photos.")
        self._names, self._stems, self._alike, self._renamed = {}, {}, None, {}
        self._note, self._noted = note, set()

    def find(self, name: str) -> str | None:
        """`name` if the folder has a file of that name (subfolders allowed), else None.

        Raises:
            DataError: if the name leads out of the folder.
        """
        place, base = os.path.split(image_path(self.path, name))
        return name if base in self._listed(place) else None

    def find_stem(self, name: str) -> str | None:
        """Name of the photo that is `name` with the ending that it lacks, else None.

        Of several it is the one whose ending PHOTO_ENDINGS lists first, which is noted.

        Raises:
            DataError: as `find`.
        """
        place, base = os.path.split(image_path(self.path, name))
        if place not in self._stems:
            stems = self._stems[place] = {}
            for stem, ending in map(os.path.splitext, sorted(self._listed(place))):
                if ending.lower() in PHOTO_ENDINGS:
                    stems.setdefault(stem, []).append(ending)
        endings = self._stems[place].get(base)
        if not endings:
            return None
        first, *others = sorted(endings, key=lambda ending: PHOTO_ENDINGS.index(ending.lower()))
        if others and self._note is not None and name not in self._noted:
            self._noted.add(name)
            self._note("photo", SEVERAL_ENDINGS, f"{name + first}, not {name + others[0]}")
        return name + first

    def find_alike(self, names: Sequence[str], taken: Container[str | None] = ()) -> dict[str, str]:
        """Files whose names look like names that no file has, where exactly one does.

        Names look alike if they differ in no more than upper and lower case, composed and decomposed letters, percent
        signs in place of letters, backslashes, the ending, where the name has none, and folders in front. A file that
        two names are like is none's.

        Args:
            names: that no file has; those that lead out of the folder are like none
            taken: files that other names stand for

        Returns:
            {name: name of the file} of the names that one file is like.
        """
        guesses = {}
        for name in dict.fromkeys(names):
            try:
                image_path(self.path, name)
                candidates = [file for file in self._files_like(name) if file not in taken]
            except DataError:
                continue
            if len(candidates) == 1:
                guesses.setdefault(candidates[0], []).append(name)
        return {alike[0]: file for file, alike in guesses.items() if len(alike) == 1}

    def find_renamed(self, name: str, rename: Callable[[str], str]) -> str | None:
        """Name of the one file below the folder that a tool calls otherwise; None if there is none, or several.

        Args:
            name: what the tool calls it.
            rename: what it makes of the name of a file.
        """
        if rename not in self._renamed:
            known = self._renamed[rename] = {}
            for path in self._files():
                known.setdefault(rename(path.rpartition("/")[2]), []).append(path)
        files = self._renamed[rename].get(name, ())
        return files[0] if len(files) == 1 else None

    def join(self, name: str) -> str:
        """Path of a photo that `find`, `find_stem` or `find_alike` found."""
        return os.path.join(self.path, name)

    def _files_like(self, name):
        """list of the files that a name is like, folders in front of either left away."""
        if self._alike is None:
            self._alike = self._listed_alike()
        parts = _parts(name)
        if not parts:
            return []
        # Without an ending of photos a name is the stem of one.
        whole = parts[-1].endswith(PHOTO_ENDINGS)
        files = self._alike.get(parts[-1], []) + ([] if whole else self._alike.get((parts[-1],), []))
        alike = []
        for file in dict.fromkeys(files):
            depth = min(len(parts), file.count("/") + 1) - 1
            if _parts(file)[:-1][-depth:] == parts[:-1][-depth:] or not depth:
                alike.append(file)
        return alike

    def _listed_alike(self):
        """{name, or (stem,) of a photo, as `_parts` has it: list of the files below the folder that are called so}."""
        alike = {}
        for path in self._files():
            key = _parts(path)[-1]
            alike.setdefault(key, []).append(path)
            stem, ending = os.path.splitext(key)
            if ending in PHOTO_ENDINGS:
                alike.setdefault((stem,), []).append(path)
        return alike

    def _files(self):
        """Generator of the files below the folder, by their names in it."""
        for place, _, files in os.walk(self.path):
            prefix = os.path.relpath(place, self.path).replace(os.sep, "/")
            yield from (file if prefix == "." else f"{prefix}/{file}" for file in sorted(files))

    def _listed(self, place):
        """Names of the files in a folder; none if there is no such folder."""
        if place not in self._names:
            try:
                self._names[place] = {entry.name for entry in os.scandir(place) if not entry.is_dir()}
            except (FileNotFoundError, NotADirectoryError):
                self._names[place] = set()
            except OSError as error:
                raise DataError(f"{place}: cannot be listed ({error.strerror}): check its permissions.") from error
        return self._names[place]


def _parts(name):
    """Folders and file of a name, in the form in which all that look alike are the same."""
    name = urllib.parse.unquote(str(name)).replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return [unicodedata.normalize("NFC", part).casefold() for part in parts]
