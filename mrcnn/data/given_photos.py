"""Photos as callers give them: arrays, paths of files, the bytes of files, or Pillow's images; several, or one."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from mrcnn.data.encoded import decode_image, upright_pixels
from mrcnn.data.images import load_image, no_pixels
from mrcnn.errors import DataError

BYTES = (bytes, bytearray, memoryview)
PATH = (str, os.PathLike)


class PillowImage(Protocol):
    """A Pillow image, by what is asked of it: Pillow itself is imported when there is something to decode."""

    def getexif(self) -> object: ...

    def getbands(self) -> tuple[str, ...]: ...


Photo = np.ndarray | str | os.PathLike | bytes | PillowImage
Photos = Sequence[Photo] | Photo


class GivenPhotos(Sequence):
    """Photos of any kind as a sequence of arrays; a file is decoded when its photo is asked for, each time anew.

    Args:
        images: a list of photos, or one photo. Each is an array, the path of a file, the bytes of a file, or a Pillow
            image, which is turned upright as its EXIF says.
        check: function (array, index) -> the photo as the network takes it; raises DataError.

    Raises:
        DataError: what is given is no photo, a path leads to no file, or `check` refuses an array.
    """

    def __init__(self, images: object, check: Callable[[np.ndarray, int], np.ndarray]):
        self._check = check
        photos = [images] if _is_one(images) else _listed(images)
        self.in_memory = not any(is_encoded(photo) for photo in photos)
        self._photos = [_found(photo, index) if is_encoded(photo) else check(photo, index)
                        for index, photo in enumerate(photos)]

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        photo = self._photos[index]
        return self._check(pixels_of(photo, index), index) if is_encoded(photo) else photo

    def chunks(self, size: int) -> Iterator[tuple[int, list[np.ndarray]]]:
        """Yield (index of the first, the arrays) of all photos at once if all are arrays, else of `size` at a time.

        Args:
            size: number of photos that may be in memory at once.
        """
        step = max(1, len(self)) if self.in_memory else size
        for start in range(0, len(self), step):
            yield start, self[start : start + step]


def as_arrays(images: Photos) -> GivenPhotos:
    """Photos as a sequence of arrays, whatever their channels.

    Args:
        images: as for `GivenPhotos`.

    Raises:
        DataError: as `GivenPhotos` does.
    """
    return GivenPhotos(images, lambda image, index: np.asarray(image))


def as_pixels(image: np.ndarray, index: int) -> np.ndarray:
    """Numbers 0..255 of any type as uint8, by the rule for those of a data set's load_image.

    Args:
        image: a photo as an array.
        index: its place among the photos, to call it.

    Returns:
        uint8 of the same shape; what is no such photo stays as it is: floats below 2, which may be of 0..1, numbers
        above 255, and anything but numbers.

    Raises:
        DataError: there are negative numbers, as in molded photos.
    """
    if image.dtype == np.uint8 or image.dtype.kind not in "iuf" or not image.size:
        return image
    if image.min() < 0:
        raise DataError(f"Image {index} has values from {image.min():.6g} to {image.max():.6g}, as a molded one has: "
                        "give the photo itself, 0 to 255, for the network subtracts the mean pixel (what mold_inputs "
                        "gives is for detect_molded).")
    dark = image.dtype.kind == "f" and not image.any()  # zeros are of 0..1 too
    return image if dark or no_pixels(image) else np.rint(image).astype(np.uint8)


def is_encoded(photo: object) -> bool:
    """Whether a photo is no array yet: a path, the bytes of a file, or a Pillow image."""
    return isinstance(photo, (*BYTES, *PATH)) or _is_pillow(photo)


def pixels_of(photo: object, index: int) -> np.ndarray:
    """Decode a photo, upright.

    Args:
        photo: one that `is_encoded`.
        index: its place among the photos, to call it.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        DataError: it cannot be read or decoded.
    """
    if isinstance(photo, PATH):
        return load_image(photo)
    name = f"image {index}"
    return decode_image(bytes(photo), name) if isinstance(photo, BYTES) else upright_pixels(photo, name)


def _is_pillow(photo):
    return hasattr(photo, "getexif") and hasattr(photo, "getbands")


def _is_one(images):
    """Whether a photo was given for a list of photos."""
    return is_encoded(images) or isinstance(images, np.ndarray) and images.ndim in (2, 3)


def _listed(images):
    try:
        return list(images)
    except TypeError as error:
        raise DataError(f"{type(images).__name__} is no list of photos: give arrays, or paths of files.") from error


def _found(photo, index):
    """A photo that is no array, if it can be one."""
    if not isinstance(photo, PATH) or os.path.isfile(photo):
        return photo
    if "://" in os.fspath(photo):
        remedy = "an address: fetch it, and give the bytes of the file"
    elif os.path.isdir(photo):
        remedy = "a folder: give the paths of its photos, or use the command mrcnn detect --image"
    else:
        remedy = "no file: correct the path"
    raise DataError(f"Image {index} is {os.fspath(photo)!r}, {remedy}.")
