"""Readers of public annotation formats, chosen by what a file or folder holds."""

import importlib
import os

from mrcnn.errors import DataError

# Name of a format: (module, class). Modules are imported when a file of theirs may be at hand.
READERS = {
    "coco": ("mrcnn.data.formats.coco", "CocoDataset"),
    "imaterialist": ("mrcnn.data.formats.imaterialist", "ImaterialistDataset"),
    "run_length_csv": ("mrcnn.data.formats.run_length_csv", "RunLengthDataset"),
    "via": ("mrcnn.data.formats.via", "ViaDataset"),
    "labelme": ("mrcnn.data.formats.labelme", "LabelmeDataset"),
    "label_maps": ("mrcnn.data.formats.label_maps", "LabelMapDataset"),
    "instance_masks": ("mrcnn.data.formats.instance_masks", "InstanceMaskDataset"),
}


def recognise(path):
    """Name of the format that a file or folder of annotations is in, found out from its content.

    Raises DataError if it does not exist or is in none of READERS.
    """
    if not os.path.exists(path):
        raise DataError(f"{path}: no such annotations: check the path.")
    for name, (module, _) in READERS.items():
        if importlib.import_module(module).recognises(path):
            return name
    raise DataError(f"{path}: annotations of no known format ({', '.join(READERS)}): check it, or name its format.")


def reader(form):
    """The Dataset subclass that reads a format. Raises DataError for a name that is none of READERS."""
    if form not in READERS:
        raise DataError(f"No annotation format {form!r}: take one of {', '.join(READERS)}.")
    module, name = READERS[form]
    return getattr(importlib.import_module(module), name)


def open_dataset(annotations, images=None, limit=None, on_error="raise", names=None, mapping=None, form=None):
    """Read annotations of any known format.

    annotations: path of the file, or the folder of LabelMe files, label maps or instance masks
    images: folder of the photos; None: where the format keeps them, else the folder of the annotations
    limit: take the first so many photos; on_error: "raise" at a bad sample or "skip" it (see `Dataset.faults`)
    names: path of a file of class names; mapping: classes merged or dropped, for the formats that have such
    form: name of the format; None recognises it

    Returns a prepared AnnotatedDataset. Raises DataError naming the file and what is wrong.
    """
    dataset = reader(form or recognise(annotations))()
    dataset.load(annotations, images, limit=limit, on_error=on_error, names=names, mapping=mapping)
    dataset.prepare()
    return dataset
