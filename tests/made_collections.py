"""Collections whose rows are given, for the tests of what is counted in them."""

import json
import os

LAB = {"black": (10, 0, 0), "white": (95, 0, 0), "red": (45, 60, 40), "blue": (45, 5, -45), "green": (50, -40, 30)}


def row(photo, number, name, colour=None, score=0.9, person=None, attributes=None, **others):
    """A row of an object; `others` replace what is given."""
    lab = LAB.get(colour)
    return {"photo": photo, "sha256": photo, "height": 100, "width": 50, "hash": abs(hash_of(photo)), "object": number,
            "class_id": 1, "class": name, "score": score, "y1": 10.0, "x1": 5.0, "y2": 60.0, "x2": 45.0, "area": 500,
            "colours": lab and [{"l": lab[0], "a": lab[1], "b": lab[2], "share": 1.0}], "person": person,
            "attributes": attributes and [{"name": told, "score": value} for told, value in attributes.items()],
            **others}


def key(root="/nowhere", **identity):
    """The key of a collection of photos in a folder, which its shards carry."""
    from mrcnn.collections.plan import key_of

    return key_of({"root": str(root), **identity})


def hash_of(photo):
    """64 bits of a name, far from those of other names."""
    import hashlib

    return int.from_bytes(hashlib.sha256(photo.encode()).digest()[:7], "big")


def write_collection(folder, shards, root="/nowhere", planned=None, **identity):
    """Write a collection of given rows: a list of rows for each shard."""
    import pyarrow
    from pyarrow import parquet

    from mrcnn.collections.plan import METADATA
    from mrcnn.collections.rows import schema

    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "collection.json"), "w", encoding="ascii") as file:
        json.dump({"identity": {"root": str(root), **identity}}, file)
    with open(os.path.join(folder, "shards.jsonl"), "w", encoding="ascii") as file:
        file.writelines("[]\n" for _ in range(planned or len(shards)))
    for number, rows in enumerate(shards):
        columns = schema({METADATA: key(root, **identity)}, "embedding" in identity)
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema=columns),
                            os.path.join(folder, f"shard-{number:06d}.parquet"))
    return str(folder)
