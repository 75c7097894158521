"""What counts as inside in masks of numbers: those that were resized, smoothed or saved as a JPEG are seldom 0/1."""

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mrcnn.data.dataset import Dataset

HALF = 127  # of 8 bits: whole numbers up to here are marks of parts of an object as likely as shades of grey
REMEDY = "give bool masks, such as masks > 127, or > 0.5 of shares"


def cut_masks(masks: np.ndarray) -> tuple[np.ndarray, str]:
    """Tell what is inside of masks of any numbers.

    Of masks of zeros and one other number, one for each mask, that number is inside. All others of a stack are cut in
    the middle of their values: at 0.5 up to 1, at half of 255 up to 255, else at half of the largest value; of negative
    values what is above 0 is inside. Where they are 0 and whole numbers of at most 127, of any type, which may number
    parts of an object, all of these are inside. NaN is outside.

    Args:
        masks: [H, W] or [H, W, N], bool or numbers. Bool masks are not looked at.

    Returns:
        (bool of the same shape, which may share memory; in words how they were cut, or "" for masks of two values).
    """
    masks = np.asarray(masks)
    if masks.dtype == bool or not masks.size or masks.dtype.kind not in "iuf":
        return masks.astype(bool, copy=False), ""
    low, high = masks.min(), masks.max()
    if high != high:
        masks = np.nan_to_num(masks)
        low, high = masks.min(), masks.max()
    if masks.dtype.kind != "f" and low >= 0 and high <= 1:
        return (masks.view(bool) if masks.itemsize == 1 else masks != 0), ""
    there = masks != 0
    plain = _of_two_values(masks, there)
    if plain.all():
        return there, ""
    others = masks[..., ~plain] if plain.any() else masks
    low, high = others.min(), others.max()
    level = _level(float(low), float(high), _are_whole(others))
    words = f"{level:g} and above" if level else "what is above 0"
    found = masks >= level if level else masks > 0
    if plain.any():
        found[..., plain] = there[..., plain]
    return found, f"values from {low:g} to {high:g}, of which {words} is taken as inside"


def _of_two_values(masks, there):
    """bool [N], or [1] of all together: whether masks have zeros and one other value each. there: masks != 0"""
    if masks.ndim != 3 or _two_values(masks, there):
        return np.array([_two_values(masks, there)])
    return np.array([_two_values(masks[..., i], there[..., i]) for i in range(masks.shape[2])])


def _are_whole(values):
    return values.dtype.kind != "f" or np.array_equal(values, np.floor(values))


def _two_values(values, there):
    other, count = values.max() or values.min(), np.count_nonzero(there)
    if count == values.size and not float(other).is_integer():  # a share alone: more than half, or less
        return False
    return not other or np.count_nonzero(values == other) == count


def _level(low, high, whole):
    """The least value that is inside; 0 where all above 0 are."""
    if low < 0 or (whole and low == 0 and high <= HALF):
        return 0
    if high <= 1:
        return 0.5
    return 127.5 if HALF < high <= 255 else high / 2


def bool_masks(masks: np.ndarray) -> np.ndarray:
    """Give masks of any numbers as bool; those of more than two values are warned of.

    Args:
        masks: as for `cut_masks`.

    Returns:
        bool of the same shape.
    """
    found, told = cut_masks(masks)
    if told:  # without its values, so that Python shows it once for a place in a program
        warnings.warn(f"Masks of more than two values are cut in the middle (mrcnn.data.mask_values): {REMEDY}.",
                      stacklevel=3)
    return found


def own_masks(masks: np.ndarray, dataset: "Dataset", image_id: int) -> np.ndarray:
    """Give the masks of a `load_mask` as bool; the first of a data set that are of more than two values are told of.

    Args:
        masks: [H, W, N], bool or numbers.
        dataset: that they are of.
        image_id: of the photo.

    Returns:
        bool [H, W, N].
    """
    found, told = cut_masks(masks)
    if told and not getattr(dataset, "_mask_values_told", False):
        dataset._mask_values_told = True
        warnings.warn(f"{dataset.sample_name(image_id)}: load_mask gave masks with {told}: {REMEDY}. Further photos of "
                      "such masks are not reported; `data validate` counts them.", stacklevel=3)
    return found
