"""Pictures of several pages (TIFF, GIF, WebP, animated PNG), of which the first alone is read."""

import contextlib
import itertools
import os
import threading
import warnings

PAGED = ("TIFF", "GIF", "WEBP", "PNG")  # phones put previews behind a photo in MPO
PAGED_ENDINGS = (".tif", ".tiff", ".gif", ".webp", ".png", ".apng")
REMEDY = "save each page that is wanted as a file of its own"
TOLD = r".*: the photo has \d+ pages"  # pattern of the warning
MOST_FOLDERS = 100  # whose photos are told of; a server is sent names without end
# TIFF tags 254 and 255: which pages are a smaller copy of another one, or its mask.
NEW_KIND, KIND, SMALLER_OR_MASK, SMALLER = 254, 255, 1 | 4, 2

_LOOKING = threading.Lock()
_known = set()  # folders of which a photo of several pages was told


def page_count(image: object) -> int:
    """Count the pages of a picture, without a TIFF's smaller copies and masks; its first page is chosen afterwards.

    Args:
        image: of Pillow. Pages beyond one that cannot be read are not counted.

    Returns:
        The number, from 1 on.
    """
    if image.format not in PAGED:
        return 1
    count = 1
    if image.format != "TIFF":
        with contextlib.suppress(Exception):  # a broken page behind the first, which is read all the same
            count = max(int(getattr(image, "n_frames", 1)), 1)
        return count
    with contextlib.suppress(Exception):  # the end of the file, or decoders on a broken page
        for page in itertools.count(1):
            image.seek(page)
            count += not (image.tag_v2.get(NEW_KIND, 0) & SMALLER_OR_MASK or image.tag_v2.get(KIND) == SMALLER)
    with contextlib.suppress(Exception):
        image.seek(0)
    return count


def tell_if_paged(name: str | os.PathLike, image: object) -> None:
    """Warn of a photo of several pages, if it is the first one of its folder.

    Args:
        name: path of the photo.
        image: of Pillow, decoded.
    """
    if image.format not in PAGED:
        return
    folder = os.path.dirname(os.fspath(name))
    if folder in _known or len(_known) >= MOST_FOLDERS:
        return
    count = page_count(image)
    if count < 2:
        return
    with _LOOKING:
        if folder in _known:
            return
        _known.add(folder)
    warnings.warn(f"{name}: the photo has {count} pages, of which the first alone is read: {REMEDY}. Others of its "
                  "folder are not told of; `data validate` counts them.", stacklevel=3)
