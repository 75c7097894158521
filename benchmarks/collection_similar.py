"""A million made rows through `collection similar`: seconds, memory, and whether the planted neighbours are found.

    python benchmarks/collection_similar.py [--rows 1000000] [--width 256] [--photos-of-a-shard 256]

Embeddings point anywhere; PLANTED rows lie ever further from the first one, which is asked about. Its photo is in the
collection, so that no network is run.
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

PLANTED, OBJECTS = 8, 4  # of a photo
CLASSES = ("top", "pants", "shoes", "bag")


def made_shard(path, number, photos, width, rng, key):
    """Write a shard of made photos, the first of which has the query and its neighbours if it is number 0."""
    import pyarrow
    from pyarrow import parquet

    from mrcnn.collections.plan import METADATA
    from mrcnn.collections.rows import EMBEDDING, schema, unit_rows

    count = photos * OBJECTS
    vectors = rng.standard_normal((count, width), np.float32)
    if number == 0:
        for step in range(1, PLANTED + 1):  # tops of the photos that follow
            vectors[step * OBJECTS] = vectors[0] + 0.1 * step * vectors[1]
    photo = number * photos + np.arange(count) // OBJECTS
    values = pyarrow.array(unit_rows(vectors).astype(np.float16).ravel())
    offsets = pyarrow.array(np.arange(count + 1, dtype=np.int32) * width)
    hashes = np.random.default_rng(number).integers(0, 2**63, photos, dtype=np.uint64)
    columns = {
        "photo": pyarrow.array(np.char.mod("p%09d.jpg", photo)), "sha256": pyarrow.array(np.char.mod("%064d", photo)),
        "hash": pyarrow.array(np.repeat(hashes, OBJECTS)),
        "object": np.tile(np.arange(OBJECTS, dtype=np.int32), photos),
        "class": pyarrow.array(np.tile(np.array(CLASSES), photos)), "height": np.full(count, 600, np.int32),
        "width": np.full(count, 400, np.int32), "score": rng.uniform(0.5, 1, count).astype(np.float32),
        **{name: np.full(count, 9, np.float32) for name in ("y1", "x1", "y2", "x2")},
        EMBEDDING: pyarrow.ListArray.from_arrays(offsets, values)}
    fields = schema({METADATA: key}, embeddings=True)
    arrays = [pyarrow.array(columns[field.name]) if field.name in columns else pyarrow.nulls(count, field.type)
              for field in fields]
    parquet.write_table(pyarrow.table(arrays, schema=fields), path, compression="zstd")
    return count


def make_collection(made, least, width, photos):
    """Write a collection of at least so many rows."""
    from mrcnn.collections.plan import key_of

    os.makedirs(f"{made}.partial")
    identity = {"root": made, "embedding": "made"}
    with open(os.path.join(f"{made}.partial", "collection.json"), "w", encoding="ascii") as file:
        json.dump({"identity": identity}, file)
    rng, rows, number = np.random.default_rng(0), 0, 0
    while rows < least:
        path = os.path.join(f"{made}.partial", f"shard-{number:06d}.parquet")
        rows += made_shard(path, number, photos, width, rng, key_of(identity))
        number += 1
    os.rename(f"{made}.partial", made)


def ask(made, out, more):
    """Run the command with further options, and print what it took and found."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    command = [sys.executable, "-m", "mrcnn", "collection", "similar", "p000000000.jpg", "--in", made, "--output", out,
               "--overwrite", *more]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds, used = time.time() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    work = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    with open(os.path.join(out, "similar.json"), encoding="utf-8") as file:
        said = json.load(file)
    found = [match["photo"] for match in said["objects"][0]["matches"]]
    right = found == [f"p{step:09d}.jpg" for step in range(1, PLANTED + 1)]
    print(f"similar {' '.join(more)}: {len(said['objects'])} asked, {said['compared']} compared, {seconds:.1f} s, "
          f"{work:.1f} s of a core, at most {used.ru_maxrss / 2**20:.2f} GB; the planted neighbours are "
          f"{'in their order' if right else 'NOT found'}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--photos-of-a-shard", type=int, default=256)
    parser.add_argument("--folder", help="where the collection is made, or is already; it stays (default: it goes)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = options.folder or folder
        made, out = os.path.join(folder, "made"), os.path.join(folder, "found")
        if not os.path.isdir(made):
            make_collection(made, options.rows, options.width, options.photos_of_a_shard)
        shards = [entry.stat().st_size for entry in os.scandir(made) if entry.name.startswith("shard-")]
        print(f"at least {options.rows} rows of {options.width} numbers in {len(shards)} shards, "
              f"{sum(shards) / 2**20:.0f} MB", flush=True)
        for more in (["--object", "0"], ["--object", "0", "--any-class"], ["--any-class"]):
            ask(made, out, more)


if __name__ == "__main__":
    main()
