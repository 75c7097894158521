"""Captions of figures that do not hide each other."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from mrcnn import visualize
from mrcnn.drawing.captions import spread
from mrcnn.ops.boxes import intersection

matplotlib.use("Agg")


@pytest.fixture
def ax():
    figure, axis = plt.subplots(figsize=(6, 4))
    yield axis
    plt.close(figure)


def hidden(ax):
    """Pixels of the largest overlap of two captions, as they are drawn, their backgrounds with them."""
    ax.figure.canvas.draw()
    extents = [text.get_bbox_patch().get_window_extent() for text in ax.texts]
    boxes = np.array([(extent.y0, extent.x0, extent.y1, extent.x1) for extent in extents])
    return np.triu(intersection(boxes[:, None], boxes[None]), 1).max()


@pytest.mark.parametrize("boxes", [
    [(40, 40, 70, 90), (41, 42, 60, 80), (42, 41, 55, 70)],  # three shoes in one place
    [(0, 0, 30, 30), (0, 10, 30, 50)],  # at the upper edge
])
def test_captions_of_boxes_in_one_place_are_all_seen(ax, boxes):
    photo, names = np.full((100, 140, 3), 90, np.uint8), ["BG", "footwear"]
    visualize.display_instances(photo, boxes, None, [1] * len(boxes), names, [0.9] * len(boxes), ax=ax)
    assert len(ax.texts) == len(boxes) and hidden(ax) <= 1
    assert ax.texts[0].get_position() == boxes[0][1::-1]  # the first has its place
    ax.clear()
    visualize.draw_boxes(photo, np.array(boxes), captions=["footwear"] * len(boxes), ax=ax)
    assert hidden(ax) <= 1


def test_captions_that_are_clear_stay(ax):
    photo, boxes = np.full((100, 140, 3), 90, np.uint8), [(10, 10, 30, 30), (60, 80, 80, 120)]
    visualize.display_instances(photo, boxes, None, [1, 1], ["BG", "bag"], ax=ax)
    assert [text.get_position() for text in ax.texts] == [(10, 10), (80, 60)]


def test_more_than_there_are_places_for_hide_the_least(ax):
    texts = [ax.text(0.5, 0.5, "bag", backgroundcolor="white") for _ in range(12)]
    spread(ax, texts)
    assert len({round(text.get_position()[1], 6) for text in texts}) == 7
    spread(ax, [])
