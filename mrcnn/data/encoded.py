"""Photos as the bytes of their files: decoded upright, grey and transparent ones as RGB."""

import contextlib
import io
import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from mrcnn.data.bit_depth import is_deep, tell_if_faint
from mrcnn.data.decoding import decoding
from mrcnn.data.heic_files import read_heic
from mrcnn.data.pages import tell_if_paged
from mrcnn.errors import DataError

EXIF_ORIENTATION = 0x0112
PNG_ORIENTATIONS = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")  # whatever may hold one
WHITE = (255, 255, 255)


def decode_image(data: bytes, name: str | os.PathLike, matte: tuple[int, int, int] = WHITE,
                 formats: tuple[str, ...] | None = None) -> np.ndarray:
    """Decode a photo of any format, upright, as `mrcnn.data.images.load_image` does.

    Args:
        data: the whole file.
        name: to call it.
        matte: RGB 0..255 of the colour under what is transparent.
        formats: names of Pillow's formats that are opened; None opens all that it knows.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        DataError: it is unreadable, truncated, or larger than twice PIL.Image.MAX_IMAGE_PIXELS.
    """
    with opened_image(io.BytesIO(data), name, formats) as image:
        pixels = _decode_plain(data, image)
        if pixels is None:
            pixels = upright_pixels(image, name, matte)
        tell_if_paged(name, image)  # last, for it turns the pages
        return pixels


def upright_pixels(image: object, name: str | os.PathLike, matte: tuple[int, int, int] = WHITE) -> np.ndarray:
    """The pixels of a Pillow image, turned as its EXIF says.

    Args:
        image: of Pillow.
        name: to call it.
        matte: RGB 0..255 of the colour under what is transparent.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        DataError: it cannot be decoded, or its pixels are of unknown range.
    """
    from PIL import ImageOps

    with decoding(name):
        deep = is_deep(image)
        pixels = to_rgb(ImageOps.exif_transpose(image), name, matte)
        if deep:
            tell_if_faint(name, image)
        return pixels


@contextlib.contextmanager
def opened_image(file: str | os.PathLike | BinaryIO, name: str | os.PathLike,
                 formats: tuple[str, ...] | None = None) -> Iterator[object]:
    """A photo of any format, HEIC too, as a Pillow image, whose pixels are not decoded yet.

    Args:
        file: its path, or a file that is open for reading bytes.
        name: to call it.
        formats: as for `decode_image`.

    Raises:
        DataError: it cannot be opened, or what Pillow raises within the block.
    """
    from PIL import Image

    with decoding(name), contextlib.ExitStack() as stack:
        file = file if hasattr(file, "read") else stack.enter_context(open(file, "rb"))
        read_heic(name, file.read(12))
        file.seek(0)
        yield stack.enter_context(Image.open(file, formats=formats))


def _decode_plain(data, image):
    """uint8 [H, W, 3] of a complete, upright, 8-bit grey or RGB JPEG or PNG; None for any other file.

    cv2 decodes these in two thirds of Pillow's time to the same pixels, but some of its releases return what there is
    of a truncated file: hence the look at the end of the data.
    """
    ending = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}.get(image.format)
    if ending is None or not data.endswith(ending) or image.mode not in ("L", "RGB"):
        return None
    if "transparency" in image.info:
        return None
    if image.format == "PNG":
        # Byte 24 is the bit depth. Pillow decodes a whole PNG to look for its EXIF; its names are found faster.
        if data[24:25] != b"\x08" or any(name in data for name in PNG_ORIENTATIONS):
            return None
    elif image.getexif().get(EXIF_ORIENTATION, 1) != 1:
        return None
    import cv2

    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)


def to_rgb(image: object, path: str | os.PathLike, matte: tuple[int, int, int] = WHITE) -> np.ndarray:
    """uint8 [H, W, 3] of any Pillow image.

    Args:
        image: of Pillow
        path: to call it
        matte: RGB 0..255 of the colour under what is transparent

    Raises:
        DataError: if its pixels are of unknown range.
    """
    if image.mode == "F":
        raise DataError(f"{path}: holds floating-point pixels of unknown range: convert it to 8 or 16 bits.")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise DataError(f"{path}: holds 32-bit pixels: convert it to 8 or 16 bits.")
        return np.repeat((values >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if "A" not in image.getbands() and "a" not in image.getbands() and "transparency" not in image.info:
        return np.array(image.convert("RGB"))
    pixels = np.asarray(image.convert("RGBA")).astype(np.float32)
    share = pixels[..., 3:] / 255
    return np.rint(pixels[..., :3] * share + np.array(matte, np.float32) * (1 - share)).astype(np.uint8)
