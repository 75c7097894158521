"""Captions of a figure, put where they hide each other least."""

from collections.abc import Sequence

import numpy as np

from mrcnn.figure_fonts import fit_letters

PAD = 4  # points of background round a caption
STEPS = np.array([0, 1, -1, 2, -2, 3, -3])  # places that are looked at, heights of the caption below its own


def spread(ax: object, texts: Sequence) -> None:
    """Move captions up or down, each to the nearest place where it hides the least of those before it.

    Args:
        ax: matplotlib axis, whose limits are set.
        texts: matplotlib's texts in it. On a canvas that cannot measure texts they stay.
    """
    from mrcnn.ops.boxes import intersection

    fit_letters(ax.figure)  # before they are measured
    canvas = ax.figure.canvas
    if len(texts) < 2 or not hasattr(canvas, "get_renderer"):
        return
    ax.apply_aspect()  # else the axis takes its place when it is drawn
    renderer, taken = canvas.get_renderer(), np.zeros((0, 4))
    margin = PAD * ax.figure.dpi / 72
    for text in texts:
        extent = text.get_window_extent(renderer)
        box = np.array([extent.y0, extent.x0, extent.y1, extent.x1]) + margin * np.array([-1, -1, 1, 1])
        moves = STEPS * (box[0] - box[2])  # screens count upwards
        boxes = box + moves[:, None] * np.array([1, 0, 1, 0])
        best = np.argmin(intersection(boxes[:, None], taken[None]).sum(axis=1))
        taken = np.concatenate([taken, boxes[best : best + 1]])
        if moves[best]:
            x, y = ax.transData.transform(text.get_position())
            text.set_position(ax.transData.inverted().transform((x, y + moves[best])))
