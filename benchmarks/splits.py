"""Time to split a data set as large as iMaterialist-Fashion's, and to group 45,625 photos by their hashes.

    python benchmarks/splits.py

Makes a CSV of 333,415 objects of 45,625 photos in 46 classes, whose frequencies fall from a third of all to a few, with
empty files in place of the photos. Also says how far the parts are from the shares that classes should have there.
"""

import csv
import json
import os
import sys
import tempfile
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402

from mrcnn.data.curation.duplicates import hash_groups  # noqa: E402
from mrcnn.data.curation.splits import apply_split, random_split, stratified_split  # noqa: E402
from mrcnn.data.formats import open_dataset  # noqa: E402
from mrcnn.data.objects import class_counts  # noqa: E402

PHOTOS, OBJECTS, CLASSES = 45_625, 333_415, 46


def main():
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_dataset(write_csv(folder))
    counts = timed("objects of each class in each photo", class_counts, dataset)
    owed = 0.2 * (counts > 0).sum(axis=0)
    print(f"photos that show a class: {owed.min() / 0.2:.0f} to {owed.max() / 0.2:.0f}")
    groups = np.random.default_rng(1).integers(0, PHOTOS // 2, PHOTOS).tolist()
    for name, method, options in (
        ("random split", random_split, {}),
        ("stratified split", stratified_split, {"counts": counts}),
        ("stratified split of groups of two photos or so", stratified_split, {"counts": counts, "groups": groups}),
    ):
        split = timed(name, method, dataset, **options)
        in_val = (class_counts(apply_split(dataset, split, "val")) > 0).sum(axis=0)
        off = np.abs(in_val - owed) / owed
        print(f"    photos in val, off a class's share of them: {100 * off.mean():.2f} % on average, "
              f"{100 * off.max():.2f} % at most; {(in_val == 0).sum()} classes are not in val")
    hashes = np.random.default_rng(2).integers(0, 2**64, PHOTOS, dtype=np.uint64)
    timed("groups of near hashes", hash_groups, hashes)


def timed(name, function, *arguments, **options):
    start = time.process_time()
    result = function(*arguments, **options)
    print(f"{name}: {time.process_time() - start:.1f} s")
    return result


def write_csv(folder):
    """Write CSV, label descriptions and empty photos; returns the path of the CSV."""
    rng = np.random.default_rng(0)
    frequency = np.geomspace(1, 1e-4, CLASSES)
    # Each photo once, so that all are there.
    photos = np.sort(np.concatenate([np.arange(PHOTOS), rng.integers(0, PHOTOS, OBJECTS - PHOTOS)]))
    classes = rng.choice(CLASSES, OBJECTS, p=frequency / frequency.sum())
    for photo in range(PHOTOS):
        open(os.path.join(folder, f"{photo:05d}.jpg"), "w").close()
    with open(os.path.join(folder, "label_descriptions.json"), "w") as file:
        json.dump({"categories": [{"id": i, "name": f"class {i}"} for i in range(CLASSES)]}, file)
    path = os.path.join(folder, "made.csv")
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["ImageId", "EncodedPixels", "Height", "Width", "ClassId"])
        rows.writerows([f"{photo:05d}.jpg", "1 9", 600, 400, label] for photo, label in zip(photos, classes))
    return path


if __name__ == "__main__":
    main()
