"""Augmentation: one change for a photo and all its masks.

An augmentation is None; one of `mrcnn.data.augmenters`; an imgaug augmenter; an albumentations transform; a function
(image uint8 [H, W, 3], masks bool [H, W, N], rng) -> (image, masks); or several of these in `compose`. It is applied on
the canvas, which keeps its size; boxes are taken from the changed masks. Of those that mirror, the flips of
`mrcnn.data.augmenters` alone let left and right classes change places (`mrcnn.data.sides`); of others it is told.
"""

import inspect
from collections.abc import Iterable, Sequence

import numpy as np

from mrcnn.data.augmenters import horizontal_flip  # noqa: F401  it is known under this address
from mrcnn.data.pipelines import (
    apply_albumentations,
    apply_imgaug,
    check_albumentations,
    check_imgaug,
    is_albumentations,
    is_imgaug,
    nodes_of,
)
from mrcnn.errors import DataError

KINDS = (
    "give None, an imgaug augmenter, an albumentations transform, one of mrcnn.data.augmenters, a function "
    "(image, masks, rng) -> (image, masks), or several in mrcnn.data.augmentation.compose([...])"
)
MIRRORS = {"Fliplr", "Flipud", "HorizontalFlip", "VerticalFlip", "Transpose", "D4", "SquareSymmetry"}
# Those of albumentations that make a network's numbers of a photo.
FOR_NETWORKS = {"Normalize", "ToTensorV2", "ToTensor3D"}
UINT8 = "the network takes uint8 and subtracts the mean pixel itself"
TENSOR_LIBRARIES = {"torch", "torchvision", "keras", "tensorflow", "kornia"}


class Compose:
    """See `compose`. Attribute `steps`: the augmentations, none of them a Compose."""

    def __init__(self, augmentations: Sequence):
        self.steps = [step for augmentation in augmentations for step in steps_of(augmentation)]
        for step in self.steps:
            check_augmentation(step)

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        for step in self.steps:
            image, masks = apply_augmentation(step, image, masks, rng)
        return image, masks


def compose(augmentations: Iterable) -> Compose:
    """Chain augmentations of any kind, one after the other.

    Args:
        augmentations: each as the top of this file says.

    Returns:
        An augmentation.

    Raises:
        TypeError: one is no augmentation.
        DataError: one would move a photo without its masks.
    """
    return Compose(augmentations)


def steps_of(augmentation: object) -> list:
    """The augmentations that one consists of, as a list."""
    if augmentation is None:
        return []
    return augmentation.steps if isinstance(augmentation, Compose) else [augmentation]


def check_augmentation(augmentation: object) -> None:
    """Raise TypeError unless `apply_augmentation` can apply this, DataError if it would move a photo without masks."""
    if augmentation is None:
        return
    if is_imgaug(augmentation):
        check_imgaug(augmentation)
        return
    if is_albumentations(augmentation):
        for node in nodes_of(augmentation):
            name, library = type(node).__name__, type(node).__module__.partition(".")[0]
            if library == "albumentations" and name in FOR_NETWORKS:
                raise DataError(f"albumentations' {name} makes other numbers of the photo: leave it out, for {UINT8}.")
        check_albumentations(augmentation)
        return
    roots = {base.__module__.split(".")[0] for base in type(augmentation).__mro__}
    if not callable(augmentation) or inspect.isclass(augmentation) or roots & TENSOR_LIBRARIES:
        what = "the class itself of" if inspect.isclass(augmentation) else "of type"
        name = augmentation.__name__ if inspect.isclass(augmentation) else type(augmentation).__name__
        raise TypeError(f"augmentation is {what} {name}: {KINDS}.")
    try:
        inspect.signature(augmentation).bind(None, None, None)
    except TypeError as error:
        raise TypeError(f"augmentation {augmentation!r} does not take (image, masks, rng): {KINDS}.") from error
    except ValueError:  # a function written in C, which does not tell
        pass


def apply_augmentation(augmentation: object, image: np.ndarray, masks: np.ndarray,
                       rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Change a photo and its masks alike.

    Args:
        augmentation: see the top of this file.
        image: uint8 [H, W, 3].
        masks: bool [H, W, N].
        rng: numpy Generator that decides everything random: the same state gives the same result in any thread.

    Returns:
        (image, masks) of the same shapes and types.

    Raises:
        DataError: if the augmentation changes them, or would move the photo without its masks.
    """
    if augmentation is None:
        return image, masks
    if is_imgaug(augmentation):
        new_image, new_masks = apply_imgaug(augmentation, image, masks, rng)
    elif is_albumentations(augmentation):
        new_image, new_masks = apply_albumentations(augmentation, image, masks, rng)
    else:
        check_augmentation(augmentation)
        new_image, new_masks = augmentation(image, masks, rng)
    _check_unchanged("image", image, new_image)
    _check_unchanged("masks", masks, new_masks)
    return new_image, new_masks


def mirroring(augmentation: object) -> str:
    """What mirrors photos in one that is none of `mrcnn.data.augmenters`, or may do so, in words; "" if nothing does.

    Libraries' own flips are known by name; functions, and what else moves masks and is not known, may do so.
    """
    if not (is_imgaug(augmentation) or is_albumentations(augmentation)):
        return f"The function {getattr(augmentation, '__name__', type(augmentation).__name__)}"
    for node in nodes_of(augmentation):
        if type(node).__name__ in MIRRORS or vars(node).get("mrcnn_moves"):
            return type(node).__name__
    return ""


def _check_unchanged(what, before, after):
    after_shape, after_type = getattr(after, "shape", None), getattr(after, "dtype", type(after).__name__)
    if after_shape == before.shape and after_type == before.dtype:
        return
    shape = list(after_shape) if after_shape is not None else ""
    if after_shape == before.shape:
        remedy = (f"leave out what makes floats or tensors of it, for {UINT8}" if what == "image" else
                  f"masks stay {before.dtype}")
    else:
        remedy = ("with imgaug keep_size=True, or KeepSizeByResize round what has no such switch; with albumentations "
                  "no ToTensorV2, and no turns by a right angle unless the canvas is square; sizes are set by "
                  "IMAGE_RESIZE_MODE")
    raise DataError(f"The augmentation turned the {what} from {before.dtype} {list(before.shape)} into {after_type} "
                    f"{shape}: it must keep shape and type ({remedy}).")
