"""One epoch more from a trained checkpoint, with one setting changed: AP, and cost as ratios.

    python benchmarks/one_more_epoch.py --weights logs/fashion.../mask_rcnn_fashion_0006.h5 --images photos \\
        --train instances_train.json --val instances_val.json --logs runs

From one checkpoint of --preset ccp each row trains all layers on for an epoch; further box heads begin with the weights
of the first. Rows that are done lie in --logs and are not trained again. Then the networks of the rows detect the same
photos and take training steps in turn, in one process; what is printed is the ratio of the medians.
"""

import argparse
import functools
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import mrcnn  # noqa: E402, F401  (sets oneDNN before TensorFlow is imported)

ROWS = {  # name: settings that are not those of the preset
    "base": {},
    "cascade 0.6": {"CASCADE_IOUS": [0.6]},
    "cascade 0.6 and 0.7": {"CASCADE_IOUS": [0.6, 0.7]},
    "256 regions": {"TRAIN_ROIS_PER_IMAGE": 256, "POST_NMS_ROIS_TRAINING": 1000},
    "192 pixels": {"IMAGE_MAX_DIM": 192},
    "384 pixels": {"IMAGE_MAX_DIM": 384},
}
SETTINGS = ("--preset ccp --set IMAGE_MIN_DIM=0 --set IMAGE_MAX_DIM=256 --set WARMUP_STEPS=20 "
            "--stages all:1:2e-4").split()


def command(*arguments):
    """Run a command of mrcnn; its output goes to the error stream."""
    subprocess.run([sys.executable, "-m", "mrcnn", *arguments], check=True, stdout=sys.stderr,
                   env={**os.environ, "PYTHONPATH": ROOT})


def checkpoint_of(folder):
    found = sorted(glob.glob(os.path.join(folder, "*", "*_0001.h5")))
    return found[-1] if found else None


def trained(options, name, seed):
    """Checkpoint of a row, which is trained if it is not there."""
    folder = os.path.join(os.path.abspath(options.logs), f"{name.replace(' ', '_')}-{seed}")
    if checkpoint_of(folder) is None:
        changed = [part for setting, value in ROWS[name].items() for part in ("--set", f"{setting}={value}")]
        command("train", "--images", options.images, "--train", options.train, "--val", options.val, *SETTINGS,
                *changed, "--weights", options.weights, "--seed", str(seed), "--logs", folder)
    return checkpoint_of(folder)


def measured(options, checkpoint):
    """{"segm": {"AP": ...}, "bbox": ...} of a checkpoint on val."""
    folder = os.path.join(os.path.dirname(os.path.dirname(checkpoint)), "measured")
    path = os.path.join(folder, "metrics.json")
    if not os.path.exists(path):
        command("evaluate", "--weights", checkpoint, "--images", options.images, "--annotations", options.val,
                "--output", folder, "--no-report")
    with open(path) as file:
        return json.load(file)


def costs(options, checkpoints):
    """Print what a detection and a training step of each row cost against the first: ratios of medians."""
    from mrcnn.data.batches import Batches
    from mrcnn.data.formats import open_dataset
    from mrcnn.model import MaskRCNN
    from mrcnn.weights.files import settings_of

    dataset, times = open_dataset(options.val, options.images), {}
    photos = [dataset.load_image(index) for index in range(options.photos)]
    with tempfile.TemporaryDirectory() as folder:
        runs = {}
        for name, checkpoint in checkpoints.items():
            config = MaskRCNN.settings.from_dict(settings_of(checkpoint)["config"], WORKERS=0)
            model = MaskRCNN("training", config, folder)
            model.load_weights(checkpoint)
            model.compile(1e-6, 0.9)
            batch = Batches(dataset, config)[0]
            batch = batch[0] if isinstance(batch, tuple) else batch
            detect = [functools.partial(model.detect, [photo]) for photo in photos]
            step = functools.partial(model.training_model.train_on_batch, batch)
            runs[name] = {"detection": detect, "training step": [step]}
            for work in runs[name].values():
                work[0]()  # traced
        for _ in range(options.repeat):
            for name, work in runs.items():
                for kind, calls in work.items():
                    for call in calls:
                        begin = time.perf_counter()
                        call()
                        times.setdefault((name, kind), []).append(time.perf_counter() - begin)
    for kind in ("detection", "training step"):
        one = statistics.median(times[next(iter(checkpoints)), kind])
        print(f"{kind}: " + ", ".join(
            f"{name} {statistics.median(times[name, kind]) / one:.2f}" for name in checkpoints) + f" ({one:.2f} s)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("weights", "images", "train", "val", "logs"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rows", default=";".join(ROWS), help="some rows only, with ; between them")
    parser.add_argument("--seeds", default="0", help="e.g. 0,1")
    parser.add_argument("--photos", type=int, default=10, help="photos of a turn of detections")
    parser.add_argument("--repeat", type=int, default=5, help="turns")
    options = parser.parse_args()
    checkpoints = {}
    print(f"{'row':20} {'seed':>4} {'AP':>7} {'AP50':>7} {'AP75':>7} {'box AP':>7} {'AP50':>7} {'AP75':>7}")
    for seed in map(int, options.seeds.split(",")):
        for name in options.rows.split(";"):
            checkpoint = trained(options, name, seed)
            checkpoints.setdefault(name, checkpoint)
            figures = measured(options, checkpoint)
            numbers = [figures[kind][figure] for kind in ("segm", "bbox") for figure in ("AP", "AP50", "AP75")]
            print(f"{name:20} {seed:4} " + " ".join(f"{number:7.3f}" for number in numbers), flush=True)
    costs(options, checkpoints)


if __name__ == "__main__":
    main()
