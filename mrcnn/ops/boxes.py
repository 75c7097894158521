"""Boxes: area, overlap, and the coding of one box relative to another.

Every function takes numpy arrays and gives numpy arrays, or takes tensors of the backend and gives tensors.
Boxes are (y1, x1, y2, x2) along the last axis, y2 and x2 exclusive, in any one unit.
"""

import math
from collections.abc import Sequence

import numpy as np

from mrcnn.ops import Tensor

# exp() of a larger log-size delta would make a 16-pixel anchor wider than 1000 pixels (Detectron).
MAX_LOG_SIZE = math.log(1000.0 / 16.0)


def namespace_of(array: Tensor) -> object:
    """numpy for numpy arrays; keras.ops, imported only then, for tensors."""
    if isinstance(array, (np.ndarray, np.generic)):
        return np
    from keras import ops

    return ops


def sides_of(boxes: Tensor) -> list[Tensor]:
    """Take boxes, or deltas, apart.

    Args:
        boxes: [..., 4].

    Returns:
        List of the four columns, [...] each. Those of tensors come by one operation: to index one takes an operation
        for each column, and three for the bounds.
    """
    xp = namespace_of(boxes)
    return [boxes[..., i] for i in range(4)] if xp is np else xp.unstack(boxes, 4, axis=-1)


def area(boxes: Tensor) -> Tensor:
    """Area of each box.

    Args:
        boxes: [..., 4].

    Returns:
        [...], zero where a side is negative.
    """
    xp, (y1, x1, y2, x2) = namespace_of(boxes), sides_of(boxes)
    return xp.maximum(y2 - y1, 0) * xp.maximum(x2 - x1, 0)


def intersection(a: Tensor, b: Tensor) -> Tensor:
    """Area that boxes share pair by pair.

    Args:
        a, b: [..., 4], broadcast against each other.

    Returns:
        [...].
    """
    xp, (a_y1, a_x1, a_y2, a_x2), (b_y1, b_x1, b_y2, b_x2) = namespace_of(a), sides_of(a), sides_of(b)
    height = xp.minimum(a_y2, b_y2) - xp.maximum(a_y1, b_y1)
    width = xp.minimum(a_x2, b_x2) - xp.maximum(a_x1, b_x1)
    return xp.maximum(height, 0) * xp.maximum(width, 0)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union pair by pair.

    Args:
        a, b: [..., 4], broadcast against each other.

    Returns:
        [...] in 0..1; two boxes of no area have IoU 0.
    """
    xp = namespace_of(a)
    shared = intersection(a, b)
    union = area(a) + area(b) - shared
    return shared / xp.maximum(union, 1e-9)


def iou_matrix(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of every box of a with every box of b.

    Args:
        a: [..., N, 4].
        b: [..., M, 4].

    Returns:
        [..., N, M].
    """
    return iou(a[..., :, None, :], b[..., None, :, :])


def encode(boxes: Tensor, targets: Tensor, std: Sequence[float]) -> Tensor:
    """Deltas that lead from boxes to targets (R-CNN appendix C, equations 6-9).

    Args:
        boxes, targets: [..., 4].
        std: 4 numbers the deltas are divided by.

    Returns:
        [..., (dy, dx, log dh, log dw)]. Sides under 1e-3 count as 1e-3, so that no delta is infinite.
    """
    xp = namespace_of(boxes)
    (y1, x1, y2, x2), (target_y1, target_x1, target_y2, target_x2) = sides_of(boxes), sides_of(targets)
    height = xp.maximum(y2 - y1, 1e-3)
    width = xp.maximum(x2 - x1, 1e-3)
    target_height = xp.maximum(target_y2 - target_y1, 1e-3)
    target_width = xp.maximum(target_x2 - target_x1, 1e-3)
    dy = (target_y1 + target_y2 - y1 - y2) / (2 * height)
    dx = (target_x1 + target_x2 - x1 - x2) / (2 * width)
    dh = xp.log(target_height / height)
    dw = xp.log(target_width / width)
    return xp.stack([dy / std[0], dx / std[1], dh / std[2], dw / std[3]], axis=-1)


def decode(deltas: Tensor, boxes: Tensor, std: Sequence[float], max_log_size: float = MAX_LOG_SIZE) -> Tensor:
    """Boxes that deltas lead to: undoes `encode`, with log sizes clamped to max_log_size.

    Args:
        deltas, boxes: [..., 4], broadcast against each other.
        std: 4 numbers, as for `encode`.
        max_log_size: greatest log size.

    Returns:
        [..., 4].
    """
    xp = namespace_of(deltas)
    (y1, x1, y2, x2), (dy, dx, dh, dw) = sides_of(boxes), sides_of(deltas)
    height = y2 - y1
    width = x2 - x1
    center_y = y1 + 0.5 * height + dy * std[0] * height
    center_x = x1 + 0.5 * width + dx * std[1] * width
    new_height = xp.exp(xp.minimum(dh * std[2], max_log_size)) * height
    new_width = xp.exp(xp.minimum(dw * std[3], max_log_size)) * width
    top = center_y - 0.5 * new_height
    left = center_x - 0.5 * new_width
    return xp.stack([top, left, top + new_height, left + new_width], axis=-1)


def clip(boxes: Tensor, window: Tensor) -> Tensor:
    """Boxes cut to a window.

    Args:
        boxes: [..., 4].
        window: [..., 4], broadcast against boxes.

    Returns:
        [..., 4].
    """
    xp = namespace_of(boxes)
    (y1, x1, y2, x2), (top, left, bottom, right) = sides_of(boxes), sides_of(window)
    cut = [xp.clip(y1, top, bottom), xp.clip(x1, left, right), xp.clip(y2, top, bottom), xp.clip(x2, left, right)]
    return xp.stack(cut, axis=-1)


def kept_boxes(boxes: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    """Greedy suppression in numpy, class by class, for the few boxes that are merged outside of a graph.

    Args:
        boxes: float [N, 4], best first
        classes: int [N]; a box suppresses those of its class alone
        iou_threshold: IoU that a kept box may have with a better one

    Returns:
        int [K], indices of the kept boxes, best first.
    """
    kept = np.zeros(len(boxes), bool)
    for class_id in np.unique(classes):
        own = np.flatnonzero(classes == class_id)
        rivals, count = np.empty((len(own), 4), boxes.dtype), 0
        for i, box in zip(own, boxes[own]):
            if not count or iou(rivals[:count], box).max() <= iou_threshold:
                rivals[count], kept[i], count = box, True, count + 1
    return np.flatnonzero(kept)
