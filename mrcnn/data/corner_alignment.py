"""From the canvas to the photo in GEOMETRY="matterport".

It counts from the centre of an image's first pixel to that of its last, where the exact geometry counts from edge to
edge, and pastes masks at boxes of whole pixels.
"""

import numpy as np

from mrcnn.data.images import Window

LAST_PIXEL = np.array([0, 0, 1, 1], np.float32)  # y2 and x2 lie one beyond the last pixel


class CornerAlignedWindow(Window):
    """Where a photo lies on its canvas, as Matterport leads detections back: its first and last pixels are the photo's.

    Only the way back differs: photos and true boxes are placed as in the exact geometry.
    """

    def to_original(self, boxes: np.ndarray, clip: bool = True) -> np.ndarray:
        """Map boxes of the canvas to the photo.

        Args:
            boxes: [..., 4], pixels of the canvas
            clip: of no effect: detections keep to the photo on the canvas

        Returns:
            float32 [..., 4], pixels of the photo.
        """
        first_y, first_x, last_y, last_x = np.rint(self.box.astype(np.float64)) - LAST_PIXEL
        height, width = self.original_shape
        corner = np.array([first_y, first_x] * 2)
        scale = np.array([(height - 1) / max(last_y - first_y, 1), (width - 1) / max(last_x - first_x, 1)] * 2)
        return ((np.asarray(boxes, np.float64) - LAST_PIXEL - corner) * scale + LAST_PIXEL).astype(np.float32)

    def mask_boxes(self, boxes: np.ndarray) -> np.ndarray:
        """The boxes that masks are pasted at: whole pixels. boxes: [N, 4], pixels of the photo."""
        return np.round(boxes)

    def to_paste(self, masks: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Put masks into a ring of zeros, with the boxes that these are stretched over.

        Pasted like any others (see `mrcnn.data.masks.paste_mask`) they come out as scikit-image's bilinear `resize` to
        the box has them, which counts as zero what lies outside: near its box's edge a mask falls off to one half. The
        ring itself stays below that, and so below the threshold.

        Args:
            masks: [N, h, w] 0..1
            boxes: [N, 4], pixels of the photo

        Returns:
            ([N, h + 2, w + 2], float64 [N, 4]).
        """
        boxes = np.asarray(self.mask_boxes(boxes), np.float64)
        cell = np.tile((boxes[:, 2:] - boxes[:, :2]) / masks.shape[1:], 2)
        return np.pad(masks, [(0, 0), (1, 1), (1, 1)]), boxes + cell * [-1, -1, 1, 1]
