"""Parquet files, read a row group at a time by pyarrow, the smaller of the two packages that can: `datasets` needs it.

Rows are asked for by their index, by several threads at once; the row groups that were read last are kept.
"""

import glob
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from types import ModuleType

from mrcnn.errors import DataError

MAGIC = b"PAR1"
LARGEST_GROUP = 1 << 32  # bytes of a row group, unpacked
LARGEST_KEPT = 1 << 28  # bytes of row groups that are kept
MOST_ROWS = 20_000_000
LARGEST_SCHEMA = 10_000  # columns


def load_pyarrow() -> tuple[ModuleType, ModuleType]:
    """The modules (pyarrow, pyarrow.parquet). Raises DataError if the package is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError('Parquet files need the package pyarrow: pip install "mrcnn-keras[parquet]".') from error
    return pyarrow, pyarrow.parquet


def parquet_files(path: str | os.PathLike) -> list[str]:
    """Paths of the Parquet files that a path stands for: itself, or those in a folder and in the folders in it."""
    if os.path.isfile(path):
        return [os.fspath(path)] if is_parquet(path) else []
    folder = glob.escape(os.fspath(path))
    found = [file for depth in ("", "*/") for file in glob.glob(os.path.join(folder, f"{depth}*.parquet"))]
    return [file for file in sorted(found) if os.path.isfile(file)]


def is_parquet(path: str | os.PathLike) -> bool:
    """Whether a file begins as Parquet does."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


class ParquetRows:
    """The rows of Parquet files of one schema.

    Args:
        paths: of the files.

    Attributes:
        schema: pyarrow.Schema.
        metadata: {name: value of JSON} of what the files say of themselves.
        count: number of rows.

    Raises:
        DataError: naming a file that is damaged, has other columns than the first, or claims too much.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths, self._groups, self._files = list(paths), [], {}
        self._lock, self._kept = threading.Lock(), OrderedDict()
        self.schema, self.metadata, self.count = None, {}, 0
        for path in self._paths:
            self._look(path)

    def __getstate__(self):
        return {**vars(self), "_files": {}, "_kept": OrderedDict(), "_lock": None}

    def __setstate__(self, state):
        vars(self).update(state, _lock=threading.Lock())

    def _look(self, path):
        """Take the row groups of a file into the list."""
        file = self._opened(path)
        with _naming(path):
            schema, about = file.schema_arrow, file.metadata
        if self.schema is None:
            self.schema, self.metadata = schema, _metadata(schema.metadata)
        elif schema.names != self.schema.names or schema.types != self.schema.types:
            raise DataError(f"{path}: has other columns than {self._paths[0]}: give files of one table.")
        if len(schema.names) > LARGEST_SCHEMA:
            raise DataError(f"{path}: has {len(schema.names)} columns, more than {LARGEST_SCHEMA}: refused.")
        for number in range(about.num_row_groups):
            group = about.row_group(number)
            if group.num_rows < 0 or not 0 <= group.total_byte_size <= LARGEST_GROUP:
                raise DataError(f"{path}: row group {number} claims {group.total_byte_size} bytes: write smaller "
                                "groups, or the file is damaged.")
            self._groups.append((self.count, path, number))
            self.count += group.num_rows
            if self.count > MOST_ROWS:
                raise DataError(f"{path}: claims {self.count} rows, more than {MOST_ROWS}: refused.")

    def _opened(self, path):
        if path not in self._files:
            parquet = load_pyarrow()[1]
            with _naming(path):
                self._files[path] = parquet.ParquetFile(path)
        return self._files[path]

    def rows(self, columns: Iterable[str], limit: int | None = None) -> Iterator[dict]:
        """Yield each row as {column: value}, from the first on.

        Args:
            columns: names of the columns to read.
            limit: number of rows; None takes all.
        """
        limit = self.count if limit is None else min(limit, self.count)
        ends = [first for first, _, _ in self._groups[1:]] + [self.count]
        for place, ((first, _, _), end) in enumerate(zip(self._groups, ends)):
            if first >= limit:
                return
            with self._lock:
                group = self._group(place, tuple(columns), keep=False)
            for start in range(0, min(end, limit) - first, 1000):
                yield from group.slice(start, min(1000, min(end, limit) - first - start)).to_pylist()

    def row(self, index: int, columns: Iterable[str]) -> dict:
        """A row as {column: value}.

        Args:
            index: of the row.
            columns: names of the columns to read.
        """
        place = max(i for i, (first, _, _) in enumerate(self._groups) if first <= index)
        with self._lock:
            group = self._group(place, tuple(columns))
            return group.slice(index - self._groups[place][0], 1).to_pylist()[0]

    def _group(self, place, columns, keep=True):
        """pyarrow.Table of some columns of a row group."""
        key = place, columns
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        _, path, number = self._groups[place]
        with _naming(path):
            table = self._opened(path).read_row_group(number, columns=list(columns))
            table.validate(full=True)
        if keep:
            self._kept[key] = table
            while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > LARGEST_KEPT:
                self._kept.popitem(last=False)
        return table


class _naming:
    """Makes what pyarrow raises within it a DataError that names the file."""

    def __init__(self, path):
        self._path = path

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, DataError) or error is None or not isinstance(error, Exception):
            return
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{self._path}: no sound Parquet file ({reason}): download it, or write it, anew.") from error


def _metadata(raw):
    """{name: value} of the texts in a schema that are JSON."""
    found = {}
    for name, text in (raw or {}).items():
        try:
            found[name.decode("utf-8", "replace")] = json.loads(text)
        except (ValueError, RecursionError):
            continue
    return found
