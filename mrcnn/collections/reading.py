"""Reading a labelled collection: what it is of, and its rows, some at a time."""

import contextlib
import functools
import json
import os
from collections.abc import Iterator, Sequence

from mrcnn.collections.plan import ABOUT, METADATA, NAMES, SHARDS, key_of
from mrcnn.collections.rows import EMBEDDING
from mrcnn.collections.shards import Job
from mrcnn.data.encoded import WHITE
from mrcnn.data.formats.parquet_files import load_pyarrow
from mrcnn.errors import DataError
from mrcnn.files import read_json

ROWS = 1024  # read at a time


class Collection:
    """A folder that `mrcnn collection label` wrote.

    Args:
        folder: of the collection.

    Attributes:
        folder, root: of the collection, and of its photos.
        identity: what its rows depend on; key: of that.
        weights: path of the weights when it was begun, or None.
        shards: paths of those that are done, in order; planned: number of all.

    Raises:
        DataError: it is none, or no shard of it is done.
    """

    def __init__(self, folder: str):
        path = os.path.join(folder, ABOUT)
        if not os.path.isfile(path):
            raise DataError(f"{folder} is no collection (it has no {ABOUT}): give what mrcnn collection label wrote.")
        about = read_json(path, "description of a collection")
        identity = about.get("identity") if isinstance(about, dict) else None
        if not isinstance(identity, dict) or not isinstance(identity.get("root"), str):
            raise DataError(f"{path} describes no collection: give what mrcnn collection label wrote.")
        self.folder, self.root, self.key = folder, identity["root"], key_of(identity)
        self.identity, self.weights = identity, about.get("weights")
        self.matte, self.planned = identity.get("matte"), self._planned()
        names = [name for name in os.listdir(folder) if name.startswith("shard-") and name.endswith(".parquet")]
        self.shards = [os.path.join(folder, name) for name in sorted(names)]
        if not self.shards:
            raise DataError(f"{folder}: no shard is done yet: wait for mrcnn collection label, or run it again.")

    def _planned(self):
        """Number of shards that the collection is going to have."""
        try:
            with open(os.path.join(self.folder, SHARDS), "rb") as file:
                return sum(1 for _ in file)
        except OSError:
            return 0

    @functools.cached_property
    def names(self) -> dict[str, list[str]] | None:
        """What its network knows: "classes", background first, and "attributes"; None: earlier versions did not say.

        Raises DataError if a shard cannot be read, or is of another collection.
        """
        for shard in self.shards:
            with self._opened(shard) as file:
                told = file.schema_arrow.metadata.get(NAMES)
            if told is not None:
                return json.loads(told)
        return None

    def job(self) -> Job:
        """What `read_photo` has to know of the collection."""
        return Job(self.root, self.key, tuple(self.matte or WHITE))

    def columns_of(self, shard: str) -> list[str]:
        """Names of the columns of a shard.

        Args:
            shard: path of it.

        Raises:
            DataError: it cannot be read, or is of another collection.
        """
        with self._opened(shard) as file:
            return file.schema_arrow.names

    def photos(self, columns: Sequence[str] | None = None) -> Iterator[tuple[str, int, list[dict]]]:
        """The rows, a photo at a time, in the order of the shards.

        Args:
            columns: to read, with "photo"; None reads all but the embeddings.

        Yields:
            (path of the shard, number of the photo's first row in it, rows of the photo).

        Raises:
            DataError: a shard cannot be read, or is of another collection.
        """
        for shard in self.shards:
            for start, rows in self.photos_of(shard, columns):
                yield shard, start, rows

    def photos_of(self, shard: str, columns: Sequence[str] | None = None) -> Iterator[tuple[int, list[dict]]]:
        """The rows of one shard, as `photos` gives them. shard: path of it."""
        rows, start = [], 0
        for number, row in enumerate(self._rows(shard, columns)):
            if rows and row["photo"] != rows[0]["photo"]:
                yield start, rows
                rows, start = [], number
            rows.append(row)
        if rows:
            yield start, rows

    def tables_of(self, shard: str, columns: Sequence[str], size: int = ROWS) -> Iterator[tuple[int, object]]:
        """The rows of one shard as tables.

        Args:
            shard: path of it.
            columns: to read.
            size: rows of a table at most.

        Yields:
            (number of the table's first row in the shard, pyarrow.RecordBatch).

        Raises:
            DataError: it cannot be read, lacks a column, or is of another collection.
        """
        with self._opened(shard) as file:
            missing = sorted(set(columns) - set(file.schema_arrow.names))
            if missing:
                raise DataError(f"{shard} has no column {', '.join(missing)}: it was not written by collection label; "
                                "move it away.")
            start = 0
            for batch in file.iter_batches(size, columns=list(columns)):
                yield start, batch
                start += batch.num_rows

    def rows_at(self, shard: str, numbers: Sequence[int], columns: Sequence[str]) -> list[dict]:
        """Some rows of a shard.

        Args:
            shard: path of it.
            numbers: of the rows in it.
            columns: to read.
        """
        with self._opened(shard) as file:
            return file.read(columns=list(columns)).take(list(numbers)).to_pylist()

    def _rows(self, shard, columns):
        with self._opened(shard) as file:
            wanted = [name for name in file.schema_arrow.names if name != EMBEDDING] if columns is None else columns
            for batch in file.iter_batches(ROWS, columns=list(wanted)):
                yield from batch.to_pylist()

    @contextlib.contextmanager
    def _opened(self, shard):
        """A shard of this collection as a pyarrow.parquet.ParquetFile."""
        pyarrow, parquet = load_pyarrow()
        try:
            with parquet.ParquetFile(shard) as file:
                key = (file.schema_arrow.metadata or {}).get(METADATA, b"").decode("ascii", "replace")
                if key != self.key:
                    raise DataError(f"{shard} is no shard of this collection: move it away.")
                yield file
        except (OSError, pyarrow.ArrowException) as error:
            raise DataError(f"{shard} cannot be read ({' '.join(str(error).split())[:200]}): remove it, and mrcnn "
                            "collection label writes it anew.") from error


def class_names(collection: Collection) -> dict[int, str]:
    """{class id: name} of what the network knows, in ascending order; background is not among them.

    Of collections without names (`Collection.names`) it is what was found.
    """
    if collection.names is not None:
        return dict(enumerate(collection.names["classes"][1:], start=1))
    found = {}
    for _, _, rows in collection.photos(("photo", "class_id", "class")):
        found.update((row["class_id"], row["class"]) for row in rows if row["class_id"] is not None)
    return dict(sorted(found.items()))
