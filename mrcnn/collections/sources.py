"""Which photos a collection has: those of a folder with its subfolders, a pattern, list, table, tar or some files."""

import csv
import functools
import glob
import os
import re
import tarfile
import warnings
from collections.abc import Iterable, Sequence

from mrcnn.data.formats.parquet_files import load_pyarrow
from mrcnn.errors import DataError

COLUMNS = ("photo", "path", "file", "file_name", "filename", "image")  # of a table: the first of these that it has
TAR = ".tar"
SHOWN = 3  # names that a message gives


def list_collection(paths: Sequence[str]) -> tuple[str, list[str]]:
    """List the photos of a collection.

    Args:
        paths: one folder, pattern with * (quoted, so that the shell leaves it), list (.txt, a path a line) or table
            (.csv or .parquet with a column of COLUMNS), tar files (uncompressed, as of WebDataset), or any number of
            photos. Paths in lists and tables are relative to these; a photo in a tar is TAR/NAME.

    Returns:
        (root, absolute path of the folder that the names are relative to; sorted names of the photos, each once).

    Raises:
        DataError: there are no photos, or a list cannot be read.
    """
    path = paths[0]
    if all(path.lower().endswith(TAR) for path in paths):
        root, tars = _common(paths)
        names = [f"{tar}/{name}" for tar in tars for name in _photos_in(os.path.join(root, tar))]
    elif len(paths) > 1:
        root, names = _common(paths)
    elif os.path.isdir(path):
        root, names = path, _walked(path)
    elif path.lower().endswith((".txt", ".csv", ".parquet")):
        root, names = os.path.dirname(path), _read_list(path)
    elif glob.has_magic(path) and not os.path.isfile(path):
        root, names = _common(sorted(filter(os.path.isfile, glob.iglob(path, recursive=True))))
    else:
        root, names = _common([path])
    if not names:
        raise DataError(f"{path} holds no photos: give a folder, a pattern in quotes, a list (.txt), a table (.csv, "
                        ".parquet), tar files or photos.")
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
    if path.lower().endswith(".parquet"):
        return _read_parquet(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            names = _column(path, csv.DictReader(file)) if path.lower().endswith(".csv") else file.read().splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot read the list ({error.strerror}): check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: no list in UTF-8 ({error}): save it anew.") from error
    return [name.strip() for name in names if name and name.strip()]


def _read_parquet(path):
    pyarrow, parquet = load_pyarrow()
    try:
        with parquet.ParquetFile(path) as file:
            found = [name for name in COLUMNS if name in file.schema_arrow.names]
            if not found:
                raise DataError(f"{path} has no column of paths: name one of its columns {', '.join(COLUMNS)}.")
            if not pyarrow.types.is_string(kind := file.schema_arrow.field(found[0]).type):
                raise DataError(f"{path}: its column {found[0]} holds {kind}, no paths: write the photos as files, and "
                                "give their folder or paths.")
            names = [name for batch in file.iter_batches(columns=found[:1]) for name in batch[0].to_pylist()]
    except (OSError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: cannot read the table ({reason}): save it anew.") from error
    return [name.strip() for name in names if name and name.strip()]


def _photos_in(path):
    """Names of the photos in a tar file."""
    from mrcnn.data.images import PHOTO_ENDINGS

    names = sorted(members_of(path))
    others = [name for name in names if not name.lower().endswith(PHOTO_ENDINGS)]
    if others:
        warnings.warn(f"{path}: {len(others)} files are passed over, being no photos by their endings: "
                      f"{_shown(others)}.", stacklevel=3)
    return [name for name in names if name.lower().endswith(PHOTO_ENDINGS)]


@functools.lru_cache(maxsize=64)
def members_of(path: str) -> dict[str, tuple[int, int]]:
    """{name: (first byte, number of bytes)} of the files in a tar.

    Raises:
        DataError: it cannot be read, or is compressed.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            return {member.name: (member.offset_data, member.size) for member in archive if member.isreg()}
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{path}: no tar file that can be read ({error}): give it uncompressed and whole.") from error


def read_bytes(root: str, name: str) -> bytes:
    """The bytes of a photo.

    Args:
        root: folder of the collection.
        name: of the photo, as `list_collection` gives it.

    Raises:
        DataError: it cannot be read.
    """
    path = os.path.join(root, name)
    try:
        tar = tar_of(path)
        if tar:
            return _member(tar, path[len(tar) + 1:])
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:  # a zero byte is in no path
        raise DataError(f"{path}: cannot read the photo ({getattr(error, 'strerror', None) or error}).") from error


def tar_of(path: str) -> str | None:
    """Path of the tar file that a photo is in; None where it is a file of its own."""
    for inside in re.finditer(re.escape(f"{TAR}/"), path, re.IGNORECASE):
        if os.path.isfile(tar := path[:inside.end() - 1]):
            return tar
    return None


def _member(path, name):
    place = members_of(path).get(name)
    if place is None:
        raise DataError(f"{path}/{name}: cannot read the photo (the tar has no such file).")
    with open(path, "rb") as file:
        file.seek(place[0])
        data = file.read(place[1])
    if len(data) < place[1]:
        raise DataError(f"{path}/{name}: cannot read the photo (the tar ends before it).")
    return data


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
