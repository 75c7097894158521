"""Augmentation: one change for a photo and all its masks.

An augmentation is None, an imgaug augmenter, or a function (image uint8 [H, W, 3], masks bool [H, W, N], rng) ->
(image, masks). It is applied on the canvas, which keeps its size; boxes are taken from the changed masks.
"""

import copy

import numpy as np

from mrcnn.data.images import DataError


def _restore_names_for_imgaug():
    """Put back the numpy names that imgaug 0.4, its last release, reads when it is imported and in two parameters.

    Done when this module is imported, so that `import imgaug` works anywhere after `import mrcnn.model`.
    """
    for name, value in (
        ("sctypes", {
            "int": [np.int8, np.int16, np.int32, np.int64],
            "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
            "float": [np.float16, np.float32, np.float64],
            "complex": [np.complex64, np.complex128],
            "others": [bool, object, bytes, str, np.void],
        }),
        ("complex", complex),
    ):
        if not hasattr(np, name):
            setattr(np, name, value)


_restore_names_for_imgaug()


class HorizontalFlip:
    """Mirrors photo and masks left to right with probability p; see `horizontal_flip`."""

    def __init__(self, p):
        if not 0 <= p <= 1:
            raise ValueError(f"The probability of a flip is {p}: give one from 0 to 1.")
        self.p = p

    def happens(self, rng):
        """Whether this sample is mirrored."""
        return bool(rng.random() < self.p)

    def __call__(self, image, masks, rng):
        return (image[:, ::-1], masks[:, ::-1]) if self.happens(rng) else (image, masks)


def horizontal_flip(p=0.5):
    """An augmentation that mirrors left to right with probability p.

    `Batches` knows it and mirrors boxes and mini masks instead of full masks: it costs next to nothing.
    """
    return HorizontalFlip(p)


def is_imgaug(augmentation):
    """Whether this is an imgaug augmenter, found out without importing imgaug."""
    return hasattr(augmentation, "to_deterministic") and hasattr(augmentation, "augment_image")


def check_augmentation(augmentation):
    """Raise TypeError unless `apply_augmentation` can apply this."""
    if augmentation is not None and not is_imgaug(augmentation) and not callable(augmentation):
        raise TypeError(
            f"augmentation is a {type(augmentation).__name__}: give None, an imgaug augmenter (several go into "
            "imgaug.augmenters.Sequential), or a function (image, masks, rng) -> (image, masks)."
        )


def apply_augmentation(augmentation, image, masks, rng):
    """Change a photo and its masks alike.

    augmentation: see the top of this file; image: uint8 [H, W, 3]; masks: bool [H, W, N]
    rng: numpy Generator that decides everything random: the same state gives the same result in any thread

    Returns (image, masks) of the same shapes and types. Raises DataError if the augmentation changes them.
    """
    check_augmentation(augmentation)
    if augmentation is None:
        return image, masks
    if is_imgaug(augmentation):
        new_image, new_masks = _apply_imgaug(augmentation, image, masks, rng)
    else:
        new_image, new_masks = augmentation(image, masks, rng)
    _check_unchanged("image", image, new_image)
    _check_unchanged("masks", masks, new_masks)
    return new_image, new_masks


def _check_unchanged(what, before, after):
    after_shape, after_type = getattr(after, "shape", None), getattr(after, "dtype", type(after).__name__)
    if after_shape == before.shape and after_type == before.dtype:
        return
    shape = list(after_shape) if after_shape is not None else ""
    raise DataError(
        f"The augmentation turned the {what} from {before.dtype} {list(before.shape)} into {after_type} {shape}: it "
        "must keep shape and type (with imgaug keep_size=True; sizes are set by IMAGE_RESIZE_MODE)."
    )


def _apply_imgaug(augmenter, image, masks, rng):
    """One call for both, so that every augmenter draws its random values once and knows a mask from an image."""
    heatmaps_on_image = _heatmap_class()
    # imgaug's augmenters hold their random state: a copy with a seed of its own makes the result a function of rng and
    # lets worker threads share the augmenter.
    augmenter = copy.deepcopy(augmenter)
    augmenter.seed_(int(rng.integers(2**31)), deterministic_too=True)
    image = np.ascontiguousarray(image)
    if not masks.shape[2]:
        return augmenter.augment_image(image), masks
    # Heatmaps cut at one half: imgaug's segmentation maps come out of crops and perspectives half a pixel beside the
    # photo, because OpenCV's nearest neighbour is.
    heatmaps = heatmaps_on_image(np.ascontiguousarray(masks, np.float32), shape=image.shape)
    new_image, heatmaps = augmenter(image=image, heatmaps=heatmaps)
    return new_image, heatmaps.get_arr() >= 0.5


def _heatmap_class():
    try:
        from imgaug.augmentables.heatmaps import HeatmapsOnImage
    except ImportError as error:
        raise ImportError(f"This augmentation needs imgaug ({error}): pip install imgaug.") from error
    return HeatmapsOnImage
