"""Boxes, mini masks and masks on the canvas straight from run lengths, without a full mask in memory.

A photo of 10717 x 7000 pixels with 74 objects would need 5 GB of full masks. What is computed here takes time and
memory by the number of runs and of cells asked for, and gives the values of `mrcnn.data.masks`.
"""

from collections.abc import Sequence

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.images import Window
from mrcnn.data.masks import canvas_parts


class RunLengthMasks:
    """The objects of one photo as vertical strips: the stretch of one mask in one column of pixels.

    Args:
        rles: COCO run lengths, compressed or not.
        shape: (H, W) of the photo.

    Raises:
        DataError: with the reason if one is no RLE, has another size, or does not cover it exactly.
    """

    def __init__(self, rles: Sequence[dict], shape: tuple[int, int]):
        self.shape = tuple(int(side) for side in shape)
        self._strips = [column_strips(run_lengths.check(rle, self.shape), self.shape[0]) for rle in rles]

    def __len__(self) -> int:
        return len(self._strips)

    def chosen(self, indices: np.ndarray) -> "RunLengthMasks":
        """The RunLengthMasks of some of the objects."""
        some = RunLengthMasks([], self.shape)
        some._strips = [self._strips[i] for i in indices]
        return some

    def boxes(self, part: np.ndarray | None = None) -> np.ndarray:
        """The smallest box round each mask; see `mrcnn.data.masks.mask_boxes`.

        Args:
            part: (y1, x1, y2, x2) whole pixels; only what lies in it counts.

        Returns:
            int32 [N, 4].
        """
        boxes = np.zeros((len(self), 4), np.int32)
        for box, (columns, tops, bottoms) in zip(boxes, self._strips):
            if part is not None:
                tops, bottoms = np.maximum(tops, part[0]), np.minimum(bottoms, part[2])
                seen = (tops < bottoms) & (columns >= part[1]) & (columns < part[3])
                columns, tops, bottoms = columns[seen], tops[seen], bottoms[seen]
            if len(columns):
                box[:] = tops.min(), columns[0], bottoms.max(), columns[-1] + 1
        return boxes

    def shrink(self, boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Mini masks: uint8 [N, h, w]; see `mrcnn.data.masks.shrink_masks`.

        Args:
            boxes: [N, 4].
            shape: (h, w).
        """
        shape = tuple(int(side) for side in shape)
        mini = np.zeros((len(self),) + shape, np.uint8)
        for target, strips, box in zip(mini, self._strips, np.asarray(boxes, np.float64)):
            target[:] = _coverage(strips, box, shape)
        return mini

    def place(self, boxes: np.ndarray, window: Window) -> np.ndarray:
        """Masks on the canvas: uint8 [h, w, N]; see `mrcnn.data.masks.place_masks`.

        Args:
            boxes: [N, 4].
            window: Window.
        """
        placed = np.zeros((len(self),) + tuple(window.canvas_shape), np.uint8)
        for index, part, source, shape in canvas_parts(boxes, window):
            placed[index][part] = _coverage(self._strips[index], source, shape)
        return placed.transpose(1, 2, 0)


def mask_part(rle: dict) -> tuple[int, int, np.ndarray] | None:
    """(top, left, bool [h, w]): a mask cut to what is set, from COCO run lengths; None if it is empty."""
    shape = tuple(int(side) for side in rle["size"])
    columns, tops, bottoms = column_strips(run_lengths.check(rle, shape), shape[0])
    if not len(columns):
        return None
    top, left = int(tops.min()), int(columns[0])
    steps = np.zeros((columns[-1] + 1 - left, bottoms.max() + 1 - top), np.int8)
    steps[columns - left, tops - top] += 1
    steps[columns - left, bottoms - top] -= 1
    return top, left, steps.cumsum(axis=1, dtype=np.int8)[:, :-1].T.astype(bool)


def area_within(rle: dict, box: Sequence[int]) -> int:
    """How many pixels of an RLE lie in a box.

    Args:
        rle: RLE, compressed or not
        box: (y1, x1, y2, x2), whole pixels

    Returns:
        int, pixels.
    """
    columns, tops, bottoms = column_strips(run_lengths.check(rle, rle["size"]), int(rle["size"][0]))
    inside = (columns >= box[1]) & (columns < box[3])
    return int(np.maximum(np.minimum(bottoms, box[2]) - np.maximum(tops, box[0]), 0)[inside].sum())


def column_strips(runs: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run lengths cut where they go on from one column of pixels to the next.

    Args:
        runs: int [R], outside first, down the columns.
        height: pixels of a column.

    Returns:
        int64 arrays [S] (column, first row, row after the last), by column.
    """
    ends = np.cumsum(runs)
    first, last = ends[:-1:2], ends[1::2]
    filled = last > first
    first, last = first[filled], last[filled]
    left = first // height
    width = (last - 1) // height - left + 1
    run = np.repeat(np.arange(len(first)), width)
    columns = left[run] + np.arange(len(run)) - np.repeat(np.cumsum(width) - width, width)
    origin = columns * height
    return columns, np.maximum(first[run] - origin, 0), np.minimum(last[run] - origin, height)


def _coverage(strips, box, shape):
    """uint8 [h, w]: how much of each cell of a grid over the box strips cover, 255 for all of it.

    In units of cells, a strip is the rectangle v1..v2 x u1..u2. What it covers of cell i downwards is the difference
    over the cell of max(t - v1, 0) - max(t - v2, 0), piecewise linear in t: that of a ramp from v1 is 1 - f in cell
    floor(v1), f being the fraction of v1, and 1 in every later one. Ramps are added up as the steps between cells,
    1 - f and f, and summed in the end; and likewise across.
    """
    y1, x1, y2, x2 = (float(value) for value in box)
    height, width = shape
    if not (y2 > y1 and x2 > x1):
        return np.zeros(shape, np.uint8)
    columns, tops, bottoms = strips
    near = slice(*np.searchsorted(columns, [np.floor(x1), np.ceil(x2)]))
    columns, tops, bottoms = columns[near], tops[near], bottoms[near]
    rows, row_steps = _ramps(tops, bottoms, y1, (y2 - y1) / height, height)
    cells, cell_steps = _ramps(columns, columns + 1, x1, (x2 - x1) / width, width)
    places = rows[:, None] * (width + 2) + cells[None]
    steps = row_steps[:, None] * cell_steps[None]
    grid = np.bincount(places.ravel(), steps.ravel(), (height + 2) * (width + 2)).reshape(height + 2, width + 2)
    covered = grid.cumsum(axis=0).cumsum(axis=1)[:height, :width]
    return np.rint(np.clip(covered * 255, 0, 255)).astype(np.uint8)


def _ramps(low, high, start, size, count):
    """The steps of the ramps up at `low` and down at `high`, of a row of `count` cells of some size from `start` on.

    Returns (int64 [4, S] cells, float64 [4, S] steps); cells `count` and `count` + 1 lie beyond the row.
    """
    up = np.clip((low - start) / size, 0, count)
    down = np.clip((high - start) / size, 0, count)
    up_cell, down_cell = up.astype(np.int64), down.astype(np.int64)
    up_share, down_share = up - up_cell, down - down_cell
    return (
        np.stack([up_cell, up_cell + 1, down_cell, down_cell + 1]),
        np.stack([1 - up_share, up_share, down_share - 1, -down_share]),
    )
