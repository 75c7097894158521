"""Photos within files: the members of tar files, and the rows of Parquet files with a column of encoded photos."""

import bisect
import collections
import contextlib
import functools
import itertools
import posixpath
import re
import tarfile
import threading
import warnings
from collections.abc import Iterable, Sequence

from mrcnn.collections import storage
from mrcnn.data.formats.parquet_columns import members_of
from mrcnn.data.formats.parquet_files import load_pyarrow
from mrcnn.errors import DataError

COLUMNS = ("photo", "path", "file", "file_name", "filename", "image", "url", "image_url")  # the first that a table has
TAR, PARQUET = ".tar", ".parquet"
INSIDE = re.compile(r"(\.tar)/|(\.parquet)/\d{8,}(?:/|$)", re.IGNORECASE)
BYTES = ("binary", "large_binary", "binary_view")  # types of a column of photos
AT_ONCE = 16  # rows that are read together
BUFFER = 1 << 20  # bytes of a file that are read together, so that no whole row group is in memory
LINKS = 40  # from one to the next, at most, as Linux has it


def photo_column(heads: Iterable[str]) -> str | None:
    """The column of a CSV that names photos: the first of COLUMNS that it has, be it in capitals or with blanks.

    Args:
        heads: its columns.

    Returns:
        The column as it is written there; None: there is none.
    """
    heads = list(heads)
    alike = {head.strip().lower(): head for head in reversed(heads)}
    return next((name if name in heads else alike[name] for name in COLUMNS if name in alike), None)


def container_of(root: str, name: str) -> tuple[storage.Place, str, str] | None:
    """The file that a photo is in.

    Args:
        root: folder of the collection, or its address.
        name: of the photo.

    Returns:
        (its place, ".tar" or ".parquet", name of the photo in it); None where the photo is a file of its own.
    """
    for inside in INSIDE.finditer(name):
        file, kind = name[:inside.start()] + (inside[1] or inside[2]), (inside[1] or inside[2]).lower()
        place = storage.place_of(root, file)
        # At an address nothing is asked for: folders of such names are refused when photos are listed.
        if place.system is not None or storage.is_file(place):
            return place, kind, name[len(file) + 1:]
    return None


def read_inside(place: storage.Place, kind: str, name: str) -> bytes:
    """The bytes of a photo in a file. place, kind, name: as `container_of` gives them. Raises DataError."""
    if kind == TAR:
        return _member(place, name)
    return _table(place).photo(int(name.partition("/")[0]))


# --- Tar files -------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def members(place: storage.Place) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """The files in a tar, and in those that were put behind it. A link has the bytes of the file that it leads to.

    Returns:
        ({name: (first byte, number of bytes)}, lines that tell what is not among them).

    Raises:
        DataError: it cannot be read, or is compressed.
    """
    entries, plain, again, told, start = {}, {}, [], [], 0
    try:
        with storage.opened(place) as file:
            while start is not None:
                file.seek(start)
                with tarfile.open(fileobj=file, mode="r:") as archive:
                    found, end = archive.getmembers(), archive.offset
                if start and not found:
                    told.append(f"what is behind byte {start:,} is no tar, and not looked at: pack the photos anew")
                    break
                for member in found:
                    name = posixpath.normpath(member.name)
                    if member.islnk() and name in plain and _target(member) == name:
                        continue  # what tar writes for a file that it is given twice: the file is there already
                    if member.isreg() or member.islnk() or member.issym():
                        again += [member.name] if member.name in entries else []
                        entries[member.name] = plain[name] = _entry(member, plain)
                start = _filled(file, end)
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{place.shown}: no tar file that can be read ({error}): give it uncompressed and whole."
                        ) from error
    files, lost = _followed(entries, plain)
    for names, text in ((again, "files come again under their names, and the last of each counts: name each once"),
                        (lost, "links lead to no file in it and are left out: pack them by tar --dereference")):
        names = [name for name in names if not storage.is_hidden(name)]
        if names:
            told.append(f"{len(names)} {text}: {shown(names)}")
    return files, told


def _entry(member, before):
    """(first byte, number of bytes) of a file, or the name that a link leads to. A hard link is the file, or the link,
    that is before it under that name: another one may come behind it."""
    if member.isreg():
        return member.offset_data, member.size
    target = _target(member)
    return before.get(target, target) if member.islnk() else target


def _target(link):
    """The name that a link leads to: of a hard link in the tar, else beside the link."""
    beside = "" if link.islnk() else posixpath.dirname(link.name)
    return posixpath.normpath(posixpath.join(beside, link.linkname))


def _filled(file, end):
    """Start of the first block from `end` on that is not of zeros alone, which end a tar; None: there is none."""
    file.seek(end)
    while data := file.read(BUFFER):
        zeros = len(data) - len(data.lstrip(b"\0"))
        if zeros < len(data):
            return (end + zeros) // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
        end += len(data)
    return None


def _followed(entries, plain):
    """({name: (first byte, number of bytes)}, names of links that lead to no file); `plain` has normal names."""
    files, lost = {}, []
    for name, entry in entries.items():
        for _ in range(LINKS):
            entry = plain.get(entry) if isinstance(entry, str) else entry
        if isinstance(entry, tuple):
            files[name] = entry
        else:
            lost.append(name)
    return files, lost


def _member(place, name):
    found = members(place)[0].get(name)
    if found is None:
        raise DataError(f"{place.shown}/{name}: cannot read the photo (the tar has no such file).")
    data = storage.read_part(place, *found)
    if len(data) < found[1]:
        raise DataError(f"{place.shown}/{name}: cannot read the photo (the tar ends before it).")
    return data


# --- Parquet files ---------------------------------------------------------------------------------------------------


def columns_of(schema: object, name: str) -> tuple[str | None, str | None]:
    """Which columns of a table have the photos.

    Args:
        schema: pyarrow.Schema.
        name: of the table, for messages.

    Returns:
        (column of encoded photos, as bytes or as a struct of "bytes" and "path"; column of paths). Photos whose bytes
        are there come before paths, columns of COLUMNS before others.

    Raises:
        DataError: there is neither, or several columns may be the photos.
    """
    kinds = dict(zip(schema.names, map(str, schema.types)))
    pictures = [column for column, kind in kinds.items()
                if kind in BYTES or (kind.startswith("struct<") and "bytes" in members_of(schema.field(column).type))]
    texts = [column for column in COLUMNS if kinds.get(column, "").removeprefix("large_").startswith("string")]
    known = [column for column in COLUMNS if column in pictures]
    if not known and len(pictures) > 1 and not texts:
        raise DataError(f"{name}: its columns {', '.join(pictures)} may all be the photos: name that of the photos "
                        f"{COLUMNS[0]}.")
    # A column of bytes under any name is taken only where no column of paths tells otherwise.
    picture = known[0] if known else pictures[0] if pictures and not texts else None
    if picture is None and not texts:
        told = [f"{column} holds {kinds[column]}" for column in COLUMNS if column in kinds]
        raise DataError(f"{name} has no column of paths{' (' + told[0] + ')' if told else ''} or photos: name one of "
                        f"its columns {', '.join(COLUMNS)}.")
    left = [column for column in pictures if column != picture]
    if left or picture not in (None, *COLUMNS):
        also = f"; {', '.join(left)} {'holds' if len(left) == 1 else 'hold'} bytes too and are not read" if left else ""
        warnings.warn(f"{name}: its column {picture or texts[0]} is taken for the photos{also}.", stacklevel=4)
    return picture, texts[0] if texts else None


class PhotoTable:
    """A Parquet file with a column of encoded photos, which is read from row to row.

    Args:
        place: of the file.

    Attributes:
        picture: the column; None where the file has paths alone.
        path: the column of paths, which names photos.

    Raises:
        DataError: it cannot be read, or has no such column.
    """

    def __init__(self, place: storage.Place):
        self._place, self._lock = place, threading.Lock()
        self._file = None
        with _naming(self._place):
            parquet = load_pyarrow()[1]
            source = place.path if place.system is None else place.system.open(place.path, "rb")
            self._file = parquet.ParquetFile(source, buffer_size=BUFFER)
            schema, about = self._file.schema_arrow, self._file.metadata
            sizes = [about.row_group(number).num_rows for number in range(about.num_row_groups)]
        self._starts = list(itertools.accumulate(sizes, initial=0))
        self.picture, self.path = columns_of(schema, place.shown)
        self._fields = members_of(schema.field(self.picture).type) if self.picture else {}
        self._rows, self._group, self._next = None, 0, 0  # what reads on, its row group, the row that it gives next
        self._kept = collections.deque(maxlen=2)  # [(first row, photos)]: two threads are at neighbouring rows

    def __len__(self):
        return self._starts[-1]

    def names(self) -> list[str]:
        """A name for each row: its number, and what the file calls the photo, as 00000017/dress.jpg."""
        column = self.path
        if "path" in self._fields:
            column = f"{self.picture}.path"
        if column is None:
            return [f"{row:08d}" for row in range(len(self))]
        called = self._texts(column)
        return [f"{row:08d}/{text.lstrip('/')}" if text else f"{row:08d}" for row, text in enumerate(called)]

    def paths(self) -> list[str | None]:
        """The texts of the column of paths."""
        return self._texts(self.path)

    def _texts(self, column):
        with _naming(self._place):
            values = [value for batch in self._file.iter_batches(columns=[column]) for value in batch[0].to_pylist()]
        return [value["path"] if isinstance(value, dict) else value for value in values]

    def photo(self, row: int) -> bytes:
        """The bytes of a photo. row: from 0 on."""
        if row >= len(self):
            raise DataError(f"{self._place.shown}: cannot read the photo of row {row} (it has {len(self)} rows).")
        with self._lock:
            data = self._at(row)
        if isinstance(data, dict):
            data = data["bytes"]
        if data is None:
            raise DataError(f"{self._place.shown}: cannot read the photo of row {row} (the row has no bytes).")
        return data

    def _at(self, row):
        for first, photos in self._kept:
            if first <= row < first + len(photos):
                return photos[row - first].as_py()
        try:
            with _naming(self._place):
                return self._read_to(row)
        except BaseException:
            self._rows = None  # what it would give next is not known any more
            raise

    def _read_to(self, row):
        group = bisect.bisect_right(self._starts, row) - 1
        if self._rows is None or group != self._group or self._next > row:
            column = f"{self.picture}.bytes" if self._fields else self.picture
            self._rows = self._file.iter_batches(AT_ONCE, row_groups=[group], columns=[column])
            self._group, self._next = group, self._starts[group]
        for batch in self._rows:
            batch.validate(full=True)
            first, self._next = self._next, self._next + len(batch)
            if row < self._next:
                self._kept.append((first, batch[0]))
                return batch[0][row - first].as_py()
        raise DataError(f"{self._place.shown}: the table ends before row {row}: save it anew.")


_table = functools.lru_cache(maxsize=4)(PhotoTable)


@contextlib.contextmanager
def _naming(place):
    """Makes what pyarrow and fsspec raise within it a DataError that names the file."""
    pyarrow = load_pyarrow()[0]
    try:
        with contextlib.nullcontext() if place.system is None else storage.naming(place.shown):
            yield
    except (OSError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{place.shown}: cannot read the table ({reason}): save it anew.") from error


def photos_of_table(place: storage.Place) -> list[str]:
    """Names of the photos in a Parquet file, and which column they are taken from if it has others.

    Raises:
        DataError: it has no column of photos.
    """
    table = PhotoTable(place)
    if table.picture is None:
        raise DataError(f"{place.shown} holds paths, not photos: give a table of paths by itself.")
    return table.names()


def photos_of_tar(place: storage.Place, endings: Sequence[str]) -> list[str]:
    """Names of the photos in a tar file; hidden ones are left out, as of folders. Told are other files, links that lead
    to none, names that come again, and what cannot be read behind its end.

    Args:
        place: of the tar.
        endings: of photos.
    """
    files, told = members(place)
    for line in told:
        warnings.warn(f"{place.shown}: {line}.", stacklevel=3)
    names = sorted(name for name in files if not storage.is_hidden(name))
    others = [name for name in names if not name.lower().endswith(tuple(endings))]
    if others:
        warnings.warn(f"{place.shown}: {len(others)} files are passed over, being no photos by their endings: "
                      f"{shown(others)}.", stacklevel=3)
    return [name for name in names if name.lower().endswith(tuple(endings))]


def shown(names: Sequence[str], count: int = 3) -> str:
    """The first of some names, for a message."""
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")
