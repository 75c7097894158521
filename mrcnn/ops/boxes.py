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


def area(boxes: Tensor) -> Tensor:
    """Area of each box.

    Args:
        boxes: [..., 4].

    Returns:
        [...], zero where a side is negative.
    """
    xp = namespace_of(boxes)
    return xp.maximum(boxes[..., 2] - boxes[..., 0], 0) * xp.maximum(boxes[..., 3] - boxes[..., 1], 0)


def intersection(a: Tensor, b: Tensor) -> Tensor:
    """Area that boxes share pair by pair.

    Args:
        a, b: [..., 4], broadcast against each other.

    Returns:
        [...].
    """
    xp = namespace_of(a)
    height = xp.minimum(a[..., 2], b[..., 2]) - xp.maximum(a[..., 0], b[..., 0])
    width = xp.minimum(a[..., 3], b[..., 3]) - xp.maximum(a[..., 1], b[..., 1])
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
    height = xp.maximum(boxes[..., 2] - boxes[..., 0], 1e-3)
    width = xp.maximum(boxes[..., 3] - boxes[..., 1], 1e-3)
    target_height = xp.maximum(targets[..., 2] - targets[..., 0], 1e-3)
    target_width = xp.maximum(targets[..., 3] - targets[..., 1], 1e-3)
    dy = (targets[..., 0] + targets[..., 2] - boxes[..., 0] - boxes[..., 2]) / (2 * height)
    dx = (targets[..., 1] + targets[..., 3] - boxes[..., 1] - boxes[..., 3]) / (2 * width)
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
    height = boxes[..., 2] - boxes[..., 0]
    width = boxes[..., 3] - boxes[..., 1]
    center_y = boxes[..., 0] + 0.5 * height + deltas[..., 0] * std[0] * height
    center_x = boxes[..., 1] + 0.5 * width + deltas[..., 1] * std[1] * width
    new_height = xp.exp(xp.minimum(deltas[..., 2] * std[2], max_log_size)) * height
    new_width = xp.exp(xp.minimum(deltas[..., 3] * std[3], max_log_size)) * width
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
    y1 = xp.clip(boxes[..., 0], window[..., 0], window[..., 2])
    x1 = xp.clip(boxes[..., 1], window[..., 1], window[..., 3])
    y2 = xp.clip(boxes[..., 2], window[..., 0], window[..., 2])
    x2 = xp.clip(boxes[..., 3], window[..., 1], window[..., 3])
    return xp.stack([y1, x1, y2, x2], axis=-1)


def kept_boxes(boxes: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    """Greedy suppression in numpy, class by class, for the few boxes that are merged outside of a graph.

    Args:
        boxes: float [N, 4], best first
        classes: int [N]; a box suppresses those of its class alone
        iou_threshold: IoU that a kept box may have with a better one

    Returns:
        int [K], indices of the kept boxes, best first.
    """
    kept = []
    for i in range(len(boxes)):
        rivals = [j for j in kept if classes[j] == classes[i]]
        if not rivals or iou(boxes[rivals], boxes[i]).max() <= iou_threshold:
            kept.append(i)
    return np.array(kept, int)
