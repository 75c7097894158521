"""What each piece of the training recipe gives: the same short training with one setting changed at a time.

    python benchmarks/recipe.py --images photos --train instances_train.json --val instances_val.json --logs runs

Each row is one training of EfficientNet-Lite0 at 256 pixels from ImageNet weights: one epoch of the heads, which all
rows of a seed share, then one (or --epochs) of all layers with the row's settings. What is changed acts after the
first epoch alone, but for the random start, which trains all layers in all. Masks of 56x56 and the point head are rows
of mask_heads.py, cascades and more regions of one_more_epoch.py. The AP is that of val. Rows that are done
lie in --logs and are not trained again, so an interrupted run of this program goes on; --rows 'NAME;NAME' takes some
rows only.
"""

import argparse
import glob
import json
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NETWORK = """--backbone efficientnet_lite0 --batch-size 4 --set IMAGE_RESIZE_MODE=rectangle --set IMAGE_MIN_DIM=0
    --set IMAGE_MAX_DIM=256 --set RPN_ANCHOR_SCALES=[8,16,32,64,128] --set TOP_DOWN_PYRAMID_SIZE=128
    --set RPN_CHANNELS=128 --set MASK_CHANNELS=128 --set FPN_CLASSIF_FC_LAYERS_SIZE=512 --set HEAD_NORM=group
    --set TRAIN_ROIS_PER_IMAGE=64 --set POST_NMS_ROIS_TRAINING=500 --set PRE_NMS_PER_LEVEL_TRAINING=500
    --set POST_NMS_ROIS_INFERENCE=300 --set MAX_GT_INSTANCES=40 --set OPTIMIZER=adamw --set WEIGHT_DECAY=0.01
    --set WARMUP_STEPS=50""".split()
HEADS = "heads:1:1e-3"
STAGES = "all:{epochs}:4e-4"
ROWS = {  # name: options beside those of the base, which come later and so win
    "base": "",
    "augment none": "--augment none",
    "augment jitter": "--augment jitter",
    "augment copy-paste": "--augment copy-paste",
    "augment imgaug": "--augment imgaug",
    "cosine": "--set LR_SCHEDULE=cosine",
    "EMA 0.99": "--set EMA_DECAY=0.99",
    "EMA 0.99, cosine": "--set EMA_DECAY=0.99 --set LR_SCHEDULE=cosine",
    "label smoothing 0.1": "--set LABEL_SMOOTHING=0.1",
    "box loss l1": "--set BBOX_LOSS=l1",
    "box loss GIoU": "--set BBOX_LOSS=giou",
    "soft mask targets": "--set SOFT_MASK_TARGETS=true",
    "repeat threshold 0.2": "--set REPEAT_THRESHOLD=0.2",
    "class-balanced loss": "--set CLASS_LOSS=class-balanced",
    "seesaw loss": "--set CLASS_LOSS=seesaw",
    "layer decay 0.7": "--set LAYER_DECAY=0.7",
    "accumulate 2, rate x 1.4": "--set ACCUMULATE_STEPS=2 --stages all:{epochs}:5.6e-4",
    "SGD, rate 1e-2": "--set OPTIMIZER=sgd --set WEIGHT_DECAY=0.0001 --stages all:{epochs}:1e-2",
    "aspect buckets": "--set ASPECT_BUCKETS=true",
    "random start": "--weights none",
}


def fashion(*arguments):
    """Run a command of samples/fashion.py; its output goes to the error stream."""
    command = [sys.executable, os.path.join(ROOT, "samples", "fashion.py"), *arguments]
    subprocess.run(command, check=True, stdout=sys.stderr)


def last_checkpoint(logs):
    checkpoints = sorted(glob.glob(os.path.join(logs, "fashion*", "mask_rcnn_fashion_[0-9][0-9][0-9][0-9].h5")))
    return checkpoints[-1] if checkpoints else None


def trained(logs, options, name, seed):
    """Folder of a finished training of the row `name`, which is trained if it is not there."""
    data = ["--images", options.images, "--train", options.train, "--val", options.val, "--seed", str(seed)]
    longer = "" if options.epochs == 1 else f"-{options.epochs}_epochs"
    folder = os.path.join(logs, f"{name.replace(' ', '_').replace(',', '')}-{seed}{longer}")
    if not os.path.exists(os.path.join(folder, "seconds")):
        heads = os.path.join(logs, f"heads-{seed}")
        if name == "random start":
            start = ["--stages", f"all:1:1e-3,{STAGES}"]
        else:
            if not last_checkpoint(heads):
                fashion("train", *data, *NETWORK, "--logs", heads, "--weights", "imagenet", "--augment", "flip",
                        "--stages", HEADS, "--set", f"WORKERS={options.workers}")
            start = ["--weights", last_checkpoint(heads), "--stages", STAGES]
        begin = time.perf_counter()
        row = [part.format(epochs=options.epochs) for part in (*start, *ROWS[name].split())]
        fashion("train", *data, *NETWORK, "--augment", "flip", "--logs", folder, *row, "--set",
                f"WORKERS={options.workers}")
        with open(os.path.join(folder, "seconds"), "w") as file:
            file.write(f"{time.perf_counter() - begin:.0f}")
    return folder


def measured(folder, options):
    """{"segm": [AP, AP50, AP75], "bbox": ...} of a trained row on val."""
    path = os.path.join(folder, "measured", "metrics.json")
    if not os.path.exists(path):
        fashion("evaluate", "--weights", last_checkpoint(folder), "--images", options.images, "--annotations",
                options.val, "--output", os.path.dirname(path), "--no-report")
    with open(path) as file:
        return json.load(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("images", "train", "val", "logs"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rows", help="some rows only, with ; between them")
    parser.add_argument("--seeds", default="0", help="e.g. 0,1")
    parser.add_argument("--epochs", type=int, default=1, help="of all layers")
    parser.add_argument("--workers", type=int, default=1, help="threads that prepare batches")
    options = parser.parse_args()
    names = options.rows.split(";") if options.rows else list(ROWS)
    print(f"{'row':26} {'seed':>4} {'AP':>7} {'AP50':>7} {'AP75':>7} {'box AP':>7}", flush=True)
    for seed in map(int, options.seeds.split(",")):
        for name in names:
            folder = trained(options.logs, options, name, seed)
            metrics = measured(folder, options)
            masks, boxes = metrics["segm"], metrics["bbox"]
            print(f"{name:26} {seed:4} {masks['AP']:7.3f} {masks['AP50']:7.3f} {masks['AP75']:7.3f} "
                  f"{boxes['AP']:7.3f}", flush=True)


if __name__ == "__main__":
    main()
