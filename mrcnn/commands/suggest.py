"""The command `data suggest`: which photos to label next, with what a model finds in them as pre-labels."""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from mrcnn.commands.datasets import add_data_options, given_data_options, open_data
from mrcnn.commands.options import add_output, positive
from mrcnn.commands.own_data import data_name, reads
from mrcnn.commands.photos import list_photos, photos_of
from mrcnn.commands.runs import (
    add_weights,
    check_classes,
    check_has,
    checkpoint_of,
    load_model,
    output_folder,
    refuse_exported,
    weights_name,
)
from mrcnn.commands.settings import overrides_of
from mrcnn.errors import DataError, UsageError
from mrcnn.outputs import claim_outputs
from mrcnn.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np

    from mrcnn.commands.runs import Model
    from mrcnn.data.curation.suggest import Suggested
    from mrcnn.data.dataset import Dataset

COUNT = 50
LIST, JSON = "suggested.csv", "suggested.json"
SURE = 0.75  # score from which an object is not told of as uncertain
TOLD = 3  # uncertain objects of a photo that are named


def suggest(options: argparse.Namespace) -> int:
    """Write which photos to label next, why, and tasks with pre-labels.

    Returns:
        The exit code: 2 if a photo could not be read.
    """
    from mrcnn.serving.pre_label_tasks import CONFIG, TASKS

    refuse_exported(options.weights, "data suggest")
    overrides, path = overrides_of(options), checkpoint_of(options)
    paths, folder = list_photos(options.photos, "--photos")[:options.limit], output_folder(options, path, "suggested")
    claim_outputs([os.path.join(folder, name) for name in (LIST, JSON, TASKS, CONFIG)], options.overwrite)
    options.limit = None  # it is of the photos to choose from: of those that are labelled all count
    labelled = _labelled(options)
    if labelled is not None:
        check_classes(path, labelled, "the labelled photos")
    paths = _unlabelled(paths, labelled, options)
    model = load_model(path, options, overrides)
    check_has(model, "detect", path)
    from mrcnn.inference.attributes import names_of
    from mrcnn.inference.embedding import Embedder

    dataset, embedder = photos_of(paths, model, options), Embedder(model)
    known = _known(model, embedder, labelled)
    looked = _looked_at(model, embedder, dataset)
    if not looked:
        return 2
    rows = _rows(looked, dataset, labelled, known, options.count)
    photos = options.photos if os.path.isdir(options.photos) else os.path.dirname(options.photos)
    _write(folder, photos, rows, dataset.class_names, weights_name(path, ending=False),
           float(model.config.DETECTION_MIN_CONFIDENCE), names_of(model.config))
    against = f"{len(known[0])} that are labelled" if known[0] else "each other alone (no --annotations)"
    print(f"{len(rows)} of {len(looked)} photos are suggested, held against {against}; why each is said in "
          f"{os.path.join(folder, LIST)}")
    return 0 if len(looked) == len(dataset.image_ids) else 2


def _labelled(options):
    """The data set of the photos that are labelled already, or None."""
    if options.annotations or reads(options, None):
        return open_data(options)
    given = given_data_options(options, "matte")  # of the photos to choose from, too
    if given:
        verb = "is" if len(given) == 1 else "are"
        raise UsageError(f"{', '.join(given)} {verb} of photos that are labelled: give their --annotations too.")
    return None


def _unlabelled(paths, labelled, options):
    """Paths of the photos that are not labelled already; how many are is told."""
    if labelled is None:
        return paths
    whose = data_name(options)
    known = {os.path.realpath(info["path"]) for info in labelled.image_info if info.get("path")}
    left = [path for path in paths if os.path.realpath(path) not in known]
    if len(left) < len(paths):
        print(f"{len(paths) - len(left)} of {len(paths)} photos in {options.photos} are labelled in "
              f"{whose} already: passed over.")
    if not left:
        raise DataError(f"{options.photos}: all {len(paths)} photos are labelled in {whose} already: "
                        "give a folder with others.")
    return left


def load_readable(model: Model, dataset: Dataset, image_ids: Iterable[int]) -> dict[int, np.ndarray]:
    """{image id: uint8 [H, W, 3]} of the photos that the model can take; the others are named on stderr."""
    from mrcnn.data.checked_photos import photos_for

    photos = {}
    for image_id in image_ids:
        try:
            photos[image_id] = photos_for(model, dataset, [image_id])[0]
        except DataError as error:
            print(f"skipped: {error}", file=sys.stderr)
    return photos


def _batches(model, dataset, what):
    """([image id], [uint8 [H, W, 3]]) of the photos that can be read; the others are named on stderr."""
    count, size = len(dataset.image_ids), model.config.BATCH_SIZE
    with progress_bar(what) as show:
        for start in range(0, count, size):
            photos = load_readable(model, dataset, dataset.image_ids[start:start + size])
            if photos:
                yield list(photos), list(photos.values())
            show(min(start + size, count), count)


def _known(model, embedder, labelled):
    """([name], float32 [L, C] or None) of the labelled photos that can be read."""
    import numpy as np

    names, rows = [], []
    for ids, photos in _batches(model, labelled, "Looking at labelled photos") if labelled is not None else ():
        names += [labelled.sample_name(image_id) for image_id in ids]
        rows.append(embedder.features(photos))
    return names, np.concatenate(rows) if rows else None


def _looked_at(model, embedder, dataset):
    """[(image id, dict of `detect`, float32 [C])] of the photos to choose from."""
    from mrcnn.data.curation.suggest import LEAST

    rows = []
    for ids, photos in _batches(model, dataset, "Looking at photos"):
        rows += [(image_id, *found) for image_id, found in zip(ids, embedder.found(photos, LEAST))]
    return rows


def _rows(looked, dataset, labelled, known, count):
    """[(row of the list, dict of `detect`)] of the photos that are suggested, in their order."""
    import numpy as np

    from mrcnn.data.curation.suggest import choose, class_weights, rarity_of, uncertainty_of
    from mrcnn.data.objects import class_counts

    if labelled is not None:
        counts = class_counts(labelled).sum(axis=0)
    else:  # what there is of each class, as far as the model tells
        counts = np.zeros(dataset.num_classes - 1)
        for _, found, _ in looked:
            np.add.at(counts, found["class_ids"] - 1, found["scores"])
    weights = class_weights(counts)
    unsure = [uncertainty_of(found["scores"]) for _, found, _ in looked]
    rare = [rarity_of(found["scores"], found["class_ids"], weights) for _, found, _ in looked]
    names, features = known
    chosen = choose(np.stack([row[2] for row in looked]), unsure, [value for value, _ in rare], count, features)
    names = names + [dataset.sample_name(image_id) for image_id, _, _ in looked]
    rows = []
    for rank, one in enumerate(chosen, 1):
        image_id, found, _ = looked[one.index]
        nearest = "" if one.nearest is None else names[one.nearest]
        row = {"rank": rank, "photo": dataset.image_info[image_id]["id"], "value": one.value,
               "uncertainty": one.uncertainty, "rarity": one.rarity, "distance": one.distance, "nearest": nearest}
        row["reason"] = reason(one, found, rare[one.index][1], counts, dataset.class_names, nearest)
        rows.append((row, found))
    return rows


def reason(one: Suggested, found: dict, rarest: int | None, counts: np.ndarray, class_names: Sequence[str],
           nearest: str) -> str:
    """Say in words why a photo is suggested.

    Args:
        one: Suggested.
        found: dict of `detect`.
        rarest: place in it of the object that the rarity is due to, or None.
        counts: [K] objects of each class.
        class_names: by class id, background first.
        nearest: name of the photo that it resembles most, "" where there is none.

    Returns:
        One line.
    """
    named = [(abs(score - 0.5), f"{class_names[class_id]} {score:.2f}")
             for class_id, score in zip(found["class_ids"], found["scores"]) if score < SURE]
    parts = []
    if named:
        parts.append("unsure of " + ", ".join(text for _, text in sorted(named)[:TOLD]))
    if rarest is not None and one.rarity >= 0.25:
        class_id = int(found["class_ids"][rarest])
        parts.append(f"may show {class_names[class_id]}, of which there are {counts[class_id - 1]:.0f}")
    if not len(found["scores"]):
        parts.append("nothing was found")
    if nearest:
        parts.append(f"most like {nearest}, {100 * one.distance:.0f} % as far from it as any was")
    return "; ".join(parts) or "nothing is like it yet"


def _write(folder, folder_of_photos, rows, class_names, version, least, attribute_names):
    """Write the list as CSV and JSON, and the tasks, whose pre-labels are those of a score that `detect` shows."""
    from mrcnn.files import json_text, write_texts
    from mrcnn.serving.pre_label_tasks import write_tasks

    rounded = [{name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
               for row, _ in rows]
    text = io.StringIO()
    table = csv.DictWriter(text, rounded[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rounded)
    write_texts(folder, {LIST: text.getvalue(), JSON: json_text(rounded)})
    photos = [(os.path.join(folder_of_photos, row["photo"]), shown(found, least), {"reason": row["reason"]})
              for row, (_, found) in zip(rounded, rows)]
    print(write_tasks(folder, photos, class_names, version, attribute_names))


def shown(found: dict, least: float) -> dict:
    """What of a dict of `detect(rle=True)` has at least a score."""
    keep = found["scores"] >= least
    return {**{name: found[name][keep] for name in ("boxes", "class_ids", "scores")},
            **{name: [one for one, kept in zip(found[name], keep) if kept] for name in ("rles", "attributes")
               if name in found}}


def add_suggest(tasks: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(tasks, "suggest", suggest, "Choose which photos to label next; write tasks with pre-labels.")
    add_weights(command)
    command.add_argument("--photos", required=True, metavar="DIR",
                         help="folder of the photos to choose from, or one photo")
    command.add_argument("--count", type=positive, default=COUNT, metavar="N",
                         help=f"photos to suggest (default {COUNT})")
    add_data_options(command, whole=True)
    add_output(command, "DIR", "folder to write to (default: suggested in the run's folder)")
