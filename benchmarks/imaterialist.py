"""Time and memory that one core needs to load a CSV as large as iMaterialist-Fashion's.

    python benchmarks/imaterialist.py

Makes the CSV in a temporary folder, 333,415 masks of 45,625 photos with a few hundred runs each, in the forms of 2019
and of 2020, each with attributes and without, beside empty files in place of the photos: loading looks for photos, but
not into them. Each is loaded three times in turn, by a fresh process pinned to one core. Prints seconds, those of them
that the process was at work, rows/s by these, the most memory that the process held, with what it held before loading,
the work of reading the objects of photos drawn at random, and what attributes cost: the least processor time with them
over the least without.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import numpy as np  # noqa: E402

CATEGORIES, ATTRIBUTES = 46, 92
SHAPES = 40  # sizes of photos; each has a stock of masks that the rows draw from
STOCK = 40
READ = 2000  # photos whose objects are read
TURNS = 3


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=45_625)
    parser.add_argument("--rows", type=int, default=333_415)
    parser.add_argument("--load", metavar="CSV", help=argparse.SUPPRESS)  # what the fresh process does
    arguments = parser.parse_args()
    if arguments.load:
        load(arguments.load)
        return
    for year in (2019, 2020):
        with tempfile.TemporaryDirectory() as folder:
            measure(year, folder, arguments)


def measure(year, folder, arguments):
    """Write one form's file with attributes and without, and load both in turn."""
    paths = {title: os.path.join(folder, title, f"{year}.csv") for title in ("without", "with")}
    least = dict.fromkeys(paths, np.inf)
    for title, path in paths.items():
        os.mkdir(os.path.dirname(path))
        runs = write_csv(path, year, arguments.photos, arguments.rows, title == "with")
        print(f"form of {year}, {title} attributes: {arguments.rows} masks of {runs:.0f} runs on average, "
              f"{arguments.photos} photos, {os.path.getsize(path) / 1e6:.0f} MB")
    for turn in range(TURNS):
        for title, path in paths.items():
            print(f"{title} attributes, turn {turn + 1}", flush=True)
            subprocess.run([sys.executable, __file__, "--load", path], check=True, cwd=ROOT)
            with open(path + ".busy") as file:
                least[title] = min(least[title], float(file.read()))
    print(f"form of {year}: with attributes {least['with'] / least['without']:.2f} times the work of without, "
          f"{least['with']:.2f} s and {least['without']:.2f} s", flush=True)


# --- The file --------------------------------------------------------------------------------------------------------


def write_csv(path, year, photos, rows, attributed):
    """Write CSV, label descriptions and empty photos; every tenth row lies apart from its photo's others.

    An object has up to five attributes, none if they are not `attributed`.

    Returns the mean number of runs of a mask.
    """
    rng = np.random.default_rng(year)
    heights, widths = rng.integers(600, 3000, SHAPES), rng.integers(500, 2500, SHAPES)
    stock = [[outline(height, width, rng) for _ in range(STOCK)] for height, width in zip(heights, widths)]
    shape_of = rng.integers(0, SHAPES, photos)
    photo_of = np.sort(np.concatenate([np.arange(photos), rng.integers(0, photos, rows - photos)]))
    apart = rng.random(rows) < 0.1
    photo_of[apart] = rng.permutation(photo_of[apart])
    ending = ".jpg" if year == 2019 else ""
    names = [f"{rng.integers(1 << 60):032x}" for _ in range(photos)]
    picks, categories = rng.integers(0, STOCK, rows), rng.integers(0, CATEGORIES, rows)
    counts = rng.integers(0, 6, rows) * attributed
    total = 0
    with open(path, "w") as file:
        header = "ImageId,EncodedPixels,Height,Width,ClassId"
        file.write(header + (",AttributesIds\n" if year == 2020 else "\n"))
        for photo, pick, category, count in np.stack([photo_of, picks, categories, counts], axis=1).tolist():
            shape = shape_of[photo]
            attributes = [str((category * 7 + 13 * i) % ATTRIBUTES) for i in range(count)]
            if year == 2019:
                label = "_".join([str(category), *attributes])
            else:
                label = f'{category},"{",".join(attributes)}"' if count > 1 else f"{category},{''.join(attributes)}"
            text, runs = stock[shape][pick]
            total += runs
            file.write(f"{names[photo]}{ending},{text},{heights[shape]},{widths[shape]},{label}\n")
    folder = os.path.splitext(path)[0]
    os.mkdir(folder)
    for name in names:
        open(os.path.join(folder, name + ".jpg"), "w").close()
    with open(os.path.join(os.path.dirname(path), "label_descriptions.json"), "w") as file:
        json.dump({"categories": [{"id": i, "name": f"class {i}"} for i in range(CATEGORIES)]}, file)
    return total / rows


def outline(height, width, rng):
    """(EncodedPixels of an ellipse with a hole in some columns, number of its runs)."""
    rows, columns = rng.uniform(0.05, 0.45) * height, rng.uniform(0.01, 0.12) * width
    y, x = rng.uniform(rows, height - rows), rng.uniform(columns, width - columns)
    column = np.arange(int(np.ceil(x - columns)), int(x + columns))
    half = rows * np.sqrt(np.maximum(1 - ((column - x) / columns) ** 2, 0))
    top, bottom = np.ceil(y - half).astype(int), np.floor(y + half).astype(int)
    filled = bottom > top
    column, top, bottom = column[filled], top[filled], bottom[filled]
    numbers = []
    for position, first, last in zip(column.tolist(), top.tolist(), bottom.tolist()):
        start = position * height + first + 1
        length = last - first
        if length > 20 and position % 4 == 0:
            numbers += [start, length // 2 - 3, start + length // 2, length - length // 2]
        else:
            numbers += [start, length]
    return " ".join(map(str, numbers)), len(numbers) // 2


# --- The measurement -------------------------------------------------------------------------------------------------


def load(path):
    """Load a CSV on one core and print what it took."""
    from mrcnn.data.formats.imaterialist import ImaterialistDataset

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    before = peak()
    start, start_busy = time.perf_counter(), time.process_time()
    dataset = ImaterialistDataset().load(path)
    dataset.prepare()
    seconds, busy = time.perf_counter() - start, time.process_time() - start_busy
    rows = sum(dataset.object_count(i) for i in dataset.image_ids)
    with open(path + ".busy", "w") as file:
        file.write(str(busy))
    print(f"  loaded {rows} objects of {dataset.num_images} photos in {seconds:.2f} s, {busy:.2f} s of them at work: "
          f"{rows / busy:.0f} rows/s")
    print(f"  peak memory of the process {peak():.0f} MB, {before:.0f} MB of it before loading")
    chosen = np.random.default_rng(0).permutation(dataset.image_ids)[:READ]
    start = time.process_time()
    objects = sum(len(dataset.objects(i)) for i in chosen)
    seconds = time.process_time() - start
    print(f"  reading the objects of {len(chosen)} photos: {1000 * seconds / len(chosen):.2f} ms a photo, "
          f"{1e6 * seconds / objects:.0f} us an object; peak memory {peak():.0f} MB")


def peak():
    """Most memory the process held, MB."""
    with open("/proc/self/status") as file:  # getrusage would count the process that started this one
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
