"""Checks of what a network starts from: its pixels, its weights, and the names of its classes."""

from collections.abc import Sequence

import numpy as np

from mrcnn.network.layout import Layout
from mrcnn.network.mask_rcnn_layout import MASK_RCNN

DARK = 40  # of 255: photos without a brighter pixel are no photos, but numbers of another range
IMAGENET_MEAN = (123.7, 116.8, 103.9)  # RGB, to tell the order of a MEAN_PIXEL's channels


def pixel_range(canvas: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, int, int]:
    """What a network sees of one photo.

    Args:
        canvas: uint8 [h, w, C].
        box: (y1, x1, y2, x2) of the photo on it.

    Returns:
        (mean [C], least, greatest).
    """
    top, left = np.floor(box[:2]).astype(int)
    bottom, right = np.ceil(box[2:]).astype(int)
    photo = np.asarray(canvas)[top:bottom, left:right]
    return photo.reshape(-1, photo.shape[-1]).mean(axis=0), photo.min(), photo.max()


def pixel_summary(ranges: Sequence[tuple], mean_pixel: np.ndarray) -> dict:
    """Pixels of all photos against MEAN_PIXEL.

    Args:
        ranges: list of what `pixel_range` gave.
        mean_pixel: MEAN_PIXEL of the settings.

    Returns:
        {mean: of each channel, mean_pixel, min, max, dark: photos whose brightest pixel is under DARK, fault: "scale"
        (MEAN_PIXEL within 0..1), "order" (that of ImageNet in BGR) or None}.
    """
    means, least, greatest = (np.array(values, float) for values in zip(*ranges))
    mean_pixel = np.asarray(mean_pixel, float)
    fault = None
    if mean_pixel.max() <= 1 and means.mean() > 1:
        fault = "scale"
    elif mean_pixel.shape == (3,) and np.abs(mean_pixel - IMAGENET_MEAN[::-1]).max() < 2:
        fault = "order"
    return {"mean": means.mean(axis=0).tolist(), "mean_pixel": mean_pixel.tolist(), "min": float(least.min()),
            "max": float(greatest.max()), "dark": int((greatest < DARK).sum()), "fault": fault}


def weight_summary(weights: dict, layout: Layout = MASK_RCNN) -> dict:
    """Kernels that no training can have left as they are.

    Args:
        weights: {layer: (kernel, kernel that it began with, or None where that is not known)}.
        layout: of the network, which tells the part of it that a layer belongs to.

    Returns:
        {layers: number, nonfinite, zero, constant: names of layers, untrained: {part: [layers that are what they began
        with]}, trained: {part: number of others whose beginning is known}, unknown: {part: number of those of which it
        is not}}.
    """
    summary = {"layers": len(weights), "nonfinite": [], "zero": [], "constant": [], "untrained": {}, "trained": {},
               "unknown": {}}
    for name, (kernel, initial) in weights.items():
        if not np.isfinite(kernel).all():
            summary["nonfinite"].append(name)
        elif not np.any(kernel):
            summary["zero"].append(name)
        elif kernel.size > 1 and np.ptp(kernel) == 0:
            summary["constant"].append(name)
        elif initial is not None and np.array_equal(kernel, initial):
            summary["untrained"].setdefault(layout.part_of(name), []).append(name)
        else:
            numbers, part = summary["unknown" if initial is None else "trained"], layout.part_of(name)
            numbers[part] = numbers.get(part, 0) + 1
    return summary


def name_summary(data: Sequence[str], checkpoint: Sequence[str] | None) -> dict:
    """Class names of the data against those that a checkpoint was trained on, background first in both.

    Args:
        data: class names of the data set.
        checkpoint: list, or None where it carries none.

    Returns:
        {known: whether it carries names, missing: names of the data that it lacks, extra: its own that the data lacks,
        moved: names of both whose class ids differ, places: {id in the checkpoint: index in the data's classes, from 0
        on}}. Without names, ids are taken as they are.
    """
    if checkpoint is None:
        return {"known": False, "missing": [], "extra": [], "moved": [],
                "places": {i: i - 1 for i in range(1, len(data))}}
    ours, theirs = list(data)[1:], list(checkpoint)[1:]
    return {
        "known": True,
        "missing": [name for name in ours if name not in theirs],
        "extra": [name for name in theirs if name not in ours],
        "moved": [name for name in ours if name in theirs and ours.index(name) != theirs.index(name)],
        "places": {theirs.index(name) + 1: ours.index(name) for name in ours if name in theirs},
    }
