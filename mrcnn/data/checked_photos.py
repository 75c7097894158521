"""The one door to the photos of a data set for whatever hands them to a network: checked, converted and named."""

from collections.abc import Sequence

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.data.images import no_pixels, to_channels
from mrcnn.errors import DataError


def checked_photo(dataset: Dataset, image_id: int, channels: int | None = None) -> np.ndarray:
    """Read a photo of a data set as uint8. Numbers of another type are taken as 0..255, as ever.

    Args:
        dataset: prepared Dataset, whose load_image may be a user's own.
        image_id: of the photo.
        channels: IMAGE_CHANNEL_COUNT of the network; None takes any shape.

    Returns:
        uint8 [H, W, channels].

    Raises:
        DataError: the photo has another shape, or values that are none of 0..255; the message names it.
    """
    image, name = np.asarray(dataset.load_image(image_id)), dataset.sample_name(image_id)
    fault = no_pixels(image)
    if fault:
        raise DataError(f"{name}: {fault}.")
    image = image if image.dtype == np.uint8 else np.rint(image).astype(np.uint8)
    if channels is None:
        return image
    image = to_channels(image, channels)
    if image.ndim != 3 or image.shape[2] != channels or 0 in image.shape:
        raise DataError(f"{name}: load_image gave {list(image.shape)}: return [height, width, {channels}].")
    return image


def photos_for(model: object, dataset: Dataset, image_ids: Sequence[int]) -> list[np.ndarray]:
    """Read photos of a data set as a model takes them.

    Args:
        model: whose `config` has IMAGE_CHANNEL_COUNT; one without takes any shape.
        dataset: prepared Dataset.
        image_ids: of the photos.

    Returns:
        List of uint8 [H, W, channels].

    Raises:
        DataError: as for `checked_photo`.
    """
    channels = getattr(getattr(model, "config", None), "IMAGE_CHANNEL_COUNT", None)
    return [checked_photo(dataset, image_id, None if channels is None else int(channels)) for image_id in image_ids]
