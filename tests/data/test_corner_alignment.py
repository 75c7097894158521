"""From canvas to photo as Matterport has it, by hand and against scikit-image."""

import dataclasses

import numpy as np
import pytest

from mrcnn.data.corner_alignment import CornerAlignedWindow
from mrcnn.data.images import Window
from mrcnn.data.masks import paste_masks

WINDOW = CornerAlignedWindow((40, 40), (40, 40), (1.0, 1.0), (0.0, 0.0))


def test_first_and_last_pixels_stay_first_and_last():
    # 21 x 41 pixels at scale 2 on rows 10 to 52 of a canvas.
    window = CornerAlignedWindow((21, 41), (64, 82), (2.0, 2.0), (10.0, 0.0))
    boxes = np.array([[10, 0, 52, 82], [10, 0, 11, 1], [30.5, 40.5, 52, 82]])
    # Pixels 10 to 51 become 0 to 20, so a step of the canvas is 20 / 41 of the photo's: (30.5 - 10) * 20 / 41 = 10.
    expected = [[0, 0, 21, 41], [0, 0, 1, 1], [10, 20, 21, 41]]
    np.testing.assert_allclose(window.to_original(boxes), expected, atol=1e-5)
    # By edges, the last but one is half a pixel.
    by_edges = Window(*dataclasses.astuple(window))
    np.testing.assert_allclose(by_edges.to_original(boxes[1]), [0, 0, 0.5, 0.5])
    np.testing.assert_array_equal(by_edges.to_canvas(boxes), window.to_canvas(boxes))
    same = CornerAlignedWindow((30, 40), (30, 40), (1.0, 1.0), (0.0, 0.0))
    np.testing.assert_allclose(same.to_original(boxes), boxes, atol=1e-5)


def test_masks_are_pasted_as_scikit_image_resizes_them():
    transform = pytest.importorskip("skimage.transform", reason="scikit-image is the reference of this test")
    rng = np.random.default_rng(0)
    masks = rng.uniform(0, 1, (4, 7, 5)).astype("float32")
    boxes = np.array([[3, 4, 33, 29], [0, 0, 5, 3], [10, 2, 24, 40], [0, 0, 40, 40]])
    pasted = paste_masks(*WINDOW.to_paste(masks, boxes), (40, 40))
    values = paste_masks(*WINDOW.to_paste(masks, boxes), (40, 40), threshold=None)
    for index, (mask, (y1, x1, y2, x2)) in enumerate(zip(masks.astype(float), boxes)):
        resized = transform.resize(mask, (y2 - y1, x2 - x1), order=1, mode="constant", cval=0, anti_aliasing=False)
        np.testing.assert_allclose(values[y1:y2, x1:x2, index], resized, atol=1e-4)
        photo = np.zeros((40, 40), bool)
        photo[y1:y2, x1:x2] = resized >= 0.5
        certain = np.ones((40, 40), bool)
        certain[y1:y2, x1:x2] = abs(resized - 0.5) > 1e-4
        np.testing.assert_array_equal(pasted[..., index][certain], photo[certain])


def test_the_ring_is_never_pasted():
    # Ones everywhere: inside at every pixel of the box, nowhere outside.
    for box in ([2, 3, 9, 10], [5, 5, 6, 6], [0, 0, 20, 20], [3, 0, 20, 2]):
        pasted = paste_masks(*WINDOW.to_paste(np.ones((1, 28, 28)), np.array([box])), (20, 20))[..., 0]
        expected = np.zeros((20, 20), bool)
        expected[box[0] : box[2], box[1] : box[3]] = True
        corners = expected & ~pasted
        assert not (pasted & ~expected).any()
        # At a corner the mask falls to a half along both sides, and in large boxes below it in between.
        assert corners.sum() <= 4 * 4 and pasted.sum() >= expected.sum() - corners.sum()
