"""Peak memory of a training step: a canvas of 1024 pixels, batch 1, ResNet50 with FPN, all layers.

    python benchmarks/memory.py
    python benchmarks/memory.py --way "as is" --size 512 --steps 8 --backbone resnet152     with times and losses

Each way of training runs in a process of its own, two steps on made pictures, one after the other: as is, with
gradient checkpointing, in bfloat16, and with both. The figure is the most that the process ever held, as Linux counts
it, so libraries, weights and optimizer are in it.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WAYS = {
    "as is": {},
    "gradient checkpointing": {"GRADIENT_CHECKPOINTING": True},
    "mixed_bfloat16": {"PRECISION": "mixed_bfloat16"},
    "mixed_bfloat16, checkpointing": {"PRECISION": "mixed_bfloat16", "GRADIENT_CHECKPOINTING": True},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=1024, help="side of the canvas, pixels")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--way", choices=list(WAYS), help="only this one, in this process")
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(WAYS[arguments.way], arguments)))
        return
    print(f"training step, {arguments.backbone}, {arguments.size} pixels, batch 1, all layers", flush=True)
    for way in WAYS:
        command = [sys.executable, __file__, "--way", way, "--size", str(arguments.size), "--steps",
                   str(arguments.steps), "--backbone", arguments.backbone]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{way:30} failed: {done.stderr.strip().splitlines()[-1]}", flush=True)
            continue
        peaks = json.loads(done.stdout.strip().splitlines()[-1])
        print(
            f"{way:30} peak {peaks['peak']:5.2f} GB, of these {peaks['before']:4.2f} GB before the first step",
            flush=True,
        )


def measure(settings, arguments):
    """Of a few steps in this process: {"before" the first one, "peak": GB, "seconds": median of the steps after the
    first, "processor_seconds": the same of all cores, "losses": of each step, "layers", "weights": numbers}."""
    from mrcnn.config import Config
    from mrcnn.network.mask_rcnn import build_mask_rcnn
    from mrcnn.training.optimizer import make_optimizer
    from mrcnn.training.stages import select_layers, set_trainable_layers

    size = arguments.size
    config = Config(NUM_CLASSES=14, BACKBONE=arguments.backbone, IMAGE_MIN_DIM=size, IMAGE_MAX_DIM=size,
                    IMAGES_PER_GPU=1, **settings)
    model = build_mask_rcnn(config)[0]
    set_trainable_layers(model, select_layers(model, "all", frozen_norm=True))
    model.compile(optimizer=make_optimizer(model, config, 0.001, 0.9, 0), jit_compile=False)
    batch, before = made_batch(config), peak_gigabytes()
    losses, seconds, work = [], [], []
    for _ in range(arguments.steps):
        start, busy = time.perf_counter(), time.process_time()
        losses.append(float(model.train_on_batch(batch, return_dict=True)["loss"]))
        seconds.append(time.perf_counter() - start)
        work.append(time.process_time() - busy)
    return {"backbone": arguments.backbone, "before": before, "peak": peak_gigabytes(),
            "seconds": statistics.median(seconds[1:]), "processor_seconds": statistics.median(work[1:]),
            "losses": losses, "layers": len(model.layers), "weights": model.count_params()}


def made_batch(config):
    """One picture of noise with ten bright rectangles, which are the objects."""
    import numpy as np

    rng, side, count = np.random.default_rng(0), int(config.IMAGE_SHAPE[0]), 10
    objects = config.MAX_GT_INSTANCES
    corner = rng.integers(0, side // 2, (count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(side // 16, side // 2, (count, 2))], axis=1)
    image = rng.integers(0, 100, (side, side, 3)).astype("uint8")
    for y1, x1, y2, x2 in boxes:
        image[y1:y2, x1:x2] += 100
    batch = {
        "image": image,
        "window": np.array([0, 0, side, side], "float32"),
        "gt_boxes": np.zeros((objects, 4), "float32"),
        "gt_class_ids": np.zeros(objects, "int32"),
        "gt_masks": np.zeros((objects, *config.MINI_MASK_SHAPE), "uint8"),
        "gt_valid": np.arange(objects) < count,
        "gt_crowd": np.zeros(objects, bool),
        "active_classes": np.ones(config.NUM_CLASSES, bool),
    }
    batch["gt_boxes"][:count] = boxes
    batch["gt_class_ids"][:count] = rng.integers(1, config.NUM_CLASSES, count)
    batch["gt_masks"][:count] = 255
    return {name: value[None] for name, value in batch.items()}


def peak_gigabytes():
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
