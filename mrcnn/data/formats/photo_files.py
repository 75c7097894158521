"""The size of photos, for formats whose annotations do not tell it."""

import math
import os

from mrcnn.data.decoding import decoding
from mrcnn.data.formats.quick_headers import HEAD, quick_header
from mrcnn.data.heic_files import read_heic
from mrcnn.data.images import EXIF_ORIENTATION, PNG_ORIENTATIONS
from mrcnn.errors import DataError

TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width


def photo_size(path: str | os.PathLike) -> tuple[int, int]:
    """(height, width) that `load_image` will give a photo, read from the header of its file.

    Args:
        path: of any file that Pillow reads.

    Raises:
        DataError: naming the file if it is no photo or has more pixels than Pillow decodes.
    """
    return photo_header(path)[0]


def photo_header(path: str | os.PathLike) -> tuple[tuple[int, int], int]:
    """((height, width) of a photo, upright; the orientation of its EXIF, 1 to 8, 1 where there is none).

    Args:
        path: of any file that Pillow reads

    Raises:
        DataError: naming the file if it is no photo or has more pixels than Pillow decodes.
    """
    from PIL import Image

    quick = quick_header(_head(path), path, PNG_ORIENTATIONS)
    if quick and quick[0][0] * quick[0][1] <= (Image.MAX_IMAGE_PIXELS or math.inf):
        (width, height), orientation = quick
        return ((width, height) if orientation in TURNED else (height, width)), orientation
    with decoding(path), Image.open(path) as image:
        # Of a TIFF, releases of Pillow differ in whether size is upright already.
        width, height = (image.tag_v2[256], image.tag_v2[257]) if image.format == "TIFF" else image.size
        # Pillow decodes a whole PNG to look for an orientation: only where the file can hold one.
        looks = image.format != "PNG" or _holds(path, PNG_ORIENTATIONS)
        orientation = image.getexif().get(EXIF_ORIENTATION, 1) if looks else 1
    return ((width, height) if orientation in TURNED else (height, width)), orientation


def _head(path):
    """The first bytes of a file, after HEIC photos are made known to Pillow; none if it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(HEAD)
        read_heic(path, head[:12])
        return head
    except (OSError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        return b""  # what else there is, Pillow meets as well


def _holds(path, names):
    with open(path, "rb") as file:
        data = file.read()
    return any(name in data for name in names)
