"""The objects of a labelled collection, cut out, as tar files that the library webdataset and its kin stream."""

import io
import json
import os
import tarfile
from collections.abc import Callable

import numpy as np

from mrcnn.collections.reading import Collection
from mrcnn.collections.rows import INTERNAL
from mrcnn.collections.shards import read_photo
from mrcnn.data import run_lengths
from mrcnn.errors import DataError
from mrcnn.files import whole_file

LEFT_OUT = ("rle", "error", *INTERNAL)  # columns that a cut-out does not have


def write_cutouts(collection: Collection, folder: str, below: float | None = None,
                  show: Callable[[int, int], None] = lambda done, total: None) -> dict[str, int]:
    """Write one tar for each shard, cutouts-000000.tar and so on; those that are there already are left.

    A sample is NUMBER-NUMBER.png, the object on a transparent ground, and a .json of the same name with its columns.

    Args:
        collection: to read; its photos are read too.
        folder: of the tar files; it is made.
        below: objects of a lower score are written alone; None writes all.
        show: called as show(shards done, shards in all).

    Returns:
        {"objects": written, "files": written, "kept": files that were there, "maskless": objects left out, as they
        have no pixel, "changed": photos left out, as they cannot be read any more or are other files than those that
        were labelled}.

    Raises:
        DataError: a shard cannot be read, or a file not be written.
    """
    counts = {"objects": 0, "files": 0, "kept": 0, "maskless": 0, "changed": 0}
    shards = collection.shards
    for done, shard in enumerate(shards, start=1):
        name = os.path.basename(shard).replace("shard-", "cutouts-").replace(".parquet", ".tar")
        path = os.path.join(folder, name)
        if os.path.lexists(path):
            counts["kept"] += 1
        else:
            with whole_file(path) as partial, tarfile.open(partial, "w") as archive:
                _fill(archive, collection, shard, below, counts)
            counts["files"] += 1
        show(done, len(shards))
    return counts


def _fill(archive, collection, shard, below, counts):
    job = collection.job()
    number = os.path.basename(shard).removeprefix("shard-").removesuffix(".parquet")
    for start, rows in collection.photos_of(shard):
        chosen = [(start + i, row) for i, row in enumerate(rows)
                  if row["object"] is not None and (below is None or row["score"] < below)]
        objects = [(place, row) for place, row in chosen if row["area"]]
        counts["maskless"] += len(chosen) - len(objects)
        if not objects:
            continue
        sha256, image, _ = read_photo(job, rows[0]["photo"])
        if image is None or sha256 != rows[0]["sha256"] or image.shape[:2] != (rows[0]["height"], rows[0]["width"]):
            counts["changed"] += 1
            continue
        for place, row in objects:
            described = {name: value for name, value in row.items() if name not in LEFT_OUT}
            _add(archive, f"{number}-{place:06d}.png", cut_out(image, row["rle"]))
            _add(archive, f"{number}-{place:06d}.json", json.dumps(described).encode())
            counts["objects"] += 1


def cut_out(image: np.ndarray, counts: str) -> bytes:
    """PNG of an object on a transparent ground, as large as its mask.

    Args:
        image: uint8 [H, W, 3] RGB.
        counts: of its RLE; it has a pixel.

    Raises:
        DataError: the RLE does not fit the photo.
    """
    from PIL import Image

    mask = run_lengths.decode({"size": list(image.shape[:2]), "counts": counts}, image.shape[:2])
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise DataError("An object without a pixel cannot be cut out: leave it out.")
    part = np.s_[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    pixels = np.dstack([image[part] * mask[part][..., None], np.uint8(255) * mask[part]])
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def _add(archive, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
