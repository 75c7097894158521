"""Photos: reading them, and placing them on the network's canvas with the `Window` that undoes it."""

import dataclasses
import ntpath
import os
from collections.abc import Sequence

import numpy as np

from mrcnn.config import RESIZE_MODES, Settings
from mrcnn.data.encoded import EXIF_ORIENTATION, PNG_ORIENTATIONS, WHITE, decode_image, to_rgb  # noqa: F401
from mrcnn.errors import DataError

# Of files that are photos, as far as Pillow opens them; a photo named without ending is the first of these there is.
PHOTO_ENDINGS = (
    ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".jpe", ".jfif", ".avif",
    ".heic", ".heif", ".apng", ".dib", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".mpo", ".pbm", ".pnm", ".pcx", ".tga",
    ".sgi", ".qoi", ".psd", ".dds",
)
NETWORK_STRIDE = 64  # a canvas is halved six times on its way to the coarsest feature map
# Floats below are shares of 1: a photo of 0..255 without any that reaches it is black. Shares may lie a hair above 1,
# for resizing and gamma curves overshoot.
SHARES_END = 2


# --- Reading ---------------------------------------------------------------------------------------------------------


def load_image(path: str | os.PathLike, matte: tuple[int, int, int] = WHITE) -> np.ndarray:
    """Read a photo of any format, upright.

    Grey becomes RGB, what is transparent is laid over a colour, 16-bit values keep their high byte, and the EXIF
    orientation is applied. Photos that look the same over that colour give the same pixels.

    Args:
        path: of any file that Pillow reads; HEIC needs the package pi-heif.
        matte: RGB 0..255 of the colour under what is transparent.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        DataError: the file is missing, unreadable, truncated, or larger than twice PIL.Image.MAX_IMAGE_PIXELS; the
            message names it.
    """
    return decode_image(_read_file(path), path, matte)


def _read_file(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, TypeError, ValueError) as error:  # None and names with a zero byte are no paths at all
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot read the photo ({reason}): check the image folder.") from error


def image_path(folder: str | os.PathLike, name: str) -> str:
    """Make the path of a photo that a file of annotations names.

    Args:
        folder: folder of the photos.
        name: name relative to the folder; subfolders are allowed.

    Returns:
        Path of the photo.

    Raises:
        DataError: the name is absolute or leads out of the folder.
    """
    name = checked_name(name)
    if leads_out(name):
        raise DataError(f"file_name {name!r} leads out of the image folder {folder}: give a name relative to it.")
    return os.path.join(folder, name)


def checked_name(name: object) -> str:
    """The text of a name. Raises DataError if it has a letter that no file name can have."""
    name = str(name)
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise DataError(f"file_name {name!r} has a letter that no file name can have: correct it.") from error
    if "\0" in name:
        raise DataError(f"file_name {name!r} has a zero byte, which no file name can have: correct it.")
    return name


def leads_out(name: str) -> bool:
    """Whether a name may be of a file elsewhere than below a folder: absolute, here or on Windows, or with ".."."""
    parts = name.replace("\\", "/").split("/")
    return not name or os.path.isabs(name) or bool(ntpath.splitdrive(name)[0]) or parts[0] == "" or ".." in parts


# --- Placing on the canvas -------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Window:
    """Where a photo lies on its canvas: canvas = photo * scale + offset.

    Args:
        original_shape: (H, W) of the photo, pixels.
        canvas_shape: (h, w) of the canvas, pixels.
        scale: (sy, sx), canvas pixels per photo pixel.
        offset: (oy, ox) of the photo's corner, canvas pixels.
    """

    original_shape: tuple[int, int]
    canvas_shape: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]

    @property
    def box(self) -> np.ndarray:
        """float32 [4]: the part of the canvas that the photo fills, pixels."""
        height, width = self.original_shape
        box = self.to_canvas(np.array([0, 0, height, width], np.float32))
        return _clipped(box, self.canvas_shape)

    def to_canvas(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes from the photo to the canvas, without clipping.

        Args:
            boxes: [..., 4], pixels of the photo.

        Returns:
            float32 [..., 4], pixels of the canvas.
        """
        scale, offset = np.tile(self.scale, 2), np.tile(self.offset, 2)
        return (np.asarray(boxes, np.float64) * scale + offset).astype(np.float32)

    def to_original(self, boxes: np.ndarray, clip: bool = True) -> np.ndarray:
        """Map boxes from the canvas to the photo.

        Args:
            boxes: [..., 4], pixels of the canvas.
            clip: clip the boxes to the photo.

        Returns:
            float32 [..., 4], pixels of the photo.
        """
        scale, offset = np.tile(self.scale, 2), np.tile(self.offset, 2)
        boxes = ((np.asarray(boxes, np.float64) - offset) / scale).astype(np.float32)
        return _clipped(boxes, self.original_shape) if clip else boxes

    def mask_boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Tell the boxes that the masks of detections are pasted at: their own.

        Args:
            boxes: [N, 4], pixels of the photo.

        Returns:
            [N, 4], pixels of the photo.
        """
        return boxes

    def to_paste(self, masks: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What `mrcnn.data.masks.paste_masks` is to get for the masks of detections.

        Args:
            masks: [N, h, w] 0..1.
            boxes: [N, 4], pixels of the photo.

        Returns:
            (masks [N, h', w'], boxes [N, 4] that these are stretched over).
        """
        return masks, boxes


def _clipped(boxes, shape):
    return np.clip(boxes, 0, np.array(tuple(shape) * 2, np.float32))


def place_image(image: np.ndarray, min_dim: int | None = None, max_dim: int | None = None,
                min_scale: float | None = None, mode: str = "square",
                rng: np.random.Generator | None = None) -> tuple[np.ndarray, Window]:
    """Resize a photo and pad or crop it to a canvas that the network takes.

    Args:
        image: [H, W, C], uint8 or another type that cv2 resizes.
        min_dim: least length of the shorter side after enlarging, pixels; the side is never shrunk to it.
        max_dim: greatest length of the longer side in modes "square" and "rectangle", pixels.
        min_scale: least factor of enlargement.
        mode: "none" leaves the photo as it is; "square" centres it on max_dim x max_dim; "rectangle" pads it to the
            next multiples of 64, which needs less padding than a square; "pad64" does so without regard to max_dim;
            "crop" takes a random part of min_dim x min_dim.
        rng: generator that chooses the crop.

    Returns:
        (canvas [h, w, C], Window that maps boxes between canvas and photo).

    Raises:
        DataError: the mode does not exist or lacks a number, or in mode "none" 64 does not divide the photo's sides.
    """
    height, width = image.shape[:2]
    _check_mode(mode, min_dim, max_dim)
    if mode == "none":
        if height % NETWORK_STRIDE or width % NETWORK_STRIDE:
            raise DataError(
                f'A photo of {height}x{width} pixels does not divide by {NETWORK_STRIDE}, as IMAGE_RESIZE_MODE="none" '
                'needs: use "square" or "rectangle".'
            )
        return image, Window((height, width), (height, width), (1.0, 1.0), (0.0, 0.0))
    size = scaled_size((height, width), _scale(height, width, min_dim, max_dim, min_scale, mode))
    return put_on_canvas(image, size, *_layout(size, min_dim, max_dim, mode, rng))


def scaled_size(shape: Sequence[int], scale: float) -> tuple[int, int]:
    """(H, W) of a photo that is enlarged `scale` times, whole pixels, one at least. shape: (H, W) before."""
    return tuple(max(1, round(side * scale)) for side in shape)


def put_on_canvas(image: np.ndarray, size: tuple[int, int], canvas_shape: tuple[int, int],
                  corner: tuple[int, int]) -> tuple[np.ndarray, Window]:
    """Resize a photo and put it on a black canvas, what lies outside cut off.

    Args:
        image: [H, W, C].
        size: (height, width) of the resized photo, pixels.
        canvas_shape: (h, w), pixels.
        corner: (y, x) of the photo's corner on the canvas, whole pixels, negative outside.

    Returns:
        (canvas [h, w, C], Window).
    """
    canvas = _on_canvas(resize_pixels(image, size), tuple(canvas_shape), corner)
    return canvas, window_at(image.shape[:2], size, canvas_shape, corner)


def window_at(shape: tuple[int, int], size: tuple[int, int], canvas_shape: tuple[int, int],
              corner: tuple[int, int]) -> Window:
    """The Window of a photo of (H, W) pixels; size, canvas_shape, corner: as for `put_on_canvas`."""
    scale = size[0] / shape[0], size[1] / shape[1]  # rounding to whole pixels makes the two sides' scales differ
    return Window(tuple(shape), tuple(canvas_shape), scale, (float(corner[0]), float(corner[1])))


def _check_mode(mode, min_dim, max_dim):
    if mode not in RESIZE_MODES:
        raise DataError(f"Resize mode {mode!r} does not exist: use {', '.join(RESIZE_MODES)}.")
    needed = {"square": ("max_dim", max_dim), "rectangle": ("max_dim", max_dim), "crop": ("min_dim", min_dim)}.get(mode)
    if needed and not needed[1]:
        raise DataError(f"Resize mode {mode!r} needs {needed[0]}.")


def _scale(height, width, min_dim, max_dim, min_scale, mode):
    """How much a photo is enlarged or shrunk."""
    scale = max(1.0, min_dim / min(height, width)) if min_dim else 1.0
    scale = max(scale, min_scale or 0.0)
    if mode in ("square", "rectangle") and round(max(height, width) * scale) > max_dim:
        scale = max_dim / max(height, width)
    return scale


def _layout(shape, min_dim, max_dim, mode, rng):
    """(height, width) of the canvas, and where on it the resized photo's corner lies: negative where it is cropped."""
    if mode == "crop":
        rng = rng or np.random.default_rng()
        return (min_dim, min_dim), tuple(-int(rng.integers(side - min_dim + 1)) for side in shape)
    if mode == "square":
        canvas_shape = (max_dim, max_dim)
    else:
        canvas_shape = tuple(-(-side // NETWORK_STRIDE) * NETWORK_STRIDE for side in shape)
    return canvas_shape, ((canvas_shape[0] - shape[0]) // 2, (canvas_shape[1] - shape[1]) // 2)


def planned_window(shape: tuple[int, int], config: Settings) -> Window:
    """The Window of a photo of (H, W) pixels; in mode "crop" that of the whole photo before the crop."""
    mode, height, width = config.IMAGE_RESIZE_MODE, *shape
    if mode == "none":
        return Window(shape, shape, (1.0, 1.0), (0.0, 0.0))
    limits = config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM
    size = scaled_size(shape, _scale(height, width, *limits, config.IMAGE_MIN_SCALE, mode))
    return window_at(shape, size, *_layout(size, *limits, "pad64" if mode == "crop" else mode, None))


def are_shares(largest: float) -> bool:
    """Whether floats from 0 on, of which this is the largest, are of 0..1 rather than of 0..255; zeros are both."""
    return 0 < largest < SHARES_END


def no_pixels(image: np.ndarray) -> str | None:
    """What is wrong with the values of a photo that `load_image` gave, and what to do; None if nothing is."""
    if image.dtype == np.uint8 or not image.size:
        return None
    low, high = image.min(), image.max()
    if image.dtype == bool or not (low >= 0 and high <= 255) or (image.dtype.kind == "f" and are_shares(high)):
        return f"load_image gave {image.dtype} values from {low} to {high}: return uint8 from 0 to 255"
    return None


def to_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """Give a photo the channels of a network that takes grey ones; for any other network it stays as it is.

    Args:
        image: uint8 [H, W, 3] RGB, or grey [H, W, 1] or [H, W].
        channels: IMAGE_CHANNEL_COUNT of the network.

    Returns:
        [H, W, 1] if `channels` is 1, RGB by the weights of ITU-R 601; else the image.
    """
    if channels != 1 or image.ndim not in (2, 3):
        return image
    if image.ndim == 2:
        return image[..., None]
    if image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        return image
    import cv2

    return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)[..., None]


def colours_of(image: np.ndarray) -> np.ndarray:
    """The colours of a photo of any channels, for what knows colours alone.

    Args:
        image: [H, W, C] or [H, W]. Of 3 channels and more the first three are RGB; of fewer the first is grey.

    Returns:
        [H, W, 3] of the same dtype.
    """
    image = image[..., None] if image.ndim == 2 else image
    return image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)


def resize_pixels(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a photo, half-pixel aligned; shrinking averages over the area.

    Args:
        image: [H, W, C].
        shape: (height, width) of the result, pixels.

    Returns:
        [height, width, C] of the same dtype.
    """
    import cv2

    if image.shape[:2] == shape:
        return image
    if image.ndim == 3 and image.shape[2] > 4:  # cv2 averages over the area of four channels at most
        parts = [resize_pixels(image[..., first : first + 4], shape) for first in range(0, image.shape[2], 4)]
        return np.concatenate(parts, axis=2)
    shrinks = shape[0] < image.shape[0] or shape[1] < image.shape[1]
    # cv2 knows neither bool nor wide integers.
    known = image.dtype in (np.uint8, np.uint16, np.int16, np.float32, np.float64)
    source = image if known else image.astype(np.float64)
    resized = cv2.resize(source, shape[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if resized.dtype != image.dtype:
        resized = np.rint(resized).astype(image.dtype)
    return resized.reshape(shape + image.shape[2:])  # cv2 drops a last axis of one


def _on_canvas(image, shape, corner):
    """`image` on a black canvas: its corner at `corner`, what lies outside cut off."""
    (y, x), (top, left) = (max(0, value) for value in corner), (max(0, -value) for value in corner)
    part = image[top : top + shape[0] - y, left : left + shape[1] - x]
    if part.shape[:2] == shape:
        return part
    canvas = np.zeros(shape + image.shape[2:], image.dtype)
    canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    return canvas


def resize_image(image: np.ndarray, min_dim: int | None = None, max_dim: int | None = None,
                 min_scale: float | None = None, mode: str = "square",
                 rng: np.random.Generator | None = None) -> tuple:
    """Matterport's door to `place_image`. Mode "none" takes any size.

    Args:
        image, min_dim, max_dim, min_scale, mode, rng: as for `place_image`.

    Returns:
        (image [h, w, C]; window (y1, x1, y2, x2) that the photo fills, pixels; scale; padding [(top, bottom),
        (left, right), (0, 0)], pixels; crop (y, x, height, width) in the resized photo, or None).
    """
    height, width = image.shape[:2]
    if mode == "none":
        return image, (0, 0, height, width), 1, [(0, 0), (0, 0), (0, 0)], None
    canvas, window = place_image(image, min_dim, max_dim, min_scale, mode, rng)
    scale = _scale(height, width, min_dim, max_dim, min_scale, mode)
    box = tuple(int(round(float(value))) for value in window.box)
    (top, left), (canvas_height, canvas_width) = (int(value) for value in window.offset), window.canvas_shape
    if mode == "crop":
        return canvas, box, scale, [(0, 0), (0, 0), (0, 0)], (-top, -left, min_dim, min_dim)
    padding = [(top, canvas_height - box[2]), (left, canvas_width - box[3]), (0, 0)]
    return canvas, box, scale, padding, None
