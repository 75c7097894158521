"""Pixels and image meta under Matterport's names."""

import numpy as np

from mrcnn.config import Settings
from mrcnn.errors import DataError
from mrcnn.ops import Tensor

# Where each part of the meta vector lies; what follows are the classes that the photo's source labels, one 0 or 1 each.
META = {
    "image_id": 0,
    "original_image_shape": slice(1, 4),
    "image_shape": slice(4, 7),
    "window": slice(7, 11),
    "scale": 11,
    "active_class_ids": slice(12, None),
}


def log(text: str, array: np.ndarray | None = None) -> None:
    """Prints a text and, of an array, shape, range and type."""
    if array is not None:
        array = np.asarray(array)
        span = f"min: {array.min():10.5f}  max: {array.max():10.5f}" if array.size else "empty"
        text = f"{text:25}  shape: {str(array.shape):20}  {span}  {array.dtype}"
    print(text)


def compose_image_meta(image_id: int, original_image_shape: tuple[int, int, int], image_shape: tuple[int, int, int],
                       window: np.ndarray, scale: float, active_class_ids: np.ndarray) -> np.ndarray:
    """What is known of an image as one vector.

    Args:
        image_id: number.
        original_image_shape, image_shape: (H, W, C) before and after resizing.
        window: (y1, x1, y2, x2) that the photo fills, pixels.
        scale: of the resizing.
        active_class_ids: [C] of 0 or 1.

    Returns:
        float64 [12 + C], Config.IMAGE_META_SIZE numbers.

    Raises:
        DataError: a shape is not three numbers.
    """
    for shape in (original_image_shape, image_shape):
        if len(shape) != 3:
            raise DataError(f"compose_image_meta: a shape is {list(shape)}: give (height, width, channels), for a grey "
                            "photo (height, width, 1).")
    return np.array([image_id, *original_image_shape, *image_shape, *window, scale, *active_class_ids], np.float64)


def parse_image_meta_graph(meta: Tensor) -> dict:
    """{name: tensor} of the parts of meta vectors [B, 12 + C], each [B] or [B, n]; the names are those of META."""
    return {name: meta[:, part] for name, part in META.items()}


def parse_image_meta(meta: np.ndarray) -> dict[str, np.ndarray]:
    """`parse_image_meta_graph` of a numpy array: the scale as float32, all the others as int32."""
    parts = parse_image_meta_graph(np.asarray(meta))
    return {name: part.astype(np.float32 if name == "scale" else np.int32) for name, part in parts.items()}


def mold_image(images: np.ndarray, config: Settings) -> np.ndarray:
    """RGB images, one or a batch, less the mean pixel, as float32.

    The network subtracts the mean by itself: only what has Matterport's "molded" in its name wants this.
    """
    return np.asarray(images, np.float32) - np.asarray(config.MEAN_PIXEL, np.float32)


def unmold_image(normalized_images: np.ndarray, config: Settings) -> np.ndarray:
    """Undoes `mold_image`: uint8."""
    return np.rint(unmolded(normalized_images, config)).astype(np.uint8)


def unmolded(images: np.ndarray, config: Settings) -> np.ndarray:
    """Undoes `mold_image` without rounding: float32 0..255, as the network takes it."""
    return np.asarray(images, np.float32) + np.asarray(config.MEAN_PIXEL, np.float32)


def resize(image: np.ndarray, output_shape: tuple[int, int], order: int = 1, mode: str = "constant", cval: int = 0,
           clip: bool = True, preserve_range: bool = False, anti_aliasing: bool = False,
           anti_aliasing_sigma: object = None) -> np.ndarray:
    """scikit-image's `resize`, whatever its release, with smoothing off unless asked for. Arguments as there."""
    from skimage.transform import resize as skimage_resize

    return skimage_resize(image, output_shape, order=order, mode=mode, cval=cval, clip=clip,
                          preserve_range=preserve_range, anti_aliasing=anti_aliasing,
                          anti_aliasing_sigma=anti_aliasing_sigma)
