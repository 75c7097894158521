"""Masks of 28x28, of 56x56 and of the point head, on the same detections: figures of merit, and cost as ratios.

    python benchmarks/mask_heads.py --weights logs/fashion.../mask_rcnn_fashion_0013.h5
    python benchmarks/mask_heads.py --weights logs/fashion.../mask_rcnn_fashion_0006.h5 --images photos \\
        --train instances_train.json --val instances_val.json --canvas 384

The checkpoint is one of `python samples/fashion.py train` on drawn pictures, or one of `--preset ccp` on the photos
that are given. The whole network first goes on learning at a larger resolution, so that large objects have more pixels
than a mask of 28x28 has cells. Then each kind of mask head learns from random weights for the same number of steps with
all else frozen: boxes, classes and scores stay the same, and whatever differs between the rows of the table is the
masks. The cost is measured twice: of these networks, and of a detection with ResNet50 and heads of the default width.
"""

import argparse
import functools
import os
import re
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "samples")]

import mrcnn  # noqa: E402, F401  (sets oneDNN before TensorFlow is imported)

HEADS = {
    "conv 28x28": {},
    "conv 56x56": {"MASK_SHAPE": [56, 56]},
    "points 112x112": {"MASK_HEAD": "points"},
}
DRAWN_ANCHORS = (16, 32, 64, 128, 256)
LARGE = 64  # pixels of a true box's longer side
MASK_LAYERS = r"mrcnn_mask.*"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", required=True, help="checkpoint of a training on the same pictures")
    for name in ("images", "train", "val"):
        parser.add_argument(f"--{name}", help="photos in place of drawn pictures")
    parser.add_argument("--canvas", type=int, default=256, help="pixels")
    parser.add_argument("--adapt", type=int, default=200, help="steps of the whole network at the new resolution")
    parser.add_argument("--adapt-rate", type=float, default=1e-2)
    parser.add_argument("--steps", type=int, default=400, help="steps of each mask head")
    parser.add_argument("--pictures", type=int, default=60, help="drawn pictures to evaluate on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=5, help="runs of which the best time counts")
    options = parser.parse_args()
    if options.train:
        from mrcnn.data.formats import open_dataset

        train_set, val_set = (open_dataset(path, options.images) for path in (options.train, options.val))
    else:
        train_set, val_set = drawn(800, 0), drawn(options.pictures, 1)
    with tempfile.TemporaryDirectory() as folder:
        start = adapted(options, train_set, folder)
        models = {name: trained(name, start, options, train_set, folder) for name in HEADS}
    print(f"\n{options.adapt} steps of the whole network, {options.steps} of each mask head; {len(val_set.image_ids)} "
          f"unseen pictures\nmatched: same class, boxes overlap by half; large: box side of {LARGE} pixels or more\n"
          "gain: of the mean IoU over that of the first row, and its standard error over pictures")
    print(f"{'masks':16}{'AP':>8}{'AP50':>8}{'AP75':>8}{'IoU':>9}{'IoU large':>11}{'matched':>9}{'box AP':>8}"
          f"{'gain':>9}{'error':>9}")
    first = None
    for name, model in models.items():
        row, overlaps = quality(model, val_set)
        first = first or overlaps
        print(f"{name:16}{row}{gain(overlaps, first)}", flush=True)
    costs(models, train_set, val_set, options.repeat)
    cost_with_resnet50(options.repeat)


def gain(overlaps, first):
    """Mean gain of {(picture, object): IoU} over `first`, and its standard error, pictures being drawn anew."""
    pictures = {}
    for key in overlaps.keys() & first.keys():
        pictures.setdefault(key[0], []).append(overlaps[key] - first[key])
    total, count = np.array([(sum(gains), len(gains)) for gains in pictures.values()]).T
    mean = total.sum() / count.sum()
    error = np.sqrt(len(count) / max(len(count) - 1, 1) * np.sum((total - mean * count) ** 2)) / count.sum()
    return f"{mean:9.4f}{error:9.4f}"


def drawn(count, seed):
    from mrcnn.data.drawn.people import DrawnPeople

    pictures = DrawnPeople()
    pictures.load_drawn(count, size=(256, 192), seed=seed)
    pictures.prepare()
    return pictures


def network(weights, options, folder, steps, exclude=(), **settings):
    """The network of a checkpoint at the benchmark's resolution, with its weights but for the layers excluded."""
    from mrcnn.config import Config
    from mrcnn.model import MaskRCNN
    from mrcnn.weights.files import settings_of

    square = {"IMAGE_MIN_DIM": options.canvas, "RPN_ANCHOR_SCALES": DRAWN_ANCHORS}
    settings = {
        **({} if options.train else square), "IMAGE_MAX_DIM": options.canvas, "SEED": options.seed,
        "STEPS_PER_EPOCH": steps, "NAME": "mask_heads", "MINI_MASK_SHAPE": (112, 112), "LR_SCHEDULE": "cosine",
        "WARMUP_STEPS": 20, "DETECTION_MIN_CONFIDENCE": 0.05, "MASK_SCORES": False, **settings,
    }
    config = Config.from_dict(settings_of(weights)["config"], **settings)
    model = MaskRCNN("training", config, folder)
    model.load_weights(weights, by_name=True, exclude=exclude)
    model.epoch = 0
    model.set_log_dir()
    return model


def adapted(options, train_set, folder):
    """Path of the weights that every head starts from."""
    model = network(options.weights, options, folder, options.adapt)
    model.train(train_set, None, options.adapt_rate, 1, "all")
    path = os.path.join(folder, "start.h5")
    model.save_weights(path)
    return path


def trained(name, start, options, train_set, folder):
    """A network with one of the heads, after its share of steps."""
    from mrcnn.weights.files import read_layers, settings_of

    exclude = [layer for layer in read_layers(start) if re.fullmatch(MASK_LAYERS, layer)]
    settings = dict(HEADS[name])
    if "MASK_HEAD" in settings:
        settings["POINT_HEAD_CHANNELS"] = max(64, settings_of(start)["config"]["MASK_CHANNELS"])
    model = network(start, options, folder, options.steps, exclude, OPTIMIZER="adamw", **settings)
    begun = time.perf_counter()
    model.train(train_set, None, 2e-3, 1, MASK_LAYERS)
    print(f"{name}: {options.steps} steps in {time.perf_counter() - begun:.0f} s", flush=True)
    return model


def quality(model, val_set):
    """One row of the table, and the IoU of each object."""
    from mrcnn.evaluation.evaluate import detect_all, measure

    results, ground_truth = detect_all(model, val_set, progress=False)
    metrics = measure(ground_truth, results)
    by_object, sides = matched_overlaps(results, ground_truth)
    overlaps, masks = np.array(list(by_object.values())), metrics["segm"]
    row = (f"{masks['AP']:8.3f}{masks['AP50']:8.3f}{masks['AP75']:8.3f}{overlaps.mean():9.4f}"
           f"{overlaps[sides >= LARGE].mean():11.4f}{len(overlaps):9}{metrics['bbox']['AP']:8.3f}")
    return row, by_object


def matched_overlaps(results, ground_truth):
    """{(picture, object): mask IoU} with the best detection of its class whose box overlaps its own by half, and the
    longer sides of the true boxes. Matching by boxes gives all heads the same pairs."""
    from pycocotools import mask as coco_mask

    by_class = {}
    for result in results:
        by_class.setdefault((result["image_id"], result["category_id"]), []).append(result)
    overlaps, sides = {}, []
    for truth in ground_truth["annotations"]:
        candidates = by_class.get((truth["image_id"], truth["category_id"]), [])
        if not candidates:
            continue
        boxes = coco_mask.iou([c["bbox"] for c in candidates], [truth["bbox"]], [0])[:, 0]
        good = [c for c, overlap in zip(candidates, boxes) if overlap >= 0.5]
        if good:
            best = max(good, key=lambda c: c["score"])
            overlap = coco_mask.iou([best["segmentation"]], [truth["segmentation"]], [0])[0, 0]
            overlaps[truth["image_id"], truth["id"]] = overlap
            sides.append(max(truth["bbox"][2:]))
    return overlaps, np.array(sides)


def costs(models, train_set, val_set, repeat):
    """Time of a detection and of a training step of all layers, as ratios to the plain head's, taking turns."""
    from mrcnn.data.batches import Batches

    photos = [val_set.load_image(image_id) for image_id in val_set.image_ids[:4]]
    batch = Batches(train_set, next(iter(models.values())).config, shuffle=False)[0][0]
    detections, steps = [], []
    for model in models.values():
        model.set_trainable("all", verbose=0)
        model.compile(1e-9, 0.9)
        detections.append(functools.partial(model.detect, photos, rle=True))
        steps.append(functools.partial(model.training_model.train_on_batch, batch))
    report("detection of 4 pictures, this network", detections, repeat)
    report("training step of 4 pictures, this network", steps, repeat)


def cost_with_resnet50(repeat, size=512):
    """Time of a detection of 100 objects with random weights, as ratios to the plain head's."""
    import keras
    from network import calm, config

    from mrcnn.network.mask_rcnn import build_mask_rcnn

    image = np.random.default_rng(0).uniform(0, 255, (1, size, size, 3)).astype("float32")
    inputs = {"image": image, "window": np.array([[0, 0, size, size]], "float32")}
    inputs["min_confidence"] = np.zeros(1, "float32")
    functions = []
    for settings in HEADS.values():
        settings = {**settings, "POINT_HEAD_CHANNELS": 256, "DETECTION_MIN_CONFIDENCE": 0.0}
        keras.utils.set_random_seed(0)
        _, model = build_mask_rcnn(config(size, **settings))
        model.jit_compile = False
        calm(model)
        assert model.predict_on_batch(inputs)["valid"].sum() == 100
        functions.append(functools.partial(model.predict_on_batch, inputs))
    report(f"detection of 100 objects, ResNet50, {size} pixels", functions, repeat)


def report(title, functions, repeat):
    """Print the best times as ratios to that of the plain head."""
    best = best_in_turn(functions, repeat)
    ratios = ", ".join(f"{name} {seconds / best[0]:.2f}" for name, seconds in zip(HEADS, best))
    print(f"{title}: {next(iter(HEADS))} takes {best[0]:.3f} s; ratios: {ratios}", flush=True)


def best_in_turn(functions, repeat):
    """Best time of each function, which run in turn so that the machine's moods meet all of them."""
    best = [float("inf")] * len(functions)
    for turn in range(repeat + 1):
        for index, function in enumerate(functions):
            begun = time.perf_counter()
            function()
            if turn:  # the first one builds the graph
                best[index] = min(best[index], time.perf_counter() - begun)
    return best


if __name__ == "__main__":
    main()
