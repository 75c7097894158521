"""Photos that two data sets share, as training and validation must not, and copies of one photo by their names."""

import functools
import os
import re
import warnings
from collections import Counter

from mrcnn.data.dataset import Dataset

# What follows from sharing photos with the training set, by what the photos are for.
FOLLOWS = {
    "validation": "their loss and AP tell nothing of new photos, and the best checkpoint is chosen by them",
    "test": "their loss and AP tell nothing of new photos",
    "diagnosed": "what is found or lost on them tells nothing of new photos",
}
ROBOFLOW = re.compile(r"(.+)\.rf\.[^./\\]+(\.\w+)?")  # IMG1_jpg.rf.HASH.jpg, of which there are several a photo


def shared_photos(training: Dataset, validation: Dataset) -> list[str]:
    """Files of a validation set that are photos of the training set too.

    Args:
        training, validation: prepared Datasets.

    Returns:
        Their paths as the validation set has them, in its order; links are followed. Photos without a path of their
        own count for nothing: drawn ones, arrays, names of no file, and files that hold several.
    """
    known = set(_files_of(training).values())
    return [path for path, file in _files_of(validation).items()
            if file in known and ("://" in file or os.path.exists(file))]


def tell_shared_photos(training: Dataset, other: Dataset, what: str = "validation",
                       chosen_by: Dataset | None = None) -> None:
    """Warn of photos that are trained on and measured too, by their files, and of copies of one, by their names.

    Args:
        training: prepared Dataset that is trained on.
        other: prepared Dataset of the other photos.
        what: they are for, a key of FOLLOWS.
        chosen_by: the validation set, if the other photos are to be none of these either; None: they may be.
    """
    shared, number = shared_photos(training, other), len(other.image_ids)
    if shared:
        warnings.warn(f"{len(shared)} of {number} {what} photos are training photos too (first: {shared[0]}): "
                      f"{FOLLOWS[what]}. `mrcnn data split` makes parts that share none.", stacklevel=3)
    copies = _copies(training, other, set(shared))
    if copies:
        warnings.warn(f"{len(copies)} of {number} {what} photos are copies of training photos, by their names of "
                      f"Roboflow (NAME.rf.HASH; first: {copies[0]}): {FOLLOWS[what]}. `mrcnn data split` keeps copies "
                      "of one photo in one part.", stacklevel=3)
    both = shared_photos(chosen_by, other) if chosen_by is not None else []
    if both:
        warnings.warn(f"{len(both)} of {number} {what} photos are validation photos too (first: {both[0]}): the best "
                      "checkpoint is chosen by them, so their figures flatter it. `mrcnn data split` makes parts that "
                      "share none.", stacklevel=3)


def roboflow_source(name: str) -> str | None:
    """The photo that a file of a Roboflow export is a copy of.

    Args:
        name: of the file, as IMG1_jpg.rf.0a1b2c.jpg; folders in front of it do not count.

    Returns:
        Its name, as IMG1_jpg; None of a file that is not named so.
    """
    match = ROBOFLOW.fullmatch(re.split(r"[/\\]", name)[-1])
    return match[1] if match else None


def _copies(training, other, shared):
    """Paths of the other photos that have a copy in training and are not themselves there."""
    known = {roboflow_source(path) for path in _paths_of(training)} - {None}
    return [path for path in _paths_of(other) if path not in shared and roboflow_source(path) in known]


def _paths_of(dataset):
    """{path: number of its photos} of a data set."""
    paths = [dataset.image_info[image_id].get("path") for image_id in dataset.image_ids]
    texts = [os.fspath(path) for path in paths if isinstance(path, (str, os.PathLike))]
    return Counter(text for text in texts if isinstance(text, str) and text)


def _files_of(dataset):
    """{path: the file that it leads to} of a data set's photos."""
    folder_of = functools.lru_cache(maxsize=None)(os.path.realpath)
    return {path: path if "://" in path else _file_of(path, folder_of)
            for path, number in _paths_of(dataset).items() if number == 1}


def _file_of(path, folder_of):
    """The file that a path leads to; the folders of many photos are looked up once."""
    folder, name = os.path.split(path)
    file = os.path.join(folder_of(folder), name)
    return os.path.realpath(file) if os.path.islink(file) else file
