"""Photos as the bytes of their files: decoded upright, grey and transparent ones as RGB."""

import contextlib
import io
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from mrcnn.data.bit_depth import is_deep, is_negative, tell_if_faint
from mrcnn.data.decoding import decoding
from mrcnn.data.heic_files import read_heic
from mrcnn.data.jpeg_damage import START, scan_count
from mrcnn.data.pages import tell_if_paged
from mrcnn.errors import DataError

EXIF_ORIENTATION = 0x0112
PNG_ORIENTATIONS = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")  # whatever may hold one
ANIMATION = b"acTL"  # chunk of a PNG whose pages need not begin with its own picture; cv2 reads the first of those
SPREAD = {"L;2": 85, "L;4": 17}  # what Pillow multiplies grey of few bits by, but not the see-through one in its info
WHITE = (255, 255, 255)
MOST_SCANS = 100  # of a JPEG: progressive ones have about ten; thousands fit into a small file and take hours
CV2_SIDE, CV2_PIXELS = 1 << 20, 1 << 30  # of a picture that cv2 decodes at most


def decode_image(data: bytes, name: str | os.PathLike, matte: tuple[int, int, int] = WHITE,
                 formats: tuple[str, ...] | None = None, counted: bool = False) -> np.ndarray:
    """Decode a photo of any format, upright, as `mrcnn.data.images.load_image` does.

    Args:
        data: the whole file.
        name: to call it.
        matte: RGB 0..255 of the colour under what is transparent.
        formats: names of Pillow's formats that are opened; None opens all that it knows.
        counted: whether the caller has bounded its pixels, so that PIL.Image.MAX_IMAGE_PIXELS does not.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        DataError: it is unreadable, truncated, larger than twice PIL.Image.MAX_IMAGE_PIXELS, or a JPEG of more than
            MOST_SCANS scans.
    """
    if counted:
        check_scans(data, name)
    opened = counted_image if counted else opened_image
    with opened(io.BytesIO(data), name, formats) as image:
        pixels = _decode_plain(data, image)
        if pixels is None:
            pixels = upright_pixels(image, name, matte)
        tell_if_paged(name, image)  # last, for it turns the pages
        return pixels


def check_scans(data: bytes, name: str | os.PathLike) -> None:
    """Raise DataError, naming it, if a file is a JPEG of more than MOST_SCANS scans."""
    # The bytes of a marker may stand within a segment, or behind the end, too: first a quick look.
    if data.startswith(START) and data.count(b"\xff\xda") > MOST_SCANS and (count := scan_count(data)) > MOST_SCANS:
        raise DataError(f"{name}: a JPEG of {count} scans, of which {MOST_SCANS} are decoded: save it anew.")


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
    with decoding(name):
        deep = is_deep(image)
        pixels = to_rgb(as_meant(image), name, matte)
        if deep:
            tell_if_faint(name, image)
        return pixels


def as_meant(image: object) -> object:
    """A copy of a Pillow image as its file means it, in what Pillow passes over, for `to_rgb`.

    It is turned as EXIF says, 16-bit grey whose zero is white is made the other way round, and the see-through colour
    of a PNG is brought to the range of the pixels: of 16-bit colours to the high byte, which is all that Pillow keeps.

    Args:
        image: of Pillow, not decoded yet: of a decoded one the form of a PNG's pixels is not known.
    """
    from PIL import Image, ImageOps

    form = next((args if isinstance(args, str) else args[0] for *_, args in getattr(image, "tile", ()) if args), None)
    upright = ImageOps.exif_transpose(image)
    clear = upright.info.get("transparency")
    if isinstance(clear, int) and form in SPREAD:
        upright.info["transparency"] = clear * SPREAD[form]
    elif isinstance(clear, tuple) and str(form).startswith("RGB;16"):
        upright.info["transparency"] = tuple(value >> 8 for value in clear)
    return Image.fromarray(65535 - np.asarray(upright)) if is_negative(image) else upright


@contextlib.contextmanager
def opened_image(file: str | os.PathLike | BinaryIO, name: str | os.PathLike,
                 formats: tuple[str, ...] | None = None, header: bool = False) -> Iterator[object]:
    """A photo of any format, HEIC too, as a Pillow image, whose pixels are not decoded yet.

    Args:
        file: its path, or a file that is open for reading bytes.
        name: to call it.
        formats: as for `decode_image`.
        header: whether no pixels of a JPEG will be asked for, so that its scans need not be counted.

    Raises:
        DataError: it cannot be opened, is a JPEG of more than MOST_SCANS scans, or what Pillow raises within the block.
    """
    from PIL import Image

    with decoding(name), contextlib.ExitStack() as stack:
        file = file if hasattr(file, "read") else stack.enter_context(open(file, "rb"))
        start = file.read(12)
        read_heic(name, start)
        file.seek(0)
        if start.startswith(START) and not header:
            check_scans(file.getvalue() if isinstance(file, io.BytesIO) else file.read(), name)
            file.seek(0)
        yield stack.enter_context(Image.open(file, formats=formats))


@contextlib.contextmanager
def counted_image(file: BinaryIO, name: str | os.PathLike, formats: tuple[str, ...]) -> Iterator[object]:
    """`opened_image` of a photo whose pixels the caller bounds: Pillow's own bound is one of the whole process.

    Args:
        file: that is open for reading bytes.
        name: to call it.
        formats: names of Pillow's formats that are opened, each known to it by now.

    Raises:
        DataError: it cannot be opened, or what Pillow raises within the block.
    """
    from PIL import Image

    with decoding(name), contextlib.ExitStack() as stack:
        start = file.read(16)
        for factory, accepts in (Image.OPEN[one] for one in formats):
            # A text is the reason why this Pillow cannot read a file of the format.
            if accepts is not None and (isinstance(taken := accepts(start), str) or not taken):
                continue
            file.seek(0)
            with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):  # the header is none of it
                stack.enter_context(image := factory(file, ""))
                break
        else:
            raise Image.UnidentifiedImageError(name)
        yield image


def _decode_plain(data, image):
    """uint8 [H, W, 3] of a complete, upright, 8-bit grey or RGB JPEG or PNG; None for any other file.

    cv2 decodes these in two thirds of Pillow's time to the same pixels, but some of its releases return what there is
    of a truncated file: hence the look at the end of the data.
    """
    ending = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}.get(image.format)
    if ending is None or not data.endswith(ending) or image.mode not in ("L", "RGB"):
        return None
    if "transparency" in image.info or max(image.size) > CV2_SIDE or image.width * image.height > CV2_PIXELS:
        return None
    if image.format == "PNG":
        # Byte 24 is the bit depth. Pillow decodes a whole PNG to look for its EXIF; its names are found faster.
        if data[24:25] != b"\x08" or any(name in data for name in (*PNG_ORIENTATIONS, ANIMATION)):
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
        pixels = np.repeat((values >> 8).astype(np.uint8)[..., None], 3, axis=2)
        clear = image.info.get("transparency")
        if isinstance(clear, int):
            pixels[values == clear] = matte
        return pixels
    if "A" not in image.getbands() and "a" not in image.getbands() and "transparency" not in image.info:
        return np.array(image.convert("RGB"))
    pixels = np.asarray(image.convert("RGBA")).astype(np.float32)
    share = pixels[..., 3:] / 255
    return np.rint(pixels[..., :3] * share + np.array(matte, np.float32) * (1 - share)).astype(np.uint8)
