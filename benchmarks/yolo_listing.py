"""Seconds to open a YOLO data set of 100,000 photos: all photos found, their sizes read, all rows of labels checked.

    python benchmarks/yolo_listing.py [--photos N]

Makes images/{train,val}/ and labels/{train,val}/ in a temporary folder, JPEGs with an EXIF orientation and five
outlines of twenty corners for each, and opens the data.yaml. Prints seconds of the clock and of the process, the memory
that was taken, and the work of drawing the objects of a photo.
"""

import argparse
import os
import resource
import sys
import tempfile
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

OBJECTS, CORNERS, STOCK = 5, 20, 200


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=100_000)
    count = parser.parse_args().photos
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        make_tree(folder, count)
        made = time.perf_counter() - start
        print(f"{count} photos with {OBJECTS} outlines of {CORNERS} corners made in {made:.1f} s")
        measure(os.path.join(folder, "data.yaml"))


def make_tree(folder, count):
    """Write the data set; every twentieth photo is one to validate on."""
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 1
    photo = os.path.join(folder, "photo.jpg")
    Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).resize((640, 480)).save(photo, exif=exif)
    with open(photo, "rb") as file:
        pixels = file.read()
    stock = ["".join(row(rng) for _ in range(OBJECTS)) for _ in range(STOCK)]
    for kind in ("images", "labels"):
        for part in ("train", "val"):
            os.makedirs(os.path.join(folder, kind, part))
    for i in range(count):
        part = "train" if i % 20 else "val"
        with open(os.path.join(folder, "images", part, f"{i:06d}.jpg"), "wb") as file:
            file.write(pixels)
        with open(os.path.join(folder, "labels", part, f"{i:06d}.txt"), "w") as file:
            file.write(stock[i % STOCK])
    with open(os.path.join(folder, "data.yaml"), "w") as file:
        file.write("train: images/train\nval: images/val\nnames: [shirt, shoe, bag]\n")


def row(rng):
    """An outline around a chance place, as tools write it, with six decimals."""
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    centre, radius = rng.uniform(0.3, 0.7, 2), rng.uniform(0.05, 0.25)
    corners = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(0.7, 1.1, (CORNERS, 1))
    return f"{rng.integers(3)} " + " ".join(f"{value:.6f}" for value in corners.ravel()) + "\n"


def measure(path):
    """Open the data set as the commands do, and read the objects of some photos."""
    from mrcnn.data.formats import open_dataset

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, work = time.perf_counter(), time.process_time()
    dataset = open_dataset(path)
    seconds, work = time.perf_counter() - start, time.process_time() - work
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"opened: {len(dataset.image_ids)} photos in {seconds:.1f} s, of which the process was at work {work:.1f} s; "
          f"{memory:.0f} MB")
    chosen, start = dataset.image_ids[::100], time.process_time()
    objects = sum(len(dataset.objects(i)) for i in chosen)
    seconds = time.process_time() - start
    print(f"objects drawn as run lengths on demand: {objects} of {len(chosen)} photos, "
          f"{1000 * seconds / len(chosen):.2f} ms of work a photo")


if __name__ == "__main__":
    main()
