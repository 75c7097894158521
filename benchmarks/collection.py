"""What a collection takes beside the network's own time, with 1 and 2 workers of each engine, and its memory.

    python benchmarks/collection.py --weights FILE --images DIR [--photos 64] [--rounds 3] [--engines local ray]

In turns, in one run: the network alone on photos that are in memory, in one process on all cores; the command over as
many photos as it has workers, which is its start; and the command over all photos. Speeds are of what is left without
the start. Memory is that of all processes of the command together, each second: the most of its first and last third.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from mrcnn.architectures import load  # noqa: E402
from mrcnn.data.images import load_image  # noqa: E402
from mrcnn.files import text_table  # noqa: E402

PAGE = os.sysconf("SC_PAGE_SIZE")


def network(model, photos):
    """Seconds that detect() takes for photos in memory."""
    size, began = model.config.BATCH_SIZE, time.perf_counter()
    for start in range(0, len(photos), size):
        model.detect(photos[start:start + size], rle=True)
    return time.perf_counter() - began


def command(options, paths, engine, workers):
    """(seconds, [(seconds since the start, bytes resident)]) of the command over photos."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "mrcnn.commands.main", "collection", "label", *paths, "--weights", options.weights,
             "--output", os.path.join(folder, "out"), "--engine", engine, "--workers", str(workers), "--shard-size",
             str(options.shard_size)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        began, sizes = time.perf_counter(), []
        watch = threading.Thread(target=_watch, args=(process, began, sizes))
        watch.start()
        errors = process.communicate()[1]
        seconds = time.perf_counter() - began
        watch.join()
        assert process.returncode == 0, errors
    return seconds, sizes


def _watch(process, began, sizes):
    while process.poll() is None:
        sizes.append((time.perf_counter() - began, sum(map(_resident, _family(process.pid)))))
        time.sleep(1)


def _family(number):
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = {number}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _resident(number):
    try:
        with open(f"/proc/{number}/statm") as file:
            return int(file.read().split()[1]) * PAGE
    except OSError:
        return 0


def run():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shard-size", type=int, default=16)
    parser.add_argument("--engines", nargs="+", default=["local"], choices=["local", "ray"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    paths = sorted(entry.path for entry in os.scandir(options.images) if entry.is_file())[:options.photos]
    model, photos = load(options.weights), [load_image(path) for path in paths]
    network(model, photos[:2 * model.config.BATCH_SIZE])  # traced
    ways = [(engine, workers) for engine in options.engines for workers in (1, 2)]
    alone, whole, start, memory = [], {way: [] for way in ways}, {way: [] for way in ways}, {}
    for _ in range(options.rounds):
        alone.append(network(model, photos))
        for way in ways:
            start[way].append(command(options, paths[:way[1]], *way)[0])
            seconds, memory[way] = command(options, paths, *way)
            whole[way].append(seconds)
    tell(options, len(paths), alone, whole, start, memory)


def tell(options, count, alone, whole, start, memory):
    """Print the table."""
    print(f"{count} photos, shards of {options.shard_size}, {options.rounds} rounds in turns, {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f}")
    least = statistics.median(alone)
    rows = [("", "median s", "start s", "photos/s", "of the network", "MB, first third", "MB, last third"),
            ("network alone", f"{least:.1f}", "", f"{count / least:.2f}", "1.000", "", "")]
    for (engine, workers), times in whole.items():
        seconds, began = statistics.median(times), statistics.median(start[engine, workers])
        # A photo for each worker is in the time of the start.
        work, done = seconds - began, count - workers
        sizes = memory[engine, workers]
        third = sizes[-1][0] / 3
        first = max((size for when, size in sizes if when < third), default=0)
        last = max(size for when, size in sizes if when >= 2 * third)
        rows.append((f"{engine}, {workers} workers", f"{seconds:.1f}", f"{began:.1f}", f"{done / work:.2f}",
                     f"{(work / done) / (least / count):.3f}", f"{first / 1e6:.0f}", f"{last / 1e6:.0f}"))
    print(text_table(rows))


if __name__ == "__main__":
    run()
