"""Faults put in on purpose: a full disk, a folder that cannot be made, kills at random moments, two processes at once.

    python benchmarks/faults.py [--kills 12] [--seed 0]

Every command that writes is run with each fault of the disk; it has to end with exit code 2 and one line that names the
file, and to leave no part of one. `evaluate` and `data convert` are killed with SIGKILL at moments drawn from the seed,
over a whole set of results: all of it has to be the old one or the new one. Two trainings are started at once, and two
that go on with one run. Exit code 1 if anything else happened. `kill_resume.py` kills trainings.
"""

import argparse
import contextlib
import glob
import hashlib
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
NETWORK = ["BACKBONE=small", "TOP_DOWN_PYRAMID_SIZE=16", "RPN_CHANNELS=16", "MASK_CHANNELS=16",
           "FPN_CLASSIF_FC_LAYERS_SIZE=32", "TRAIN_ROIS_PER_IMAGE=16", "POST_NMS_ROIS_TRAINING=50",
           "POST_NMS_ROIS_INFERENCE=30", "DETECTION_MAX_INSTANCES=10", "WARMUP_STEPS=2", "WORKERS=0"]
SETTINGS = ["--image-size", "64", *(word for setting in NETWORK for word in ("--set", setting))]
ROOM = 60  # bytes that a file may have where the disk is full: less than any output has
TRAIN = ["train", "--limit", "4", "--batch-size", "2", "--weights", "none", "--stages", "all:1:1e-2", *SETTINGS]
ENVIRONMENT = {**os.environ, "PYTHONPATH": ROOT, "PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def commands(weights, out):
    """{what it is called here: words} of the commands that write below a folder."""
    of_network = ["--weights", weights, "--limit", "2", "--output"]
    data = ["--annotations", "data/a.json", "--images", "data", "--output"]
    return {
        "train": [*TRAIN, "--logs", f"{out}/logs"],
        "tune": ["tune", "--limit", "4", "--batch-size", "2", "--weights", "none", "--trials", "1", "--epochs", "1",
                 "--steps", "1", *SETTINGS, "--logs", f"{out}/study"],
        "evaluate": ["evaluate", *of_network, f"{out}/evaluation"],
        "evaluate --pixels": ["evaluate", "--pixels", *of_network, f"{out}/pixels"],
        "detect": ["detect", *of_network, f"{out}/detections"],
        "label": ["label", *of_network, f"{out}/labels"],
        "diagnose": ["diagnose", *of_network, f"{out}/diagnosis"],
        **{f"export {form}": ["export", "--weights", weights, "--format", form, "--output", f"{out}/{form}"]
           for form in ("savedmodel", "onnx", "litert")},
        "data summary": ["data", "summary", *data, f"{out}/summary"],
        "data validate": ["data", "validate", *data, f"{out}/faults.json"],
        "data convert": ["data", "convert", "--to", "coco", *data, f"{out}/coco.json"],
        "data split": ["data", "split", *data, f"{out}/split.json"],
        "data show": ["data", "show", *data, f"{out}/photos.png"],
    }


# --- Faults of the disk ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def full_disk():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run_here(words, fault):
    """(exit code or the error that came through, lines of stderr) of a command in this process."""
    from mrcnn.commands.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), fault:
        try:
            code = main(words)
        except BaseException as error:
            code = f"{type(error).__name__}: {str(error)[:100]}"
    lines = err.getvalue().strip().splitlines()
    return code, [line for line in lines if line.startswith("error: ")] or lines


def outcome(words, fault, folder):
    """What happened, "one line" if it is as it has to be."""
    code, lines = run_here(words, fault)
    parts = [os.path.relpath(os.path.join(place, name), folder) for place, _, names in os.walk(folder)
             for name in names if ".partial" in name]
    if code != 2:
        return f"NOT refused: {code}"
    if len(lines) != 1 or folder not in lines[0]:
        return f"NOT one line that names the file: {lines[-1:]}"
    return f"NOT tidy: {', '.join(parts)}" if parts else "one line"


def disk_faults(weights):
    """Print a row for each command; returns how many outcomes are not as they have to be."""
    bad = 0
    print(f"{'command':20}{'full disk':24}{'no folder can be made there':24}", flush=True)
    for name in commands(weights, ""):
        outcomes = []
        for fault in ("full", "file"):
            with tempfile.TemporaryDirectory() as folder:
                if fault == "file":
                    folder = os.path.join(folder, "file")
                    open(folder, "w").close()
                words = commands(weights, folder)[name]
                outcomes.append(outcome(words, full_disk() if fault == "full" else contextlib.nullcontext(), folder))
        bad += sum(text != "one line" for text in outcomes)
        print(f"{name:20}{outcomes[0]:24}{outcomes[1]:24}", flush=True)
    return bad


# --- Kills and two at once -------------------------------------------------------------------------------------------


def process(words):
    """A command in a process of its own, its output kept."""
    return subprocess.Popen([sys.executable, "-m", "mrcnn", *words], env=ENVIRONMENT, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def digests(folder):
    """{name: SHA-256} of the files that a command wrote, parts left out."""
    names = [name for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    return {name: hashlib.sha256(open(os.path.join(folder, name), "rb").read()).hexdigest() for name in names}


def kill_evaluate(weights, kills, rng):
    """Kill `evaluate` over the results of another threshold; returns how many sets were mixed."""
    whole = {}
    for least in ("0.0", "0.9"):
        words = ["evaluate", "--weights", weights, "--limit", "4", "--min-confidence", least, "--output", "kept"]
        began = time.monotonic()
        process(words).communicate()
        took = time.monotonic() - began
        whole[least] = digests("kept")
    # What differs from run to run, such as a time in the report, tells nothing.
    mixed, old = 0, 0
    for _ in range(kills):
        one = process(words[:-3] + ["0.0", "--output", "kept"])
        with contextlib.suppress(subprocess.TimeoutExpired):
            one.communicate(timeout=rng.uniform(0.6, 1.02) * took)
        one.send_signal(signal.SIGKILL)
        one.communicate()
        now = {name: value for name, value in digests("kept").items() if whole["0.0"][name] != whole["0.9"][name]}
        is_old, is_new = (all(now[name] == whole[least][name] for name in now) for least in ("0.9", "0.0"))
        mixed, old = mixed + (not (is_old or is_new)), old + is_old
        if is_new:
            process(words).communicate()
    print(f"evaluate killed {kills} times: {old} times the old results, {kills - old - mixed} times the new ones, "
          f"{mixed} times a mixture", flush=True)
    return mixed


def two_at_once():
    """Start two trainings, then two that go on with one run; returns how many things went wrong."""
    both = [process([*TRAIN, "--logs", "twice"]) for _ in range(2)]
    for one in both:
        one.communicate()
    folders = glob.glob("twice/fashion*")
    apart = len(folders) == 2 and all(one.returncode == 0 for one in both)
    codes = [one.returncode for one in both]
    print(f"two trainings at once: {len(folders)} run folders, exit codes {codes}", flush=True)
    onward = ["train", "--limit", "4", "--weights", "last", "--stages", "all:6:1e-2", "--logs", "twice"]
    both = [process(onward) for _ in range(2)]
    texts = [one.communicate()[0].strip().splitlines()[-1] for one in both]
    codes = [one.returncode for one in both]
    print(f"two that go on with one run: exit codes {codes}; the second says: {texts[codes.index(max(codes))]}")
    return int(not apart) + int(sorted(codes) != [0, 2])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        made_data()
        print(process([*TRAIN, "--logs", "logs"]).communicate()[0].strip().splitlines()[-1])
        weights = os.path.abspath(sorted(glob.glob("logs/fashion*/*_0001.h5"))[-1])
        bad = disk_faults(weights)
        bad += kill_evaluate(weights, options.kills, random.Random(options.seed))
        bad += two_at_once()
        os.chdir(ROOT)
    print("all as it has to be" if not bad else f"{bad} NOT as it has to be")
    return int(bad > 0)


def made_data():
    """Two photos with an object each, in the folder data."""
    import numpy as np
    from PIL import Image

    os.mkdir("data")
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(os.path.join("data", name))
    outline = [[10, 10, 40, 10, 40, 40, 10, 40]]
    with open("data/a.json", "w") as file:
        json.dump({"images": [{"id": i, "file_name": f"{'ab'[i]}.jpg", "height": 60, "width": 80} for i in range(2)],
                   "categories": [{"id": 1, "name": "hat"}],
                   "annotations": [{"id": i, "image_id": i, "category_id": 1, "segmentation": outline, "iscrowd": 0}
                                   for i in range(2)]}, file)


if __name__ == "__main__":
    sys.exit(main())
