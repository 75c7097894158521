"""Pictures that number or colour their objects, told from the mask of one object, soft edges and cut-outs."""

import numpy as np

from mrcnn.errors import DataError

# Above half of 8 and 16 bits values are shades as likely as numbers.
HALF, HALF_OF_WORDS = 127, 32767
# What JPEG makes of black and white stays outside of these shades.
DARK, BRIGHT = 32, 223
# A mask of no more colours than this is no cut-out, where it is too thin for a look at its inside.
MOST_COLOURS = 64


def refuse_numbered(image: object, pixels: np.ndarray, name: str) -> None:
    """Refuse a picture of several objects where the mask of one is due.

    Args:
        image: Pillow image.
        pixels: [H, W] or [H, W, channels] of it, as they are stored; without its alpha channel.
        name: of the file, for messages.

    Raises:
        DataError: its values or colours stand for objects of their own.
    """
    if image.mode == "P":
        palette = np.array(image.getpalette("RGB") or [0] * 3, np.uint8).reshape(-1, 3)
        number = _number_in_palette(pixels, palette)
    elif pixels.ndim == 3 and (pixels != pixels[..., :1]).any():
        # JPEG blurs colours; such a file is refused elsewhere.
        number = 0 if image.format == "JPEG" else coloured_objects(pixels)
    else:
        number = 0 if image.format == "JPEG" else numbered_objects(pixels if pixels.ndim == 2 else pixels[..., 0])
    if number:
        what = "colours" if image.mode == "P" or pixels.ndim == 3 else "values"
        raise DataError(f"{name}: has {number} {what} beside 0, as a picture of several objects has, and a mask is of "
                        "one: save a mask for each object (labels == 1, labels == 2, ...), or lay the pictures out as "
                        "PNGImages/NAME.png and PedMasks/NAME_mask.png, which number their objects; 0 and 255 alone if "
                        "it is one object.")


def numbered_objects(values: np.ndarray) -> int:
    """Count the numbers in a grey picture, if they stand for objects.

    Args:
        values: [H, W].

    Returns:
        Number of the values other than 0; 0 for a mask of two values, of soft edges or of shares.
    """
    if values.dtype == bool or values.dtype.kind not in "iuf" or not values.size:
        return 0
    high = values.max()
    if values.dtype == np.uint8:
        counts = np.bincount(values.ravel(), minlength=256)[1:]
        number = int(np.count_nonzero(counts))
        if number < 2 or (high > HALF and not _shades_fill_areas(values, counts)):
            return 0
        return number
    present = np.unique(values[values != 0])
    if len(present) < 2 or high > HALF_OF_WORDS or not (present == np.floor(present)).all():
        return 0
    return len(present)


def _shades_fill_areas(values, counts):
    """Whether what is neither dark nor bright lies in areas of one value, as objects do and edges do not.

    Args:
        values: uint8 [H, W].
        counts: [255] of the values from 1 on.
    """
    between = counts[DARK - 1:BRIGHT].sum()
    if 4 * between < counts.sum():
        return False
    inside, same = values[1:-1, 1:-1], _flat(values)
    return 2 * np.count_nonzero(same & (inside >= DARK) & (inside <= BRIGHT)) > between


def coloured_objects(colours: np.ndarray) -> int:
    """Count the colours of a picture, if they stand for objects.

    Args:
        colours: uint8 [H, W, 3]; black is outside.

    Returns:
        Number of the colours other than black; 0 for shades of one, and for a photo's cut-out.
    """
    packed = colours.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    present = np.unique(packed[packed != 0])
    if len(present) < 2:
        return 0
    listed = np.stack([present >> 16, present >> 8 & 255, present & 255], axis=1).astype(float)
    brightest = listed[listed.sum(axis=1).argmax()]
    shades = brightest * (listed.max(axis=1, keepdims=True) / brightest.max())
    if np.abs(listed - shades).max() <= 2:  # soft edges of one colour, rounded
        return 0
    there = packed != 0
    within, same = _whole(there), _flat(packed)
    flat = np.count_nonzero(same & within)
    drawn = 2 * flat > np.count_nonzero(within) if within.any() else len(present) <= MOST_COLOURS
    return len(present) if drawn else 0


def _number_in_palette(indices, palette):
    """As `numbered_objects`, of indices into a palette, uint8 [C, 3]. indices: uint8 [H, W]; 0 is outside."""
    present = np.flatnonzero(np.bincount(indices.ravel())[1:]) + 1
    if len(present) < 2:
        return 0
    shown = np.zeros((256, 3), np.uint8)
    shown[:len(palette)] = palette[:256]
    shown[0] = 0
    if len(np.unique(shown[present], axis=0)) < len(present):
        return numbered_objects(indices)  # its colours tell nothing
    grey = (shown == shown[:, :1]).all()
    return numbered_objects(shown[indices][..., 0]) if grey else coloured_objects(shown[indices])


def _flat(values):
    """bool [H - 2, W - 2]: whether the eight neighbours of a pixel have its value."""
    height, width = values.shape
    same = np.ones((max(height - 2, 0), max(width - 2, 0)), bool)
    for y in range(3):
        for x in range(3):
            same &= values[y:height - 2 + y, x:width - 2 + x] == values[1:-1, 1:-1]
    return same


def _whole(there):
    """bool [H - 2, W - 2]: whether a pixel and its eight neighbours are inside. there: bool [H, W]"""
    return _flat(there) & there[1:-1, 1:-1]
