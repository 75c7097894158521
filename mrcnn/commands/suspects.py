"""The command `data suspects`: photos whose truth looks wrong, by disagreement with a trained network."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mrcnn.commands.datasets import add_data_options, check_objects, open_data
from mrcnn.commands.options import add_output, add_tta, positive
from mrcnn.commands.own_data import data_name
from mrcnn.commands.runs import add_weights, check_classes, checkpoint_of, load_model, output_folder
from mrcnn.commands.settings import EVALUATION_MIN_CONFIDENCE, finds_objects, overrides_of
from mrcnn.outputs import claim_outputs, remove_former

if TYPE_CHECKING:
    from mrcnn.commands.runs import Model
    from mrcnn.data.dataset import Dataset
    from mrcnn.evaluation.suspects import Suspect

FILES = ("suspects.csv", "suspects.json", "suspects.jpg")
SHEET = 24  # photos on the contact sheet unless told otherwise
TOLD = 10  # photos in the table that is printed


def suspects(options: argparse.Namespace) -> None:
    """Rank photos by what speaks against their truth; print the first, write a list and a contact sheet."""
    from mrcnn.drawing.pictures import write_picture
    from mrcnn.drawing.suspect_sheets import suspect_sheet, worst_of_photos
    from mrcnn.files import write_json, write_text

    overrides = overrides_of(options)
    overrides.setdefault("DETECTION_MIN_CONFIDENCE", EVALUATION_MIN_CONFIDENCE)
    dataset = open_data(options)
    path = checkpoint_of(options)
    data = data_name(options)
    check_objects(dataset, data, "measure", finds_objects(options))
    check_classes(path, dataset, data)
    folder = output_folder(options, path, "suspects")
    claim_outputs([os.path.join(folder, name) for name in FILES], options.overwrite)
    model = load_model(path, options, overrides)
    found, pair_of = (of_objects if hasattr(model, "detect") else of_label_maps)(model, dataset)
    entries = [{"rank": rank, **dataclasses.asdict(suspect), "text": suspect.text()}
               for rank, suspect in zip(photo_ranks(found), found)]
    write_text(os.path.join(folder, "suspects.csv"), table_of(entries))
    write_json(os.path.join(folder, "suspects.json"), entries)
    shown = worst_of_photos(found, options.top)
    if shown:
        write_picture(os.path.join(folder, "suspects.jpg"), suspect_sheet(shown, pair_of), quality=88)
    else:
        remove_former(folder, ["suspects.jpg"])
    print(told(found, worst_of_photos(found, TOLD), len(dataset.image_ids)))
    print(f"\n{', '.join(FILES if shown else FILES[:2])} are in {folder}")


def of_objects(model: Model, dataset: Dataset) -> tuple[list[Suspect], Callable]:
    """(suspects, what draws them) of a network that finds objects."""
    from mrcnn.drawing.suspect_sheets import objects_drawn
    from mrcnn.evaluation.evaluate import detect_all
    from mrcnn.evaluation.suspects import find_suspects

    results, truth = detect_all(model, dataset)
    places = {image["id"]: image_id for image, image_id in zip(truth["images"], dataset.image_ids)}
    return find_suspects(truth, results), objects_drawn(dataset, places, results, truth["categories"])


def of_label_maps(model: Model, dataset: Dataset) -> tuple[list[Suspect], Callable]:
    """(suspects, what draws them) of a network of label maps."""
    from mrcnn.data.annotated import photo_name
    from mrcnn.data.checked_photos import photos_for
    from mrcnn.data.label_samples import true_label_map
    from mrcnn.drawing.suspect_sheets import labels_drawn
    from mrcnn.evaluation.pixel_suspects import PixelSuspects
    from mrcnn.labeling.photos import batches, labelled
    from mrcnn.progress import progress_bar

    regions, done = PixelSuspects(dataset.class_names), 0
    with progress_bar("Labelling") as show:
        for batch in batches(dataset.image_ids, model.config.BATCH_SIZE):
            images = photos_for(model, dataset, batch)
            for image_id, result in zip(batch, model.label_each(images, probabilities=True)):
                regions.add(image_id, photo_name(dataset, image_id), true_label_map(dataset, image_id),
                            result["probabilities"])
                done += 1
                show(done, len(dataset.image_ids))
    return regions.suspects(), labels_drawn(dataset, lambda photo: next(iter(labelled(model, [photo]))))


def photo_ranks(found: Sequence[Suspect]) -> list[int]:
    """The rank of each suspect's photo, from 1 on."""
    ranks = {}
    return [ranks.setdefault(suspect.image, len(ranks) + 1) for suspect in found]


def table_of(entries: Sequence[dict]) -> str:
    """CSV of the suspects: a row each, boxes as y1 x1 y2 x2."""
    names = ["rank", "photo", "doubt", "reason", "text", "true_class", "true_box", "object_id", "found_class",
             "found_box", "score", "iou", "pixels"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for entry in entries:
        writer.writerow([_cell(entry[name]) for name in names])
    return text.getvalue()


def _cell(value):
    if isinstance(value, tuple):
        return " ".join(f"{side:.1f}".rstrip("0").rstrip(".") for side in value)
    return f"{value:.4f}" if isinstance(value, float) else value


def told(found: Sequence[Suspect], first: Sequence[Suspect], photos: int) -> str:
    """What is printed: the first photos, and how many suspects there are of each reason."""
    from mrcnn.evaluation.suspects import LEAST, REASONS
    from mrcnn.files import text_table

    if not found:
        return f"{photos} photos, and nothing speaks against their truth with a doubt of {LEAST} or more."
    rows = [("photo", "doubt", "what is suspected")]
    rows += [(suspect.photo, f"{suspect.doubt:.2f}", suspect.text()) for suspect in first]
    counts = Counter(suspect.reason for suspect in found)
    reasons = [f"{counts[reason]:5}  {reason}: {text}" for reason, text in REASONS.items()]
    suspected = len({suspect.image for suspect in found})
    return "\n".join([
        text_table(rows), "", f"{len(found)} suspects in {suspected} of {photos} photos, the worst photo first (doubts "
        f"below {LEAST} are not listed):", *reasons,
        "Photos that the checkpoint was trained on hide their errors: take one that was trained on others."])


# --- The command line ------------------------------------------------------------------------------------------------


def add_suspects(tasks: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(tasks, "suspects", suspects,
                          "Rank photos whose truth looks wrong, by disagreement with a trained network: a list and a "
                          "contact sheet.")
    add_weights(command)
    add_data_options(command)
    command.add_argument("--top", type=positive, default=SHEET, metavar="N",
                         help=f"photos on the contact sheet (default {SHEET})")
    add_tta(command)
    add_output(command, "DIR", "folder to write to (default: suspects in the run's folder)")
