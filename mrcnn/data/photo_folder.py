"""The folder of a data set's photos, and which of its files a name stands for."""

import ntpath
import os
import pathlib
import posixpath
import unicodedata
import urllib.parse
from collections.abc import Callable, Container, Iterator, Sequence

from mrcnn.data.images import PHOTO_ENDINGS, checked_name, leads_out
from mrcnn.errors import DataError

SEVERAL_ENDINGS = ("of several that differ in the ending alone, which the annotations do not give: jpg taken before "
                   "png; move the wrong ones out of the folder")


class PhotoFolder:
    """The folder of a data set's photos. Each of its folders is listed once: far cheaper than a look at each file.

    Symbolic links in it are followed, also those that lead out: the folder is the user's own. Names are not: whatever
    an annotation file has, only files below the folder are found. An absolute path into the folder is that file's name.

    Args:
        path: of the folder.
        note: called as `Reporting.note` where one of several files is taken for a name; None: nobody is told.

    Attributes:
        several: {name of a file that `find_stem` took of several: words that tell it}.

    Raises:
        DataError: if there is none.
    """

    def __init__(self, path: str | os.PathLike, note: Callable[[str, str, str], None] | None = None):
        self.path = os.fspath(path)
        if not os.path.isdir(self.path):
            raise DataError(f"{self.path}: no such image folder: give the folder of the photos.")
        self._names, self._stems, self._alike, self._renamed = {}, {}, None, {}
        self._note, self.several = note, {}

    def find(self, name: str) -> str | None:
        """Name of the file that `name` is (subfolders allowed), else None.

        Returns:
            `name` without "./" and "//", or what is left of a path that leads into the folder. None also where `name`
            leads out and files below the folder are like it, which `find_alike` may find.

        Raises:
            DataError: if the name leads out of the folder, and no file is like it.
        """
        inside = self._inside(name)
        if inside is None:
            return None
        place, base = os.path.split(os.path.join(self.path, inside))
        if base not in self._listed(place):
            return None
        return name if inside == name else inside  # the text itself: of many photos a second one takes memory

    def find_stem(self, name: str) -> str | None:
        """Name of the photo that is `name` with the ending that it lacks, else None; names that lead out as in `find`.

        Of several it is the one whose ending PHOTO_ENDINGS lists first, which is noted.

        Raises:
            DataError: as `find`.
        """
        name = self._inside(name)
        if name is None:
            return None
        place, base = os.path.split(os.path.join(self.path, name))
        if place not in self._stems:
            stems = self._stems[place] = {}
            for stem, ending in map(os.path.splitext, sorted(self._listed(place))):
                if ending.lower() in PHOTO_ENDINGS:
                    stems.setdefault(stem, []).append(ending)
        endings = self._stems[place].get(base)
        if not endings:
            return None
        first, *others = sorted(endings, key=lambda ending: PHOTO_ENDINGS.index(ending.lower()))
        if others and name + first not in self.several:
            words = self.several[name + first] = f"{name + first}, not {name + others[0]}"
            if self._note is not None:
                self._note("photo", SEVERAL_ENDINGS, words)
        return name + first

    def find_alike(self, names: Sequence[str], taken: Container[str | None] = ()) -> dict[str, str]:
        """Files whose names look like names that no file has, where exactly one does.

        Names look alike if they differ in no more than upper and lower case, composed and decomposed letters, percent
        signs in place of letters, backslashes, the ending, where the name has none, and folders in front, also those of
        another machine. A file that two names are like is none's.

        Args:
            names: that no file has
            taken: files that other names stand for

        Returns:
            {name: name of the file} of the names that one file is like.
        """
        guesses = {}
        for name in dict.fromkeys(names):
            candidates = [file for file in self.files_like(name) if file not in taken]
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

    def files_like(self, name: str) -> list[str]:
        """Names of all files below the folder that a name is like, folders in front of either left away."""
        try:
            name = ntpath.splitdrive(checked_name(name))[1]
        except DataError:
            return []
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

    def tell_absent(self, name: str, least: int = 2) -> str:
        """Say of a name that stands for no file what the folder has, if so many files are like it; ends a sentence."""
        files = self.files_like(name)
        return unclear_name(files, self.path) if len(files) >= least else f"is not in {self.path}"

    def _inside(self, name):
        """A name relative to the folder; None for one that leads out, and which files are like. Raises DataError."""
        name = checked_name(name)
        if not leads_out(name):
            return posixpath.normpath(name)
        path = name.replace("\\", "/")
        if os.path.isabs(path) or not ntpath.splitdrive(path)[0]:
            for root in dict.fromkeys([os.path.abspath(self.path), os.path.realpath(self.path)]):
                whole = os.path.normpath(os.path.join(root, path))
                if whole.startswith(os.path.join(root, "")):
                    return os.path.relpath(whole, root).replace(os.sep, "/")
        if self.files_like(name):
            return None
        raise DataError(f"file_name {name!r} leads out of the image folder {self.path}, and no file there has the end "
                        "of this name: give the folder of the photos, or a name relative to it.")

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
        for place, _, files in folders_below(self.path):
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


def folders_below(top: str | os.PathLike) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield (path, folders in it, files in it) of a folder and of all below it, as os.walk, but through links too.

    Each folder is given once, by its own path where it is below `top`, for links are followed last. A link to a folder
    that `top` lies in is not followed. Folders that the caller takes out of the list are left out, as by os.walk.

    Args:
        top: path of the folder.
    """
    seen, waiting = set(map(str, pathlib.Path(os.path.realpath(top)).parents)), [os.fspath(top)]
    while waiting:
        for place, folders, files in os.walk(waiting.pop(0)):
            real = os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            yield place, folders, files
            paths = [os.path.join(place, name) for name in sorted(folders)]
            waiting += [path for path in paths if os.path.islink(path)]


def unclear_name(files: Sequence[str], folder: str) -> str:
    """Why a name stands for none of the files that are like it, with the remedy; ends a sentence."""
    if len(files) == 1:
        return (f"looks like {files[0]} in {folder}, which another name stands for or looks like, too: write names as "
                "the files are called")
    shown = ", ".join(sorted(files)[:3]) + (", ..." if len(files) > 3 else "")
    return f"may be each of {len(files)} files in {folder} ({shown}): write its folder in front of the name"


def is_whole_name(name: str, file: str) -> bool:
    """Whether a name that a file is like has as many folders as the file: others may name another photo."""
    return len(_parts(name)) == len(_parts(file))


def _parts(name):
    """Folders and file of a name, in the form in which all that look alike are the same."""
    name = urllib.parse.unquote(str(name)).replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return [unicodedata.normalize("NFC", part).casefold() for part in parts]
