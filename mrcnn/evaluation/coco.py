"""COCO's average precision: the 12 numbers of pycocotools, the same of each class, and precision-recall curves.

    python -m mrcnn.evaluation.coco --ground-truth GT.json --results DT.json --type segm|bbox

What a ground truth and results are is said in `coco_data` and `comparison`.
"""

import argparse
import collections
import contextlib
import dataclasses
import io
import math
import os
import sys
import warnings
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from mrcnn.errors import DataError
from mrcnn.evaluation.coco_data import ground_truth_from_dataset, results_from_detections
from mrcnn.evaluation.comparison import KINDS, Comparison, read_comparison
from mrcnn.evaluation.pairs import MOST_DETECTIONS
from mrcnn.evaluation.partly_labelled import partly_text
from mrcnn.files import printable

__all__ = [
    "CURVES", "KINDS", "MOST_DETECTIONS", "NUMBERS", "class_numbers", "coco_average_precision", "coco_evaluation",
    "coco_tables", "crowded_images", "crowding_text", "format_numbers", "ground_truth_from_dataset",
    "precision_recall_curves", "recall_name", "results_from_detections", "twelve_numbers", "undefined_numbers",
]

# In the order of COCOeval.stats; each with what the ground truth must hold for the number to be defined.
NUMBERS = {
    "AP": "object",
    "AP50": "object",
    "AP75": "object",
    "AP_small": "object of at most 32^2 pixels",
    "AP_medium": "object of 32^2 to 96^2 pixels",
    "AP_large": "object of at least 96^2 pixels",
    "AR_1": "object",
    "AR_10": "object",
    "AR_100": "object",
    "AR_small": "object of at most 32^2 pixels",
    "AR_medium": "object of 32^2 to 96^2 pixels",
    "AR_large": "object of at least 96^2 pixels",
}
# The numbers that a precision-recall curve belongs to, and the IoU thresholds, counted from 0.50 in steps of 0.05, that
# it is the mean of.
CURVES = {"AP": slice(0, 10), "AP50": slice(0, 1), "AP75": slice(5, 6)}
# COCOeval's tables: precision [IoU thresholds, recalls, classes, sizes, limits], recall the same without recalls. Size
# and limit (1, 10, the most) of each number, and the IoU thresholds that it is the mean of.
TABLES = {
    "AP": ("precision", 0, None, slice(None)), "AP50": ("precision", 0, None, slice(0, 1)),
    "AP75": ("precision", 0, None, slice(5, 6)), "AP_small": ("precision", 1, None, slice(None)),
    "AP_medium": ("precision", 2, None, slice(None)), "AP_large": ("precision", 3, None, slice(None)),
    "AR_1": ("recall", 0, 1, slice(None)), "AR_10": ("recall", 0, 10, slice(None)),
    "AR_100": ("recall", 0, None, slice(None)), "AR_small": ("recall", 1, None, slice(None)),
    "AR_medium": ("recall", 2, None, slice(None)), "AR_large": ("recall", 3, None, slice(None)),
}


def coco_average_precision(ground_truth: dict | str | os.PathLike, results: Sequence[dict] | str | os.PathLike,
                           kind: str, image_ids: Sequence[int] | None = None,
                           max_detections: int = MOST_DETECTIONS) -> dict[str, float]:
    """The 12 COCO numbers as pycocotools defines them, in its silence.

    No results at all give 0.0. A number that the ground truth leaves undefined (pycocotools says -1), such as
    AP_small without any small object, is NaN; `undefined_numbers` tells why. Annotation ids play no part, so that an
    id of 0 or one that occurs twice, which pycocotools counts as missed, does no harm. As in pycocotools, the size of
    a detection is the area of its box where results hold one, else that of its mask: only the *_small, *_medium and
    *_large numbers know the difference.

    Args:
        ground_truth: dict, or path of a COCO annotation file.
        results: list, or path of a COCO results file.
        kind: "segm" compares masks, "bbox" compares boxes.
        image_ids: source ids of the images to evaluate; None evaluates all of the ground truth.
        max_detections: how many of a class count in an image; COCO's numbers are those of 100.

    Returns:
        {name: float} for the names in `NUMBERS`; "AR_100" is the recall at `max_detections`.

    Raises:
        DataError: for files that are no such JSON and for results of unknown images or classes.
    """
    comparison = read_comparison(ground_truth, results, kind, image_ids)
    return twelve_numbers(coco_tables(comparison, max_detections=max_detections))


@dataclasses.dataclass(frozen=True)
class Tables:
    """What of a COCOeval its numbers are read from.

    Args:
        eval: {"precision": float [T, R, K, A, M], "recall": float [T, K, A, M]}, -1 where it is undefined: IoU
            thresholds, recalls, classes, sizes, limits of detections.
        params: with "maxDets", the limits.
        most: of the limits the one that was asked for.
    """

    eval: dict
    params: object
    most: int


def coco_tables(comparison: Comparison, fast: bool | None = None, max_detections: int = MOST_DETECTIONS) -> Tables:
    """The tables of `coco_evaluation`, made class by class, each of the photos alone that have something of it.

    COCOeval keeps its judgement of every class on every photo, about 1.6 kB each; classes do not touch one another.

    Args:
        comparison, fast, max_detections: as for `coco_evaluation`.
    """
    parts = [_of_class(entries, len(comparison.categories)) for entries in (comparison.objects, comparison.detections)]
    made = None
    for k, (objects, detections) in enumerate(zip(*parts)):
        if made is not None and not any(not entry["iscrowd"] for entry in objects):
            continue  # undefined, as the tables begin
        one = coco_evaluation(_class_alone(comparison, k, objects, detections), fast, max_detections)
        if made is None:
            made = {name: np.full((*table.shape[:-3], len(comparison.categories), *table.shape[-2:]), -1.0)
                    for name, table in ((name, np.asarray(one.eval[name])) for name in ("precision", "recall"))}
            params = SimpleNamespace(maxDets=list(one.params.maxDets))
        for name, table in made.items():
            table[..., k, :, :] = np.asarray(one.eval[name])[..., 0, :, :]
    if made is None:  # without classes
        return coco_evaluation(comparison, fast, max_detections)
    return Tables(made, params, int(max_detections))


def _of_class(entries, count):
    """For each class its entries."""
    own = [[] for _ in range(count)]
    for entry in entries:
        own[entry["category_id"]].append(entry)
    return own


def _class_alone(comparison, k, objects, detections):
    """The Comparison of one class on the photos that have an object or a detection of it."""
    images = sorted({entry["image_id"] for entry in (*objects, *detections)})
    places = {image: place for place, image in enumerate(images)}
    objects, detections = ([{**entry, "image_id": places[entry["image_id"]], "category_id": 0} for entry in entries]
                           for entries in (objects, detections))
    return dataclasses.replace(
        comparison, image_ids=[comparison.image_ids[i] for i in images], categories=[comparison.categories[k]],
        sizes=[comparison.sizes[i] for i in images], objects=objects, detections=detections,
    )


def coco_evaluation(comparison: Comparison, fast: bool | None = None, max_detections: int = MOST_DETECTIONS) -> object:
    """The accumulated COCOeval of a `Comparison`, with its judgement of every photo; for numbers alone: `coco_tables`.

    Args:
        comparison: of `comparison.read_comparison`.
        fast: True takes faster-coco-eval's, which gives the same numbers in C++, False pycocotools' own, None the
            former where it is installed.
        max_detections: how many of a class count in an image, the highest scores first.
    """
    evaluator = _evaluator(fast)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports each of its steps
        evaluation = evaluator(
            _coco(comparison, comparison.objects), _coco(comparison, comparison.detections), comparison.kind
        )
        evaluation.params.maxDets = sorted({1, 10, int(max_detections)})
        evaluation.most = int(max_detections)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _evaluator(fast):
    """The class COCOeval of faster-coco-eval or of pycocotools."""
    if fast is not False:
        try:
            from faster_coco_eval import COCOeval_faster

            return COCOeval_faster
        except ImportError as error:
            if fast:
                raise DataError("The fast evaluation needs faster-coco-eval: pip install faster-coco-eval.") from error
    from pycocotools.cocoeval import COCOeval

    return COCOeval


def _coco(comparison, entries):
    """A pycocotools COCO object that holds these objects or detections under ids from 1 on: it takes 0 for none."""
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "images": [{"id": i, "height": size[0], "width": size[1]} if size else {"id": i}
                   for i, size in enumerate(comparison.sizes, 1)],
        "categories": [{"id": i} for i in range(1, len(comparison.categories) + 1)],
        "annotations": [
            {**entry, "id": i, "image_id": entry["image_id"] + 1, "category_id": entry["category_id"] + 1}
            for i, entry in enumerate(entries, 1)
        ],
    }
    coco.createIndex()
    return coco


def twelve_numbers(evaluation: object) -> dict[str, float]:
    """{name: float} for the names in `NUMBERS`; NaN where the ground truth leaves it undefined.

    They are what COCOeval.summarize prints, which knows no other limit than 100 for AP.

    Args:
        evaluation: of `coco_tables` or `coco_evaluation`.
    """
    numbers = {}
    for name, (table, size, limit, thresholds) in TABLES.items():
        values = np.asarray(evaluation.eval[table])[thresholds, ..., size, _place(evaluation, limit)]
        values = values[values > -1]
        numbers[name] = float(values.mean()) if values.size else math.nan
    return numbers


def _place(evaluation, limit):
    """Where the tables of a COCOeval have a limit of detections; None: that which was asked for."""
    limits = [int(number) for number in evaluation.params.maxDets]
    return limits.index(getattr(evaluation, "most", limits[-1]) if limit is None else limit)


def crowded_images(comparison: Comparison, most: int = MOST_DETECTIONS) -> dict[str, int]:
    """Where COCO's limit of detections leaves something out of its numbers.

    Args:
        comparison: `Comparison`.
        most: how many detections of a class count in an image.

    Returns:
        {"images": number of images with more objects, or with more detections, of one class than count,
        "objects": how many objects can therefore not be found, "detections": how many detections do not count,
        "most": the largest number of objects of one class in an image, "needed": the limit with which all count}.
    """
    objects, detections = (
        collections.Counter((entry["image_id"], entry["category_id"]) for entry in entries if not entry["iscrowd"])
        for entries in (comparison.objects, comparison.detections)
    )
    images = {key[0] for counts in (objects, detections) for key, count in counts.items() if count > most}
    return {
        "images": len(images), "objects": sum(max(0, count - most) for count in objects.values()),
        "detections": sum(max(0, count - most) for count in detections.values()),
        "most": max(objects.values(), default=0),
        "needed": max([*objects.values(), *detections.values()], default=0),
    }


def undefined_numbers(values: dict[str, float]) -> dict[str, str]:
    """{name: reason} for those of the 12 numbers that are NaN."""
    return {
        name: f"the ground truth has no {NUMBERS[name]}"
        for name, value in values.items()
        if math.isnan(value)
    }


def class_numbers(evaluation: object) -> list[dict[str, float]]:
    """AP, AP50 and AP75 of each class: what COCOeval says if the ground truth has this category alone.

    Args:
        evaluation: of `coco_tables` or `coco_evaluation`.

    Returns:
        A list of {"AP", "AP50", "AP75"}, one for each category; NaN for a class without true objects.
    """
    curves = _curves(evaluation)
    return [{name: float(curve[i].mean()) for name, curve in curves.items()} for i in range(len(curves["AP"]))]


def precision_recall_curves(evaluation: object) -> dict:
    """Precision at COCO's 101 recalls: of each class, and the mean over the classes that have true objects.

    Args:
        evaluation: of `coco_tables` or `coco_evaluation`.

    Returns:
        {"recall": [101], "mean": {name: [101]}, "classes": [{name: [101]}, one for each category]} for the names in
        `CURVES`: "AP50" at IoU 0.50, "AP75" at 0.75, "AP" the mean over IoU 0.50 to 0.95. The mean height of a curve is
        the number of its name. A class without true objects has {}, and so has the mean if none has any.
    """
    curves = _curves(evaluation)
    known = ~np.isnan(curves["AP"][:, 0])
    classes = [{name: curve[i].tolist() for name, curve in curves.items()} if known[i] else {}
               for i in range(len(known))]
    mean = {name: curve[known].mean(axis=0).tolist() for name, curve in curves.items()} if known.any() else {}
    return {"recall": np.linspace(0, 1, 101).tolist(), "mean": mean, "classes": classes}


def _curves(evaluation):
    """{name of `CURVES`: float [K, 101]} for objects of all sizes and most detections; NaN: no true objects."""
    # [K, IoU thresholds, recalls]
    precision = np.asarray(evaluation.eval["precision"])[..., 0, _place(evaluation, None)].transpose(2, 0, 1)
    precision = np.where(precision > -1, precision, np.nan)
    return {name: precision[:, thresholds].mean(axis=1) for name, thresholds in CURVES.items()}


# --- The command -----------------------------------------------------------------------------------------------------


def format_numbers(values: dict[str, float], most: int = MOST_DETECTIONS) -> str:
    """The 12 numbers as lines of text.

    Args:
        values: of `twelve_numbers`.
        most: how many detections of a class count in an image; the recall at them is named by it.
    """
    reasons = undefined_numbers(values)
    return "\n".join(
        f"{recall_name(most) if name == 'AR_100' else name:10} "
        + (f"undefined: {reasons[name]}" if name in reasons else f"{value:.3f}")
        for name, value in values.items() if name != recall_name(most) or name == "AR_100"  # AR_1 once
    )


def recall_name(most: int) -> str:
    """What the recall at so many detections is called, which is AR_100 in `NUMBERS`."""
    return f"AR_{most}"


def crowding_text(crowding: dict[str, int], most: int) -> str:
    """What `crowded_images` counted as one line with the remedy; "" where nothing is left out."""
    if not crowding["images"]:
        return ""
    missed = f" {crowding['objects']} objects can therefore not be found," if crowding["objects"] else ""
    return (f"{crowding['images']} photos have more than {most} objects or detections of one class, of which {most} "
            f"count, as in COCO:{missed} {crowding['detections']} detections do not count; --max-detections "
            f"{crowding['needed']} counts all.")


def format_classes(comparison: Comparison, evaluation: object) -> str:
    """AP, AP50 and AP75 of each class as lines of text."""
    names = [str(category.get("name", category["id"])) for category in comparison.categories]
    width = max([len(name) for name in names] + [10])
    lines = [f"{'':{width}}" + "".join(f"{name:>8}" for name in CURVES)]
    for name, numbers in zip(names, class_numbers(evaluation)):
        known = not math.isnan(numbers["AP"])
        text = "".join(f"{value:8.3f}" for value in numbers.values()) if known else "  undefined: no object"
        lines.append(f"{name:{width}}{text}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the 12 numbers of a results file.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m mrcnn.evaluation.coco", description="Print the 12 COCO numbers of a results file."
    )
    parser.add_argument("--ground-truth", required=True, metavar="FILE", help="COCO annotation file")
    parser.add_argument("--results", required=True, metavar="FILE", help="COCO results file")
    parser.add_argument("--type", choices=KINDS, default="segm", help="compare masks (segm, default) or boxes (bbox)")
    parser.add_argument("--classes", action="store_true", help="also print AP, AP50 and AP75 of each class")
    parser.add_argument("--max-detections", type=int, default=MOST_DETECTIONS, metavar="N",
                        help="how many detections of a class count in an image (default 100, as in COCO)")
    options = parser.parse_args(arguments)
    if options.max_detections < 1:
        parser.error(f"--max-detections {options.max_detections}: give a whole number, 1 or more")
    # One line, as the commands have it, without the place in the code that warns.
    warnings.formatwarning = lambda message, *_, **__: f"warning: {printable(message, one_line=True)}\n"
    try:
        comparison = read_comparison(options.ground_truth, options.results, options.type)
        evaluation = coco_tables(comparison, max_detections=options.max_detections)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(format_numbers(twelve_numbers(evaluation), options.max_detections))
    cut = crowding_text(crowded_images(comparison, options.max_detections), options.max_detections)
    for line in filter(None, (cut, partly_text(comparison.partly))):
        print(line)
    if options.classes:
        print(f"\n{format_classes(comparison, evaluation)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
