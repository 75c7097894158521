"""The rows of a collection: one an object, one a photo with nothing, one a photo that cannot be read."""

from collections.abc import Sequence

import numpy as np

from mrcnn.collections.colours import dominant_colours
from mrcnn.collections.near_copies import thumbnail
from mrcnn.data import run_lengths
from mrcnn.data.curation.duplicates import perceptual_hash
from mrcnn.data.run_length_counts import checked_runs

PEOPLE = ("person", "people", "human")  # names of classes, in any case
# {column: type}; all but "photo" may be missing from a row. docs/collections.md says what they mean.
COLUMNS = {
    "photo": "string", "sha256": "string", "height": "int32", "width": "int32", "hash": "uint64", "thumbnail": "string",
    "error": "string", "object": "int32", "class_id": "int32", "class": "string", "score": "float", "y1": "float",
    "x1": "float", "y2": "float", "x2": "float", "rle": "string", "area": "int64", "colours": "colours",
    "attributes": "attributes", "person": "int32",
}
INTERNAL = ("hash", "thumbnail")  # columns by which near-duplicates are known, of no use to others
EMBEDDING = "embedding"  # a further column, of collections that were asked for it


def schema(metadata: dict[str, str], embeddings: bool = False) -> object:
    """The pyarrow.Schema of COLUMNS.

    Args:
        metadata: what the file says of itself.
        embeddings: whether there is the column EMBEDDING too.
    """
    import pyarrow

    measured = [(name, pyarrow.float32()) for name in ("l", "a", "b", "share")]
    types = {"string": pyarrow.string(), "int32": pyarrow.int32(), "int64": pyarrow.int64(),
             "uint64": pyarrow.uint64(), "float": pyarrow.float32(), "colours": pyarrow.list_(pyarrow.struct(measured)),
             "attributes": pyarrow.list_(pyarrow.struct([("name", pyarrow.string()), ("score", pyarrow.float32())]))}
    fields = [(name, types[kind]) for name, kind in COLUMNS.items()]
    if embeddings:
        fields.append((EMBEDDING, pyarrow.list_(pyarrow.float16())))
    return pyarrow.schema(fields, metadata=metadata)


def unreadable_row(photo: str, sha256: str | None, reason: str) -> dict:
    """The row of a photo that cannot be read.

    Args:
        photo: its name in the collection.
        sha256: of its file; None if that could not be read either.
        reason: one line.
    """
    return {"photo": photo, "sha256": sha256, "error": reason}


def photo_rows(photo: str, sha256: str, image: np.ndarray, result: dict, class_names: Sequence[str]) -> list[dict]:
    """The rows of a photo that was looked at.

    Args:
        photo: its name in the collection.
        sha256: of its file.
        image: uint8 [H, W, 3] RGB.
        result: what `detect(rle=True)` found; "attributes", where a network tells them, is one dict {name: score} for
            each object, and "embeddings" [N, C], where they were asked for.
        class_names: of the network, background first.

    Returns:
        One dict for each object, in the order of the result; one dict if there is none.
    """
    height, width = image.shape[:2]
    of_photo = {"photo": photo, "sha256": sha256, "height": height, "width": width,
                "hash": int(perceptual_hash(image)), "thumbnail": thumbnail(image)}
    rles, class_ids = result["rles"], [int(class_id) for class_id in result["class_ids"]]
    names = [class_names[class_id] for class_id in class_ids]
    attributes = result.get("attributes") or [None] * len(rles)
    embeddings = unit_rows(result["embeddings"]).astype(np.float16) if "embeddings" in result else None
    persons, rows = persons_of(rles, names), []
    runs, first = checked_runs(rles, image.shape[:2])
    for number, (rle, box) in enumerate(zip(rles, np.asarray(result["boxes"], float).reshape(-1, 4).tolist())):
        told, own = attributes[number], runs[first[number]:first[number + 1]]
        rows.append({
            **of_photo, "object": number, "class_id": class_ids[number], "class": names[number],
            "score": float(result["scores"][number]), **dict(zip(("y1", "x1", "y2", "x2"), box)),
            "rle": rle["counts"], "area": int(own[1::2].sum()), "colours": dominant_colours(image, own),
            "attributes": None if told is None else [{"name": name, "score": float(told[name])} for name in told],
            "person": persons[number], **({} if embeddings is None else {EMBEDDING: embeddings[number]}),
        })
    return rows or [of_photo]


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Bring rows to length 1, so that their products are cosines; those of zeros stay so.

    Args:
        rows: [N, C].

    Returns:
        float32 [N, C].
    """
    rows = np.asarray(rows, np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)


def persons_of(rles: Sequence[dict], names: Sequence[str]) -> list[int | None]:
    """Tell whose each object of a photo is: of the person who has most of its pixels.

    Args:
        rles: RLEs of the objects.
        names: of their classes.

    Returns:
        For each object the number of the person among the objects; a person's own for a person; None for an object
        that shares no pixel with a person, hence for all of a network that knows no persons.
    """
    people = [number for number, name in enumerate(names) if name.lower() in PEOPLE]
    persons = []
    for number, rle in enumerate(rles):
        shared = [(run_lengths.shared_area(rle, rles[person]), -person) for person in people]
        most = max(shared, default=(0, 0))
        persons.append(number if number in people else -most[1] if most[0] else None)
    return persons
