"""Annotations in a ZIP or TAR file: unpacked once into a folder beside it, and found there.

`export.zip` is unpacked into `export.zip.unpacked`, or into the user's cache folder if nothing can be written beside
it. The folder is ours: it holds a mark with the size and time of the archive, is used again while these are the same,
and replaced when they are not. It appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.data.formats.archive_members import BLOCK, kind_of, members
from mrcnn.errors import DataError
from mrcnn.files import LEFTOVER, whole_folder

if TYPE_CHECKING:
    from mrcnn.data.dataset import Dataset

MARK = ".mrcnn-archive.json"
VERSION = 1  # of what is unpacked and how
OLD = 24 * 3600  # seconds after which an unfinished folder is that of a killed process


def is_archive(path: str | os.PathLike | None) -> bool:
    """Whether a path is that of an archive, or of something in one: `export.zip#train/annotations.json`."""
    return path is not None and kind_of(split_path(path)[0]) is not None


def exists(path: str | os.PathLike) -> bool:
    """Whether there are annotations at a path, which may lead into an archive."""
    return os.path.exists(path) or is_archive(path)


def split_path(path: str | os.PathLike) -> tuple[str, str | None]:
    """(path of a file or folder, name in it or None) of `export.zip#train/annotations.json`; names may have a #."""
    path = os.fspath(path)
    place = path.find("#")
    while place > 0 and not os.path.exists(path):
        if os.path.isfile(path[:place]):
            return path[:place], path[place + 1 :]
        place = path.find("#", place + 1)
    return path, None


def unpacked(path: str | os.PathLike, progress: Callable[[int, int], None] | None = None) -> str:
    """Unpack an archive, unless that was done before.

    Args:
        path: of the archive.
        progress: called as progress(done, total) in bytes; the total is at least the size of the archive.

    Returns:
        Path of the folder.

    Raises:
        DataError: the archive is damaged, holds what is refused, or cannot be unpacked anywhere.
    """
    path = os.fspath(path)
    about = os.stat(path)
    stamp = {"version": VERSION, "size": about.st_size, "time": about.st_mtime_ns}
    places = [f"{path}.unpacked", os.path.join(_cache(), _cached_name(path))]
    for folder in places:
        if _mark(folder) == stamp:
            return folder
    folder = places[0] if os.access(os.path.dirname(path) or ".", os.W_OK) else places[1]
    if os.path.lexists(folder):
        if os.path.islink(folder) or _mark(folder) is None:
            raise DataError(f"{folder}: is where {path} would be unpacked, and was not made by this program: move it.")
        shutil.rmtree(folder)
    _remove_leftovers(folder)
    skipped = []
    try:
        with whole_folder(folder) as partial:
            count, size = _write(path, partial, lambda: skipped.append(1), progress)
            with open(os.path.join(partial, MARK), "w", encoding="utf-8") as file:
                json.dump(stamp, file)
    except DataError:
        if _mark(folder) == stamp:  # another process was faster
            return folder
        raise
    left = f", {len(skipped)} of the system's own left out" if skipped else ""
    warnings.warn(f"{path}: unpacked into {folder} ({count} files, {size / 1e6:.1f} MB{left}), which is used again "
                  "until the archive changes, and can be removed.", stacklevel=3)
    return folder


def inner_path(folder: str, name: str, archive: str) -> str:
    """Path in an unpacked archive of a name given with it.

    Raises:
        DataError: if it leads out, or there is none.
    """
    from mrcnn.data.images import image_path  # which needs numpy, as help does not

    path = image_path(folder, name.strip("/")) if name.strip("/") else folder
    if not os.path.exists(path):
        raise DataError(f"{archive}: holds no {name}: see what it holds in {folder}.")
    return path


def check_photos(dataset: Dataset, annotations: str | os.PathLike, images: str | os.PathLike | None) -> None:
    """Look that the photos of annotations that were unpacked lie with them: YOLO's data.yaml may name any folder.

    Args:
        dataset: that was loaded
        annotations, images: paths that it was loaded from; images None: where the format has them

    Raises:
        DataError: naming a photo that lies elsewhere.
    """
    root = os.path.abspath(annotations)
    while not os.path.isfile(os.path.join(root, MARK)):
        if root == os.path.dirname(root):
            return  # not of an archive
        root = os.path.dirname(root)
    allowed = tuple(os.path.join(os.path.abspath(place), "") for place in (root, images) if place)
    for info in dataset.image_info:
        path = os.path.abspath(info.get("path") or root)
        if path != root and not path.startswith(allowed):
            raise DataError(f"{annotations}: takes photos from outside of its archive ({path}): refused; give their "
                            "folder (images=, --images).")


# --- Folders ---------------------------------------------------------------------------------------------------------


def _write(path, folder, add_skipped, progress):
    """Write the members of an archive to a folder; (number of files, bytes)."""
    count, done, last, least = 0, 0, 0, os.path.getsize(path)
    for member in members(path, add_skipped):
        target = os.path.join(folder, *member.name.split("/"))
        if shutil.disk_usage(folder).free < member.size:
            raise DataError(f"{path}: the disk of {folder} has no room for {member} of {member.size} bytes: free some.")
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "xb") as file:
                for block in member.blocks():
                    file.write(block)
        except (FileExistsError, NotADirectoryError) as error:
            raise DataError(f"{path}: has two members {member}, or names that differ in case alone: pack it "
                            "anew.") from error
        count, done = count + 1, done + member.size
        if progress and done - last >= BLOCK:
            last = done
            progress(done, max(done, least))
    return count, done


def _mark(folder):
    """The mark in a folder that was unpacked; None for any other."""
    try:
        with open(os.path.join(folder, MARK), encoding="utf-8") as file:
            mark = json.loads(file.read(1 << 10))
    except (OSError, ValueError, RecursionError):
        return None
    return mark if isinstance(mark, dict) and "version" in mark else None


def _cache():
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "mrcnn")


def _cached_name(path):
    digest = hashlib.sha256(os.path.abspath(path).encode(errors="surrogateescape")).hexdigest()[:12]
    return f"{os.path.basename(path)}.{digest}.unpacked"


def _remove_leftovers(folder):
    """Remove what killed processes left of unpacking into a folder."""
    place, name = os.path.split(folder)
    with contextlib.suppress(OSError):
        for entry in os.listdir(place or "."):
            leftover, path = LEFTOVER.fullmatch(entry), os.path.join(place, entry)
            if leftover and leftover[1] == name[:50] and time.time() - os.lstat(path).st_mtime > OLD:
                shutil.rmtree(path, ignore_errors=True)
