"""What a collection takes beside the network's own time, with 1 and 2 workers of each engine, and its memory.

    python benchmarks/collection.py --weights FILE --images DIR [--photos 64] [--rounds 3] [--engines local ray]

In turns, in one run: the network alone on photos that are in memory, in one process on all cores; a shard of the same
photos by the same network in the same process; and, for each engine, the command over as many photos as it has workers,
which is its start, and the command over all photos. Speeds are of what is left without the start. Processor time is
that of all processes of the command together, which other programs on the machine change less than seconds. Memory is
theirs together, each half second: the most of the middle and of the last third.
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
from mrcnn.collections.shards import Job, write_shard  # noqa: E402
from mrcnn.data.images import load_image  # noqa: E402
from mrcnn.files import text_table  # noqa: E402

PAGE, TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
EVERY = 0.5  # seconds between looks at the processes


def network(model, photos):
    """(seconds, processor seconds) that detect() takes for photos in memory."""
    size, began, used = model.config.BATCH_SIZE, time.perf_counter(), time.process_time()
    for start in range(0, len(photos), size):
        model.detect(photos[start:start + size], rle=True)
    return time.perf_counter() - began, time.process_time() - used


def shard(model, paths):
    """(seconds, processor seconds) that a shard of photos takes in this process, from their files to its Parquet."""
    with tempfile.TemporaryDirectory() as folder:
        root, names = os.path.dirname(paths[0]), [os.path.basename(path) for path in paths]
        began, used = time.perf_counter(), time.process_time()
        write_shard(os.path.join(folder, "shard.parquet"), names, Job(root, "key"), model)
        return time.perf_counter() - began, time.process_time() - used


def command(options, paths, engine, workers):
    """(seconds, processor seconds, [(seconds since the start, bytes resident)]) of the command over photos."""
    with tempfile.TemporaryDirectory() as folder:
        listed = os.path.join(folder, "list.txt")
        with open(listed, "w", encoding="utf-8") as file:
            file.writelines(f"{os.path.abspath(path)}\n" for path in paths)
        process = subprocess.Popen(
            [sys.executable, "-m", "mrcnn", "collection", "label", listed, "--weights", options.weights,
             "--output", os.path.join(folder, "out"), "--engine", engine, "--workers", str(workers), "--shard-size",
             str(min(options.shard_size, -(-len(paths) // workers)))], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        began, sizes, used = time.perf_counter(), [], {}
        watch = threading.Thread(target=_watch, args=(process, began, sizes, used))
        watch.start()
        errors = process.communicate()[1]
        seconds = time.perf_counter() - began
        watch.join()
        assert process.returncode == 0, errors
    return seconds, sum(used.values()), sizes


def _watch(process, began, sizes, used):
    """Look at the processes: `used` gets the processor seconds of each when it was last seen."""
    while process.poll() is None:
        looks = {number: _look(number) for number in _family(process.pid)}
        used.update({number: seconds for number, (seconds, _) in looks.items() if seconds})
        sizes.append((time.perf_counter() - began, sum(size for _, size in looks.values())))
        time.sleep(EVERY)


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


def _look(number):
    """(processor seconds, bytes resident that it shares with no file) of a process."""
    try:
        with open(f"/proc/{number}/stat") as file:
            words = file.read().rpartition(")")[2].split()
        with open(f"/proc/{number}/statm") as file:
            resident, shared = map(int, file.read().split()[1:3])
        return (int(words[11]) + int(words[12])) / TICK, (resident - shared) * PAGE
    except OSError:
        return 0, 0


def run():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shard-size", type=int, default=16)
    parser.add_argument("--engines", nargs="*", default=["local"], choices=["local", "ray"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    paths = sorted(entry.path for entry in os.scandir(options.images) if entry.is_file())[:options.photos]
    model, photos = load(options.weights), [load_image(path) for path in paths]
    network(model, photos[:2 * model.config.BATCH_SIZE])  # traced
    shard(model, paths[:2 * model.config.BATCH_SIZE])  # and what it needs imported
    ways = [(engine, workers) for engine in options.engines for workers in (1, 2)]
    alone, here, memory, whole, start = [], [], {}, {way: [] for way in ways}, {way: [] for way in ways}
    for _ in range(options.rounds):
        alone.append(network(model, photos))
        here.append(shard(model, paths))
        for way in ways:
            start[way].append(command(options, paths[:way[1]], *way)[:2])
            *times, memory[way] = command(options, paths, *way)
            whole[way].append(times)
    tell(options, len(paths), alone, here, whole, start, memory)


def tell(options, count, alone, here, whole, start, memory):
    """Print the table: of seconds medians, of processor seconds medians and the least."""
    print(f"{count} photos, shards of at most {options.shard_size}, {options.rounds} rounds in turns, {os.cpu_count()} "
          f"cores, load {os.getloadavg()[0]:.1f}")
    seconds, used = zip(*alone)
    rows = [("", "s", "start s", "photos/s", "processor s a photo", "of the network", "least", "MB, middle third",
             "MB, last third"),
            ("network alone", f"{statistics.median(seconds):.1f}", "", f"{count / statistics.median(seconds):.2f}",
             f"{statistics.median(used) / count:.3f}", "1.000", "1.000", "", "")]
    passed, cost = zip(*here)
    rows.append(("a shard in one process", f"{statistics.median(passed):.1f}", "",
                 f"{count / statistics.median(passed):.2f}", f"{statistics.median(cost) / count:.3f}",
                 f"{statistics.median(cost) / statistics.median(used):.3f}", f"{min(cost) / min(used):.3f}", "", ""))
    for way, times in whole.items():
        done = count - way[1]  # a photo for each worker is in the time of the start
        total, began = (statistics.median(one[0] for one in some) for some in (times, start[way]))
        cost = [(one[1] - before[1]) / done for one, before in zip(times, start[way])]
        sizes = memory[way]
        middle, last = (max(size for when, size in sizes if third / 3 <= when / sizes[-1][0] <= (third + 1) / 3)
                        for third in (1, 2))
        rows.append((f"{way[0]}, {way[1]} workers", f"{total:.1f}", f"{began:.1f}",
                     f"{done / max(total - began, 1e-9):.2f}", f"{statistics.median(cost):.3f}",
                     f"{statistics.median(cost) / (statistics.median(used) / count):.3f}",
                     f"{min(cost) / (min(used) / count):.3f}", f"{middle / 1e6:.0f}", f"{last / 1e6:.0f}"))
    print(text_table(rows))


if __name__ == "__main__":
    run()
