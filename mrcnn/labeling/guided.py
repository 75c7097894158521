"""Guided filtering (He, Sun and Tang, ECCV 2010): probabilities that change where the photo does.

Within each window the result is a linear function of the photo's colours, the one that comes nearest to what is
filtered (equations 14 to 16). Coarse masks put up to the photo's size so take over its edges.
"""

import numpy as np

from mrcnn.data.images import colours_of
from mrcnn.data.masks import paste_mask


def guided_filter(image: np.ndarray, planes: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Planes filtered with a colour photo as their guide.

    Args:
        image: uint8 [H, W, C]; see `mrcnn.data.images.colours_of`.
        planes: float32 [H, W, C].
        radius: half side of the window, pixels.
        epsilon: variance of colours of 0..1 below which a window is taken for flat and merely averaged.

    Returns:
        float32 [H, W, C].
    """
    guide = np.asarray(colours_of(image), np.float32) / 255
    mean = _box(guide, radius)
    inverse = _inverse_covariance(guide, mean, radius, epsilon)
    result = np.empty(planes.shape, np.float32)
    for c in range(planes.shape[2]):
        plane = np.ascontiguousarray(planes[..., c], np.float32)
        plane_mean = _box(plane, radius)
        covariance = _box(guide * plane[..., None], radius) - mean * plane_mean[..., None]
        slope = np.einsum("hwij,hwj->hwi", inverse, covariance)
        offset = plane_mean - np.einsum("hwi,hwi->hw", slope, mean)
        result[..., c] = np.einsum("hwi,hwi->hw", _box(slope, radius), guide) + _box(offset, radius)
    return result


def _box(values, radius):
    """Mean over the window round each pixel, as much of it as lies in the photo. values: float32 [H, W, ...]."""
    import cv2

    # Reflection is as good as leaving out what lies beyond the rim, and leaves weights equal.
    return cv2.blur(values, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)


def _inverse_covariance(guide, mean, radius, epsilon):
    """float32 [H, W, 3, 3]: inverse of the covariance of the guide's colours in each window, plus epsilon."""
    matrix = np.empty(guide.shape + (3,), np.float32)
    for i in range(3):
        for j in range(i, 3):
            matrix[..., i, j] = matrix[..., j, i] = (
                _box(guide[..., i] * guide[..., j], radius) - mean[..., i] * mean[..., j] + (epsilon if i == j else 0)
            )
    return np.linalg.inv(matrix)


def guided(image: np.ndarray, probabilities: np.ndarray, radius: float = 0.02, epsilon: float = 1e-4) -> np.ndarray:
    """A step of refinement: all probabilities filtered with the photo as guide.

    Args:
        image: uint8 [H, W, C]; see `mrcnn.data.images.colours_of`.
        probabilities: float32 [H, W, C].
        radius: half side of the window, as a share of the photo's diagonal.
        epsilon: as for `guided_filter`.

    Returns:
        float32 [H, W, C], sum 1 at each pixel.
    """
    height, width, classes = probabilities.shape
    present = np.flatnonzero(probabilities.reshape(-1, classes).max(axis=0))
    radius = max(1, round(radius * float(np.hypot(height, width))))
    planes = np.clip(guided_filter(image, probabilities[..., present], radius, epsilon), 0, 1)
    result = np.zeros(probabilities.shape, np.float32)
    result[..., present] = planes / np.maximum(planes.sum(axis=2, keepdims=True), 1e-6)
    return result


def guided_mask(image: np.ndarray, box: np.ndarray, probabilities: np.ndarray, radius: float = 1.0,
                epsilon: float = 1e-3, threshold: float | None = 0.5) -> tuple[np.ndarray, tuple[int, int]]:
    """One mask of the network in the photo as `paste_mask` gives it, but following the photo's edges.

    The filter rounds off whatever is narrower than its window; so what each cell of the mask then lacks of its own
    value is put back, once (back projection, Irani and Peleg 1991).

    Args:
        image: uint8 [H, W, C]; see `mrcnn.data.images.colours_of`.
        box: [4] pixels of it, sub-pixel.
        probabilities: [h, w] stretched over the box.
        radius: half side of the window, in cells of the mask.
        epsilon: as for `guided_filter`.
        threshold: inside at this value and above; None keeps the values.

    Returns:
        (bool or float32 [rows, columns]; (y, x) of its corner in the photo).
    """
    mask, shape = np.asarray(probabilities, np.float32), image.shape[:2]
    part, (y, x) = paste_mask(mask, box, shape, threshold=None)
    if part.size:
        cell = np.sqrt((box[2] - box[0]) * (box[3] - box[1]) / mask.size)
        reach = max(1, round(float(cell) * radius))
        # The window of a pixel near the box's border reaches beyond it, where the mask is 0.
        y1, x1 = max(y - 2 * reach, 0), max(x - 2 * reach, 0)
        around = image[y1 : y + part.shape[0] + 2 * reach, x1 : x + part.shape[1] + 2 * reach]
        inside = slice(y - y1, y - y1 + part.shape[0]), slice(x - x1, x - x1 + part.shape[1])
        plane = np.zeros(around.shape[:2] + (1,), np.float32)
        plane[inside + (0,)] = part
        part = guided_filter(around, plane, reach, epsilon)[inside + (0,)]
        rows = _shares_of_cells(box[0], box[2], mask.shape[0], y, part.shape[0])
        columns = _shares_of_cells(box[1], box[3], mask.shape[1], x, part.shape[1])
        lacking = mask - rows @ part @ columns.T
        part = np.clip(part + paste_mask(lacking, box, shape, threshold=None)[0], 0, 1)
    return (part if threshold is None else part >= threshold), (y, x)


def _shares_of_cells(low, high, cells, first, count):
    """float32 [cells, count]: the share of each of `count` pixels from `first` on in the mean of each cell."""
    edges = np.linspace(float(low), float(high), cells + 1)
    pixels = first + np.arange(count)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    overlap = np.maximum(overlap, 0)
    return (overlap / np.maximum(overlap.sum(axis=1, keepdims=True), 1e-9)).astype(np.float32)
