"""What data sets say of their objects: as run lengths or masks, and how many of each class; errors name the photo."""

import contextlib
from collections.abc import Callable, Collection, Iterator

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.errors import DataError

DECODED_AT_MOST = 5000  # photos whose masks are decoded only to count objects: minutes


def gives_run_lengths(dataset: Dataset) -> bool:
    """Whether the objects of a data set can be read by `load_rles`.

    They can if it has that method, and no subclass of the class that has it gives a `load_mask` of its own.
    """
    if "load_mask" in vars(dataset):
        return False
    for base in type(dataset).__mro__:
        if "load_rles" in vars(base):
            return True
        if "load_mask" in vars(base):
            return False
    return False


def class_counts(dataset: Dataset, image_ids: Collection[int] | None = None,
                 progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """Number of objects of each class in each photo, crowds not counted; no mask is decoded if the format allows.

    Args:
        dataset: prepared Dataset.
        image_ids: of the photos, None takes all.
        progress: called as progress(done, total).

    Returns:
        int64 [M, K]; column k is class id k + 1.
    """
    image_ids = dataset.image_ids if image_ids is None else image_ids
    counts = np.zeros((len(image_ids), dataset.num_classes), np.int64)
    by_runs = gives_run_lengths(dataset)
    # A subclass of a reader that has a load_mask of its own may give other objects than the reader counts.
    by_classes = hasattr(dataset, "object_classes") and (by_runs or not hasattr(dataset, "load_rles"))
    for row, image_id in enumerate(image_ids):
        if by_classes:
            class_ids = dataset.object_classes(image_id)
        else:
            class_ids = (dataset.load_rles if by_runs else dataset.load_mask)(image_id)[1]
        np.add.at(counts[row], np.maximum(np.asarray(class_ids, int), 0), 1)
        if progress:
            progress(row + 1, len(image_ids))
    return counts[:, 1:]


def count_classes(dataset: Dataset, image_ids: Collection[int]) -> np.ndarray:
    """Objects of each class in each photo, crowds not counted, as `class_counts` has them.

    Returns:
        int64 [M, K].

    Raises:
        DataError: naming a photo whose objects cannot be read, and where counting would mean to decode the masks of
            more than DECODED_AT_MOST photos.
    """
    by_masks = hasattr(dataset, "load_rles") or not hasattr(dataset, "object_classes")
    if len(image_ids) > DECODED_AT_MOST and by_masks and not gives_run_lengths(dataset):
        name = type(dataset).__name__
        raise DataError(
            f"{name}: to count the objects of {len(image_ids)} photos, for CLASS_LOSS or REPEAT_THRESHOLD, all masks "
            f"would be decoded: give {name} a method object_classes(image_id) that returns class ids, or set "
            "CLASS_COUNTS for CLASS_LOSS and REPEAT_THRESHOLD=0."
        )
    counts = np.zeros((len(image_ids), dataset.num_classes - 1), np.int64)
    for row, image_id in enumerate(image_ids):
        with named_errors(dataset, image_id):
            counts[row] = class_counts(dataset, [image_id])[0]
    return counts


@contextlib.contextmanager
def named_errors(dataset: Dataset, image_id: int, kinds: type | tuple = Exception) -> Iterator[None]:
    """Makes errors of some kinds that come up within it DataErrors that name the photo."""
    try:
        yield
    except kinds as error:
        name = dataset.sample_name(image_id)
        if isinstance(error, DataError) and name in str(error):
            raise
        kind = "" if isinstance(error, DataError) else f"{type(error).__name__}: "
        raise DataError(f"{name}: {kind}{error}") from error
