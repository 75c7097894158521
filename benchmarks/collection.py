"""What a collection takes beside the network's own time: in one process, and with 1 and 2 workers of each engine.

    python benchmarks/collection.py --weights FILE --images DIR [--engines local ray] [--workers 1 2] [--seconds 200]

First, in turns in this process: the network alone on photos that are in memory, and a shard of the same photos by the
same network. Then for each engine and number of workers, one after the other: the network alone, in as many processes
with as many threads as the workers have, all at the same time; the command over so many photos that it works for
--seconds without its start; and the network alone again.

The steady state of a command is from the shard on by which each worker has done two, to the last one after which all
still have work; the time before is its start. Overhead is what a photo takes in it over what it takes the network
alone: by the clock, and in processor time of all processes of the command together, which other programs on the machine
change less. --images may hold few photos: the command is given as many links to them as it needs.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402

from mrcnn.architectures import load  # noqa: E402
from mrcnn.collections.shards import Job, write_shard  # noqa: E402
from mrcnn.data.images import load_image  # noqa: E402
from mrcnn.files import text_table  # noqa: E402

PAGE, TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
EVERY = 0.5  # seconds between looks at the processes
KINDS = {"ray::Worker": "workers", "spawn_main": "workers", "gcs_server": "gcs_server", "raylet/raylet": "raylet"}

# --- In this process -------------------------------------------------------------------------------------------------


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


def ready(options, paths):
    """(model, photos) after both were used once: traced, and what is needed imported."""
    model, photos = load(options.weights), [load_image(path) for path in paths]
    network(model, photos[:2 * model.config.BATCH_SIZE])
    shard(model, paths[:2 * model.config.BATCH_SIZE])
    return model, photos


def in_one_process(options, paths):
    """Print what a shard takes over the network, in turns."""
    model, photos = ready(options, paths)
    alone, here = zip(*((network(model, photos), shard(model, paths)) for _ in range(options.rounds)))
    rows = [("in one process", "photos/s", "processor s a photo", "over the network", "least over least")]
    for name, times in (("the network alone", alone), ("a shard", here)):
        seconds, used = zip(*times)
        bare = [pair[1] for pair in alone]
        rows.append((name, f"{len(paths) / statistics.median(seconds):.2f}",
                     f"{statistics.median(used) / len(paths):.4f}",
                     f"{statistics.median(used) / statistics.median(bare):.3f}", f"{min(used) / min(bare):.3f}"))
    print(text_table(rows), flush=True)


# --- The network alone, in processes ---------------------------------------------------------------------------------


def alone(options, paths):
    """What a process of `references` does: says when it is ready, and goes on when it is told to."""
    model, photos = ready(options, paths)
    print("ready", flush=True)
    sys.stdin.readline()
    done, size = 0, model.config.BATCH_SIZE
    began, used = time.perf_counter(), time.process_time()
    while (seconds := time.perf_counter() - began) < options.alone:
        start = done % len(photos) // size * size
        model.detect(photos[start:start + size], rle=True)
        done += len(photos[start:start + size])
    print(json.dumps([done, seconds, time.process_time() - used]), flush=True)


def references(options, workers, threads):
    """(photos/s of all together, processor seconds a photo) of the network alone in processes at the same time."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TF_NUM_INTRAOP_THREADS": str(threads)}
    command = [sys.executable, os.path.abspath(__file__), "--weights", options.weights, "--images", options.images,
               "--photos", str(options.photos), "--alone", str(options.reference)]
    processes = [subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True) for _ in range(workers)]
    for process in processes:
        assert "ready\n" in iter(process.stdout.readline, "")  # after what is said of the weights
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [json.loads(process.communicate()[0]) for process in processes]
    return sum(done / seconds for done, seconds, _ in said), sum(used for *_, used in said) / sum(
        done for done, *_ in said)


# --- The command -----------------------------------------------------------------------------------------------------


def command(options, paths, engine, workers, count):
    """What the steady state of the command over `count` photos is like, {name: number}."""
    size = options.shard_size
    with tempfile.TemporaryDirectory() as folder:
        photos, out = os.path.join(folder, "photos"), os.path.join(folder, "out")
        os.mkdir(photos)
        for number, path in zip(range(count), itertools.cycle(paths)):
            os.symlink(os.path.abspath(path), os.path.join(photos, f"{number:06d}{os.path.splitext(path)[1]}"))
        process = subprocess.Popen(
            [sys.executable, "-m", "mrcnn", "collection", "label", photos, "--weights", options.weights, "--output",
             out, "--engine", engine, "--workers", str(workers), "--shard-size", str(size)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        began, looks = time.time(), []
        watch = threading.Thread(target=_watch, args=(process, looks))
        watch.start()
        errors = process.communicate()[1]
        watch.join()
        assert process.returncode == 0, errors
        done = sorted(entry.stat().st_mtime for entry in os.scandir(out) if entry.name.startswith("shard-"))
    first, last = done[2 * workers - 1], done[-workers - 1]
    photos = (len(done) - 3 * workers) * size
    when, memory = np.array([look[0] for look in looks]), np.array([look[2] for look in looks])
    used = {kind: (np.interp(last, when, seconds) - np.interp(first, when, seconds)) / photos
            for kind in sorted({kind for look in looks for kind in look[1]})
            for seconds in [[look[1].get(kind, 0) for look in looks]]}
    third = (last - first) / 3
    return {"photos": photos, "seconds": last - first, "speed": photos / (last - first), "used": used,
            "start": first - began - 2 * workers * size / (photos / (last - first)),
            "memory": [memory[(when >= first + i * third) & (when <= first + (i + 1) * third)].max() for i in (0, 2)]}


def _watch(process, looks):
    """Look at the processes: (time, {kind: processor seconds of its processes so far}, bytes resident)."""
    used, kinds = {}, {}
    while process.poll() is None:
        seen = {number: _look(number) for number in _family(process.pid)}
        used.update({number: seconds for number, (seconds, _) in seen.items() if seconds})
        for number in seen:  # each time: what was forked is another program a moment later
            kinds[number] = "the command" if number == process.pid else _kind(number) or kinds.get(number, "others")
        sums = dict.fromkeys(kinds.values(), 0.0)
        for number, seconds in used.items():
            sums[kinds[number]] += seconds
        looks.append((time.time(), sums, sum(size for _, size in seen.values())))
        time.sleep(EVERY)


def _kind(number):
    try:
        with open(f"/proc/{number}/cmdline") as file:
            words = file.read()
    except OSError:
        return None
    return next((kind for part, kind in KINDS.items() if part in words), "others")


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


def measured(options, paths, engine, workers):
    """Print what one engine with so many workers takes."""
    cores = os.cpu_count() or 1
    threads = 1 if engine == "ray" else max(1, cores // workers)  # as the engines set them
    before = references(options, workers, threads)
    size = options.shard_size
    count = (-(-int(before[0] * options.seconds) // size) + 3 * workers + 1) * size
    found, after = command(options, paths, engine, workers, count), references(options, workers, threads)
    speed, used = (statistics.mean(pair) for pair in zip(before, after))
    own = sum(found["used"].values())
    parts = ", ".join(f"{kind} {seconds * 1e3:.1f}" for kind, seconds in found["used"].items())
    print(f"{engine}, {workers} workers: {found['photos']} photos in {found['seconds']:.0f} s of steady state, after "
          f"{found['start']:.0f} s of start\n"
          f"  photos/s {found['speed']:.2f}; the network alone {speed:.2f} ({before[0]:.2f} before, {after[0]:.2f} "
          f"after): overhead {speed / found['speed'] - 1:.1%} by the clock\n"
          f"  processor ms a photo {own * 1e3:.1f} ({parts}); the network alone {used * 1e3:.1f} "
          f"({before[1] * 1e3:.1f} before, {after[1] * 1e3:.1f} after): overhead {own / used - 1:.1%}\n"
          f"  memory: {found['memory'][0] / 1e6:.0f} MB at most in its first third, {found['memory'][1] / 1e6:.0f}"
          f" MB in the last; load of the machine {os.getloadavg()[0]:.1f}", flush=True)


def run():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--photos", type=int, default=64, help="photos that the network alone is given")
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison in one process; 0 leaves it out")
    parser.add_argument("--shard-size", type=int, default=32)
    parser.add_argument("--engines", nargs="*", default=["local"], choices=["local", "ray"])
    parser.add_argument("--workers", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=200, help="of the steady state of each command")
    parser.add_argument("--reference", type=float, default=45, help="seconds of the network alone, before and after")
    parser.add_argument("--alone", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    paths = sorted(entry.path for entry in os.scandir(options.images) if entry.is_file())
    if options.alone:
        alone(options, paths[:options.photos])
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, shards of {options.shard_size} photos", flush=True)
    if options.rounds:
        in_one_process(options, paths[:options.photos])
    for engine, workers in itertools.product(options.engines, options.workers):
        measured(options, paths, engine, workers)


if __name__ == "__main__":
    run()
