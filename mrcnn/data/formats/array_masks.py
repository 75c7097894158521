"""The masks in an array: which of them belong to which photo, and which of their pixels are inside."""

import itertools
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
        self._lists = isinstance(masks, (list, tuple))
        depths = {np.ndim(mask) for mask in masks} if self._lists else {len(masks.shape) - 1}
        depths -= {1} if self._lists else set()  # an empty list, of a photo without objects
        if not depths <= {2, 3} or len(depths) > 1:
            raise DataError("the masks are no arrays of [masks, height, width]: give these.")
        self._masks, self._photos, self.count = masks, photos, len(masks)
        if depths == {3} and self.count == photos.count:
            depths = self._without_single(depths)
        if depths == {3} or (not depths and self.count == photos.count):  # or no photo has an object
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
        self._levels = self._told_levels(tell) if self.kind in (STACKED, EACH) else {}
        self._for_the_eye = self.kind in (NUMBERED, LABELS) and self._only_ends(tell)

    def _flat_kind(self, counts, tell):
        """The layout of [M, H, W]."""
        photos = self._photos.count
        if counts is None:
            if self.count != photos:
                raise DataError(f"there are {self.count} masks and {photos} photos, and nothing says which masks are "
                                "whose: give labels for each photo, or counts (counts=, --counts).")
            values = self._sample()
            if values.dtype.kind in "bf" and not _number_several(values):
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

    def _without_single(self, depths):
        """Takes maps [N, H, W, 1] or [N, 1, H, W] as [N, H, W], as which they mean the same; the dimensions of each."""
        shapes = [np.shape(mask) for mask in self._masks] if self._lists else [tuple(self._masks.shape[1:])]
        ways = [axis for axis in (-1, 0) if all(
            shape[axis] == 1 and (shape[:2] if axis else shape[1:]) == self._photos.size(index)
            for index, shape in enumerate(shapes))]
        if not ways or not _number_several(self._sample()):
            return depths
        self._masks = ([np.take(mask, 0, axis=ways[0]) for mask in self._masks] if self._lists
                       else Single(self._masks, ways[0]))
        return {2}

    def _number(self, counts):
        """Whether the values of masks number the objects of their photos, rather than say what is inside."""
        several = False
        for place in self._places():
            plane = np.asarray(self._masks[place])
            whole = plane.dtype.kind in "iu" or (plane.dtype.kind == "f" and (plane == np.floor(plane)).all())
            if not whole or plane.max(initial=0) > counts[place] or plane.min(initial=0) < 0:
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
            yield self._inside(plane)

    def _inside(self, plane):
        """bool [H, W] of a mask as it is stored."""
        level = self._levels.get(plane.dtype)
        if level is None:
            return plane != 0
        if level > 1 and plane.max(initial=0) == 1:  # 0 and 1, among masks of 0 to 255
            there = plane != 0
            return there if (plane[there] == 1).all() else plane >= level
        return plane >= level

    def present(self, index: int, count: int) -> np.ndarray:
        """Which of the first `count` objects of a photo have a pixel, bool [count]; of an unreadable map, all."""
        if self.kind == NUMBERED:
            try:
                return np.isin(np.arange(1, count + 1), self.map(index))
            except DataError:
                return np.ones(count, bool)
        found = np.zeros(count, bool)
        for number, plane in zip(range(count), self.planes(index)):
            found[number] = plane.any()
        return found

    def why_empty(self, index: int, number: int) -> str:
        """Why a mask has no pixel inside though it holds more than zeros, with the remedy; "" if it does not.

        Args:
            index: of the photo.
            number: of the mask among those of the photo.
        """
        plane = next(itertools.islice(self._raw(index), number, None), None)
        level = None if plane is None else self._levels.get(plane.dtype)
        high = 0 if level is None else float(plane.max(initial=0))
        if not 0 < high < level:
            return ""
        return (f"its mask has no pixel inside, for its values reach {high:.6g} and {level:g} and more are inside: "
                "give bool masks")

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
            if values.dtype.kind == "b":  # says itself what is inside
                continue
            if not ((values == 0) | (values == 255)).all():
                if inside:
                    tell("mask", "with 0 and 255 alone, of which 255 is to be ignored, for others hold labels: give 1 "
                         "where it is inside", f"photo {index} holds labels", inside)
                return False
            inside += bool(values.any())
        if inside:
            tell("mask", "with 0 and 255 alone, of which 255 is taken as inside", "as in all of them", inside)
        return inside > 0

    # --- What is inside ------------------------------------------------------------------------------------------
    def _places(self, among=None):
        """Indices of a few masks, from all over the array, or among some of them."""
        among = range(self.count) if among is None else among
        chosen = np.unique(np.linspace(0, max(len(among) - 1, 0), min(len(among), LOOKED_AT)).astype(int))
        return [among[place] for place in chosen.tolist()]

    def _sample(self, among=None):
        """Values of a few masks, from all over the array, in a row; fewer of large ones."""
        planes, size = [], 0
        for place in self._places(among):
            plane = np.asarray(self._masks[place])
            if plane.size and (size < BLOCK or len(planes) < 2):
                planes.append(plane.ravel())
                size += plane.nbytes
        return np.concatenate(planes) if planes else np.zeros(0, bool)

    def _told_levels(self, tell):
        """{dtype: least value that is inside, None for whatever is not 0}: each type is judged by masks of its own."""
        if not self._lists:
            return {np.dtype(self._masks.dtype): _told_level(self._sample(), self.count, tell)}
        kinds = {}
        for place, mask in enumerate(self._masks):
            mask = mask if hasattr(mask, "dtype") else np.asarray(mask)
            if 0 not in mask.shape:
                kinds.setdefault(mask.dtype, []).append(place)
        if len(kinds) > 1:
            first = "; ".join(f"array {places[0]} is {kind}" for kind, places in kinds.items())
            tell("mask", "in a list of several types, each of which is taken by its own range", first, self.count)
        return {kind: _told_level(self._sample(places), len(places), tell) for kind, places in kinds.items()}


def are_one_each(masks: np.ndarray | Hdf5Array | list, photos: Photos, width: int) -> bool:
    """Whether masks are of one object a photo: a plane for each, whose values do not number several objects.

    Args:
        masks: as for `Masks`.
        photos: `array_photos.Photos`.
        width: numbers in each row of the labels; values of maps that number objects go up to it.
    """
    if len(masks) != photos.count:
        return False
    lists = isinstance(masks, (list, tuple))
    shapes = [np.shape(mask) for mask in masks] if lists else [tuple(masks.shape[1:])]
    if not all(len(shape) == 2 or (len(shape) == 3 and 1 in (shape[0], shape[-1])) for shape in shapes):
        return False
    for place in np.linspace(0, len(masks) - 1, min(len(masks), LOOKED_AT)).astype(int).tolist():
        if 1 < np.asarray(masks[place]).max(initial=0) <= width:
            return False
    return True


class Single:
    """Maps [N, H, W] of an array that has one plane of each photo, read a part at a time.

    Args:
        array: [N, H, W, 1] or [N, 1, H, W].
        axis: -1 or 0, where the 1 lies in what is of a photo.
    """

    def __init__(self, array: np.ndarray | Hdf5Array, axis: int) -> None:
        self._array, self._axis, self.dtype = array, -1 if axis else -3, array.dtype
        self.shape = tuple(array.shape[:-1] if axis else array.shape[:1] + array.shape[2:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, place: int | slice) -> np.ndarray:
        return np.take(np.asarray(self._array[place]), 0, axis=self._axis)


def _number_several(values):
    """Whether numbers are whole and several beside 0 and 255, and small, as labels are and shades of grey are not."""
    if values.dtype.kind not in "iuf" or not values.size or not (values.min() >= 0 and 1 < values.max() <= 65535):
        return False
    if values.dtype.kind == "f" and (values != np.floor(values)).any():
        return False
    counts = np.zeros(65536, np.int64)
    for start in range(0, len(values), 1 << 22):  # bincount takes 8 bytes for each
        counts += np.bincount(values[start:start + (1 << 22)].astype(np.uint16), minlength=65536)
    labels = np.flatnonzero(counts)
    labels = labels[(labels != 0) & (labels != 255)]
    return len(labels) > 1 and labels[-1] < 128


def _told_level(values, count, tell):
    """The least value that is inside; None: whatever is not 0. values: of some of `count` masks of one type."""
    if values.dtype.kind not in "biuf":
        raise DataError(f"the masks hold {values.dtype} where numbers should be: give bool or uint8.")
    if values.dtype.kind == "b" or not values.size:
        return None
    low, high = float(values.min()), float(values.max())
    if not low >= 0 or not np.isfinite(high):
        raise DataError(f"the masks have values from {low:.6g} to {high:.6g}: give 0 outside, 1 or 255 inside.")
    seen = f"{low:.6g} to {high:.6g}"
    if 1 < high < 128:
        tell("mask", f"with values up to {high:.6g}: whatever is not 0 is inside", seen, count)
        return None
    level, soft = 0.5 if high <= 1 else 128 if high <= 255 else 32768, ((values > 0) & (values < high)).any()
    if soft and high < 0.5:
        raise DataError(f"the masks have values of many kinds up to {high:.6g}, and nothing is inside, which begins at "
                        f"0.5: give bool masks, such as masks > {high / 2:.3g}.")
    if 0 < high < level:
        level = high / 2
    if soft:
        tell("mask", f"soft, with values up to {high:.6g}: {level:g} and more are inside", seen, count)
    elif high not in (0, 1, 255):
        tell("mask", f"of 0 and {high:.6g} alone, of which {high:.6g} is inside", seen, count)
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
