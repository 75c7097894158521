"""The order of training photos: passes in which rare classes come more often and batches hold photos of like shape."""

import functools
from collections.abc import Sequence

import numpy as np

from mrcnn.config import Settings
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.photo_files import photo_size
from mrcnn.data.images import planned_window
from mrcnn.data.objects import named_errors
from mrcnn.data.walk import walk

ORDER = 0  # the stream of random numbers that decides the order of photos; samples have another


class Passes:
    """The endless row of passes over some photos, each pass a function of the seed and of its number alone.

    A pass shows every photo once, in random order. With `repeats` it shows a photo r times on average, which is r
    rounded up or down by chance; all passes have the length of the sum of r, rounded up, and the place that this
    rounding may leave free goes to any photo. With `shapes` the photos of a batch are of like shape wherever there are
    enough of them, and the batches come in random order.

    Args:
        count: number of photos.
        seed: of the order; None keeps the photos' own, once each.
        repeats: float [M], 1 or more, or None.
        shapes: int [M, 2] (height, width) of their canvases, or None.
        batch_size: of the batches that the row is read in.
        new_batch: whether a pass begins a new batch, the last one of a pass being smaller, or goes on with the batch
            that the pass before left unfinished.
    """

    def __init__(self, count: int, seed: int | None, repeats: np.ndarray | None = None,
                 shapes: np.ndarray | None = None, batch_size: int = 1, new_batch: bool = True):
        self.count, self.seed, self.repeats = count, seed, repeats
        self.batch_size, self.new_batch = batch_size, new_batch
        # Less a rounding error: numbers that make a whole one add up to no more than that.
        self.length = count if repeats is None else int(np.ceil(np.sum(repeats) - 1e-6))
        self._ranks = None if shapes is None else _shape_ranks(shapes)
        self._table = functools.lru_cache(maxsize=8)(self._table)  # batches are read by several threads

    def entries(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """[(pass, photo, repetition)] at positions of the row; repetition counts from 0 how often a pass showed it."""
        rows = []
        for position in range(start, end):
            number, index = divmod(position, self.length)
            photo, repetition = (index, 0) if self.seed is None else self._table(number)[index].tolist()
            rows.append((number, photo, repetition))
        return rows

    def _table(self, number):
        """int [length, 2]: photo and repetition at each index of a pass."""
        rng = np.random.default_rng([ORDER, self.seed, number])
        if self.repeats is None:
            photos = rng.permutation(self.count)
        else:
            photos = rng.permutation(np.repeat(np.arange(self.count), self._times(rng)))
        if self._ranks is not None:
            photos = photos[self._in_batches(photos, number, rng)]
        together = np.argsort(photos, kind="stable")
        repetitions = np.empty_like(photos)
        repetitions[together] = np.arange(self.length) - np.searchsorted(photos, photos[together], sorter=together)
        table = np.stack([photos, repetitions], axis=1)
        table.setflags(write=False)
        return table

    def _times(self, rng):
        """int [M]: how often a pass shows each photo.

        The fractions of r lie end to end in random order, and marks lie one apart from a random start on: a photo is
        shown once more if a mark falls into its fraction. So each has its chance, and the number of marks is known.
        """
        times = np.floor(self.repeats).astype(int)
        marks = self.length - times.sum()
        order = rng.permutation(self.count)
        ends = np.minimum(np.cumsum((self.repeats - times)[order]), marks)
        passed = np.ceil(np.append(ends, marks) - rng.random()).astype(int)  # the last stretch is what rounding left
        more = np.diff(passed, prepend=0)
        times[order] += more[:-1]
        times[rng.integers(self.count)] += more[-1]
        return times

    def _in_batches(self, photos, number, rng):
        """int [length]: the order of the photos of a pass that makes batches of like shape."""
        alike = np.argsort(self._ranks[photos], kind="stable")  # by chance among those of one shape
        first = 0 if self.new_batch else min(-number * self.length % self.batch_size, self.length)
        full, last = divmod(self.length - first, self.batch_size)
        sizes = np.array([first] + [self.batch_size] * full + [last])
        # Which batch gets which stretch of these is drawn, that of the incomplete ones as well.
        batches = rng.permutation(len(sizes))
        stretches = np.split(alike, np.cumsum(sizes[batches])[:-1])
        return np.concatenate([stretches[i] for i in np.argsort(batches)])


def _shape_ranks(shapes):
    """int [M]: rank of each (height, width), by half octaves of height / width, and among these by area."""
    height, width = np.asarray(shapes, int).T
    octaves = np.rint(2 * np.log2(height / width)).astype(int)
    keys = np.stack([octaves, height * width, height, width], axis=1)
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)


# --- What data sets say of their photos ------------------------------------------------------------------------------


def repeat_factors(counts: np.ndarray, threshold: float) -> np.ndarray:
    """How often a pass is to show each photo, so that rare classes are seen (Gupta 2019, LVIS, repeat factor sampling).

    The factor of a class is max(1, sqrt(threshold / share of the photos that show it)), that of a photo the largest of
    its classes', and 1 without any.

    Args:
        counts: [M, K] objects of each class in each photo.
        threshold: share of the photos below which a class is rare.

    Returns:
        float64 [M].
    """
    shown = np.asarray(counts) > 0
    share = np.maximum(shown.mean(axis=0), 1e-12)
    return np.max(np.where(shown, np.sqrt(threshold / share), 1.0), axis=1, initial=1.0)


def canvas_shapes(dataset: Dataset, image_ids: Sequence[int], config: Settings) -> np.ndarray | None:
    """int [M, 2]: (height, width) of the canvas that each photo will be placed on.

    Sizes of photos are `height` and `width` of image_info, else read from the headers of their files; photos that a
    load_image of the subclass makes are loaded once.

    Raises:
        DataError: naming a photo whose size cannot be read.
    """
    own = "load_image" in vars(dataset) or type(dataset).load_image is not Dataset.load_image

    def shape(image_id):
        info = dataset.image_info[image_id]
        if info.get("height") and info.get("width"):
            return int(info["height"]), int(info["width"])
        with named_errors(dataset, image_id):
            return np.shape(dataset.load_image(image_id))[:2] if own or not info["path"] else photo_size(info["path"])

    shapes = walk(shape, image_ids)
    return np.array([planned_window(shape, config).canvas_shape for shape in shapes], int).reshape(-1, 2)
