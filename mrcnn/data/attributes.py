"""What data sets say of their objects beyond the class: attributes such as pattern, length and neckline."""

from collections import Counter

import numpy as np

from mrcnn.data.annotated import AnnotatedDataset
from mrcnn.data.dataset import Dataset
from mrcnn.data.objects import gives_run_lengths
from mrcnn.errors import DataError


def attribute_names(dataset: Dataset) -> dict[int, str]:
    """Tell the names of a data set's attributes.

    Args:
        dataset: any Dataset.

    Returns:
        {id: name}, empty for a data set without attributes.
    """
    return dict(getattr(dataset, "attribute_names", {}))


def short_names(names: dict[int, str]) -> dict[int, str]:
    """Shorten the names of attributes for captions: of "neckline: v" the value, if it is of one attribute only.

    Args:
        names: of `attribute_names`.

    Returns:
        {id: name}; "sleeves: long" and "length: long" become "sleeves long" and "length long".
    """
    values = Counter(str(name).rpartition(": ")[2] for name in names.values())
    pairs = {i: str(name).rpartition(": ") for i, name in names.items()}
    return {i: value if values[value] == 1 else f"{kind} {value}".strip() for i, (kind, _, value) in pairs.items()}


def load_objects(dataset: Dataset, image_id: int) -> tuple[object, np.ndarray, list[tuple[int, ...]]]:
    """Load the objects of a photo with their attributes, reading them once.

    Attributes are those that a format's reader keeps; else the third value of the data set's own load_mask, or
    load_rles; else what its method object_attributes(image_id) returns; else there are none.

    Args:
        dataset: prepared Dataset.
        image_id: of the photo.

    Returns:
        (run lengths if `gives_run_lengths(dataset)`, else masks [H, W, N]; class ids [N], negative for crowds; N
        sorted tuples of attribute ids).

    Raises:
        DataError: naming the photo, if the attributes are not one list of ids for each object.
    """
    by_runs = gives_run_lengths(dataset)
    if by_runs and type(dataset).load_rles is AnnotatedDataset.load_rles:
        entries = dataset.objects(image_id)
        class_ids = [entry.class_id * (-1 if entry.crowd else 1) for entry in entries]
        objects, given = [entry.rle for entry in entries], [entry.attributes for entry in entries]
    else:
        objects, class_ids, *more = (dataset.load_rles if by_runs else dataset.load_mask)(image_id)
        given = more[0] if more else None
        if given is None and hasattr(dataset, "object_attributes"):
            given = dataset.object_attributes(image_id)
    class_ids = np.asarray(class_ids, np.int32).reshape(-1)
    return objects, class_ids, _checked(given, len(class_ids), dataset, image_id)


def _checked(given, count, dataset, image_id):
    """The attributes of each of `count` objects as sorted tuples of int."""
    if given is None:
        return [()] * count
    name = dataset.sample_name(image_id)
    if len(given) != count:
        raise DataError(f"{name}: attributes of {len(given)} objects are given for {count}: give a list of attribute "
                        "ids for each object, an empty one where there are none.")
    try:
        kinds = [sorted({_whole(value) for value in values}) for values in given]
    except TypeError as error:
        raise DataError(f"{name}: {error}: give a list of attribute ids, whole numbers, for each object.") from error
    return [tuple(values) for values in kinds]


def _whole(value):
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"the attribute {value!r} is no id")
    return int(value)
