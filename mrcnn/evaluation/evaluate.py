"""From a model and a dataset to COCO's figures and the files that let anyone check them."""

import json
import math
import os
import sys

from mrcnn.data.images import DataError
from mrcnn.evaluation import coco


def evaluate(model, dataset, image_ids=None, limit=None, batch_size=None, progress=True):
    """Detect on every image of a dataset and measure the result as COCO does.

    Only one batch of images is in memory at a time, and masks are kept as RLE alone.

    model: anything whose `detect(images, rle=True)` returns a dict per image, as `MaskRCNN` does
    dataset: a prepared `Dataset`
    image_ids: internal ids of the images to evaluate; None takes all
    limit: evaluate the first so many of them
    batch_size: images handed to `detect` at once; None takes the model's own
    progress: True reports on stderr

    Returns (metrics, results, ground_truth): metrics = {"segm": 12 COCO numbers, "bbox": 12 COCO numbers, "images",
    "objects", "detections": counts, "undefined": {kind: {name: why this number is NaN}}}; results and ground truth are
    in COCO's forms.
    Raises DataError if there is no image to evaluate or the model knows other classes than the dataset.
    """
    image_ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)][:limit]
    if not image_ids:
        raise DataError("There is no image to evaluate: the dataset is empty, or the limit is 0.")
    ground_truth = coco.ground_truth_from_dataset(dataset, image_ids)  # first, so that bad data shows at once
    results = []
    for done, image_id, detection in detections(model, dataset, image_ids, batch_size):
        results.extend(coco.results_from_detections(dataset, image_id, detection))
        if progress:
            report_progress("Detecting", done, len(image_ids))
    metrics = {kind: coco.coco_average_precision(ground_truth, results, kind) for kind in coco.KINDS}
    metrics["images"] = len(image_ids)
    metrics["objects"] = sum(not annotation.get("iscrowd") for annotation in ground_truth["annotations"])
    metrics["detections"] = len(results)
    metrics["undefined"] = {kind: coco.undefined_numbers(metrics[kind]) for kind in coco.KINDS}
    return metrics, results, ground_truth


def detections(model, dataset, image_ids, batch_size=None):
    """Generator of (images done, image id, its detection) over a dataset, one batch of images in memory at a time."""
    size = max(1, batch_size or getattr(getattr(model, "config", None), "BATCH_SIZE", 1))
    for start in range(0, len(image_ids), size):
        batch = image_ids[start:start + size]
        found = model.detect([dataset.load_image(image_id) for image_id in batch], rle=True)
        for offset, (image_id, detection) in enumerate(zip(batch, found, strict=True), 1):
            yield start + offset, image_id, detection


def report_progress(what, done, total):
    """Rewrite one line on stderr on a terminal; elsewhere print a line at every tenth of the way."""
    if sys.stderr.isatty():
        print(f"\r{what} {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done == total or done * 10 // total > (done - 1) * 10 // total:
        print(f"{what} {done}/{total}", file=sys.stderr, flush=True)


def metrics_table(metrics):
    """AP, AP50 and AP75 of masks and boxes as text."""
    columns = ("AP", "AP50", "AP75")
    lines = [" " * 8 + "".join(f"{name:>8}" for name in columns)]
    for kind, title in (("segm", "masks"), ("bbox", "boxes")):
        lines.append(f"{title:8}" + "".join(f"{metrics[kind][name]:8.3f}" for name in columns))
    lines.append(f"{metrics['images']} photos, {metrics['objects']} objects, {metrics['detections']} detections")
    lines += [f"{name} of {kind} is undefined: {reason}" for kind, reasons in metrics["undefined"].items()
              for name, reason in reasons.items() if name in columns]
    return "\n".join(lines)


def write_report(folder, metrics, results, ground_truth):
    """Write metrics.json, detections.json (COCO results) and ground_truth.json (COCO annotations) into a folder.

    Each file appears whole or not at all. An undefined number is null; "undefined" in metrics.json says why.
    """
    os.makedirs(folder, exist_ok=True)
    write_json(os.path.join(folder, "ground_truth.json"), ground_truth)
    write_json(os.path.join(folder, "detections.json"), results)
    write_json(os.path.join(folder, "metrics.json"), metrics, indent=2)


def write_json(path, value, indent=None):
    """Write JSON to a file, whole or not at all; NaN becomes null, which JSON knows."""
    text = json.dumps(_without_nan(value), indent=indent, allow_nan=False)
    partial = f"{path}.partial"
    with open(partial, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(partial, path)


def _without_nan(value):
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
