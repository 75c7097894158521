"""Labelling one shard: photos in, one Parquet file out, which appears whole or not at all."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.collections.plan import METADATA, NAMES
from mrcnn.collections.rows import photo_rows, schema, unreadable_row
from mrcnn.collections.sources import read_bytes
from mrcnn.collections.storage import Unreached, called, is_address
from mrcnn.data.class_names import names_of_model
from mrcnn.data.encoded import WHITE, decode_image
from mrcnn.data.formats.parquet_files import load_pyarrow
from mrcnn.errors import DataError, RunError
from mrcnn.files import printable, whole_file

READERS = 2  # threads that decode photos while the network looks at those before
LOST = 16  # photos in a row that cannot be had from one address: no fault of theirs


@dataclasses.dataclass(frozen=True)
class Job:
    """What is the same for all shards.

    Args:
        root: folder of the photos, or its address.
        key: of the collection, which each shard carries.
        matte: RGB 0..255 of the colour under what is transparent.
        embeddings: whether rows have the embeddings that the model tells of objects.
    """

    root: str
    key: str
    matte: tuple[int, int, int] = WHITE
    embeddings: bool = False


@dataclasses.dataclass
class Counts:
    """What is in some shards.

    Args:
        photos: number of photos.
        objects: number of objects in them.
        unreadable: number of photos that cannot be read.
        example: the reason of one of these.
    """

    photos: int = 0
    objects: int = 0
    unreadable: int = 0
    example: str = ""

    def add(self, other: "Counts") -> None:
        """Add the counts of other shards."""
        self.photos += other.photos
        self.objects += other.objects
        self.unreadable += other.unreadable
        self.example = self.example or other.example


def write_shard(path: str, names: Sequence[str], job: Job, model: object,
                show: Callable[[int], None] = lambda done: None) -> Counts:
    """Label the photos of a shard.

    Args:
        path: of the Parquet file.
        names: of the photos, relative to the job's root.
        job: what is the same for all shards.
        model: with detect(), class_names and config.
        show: called with the number of photos done.

    Returns:
        What is in the shard.

    Raises:
        DataError: the file cannot be written.
        RunError: what the photos are read from does not answer any more.
    """
    parquet = load_pyarrow()[1]
    counts, rows, size = Counts(photos=len(names)), [], max(1, int(model.config.BATCH_SIZE))
    class_names = names_of_model(model)

    def described(entry):
        name, seen, result = entry
        return entry, None if result is None else photo_rows(name, seen.sha256, seen.image, result, class_names)

    for (name, seen, _), own in _ahead(described, _detected(job, names, model, size, show), size, threads=1):
        if own is None:
            counts.unreadable += 1
            counts.example = counts.example or seen.reason
            own = [unreadable_row(name, seen.sha256, seen.reason)]
        counts.objects += sum("object" in row for row in own)
        rows += own
    known = {"classes": list(class_names), "attributes": list(getattr(model.config, "ATTRIBUTES", None) or ())}
    table = _table(rows, schema({METADATA: job.key, NAMES: json.dumps(known)}, job.embeddings))
    with whole_file(path) as partial:
        parquet.write_table(table, partial, compression="zstd")
    return counts


def _detected(job, names, model, size, show):
    """Yields (name, Seen, result of the network, or None of what cannot be read) of each photo.

    Photos are read by threads before their turn; what is found is described by another one while the network looks at
    those that follow. So a network that is faster than both waits for neither.
    """
    photos, lost = _ahead(lambda name: _looked_at(job, name), names, READERS + size, READERS), 0
    for start in range(0, len(names), size):
        part = names[start:start + size]
        batch = [next(photos) for _ in part]
        for name, seen in zip(part, batch):
            lost = lost + 1 if seen.unreached and is_address(job.root) and not is_address(name) else 0
            if lost >= min(LOST, len(names)):
                raise RunError(f"{lost} photos in a row cannot be had, as: {seen.reason} The shards that are done "
                               "stay, and the same command does the others.")
        images = [seen.image for seen in batch if seen.image is not None]
        found = iter(model.detect(images, rle=True) if images else ())
        for name, seen in zip(part, batch):
            yield name, seen, None if seen.image is None else next(found)
        show(start + len(part))


def _table(rows, columns):
    import pyarrow

    # Half a surrogate pair, of a file's name that is no UTF-8, is written out: Parquet has no letter for it.
    for row in rows:
        row["photo"] = row["photo"].encode("utf-8", "backslashreplace").decode()
    return pyarrow.Table.from_pylist(rows, schema=columns)


def read_photo(job: Job, name: str) -> tuple[str | None, np.ndarray | None, str | None]:
    """Read a photo.

    Args:
        job: see `write_shard`.
        name: of the photo.

    Returns:
        (SHA-256 of its file, uint8 [H, W, 3] RGB, None); for what cannot be read the reason in the third place, None in
        the second and, if there is no file, the first.
    """
    return _looked_at(job, name)[:3]


class Seen(NamedTuple):
    """A photo that was read, or why not.

    Args:
        sha256: of its file; None if there is none.
        image: uint8 [H, W, 3] RGB; None if it cannot be read, for the `reason`.
        unreached: whether it may be there all the same.
    """

    sha256: str | None
    image: np.ndarray | None
    reason: str | None
    unreached: bool


def _looked_at(job, name):
    sha256 = None
    try:
        data = read_bytes(job.root, name)
        sha256 = hashlib.sha256(data).hexdigest()
        return Seen(sha256, decode_image(data, called(job.root, name), job.matte), None, False)
    except DataError as error:
        return Seen(sha256, None, printable(error, one_line=True), isinstance(error, Unreached))


def _ahead(function: Callable, items: Iterable, count: int, threads: int) -> Iterator:
    """function(item) of each item in order, by threads, which are `count` items ahead at most."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        waiting = collections.deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
