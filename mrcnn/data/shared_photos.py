"""Photos that two data sets share, as training and validation must not."""

import functools
import os
import warnings
from collections import Counter

from mrcnn.data.dataset import Dataset


def shared_photos(training: Dataset, validation: Dataset) -> list[str]:
    """Files of a validation set that are photos of the training set too.

    Args:
        training, validation: prepared Datasets.

    Returns:
        Their paths as the validation set has them, in its order. Photos without a path of their own count for nothing:
        drawn ones, arrays, names of no file, and files that hold several.
    """
    known = set(_files_of(training).values())
    return [path for path, file in _files_of(validation).items()
            if file in known and ("://" in file or os.path.exists(file))]


def tell_shared_photos(training: Dataset, validation: Dataset) -> None:
    """Warn of photos that are trained on and validated with."""
    shared = shared_photos(training, validation)
    if shared:
        warnings.warn(f"{len(shared)} of {len(validation.image_ids)} validation photos are training photos too (first: "
                      f"{shared[0]}): their loss and AP tell nothing of new photos, and the best checkpoint is chosen "
                      "by them. `mrcnn data split` makes parts that share none.", stacklevel=3)


def _files_of(dataset):
    """{path: the file that it leads to} of a data set's photos."""
    folder_of = functools.lru_cache(maxsize=None)(os.path.realpath)
    paths = [dataset.image_info[image_id].get("path") for image_id in dataset.image_ids]
    times = Counter(path for path in paths if isinstance(path, (str, os.PathLike)))
    files = {}
    for path, number in times.items():
        text = os.fspath(path)
        if number == 1 and isinstance(text, str) and text:
            folder, name = os.path.split(text)
            files[text] = text if "://" in text else os.path.join(folder_of(folder), name)
    return files
