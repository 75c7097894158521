"""From a model and a dataset to figures of merit."""

import collections
import math
import os
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from mrcnn.data.attributes import first_of
from mrcnn.data.checked_photos import photos_for
from mrcnn.data.class_names import check_knows
from mrcnn.data.dataset import Dataset
from mrcnn.errors import DataError
from mrcnn.evaluation import coco
from mrcnn.evaluation.attributes import attribute_figures
from mrcnn.evaluation.comparison import checked_truth, read_comparisons
from mrcnn.evaluation.confusion import confusion_matrix, normalised
from mrcnn.evaluation.errors import detection_errors, undefined_gains
from mrcnn.evaluation.pairs import ImagePairs, match, pair_images
from mrcnn.evaluation.thresholds import rank_images, threshold_curves
from mrcnn.files import read_json
from mrcnn.progress import progress_bar

SHOWN_THRESHOLD = 0.5  # of scores, where no detection is correct and no threshold better than another
LOGGED = ("AP", "AP50", "AP75")
INSTANCE_FIGURES = (*(f"{kind}_{name}" for kind in coco.KINDS for name in LOGGED), "segm_IoU")  # of `instance_figures`
SHOWN = 0.5  # least score of the detections that the mask IoU counts


def evaluate(model: object, dataset: Dataset, image_ids: Sequence[int] | np.ndarray | None = None,
             limit: int | None = None, batch_size: int | None = None, progress: bool = True,
             score_threshold: float | None = None, max_detections: int | None = None,
             ) -> tuple[dict, list[dict], dict]:
    """Detect on every image of a dataset and measure the result.

    Only one batch of images is in memory at a time, and masks are kept as run lengths only.

    Args:
        model: anything whose `detect(images, rle=True)` returns a dict per image, as `MaskRCNN` does.
        dataset: prepared Dataset.
        image_ids: ids in the dataset of the images to evaluate; None takes all.
        limit: number of images to evaluate, the first ones; None evaluates all.
        batch_size: number of images that `detect` gets at once; None takes the model's own.
        progress: show it on stderr.
        score_threshold, max_detections: as for `measure`.

    Returns:
        (metrics of `measure`, results as COCO's list, ground truth as COCO's dict).

    Raises:
        DataError: there is no image to evaluate, or the model knows other classes than the dataset.
    """
    results, ground_truth = detect_all(model, dataset, image_ids, limit, batch_size, progress)
    partial = bool(getattr(getattr(model, "config", None), "ATTRIBUTES_PARTIAL", False))
    known = with_known_attributes(ground_truth, getattr(getattr(model, "config", None), "ATTRIBUTES", None))
    return measure(known, results, score_threshold, max_detections, partial), results, ground_truth


def with_known_attributes(ground_truth: dict, names: Sequence[str] | None) -> dict:
    """A ground truth without those attributes of its objects that a network does not know; they are told.

    So are those of the network that it does not name.

    Args:
        ground_truth: COCO's dict with "attributes".
        names: ATTRIBUTES of the network; None, or none in the ground truth: it stays as it is.
    """
    listed = ground_truth.get("attributes")
    if not names or not listed:
        return ground_truth
    had = {i for entry in ground_truth["annotations"] for i in entry.get("attribute_ids") or ()}
    known, named = set(names), {entry["name"] for entry in listed}
    unknown = [entry["name"] for entry in listed if entry["id"] in had and entry["name"] not in known]
    kept = [entry for entry in listed if entry["name"] in known or entry["id"] not in had]
    lacking = [name for name in names if name not in named]
    if unknown:
        warnings.warn(f"{len(unknown)} attributes of the data are left out of the figures, for the network does not "
                      f"know them: {first_of(unknown)}.", stacklevel=3)
    if lacking:
        warnings.warn(f"{len(lacking)} attributes of the network are not measured, for the data does not name them: "
                      f"{first_of(lacking)}.", stacklevel=3)
    return {**ground_truth, "attributes": kept}


def detect_all(model: object, dataset: Dataset, image_ids: Sequence[int] | np.ndarray | None = None,
               limit: int | None = None, batch_size: int | None = None, progress: bool = True,
               min_confidence: float | None = None) -> tuple[list[dict], dict]:
    """Detect on every image of a dataset.

    Args:
        model, dataset, image_ids, limit, batch_size, progress: as for `evaluate`.
        min_confidence: least score of a detection, told to the model's `detect`; None leaves it to the model.

    Returns:
        (results as COCO's list, ground truth as COCO's dict).

    Raises:
        DataError: as for `evaluate`.
    """
    image_ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)][:limit]
    if not image_ids:
        raise DataError("There is no image to evaluate: the dataset is empty, or the limit is 0.")
    check_knows(model, dataset)
    # First, so that bad data shows at once.
    ground_truth = checked_truth(coco.ground_truth_from_dataset(dataset, image_ids))
    results = []
    with progress_bar("Detecting", shown=progress) as show:
        for done, image_id, detection in detections(model, dataset, image_ids, batch_size, min_confidence):
            results.extend(coco.results_from_detections(dataset, image_id, detection))
            show(done, len(image_ids))
    return results, ground_truth


def detections(model: object, dataset: Dataset, image_ids: Sequence[int], batch_size: int | None = None,
               min_confidence: float | None = None) -> Iterator[tuple[int, int, dict]]:
    """Detect on the images of a dataset, one batch of images in memory at a time.

    Args:
        model, dataset, image_ids, batch_size: as for `evaluate`.
        min_confidence: as for `detect_all`.

    Yields:
        (number of images done, image id, the image's dict of `detect`).
    """
    size = max(1, batch_size or getattr(getattr(model, "config", None), "BATCH_SIZE", 1))
    options = {} if min_confidence is None else {"min_confidence": min_confidence}
    for start in range(0, len(image_ids), size):
        batch = image_ids[start:start + size]
        results = model.detect(photos_for(model, dataset, batch), rle=True, **options)
        for offset, (image_id, detection) in enumerate(zip(batch, results, strict=True), 1):
            yield start + offset, image_id, detection


# --- Figures of merit ------------------------------------------------------------------------------------------------


def measure(ground_truth: dict | str | os.PathLike, results: list[dict] | str | os.PathLike,
            score_threshold: float | None = None, max_detections: int | None = None,
            partial_attributes: bool = False) -> dict:
    """Measure results against a ground truth.

    Args:
        ground_truth: COCO's dict, or the path of such a file.
        results: COCO's list, or the path of such a file.
        score_threshold: least score of the detections in the confusion matrix; None takes that of the highest F1.
        max_detections: None, or how many detections of a class may count in an image beside COCO's 100, in "more".
        partial_attributes: whether objects without attributes are left out of "attributes", for nobody described them.

    Returns:
        A dict; "best", "thresholds", "confusion" and the "errors" of the classes are those of masks:
        "segm", "bbox": the 12 COCO numbers of masks and of boxes.
        "undefined": {kind: {name: why it is NaN}} of the 12 numbers, and of the gains of "errors" as "gain of missed".
        "more": {"max_detections", "segm" and "bbox": the 12 numbers with so many, "crowding" by this limit}; None
            unless max_detections is given.
        "crowding": `coco.crowded_images` of the masks: what COCO's limit of 100 leaves out.
        "partly_labelled": what `partly_labelled.by_lvis_rule` left out of the masks.
        "images", "objects", "detections": counts; crowds are not counted as objects.
        "classes": list of {"name", "objects", "detections", "segm" and "bbox": {"AP", "AP50", "AP75"}, "best" as below,
            "errors": {cause: count}}, in the order of the categories; NaN for a class without true objects.
        "best": {"threshold", "F1", "precision", "recall"} at the best score threshold; None if no detection is correct.
        "errors": {kind: `errors.detection_errors`}.
        "curves": {kind: `coco.precision_recall_curves`}.
        "thresholds": `thresholds.threshold_curves`.
        "attributes": `attributes.attribute_figures`; None where truth or results have no attributes.
        "confusion": {"score_threshold", "names", "counts", "of_objects", "of_detections"}, the counts of
            `confusion.confusion_matrix` and their shares of the rows and of the columns.

    Raises:
        DataError: a file is no such JSON, or results are of unknown images or classes.
    """
    comparisons = read_comparisons(ground_truth, results)
    evaluations = {kind: coco.coco_tables(comparison) for kind, comparison in comparisons.items()}
    images = {kind: pair_images(comparison) for kind, comparison in comparisons.items()}
    masks = comparisons["segm"]
    count = len(masks.categories)
    metrics = {kind: coco.twelve_numbers(evaluation) for kind, evaluation in evaluations.items()}
    metrics["more"] = _with_more(comparisons, max_detections)
    metrics["crowding"], metrics["partly_labelled"] = coco.crowded_images(masks), masks.partly
    metrics["images"] = len(masks.image_ids)
    metrics["objects"] = sum(not entry["iscrowd"] for entry in masks.objects)
    metrics["detections"] = len(masks.detections)
    truth = read_json(ground_truth, "COCO file") if isinstance(ground_truth, (str, os.PathLike)) else ground_truth
    metrics["attributes"] = attribute_figures(truth, masks, images["segm"], partial_attributes)
    thresholds = threshold_curves(rank_images(images["segm"], count))
    metrics["best"] = thresholds["overall"].get("best")
    if score_threshold is None:
        score_threshold = metrics["best"]["threshold"] if metrics["best"] else SHOWN_THRESHOLD
    metrics["errors"] = {kind: detection_errors(images[kind], count, score_threshold) for kind in coco.KINDS}
    metrics["undefined"] = {kind: {**coco.undefined_numbers(metrics[kind]), **undefined_gains(metrics["errors"][kind])}
                            for kind in coco.KINDS}
    metrics["classes"] = _classes(masks, evaluations, thresholds, metrics["errors"])
    metrics["curves"] = {kind: coco.precision_recall_curves(evaluation) for kind, evaluation in evaluations.items()}
    metrics["thresholds"] = thresholds
    names = [category["name"] for category in metrics["classes"]]
    metrics["confusion"] = _confusion(images["segm"], names, score_threshold)
    return metrics


def _confusion(images, names, score_threshold):
    """The entry "confusion" of `measure`."""
    matrix = confusion_matrix(images, len(names), score_threshold)
    return {
        "score_threshold": score_threshold,
        "names": ["background", *names],
        "counts": matrix.tolist(),
        "of_objects": normalised(matrix, axis=1).tolist(),
        "of_detections": normalised(matrix, axis=0).tolist(),
    }


def _with_more(comparisons, max_detections):
    """The 12 numbers of each kind with another limit of detections than COCO's; None without one."""
    if max_detections is None:
        return None
    numbers = {kind: coco.twelve_numbers(coco.coco_tables(comparison, max_detections=max_detections))
               for kind, comparison in comparisons.items()}
    crowding = coco.crowded_images(comparisons["segm"], max_detections)
    return {"max_detections": max_detections, **numbers, "crowding": crowding}


def _classes(masks, evaluations, thresholds, errors):
    """The list "classes" of `measure`; takes the errors of each class out of those of all."""
    numbers = {kind: coco.class_numbers(evaluation) for kind, evaluation in evaluations.items()}
    by_class = {kind: errors[kind].pop("classes") for kind in coco.KINDS}
    objects = collections.Counter(entry["category_id"] for entry in masks.objects if not entry["iscrowd"])
    detections = collections.Counter(entry["category_id"] for entry in masks.detections)
    classes = []
    for k, category in enumerate(masks.categories):
        classes.append({
            "name": str(category.get("name", category["id"])),
            "objects": objects[k],
            "detections": detections[k],
            **{kind: numbers[kind][k] for kind in coco.KINDS},
            "best": thresholds["classes"][k].get("best"),
            "errors": by_class["segm"][k],
        })
    return classes


# --- Figures of one epoch --------------------------------------------------------------------------------------------


def instance_figures(ground_truth: dict[str, list], results: Sequence[dict]) -> dict[str, float]:
    """What a training logs of its validation photos.

    Args:
        ground_truth, results: as for `measure`.

    Returns:
        {"segm_AP", "segm_AP50", "segm_AP75", "bbox_AP" ...: COCO's; "segm_IoU": `mean_overlap` of masks; "threshold",
        "F1": the score threshold of the best F1 of masks, NaN where no detection is correct}.
    """
    comparisons = read_comparisons(ground_truth, results)
    figures = {}
    for kind, comparison in comparisons.items():
        numbers = coco.twelve_numbers(coco.coco_tables(comparison))
        figures.update({f"{kind}_{name}": numbers[name] for name in LOGGED})
    images = pair_images(comparisons["segm"])
    curves = threshold_curves(rank_images(images, len(comparisons["segm"].categories)))
    best = curves["overall"].get("best") or {"threshold": math.nan, "F1": math.nan}
    return {**figures, "segm_IoU": mean_overlap(images), "threshold": best["threshold"], "F1": best["F1"]}


def mean_overlap(images: Sequence[ImagePairs], score_threshold: float = SHOWN) -> float:
    """Mean over the true objects of the IoU with the detection that took them, 0 where none did; NaN without objects.

    Args:
        images: list of ImagePairs.
        score_threshold: least score of a detection that counts. A detection takes an object as `pairs.match` says, at
            IoU 0.5.
    """
    overlaps, objects = 0.0, 0
    for pairs in images:
        matches = match(pairs, score_threshold=score_threshold)[0]
        taken = np.flatnonzero(matches >= 0)
        overlaps += float(pairs.overlaps[taken, matches[taken]].sum())
        objects += len(pairs.true_classes)
    return overlaps / objects if objects else math.nan
