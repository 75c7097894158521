"""Labels and boxes in arrays: those of each photo, and which class a number stands for."""

import os
from collections.abc import Callable

import numpy as np

from mrcnn.data.formats.array_files import Hdf5Array
from mrcnn.data.formats.names_files import read_names
from mrcnn.errors import DataError

BACKGROUNDS = ("bg", "background", "__background__", "_background_", "__bg__", "null")
ONLY_CLASS = "object"


def per_photo(values: np.ndarray | Hdf5Array | list, photos: int, counts: np.ndarray | None, what: str,
              dimensions: int = 0) -> list[np.ndarray]:
    """Labels or boxes as a list with one array a photo.

    Args:
        values: list of N arrays or lists; [N, K] where negative numbers fill the rows; or all in a row, [M].
        photos: number N of the photos.
        counts: int64 [N] of the objects of each photo; None: not known.
        what: "labels" or "boxes", for messages.
        dimensions: of one of them: 0 of a label, 1 of a box.

    Returns:
        list of N arrays [K] or [K, 4].

    Raises:
        DataError: they fit neither the photos nor the counts.
    """
    listed = isinstance(values, (list, tuple))
    entries = [_numbers(entry, what) for entry in values] if listed else _numbers(values[:], what)
    depth = max((entry.ndim for entry in entries if entry.size), default=dimensions + 1) if listed else entries.ndim - 1
    if depth == dimensions:
        flat = np.array([entry for entry in entries if entry.size]) if listed else entries
        return _parted(flat.reshape((len(flat),) + flat.shape[1:]), photos, counts, what)
    if depth != dimensions + 1 and not (dimensions == 0 and all(max(e.shape, default=0) == e.size for e in entries)):
        raise DataError(f"the {what} are arrays of {depth} dimensions: give a list with one array a photo.")
    if len(entries) != photos:
        raise DataError(f"there are {what} for {len(entries)} photos, and {photos} photos: give {what} for each, an "
                        "empty list where there is no object.")
    shape = (-1,) if dimensions == 0 else (-1, 4)
    try:
        parted = [entry.reshape(shape) for entry in entries]
    except ValueError as error:
        raise DataError(f"the {what} are no lists of four numbers each: give [K, 4] for each photo.") from error
    return parted if listed else [entry[(entry.reshape(len(entry), -1) >= 0).any(axis=1)] for entry in parted]


def _numbers(values, what):
    try:
        values = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    except (TypeError, ValueError) as error:
        raise DataError(f"the {what} hold other things than numbers: give arrays of numbers.") from error
    if values.dtype.kind not in "biuf":
        raise DataError(f"the {what} hold {values.dtype} where numbers should be: give arrays of numbers.")
    return values


def _parted(flat, photos, counts, what):
    """A row of all labels, parted by the counts."""
    if counts is None and len(flat) == photos:
        counts = np.ones(photos, np.int64)
    if counts is None:
        raise DataError(f"there are {len(flat)} {what} in a row and {photos} photos: say how many each photo has "
                        "(counts=, --counts), or give a list with one array a photo.")
    if counts.sum() != len(flat):
        raise DataError(f"the counts add up to {counts.sum()}, and there are {len(flat)} {what}: correct the counts.")
    return np.split(flat, np.cumsum(counts)[:-1])


def read_counts(values: np.ndarray | Hdf5Array | list, photos: int) -> np.ndarray:
    """int64 [N]: numbers of objects of each photo, from what was given for them.

    Raises:
        DataError: they are no whole numbers, or not one a photo.
    """
    counts = _numbers(values[:], "counts")
    if counts.shape != (photos,) or (counts < 0).any() or (counts != np.floor(counts)).any():
        raise DataError(f"counts of shape {list(counts.shape)}: give one whole number for each of {photos} photos.")
    return counts.astype(np.int64)


# --- Classes ---------------------------------------------------------------------------------------------------------


def class_names_of(labels: list[np.ndarray] | None, names: str | os.PathLike | list | dict | np.ndarray | None,
                   first_label: int | None, tell: Callable[..., None], planes: int | None = None) -> dict[int, str]:
    """Which number stands for which class.

    Labels from 0 on have class 0 for the first; those from 1 on leave 0 to the background. Where there is a label 0, or
    a last one that only one of the two allows, the labels tell; names that begin with the background's tell too.

    Args:
        labels: list of arrays, one a photo; None: there is one class.
        names: path of a file of names, list of them, or {label: name}; None: none are known.
        first_label: 0 or 1; None: as the labels tell.
        tell: function(what, how, first, count), which is told of what was found.
        planes: number of masks that each photo has, for a message; None: it differs.

    Returns:
        {label: name} of the classes, ascending.

    Raises:
        DataError: the labels are no whole numbers, whether the first is 0 or 1 cannot be told, or there are several
            names and no labels.
    """
    if first_label not in (None, 0, 1):
        raise DataError(f"first_label={first_label!r} is neither 0 nor 1.")
    names = listed_names(names)
    if labels is None:
        return {0: _only_name(list(names.values()) if isinstance(names, dict) else names, planes)}
    present = _present(labels)
    if isinstance(names, dict):
        return names
    if names and names[0].strip().lower() in BACKGROUNDS:
        return dict(enumerate(names[1:], 1))
    if not names:
        known = {label: f"class {label}" for label in present}
        tell("label", "without a name, after which its class is called: give names (names=, --names)",
             next(iter(known.values()), ""), len(known))
        return known
    if first_label is None:
        first_label = _first_label(present, names)
        last = first_label + len(names) - 1
        tell("label", f"numbered from {first_label} to {last}, as what occurs tells", f"{first_label} is {names[0]}",
             len(names))
    return dict(enumerate(names, first_label))


def _only_name(given, planes):
    """The name of the one class of objects without labels. planes: as for `class_names_of`"""
    known = given[1:] if len(given) > 1 and given[0].strip().lower() in BACKGROUNDS else given
    if len(known) <= 1:
        return (known or [ONLY_CLASS])[0]
    habit = ""
    if planes in (len(given), len(known)):
        habit = (f" Each photo has {planes} planes: planes are objects, not classes. If they are classes, give label "
                 "maps: masks.argmax over the planes, with one plane for the background, as [N, H, W].")
    raise DataError(f"there are {len(known)} names ({known[0]}, ... {known[-1]}) and no labels, so nothing says which "
                    f"class an object is of: give labels (labels=, --labels), or one name.{habit}")


def listed_names(names: str | os.PathLike | list | dict | np.ndarray | None) -> list[str] | dict[int, str]:
    """Names as a list in the order of the classes, or as {label: name} where a file numbers them from 1 on or so."""
    if names is None or isinstance(names, (list, tuple, np.ndarray)):
        return [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in
                (() if names is None else names)]
    named = names if isinstance(names, dict) else read_names(names)
    return list(named.values()) if list(named) == list(range(len(named))) else {int(k): v for k, v in named.items()}


def _present(labels):
    """Sorted labels that occur."""
    values = np.unique(np.concatenate([np.zeros(0), *labels]))
    if not np.isfinite(values).all() or (values != np.floor(values)).any():
        raise DataError("the labels are no whole numbers: give the number of a class for each object.")
    if len(values) and (values[0] < 0 or values[-1] > 65535):
        raise DataError(f"the labels lie from {values[0]:.0f} to {values[-1]:.0f}: give numbers of classes, from 0 on.")
    return values.astype(int).tolist()


def _first_label(present, names):
    """0 or 1, whichever of the two the labels allow."""
    zero, last = 0 in present, max(present, default=0)
    if last > len(names) or (zero and last == len(names)):
        raise DataError(f"the labels lie from {min(present)} to {last}, and there are {len(names)} names: name all "
                        "classes.")
    if zero or last == len(names):
        return 0 if zero else 1
    raise DataError(f"the labels lie from {min(present, default=0)} to {last}, and there are {len(names)} names: say "
                    "whether the first is label 0 or 1, after the background (first_label=, --first-label).")
