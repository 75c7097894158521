"""Photos that carry no annotations, from files, and drawings of what was found in them, to files."""

from __future__ import annotations

import argparse
import itertools
import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mrcnn.commands.datasets import drawn_pictures
from mrcnn.commands.settings import DRAWN_SHOWN
from mrcnn.data.class_names import names_of_model, same_classes
from mrcnn.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from mrcnn.commands.runs import Model
    from mrcnn.data.dataset import Dataset

SHOWN = 3  # names of files that are passed over
READABLE = 600  # pixels of the longer side that labels need


def photos_of(paths: list[str] | None, model: Model, options: argparse.Namespace) -> Dataset:
    """The prepared data set of some files, or of drawn pictures, with the classes of a model.

    Args:
        paths: of the photos, or of one file of arrays; None: drawn pictures, --limit of them.
        model: that is to find something in them.

    Raises:
        UsageError: if the model was trained on other classes than those of the drawn pictures.
    """
    if paths is not None:
        from mrcnn.data.formats.array_files import holds_arrays
        from mrcnn.data.unannotated import ArrayPhotos, PhotoDataset

        names = names_of_model(model)
        if len(paths) == 1 and holds_arrays(paths[0]):
            dataset = ArrayPhotos().load_array(paths[0], names, options.matte, options.limit)
        else:
            dataset = PhotoDataset().load_photos(paths, names, options.matte)
        dataset.prepare()
        return dataset
    dataset = drawn_pictures("val", options.limit or DRAWN_SHOWN)
    if model.config.NUM_CLASSES != dataset.num_classes or not same_classes(model.class_names, dataset.class_names):
        known = ", ".join((model.class_names or [])[1:4]) or f"{model.config.NUM_CLASSES - 1} classes"
        raise UsageError(f"The weights know other things ({known} ...) than the drawn pictures show: give photos by "
                         "--image FILE or --image DIR.")
    return dataset


def list_photos(path: str, option: str = "--image") -> list[str]:
    """Paths of the photos that a file name or a folder stands for; files of a folder that are none are told of.

    Args:
        path: of a photo or a folder.
        option: of the command that it was given by.

    Raises:
        DataError: naming the option, if there is no such file or folder, or it holds no photos.
    """
    if os.path.isdir(path):
        from mrcnn.data.images import PHOTO_ENDINGS

        names = sorted(name for name in os.listdir(path) if not name.startswith("."))
        photos = [name for name in names if name.lower().endswith(PHOTO_ENDINGS)]
        others = [name for name in names if name not in set(photos)]
        shown = ", ".join(others[:SHOWN]) + (", ..." if len(others) > SHOWN else "")
        if not photos:
            why = f"its {len(others)} files and folders are none by their endings: {shown}" if others else "it is empty"
            raise DataError(f"{option} {path} holds no photos ({why}): photos end in {', '.join(PHOTO_ENDINGS)}.")
        if others:
            what = "file or folder is" if len(others) == 1 else "files and folders are"
            warnings.warn(f"{path}: {len(others)} {what} passed over, being no photo: {shown}.", stacklevel=2)
        return [os.path.join(path, name) for name in photos]
    if not os.path.isfile(path):
        raise DataError(f"{option} {path} does not exist: check the path.")
    return [path]


def check_output(folder: str, paths: Iterable[str]) -> None:
    """Raise UsageError if drawings would overwrite the photos."""
    if os.path.realpath(folder) in {os.path.realpath(os.path.dirname(path) or ".") for path in paths}:
        raise UsageError(f"--output {folder} is the folder of the photos: the drawings would overwrite them.")


def save_drawing(folder: str | os.PathLike, dataset: Dataset, image_id: int, image: np.ndarray, result: dict,
                 name: str | None = None) -> None:
    """Draw the objects found in a photo, and write the picture, whole or not at all.

    Args:
        folder: where the picture goes.
        dataset: prepared Dataset.
        image_id: of the photo in the dataset.
        image: uint8 [H, W, 3]; small ones are enlarged, so that labels have room.
        result: dict of `detect(rle=True)` for it.
        name: of the file, from `picture_names`; None takes the photo's own.
    """
    from mrcnn.drawing.arguments import caption_of
    from mrcnn.drawing.pictures import described, draw_instances, write_picture

    scale = min(4, max(1, READABLE // max(image.shape[:2])))
    captions = None
    if "attributes" in result:
        captions = [caption_of(class_id, dataset.class_names, result["scores"], i)
                    for i, class_id in enumerate(result["class_ids"])]
        captions = described(captions, result["attributes"], result["attribute_names"])
    drawing = draw_instances(
        image, result["boxes"], result["rles"], result["class_ids"], dataset.class_names, result["scores"], scale=scale,
        captions=captions
    )
    write_picture(os.path.join(folder, name or picture_name(dataset.image_info[image_id])), drawing)


def picture_names(dataset: Dataset) -> list[str]:
    """File name of the drawing of each photo: of `picture_name`, with a number where that is another photo's own.

    How many have a number is told in a warning.

    Args:
        dataset: prepared Dataset.
    """
    names = [picture_name(info) for info in dataset.image_info]
    own = [os.path.basename(info.get("path") or str(info["id"])) for info in dataset.image_info]
    taken, changed = {name for name, photo in zip(names, own) if name == photo}, []
    for place, (name, photo) in enumerate(zip(names, own)):
        if name != photo and name in taken:
            names[place] = next(free for free in (f"{photo}_{i}.png" for i in itertools.count(2)) if free not in taken)
            changed.append(f"{photo}: {names[place]}")
        taken.add(names[place])
    if changed:
        shown = ", ".join(changed[:SHOWN]) + (", ..." if len(changed) > SHOWN else "")
        warnings.warn(f"{len(changed)} photos would have the drawing of another in the place of theirs, as x.webp and "
                      f"x.webp.png: their drawings are called otherwise ({shown}); rename the photos if that is "
                      "unwanted.", stacklevel=2)
    return names


def picture_name(info: dict) -> str:
    """File name of a drawing: the photo's own, and PNG unless that is a JPEG."""
    name = os.path.basename(info.get("path") or str(info["id"]))
    return name if name.lower().endswith((".jpg", ".jpeg", ".png")) else f"{name}.png"
