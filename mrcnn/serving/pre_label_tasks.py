"""Files of tasks with pre-labels, for Label Studio to import where it is not connected to a server."""

import os
from collections.abc import Iterable, Sequence

from mrcnn.data.formats.label_studio_config import config_text
from mrcnn.data.formats.label_studio_writer import address_of, served_name, told_of
from mrcnn.files import json_text, write_texts
from mrcnn.serving.pre_labels import mapping_of, prediction_of, without_pixels

TASKS, CONFIG = "tasks.json", "labels.xml"


def write_tasks(folder: str | os.PathLike, photos: Iterable[tuple[str, dict, dict]], class_names: list[str],
                version: str, attribute_names: Sequence[str] = ()) -> str:
    """Write tasks with predictions, and the labelling configuration of a project for them.

    Args:
        folder: where `tasks.json` and `labels.xml` go.
        photos: (path of the file, dict of `detect(rle=True)`, {further data of its task}) of each.
        class_names: by class id, background first.
        version: of the model.
        attribute_names: that the network tells: choices for each region.

    Returns:
        What says how the files are imported, and how many objects are not in them.

    Raises:
        DataError: a name has a letter that XML or an address cannot hold, or a file cannot be written.
    """
    choices = {}
    for control, choice in map(told_of, attribute_names):
        choices.setdefault(control, []).append(choice)
    config = config_text(list(class_names[1:]), choices)
    mapping = mapping_of(config, class_names, attribute_names)
    photos = list(photos)
    tasks = [{"data": {**data, mapping.key: address_of(served_name(path, os.path.basename(path)))},
              "predictions": [prediction_of(result, mapping, class_names, version)]}
             for path, result, data in photos]
    write_texts(folder, {TASKS: json_text(tasks, None), CONFIG: config})
    empty, count = sum(without_pixels(result) for _, result, _ in photos), sum(len(one["rles"]) for _, one, _ in photos)
    told = f"{TASKS} leaves out {empty} of {count} objects, whose masks have no pixel.\n" if empty else ""
    return (f"{told}Label Studio: make a project with the labelling configuration {os.path.join(folder, CONFIG)}, give "
            "it the folder of the photos as storage of local files, the folder above that being "
            f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, and import {os.path.join(folder, TASKS)}.")
