"""Masks: their boxes, mini masks, and pasting them back into the photo.

Full masks are [H, W, N]. Run lengths decode into column-major memory; nothing here minds whether a mask lies in memory
by rows or by columns, so that they are not copied on the way.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.images import Window, scaled_size
from mrcnn.data.mask_values import bool_masks
from mrcnn.errors import DataError
from mrcnn.ops.bilinear import tent_weights

# --- Boxes -----------------------------------------------------------------------------------------------------------


def mask_boxes(masks: np.ndarray) -> np.ndarray:
    """Compute the smallest box around each mask.

    Args:
        masks: [H, W, N], bool, or numbers that `mrcnn.data.mask_values.cut_masks` takes.

    Returns:
        int32 [N, 4], (y1, x1, y2, x2), pixels; an empty mask has the box (0, 0, 0, 0).
    """
    import cv2

    boxes = np.zeros((masks.shape[-1], 4), np.int32)
    if masks.size:
        for box, plane in zip(boxes, _planes(masks)):
            if plane.strides[0] < plane.strides[1]:
                y, x, height, width = cv2.boundingRect(plane.T)
            else:
                x, y, width, height = cv2.boundingRect(plane)
            box[:] = y, x, y + height, x + width
    return boxes


def _planes(masks):
    """uint8 [N, H, W] of zeros and ones, each mask in a block of memory of its own, by rows or by columns."""
    masks = bool_masks(masks)
    planes = masks.transpose(2, 0, 1)
    if not (planes.flags.c_contiguous or masks.transpose(2, 1, 0).flags.c_contiguous):
        planes = np.ascontiguousarray(planes)
    return planes.view(np.uint8)


# --- Smaller masks ---------------------------------------------------------------------------------------------------


def shrink_masks(masks: np.ndarray, boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mini masks: how much of each cell of a grid over the box the mask covers, exact at sub-pixel boxes.

    Args:
        masks: [H, W, N], bool or numbers, as for `mask_boxes`.
        boxes: [N, 4] pixels of `masks`, may reach beyond them.
        shape: (h, w) cells; cell i of h spans y1 + i / h * (y2 - y1) to y1 + (i + 1) / h * (y2 - y1).

    Returns:
        uint8 [N, h, w], 255 where a cell is wholly covered.
    """
    shape = tuple(int(side) for side in shape)
    mini = np.zeros((masks.shape[-1],) + shape, np.uint8)
    if masks.size:
        for target, plane, box in zip(mini, _planes(masks), np.asarray(boxes, np.float64)):
            target[:] = _coverage(plane, box, shape)
    return mini


def _coverage(plane, box, shape):
    """uint8 [h, w] of one mask; see `shrink_masks`.

    The sum of a mask over any rectangle is four values of its integral image, and between pixels the integral image is
    bilinear: no loop over cells, and no matrix product that would wake up the threads of BLAS.
    """
    import cv2

    y1, x1, y2, x2 = box
    cell_area = (y2 - y1) / shape[0] * (x2 - x1) / shape[1]
    ys = np.clip(np.linspace(y1, y2, shape[0] + 1), 0, plane.shape[0])
    xs = np.clip(np.linspace(x1, x2, shape[1] + 1), 0, plane.shape[1])
    top, left = int(ys[0]), int(xs[0])
    part = plane[top : int(np.ceil(ys[-1])), left : int(np.ceil(xs[-1]))]
    if not part.size or cell_area <= 0:
        return np.zeros(shape, np.uint8)
    by_columns = part.strides[0] < part.strides[1]
    integral = cv2.integral(part.T).T if by_columns else cv2.integral(part)
    sums = np.diff(_interpolated(np.diff(_interpolated(integral, ys - top), axis=0).T, xs - left), axis=0).T
    return np.rint(np.minimum(sums * (255 / cell_area), 255)).astype(np.uint8)


def _interpolated(rows, positions):
    """float64 [P, ...]: `rows` at fractional positions of its first axis, linearly."""
    index = np.minimum(positions.astype(np.int64), len(rows) - 2)
    share = (positions - index)[:, None]
    return rows[index] * (1 - share) + rows[index + 1] * share


def place_masks(masks: np.ndarray, boxes: np.ndarray, window: Window) -> np.ndarray:
    """Masks on the canvas of their photo.

    Args:
        masks: [H, W, N] of the photo.
        boxes: [N, 4] round them, pixels of the photo.
        window: the photo's Window.

    Returns:
        uint8 [h, w, N]: 255 where a canvas pixel is wholly covered.
    """
    placed = np.zeros((masks.shape[-1],) + tuple(window.canvas_shape), np.uint8)
    if masks.size:
        planes = _planes(masks)
        for index, part, source, shape in canvas_parts(boxes, window):
            placed[index][part] = _coverage(planes[index], source, shape)
    return placed.transpose(1, 2, 0)


def canvas_parts(boxes: np.ndarray, window: Window) -> Iterator:
    """Where on the canvas the masks of some boxes lie.

    Args:
        boxes: [N, 4], pixels of the photo
        window: the photo's Window

    Yields:
        (index of a box that the canvas shows, slices of the canvas, float64 [4] what these show, pixels of the photo,
        (h, w) of the slices)
    """
    height, width = window.canvas_shape
    outer = window.to_canvas(boxes)
    outer = np.concatenate([np.floor(outer[:, :2]), np.ceil(outer[:, 2:])], axis=1)
    outer = np.clip(outer, 0, [height, width, height, width]).astype(int)
    sources = window.to_original(outer, clip=False).astype(np.float64)
    for index, ((y1, x1, y2, x2), source) in enumerate(zip(outer, sources)):
        if y2 > y1 and x2 > x1:
            yield index, (slice(y1, y2), slice(x1, x2)), source, (y2 - y1, x2 - x1)


# --- Pasting ---------------------------------------------------------------------------------------------------------


def paste_mask(mask: np.ndarray, box: np.ndarray, shape: tuple[int, int],
               threshold: float | None = 0.5) -> tuple[np.ndarray, tuple[int, int]]:
    """One mask of the network in the photo, as the rectangle of pixels whose centres lie in its box.

    The value at a pixel is the mask at its centre, interpolated between the centres of the mask's cells, and beyond the
    outermost centres the outermost value: a mask that fills its box is pasted as the whole box.

    Args:
        mask: [h, w] 0..1, stretched over the box.
        box: [4] pixels of the photo, sub-pixel.
        shape: (H, W) of the photo.
        threshold: inside at this value and above; None keeps the values.

    Returns:
        (bool or float32 [rows, columns]; (y, x) of its corner in the photo). There are no rows or no columns if no
        pixel's centre lies in both box and photo.
    """
    mask = np.asarray(mask, np.float32)
    (top, left), rows, columns = _sampling_weights(np.asarray(box, np.float64).tolist(), shape, mask.shape)
    values = (columns @ (mask.T @ rows.T)).T  # in memory by columns, as run lengths want it
    return (values if threshold is None else values >= threshold), (top, left)


def _sampling_weights(box, shape, cells):
    """The first pixel (y, x) whose centre lies in the box, and the share of each cell in each pixel from there on.

    box: four numbers; shape: (H, W) of the photo; cells: (h, w) of the mask

    Returns ((y, x), float32 [rows, h], float32 [columns, w]). Both sides are worked out together: for the small arrays
    that they are, the number of operations counts.
    """
    corner, positions = [], []
    for low, high, size, count in zip(box[:2], box[2:], shape, cells):
        first = min(max(math.ceil(low - 0.5), 0), size)
        last = min(max(math.ceil(high - 0.5), first), size)
        scale = count / max(high - low, 1e-9)
        corner.append(first)
        # In cells, from the centre of the first one: pixel p has its centre at p + 0.5.
        positions.append(np.arange(first, last) * scale + ((0.5 - low) * scale - 0.5))
    rows, limit = len(positions[0]), cells[0] - 1
    if cells[0] != cells[1]:
        limit = np.repeat(np.array(cells) - 1, [rows, len(positions[1])])
    positions = np.minimum(np.maximum(np.concatenate(positions), 0), limit).astype(np.float32)
    shares = tent_weights(positions, max(cells))
    return tuple(corner), shares[:rows, :cells[0]], shares[rows:, :cells[1]]


def paste_masks(masks: np.ndarray, boxes: np.ndarray, shape: tuple[int, int],
                threshold: float | None = 0.5) -> np.ndarray:
    """Masks of the network in the photo; see `paste_mask`.

    Args:
        masks: [N, h, w] 0..1.
        boxes: [N, 4] pixels of the photo, sub-pixel.
        shape: (H, W) of the photo.
        threshold: as for `paste_mask`.

    Returns:
        bool [H, W, N], or float32 if threshold is None.
    """
    height, width = (int(side) for side in shape[:2])
    # Each mask lies in memory by columns, as run-length encoding wants it.
    full = np.zeros((len(masks), width, height), np.float32 if threshold is None else bool)
    for target, mask, box in zip(full, masks, boxes):
        part, (y, x) = paste_mask(mask, box, (height, width), threshold)
        target[x : x + part.shape[1], y : y + part.shape[0]] = part.T
    return full.transpose(2, 1, 0)


def paste_rle(mask: np.ndarray, box: np.ndarray, shape: tuple[int, int], threshold: float = 0.5) -> dict:
    """Run lengths of one mask of the network in the photo: those of `paste_masks`, but no more than the box is touched.

    Args:
        mask, box, shape, threshold: as for `paste_mask`.

    Returns:
        COCO's compressed run lengths {"size": [H, W], "counts": str}.
    """
    height, width = (int(side) for side in shape[:2])
    part, (y, x) = paste_mask(mask, box, (height, width), threshold)
    rows, columns = part.shape
    # One pixel outside before the first column and after each, where the runs that reach so far end.
    inside = np.zeros(columns * (rows + 1) + 1, bool)
    inside[1:].reshape(columns, rows + 1)[:, :rows] = part.T
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    edges += edges // (rows + 1) * (height - rows - 1) + (x * height + y)  # from the part to the photo
    if rows == height:  # a run to the foot of a column goes on at the head of the next: no edge there
        joined = np.flatnonzero(edges[1:] == edges[:-1])
        edges = np.delete(edges, np.concatenate([joined, joined + 1]))
    if not len(edges) or edges[-1] < height * width:
        edges = np.append(edges, height * width)
    return run_lengths.from_runs(np.diff(edges, prepend=0), (height, width))


# --- Matterport's names ----------------------------------------------------------------------------------------------


def minimize_mask(bbox: np.ndarray, mask: np.ndarray, mini_shape: tuple[int, int]) -> np.ndarray:
    """Masks inside their boxes at `mini_shape`, halved at 0.5.

    Args:
        bbox: [N, 4] pixels.
        mask: [H, W, N].
        mini_shape: (h, w).

    Returns:
        bool [h, w, N].

    Raises:
        DataError: for a box of no area.
    """
    bbox = np.asarray(bbox)
    if ((bbox[:, 2:4] - bbox[:, :2]) <= 0).any():
        raise DataError("A box has no area: drop the object, or take its box from mask_boxes.")
    return shrink_masks(mask, bbox[:, :4], mini_shape[:2]).transpose(1, 2, 0) >= 128


def expand_mask(bbox: np.ndarray, mini_mask: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """What `minimize_mask` made, at full size again.

    Args:
        bbox: [N, 4] pixels.
        mini_mask: [h, w, N].
        image_shape: (H, W) of the photo.

    Returns:
        bool [H, W, N].
    """
    return paste_masks(np.asarray(mini_mask, np.float32).transpose(2, 0, 1), bbox, image_shape)


def unmold_mask(mask: np.ndarray, bbox: Sequence[int], image_shape: Sequence[int]) -> np.ndarray:
    """One mask of the network in the photo.

    Args:
        mask: [h, w] 0..1.
        bbox: [4] pixels.
        image_shape: (H, W) of the photo.

    Returns:
        bool [H, W].
    """
    return paste_masks(np.asarray(mask)[None], np.asarray(bbox)[None], image_shape)[..., 0]


def resize_mask(mask: np.ndarray, scale: float, padding: Sequence[tuple[int, int]],
                crop: tuple[int, ...] | None = None) -> np.ndarray:
    """Masks resized, padded and cropped as `resize_image` did with their photo.

    Args:
        mask: [H, W, N].
        scale, padding, crop: what resize_image returned.

    Returns:
        bool [h, w, N], aligned with the photo: a pixel is inside if at least half of it is.
    """
    height, width, count = mask.shape
    shape = scaled_size((height, width), scale)
    whole = np.tile([0, 0, height, width], (count, 1))
    resized = shrink_masks(mask, whole, shape).transpose(1, 2, 0) >= 128
    if crop is not None:
        y, x, crop_height, crop_width = crop
        return resized[y : y + crop_height, x : x + crop_width]
    return np.pad(resized, padding)
