"""Figures of the stages hold the boxes, maps and numbers that they were given."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from mrcnn.drawing import stages as stages_view

matplotlib.use("Agg")

IMAGE = np.full((64, 64, 3), 90, np.uint8)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def rectangles(ax):
    boxes = []
    for patch in ax.patches:
        if isinstance(patch, Rectangle):
            x, y = patch.get_xy()
            boxes.append((y, x, y + patch.get_height(), x + patch.get_width()))
    return boxes


@pytest.mark.parametrize("count, limit, expected", [(11, 3, [0, 5, 10]), (2, 5, [0, 1]), (1, 1, [0]), (0, 3, [])])
def test_positions_are_spread_evenly(count, limit, expected):
    assert list(stages_view.evenly(count, limit)) == expected


def test_anchors_of_the_cell_in_the_middle():
    # 2 x 2 cells of 32 pixels and two shapes, 8 x 8 and 4 x 16. All four centres are equally near; the first is taken.
    shapes = np.array([[8, 8], [4, 16]]) / 2
    centres = np.array([[16, 16], [16, 48], [48, 16], [48, 48]])
    cells = np.concatenate([centres[:, None] - shapes, centres[:, None] + shapes], axis=-1)
    ax, = stages_view.display_anchor_levels(IMAGE, [cells.reshape(-1, 4)], [32], 2)
    assert rectangles(ax) == [(12, 12, 20, 20), (14, 8, 18, 24)]
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), centres[:, ::-1])  # (x, y)
    assert ax.get_title() == "stride 32: 8 anchors"


def test_sets_of_boxes_with_refined_ones_and_captions():
    boxes = np.array([[i, 0, i + 10, 10] for i in range(9)])
    plain, moved, named, none = stages_view.display_box_panels(
        IMAGE, {"all": boxes, "moved": (boxes[:1], boxes[:1] + 5), "named": (boxes[:2], None, ["a", "b"]),
                "none": np.zeros((0, 4))}, limit=3,
    )
    # An empty box at the corner of the image is padding to draw_boxes; none of these is one.
    assert rectangles(plain) == [tuple(boxes[i]) for i in (0, 4, 8)]
    assert plain.get_title() == "all: 9, 3 shown"
    assert rectangles(moved) == [(0, 0, 10, 10), (5, 5, 15, 15)]
    assert [text.get_text() for text in named.texts] == ["a", "b"]
    assert none.get_title() == "none: 0" and rectangles(none) == []


def test_panels_widen_for_boxes_outside_but_not_without_end():
    boxes = np.array([[-4, 10, 20, 20], [0, 0, 1000, 10]])
    ax, = stages_view.display_box_panels(IMAGE, {"outside": boxes})
    # Two pixels more than the boxes need, above; at most a quarter of 64 more than the image, below.
    assert ax.get_ylim() == (80, -6) and ax.get_xlim() == (-2, 66)


def test_recall_over_the_number_of_proposals():
    ax = stages_view.plot_recall([10, 100], {"IoU 0.5": [0.5, 0.75], "IoU 0.7": [0.25, 0.5]})
    assert [list(line.get_ydata()) for line in ax.lines] == [[0.5, 0.75], [0.25, 0.5]]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["10", "100"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["IoU 0.5", "IoU 0.7"]


def test_principal_colours_worked_by_hand():
    # Centred -1, -1, 2 with std sqrt(2): over 2.5 std and halved 0.359, 0.359 and 0.783 of 255.
    # The other two components have no variance and stay at the middle, 127.5 rounded to even.
    features = np.array([[[0.0, 7, 1], [0, 7, 1], [3, 7, 1]]])
    np.testing.assert_array_equal(stages_view.principal_colors(features), [[[91, 128, 128]] * 2 + [[200, 128, 128]]])
    # Neither the order of the channels nor a shift of them matters.
    np.testing.assert_array_equal(
        stages_view.principal_colors(features[..., ::-1] + 5), stages_view.principal_colors(features)
    )


def test_principal_colours_of_one_value_and_of_one_channel():
    assert (stages_view.principal_colors(np.full((2, 3, 8), 4.0)) == 128).all()
    colors = stages_view.principal_colors(np.arange(6.0).reshape(2, 3, 1))
    assert (colors[..., 1:] == 128).all()
    assert (np.abs(np.diff(colors[..., 0].ravel().astype(int))) > 20).all()  # a ramp


def test_nothing_is_dropped_for_want_of_a_title_or_a_stride():
    with pytest.raises(ValueError, match="as many titles as crops, got 1 titles and 2 crops"):
        stages_view.display_crops(IMAGE, [10, 20, 30, 40], [np.zeros((7, 7, 4))] * 2, ["P2"])
    with pytest.raises(ValueError, match="as many strides as levels, got 1 strides and 2 levels"):
        stages_view.display_anchor_levels(IMAGE, [np.zeros((2, 4))] * 2, [32], 2)


def test_crops_stand_beside_their_region():
    crops = [np.zeros((7, 7, 4)), np.random.default_rng(0).normal(size=(7, 7, 4))]
    axes = stages_view.display_crops(IMAGE, [10, 20, 30, 40], crops, ["P2", "P3"])
    assert rectangles(axes[0]) == [(10, 20, 30, 40)]
    assert [ax.get_title() for ax in axes[1:]] == ["P2", "P3"]
    for ax, crop in zip(axes[1:], crops):
        np.testing.assert_array_equal(ax.images[0].get_array(), stages_view.principal_colors(crop))


def test_maps_show_their_magnitude_and_colours():
    maps = {"C2": np.array([[[1.0, -3], [0, 4]]]), "C3": np.ones((2, 2, 5)), "C4": np.ones((1, 1, 5))}
    axes = stages_view.display_maps(maps, columns=2)
    np.testing.assert_array_equal(axes[0].images[0].get_array(), [[2, 2]])  # the mean of 1 and 3, of 0 and 4
    assert [ax.get_title() for ax in axes] == ["C2  1x2x2", "C3  2x2x5", "", "", "C4  1x1x5", ""]
    np.testing.assert_array_equal(axes[2].images[0].get_array(), stages_view.principal_colors(maps["C2"]))


def test_histograms_count_every_value():
    values = {"some": np.array([0.0, 0, 1, 3]), "many": np.ones(stages_view.SAMPLE + 7)}
    few, many = stages_view.plot_histograms(values, bins=4)
    assert [bar.get_height() for bar in few.patches] == [2, 1, 0, 1]
    # Mean 1, std sqrt((1 + 1 + 0 + 4) / 4) = 1.22
    assert few.get_title() == "some\nmean 1, std 1.22, 50 % zero"
    assert sum(bar.get_height() for bar in many.patches) == stages_view.SAMPLE
    assert "zero" not in many.get_title()


def test_a_map_of_one_magnitude_is_not_drawn_as_a_dead_one():
    alive, dead = stages_view.display_maps({"P2": np.ones((4, 4, 3)), "P3": np.zeros((4, 4, 3))})[:2]
    shown = [np.asarray(ax.images[0].to_rgba(ax.images[0].get_array()))[0, 0, :3].sum() for ax in (alive, dead)]
    assert shown[0] > 2 > 0.1 > shown[1]
