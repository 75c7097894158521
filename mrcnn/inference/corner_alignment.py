"""From the canvas to the photo in GEOMETRY="matterport".

It counts from the centre of an image's first pixel to that of its last, where the exact geometry counts from edge to
edge, and pastes masks at boxes of whole pixels.
"""

import numpy as np

LAST_PIXEL = np.array([0, 0, 1, 1])  # y2 and x2 lie one beyond the last pixel


def boxes_in_photo(boxes, window):
    """Boxes of the canvas as boxes of the photo: the window's first and last pixels become the photo's.

    Args:
        boxes: [..., 4] canvas pixels.
        window: Window of the photo.

    Returns:
        float32 [..., 4] pixels.
    """
    first_y, first_x, last_y, last_x = np.rint(window.box.astype(np.float64)) - LAST_PIXEL
    height, width = window.original_shape
    corner = np.array([first_y, first_x] * 2)
    scale = np.array([(height - 1) / max(last_y - first_y, 1), (width - 1) / max(last_x - first_x, 1)] * 2)
    return ((np.asarray(boxes, np.float64) - LAST_PIXEL - corner) * scale + LAST_PIXEL).astype(np.float32)


def ringed(masks, boxes):
    """Masks in a ring of zeros, with the boxes that these are stretched over.

    Pasted like any others (see `mrcnn.data.masks.paste_mask`) they come out as scikit-image's bilinear `resize` to the
    box has them, which counts as zero what lies outside: near its box's edge a mask falls off to one half. The ring
    itself stays below that, and so below the threshold.

    Args:
        masks: [N, h, w] 0..1.
        boxes: [N, 4] whole pixels.

    Returns:
        ([N, h + 2, w + 2], float64 [N, 4]).
    """
    boxes = np.asarray(boxes, np.float64)
    cell = np.tile((boxes[:, 2:] - boxes[:, :2]) / masks.shape[1:], 2)
    return np.pad(masks, [(0, 0), (1, 1), (1, 1)]), boxes + cell * [-1, -1, 1, 1]
