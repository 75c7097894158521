"""What callers give to be drawn: masks of any form, colours, names of classes, and as many of each as of objects."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from mrcnn.data import run_lengths, strips
from mrcnn.data.mask_values import bool_masks
from mrcnn.files import printable

ClassNames: TypeAlias = Sequence[str] | Mapping[int, str]


def check_counts(masks: np.ndarray | Sequence | None, shape: Sequence[int] | None,
                 at_least: Mapping[str, Sequence | None] | None = None, **rows: Sequence | None) -> int:
    """Hold the numbers of instances against each other, and the size of their masks against that of the photo.

    Args:
        masks: [H, W, N], a list of N arrays [H, W] or run lengths, or None.
        shape: (H, W) of the photo; None does not look at sizes.
        at_least: by name what has N entries or more, as a palette has, or None.
        **rows: by name what else has N entries, or None.

    Returns:
        N.

    Raises:
        ValueError: they disagree, one of `at_least` is too short, or an entry of a list of masks is neither.
    """
    counts = {name: len(given) for name, given in rows.items() if given is not None}
    counts.update({} if masks is None else {"masks": len(masks) if _one_by_one(masks) else np.shape(masks)[-1]})
    least = min(counts.values())
    counts.update({name: len(given) for name, given in (at_least or {}).items()
                   if given is not None and len(given) < least})
    if len(set(counts.values())) > 1:
        numbers = ", ".join(f"{number} {name}" for name, number in counts.items())
        raise ValueError(f"The numbers of instances disagree: {numbers}.")
    count = next(iter(counts.values()))
    if masks is None or not count:
        return count
    sizes = [_size_of(masks, i) for i in range(count)] if _one_by_one(masks) else [np.shape(masks)[:-1]]
    for size in sizes if shape is not None else ():
        if tuple(size) != tuple(shape):
            raise ValueError(f"The masks are of size {list(size)}, the photo of {list(shape)} (height, width): bring "
                             "mini masks to it by mrcnn.utils.expand_mask(boxes, masks, image.shape).")
    return count


def _one_by_one(masks):
    return isinstance(masks, (list, tuple))


def _size_of(masks, i):
    """(H, W) of an entry of a list of masks."""
    if isinstance(masks[i], Mapping) and {"size", "counts"} <= set(masks[i]):
        return masks[i]["size"]
    if isinstance(masks[i], Mapping) or np.ndim(masks[i]) != 2:
        kind = f"keys {list(masks[i])}" if isinstance(masks[i], Mapping) else f"shape {list(np.shape(masks[i]))}"
        raise ValueError(f"masks[{i}] has {kind}: a list of masks holds arrays [H, W], or run lengths with size and "
                         "counts; give all masks as one array [H, W, N] else.")
    return np.shape(masks[i])


def check_same(function: str, **given: Sequence) -> None:
    """Raise ValueError if lists that belong together are of different lengths.

    Args:
        function: that they were given to.
        **given: the lists, by name.
    """
    counts = {name: len(entries) for name, entries in given.items()}
    if len(set(counts.values())) > 1:
        told = " and ".join(f"{number} {name}" for name, number in counts.items())
        raise ValueError(f"{function} needs as many {' as '.join(counts)}, got {told}.")


def check_colors(colors: Sequence[Sequence[float]]) -> np.ndarray:
    """Colours as numbers, float [N, 3].

    Args:
        colors: N (r, g, b) in 0..1.

    Raises:
        ValueError: for others.
    """
    rows = list(colors)
    for color in rows:
        numbers = np.asarray(color)
        if numbers.shape != (3,) or numbers.dtype.kind not in "buif" or not ((numbers >= 0) & (numbers <= 1)).all():
            raise ValueError(f"A colour is (r, g, b) in 0..1, not {color!r}: divide one of 0..255 by 255, and leave "
                             "alpha out.")
    return np.array(rows, float).reshape(-1, 3)


def class_name(class_id: int, class_names: ClassNames) -> str:
    """The name of a class on one line; "class 9" for one that has none.

    Args:
        class_id: 0 = background.
        class_names: by class id, background first, or {id: name}.

    Raises:
        ValueError: for names that no id leads to, such as those of a set.
    """
    if isinstance(class_names, (str, set, frozenset)) or not hasattr(class_names, "__getitem__"):
        raise ValueError(f"class_names is of the type {type(class_names).__name__}: give a list of names by class id, "
                         "background first, or {id: name}.")
    if isinstance(class_names, Mapping):
        wrong = [key for key in class_names if not isinstance(key, (int, np.integer))]
        if wrong:
            raise ValueError(f"class_names has the key {wrong[0]!r}, which is no class id: give {{id: name}} with "
                             "whole numbers as ids, such as {1: 'shirt'}.")
        name = class_names.get(class_id, f"class {class_id}")
    else:
        name = class_names[class_id] if 0 <= class_id < len(class_names) else f"class {class_id}"
    return printable(name, one_line=True)


def names_in_order(class_names: ClassNames) -> Sequence[str]:
    """Names by class id, background first, of either form; of {id: name} an id without one is "class 9", 0 is "BG".

    Args:
        class_names: by class id, background first, or {id: name}.

    Raises:
        ValueError: as `class_name`.
    """
    if not isinstance(class_names, Mapping):
        return class_names
    names = {0: "BG", **class_names}
    class_name(0, names)  # whether all keys are ids
    return [names.get(class_id, f"class {class_id}") for class_id in range(max(names) + 1)]


def caption_of(class_id: int, class_names: ClassNames, scores: Sequence[float] | None, i: int) -> str:
    """Returns the name of a class, as `class_name`, with the i-th score, if there are scores."""
    name = class_name(class_id, class_names)
    return name if scores is None else f"{name} {scores[i]:.2f}"


def ends_of(image: np.ndarray) -> object | None:
    """What the ends of a map of colours stand for, where matplotlib's own choice would mislead.

    It stretches what there is over the map, so that a picture of one value has the colour of an empty one.

    Args:
        image: [H, W], or a picture with colours, which needs none.

    Returns:
        matplotlib's Normalize: of 0 and 1 for a mask, of 0 and the value for a picture of one; None: its own is right.
    """
    image = np.asarray(image)
    if image.ndim != 2 or not image.size:
        return None
    least, largest = (0.0, 1.0) if image.dtype == bool else (float(image.min()), float(image.max()))
    if image.dtype != bool and (least != largest or not least):
        return None
    from matplotlib.colors import Normalize

    return Normalize(min(0.0, least), max(0.0, largest))


def mask_part(mask: np.ndarray) -> tuple[int, int, np.ndarray] | None:
    """Returns (top, left, the mask cut to what is set), or None if it is empty: full-size work is for none."""
    mask = bool_masks(mask)
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return rows[0], cols[0], np.ascontiguousarray(mask[rows[0]:rows[-1] + 1, cols[0]:cols[-1] + 1])


def mask_parts(masks: np.ndarray | Sequence | None, count: int) -> list[tuple[int, int, np.ndarray] | None]:
    """What `mask_part` gives of each of `count` masks, as `check_counts` takes them; of None it is None."""
    if masks is None:
        return [None] * count
    if _one_by_one(masks):
        return [strips.mask_part(mask) if isinstance(mask, Mapping) else mask_part(np.asarray(mask)) for mask in masks]
    masks = bool_masks(masks)
    return [mask_part(masks[..., i]) for i in range(count)]


def mask_planes(masks: np.ndarray | Sequence, shape: Sequence[int]) -> np.ndarray:
    """Masks as one array [H, W, N].

    Args:
        masks: as `check_counts` takes them.
        shape: (H, W) of the photo.

    Raises:
        ValueError: as `check_counts`.
    """
    if not _one_by_one(masks):
        return np.asarray(masks)
    check_counts(masks, shape)
    planes = [run_lengths.decode(mask) if isinstance(mask, Mapping) else bool_masks(mask) for mask in masks]
    return np.stack(planes, axis=-1) if planes else np.zeros((*shape, 0), bool)
