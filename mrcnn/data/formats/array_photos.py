"""The photos in an array: where the colours lie, and what range their values have."""

from collections.abc import Callable

import numpy as np

from mrcnn.data.bit_depth import REMEDY, is_faint, seen_as
from mrcnn.data.formats.array_files import Hdf5Array
from mrcnn.data.images import SHARES_END, are_shares, to_rgb
from mrcnn.errors import DataError

COLOURS = (1, 3, 4)  # grey, RGB, RGB with transparency
LOOKED_AT = 8  # photos of a type by which the range of its values is told
UNIT, BYTES, WORDS = "unit", "bytes", "words"  # ranges: 0..1, 0..255, 0..65535
ROUNDED = 1.001  # how far above its range a value may lie, of which nobody is told
LAYOUTS = {"first": "[N, colours, height, width]", "last": "[N, height, width, colours]"}


class Photos:
    """Photos of one array, or of a list of arrays.

    Args:
        images: [N, 3, H, W], [N, H, W, 3] or [N, H, W], or a list of N arrays without the N; of 1, 3 or 4 colours.
        size: (H, W) of the masks, if they have one size and lie in one array; None: not known.
        channels: "first" or "last", where the colours lie; None: where only one of the two fits.
        tell: function(what, how, first), as for `array_files.open_arrays`.

    Raises:
        DataError: it is no array of photos, or where the colours lie cannot be told.
    """

    def __init__(self, images: np.ndarray | Hdf5Array | list, size: tuple[int, int] | None, channels: str | None,
                 tell: Callable[..., None]) -> None:
        if channels not in (None, *LAYOUTS):
            raise DataError(f'channels={channels!r} is neither "first" nor "last".')
        self._images = images
        _check_several(images, tell)
        shapes = self._shapes()
        self.count = len(shapes)
        if not self.count:
            raise DataError("the array of photos is empty.")
        self._first = _colours_lie_first(dict.fromkeys(shapes), size, channels)
        self._sizes = shapes if len(set(shapes)) > 1 else shapes[:1]
        self._over = set()  # types of floats of 0..1 of which some lie above 1, which was told
        self._ranges = self._told_ranges(tell)

    def _shapes(self):
        """Shape of each photo in the array."""
        if isinstance(self._images, (list, tuple)):
            shapes = [np.shape(image) for image in self._images]
        else:
            shapes = [tuple(self._images.shape[1:])] * (self._images.shape[0] if self._images.shape else 0)
        for number, shape in enumerate(shapes):
            if len(shape) not in (2, 3) or 0 in shape:
                raise DataError(f"photo {number} is an array of shape {list(shape)}: give images of "
                                f"{' or '.join(LAYOUTS.values())}, or [N, height, width].")
        return shapes

    def size(self, index: int) -> tuple[int, int]:
        """(H, W) of a photo, pixels."""
        shape = self._sizes[index if len(self._sizes) > 1 else 0]
        return shape[-2:] if len(shape) == 2 or self._first else shape[:2]

    def load(self, index: int, matte: tuple[int, int, int]) -> np.ndarray:
        """A photo.

        Args:
            index: of the photo in the array.
            matte: RGB under what is transparent.

        Returns:
            uint8 [H, W, 3], which shares no memory with the array.

        Raises:
            DataError: its values lie outside the range that the others have.
        """
        from PIL import Image

        pixels = self._pixels(index)
        if pixels.ndim == 2:
            return np.repeat(pixels[..., None], 3, axis=2)
        if pixels.shape[2] == 4:
            return to_rgb(Image.fromarray(pixels, "RGBA"), f"photo {index}", matte)
        if pixels.shape[2] == 1:
            return np.repeat(pixels, 3, axis=2)
        return np.array(pixels, order="C")  # a copy: whoever draws on it leaves alone what was given

    def _pixels(self, index):
        """uint8 [H, W] or [H, W, colours] of a photo, which may be a view of what was given."""
        values = np.asarray(self._images[index])
        if values.ndim == 3 and self._first:
            values = values.transpose(1, 2, 0)
        kind = _kind(values.dtype)
        if kind == BYTES:
            return values
        chosen = self._ranges[kind]
        low, high = float(values.min()), float(values.max())
        top = {UNIT: 1, BYTES: 255, WORDS: 65535}[chosen]
        fits = high < SHARES_END if kind in self._over else high <= ROUNDED * top
        dark = chosen == BYTES and kind == "f" and are_shares(high) and (values != np.floor(values)).any()
        if dark or not (low >= (1 - ROUNDED) * top and fits):  # NaN is neither
            raise DataError(f"photo {index} has values from {low:.9g} to {high:.9g}, the first ones of its type lie "
                            f"from 0 to {top}: bring all photos to one range, best uint8.")
        if chosen == WORDS:
            return (values.astype(np.int64) >> 8).astype(np.uint8)
        return np.clip(np.rint(values * (255.0 / top)), 0, 255).astype(np.uint8)

    # --- What range values have ----------------------------------------------------------------------------------
    def _told_ranges(self, tell):
        """{kind of a type: UNIT, BYTES or WORDS}: each type that a list has is judged by photos of its own."""
        if not isinstance(self._images, (list, tuple)):
            kinds = {_kind(self._images.dtype): list(range(self.count))}
        else:
            kinds = {}
            for place, image in enumerate(self._images):
                kinds.setdefault(_kind(getattr(image, "dtype", None) or np.asarray(image).dtype), []).append(place)
        if len(kinds) > 1:
            first = "; ".join(f"photo {places[0]} is {_type_of(self._images[places[0]])}" for places in kinds.values())
            tell("photo", "in a list of several types, each of which is taken by its own range", first, self.count)
        return {kind: self._told_range(kind, places, tell) for kind, places in kinds.items()}

    def _told_range(self, kind, places, tell):
        """UNIT, BYTES or WORDS, by the values of a few of the photos of a type."""
        if kind == BYTES:
            return BYTES
        chosen = sorted(set(np.linspace(0, len(places) - 1, min(len(places), LOOKED_AT)).astype(int).tolist()))
        samples = [np.asarray(self._images[places[number]]) for number in chosen]
        if kind not in "uif":
            raise DataError(f"the photos have values of type {samples[0].dtype}: give uint8, or numbers.")
        low = min(float(sample.min()) for sample in samples)
        high = max(float(sample.max()) for sample in samples)
        if not low >= 0 or not np.isfinite(high) or high > (255 if kind == "f" else 65535):
            raise DataError(f"the photos have values from {low:.9g} to {high:.9g}, as normalised ones have: give them "
                            "as they were before, 0 to 255 or 0 to 1.")
        seen = f"{low:.9g} to {high:.9g}"
        if kind == "f":
            return self._range_of_floats(high, seen, len(places), tell)
        if high > 255:
            how = "of 16 bits, of which the high byte is taken"
            how += f", though those looked at hold {seen_as(int(high))}: {REMEDY}" if is_faint(int(high)) else ""
            tell("photo", how, seen, len(places))
            return WORDS
        return BYTES

    def _range_of_floats(self, high, seen, count, tell):
        """UNIT or BYTES. high: largest value seen; seen: range in words; count: number of photos."""
        if high >= SHARES_END:
            tell("photo", "of floats, taken to lie within 0 to 255, for those looked at do", seen, count)
            return BYTES
        if high > ROUNDED:
            self._over.add("f")
            tell("photo", "of floats, taken to lie within 0 to 1, for of 0 to 255 they would be black: what lies above "
                 "1 is cut off; divide by the largest value to keep it", seen, count)
        else:
            tell("photo", "of floats, taken to lie within 0 to 1, for those looked at do", seen, count)
        return UNIT


def _check_several(images, tell):
    """Refuse one photo that was given for several; tell of what may be one."""
    shape = () if isinstance(images, (list, tuple)) else tuple(images.shape)
    if len(shape) == 3 and shape[2] in COLOURS:
        raise DataError(f"images is one photo of shape {list(shape)}, where several are asked for: give lists of one, "
                        "[images], [masks] and [labels]; save images[None].")
    if len(shape) == 3 and shape[0] in COLOURS[1:]:
        tell("photo", "grey, for images is [N, height, width]; one photo of that shape is given as [images]",
             list(shape), shape[0])


def _kind(dtype):
    """BYTES for uint8, else "f" or "i" for floats or other whole numbers, or the kind of what is no number."""
    return BYTES if dtype == np.uint8 else "i" if dtype.kind in "iu" else dtype.kind


def _type_of(image):
    return np.asarray(image).dtype


def _colours_lie_first(shapes, size, channels):
    """Whether photos of some shapes are [colours, height, width]; none of them without colours."""
    shapes = [shape for shape in shapes if len(shape) == 3]
    if not shapes:
        return False
    ways = {"first": all(shape[0] in COLOURS for shape in shapes), "last": all(shape[2] in COLOURS for shape in shapes)}
    if size is not None and all(ways.values()):  # the masks tell
        ways = {"first": all(shape[1:] == size for shape in shapes), "last": all(shape[:2] == size for shape in shapes)}
        if not any(ways.values()):
            raise DataError(f"photos of {'x'.join(map(str, shapes[0]))}, and masks of {size[0]}x{size[1]} pixels: give "
                            "those that belong together.")
    possible = [way for way, fits in ways.items() if fits]
    shown = "x".join(map(str, shapes[0]))
    if channels is not None:
        if shapes[0][0 if channels == "first" else 2] not in COLOURS:
            raise DataError(f"photos of {shown} are not {LAYOUTS[channels]}: leave channels out (--channels).")
        return channels == "first"
    if not possible:
        raise DataError(f"photos of {shown} are neither {' nor '.join(LAYOUTS.values())}, with 1, 3 or 4 colours.")
    if len(possible) > 1:
        raise DataError(f"photos of {shown} may be {' or '.join(LAYOUTS.values())}: say which "
                        '(channels="first" or "last", --channels).')
    return possible == ["first"]
