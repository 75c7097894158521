"""The command `evaluate`: how good a checkpoint is."""

from __future__ import annotations

import argparse
import functools
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mrcnn.commands.datasets import add_data_options, check_objects, open_data
from mrcnn.commands.label import add_refine, chain_of, evaluate_pixels
from mrcnn.commands.options import add_output, add_tiles, add_tta, positive, probability
from mrcnn.commands.own_data import data_name
from mrcnn.commands.runs import (
    add_weights,
    check_classes,
    check_installed,
    checkpoint_of,
    load_model,
    output_folder,
    weights_name,
)
from mrcnn.commands.settings import EVALUATION_MIN_CONFIDENCE, finds_objects, overrides_of
from mrcnn.errors import UsageError
from mrcnn.outputs import claim_outputs, remove_former

if TYPE_CHECKING:
    from mrcnn.commands.runs import Model
    from mrcnn.config import Settings
    from mrcnn.data.dataset import Dataset


def evaluate(options: argparse.Namespace) -> None:
    """Print AP of masks and boxes, or IoU of label maps, overall and for each class; write all that was measured."""
    from mrcnn.evaluation.report import FILES
    from mrcnn.labeling.label_map import load_settings

    if options.report:
        check_installed("matplotlib", "matplotlib", "The report", ", or --no-report")
    asked = overrides_of(options)
    dataset = open_data(options)
    path = checkpoint_of(options)
    # Label maps from the scores that `label` looks from, so that both make the same ones.
    least = load_settings(path).least_threshold() if options.pixels else EVALUATION_MIN_CONFIDENCE
    overrides = {"DETECTION_MIN_CONFIDENCE": least, **asked}
    data = data_name(options)
    check_objects(dataset, data, "measure", not options.pixels and finds_objects(options))
    check_classes(path, dataset, data)
    if options.refine is not None:
        chain_of(options)  # a step that does not exist shows before the network is built
    model, folder = load_model(path, options, overrides), output_folder(options, path, "evaluation")
    pixels = options.pixels or not hasattr(model, "detect")
    check_measured(options, model, pixels, asked)
    from mrcnn.evaluation.pixel_report import PIXEL_FILES  # brings in Keras, which load_model does quietly

    files = PIXEL_FILES if pixels else FILES
    names = files[:None if options.report else -1]
    claim_outputs([os.path.join(folder, name) for name in names], options.overwrite)
    title = f"{weights_name(path)} on {os.path.basename(os.path.normpath(data))}"
    if pixels:
        evaluate_pixels(options, model, dataset, folder, title, asked)
    else:
        evaluate_objects(options, model, dataset, folder, title)
    remove_former(folder, set(files) - set(names))


def evaluate_objects(options: argparse.Namespace, model: Model, dataset: Dataset, folder: str, title: str) -> None:
    """Measure objects against the data: print tables of all figures; write them and a report.

    Args:
        options, model, dataset, folder, title: as for `evaluate_pixels`.
    """
    from mrcnn.drawing.sheets import photo_sheet
    from mrcnn.evaluation import evaluate as evaluation
    from mrcnn.evaluation.coco import MOST_DETECTIONS, crowding_text
    from mrcnn.evaluation.partly_labelled import partly_text
    from mrcnn.evaluation.report import write_report
    from mrcnn.evaluation.tables import attributes_table, class_table, metrics_table

    metrics, results, truth = evaluation.evaluate(model, dataset, score_threshold=options.score_threshold,
                                                  max_detections=options.max_detections)
    print(metrics_table(metrics))
    print(f"\n{class_table(metrics)}\n")
    if metrics["best"]:
        print("All classes together: F1 {F1:.3f}, precision {precision:.3f}, recall {recall:.3f} at score "
              "{threshold:.2f}".format(**metrics["best"]))
    if metrics["attributes"]:
        print(f"\n{attributes_table(metrics['attributes'])}")
    more = metrics["more"] or {"crowding": metrics["crowding"], "max_detections": MOST_DETECTIONS}
    for line in (crowding_text(more["crowding"], more["max_detections"]), partly_text(metrics["partly_labelled"]),
                 missed_text(model.config, metrics, results, truth, options.tile)):
        if line:
            print(line)
    pictures = functools.partial(photo_sheet, dataset, results, truth, metrics["confusion"]["score_threshold"])
    write_report(folder, metrics, results, truth, options.report, pictures, title)
    files = "report.html, metrics.json, curves.json" if options.report else "metrics.json, curves.json"
    print(f"{files}, detections.json and ground_truth.json are in {folder}")


def check_measured(options: argparse.Namespace, model: Model, pixels: bool, asked: Sequence[str] = ()) -> None:
    """Raise UsageError for options that have no say in what is measured.

    Args:
        options: of the command.
        model: that is measured.
        pixels: whether its label maps are, and not its objects.
        asked: names of the settings that the options name.
    """
    if not pixels:
        if options.refine is not None or "LABEL_REFINE" in asked:
            given = "--refine" if options.refine is not None else "--set LABEL_REFINE"
            raise UsageError(f"{given} is about label maps: add --pixels.")
        most, wanted = model.config.DETECTION_MAX_INSTANCES, options.max_detections
        if wanted is not None and wanted > most and options.tile is None:  # the limit holds for each tile
            raise UsageError(f"--max-detections {wanted}: DETECTION_MAX_INSTANCES={most} is the most that a photo can "
                             f"have: give at most that, or --set DETECTION_MAX_INSTANCES={wanted} too.")
        return
    named = {"--score-threshold": options.score_threshold, "--max-detections": options.max_detections}
    if not hasattr(model, "detect"):
        named["--min-confidence"] = options.min_confidence
    given = [name for name, value in named.items() if value is not None]
    if given:
        raise UsageError(f"{', '.join(given)}: about objects, and label maps are measured here: leave "
                         f"{'it' if len(given) == 1 else 'them'} out.")


def missed_text(config: Settings, metrics: dict, results: Sequence[dict], truth: dict, tile: int | None) -> str:
    """One line if DETECTION_MAX_INSTANCES keeps objects from being found, with what mends it; "" if it does not.

    Of photos with so many detections those count that have as many objects, or whose last detection still scores
    enough to be shown: of others no more than doubtful detections were cut off.
    """
    most, scores = config.DETECTION_MAX_INSTANCES, {}
    for result in results:
        scores.setdefault(result["image_id"], []).append(result["score"])
    objects = Counter(entry["image_id"] for entry in truth["annotations"] if not entry.get("iscrowd"))
    shown = metrics["best"]["threshold"] if metrics["best"] else 1.0
    full = [image_id for image_id, own in scores.items()
            if len(own) >= most and (objects[image_id] >= most or min(own) >= shown)]
    if not full or tile is not None:  # with tiles the limit holds for each of them
        return ""
    # A region gives few detections, and there are no more regions, where a network has such.
    if most >= getattr(config, "POST_NMS_ROIS_INFERENCE", math.inf):
        remedy = f"--set DETECTION_MAX_INSTANCES={2 * most} with --set POST_NMS_ROIS_INFERENCE={4 * most}"
    else:
        remedy = f"--set DETECTION_MAX_INSTANCES={2 * most}"
    return (f"{len(full)} of {metrics['images']} photos have DETECTION_MAX_INSTANCES={most} detections, the most there "
            f"can be, and objects are missed: {remedy}, or --tile N for huge photos.")


# --- The command line ------------------------------------------------------------------------------------------------


def add_evaluate(commands: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(commands, "evaluate", evaluate,
                          "Print AP of masks and boxes, overall and by class; write metrics, detections and a report. "
                          "Of a network that finds no objects: IoU of each class, as with --pixels.")
    add_weights(command)
    add_data_options(command)
    add_output(command, "DIR", "folder to write to (default: evaluation in the run's folder)")
    command.add_argument("--min-confidence", type=probability, metavar="P",
                         help=f"least score of a detection (default {EVALUATION_MIN_CONFIDENCE}: AP needs the "
                              "uncertain ones too; of label maps what `label` takes)")
    command.add_argument("--score-threshold", type=probability, metavar="P",
                         help="least score in the confusion matrix and on the photos (default: that of the best F1)")
    command.add_argument("--max-detections", type=positive, metavar="N",
                         help="measure AP with so many detections of a class in a photo too, beside COCO's 100")
    command.add_argument("--report", action=argparse.BooleanOptionalAction, default=True,
                         help="write report.html, or pixels.html of label maps: all figures in one file (default)")
    add_tta(command)
    add_tiles(command)
    add_refine(command)
    command.add_argument("--pixels", action="store_true",
                         help="measure the label maps that `label` makes instead: one class for each pixel")
