"""The first convolution of weights that were learned on RGB, for the pixels that a network of ours is given."""

import os
from collections.abc import Sequence

import numpy as np

from mrcnn.config import Config, Settings
from mrcnn.errors import CheckpointError

COCO_FILE = "mask_rcnn_coco.h5"  # Matterport's


def kernel_of_channels(kernel: np.ndarray, channels: int, source: object) -> np.ndarray:
    """A kernel of RGB for photos of another number of channels, which is told in one line.

    Args:
        kernel: [h, w, 3, F], in the order RGB.
        channels: Config.IMAGE_CHANNEL_COUNT. Grey, 1, is as if all three had it: the kernel is their sum. Of more than
            three the first are RGB, and the others start at 0.
        source: path or name of the weights, for messages.

    Returns:
        [h, w, channels, F].

    Raises:
        CheckpointError: the kernel is of another number of channels, or two are asked for.
    """
    if kernel.ndim != 4 or kernel.shape[2] != 3:
        raise CheckpointError(f"{source}: its first convolution is {list(kernel.shape)}, of RGB it is [h, w, 3, F]: "
                              "take weights that were learned on RGB.")
    if channels == 3:
        return kernel
    if channels == 1:
        print(f"{source}: learned on RGB; for grey photos the first convolution is the sum of its three channels.")
        return kernel.sum(axis=2, keepdims=True)
    if channels < 3:
        raise CheckpointError(f"{source} takes 3 channels and IMAGE_CHANNEL_COUNT is {channels}: set it to 1, of grey "
                              "photos, or to 3 or more, or start with --weights none.")
    print(f"{source}: learned on RGB, which the first 3 of {channels} channels are taken for; in the first convolution "
          f"the other {channels - 3} start at 0.")
    return np.pad(kernel, ((0, 0), (0, 0), (0, channels - 3), (0, 0)))


def shift_of_means(kernel: np.ndarray, means: Sequence[float], mean_pixel: Sequence[float]) -> np.ndarray:
    """What the bias grows by where a network is given pixels less another mean than its weights were.

    Exact but at the border, where padding of zeros stands for Config.MEAN_PIXEL.

    Args:
        kernel: [h, w, 3, F], in the order RGB, before `kernel_of_channels`.
        means: [3], RGB, that the weights were given pixels less.
        mean_pixel: [C], Config.MEAN_PIXEL: of grey one for all three; those beyond RGB do not count.

    Returns:
        [F], of the kernel's dtype.
    """
    given = np.asarray(mean_pixel, "float64")
    given = given[:3] if len(given) >= 3 else np.repeat(given[:1], 3)
    return np.einsum("hwio,i->o", kernel, given - np.asarray(means, "float64")).astype(kernel.dtype)


def told_of_mean_pixel(path: str | os.PathLike, written: dict | None, config: Settings) -> list[str]:
    """Tell of a weight file whose network was given pixels less another Config.MEAN_PIXEL; its weights stay.

    Args:
        path: of the file.
        written: settings of it that are known. Of those without MEAN_PIXEL only Matterport's COCO model is known.
        config: settings of the network that takes the weights.

    Returns:
        One line, or none.
    """
    if "MEAN_PIXEL" not in (written or {}) and os.path.basename(path) != COCO_FILE:
        return []
    theirs, own = (",".join(f"{value:g}" for value in mean) for mean in (
        (written or {}).get("MEAN_PIXEL", Config.MEAN_PIXEL), config.MEAN_PIXEL))
    if own == theirs:
        return []
    return [f"{path} was trained with MEAN_PIXEL=[{theirs}], and this network subtracts [{own}]: set "
            f"MEAN_PIXEL=[{theirs}] to keep the pixels that the weights know."]
