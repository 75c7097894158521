"""Photos of 16 bits that fill little of them: their high bytes, which are taken, leave next to nothing."""

import os
import threading
import warnings

import numpy as np

LEAST = 65536 // 8  # a photo without such a value fills less than an eighth of 16 bits, as one of 12 bits does
REMEDY = ("spread the values to the whole range (of 12 bits multiply by 16, of 10 bits by 64), or give a load_image of "
          "your own")
TOLD = r".*: the photo's 16 bits hold"  # pattern of the warning
MOST_FOLDERS = 100  # whose photos are told of; a server is sent names without end

PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # tag of TIFF, and what it says of a negative

_LOOKING = threading.Lock()
_known = set()  # folders of which a photo of 16 bits was looked at: a camera's photos are all of one kind


def is_deep(image: object) -> bool:
    """Whether the channels of a Pillow image, not decoded yet, have 16 bits in its file."""
    words = any(";16" in str(args) or args == (image.mode, 65535) for *_, args in getattr(image, "tile", ()))
    return words or image.mode.startswith("I")


def is_negative(image: object) -> bool:
    """Whether a Pillow image is 16-bit grey whose zero is white, as its file says; Pillow turns fewer bits itself."""
    return image.mode.startswith("I;16") and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO


def largest_value(image: object) -> int | None:
    """The largest value of a Pillow image of 16 bits, not decoded yet, but for a see-through grey; None of any other.

    Pillow keeps the high bytes alone of colours: of these it is the largest value that they allow.
    """
    return _largest(image) if is_deep(image) else None


def _largest(image):
    if image.mode.startswith("I"):
        values, clear = np.asarray(image), image.info.get("transparency")
        return int((values[values != clear] if isinstance(clear, int) else values).max(initial=0))
    return 256 * int(np.asarray(image.convert("RGB")).max()) + 255


def is_faint(largest: int | None) -> bool:
    """Whether a photo of such a `largest_value` is one whose high bytes leave next to nothing; a black one is not."""
    return largest is not None and 0 < largest < LEAST


def seen_as(largest: int, negative: bool = False) -> str:
    """What a network sees of values up to `largest`, of which 0 is white if `negative`."""
    become = f"{255 - largest // 256}..255, nearly white" if negative else f"0..{largest // 256} of 255, nearly black"
    return f"values up to {largest} of 65535, which become {become}"


def tell_if_faint(name: str | os.PathLike, image: object) -> None:
    """Warn of a photo of 16 bits that fills little of them, if it is the first one of 16 bits of its folder.

    Args:
        name: path of the photo.
        image: of Pillow, `is_deep`, decoded.
    """
    folder = os.path.dirname(os.fspath(name))
    with _LOOKING:
        if folder in _known or len(_known) >= MOST_FOLDERS:
            return
        largest = _largest(image)
        if not largest:
            return  # a black one tells nothing of the others
        _known.add(folder)
    if is_faint(largest):
        warnings.warn(f"{name}: the photo's 16 bits hold {seen_as(largest, is_negative(image))}: {REMEDY}. Others of "
                      "its folder are not told of; `data validate` counts them.", stacklevel=3)
