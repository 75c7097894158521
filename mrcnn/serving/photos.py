"""Photos that strangers send: looked at before they are decoded, and refused with the reason."""

import base64
import binascii
import io

import numpy as np

from mrcnn.data.encoded import WHITE, counted_image, decode_image
from mrcnn.data.heic_files import HEIC, read_heic
from mrcnn.errors import DataError
from mrcnn.serving.limits import Limits
from mrcnn.serving.refusals import Refused

# Pillow's names. Whatever runs a program (EPS) or is no photo of a camera or the web stays shut.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "JPEG2000", "AVIF", "PPM")
HEIF = "HEIF"  # known to Pillow once `read_heic` has seen such a file


def decode_photo(data: bytes, name: str, limits: Limits, matte: tuple[int, int, int] = WHITE) -> np.ndarray:
    """Decode a photo, upright as `mrcnn detect` takes it, if its header promises no more pixels than are taken.

    Args:
        data: the whole file.
        name: to call it.
        limits: of its bytes and pixels.
        matte: RGB 0..255 of the colour under what is transparent.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        Refused: 413 too large, 415 no photo, 422 a photo that cannot be decoded.
    """
    formats = _check_header(data, name, limits)
    try:
        return decode_image(data, name, matte, formats, counted=True)
    except DataError as error:
        raise Refused(422, str(error)) from error


def _check_header(data, name, limits):
    """Pillow's formats that may decode the photo, after a look at its header."""
    from PIL import Image

    if len(data) > limits.upload:
        raise Refused(413, f"{name}: {len(data)} bytes, {limits.upload} are taken: send a smaller file.")
    Image.init()
    formats = tuple(name for name in FORMATS if name in Image.OPEN)  # AVIF is not in every Pillow
    if data[4:12] in HEIC:
        try:
            read_heic(name, data)
        except DataError as error:
            raise Refused(415, str(error)) from error
        formats = (HEIF,)
    try:
        with counted_image(io.BytesIO(data), name, formats) as image:
            (width, height), kind = image.size, image.format
    except DataError as error:
        if isinstance(error.__cause__, Image.DecompressionBombError):  # some GIFs: their first frame is bounded too
            told = f"{name}: too many pixels for a picture of its format: save it as a JPEG or PNG."
            raise Refused(413, told) from error
        known = ", ".join(formats)
        raise Refused(415, f"{name}: no photo that is read here, or a broken one: send one of {known}.") from error
    if width * height > limits.pixels:
        raise Refused(413, f"{name}: {width} x {height} pixels, {limits.pixels} are taken: shrink it.")
    bound = 2 * Image.MAX_IMAGE_PIXELS if kind == "TIFF" and Image.MAX_IMAGE_PIXELS else limits.pixels
    if width * height > bound:  # Pillow counts a TIFF's pixels once more when it decodes them
        raise Refused(413, f"{name}: {width} x {height} pixels, of a TIFF {bound} are taken: save it as a JPEG or PNG.")
    return formats


def raise_bound(pixels: int) -> None:
    """Have Pillow decode TIFFs and GIFs of so many pixels too: its bound is one of the process, for a server's start.

    Args:
        pixels: of a photo at most. A bound that is higher stays.
    """
    from PIL import Image

    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, pixels)


def decode_base64(text: object, name: str) -> bytes:
    """Decode the base64 of a photo, with or without "data:image/...;base64," in front.

    Args:
        text: what a request holds in its place.
        name: to call it.

    Returns:
        The bytes.

    Raises:
        Refused: 422, it is none.
    """
    try:
        if text.startswith("data:"):
            text = text.partition(",")[2]
        return base64.b64decode(text, validate=True)
    except (AttributeError, binascii.Error, ValueError) as error:
        raise Refused(422, f"{name}: no base64: encode the file's bytes by the alphabet of RFC 4648.") from error
