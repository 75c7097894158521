"""Labels and boxes in arrays: those of each photo, and which class a number stands for."""

import os
from collections.abc import Callable

import numpy as np

from mrcnn.data.formats.array_files import Hdf5Array
from mrcnn.data.formats.array_photos import COLOURS
from mrcnn.data.formats.label_words import begins_with_nothing
from mrcnn.data.formats.names_files import read_names
from mrcnn.errors import DataError

ONLY_CLASS = "object"
LOOKED_AT = 32  # photos with label 0 whose masks tell whether it is a class


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
        raise DataError(f"the {what} are arrays of {depth} dimensions: give a list with one array a photo"
                        f"{_if_one_hot(entries, what)}.")
    if len(entries) != photos:
        raise DataError(f"there are {what} for {len(entries)} photos, and {photos} photos: give {what} for each, an "
                        f"empty list where there is no object{_if_one_hot(entries, what)}.")
    shape = (-1,) if dimensions == 0 else (-1, 4)
    try:
        parted = [entry.reshape(shape) for entry in entries]
    except ValueError as error:
        raise DataError(f"the {what} are no lists of four numbers each: give [K, 4] for each photo.") from error
    return parted if listed else [entry[(entry.reshape(len(entry), -1) >= 0).any(axis=1)] for entry in parted]


def _if_one_hot(entries, what):
    """What to do about rows with a single 1 each, for a message."""
    rows = [entry for entry in entries if entry.size]
    one_hot = what == "labels" and rows and all(entry.ndim and _are_one_hot(entry) for entry in rows)
    return "; of one-hot rows give labels.argmax(-1)" if one_hot else ""


def _are_one_hot(rows):
    """Whether numbers [..., C] have a single 1 in each row, of two at least, and else 0."""
    return rows.shape[-1] > 1 and bool(((rows == 0) | (rows == 1)).all() and (rows.sum(axis=-1) == 1).all())


def of_one_hot(values: np.ndarray | Hdf5Array | list, photos: int) -> np.ndarray | None:
    """Labels [N] of one-hot rows, a row a photo, as `keras.utils.to_categorical` makes them; None if they are none.

    Args:
        values: labels as they were given.
        photos: number N of the photos.
    """
    if len(values) != photos:
        return None
    rows = [_numbers(row, "labels") for row in values] if isinstance(values, list) else _numbers(values[:], "labels")
    if len({row.shape for row in rows}) != 1:
        return None
    rows = np.asarray(rows)
    rows = rows[:, 0] if rows.ndim == 3 and rows.shape[1] == 1 else rows
    return rows.argmax(axis=1) if rows.ndim == 2 and _are_one_hot(rows) else None


def first_of_one_hot(width: int, names: str | os.PathLike | list | dict | np.ndarray | None) -> int | None:
    """The label of the first name, 0 or 1, of labels that were one-hot rows; None: names tell it, or there are none.

    Args:
        width: length of a row.
        names: as for `class_names_of`.

    Raises:
        DataError: rows and names are not of as many classes.
    """
    listed = listed_names(names)
    if isinstance(listed, dict) or not listed or begins_with_nothing(listed):
        return None
    if width - len(listed) not in (0, 1):
        raise DataError(f"the labels are one-hot rows of {width} numbers, and there are {len(listed)} names: name all "
                        "classes, or give labels.argmax(-1).")
    return width - len(listed)


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
        alone = "; one photo is given as lists of one, [images], [masks], [labels]" if photos in COLOURS else ""
        raise DataError(f"there are {len(flat)} {what} in a row and {photos} photos: say how many each photo has "
                        f"(counts=, --counts), or give a list with one array a photo{alone}.")
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
    if begins_with_nothing(names):
        return dict(enumerate(names[1:], 1))
    if not names:
        known = {label: f"class {label}" for label in present}
        tell("label", "without a name, after which its class is called: give names (names=, --names)",
             next(iter(known.values()), ""), len(known))
        return known
    if first_label is None and not present:
        first_label = 1
        tell("name", "numbered from 1 on, for no photo has a label that tells: say otherwise by first_label=, "
             "--first-label", names[0], len(names))
    elif first_label is None:
        first_label = _first_label(present, names)
        last = first_label + len(names) - 1
        tell("label", f"numbered from {first_label} to {last}, as what occurs tells", f"{first_label} is {names[0]}",
             len(names))
    return dict(enumerate(names, first_label))


def _only_name(given, planes):
    """The name of the one class of objects without labels. planes: as for `class_names_of`"""
    known = given[1:] if len(given) > 1 and begins_with_nothing(given) else given
    if len(known) <= 1:
        return (known or [ONLY_CLASS])[0]
    habit = " If masks are label maps, give whole numbers as [N, H, W]." if planes == 1 else ""
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
    if list(named) == list(range(len(named))):
        return list(named.values())
    try:
        numbered = {int(label): name for label, name in named.items()}
    except (TypeError, ValueError) as error:
        label, name = next(iter(named.items()))
        raise DataError(f"names has {label!r}: {name!r}, where a label and its name should be: give them as "
                        '{1: "cat", 2: "dog"}, or a list of names.') from error
    return numbered


def _present(labels):
    """Sorted labels that occur."""
    values = np.unique(np.concatenate([np.zeros(0), *labels]))
    if not np.isfinite(values).all() or (values != np.floor(values)).any():
        raise DataError("the labels are no whole numbers: give the number of a class for each object.")
    if len(values) and (values[0] < 0 or values[-1] > 65535):
        raise DataError(f"the labels lie from {values[0]:.0f} to {values[-1]:.0f}: give numbers of classes, from 0 on.")
    return values.astype(int).tolist()


def zeros_of_nothing(labels: list[np.ndarray] | None, first_label: int | None,
                     names: str | os.PathLike | list | dict | np.ndarray | None,
                     present: Callable[[int, int], np.ndarray], tell: Callable[..., None]) -> list[np.ndarray] | None:
    """Which labels are zeros that fill up rows: all zeros, if those of LOOKED_AT photos have masks without a pixel.

    Args:
        labels: list of arrays [K], one a photo; None: there are none.
        first_label, names: as for `class_names_of`; either may say that 0 is a class.
        present: function of a photo's index and K -> bool [K], which of its objects have a pixel.
        tell: as for `class_names_of`.

    Returns:
        list of bool [K], one a photo; None if zeros are labels, or there are none.
    """
    filled = [index for index, own in enumerate(labels or ()) if (own == 0).any()]
    if not filled or first_label == 0 or not any(own.any() for own in labels):
        return None
    listed = names if isinstance(names, dict) else listed_names(names)
    if isinstance(listed, dict) and (0 in listed or "0" in listed):
        return None
    for place in np.unique(np.linspace(0, len(filled) - 1, min(len(filled), LOOKED_AT)).astype(int)):
        own = labels[filled[place]]
        if present(filled[place], len(own))[own == 0].any():
            return None
    zeros = [own == 0 for own in labels]
    tell("label", "0 of masks without a pixel, taken to fill up the rows: if 0 is a class, say first_label=0 "
         "(--first-label)", f"photo {filled[0]}", sum(int(own.sum()) for own in zeros))
    return zeros


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
