"""Which photos a collection has: of a folder with its subfolders, a pattern, list, table, tar or some files.

All of these may be at addresses of fsspec instead of on this machine (`mrcnn.collections.storage`).
"""

import collections
import csv
import io
import os
import posixpath
import warnings
from collections.abc import Sequence

from mrcnn.collections import storage
from mrcnn.collections.containers import (
    COLUMNS,
    PARQUET,
    TAR,
    PhotoTable,
    container_of,
    photo_column,
    photos_of_table,
    photos_of_tar,
    read_inside,
    shown,
)
from mrcnn.collections.spellings import plain_name
from mrcnn.errors import DataError
from mrcnn.text_files import encoding_of, long_fields


def list_collection(paths: Sequence[str]) -> tuple[str, list[str]]:
    """List the photos of a collection.

    Args:
        paths: one folder, pattern with * (quoted, so that the shell leaves it), list (.txt, a path a line) or table
            (.csv or .parquet with a column of COLUMNS), tar files (uncompressed, as of WebDataset), Parquet files with
            a column of encoded photos, or any number of photos; all on this machine, or all at addresses of fsspec.
            Paths in lists and tables are relative to these, absolute, or addresses, and become one name for one photo
            by `mrcnn.collections.spellings`; a photo in a tar is TAR/NAME, one
            in a table TABLE/ROW or TABLE/ROW/NAME.

    Returns:
        (root, absolute path or address of the folder that the names are relative to; sorted names of the photos, each
        once).

    Raises:
        DataError: there are no photos, or a list cannot be read.
        UsageError: an address needs a package that is not installed.
    """
    paths = [storage.plain(path) for path in paths]
    path = paths[0]
    if len({storage.is_address(path) for path in paths}) > 1:
        raise DataError(f"{path}{_more(paths)} are partly addresses: put all into a list (.txt), an address a line.")
    storage.check(paths)
    root, names = _listed(paths)
    if not names:
        letters = "; a [ of a name is written [[] in a pattern" if "[" in path and storage.is_pattern(path) else ""
        raise DataError(f"{path} holds no photos: give a folder, a pattern in quotes, a list (.txt), a table (.csv, "
                        f".parquet), tar files or photos{letters}.")
    once = sorted(set(names))
    if len(once) < len(names):
        twice = sorted(name for name, times in collections.Counter(names).items() if times > 1)
        warnings.warn(f"{path}: {len(twice)} photos are listed more than once, as {shown(twice)}: each is taken once.",
                      stacklevel=2)
    storage.check([name for name in once if storage.is_address(name)])
    return root if storage.is_address(root) else os.path.realpath(root or "."), once


def _listed(paths):
    """(root, names of the photos) of paths of one kind."""
    path, pattern = paths[0], len(paths) == 1 and storage.is_pattern(paths[0])
    # What fits a pattern may become more: its root is not that of the photos there are today.
    root = storage.head_of(path) if pattern else None
    if pattern:
        paths = storage.matching(path)
    endings, alone = {storage.ending(path) for path in paths}, len(paths) == 1 and not pattern
    if alone and _is_folder(path):
        return path, _walked(path)
    if endings == {TAR}:
        return _inside(paths, _photos_in, root)
    if endings == {PARQUET} and not (alone and _has_paths(path)):
        return _inside(paths, photos_of_table, root)
    if alone and endings <= {".txt", ".csv", PARQUET}:
        return _folder_of(path), _by_plain_names(path, _read_list(path))
    if alone and storage.is_address(path) and not storage.is_file(storage.place_of("", path)):
        raise DataError(f"{path}: does not exist, or may not be seen: check the address.")
    return _common(paths, root)


def _is_folder(path):
    """Whether a path is a folder; at an address nothing is asked for where the ending tells."""
    from mrcnn.data.images import PHOTO_ENDINGS

    if storage.is_address(path) and storage.ending(path) in (".txt", ".csv", PARQUET, TAR, *PHOTO_ENDINGS):
        return False
    return storage.is_folder(path)


def _folder_of(path):
    """The folder of a file, or its address."""
    if not storage.is_address(path):
        return os.path.dirname(path)
    before, inner, after = storage.split(path)
    return f"{before}{posixpath.dirname(inner)}{after}"


def _inside(paths, photos_of, root):
    """(root, names) of the photos in files."""
    root, files = _common(paths, root)
    return root, [f"{file}/{name}" for file in files for name in photos_of(storage.place_of(root, file))]


def _common(paths, root):
    """(the folder that all files are in, if it is not given, their names in it)."""
    if not paths:
        return "", []
    if storage.is_address(paths[0]):
        return _common_address(paths, root)
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        what = "is a folder: give one folder alone, or photos" if os.path.isdir(missing[0]) else "does not exist"
        raise DataError(f"{missing[0]}{_more(missing)} {what}.")
    absolute = [os.path.abspath(path) for path in paths]
    root = os.path.commonpath([os.path.dirname(path) for path in absolute]) if root is None else os.path.abspath(root)
    return root, [os.path.relpath(path, root) for path in absolute]


def _common_address(addresses, root):
    """`_common` of addresses, of which nothing is asked for: there may be very many."""
    # What fits a pattern has no other spellings, and the pattern's folder stays as it is written.
    parts = [storage.split(plain_name("", address) if root is None else address) for address in addresses]
    folders = [posixpath.dirname(path) for _, path, _ in parts]
    if root is not None:
        root = storage.split(root)[1]
    else:
        root = posixpath.commonpath(folders) if len({folder.startswith("/") for folder in folders}) == 1 else ""
    if len({(before, after) for before, _, after in parts}) > 1 or (not (root or parts[0][2]) and any(folders)):
        raise DataError(f"{addresses[0]}{_more(addresses)} have no folder in common: put them into a list (.txt), an "
                        "address a line.")
    before, _, after = parts[0]
    return f"{before}{root}{after}", [path[len(root):].lstrip("/") for _, path, _ in parts]


def _walked(folder):
    """Names of the photos in a folder and its subfolders; hidden ones are left out, other files are told of."""
    from mrcnn.data.images import PHOTO_ENDINGS

    names = _at_address(folder) if storage.is_address(folder) else _on_this_machine(folder)
    photos = [name for name in names if name.lower().endswith(PHOTO_ENDINGS)]
    others = sorted(set(names) - set(photos))
    if others:
        inside = {storage.ending(name) for name in others} & {TAR, PARQUET}
        remedy = f"; give those that hold photos themselves, as '{folder}/*{min(inside)}'" if inside else ""
        warnings.warn(f"{folder}: {len(others)} files are passed over, being no photos by their endings: "
                      f"{shown(others)}{remedy}.", stacklevel=4)
    return photos


def _on_this_machine(folder):
    def fail(error):
        raise DataError(f"{error.filename}: cannot be listed ({error.strerror}): check its rights.") from error

    found = []
    for where, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not storage.is_hidden(name)]
        linked = [name for name in folders if os.path.islink(os.path.join(where, name))]
        if linked:
            warnings.warn(f"{where}: {len(linked)} links to folders are not followed: {shown(linked)}.", stacklevel=5)
        found += [os.path.relpath(os.path.join(where, name), folder) for name in names if not storage.is_hidden(name)]
    return found


def _at_address(address):
    names = [name for name in storage.files_below(address) if not storage.is_hidden(name)]
    confused = [name for name in names if container_of(address, name)]
    if confused:
        raise DataError(f"{address}: {confused[0]}{_more(confused)} is in a folder whose name ends as that of a "
                        "file of photos: rename the folder.")
    return names


def _photos_in(place):
    from mrcnn.data.images import PHOTO_ENDINGS

    return photos_of_tar(place, PHOTO_ENDINGS)


def _has_paths(path):
    """Whether a table holds paths, not photos."""
    return PhotoTable(storage.place_of("", path)).picture is None


def _read_list(path):
    """Paths in a list or table."""
    place = storage.place_of("", path)
    try:
        if storage.ending(path) == PARQUET:
            names = PhotoTable(place).paths()
        else:
            with storage.opened(place) as file:
                data = file.read()
            text = io.StringIO(data.decode(encoding_of(data)), newline="")
            with long_fields():
                names = (_column(path, csv.DictReader(text)) if storage.ending(path) == ".csv"
                         else text.read().splitlines())
    except OSError as error:
        raise DataError(f"{path}: cannot read the list ({error.strerror}): check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: no list in UTF-8 ({error}): save it anew.") from error
    return [name.strip() for name in names if name and name.strip()]


def _by_plain_names(path, names):
    """The names that the photos of a list have in a collection: one photo has one, however its path is spelled."""
    folder = _folder_of(path)
    root = folder if storage.is_address(folder) else os.path.realpath(folder or ".")
    plain = [plain_name(root, name) for name in names]
    changed = [(name, given) for name, given in zip(plain, names) if name != given]
    if changed:
        warnings.warn(f"{path}: {len(changed)} paths are written otherwise in the collection, as {changed[0][0]} for "
                      f"{changed[0][1]}: a photo has one name.", stacklevel=4)
    return plain


def _column(path, table):
    found = photo_column(table.fieldnames or ())
    if found is None:
        raise DataError(f"{path} has no column of paths: name one of its columns {', '.join(COLUMNS)}.")
    return [row[found] for row in table]


def _more(names):
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def read_bytes(root: str, name: str) -> bytes:
    """The bytes of a photo.

    Args:
        root: folder of the collection, or its address.
        name: of the photo, as `list_collection` gives it.

    Raises:
        DataError: it cannot be read; `mrcnn.collections.storage.Unreached` if it may be there all the same.
        UsageError: an address needs a package that is not installed.
    """
    inside = container_of(root, name)
    if inside is not None:
        return read_inside(*inside)
    place = storage.place_of(root, name)
    try:
        return storage.read(place)
    except DataError:
        raise
    except (OSError, ValueError) as error:  # a zero byte is in no path
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{place.shown}: cannot read the photo ({reason}).") from error


def own_file(root: str, name: str) -> storage.Place | None:
    """The place of a photo that is a file of its own; None of one in a tar or table. root, name: as `read_bytes`."""
    return None if container_of(root, name) else storage.place_of(root, name)
