"""Which photos a collection has: those of a folder and its subfolders, a pattern, a list, a table or some files."""

import csv
import glob
import os
import warnings
from collections.abc import Iterable, Sequence

from mrcnn.errors import DataError

COLUMNS = ("photo", "path", "file", "file_name", "filename", "image")  # of a table: the first of these that it has
SHOWN = 3  # names that a message gives


def list_collection(paths: Sequence[str]) -> tuple[str, list[str]]:
    """List the photos of a collection.

    Args:
        paths: one folder, pattern with * (quoted, so that the shell leaves it), list (.txt, a path a line) or table
            (.csv with a column of COLUMNS), or any number of photos. Paths in lists and tables are relative to these.

    Returns:
        (root, absolute path of the folder that the names are relative to; sorted names of the photos, each once).

    Raises:
        DataError: there are no photos, or a list cannot be read.
    """
    path = paths[0]
    if len(paths) > 1:
        root, names = _common(paths)
    elif os.path.isdir(path):
        root, names = path, _walked(path)
    elif path.lower().endswith((".txt", ".csv")):
        root, names = os.path.dirname(path), _read_list(path)
    elif glob.has_magic(path) and not os.path.isfile(path):
        root, names = _common(sorted(filter(os.path.isfile, glob.iglob(path, recursive=True))))
    else:
        root, names = _common([path])
    if not names:
        raise DataError(f"{path} holds no photos: give a folder, a pattern in quotes, a list (.txt), a table (.csv) or "
                        "photos.")
    once = sorted(set(names))
    if len(once) < len(names):
        warnings.warn(f"{path}: {len(names) - len(once)} photos are listed more than once: each is taken once.",
                      stacklevel=2)
    return os.path.realpath(root or "."), once


def _common(paths):
    """(the folder that all files are in, their names in it)."""
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        what = "is a folder: give one folder alone, or photos" if os.path.isdir(missing[0]) else "does not exist"
        raise DataError(f"{missing[0]}{_more(missing)} {what}.")
    if not paths:
        return "", []
    absolute = [os.path.abspath(path) for path in paths]
    root = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return root, [os.path.relpath(path, root) for path in absolute]


def _walked(folder):
    """Names of the photos in a folder and its subfolders; hidden ones are left out, other files are told of."""
    from mrcnn.data.images import PHOTO_ENDINGS

    def fail(error):
        raise DataError(f"{error.filename}: cannot be listed ({error.strerror}): check its rights.") from error

    photos, others = [], []
    for where, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked = [name for name in folders if os.path.islink(os.path.join(where, name))]
        if linked:
            warnings.warn(f"{where}: {len(linked)} links to folders are not followed: {_shown(linked)}.", stacklevel=3)
        for name in names:
            if not name.startswith("."):
                is_photo = name.lower().endswith(PHOTO_ENDINGS)
                (photos if is_photo else others).append(os.path.relpath(os.path.join(where, name), folder))
    if others:
        warnings.warn(f"{folder}: {len(others)} files are passed over, being no photos by their endings: "
                      f"{_shown(sorted(others))}.", stacklevel=3)
    return photos


def _read_list(path):
    """Paths in a list or table."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            names = _column(path, csv.DictReader(file)) if path.lower().endswith(".csv") else file.read().splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot read the list ({error.strerror}): check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: no list in UTF-8 ({error}): save it anew.") from error
    return [name.strip() for name in names if name and name.strip()]


def _column(path, table) -> list[str]:
    found = [name for name in COLUMNS if name in (table.fieldnames or ())]
    if not found:
        raise DataError(f"{path} has no column of paths: name one of its columns {', '.join(COLUMNS)}.")
    return [row[found[0]] for row in table]


def _shown(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _more(names):
    return f" and {len(names) - 1} more" if len(names) > 1 else ""
