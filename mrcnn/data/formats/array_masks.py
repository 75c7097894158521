"""The masks in an array: which of them belong to which photo, and which of their pixels are inside."""

from collections.abc import Callable, Iterator

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.formats.array_files import Hdf5Array
from mrcnn.data.formats.array_photos import Photos
from mrcnn.errors import DataError

# How masks are laid out: of all photos in a row, of each photo in an array of its own, one map a photo whose values
# number its objects, one map a photo whose values are labels.
STACKED, EACH, NUMBERED, LABELS = "stacked", "each", "numbered", "labels"
LOOKED_AT = 32  # masks by which the range of values is told
BLOCK = 1 << 26  # bytes of masks that are read at once


class Masks:
    """Masks of one array, or of a list of arrays.

    Args:
        masks: [M, H, W] of all photos in a row; [N, K, H, W], [N, H, W, K] or a list of N arrays [K, H, W] or
            [H, W, K]; or [N, H, W] of maps.
        photos: `array_photos.Photos`.
        counts: int64 [N] of the objects of each photo, by labels, boxes or counts; None: not known.
        tell: function(what, how, first, count), as for `array_files.open_arrays`.

    Raises:
        DataError: they fit neither the photos nor the counts.
    """

    def __init__(self, masks: np.ndarray | Hdf5Array | list, photos: Photos, counts: np.ndarray | None,
                 tell: Callable[..., None]) -> None:
        self._masks, self._photos = masks, photos
        self._lists = isinstance(masks, (list, tuple))
        depths = {np.ndim(mask) for mask in masks} if self._lists else {len(masks.shape) - 1}
        depths -= {1} if self._lists else set()  # an empty list, of a photo without objects
        if not depths <= {2, 3} or len(depths) > 1:
            raise DataError("the masks are no arrays of [masks, height, width]: give these.")
        self.count = len(masks)
        if depths == {3}:
            self.kind = EACH
            if self.count != photos.count:
                raise DataError(f"there are masks for {self.count} photos, and {photos.count} photos: give masks "
                                "for each.")
        else:
            self.kind = self._flat_kind(counts, tell)
        self.starts = None
        if self.kind == STACKED:
            counts = np.ones(self.count, np.int64) if counts is None else counts
            self.starts = np.concatenate([[0], np.cumsum(counts)])
        self._first = self._masks_first() if self.kind == EACH else True
        self._level = self._told_level(tell) if self.kind in (STACKED, EACH) else None
        self._for_the_eye = self.kind in (NUMBERED, LABELS) and self._only_ends(tell)

    def _flat_kind(self, counts, tell):
        """The layout of [M, H, W]."""
        photos = self._photos.count
        if counts is None:
            if self.count != photos:
                raise DataError(f"there are {self.count} masks and {photos} photos, and nothing says which masks are "
                                "whose: give labels for each photo, or counts (counts=, --counts).")
            if self._sample().dtype.kind in "bf":
                tell("mask", "taken as the one object of its photo", "there is one a photo", self.count)
                return STACKED
            return LABELS
        if counts.sum() == self.count and (self.count != photos or not self._number(counts)):
            return STACKED
        if self.count == photos:
            how = "taken as a map of its photo, whose values 1, 2, ... number the objects"
            tell("mask", how, "there is one a photo", self.count)
            return NUMBERED
        raise DataError(f"labels, boxes or counts speak of {counts.sum()} objects, and there are {self.count} masks: "
                        "give those that belong together.")

    def _number(self, counts):
        """Whether the values of masks number the objects of their photos, rather than say what is inside."""
        several = False
        for place in self._places():
            plane = np.asarray(self._masks[place])
            if plane.dtype.kind not in "iu" or plane.max(initial=0) > counts[place] or plane.min(initial=0) < 0:
                return False
            several |= plane.max(initial=0) > 1
        return several

    def _masks_first(self):
        """Whether masks of a photo are [K, H, W], not [H, W, K]."""
        for index in range(self.count):
            shape = np.shape(self._masks[index]) if self._lists else tuple(self._masks.shape[1:])
            if len(shape) != 3 or not shape[0] * shape[1] * shape[2]:
                continue
            size = self._photos.size(index)
            if (shape[1:] == size) != (shape[:2] == size):
                return shape[1:] == size
            if shape[1:] != size:
                raise DataError(f"photo {index} has {size[0]}x{size[1]} pixels, its masks are an array of shape "
                                f"{list(shape)}: give [K, height, width].")
        return True

    # --- Reading -------------------------------------------------------------------------------------------------
    def shape(self, index: int) -> tuple[int, int] | None:
        """(H, W) of the masks of a photo; None if it has none."""
        if self.kind != EACH:
            place = index if self.starts is None else self.starts[index]
            if self.starts is not None and self.starts[index + 1] == place:
                return None
            return tuple(np.shape(self._masks[place]) if self._lists else self._masks.shape[1:])
        shape = np.shape(self._masks[index]) if self._lists else tuple(self._masks.shape[1:])
        if len(shape) != 3 or not all(shape):
            return None
        return shape[1:] if self._first else shape[:2]

    def depth(self) -> int | None:
        """Number of the masks that each photo has, where photos have arrays of their own, all of as many; else None."""
        if self.kind != EACH:
            return None
        shapes = [np.shape(mask) for mask in self._masks] if self._lists else [tuple(self._masks.shape[1:])]
        depths = {shape[0 if self._first else 2] if len(shape) == 3 else 0 for shape in shapes}
        return depths.pop() if len(depths) == 1 else None

    def planes(self, index: int) -> Iterator[np.ndarray]:
        """Yield bool [H, W] of each mask of a photo; those beyond its objects fill up an array of one shape."""
        for plane in self._raw(index):
            yield plane != 0 if self._level is None else plane >= self._level

    def map(self, index: int) -> np.ndarray:
        """[H, W] whole numbers from 0 on of a map.

        Raises:
            DataError: it holds other numbers.
        """
        values = np.asarray(self._masks[index])
        if values.dtype.kind == "b":
            return values.astype(np.uint8)
        if self._for_the_eye:
            return (values != 0).astype(np.uint8)
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all() or (values != np.floor(values)).any():
            raise DataError("its map holds other things than whole numbers")
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise DataError(f"its map holds {values.min()} to {values.max()}, needs numbers from 0 to 65535")
        return values.astype(np.uint16)

    def _raw(self, index):
        """Yield [H, W] of each mask of a photo, as it is stored."""
        if self.kind == STACKED:
            start, end = (int(place) for place in self.starts[index:index + 2])
            if self._lists:
                yield from (np.asarray(mask) for mask in self._masks[start:end])
                return
            height, width = self._masks.shape[1:]
            step = max(1, BLOCK // max(1, height * width * self._masks.dtype.itemsize))
            for begin in range(start, end, step):
                yield from np.asarray(self._masks[begin:min(begin + step, end)])
            return
        planes = np.asarray(self._masks[index])
        if planes.ndim != 3:
            return
        planes = planes if self._first else np.moveaxis(planes, -1, 0)
        yield from planes

    def _only_ends(self, tell):
        """Whether all maps hold 0 and 255 alone, as masks drawn for the eye do; 255 is then what is inside.

        Where one map holds a label, 255 means in all of them that a pixel is to be ignored.
        """
        inside = 0
        for index in range(self.count):
            values = np.asarray(self._masks[index])
            if values.dtype.kind == "b" or not ((values == 0) | (values == 255)).all():
                return False
            inside += bool(values.any())
        if inside:
            tell("mask", "with 0 and 255 alone, of which 255 is taken as inside", "as in all of them", inside)
        return inside > 0

    # --- What is inside ------------------------------------------------------------------------------------------
    def _places(self):
        """Indices of a few masks, from all over the array."""
        return np.unique(np.linspace(0, max(self.count - 1, 0), min(self.count, LOOKED_AT)).astype(int)).tolist()

    def _sample(self):
        """Values of a few masks, from all over the array, in a row; fewer of large ones."""
        planes, size = [], 0
        for place in self._places():
            plane = np.asarray(self._masks[place])
            if plane.size and (size < BLOCK or len(planes) < 2):
                planes.append(plane.ravel())
                size += plane.nbytes
        return np.concatenate(planes) if planes else np.zeros(0, bool)

    def _told_level(self, tell):
        """The least value that is inside; None: whatever is not 0."""
        values = self._sample()
        if values.dtype.kind not in "biuf":
            raise DataError(f"the masks hold {values.dtype} where numbers should be: give bool or uint8.")
        if values.dtype.kind == "b" or not values.size:
            return None
        low, high = float(values.min()), float(values.max())
        if not low >= 0 or not np.isfinite(high):
            raise DataError(f"the masks have values from {low:.6g} to {high:.6g}: give 0 outside, 1 or 255 inside.")
        seen = f"{low:.6g} to {high:.6g}"
        if 1 < high < 128:
            tell("mask", f"with values up to {high:.6g}: whatever is not 0 is inside", seen, self.count)
            return None
        level = 0.5 if high <= 1 else 128 if high <= 255 else 32768
        if ((values > 0) & (values < high)).any():
            tell("mask", f"soft, with values up to {high:.6g}: {level} and more are inside", seen, self.count)
        return level


# --- Boxes -----------------------------------------------------------------------------------------------------------


def fitting_boxes(rles: list[dict], boxes: np.ndarray | list) -> int:
    """How many boxes fit the masks that they are of, in the way of reading them that most do.

    Args:
        rles: of N masks.
        boxes: [N, 4] in the same order: corners or sizes, x or y first, pixels or shares of the photo.
    """
    own = run_lengths.boxes(rles).astype(float)
    sizes = np.array([rle["size"] for rle in rles], float)
    boxes = np.asarray(boxes, float)
    if np.abs(boxes).max(initial=0) <= 1.5:
        boxes = boxes * sizes[:, [1, 0, 1, 0]]
    ways = [boxes[:, [1, 0, 3, 2]], boxes]
    ways += [np.concatenate([way[:, :2], way[:, :2] + way[:, 2:]], axis=1) for way in ways]
    return max(int((_overlaps(own, way) > 0.5).sum()) for way in ways)


def _overlaps(a, b):
    """IoU of each box with the one in the same place. a, b: [N, (y1, x1, y2, x2)]"""
    sides = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None)
    shared = sides.prod(axis=1)
    areas = sum(np.clip(c[:, 2:] - c[:, :2], 0, None).prod(axis=1) for c in (a, b))
    return shared / np.maximum(areas - shared, 1e-9)
