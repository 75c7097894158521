"""Resident memory of a process that loads a checkpoint twenty times, and detects with each model.

    python benchmarks/model_memory.py [--loads 20]

Each way runs in a process of its own: the model's name given to the next one, as a loop does, or deleted first, with
Python's collector called. Prints the megabytes after each load.
"""

import argparse
import gc
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "tests")]
WAYS = ("the next one in its place", "del model; gc.collect()")


def megabytes():
    """Resident memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1_000_000


def measure(way, loads):
    import numpy as np
    from tiny import TinyConfig

    from mrcnn.architectures import load
    from mrcnn.model import MaskRCNN

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.h5")
        MaskRCNN("inference", TinyConfig(), folder).save_weights(path)
        photo = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype("uint8")
        taken = []
        for _ in range(loads):
            model = load(path, folder)
            model.detect([photo])
            if way == WAYS[1]:
                del model
                gc.collect()
            taken.append(megabytes())
    print(f"{way:26} {' '.join(map(str, taken))}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--loads", type=int, default=20)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        measure(options.way, options.loads)
        return
    print(f"megabytes after each of {options.loads} loads of a tiny network, with a detection", flush=True)
    for way in WAYS:
        command = [sys.executable, __file__, "--way", way, "--loads", str(options.loads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(done.stdout.strip().splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
