"""Readers of public annotation formats, chosen by what a file or folder holds.

Importing this brings no numpy in, as READERS is asked by --help; a reader is imported when it is asked for.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.data.formats.archives import check_photos, exists, is_archive
from mrcnn.errors import DataError

if TYPE_CHECKING:
    from mrcnn.data.annotated import AnnotatedDataset

# Name of a format: (module, class). Modules are imported when a file of theirs may be at hand.
READERS = {
    "label_studio": ("mrcnn.data.formats.label_studio_json", "LabelStudioDataset"),
    "coco_panoptic": ("mrcnn.data.formats.coco_panoptic", "CocoPanopticDataset"),
    "coco": ("mrcnn.data.formats.coco", "CocoDataset"),
    "imaterialist": ("mrcnn.data.formats.imaterialist", "ImaterialistDataset"),
    "run_length_csv": ("mrcnn.data.formats.run_length_csv", "RunLengthDataset"),
    "via": ("mrcnn.data.formats.via", "ViaDataset"),
    "cvat": ("mrcnn.data.formats.cvat", "CvatDataset"),
    "deepfashion2": ("mrcnn.data.formats.deepfashion2", "DeepFashion2Dataset"),
    "labelme": ("mrcnn.data.formats.labelme", "LabelmeDataset"),
    "supervisely": ("mrcnn.data.formats.supervisely", "SuperviselyDataset"),
    "yolo": ("mrcnn.data.formats.yolo", "YoloDataset"),
    "voc": ("mrcnn.data.formats.voc", "VocDataset"),
    "label_maps": ("mrcnn.data.formats.label_maps", "LabelMapDataset"),
    "instance_masks": ("mrcnn.data.formats.instance_masks", "InstanceMaskDataset"),
    "open_images": ("mrcnn.data.formats.open_images", "OpenImagesDataset"),
    "parquet": ("mrcnn.data.formats.parquet", "ParquetDataset"),
    "arrays": ("mrcnn.data.formats.arrays", "ArrayDataset"),
}

# Name of a form that `data convert --to` writes: (module, function). Each is called as
# write(dataset, path, image_ids=None, progress=None), of a file or of a folder, and may return one sentence that says
# where the photos are; None: they stay in place. Who writes photos too may take photos="copy" or "link".
WRITERS = {
    "coco": ("mrcnn.data.formats.writers", "write_coco"),
    "labelstudio": ("mrcnn.data.formats.label_studio_writer", "write_label_studio"),
    "imaterialist": ("mrcnn.data.formats.writers", "write_imaterialist"),
    "yolo": ("mrcnn.data.formats.write_yolo", "write_yolo"),
    "voc": ("mrcnn.data.formats.write_voc", "write_voc"),
    "cvat": ("mrcnn.data.formats.cvat_writer", "write_cvat"),
    "labelme": ("mrcnn.data.formats.labelme_writer", "write_labelme"),
    "parquet": ("mrcnn.data.formats.parquet_table", "write_parquet"),
}
LOOKED_INTO = 50  # folders in a folder that is of no format itself


def recognise(path: str | os.PathLike, look_inside: bool = True, named: bool = False) -> str:
    """Recognise the format of annotations from their content.

    Args:
        path: of the file or folder of annotations, or of an archive that holds them, which is unpacked.
        look_inside: whether the message of a folder that is of no format tells what lies deeper in it.
        named: whether a file of names is given: pictures in few colours are then label maps, if nothing else.

    Returns:
        Name of the format, a key of READERS.

    Raises:
        DataError: the path does not exist, or the format is none of READERS.
    """
    from mrcnn.data.formats.unread import why_not

    if not exists(path):
        raise DataError(f"{path}: no such annotations: check the path.")
    if is_archive(path):
        from mrcnn.data.formats.archive_contents import annotations_in

        return annotations_in(path, None, functools.partial(recognise, named=named))[0]
    name, form = _recognised(path, named)
    if name is None:
        within = _within(path, form) if look_inside and os.path.isdir(path) else ""
        raise DataError(f"{path}: {within}{form}." if form else
                        f"{path}: annotations of no known format: {within}{why_not(path)}.")
    return name


def _recognised(path, named=False):
    """(Name of the format of a path, None if it is none of READERS; what it is instead, None if that is not known)."""
    from mrcnn.data.formats.unread import unread_form

    form = unread_form(path, before_readers=True) if os.path.isdir(path) else None
    if form is None:
        for name, (module, _) in READERS.items():
            if importlib.import_module(module).recognises(path):
                return name, None
        if named and os.path.isdir(path):
            from mrcnn.data.formats.label_maps import recognises

            if recognises(path, named):
                return "label_maps", None
        form = unread_form(path)
    return None, form


def _within(path, form):
    """What a folder holds that may be meant, in words that go before the reasons against itself; "" if nothing.

    form: what is known of the folder itself
    """
    from mrcnn.data.formats.archive_contents import LOOKED_AT as FILES_LOOKED_AT
    from mrcnn.data.formats.archive_contents import SHOWN, find_annotations
    from mrcnn.files import printable

    found, unread = find_annotations(path, recognise, LOOKED_INTO)
    names = [(printable(os.path.relpath(place, path).replace(os.sep, "/"), True), form) for place, form in found]
    if len(names) == 1:
        return f"{names[0][0]} in it is of the format {names[0][1]}: give that; "
    if names and all(form == "arrays" and name.lower().endswith(".npy") for name, form in names):
        least = "at least " if len(names) >= FILES_LOOKED_AT else ""
        return (f"in it are {least}{len(names)} files of arrays, {names[0][0]} the first: if each is of one photo, "
                "give one file of all, [N, H, W] (numpy.stack) or a list, or save label maps as PNG; else give one of "
                "them; ")
    if names:
        more = ", ..." if len(names) > SHOWN else ""
        return f"in it are {', '.join(f'{name} ({form})' for name, form in names[:SHOWN])}{more}: give one of them; "
    return f"in it {printable(unread[0], True)}; " if unread and not form else ""


def located(annotations: str | os.PathLike, images: str | os.PathLike | None = None, form: str | None = None,
            progress: Callable[[int, int], None] | None = None, named: bool = False) -> tuple:
    """Find the annotations and photos that paths stand for, which may be in archives.

    Args:
        annotations: path of a file, a folder, or an archive (ZIP, TAR): `export.zip`, or
            `export.zip#train/annotations.json` where it holds several.
        images: folder or archive of the photos; None takes those in the archive of the annotations, or none.
        form: name of the format, a key of READERS; None recognises it.
        progress: called as progress(done, total) in bytes while an archive is unpacked.
        named: whether a file of names is given, see `recognise`.

    Returns:
        (name of the format, path of the annotations, path of the folder of the photos or None).

    Raises:
        DataError: there are none, of no known format, or several in an archive.
    """
    from mrcnn.data.formats import archive_contents

    return archive_contents.located(annotations, images, form, functools.partial(recognise, named=named), progress)


def reader(form: str) -> type[AnnotatedDataset]:
    """Look up the class that reads a format.

    Args:
        form: name of the format, a key of READERS.

    Returns:
        A subclass of AnnotatedDataset.

    Raises:
        DataError: the name is none of READERS.
    """
    if form not in READERS:
        raise DataError(f"No annotation format {form!r}: take one of {', '.join(READERS)}.")
    module, name = READERS[form]
    return getattr(importlib.import_module(module), name)


def parts_of(annotations: str | os.PathLike, form: str | None = None, named: bool = False) -> tuple[str, ...]:
    """Look up the parts that annotations are split into by their own files.

    Args:
        annotations: path of the file or folder.
        form: name of the format, a key of READERS; None recognises it.
        named: whether a file of names is given, see `recognise`.

    Returns:
        Names such as ("train", "val"), which `open_dataset` takes as split; () of a format without splits.

    Raises:
        DataError: the annotations cannot be used.
    """
    from mrcnn.data.formats.archive_contents import annotations_in

    form, annotations, _ = annotations_in(annotations, form, functools.partial(recognise, named=named))
    return reader(form).parts(annotations)


def writer(form: str) -> Callable:
    """Look up the function that writes a format.

    Args:
        form: name of the format, a key of WRITERS.

    Returns:
        write(dataset, path, image_ids=None, progress=None): what is to be done with the files, the number of photos
        written, or None: all.

    Raises:
        DataError: the name is none of WRITERS.
    """
    if form not in WRITERS:
        raise DataError(f"No format {form!r} is written: take one of {', '.join(WRITERS)}.")
    module, name = WRITERS[form]
    return getattr(importlib.import_module(module), name)


def open_dataset(annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
                 on_error: str = "raise", names: str | os.PathLike | None = None,
                 mapping: str | os.PathLike | dict | None = None, form: str | None = None, crowds: str | None = None,
                 boxes_as_masks: bool = False, min_area: int | None = None, keep_partial: bool = False,
                 progress: Callable[[int, int], None] | None = None, split: str | None = None,
                 annotator: str | int | None = None, arrays: dict | None = None) -> AnnotatedDataset:
    """Read annotations of any known format.

    Args:
        annotations: path of the file, of the folder of files, label maps or instance masks, or of an archive of any of
            these (see `located`).
        images: folder of the photos; None takes the folder that the format has for them, else that of the annotations.
        limit: number of photos to take, the first ones; None takes all.
        on_error: "raise" raises at the first bad sample; "skip" leaves out all bad ones and lists them in `faults`.
        names: path of a file of class names, for the formats that have none of their own; or the name of the attribute
            (VIA) or control (Label Studio) that holds the class.
        mapping: name, path or dict of a class mapping, which merges and drops the labels of label maps.
        form: name of the format, a key of READERS; None recognises it.
        crowds: what `iscrowd: 1` of a COCO file means, "objects" or crowds to "ignore"; None finds out.
        boxes_as_masks: whether boxes are taken as masks where there are no outlines, as a draft.
        min_area: pixels of the smallest part of a label map that is an object; None takes the mapping's, else 60.
        keep_partial: whether "skip" keeps photos that lost objects, which are taught as background there.
        progress: called as progress(done, total) while "skip" looks at the objects of a format that checks them late.
        split: part of data that carry splits of their own (see `parts_of`), "train", "val" or "test"; None takes all.
        annotator: id, address or name of the annotator whose annotations of Label Studio are taken; "predictions" takes
            what models found, the version of a model what that one found; None takes the newest of each photo.
        arrays: for files of arrays, {"labels": path, "boxes": path, "counts": path, "first_label": 0 or 1, "channels":
            "first" or "last"}, as far as they are wanted; `annotations` is then the file of the masks, or of all.

    Returns:
        A prepared data set.

    Raises:
        DataError: the annotations cannot be used; the message names the file and what is wrong.
    """
    from mrcnn.data.curation.census import leave_out_bad

    form, annotations, images = located(annotations, images, form, named=names is not None)
    dataset = reader(form)()
    only = {"split": split, "annotator": annotator, "arrays": arrays}  # a format without them refuses what is given
    only = {name: value for name, value in only.items() if value is not None}
    dataset.load(annotations, images, limit=limit, on_error=on_error, names=names, mapping=mapping, crowds=crowds,
                 boxes_as_masks=boxes_as_masks or None, min_area=min_area, **only)
    check_photos(dataset, annotations, images)
    dataset.prepare()
    return leave_out_bad(dataset, annotations, keep_partial, progress) if on_error == "skip" else dataset
