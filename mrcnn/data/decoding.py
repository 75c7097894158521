"""What Pillow raises over images that nobody vouches for, as errors that name them."""

import contextlib
import os
from collections.abc import Iterator

from mrcnn.errors import DataError

OF_PHOTOS = "replace it or drop it from the data"


@contextlib.contextmanager
def decoding(name: str | os.PathLike, kind: str = "image", remedy: str = OF_PHOTOS,
             unknown: str = "unknown format") -> Iterator[None]:
    """Turn whatever Pillow raises inside into a DataError of one line.

    Args:
        name: of the image, at the head of the line: its path, or what it is in a file.
        kind: of image that it should be.
        remedy: what to do about one that cannot be read.
        unknown: the reason given where Pillow knows no format that it is of.

    Raises:
        DataError: the image cannot be read, or has more pixels than Pillow decodes.
    """
    from PIL import Image

    try:
        yield
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name}: too many pixels: shrink it, or raise PIL.Image.MAX_IMAGE_PIXELS.") from error
    except Exception as error:  # decoders raise whatever they like on a broken file
        reason = unknown if isinstance(error, Image.UnidentifiedImageError) else str(error) or repr(error)
        raise DataError(f"{name}: not a readable {kind} ({reason}): {remedy}.") from error
