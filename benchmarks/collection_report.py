"""Ten million made rows through `collection report`: seconds, memory, and whether the planted habit is found.

    python benchmarks/collection_report.py [--rows 10000000]

People wear a top, a lower garment and shoes, some a bag and a hat; each garment has one of 12 colours. Red shoes
go with striped tops LIFT times as often as chance. A twentieth of the photos are near-copies of others.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

LIFT = 3.0
GARMENTS = ("top", "pants", "skirt", "shoes", "bag", "hat")
LAB = np.array([[15, 0, 0], [55, 0, 0], [92, 0, 0], [42, 62, 42], [75, 30, 0], [65, 35, 62], [84, 0, 70], [78, 5, 20],
                [35, 15, 25], [50, -40, 30], [40, 5, -45], [18, 6, -22]], np.float32)
RED = 3


def made_shard(path, first, photos, rng, key, striped=0.2, red=0.1):
    """Write a shard of made photos of one person each; returns the number of rows."""
    import pyarrow
    from pyarrow import parquet

    from mrcnn.collections.plan import METADATA
    from mrcnn.collections.rows import COLUMNS, schema

    wears = np.stack([np.ones(photos, bool), lower := rng.random(photos) < 0.6, ~lower, np.ones(photos, bool),
                      rng.random(photos) < 0.4, rng.random(photos) < 0.2], axis=1)
    colour = rng.integers(0, len(LAB), wears.shape)
    stripes = rng.random(photos) < striped
    # P(red | striped) = LIFT * red; the rest keeps the share of red shoes as it is.
    chance = np.where(stripes, LIFT * red, red * (1 - LIFT * striped) / (1 - striped))
    other = rng.integers(0, len(LAB) - 1, photos)
    colour[:, 3] = np.where(rng.random(photos) < chance, RED, other + (other >= RED))
    hashes = rng.integers(0, 2**63, photos, dtype=np.uint64)
    copies = rng.random(photos) < 0.05
    hashes[copies] = np.roll(hashes, 1)[copies] ^ np.uint64(5)
    photo, garment = np.nonzero(wears)
    count = len(photo)
    lab = LAB[colour[photo, garment]] + rng.normal(0, 1, (count, 3)).astype(np.float32)
    offsets = pyarrow.array(np.arange(count + 1, dtype=np.int32))
    field = schema({}).field("colours").type
    colours = pyarrow.ListArray.from_arrays(offsets, pyarrow.StructArray.from_arrays(
        [*map(pyarrow.array, lab.T.copy()), pyarrow.array(np.ones(count, np.float32))], fields=list(field.value_type)))
    told = stripes[photo] & (garment == 0)
    field = schema({}).field("attributes").type
    attributes = pyarrow.ListArray.from_arrays(
        pyarrow.array(np.concatenate([[0], np.cumsum(told)]).astype(np.int32)), pyarrow.StructArray.from_arrays(
            [pyarrow.array(["striped"] * int(told.sum()), pyarrow.string()),
             pyarrow.array(np.full(int(told.sum()), 0.9, np.float32))], fields=list(field.value_type)))
    whole = pyarrow.nulls(count, pyarrow.string())
    values = {
        "photo": pyarrow.array(np.char.mod("p%09d.jpg", first + photo)), "sha256": whole, "error": whole, "rle": whole,
        "hash": hashes[photo], "height": np.full(count, 600, np.int32), "width": np.full(count, 400, np.int32),
        "object": garment.astype(np.int32), "class_id": (garment + 1).astype(np.int32),
        "class": pyarrow.array(np.array(GARMENTS)[garment]), "score": rng.uniform(0.5, 1, count).astype(np.float32),
        **{name: np.zeros(count, np.float32) for name in ("y1", "x1", "y2", "x2")},
        "area": rng.integers(500, 50000, count), "colours": colours, "attributes": attributes,
        "person": pyarrow.nulls(count, pyarrow.int32())}
    columns = [pyarrow.array(values[name]) for name in COLUMNS]
    parquet.write_table(pyarrow.table(columns, schema=schema({METADATA: key})), path)
    return count


def made_collection(folder, rows, shard=50_000, seed=0):
    """Write a collection of at least this many rows; returns their number."""
    from mrcnn.collections.plan import key_of

    os.makedirs(folder, exist_ok=True)
    identity = {"root": folder}
    with open(os.path.join(folder, "collection.json"), "w", encoding="ascii") as file:
        json.dump({"identity": identity}, file)
    rng, count, number = np.random.default_rng(seed), 0, 0
    while count < rows:
        path = os.path.join(folder, f"shard-{number:06d}.parquet")
        count += made_shard(path, number * shard, min(shard, rows - count), rng, key_of(identity))
        number += 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = os.path.join(folder, "made")
        rows = made_collection(made, options.rows)
        print(f"{rows} rows, {sum(map(os.path.getsize, os.scandir(made))) / 2**20:.0f} MB")
        start = time.time()
        command = [sys.executable, "-m", "mrcnn", "collection", "report", made, "--examples", "0"]
        subprocess.run(command, check=True, cwd=ROOT)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        print(f"report: {time.time() - start:.1f} s, at most {peak:.2f} GB")
        with open(os.path.join(made, "report", "pairs.csv"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        print(lines[0], *(line for line in lines if "striped" in line and "red shoes" in line), sep="\n")


if __name__ == "__main__":
    main()
