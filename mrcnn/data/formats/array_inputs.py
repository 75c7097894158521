"""What is given for arrays: tensors become NumPy's, ragged ones lists, and what is no array is told with the remedy."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from mrcnn.data.formats.array_files import Hdf5Array
from mrcnn.errors import DataError

PATHS = (str, bytes, os.PathLike)


def arrays_of(given: dict[str, Any]) -> dict[str, Any]:
    """What is there of some arrays, as readers take it.

    Args:
        given: {what: an array of NumPy or another library, an `Hdf5Array`, a list, or None}; "names" stays as it is.

    Returns:
        {what: array with a NumPy dtype, or list of arrays, pictures or lists}, without what is None.

    Raises:
        DataError: photos or masks are missing, or something is no array.
    """
    found = {role: _known(values, role) for role, values in given.items() if values is not None}
    for role in ("images", "masks"):
        if role not in found:
            others = ", ".join(found)
            raise DataError(f"{others} without {role}: there are no {'photos' if role == 'images' else role}: "
                            f"give {role}= too.")
    return found


def _known(values, role):
    """An array or a list."""
    if role == "names":
        return list(values) if _is_of_objects(values) else values
    if isinstance(values, (np.ndarray, Hdf5Array)) and not _is_of_objects(values):
        if not values.shape:
            raise DataError(f"{role} is one value, no array: give an array, or a list of arrays.")
        return values
    if callable(getattr(values, "to_list", None)):  # a ragged tensor, a column of a table
        values = values.to_list()
    if _is_of_objects(values) and values.shape:
        values = list(values)
    if isinstance(values, (list, tuple)):
        return [_item(value, role, number) for number, value in enumerate(values)]
    remedies = {
        PATHS: "a path: load the array first (numpy.load), or give the file to mrcnn.data.formats.open_dataset",
        Mapping: "several arrays under names: give them one by one, images=, masks= and labels=",
    }
    remedy = next((text for kinds, text in remedies.items() if isinstance(values, kinds)), "")
    if not remedy and not hasattr(values, "shape"):
        remedy = (f"a {type(values).__name__}, no array: give an array, or a list as list({role}) makes it; what gives "
                  "photos with their masks and labels is taken apart by images, masks, labels = zip(*data)")
    if remedy:
        raise DataError(f"{role} is {remedy}.")
    return _numpy(values, role)


def _is_of_objects(values):
    return isinstance(values, np.ndarray) and values.dtype.kind == "O"


def _item(value, role, number):
    """One of a list. number: its place"""
    if isinstance(value, PATHS) and role in ("images", "masks"):
        raise DataError(f"{role} lists paths (first: {os.fsdecode(value)}): read the files first, photos by "
                        "mrcnn.data.images.load_image, or give annotations of another format to open_dataset.")
    if hasattr(value, "shape"):
        return _numpy(value, role)
    try:
        np.shape(value)
    except ValueError as error:
        raise DataError(f"{role}: number {number} of the list is a {type(value).__name__} of arrays of different "
                        "shapes: give one array for each photo.") from error
    return value


def _numpy(values, role):
    """An array whose dtype is NumPy's; those of other libraries that have one, such as of h5py, stay unread."""
    try:
        if hasattr(values, "detach"):
            return values.detach().cpu().numpy()
        return values if isinstance(getattr(values, "dtype", None), np.dtype) else np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{role} holds a {type(values).__name__} that NumPy cannot take ({reason}): give NumPy "
                        "arrays.") from error
