"""The command `diagnose`: at which stage of the network objects are lost, why, and what mends it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.commands.datasets import add_data_options, open_data
from mrcnn.commands.options import add_output, last_weights, probability
from mrcnn.commands.own_data import data_name, splits_itself
from mrcnn.commands.runs import (
    add_weights,
    check_has,
    checkpoint_of,
    load_model,
    output_folder,
    refuse_exported,
    weights_name,
)
from mrcnn.commands.settings import overrides_of
from mrcnn.commands.splits import carried_parts, split_file
from mrcnn.outputs import claim_outputs

if TYPE_CHECKING:
    from mrcnn.data.dataset import Dataset

PHOTOS = 50  # looked at unless told otherwise


def diagnose(options: argparse.Namespace) -> None:
    """Print where objects are lost and what mends it; write diagnose.json and diagnose.png."""
    from mrcnn.data.annotated import keep_groups
    from mrcnn.drawing.pictures import write_figure
    from mrcnn.evaluation.findings import find
    from mrcnn.evaluation.funnel_report import diagnosis_figure, diagnosis_text
    from mrcnn.files import write_json

    refuse_exported(options.weights, "diagnose")
    overrides = overrides_of(options)
    dataset = open_data(options)
    path = checkpoint_of(options)
    folder = output_folder(options, path, "diagnosis")
    claim_outputs([os.path.join(folder, name) for name in ("diagnose.json", "diagnose.png")], options.overwrite)
    model = load_model(path, options, overrides)
    check_has(model, "get_anchors", path)
    keep_groups(dataset, model.class_names, f"{path} knows it")
    from mrcnn.inference.diagnosis import examine, written_in  # brings in Keras, which load_model does quietly

    diagnosis = examine(model, dataset, training_objects(options, dataset))
    diagnosis["epoch"], diagnosis["changed"] = written_in(path, model.config)
    findings = find(diagnosis, last_weights(options))
    os.makedirs(folder, exist_ok=True)
    data = os.path.basename(os.path.normpath(data_name(options)))
    write_figure(os.path.join(folder, "diagnose.png"),
                 diagnosis_figure(diagnosis, f"{weights_name(path)} on {data}"))
    listed = [vars(finding) for finding in findings]
    write_json(os.path.join(folder, "diagnose.json"), {"findings": listed, **diagnosis}, indent=1)
    print(f"{diagnosis_text(diagnosis, findings)}\n\ndiagnose.json and diagnose.png are in {folder}")


def training_objects(options: argparse.Namespace, dataset: Dataset) -> dict | None:
    """{objects: [number of each class of the data], most: objects of one photo} of the training data; None if unknown.
    """
    from mrcnn.data.objects import class_counts
    from mrcnn.data.shared_photos import tell_shared_photos

    whole = argparse.Namespace(**{**vars(options), "limit": None})
    if options.train:
        whole.split = whole.part = None
        training = open_data(whole, options.train, "train")
    elif _has_training_part(options) and (options.part or "val") != "train" != options.split:
        if not split_file(options):
            whole.split = whole.part = None
        training = open_data(whole, part="train")
    else:
        return None
    tell_shared_photos(training, dataset, "diagnosed")
    counts = class_counts(training)
    totals = dict(zip(training.class_names[1:], counts.sum(axis=0).tolist()))
    return {"objects": [totals.get(name, 0) for name in dataset.class_names[1:]],
            "most": int(counts.sum(axis=1).max(initial=0))}


def _has_training_part(options):
    """Whether the data have a part to train on, beside the one that is looked at."""
    if split_file(options) or splits_itself(options, options.annotations):
        return True
    return "train" in carried_parts(options, options.annotations)


# --- The command line ------------------------------------------------------------------------------------------------


def add_diagnose(commands: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(commands, "diagnose", diagnose,
                          "Tell at which stage of a trained network objects are lost, why, and what mends it "
                          f"(on {PHOTOS} photos, or as many as --limit says).",
                          unused={"batch_size": "photos are looked at one at a time"})
    command.set_defaults(limit=PHOTOS)
    add_weights(command)
    add_data_options(command)
    command.add_argument("--train", metavar="ANNOTATIONS",
                         help="annotations that it was trained on, to tell classes without training objects (with "
                              "--split: its part train)")
    add_output(command, "DIR", "folder to write to (default: diagnosis in the run's folder)")
    command.add_argument("--min-confidence", type=probability, metavar="P",
                         help="least score of a detection that is shown (default: the checkpoint's "
                              "DETECTION_MIN_CONFIDENCE)")
