"""A training that is killed ten times with SIGKILL and taken up again each time, against one that was left in peace.

    python benchmarks/kill_resume.py [--kills 10] [--epochs 12] [--seed 0]

Odd kills come at a random moment of up to an epoch's time after training began, even ones while a file is being
written: as soon as the n-th new .FILE.*.partial shows, n being drawn. After each kill every file is read; at the end
history, AP and weights of both runs are compared. One thread, so that both add up in the same order.
"""

import argparse
import collections
import csv
import glob
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, "samples", "fashion.py")
NETWORK = ["BACKBONE=small", "TOP_DOWN_PYRAMID_SIZE=16", "RPN_CHANNELS=16", "MASK_CHANNELS=16",
           "FPN_CLASSIF_FC_LAYERS_SIZE=32", "TRAIN_ROIS_PER_IMAGE=16", "POST_NMS_ROIS_TRAINING=50",
           "POST_NMS_ROIS_INFERENCE=30", "DETECTION_MAX_INSTANCES=10", "WARMUP_STEPS=2", "WORKERS=0"]
ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1",
               "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
LEG = 7200.0  # seconds after which a leg that was not killed is an error


def command(epochs, weights, extra=()):
    """The training, from the start or from the last checkpoint."""
    words = [sys.executable, PROGRAM, "train", "--limit", "6", "--batch-size", "2", "--weights", weights,
             "--stages", f"heads:{epochs // 3}:1e-2,all:{epochs - epochs // 3}:3e-3", "--evaluate-every", "2",
             "--evaluate-limit", "4", "--keep-best", "segm_AP", "--evaluate-test"]
    if weights == "none":
        words += ["--image-size", "64", *(word for setting in NETWORK for word in ("--set", setting))]
    return words + list(extra)


def start(folder, epochs, weights):
    """The process of a leg, its output going to output.txt."""
    with open(os.path.join(folder, "output.txt"), "w") as output:
        return subprocess.Popen(command(epochs, weights), cwd=folder, env=ENVIRONMENT, stdout=output, stderr=output)


def output_of(folder):
    with open(os.path.join(folder, "output.txt")) as file:
        return file.read()


def run_folder(folder):
    """The one run folder, or None before there is one."""
    folders = glob.glob(os.path.join(folder, "logs", "fashion*"))
    assert len(folders) <= 1, f"a resumed run began a new folder: {folders}"
    return folders[0] if folders else None


def kill_at_random(process, folder, moment):
    """Kill `moment` seconds after training began; returns what it was doing, or None if it ended by itself."""
    began, limit = None, time.monotonic() + LEG
    while process.poll() is None and time.monotonic() < limit:
        if began is None and "Starting at epoch" in output_of(folder):
            began = time.monotonic()
        if began is not None and time.monotonic() >= began + moment:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return f"{moment:.1f} s after training began"
        time.sleep(0.02)
    return None


def kill_while_writing(process, folder, count, wait):
    """Kill at the count-th new file that is being written, `wait` seconds after it shows."""
    seen, present, limit = 0, set(), time.monotonic() + LEG
    while process.poll() is None and time.monotonic() < limit:
        now = set(glob.glob(os.path.join(folder, "logs", "fashion*", ".*.partial")))
        seen += len(now - present)
        if seen >= count and now - present:
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            process.wait()
            return f"while {os.path.basename(sorted(now - present)[0])} was written"
        present = now
        time.sleep(0.0005)
    return None


def check_files(folder):
    """Read every file of a run; returns (epoch of the last checkpoint, epochs in history.csv, partial files left)."""
    run = run_folder(folder)
    if run is None:
        return 0, [], []
    from PIL import Image

    last = 0
    for path in glob.glob(os.path.join(run, "*.h5")):
        with h5py.File(path) as file:
            file.visititems(lambda name, item: item[()] if isinstance(item, h5py.Dataset) else None)
        numbered = re.search(r"_(\d{4})\.h5$", path)
        last = max(last, int(numbered.group(1)) if numbered else 0)
    if last:
        assert glob.glob(os.path.join(run, f"*_{last:04d}.state.h5")), "the last checkpoint has no training state"
    if os.path.exists(os.path.join(run, "curves.png")):
        Image.open(os.path.join(run, "curves.png")).load()
    epochs = [int(row["epoch"]) for row in history(run)]
    assert max(collections.Counter(epochs).values(), default=1) == 1, f"epochs twice in history.csv: {epochs}"
    assert set(range(last)) <= set(epochs), f"checkpoint of epoch {last}, but history.csv has {epochs}"
    return last, epochs, [os.path.basename(path) for path in glob.glob(os.path.join(run, ".*.partial"))]


def history(run):
    """Rows of a run's history.csv."""
    path = os.path.join(run, "history.csv")
    if not os.path.exists(path):
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def broken_run(folder, epochs, kills, epoch_seconds, rng):
    """Start, kill, check and take up again; at last let it end. Returns the number of kills done."""
    done, reached = 0, 0
    while True:
        begun = glob.glob(os.path.join(folder, "logs", "fashion*", "*_[0-9]*.h5"))
        if not begun and run_folder(folder):  # killed before it wrote the weights that it began from
            shutil.rmtree(run_folder(folder))
        process = start(folder, epochs, "last" if begun else "none")
        what = None
        if done < kills:
            if done % 2 == 0:
                what = kill_at_random(process, folder, rng.uniform(0, 1.0) * epoch_seconds)
            else:
                what = kill_while_writing(process, folder, rng.randint(1, 9), rng.choice([0, 0, 0.002, 0.01]))
        if what is None:
            assert process.wait() == 0, output_of(folder)[-2000:]
            return done
        done += 1
        last, rows, partial = check_files(folder)
        assert last >= reached, f"epoch {reached} was reached, now the last checkpoint is of {last}"
        print(f"kill {done:2} {what:50} last checkpoint {last:2}, rows {len(rows):2}, partial files: "
              f"{', '.join(partial) or 'none'}", flush=True)
        reached = last


def compare(whole, broken):
    """Print how two finished runs differ; returns the largest difference of a weight."""
    rows = [history(run_folder(folder)) for folder in (whole, broken)]
    assert [row["epoch"] for row in rows[0]] == [row["epoch"] for row in rows[1]], "other epochs"
    worst = collections.defaultdict(float)
    for one, other in zip(*rows):
        for name, value in one.items():
            a, b = float(value), float(other[name])
            assert np.isnan(a) == np.isnan(b), f"{name} of epoch {one['epoch']} is {a} and {b}"
            kind = "AP and IoU" if "AP" in name or "IoU" in name else "losses"
            worst[kind] = max(worst[kind], 0 if np.isnan(a) else abs(a - b))
    for kind, value in sorted(worst.items()):
        print(f"largest difference of {kind}, all {len(rows[0])} epochs: {value:.2e}")
    last = f"*_{len(rows[0]):04d}.h5"
    files = [glob.glob(os.path.join(run_folder(folder), last))[0] for folder in (whole, broken)]
    apart, size = 0.0, 0.0
    with h5py.File(files[0]) as one, h5py.File(files[1]) as other:
        names = []
        one.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in names:
            apart = max(apart, float(np.abs(one[name][()] - other[name][()]).max()))
            size = max(size, float(np.abs(one[name][()]).max()))
    print(f"largest difference of a weight after {len(rows[0])} epochs: {apart:.2e} (largest weight {size:.2f})")
    return apart


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tolerance", type=float, default=1e-5, help="of the weights at the end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = os.path.join(folder, "whole"), os.path.join(folder, "broken")
        os.makedirs(whole)
        os.makedirs(broken)
        process = start(whole, options.epochs, "none")
        while "Starting at epoch" not in output_of(whole):
            assert process.poll() is None, output_of(whole)[-2000:]
            time.sleep(0.05)
        began = time.monotonic()
        assert process.wait() == 0, output_of(whole)[-2000:]
        seconds = (time.monotonic() - began) / options.epochs
        print(f"one unbroken run: {options.epochs} epochs, {len(history(run_folder(whole)))} rows", flush=True)
        kills = broken_run(broken, options.epochs, options.kills, seconds, random.Random(options.seed))
        last, rows, partial = check_files(broken)
        print(f"{kills} kills; then it ran to its end: epoch {last}, rows {rows == list(range(options.epochs))}, "
              f"partial files: {', '.join(partial) or 'none'}")
        apart = compare(whole, broken)
        good = kills == options.kills and rows == list(range(options.epochs)) and apart <= options.tolerance
        print(f"{'as one run' if good else 'NOT as one run'} (tolerance {options.tolerance:g})")
        return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
