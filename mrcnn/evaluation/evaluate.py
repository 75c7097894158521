"""From a model and a dataset to figures of merit, their tables, and the files that let anyone check them."""

import json
import math
import os
import sys

from mrcnn.data.images import DataError
from mrcnn.evaluation import coco
from mrcnn.evaluation.coco_data import read_comparison
from mrcnn.evaluation.confusion import confusion_matrix, normalised
from mrcnn.evaluation.errors import detection_errors
from mrcnn.evaluation.pairs import pair_images
from mrcnn.evaluation.thresholds import rank_images, threshold_curves

# Long lists: they go into a file of their own, so that metrics.json can be read by eye.
LONG = ("curves", "thresholds", "confusion")
DECIMALS = 5  # of these lists
LONGEST_NAME = 30  # characters of a class name in a table
MOST_LINES = 20  # a table of more classes shows the best and the worst of them
SHOWN_THRESHOLD = 0.5  # of scores, where no detection is correct and no threshold better than another


def evaluate(model, dataset, image_ids=None, limit=None, batch_size=None, progress=True, score_threshold=None):
    """Detect on every image of a dataset and measure the result.

    Only one batch of images is in memory at a time, and masks are kept as RLE alone.

    model: anything whose `detect(images, rle=True)` returns a dict per image, as `MaskRCNN` does
    dataset: a prepared `Dataset`
    image_ids: internal ids of the images to evaluate; None takes all
    limit: evaluate the first so many of them
    batch_size: images handed to `detect` at once; None takes the model's own
    progress: True reports on stderr
    score_threshold: as for `measure`

    Returns (metrics of `measure`, results, ground_truth); the latter two in COCO's forms.
    Raises DataError if there is no image to evaluate or the model knows other classes than the dataset.
    """
    results, ground_truth = detect_all(model, dataset, image_ids, limit, batch_size, progress)
    return measure(ground_truth, results, score_threshold), results, ground_truth


def detect_all(model, dataset, image_ids=None, limit=None, batch_size=None, progress=True):
    """Detect on every image of a dataset; arguments and errors as for `evaluate`. Returns (results, ground_truth)."""
    image_ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)][:limit]
    if not image_ids:
        raise DataError("There is no image to evaluate: the dataset is empty, or the limit is 0.")
    ground_truth = coco.ground_truth_from_dataset(dataset, image_ids)  # first, so that bad data shows at once
    results = []
    for done, image_id, detection in detections(model, dataset, image_ids, batch_size):
        results.extend(coco.results_from_detections(dataset, image_id, detection))
        if progress:
            report_progress("Detecting", done, len(image_ids))
    return results, ground_truth


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


# --- Figures of merit ------------------------------------------------------------------------------------------------


def measure(ground_truth, results, score_threshold=None):
    """All figures of merit of results held against a ground truth.

    ground_truth, results: in COCO's forms, or paths of such files
    score_threshold: of the detections in the confusion matrix; None takes the one of the highest F1

    Returns a dict:
        "segm", "bbox": the 12 COCO numbers of masks and of boxes; "undefined": {kind: {name: why it is NaN}}
        "images", "objects", "detections": counts, crowds not among the objects
        "classes": list of {"name", "objects", "detections", "segm" and "bbox": {"AP", "AP50", "AP75"}, "best": as
            below, "errors": {cause: count}}, in the order of the categories; NaN for a class without true objects
        "best": {"threshold", "F1", "precision", "recall"} at the best score threshold, None if no detection is correct
        "errors": {kind: `errors.detection_errors`}
        "curves": {kind: `coco.precision_recall_curves`}; "thresholds": `thresholds.threshold_curves`
        "confusion": {"score_threshold", "names", "counts", "of_objects", "of_detections"}: `confusion.confusion_matrix`
            and its shares of the rows and of the columns
    "best", "thresholds", "confusion" and the classes' "errors" are those of masks.
    Raises DataError for what is no such JSON and for results of unknown images or classes.
    """
    comparisons = {kind: read_comparison(ground_truth, results, kind) for kind in coco.KINDS}
    evaluations = {kind: coco.coco_evaluation(comparison) for kind, comparison in comparisons.items()}
    images = {kind: pair_images(comparison) for kind, comparison in comparisons.items()}
    masks = comparisons["segm"]
    count = len(masks.categories)
    metrics = {kind: coco.twelve_numbers(evaluation) for kind, evaluation in evaluations.items()}
    metrics["images"] = len(masks.image_ids)
    metrics["objects"] = sum(not entry["iscrowd"] for entry in masks.objects)
    metrics["detections"] = len(masks.detections)
    metrics["undefined"] = {kind: coco.undefined_numbers(metrics[kind]) for kind in coco.KINDS}
    thresholds = threshold_curves(rank_images(images["segm"], count))
    metrics["best"] = thresholds["overall"].get("best")
    if score_threshold is None:
        score_threshold = metrics["best"]["threshold"] if metrics["best"] else SHOWN_THRESHOLD
    metrics["errors"] = {kind: detection_errors(images[kind], count, score_threshold) for kind in coco.KINDS}
    metrics["classes"] = _classes(masks, evaluations, thresholds, metrics["errors"])
    metrics["curves"] = {kind: coco.precision_recall_curves(evaluation) for kind, evaluation in evaluations.items()}
    metrics["thresholds"] = thresholds
    matrix = confusion_matrix(images["segm"], count, score_threshold)
    metrics["confusion"] = {
        "score_threshold": score_threshold,
        "names": ["background"] + [category["name"] for category in metrics["classes"]],
        "counts": matrix.tolist(),
        "of_objects": normalised(matrix, axis=1).tolist(),
        "of_detections": normalised(matrix, axis=0).tolist(),
    }
    return metrics


def _classes(masks, evaluations, thresholds, errors):
    """The list "classes" of `measure`; takes the errors of each class out of those of all."""
    numbers = {kind: coco.class_numbers(evaluation) for kind, evaluation in evaluations.items()}
    by_class = {kind: errors[kind].pop("classes") for kind in coco.KINDS}
    classes = []
    for k, category in enumerate(masks.categories):
        classes.append({
            "name": str(category.get("name", category["id"])),
            "objects": sum(entry["category_id"] == k and not entry["iscrowd"] for entry in masks.objects),
            "detections": sum(entry["category_id"] == k for entry in masks.detections),
            **{kind: numbers[kind][k] for kind in coco.KINDS},
            "best": thresholds["classes"][k].get("best"),
            "errors": by_class["segm"][k],
        })
    return classes


# --- Tables ----------------------------------------------------------------------------------------------------------


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


def ranked_classes(metrics):
    """Entries of metrics["classes"] from the highest mask AP to the lowest, those without true objects last."""
    return sorted(metrics["classes"], key=lambda entry: (math.isnan(entry["segm"]["AP"]), -_or_0(entry["segm"]["AP"])))


def _or_0(value):
    return 0.0 if math.isnan(value) else value


def class_table(metrics):
    """Figures of each class as text, from the highest mask AP to the lowest; of many classes both ends alone."""
    ranked = ranked_classes(metrics)
    known = [entry for entry in ranked if entry["objects"]]
    width = min(max([len(entry["name"]) for entry in ranked] + [5]), LONGEST_NAME)
    lines = [f"{'class':{width}}  objects  detected      AP    AP50    AP75  box AP  best F1 at score"]
    lines += [_class_line(entry, width) for entry in known]
    if len(known) > 1:
        lines[1] += "  best"
        lines[len(known)] += "  worst"
    if len(known) > MOST_LINES:
        lines[1 + MOST_LINES // 2:1 + len(known) - MOST_LINES // 2] = [
            f"... {len(known) - MOST_LINES} classes between, in metrics.json"
        ]
    if len(known) < len(ranked):
        names = ", ".join(entry["name"] for entry in ranked if not entry["objects"])
        lines.append(f"without true objects, so left out of every mean: {names}")
    return "\n".join(lines)


def _class_line(entry, width):
    numbers = [entry["segm"][name] for name in ("AP", "AP50", "AP75")] + [entry["bbox"]["AP"]]
    best = entry["best"]
    best = f"{best['F1']:9.3f} at {best['threshold']:4.2f}" if best else f"{'none correct':>17}"
    counts = f"{entry['objects']:9}{entry['detections']:10}"
    return f"{entry['name'][:width]:{width}}{counts}{''.join(f'{value:8.3f}' for value in numbers)}{best}"


# --- Files -----------------------------------------------------------------------------------------------------------


def write_report(folder, metrics, results, ground_truth, html=True, pictures=(), title="Evaluation"):
    """Write all that was measured into a folder, each file whole or not at all.

    metrics.json; curves.json, its long lists ("curves", "thresholds", "confusion"); detections.json (COCO results);
    ground_truth.json (COCO annotations); report.html, all of it to look at. An undefined number is null; "undefined" in
    metrics.json says why.

    metrics, results, ground_truth: of `evaluate`; html: False leaves report.html out
    pictures: for report.html, list of (title, uint8 [H, W, 3]); title: its heading
    """
    os.makedirs(folder, exist_ok=True)
    write_json(os.path.join(folder, "ground_truth.json"), ground_truth)
    write_json(os.path.join(folder, "detections.json"), results)
    write_json(os.path.join(folder, "curves.json"), _rounded({name: metrics[name] for name in LONG if name in metrics}))
    short = {name: value for name, value in metrics.items() if name not in LONG}
    write_json(os.path.join(folder, "metrics.json"), short, indent=2)
    if html:
        from mrcnn.evaluation.report import report_html

        _write_whole(os.path.join(folder, "report.html"), report_html(metrics, pictures, title))


def write_json(path, value, indent=None):
    """Write JSON to a file, whole or not at all; NaN becomes null, which JSON knows."""
    _write_whole(path, json.dumps(_without_nan(value), indent=indent, allow_nan=False))


def _write_whole(path, text):
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


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, DECIMALS) if isinstance(value, float) else value
