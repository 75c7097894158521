"""Memory of the data workers over many batches, which must stay flat.

    python benchmarks/data_memory.py --data ../shared/data/ccp

Reads batches of Clothing Co-Parsing with worker threads and the seed users' augmentation, and prints the resident
memory of the process every 200 batches.
"""

import argparse
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from mrcnn.config import Config  # noqa: E402
from mrcnn.data.batches import Batches  # noqa: E402
from mrcnn.data.formats.coco import CocoDataset  # noqa: E402
from mrcnn.data.recipes import seed_users_augmentation  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="../shared/data/ccp", help="folder of Clothing Co-Parsing")
    parser.add_argument("--size", type=int, default=256, help="side of the canvas, pixels")
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--every", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    arguments = parser.parse_args()
    dataset = CocoDataset()
    dataset.load_coco(os.path.join(arguments.data, "instances_train.json"), os.path.join(arguments.data, "photos"))
    dataset.prepare()
    config = Config(NUM_CLASSES=dataset.num_classes, IMAGE_MIN_DIM=arguments.size, IMAGE_MAX_DIM=arguments.size,
                    WORKERS=arguments.workers)
    batches = Batches(dataset, config, 2, augmentation=seed_users_augmentation())
    print(f"batches of 2 photos, {arguments.size} pixels, {arguments.workers} workers")
    start, done, readings = time.perf_counter(), 0, []
    while done < arguments.batches:
        for index in range(min(len(batches), arguments.batches - done)):
            batches[index]
            done += 1
            if done % arguments.every == 0:
                readings.append(resident_megabytes())
                print(f"after {done:5} batches  {readings[-1]:7.1f} MB", flush=True)
        batches.epoch += 1
    settled = readings[1:] or readings
    print(f"from {2 * arguments.every} batches on: {min(settled):.1f} to {max(settled):.1f} MB")
    print(f"{2 * done / (time.perf_counter() - start):.1f} photos a second")


def resident_megabytes():
    """Memory that this process holds, as Linux counts it."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
