"""COCO's average precision: the 12 numbers of pycocotools, the same of each class, and precision-recall curves.

    python -m mrcnn.evaluation.coco --ground-truth GT.json --results DT.json --type segm|bbox

What a ground truth and results are is said in `coco_data`.
"""

import argparse
import contextlib
import io
import math
import sys

import numpy as np

from mrcnn.errors import DataError
from mrcnn.evaluation.coco_data import KINDS, ground_truth_from_dataset, read_comparison, results_from_detections

__all__ = ["CURVES", "KINDS", "NUMBERS", "class_numbers", "coco_average_precision", "coco_evaluation", "format_numbers",
           "ground_truth_from_dataset", "precision_recall_curves", "results_from_detections", "twelve_numbers",
           "undefined_numbers"]

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


def coco_average_precision(ground_truth, results, kind, image_ids=None):
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

    Returns:
        {name: float} for the names in `NUMBERS`.

    Raises:
        DataError: for files that are no such JSON and for results of unknown images or classes.
    """
    return twelve_numbers(coco_evaluation(read_comparison(ground_truth, results, kind, image_ids)))


def coco_evaluation(comparison, fast=None):
    """The accumulated and summarised COCOeval of a `Comparison`.

    Args:
        comparison: of `coco_data.read_comparison`.
        fast: True takes faster-coco-eval's, which gives the same numbers in C++, False pycocotools' own, None the
            former where it is installed.
    """
    evaluator = _evaluator(fast)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports each of its steps
        evaluation = evaluator(
            _coco(comparison, comparison.objects), _coco(comparison, comparison.detections), comparison.kind
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
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


def twelve_numbers(evaluation):
    """{name: float} of a COCOeval for the names in `NUMBERS`; NaN where the ground truth leaves it undefined."""
    return {name: float(value) if value > -1 else math.nan for name, value in zip(NUMBERS, evaluation.stats)}


def undefined_numbers(values):
    """{name: reason} for those of the 12 numbers that are NaN."""
    return {
        name: f"the ground truth has no {NUMBERS[name]}"
        for name, value in values.items()
        if math.isnan(value)
    }


def class_numbers(evaluation):
    """AP, AP50 and AP75 of each class: what COCOeval says if the ground truth has this category alone.

    Args:
        evaluation: COCOeval of `coco_evaluation`.

    Returns:
        A list of {"AP", "AP50", "AP75"}, one for each category; NaN for a class without true objects.
    """
    curves = _curves(evaluation)
    return [{name: float(curve[i].mean()) for name, curve in curves.items()} for i in range(len(curves["AP"]))]


def precision_recall_curves(evaluation):
    """Precision at COCO's 101 recalls: of each class, and the mean over the classes that have true objects.

    Args:
        evaluation: COCOeval of `coco_evaluation`.

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
    """{name of `CURVES`: float [K, 101]} for objects of all sizes and at most 100 detections; NaN: no true objects."""
    precision = np.asarray(evaluation.eval["precision"])[..., 0, -1].transpose(2, 0, 1)  # [K, IoU thresholds, recalls]
    precision = np.where(precision > -1, precision, np.nan)
    return {name: precision[:, thresholds].mean(axis=1) for name, thresholds in CURVES.items()}


# --- The command -----------------------------------------------------------------------------------------------------


def format_numbers(values):
    """The 12 numbers as lines of text."""
    reasons = undefined_numbers(values)
    return "\n".join(
        f"{name:10} " + (f"undefined: {reasons[name]}" if name in reasons else f"{value:.3f}")
        for name, value in values.items()
    )


def format_classes(comparison, evaluation):
    """AP, AP50 and AP75 of each class as lines of text."""
    names = [str(category.get("name", category["id"])) for category in comparison.categories]
    width = max([len(name) for name in names] + [10])
    lines = [f"{'':{width}}" + "".join(f"{name:>8}" for name in CURVES)]
    for name, numbers in zip(names, class_numbers(evaluation)):
        known = not math.isnan(numbers["AP"])
        text = "".join(f"{value:8.3f}" for value in numbers.values()) if known else "  undefined: no object"
        lines.append(f"{name:{width}}{text}")
    return "\n".join(lines)


def main(arguments=None):
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
    options = parser.parse_args(arguments)
    try:
        comparison = read_comparison(options.ground_truth, options.results, options.type)
        evaluation = coco_evaluation(comparison)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(format_numbers(twelve_numbers(evaluation)))
    if options.classes:
        print(f"\n{format_classes(comparison, evaluation)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
