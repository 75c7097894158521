"""The photo that a collection is asked about, and its objects: from the collection itself, or by its network."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.collections.colour_names import colour_numbers
from mrcnn.collections.reading import Collection
from mrcnn.collections.rows import EMBEDDING, PEOPLE, photo_rows
from mrcnn.collections.sources import read_bytes
from mrcnn.collections.spellings import plain_name
from mrcnn.data.class_names import names_of_model
from mrcnn.data.encoded import decode_image
from mrcnn.errors import DataError, UsageError


@dataclasses.dataclass
class Query:
    """A photo with its objects.

    Args:
        name: of the photo, as it was given or as in the collection.
        image: uint8 [H, W, 3] RGB; None if it is in the collection and cannot be read any more.
        rows: of its objects, as of a collection.
        inside: whether the collection has it.
    """

    name: str
    image: np.ndarray | None
    rows: list[dict]
    inside: bool


def query_of(collection: Collection, photo: str, make_model: Callable[[], object], embeddings: bool = True) -> Query:
    """Find the objects of a photo.

    Args:
        collection: that is asked.
        photo: path of a file, or the name of a photo in the collection.
        make_model: makes the network of the collection; called if the collection does not have the photo.
        embeddings: whether they are needed.

    Raises:
        DataError: the photo cannot be read, or nothing is found in it.
    """
    data = None
    if os.path.isfile(photo):
        data = read_bytes(os.path.dirname(os.path.abspath(photo)), os.path.basename(photo))
    rows = _known(collection, photo, None if data is None else hashlib.sha256(data).hexdigest(), embeddings)
    if rows is None and data is None:
        rows = _known(collection, plain_name(collection.root, photo), None, embeddings)
    if rows is None and data is None:
        raise DataError(f"{photo}: there is no such file, and {collection.folder} has no photo of this name.")
    matte = collection.job().matte
    if rows is None:
        image, model = decode_image(data, photo, matte), make_model()
        names = names_of_model(model)
        rows = photo_rows(photo, hashlib.sha256(data).hexdigest(), image, model.detect([image], rle=True)[0], names)
        query = Query(photo, image, rows, False)
    else:
        query = Query(rows[0]["photo"], _image_of(collection, rows[0], data, matte), rows, True)
    if query.rows[0].get("error"):
        raise DataError(f"{photo} could not be read when the collection was labelled: {query.rows[0]['error']}")
    if query.rows[0].get("object") is None:
        raise DataError(f"{photo}: nothing was found in it, so there is nothing to compare: give another photo.")
    return query


def _known(collection, photo, sha256, embeddings):
    """Rows of a photo that a collection has, by its content, or by its name where there is no file; else None."""
    column, value = ("photo", photo) if sha256 is None else ("sha256", sha256)
    for shard in collection.shards:
        number = 0
        for start, batch in collection.tables_of(shard, (column,), 1 << 16):
            places = np.flatnonzero(_equal(batch.column(column), value))
            if len(places):
                number = start + int(places[0])
                break
        else:
            continue
        columns = [name for name in collection.columns_of(shard) if embeddings or name != EMBEDDING]
        for start, rows in collection.photos_of(shard, columns):
            if start <= number < start + len(rows):
                return rows
    return None


def _equal(column, value):
    from pyarrow import compute

    return compute.equal(column, value).fill_null(False).to_numpy(zero_copy_only=False)


def _image_of(collection, row, data, matte):
    """Pixels of a photo that a collection has, from its file; None if there is none of this content any more."""
    try:
        if data is None:
            data = read_bytes(collection.root, row["photo"])
        if hashlib.sha256(data).hexdigest() == row["sha256"]:
            return decode_image(data, row["photo"], matte)
    except DataError:
        pass  # the sheet tells of it
    return None


def chosen_objects(query: Query, number: int | None = None, name: str | None = None,
                   least: float = 0.0) -> tuple[list[dict], dict[str, int]]:
    """Choose the objects of a photo that are asked about: all but persons, unless a number or a class is given.

    Args:
        query: the photo.
        number: of one object.
        name: of a class.
        least: score; of objects without a number.

    Returns:
        (rows, {reason: number of objects that were left out for it}).

    Raises:
        UsageError: there is no such object; the message tells what there is.
    """
    left_out = {}
    if number is not None:
        chosen = [row for row in query.rows if row["object"] == number]
        if not chosen:
            raise UsageError(f"--object {number}: {query.name} has the objects {told(query.rows)}.")
        if name is not None and chosen[0]["class"] != name:
            raise UsageError(f"--object {number} of {query.name} is of the class {chosen[0]['class']}: leave --class "
                             f"{name} out.")
        return chosen, left_out
    chosen = [row for row in query.rows if (row["class"] == name if name else row["class"].lower() not in PEOPLE)]
    if not name and len(chosen) < len(query.rows):
        left_out["persons, which --class takes"] = len(query.rows) - len(chosen)
    sure = [row for row in chosen if row["score"] >= least]
    if len(sure) < len(chosen):
        left_out[f"objects of a score below {least:g}, which --object or --min-score takes"] = len(chosen) - len(sure)
    if not sure:
        what = f"--class {name}: {query.name} has no such object" if name else f"{query.name} has no object to ask for"
        raise UsageError(f"{what} of a score of at least {least:g}; it has {told(query.rows)}.")
    return sure, left_out


def colour_of(row: dict) -> int | None:
    """The position in NAMES of `mrcnn.collections.colour_names` of an object's largest colour; None without one."""
    if not row["colours"]:
        return None
    return int(colour_numbers(np.array([[row["colours"][0][name] for name in "lab"]]))[0])


def told(rows: Sequence[dict]) -> str:
    """Objects in words: "0 top (0.93), 1 pants (0.88)"."""
    return ", ".join(f"{row['object']} {row['class']} ({row['score']:.2f})" for row in rows)
