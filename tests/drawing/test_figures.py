import inspect
import os
import subprocess
import sys
import types

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from mrcnn import visualize
from mrcnn.data.run_lengths import encode
from mrcnn.errors import DataError

matplotlib.use("Agg")

NAMES = ["BG", "top", "bag"]
RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


# Name: the arguments that scripts written for Matterport give by position or name, in their order.
SIGNATURES = {
    "display_images": "images titles cols cmap norm interpolation",
    "random_colors": "N bright",
    "apply_mask": "image mask color alpha",
    "display_instances": "image boxes masks class_ids class_names scores title figsize ax show_mask show_bbox colors "
    "captions",
    "display_differences": "image gt_box gt_class_id gt_mask pred_box pred_class_id pred_score pred_mask class_names "
    "title ax show_mask show_box iou_threshold score_threshold",
    "draw_rois": "image rois refined_rois mask class_ids class_names limit",
    "draw_box": "image box color",
    "display_top_masks": "image mask class_ids class_names limit",
    "plot_precision_recall": "AP precisions recalls",
    "plot_overlaps": "gt_class_ids pred_class_ids pred_scores overlaps class_names threshold",
    "draw_boxes": "image boxes refined_boxes masks captions visibilities title ax",
    "display_table": "table",
    "display_weight_stats": "model",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_scripts_can_call_it(name):
    arguments, expected = list(inspect.signature(getattr(visualize, name)).parameters), SIGNATURES[name].split()
    assert arguments[: len(expected)] == expected


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.subplots()[1]


def grey(height=60, width=90, value=100):
    return np.full((height, width, 3), value, np.uint8)


def masks_of(boxes, shape=(60, 90)):
    masks = np.zeros(shape + (len(boxes),), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    return masks


def painted_image(ax):
    return np.asarray(ax.images[0].get_array())


def rectangles(ax):
    return [(p.get_y(), p.get_x(), p.get_y() + p.get_height(), p.get_x() + p.get_width())
            for p in ax.patches if isinstance(p, Rectangle)]


# --- Figures --------------------------------------------------------------------------------------------------
def test_display_instances_draws_masks_boxes_and_captions(ax):
    boxes = [(10, 20, 30, 50), (0, 0, 0, 0)]
    result = visualize.display_instances(grey(), np.array(boxes), masks_of(boxes), np.array([2, 0]), NAMES,
                                         scores=np.array([0.756, 0]), title="photo", ax=ax, colors=[RED, BLUE])
    assert result is ax and ax.get_title() == "photo"
    assert painted_image(ax)[20, 30].tolist() == [169, 55, 55]
    assert rectangles(ax) == [(10, 20, 30, 50)]
    assert [text.get_text() for text in ax.texts] == ["bag 0.76"]
    # Pixel i covers i..i+1, so the box needs no half-pixel shift.
    assert tuple(ax.images[0].get_extent()) == (0, 90, 60, 0)


def test_display_instances_takes_captions_and_leaves_out_what_it_is_told(ax):
    boxes = np.array([(10, 20, 30, 50)])
    visualize.display_instances(grey(), boxes, masks_of(boxes), np.array([2]), NAMES, ax=ax, captions=["mine"],
                                show_mask=False, show_bbox=False)
    assert [text.get_text() for text in ax.texts] == ["mine"]
    assert rectangles(ax) == [] and (painted_image(ax) == 100).all()


def test_display_instances_of_nothing_says_so_and_needs_no_screen(capsys):
    ax = visualize.display_instances(grey(), np.zeros((0, 4)), np.zeros((60, 90, 0)), np.zeros(0), NAMES)
    assert "No instances to display" in capsys.readouterr().out
    assert "No instances" in ax.get_title() and (painted_image(ax) == 100).all()


def test_display_differences_colours_both_sides_and_names_the_overlap(ax):
    gt, pred = np.array([(10, 10, 30, 30)]), np.array([(40, 40, 50, 50), (10, 10, 30, 20)])
    visualize.display_differences(grey(), gt, np.array([1]), masks_of(gt), pred, np.array([1, 1]),
                                  np.array([0.3, 0.9]), masks_of(pred), NAMES, ax=ax)
    # In falling order of score: half of the object found, IoU 200 / 400; then nothing.
    assert [text.get_text() for text in ax.texts] == ["0.90 / 0.50", "0.30 / 0.00"]
    assert rectangles(ax) == [(10, 10, 30, 30), (10, 10, 30, 20), (40, 40, 50, 50)]
    colors = [patch.get_edgecolor()[:3] for patch in ax.patches]
    assert colors == [(0, 1, 0), (1, 0, 0), (1, 0, 0)]


def test_display_differences_passes_over_padding(ax):
    boxes = np.array([(10, 10, 30, 30), (0, 0, 0, 0)])
    visualize.display_differences(grey(), boxes, np.array([1, 0]), masks_of(boxes), boxes, np.array([1, 0]),
                                  np.array([0.9, 0]), masks_of(boxes), NAMES, ax=ax)
    assert [text.get_text() for text in ax.texts] == ["0.90 / 1.00"] and len(rectangles(ax)) == 2


@pytest.mark.parametrize("true, detected", [(0, 1), (1, 0), (0, 0)])
def test_display_differences_without_objects_or_detections(ax, true, detected):
    gt, pred = np.array([(1, 1, 9, 9)] * true).reshape(-1, 4), np.array([(1, 1, 9, 9)] * detected).reshape(-1, 4)
    visualize.display_differences(grey(), gt, np.ones(true, int), masks_of(gt), pred, np.ones(detected, int),
                                  np.ones(detected), masks_of(pred), NAMES, ax=ax)
    assert len(rectangles(ax)) == true + detected
    assert [text.get_text() for text in ax.texts] == ["1.00 / 0.00"] * detected


def test_draw_boxes_shows_visibility_and_refinement(ax):
    boxes = np.array([(10, 10, 20, 20), (30, 30, 40, 40), (5, 50, 25, 80)])
    visualize.draw_boxes(grey(), boxes, boxes + 2, captions=["a", "", None], visibilities=[2, 1, 0], ax=ax)
    # Grey ones have no refined box.
    assert rectangles(ax) == [(10, 10, 20, 20), (12, 12, 22, 22), (30, 30, 40, 40), (32, 32, 42, 42), (5, 50, 25, 80)]
    assert [patch.get_linestyle() for patch in ax.patches] == ["solid", "solid", "dotted", "solid", "dotted"]
    assert ax.patches[4].get_edgecolor()[:3] == matplotlib.colors.to_rgb("gray")
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[10, 10], [12, 12]], [[30, 30], [32, 32]]]
    assert [text.get_text() for text in ax.texts] == ["a"]
    with pytest.raises(AssertionError, match="boxes or refined_boxes"):
        visualize.draw_boxes(grey())


def test_draw_rois_pastes_masks_of_positive_regions(ax, capsys):
    rois = np.array([(10, 10, 30, 50), (40, 40, 50, 50)])
    mask = np.zeros((2, 4, 4))
    mask[:, :, :2] = 1  # the left half
    visualize.draw_rois(grey(), rois, rois, mask, np.array([2, 0]), NAMES, ax=ax)
    assert "1 positive, 1 negative, ratio 0.50" in capsys.readouterr().out
    painted = painted_image(ax)
    assert painted[20, 20].tolist() != [100] * 3
    assert painted[20, 40].tolist() == painted[45, 42].tolist() == [100] * 3
    assert [text.get_text() for text in ax.texts] == ["bag"]
    assert len(rectangles(ax)) == 3


def test_draw_rois_shows_at_most_its_limit_from_first_to_last(ax):
    rois = np.stack([np.arange(25)] * 2 + [np.arange(25) + 9] * 2, axis=1)
    visualize.draw_rois(grey(), rois, rois, np.zeros((25, 4, 4)), np.zeros(25, int), NAMES, limit=5, ax=ax)
    # 0, 6, 12, 18, 24: evenly spread.
    assert [box[0] for box in rectangles(ax)] == [0, 6, 12, 18, 24]


def test_display_top_masks_orders_classes_by_area():
    boxes = [(0, 0, 10, 10), (0, 20, 10, 40), (20, 0, 25, 5)]
    axes = visualize.display_top_masks(grey(), masks_of(boxes), np.array([1, 2, 1]), NAMES, limit=3)
    assert [ax.get_title() for ax in axes] == ["H x W = 60 x 90", "bag", "top", "-"]
    shown = np.asarray(axes[2].images[0].get_array())
    # The two tops are told apart: 100 pixels of one shade and 25 of the brighter other.
    assert (shown == 0.4).sum() == 100 and (shown == 1).sum() == 25
    assert not np.asarray(axes[3].images[0].get_array()).any()


def test_display_images_lays_out_a_grid():
    axes = visualize.display_images([grey(value=v) for v in (1, 2, 3)], ["a", "b", "c"], cols=2)
    assert [ax.get_title() for ax in axes] == ["a", "b", "c"]
    spots = [ax.get_subplotspec() for ax in axes]
    assert [(spot.rowspan.start, spot.colspan.start) for spot in spots] == [(0, 0), (0, 1), (1, 0)]


def test_longer_lists_of_colours_and_texts_are_palettes(ax):
    one, palette = masks_of([[10, 10, 30, 30]]), visualize.random_colors(80)
    for drawn in (visualize.display_instances(grey(), np.array([[10, 10, 30, 30]]), one, [1], NAMES, colors=palette,
                                              captions=["first", "second"], ax=ax),
                  visualize.draw_boxes(grey(), np.array([[10, 10, 30, 30]]), captions=["first", "second"],
                                       visibilities=[2, 0], ax=ax)):
        assert [text.get_text() for text in drawn.texts][-1] == "first"
    np.testing.assert_allclose(ax.patches[0].get_edgecolor()[:3], palette[0])
    assert [a.get_title() for a in visualize.display_images([grey()], ["a", "b"])] == ["a"]


def test_a_palette_is_no_error_where_nothing_was_found(ax):
    nothing = (grey(), np.zeros((0, 4)), np.zeros((60, 90, 0), bool), [], NAMES)
    drawn = visualize.display_instances(*nothing, colors=visualize.random_colors(80), captions=["first"], ax=ax)
    assert drawn.get_title() == "No instances to display"
    assert visualize.draw_instances(*nothing, colors=visualize.random_colors(80)).shape == (60, 90, 3)


@pytest.mark.parametrize("name, given", [("colors", [(1, 0, 0)]), ("captions", ["first"])])
def test_shorter_lists_are_named(ax, name, given):
    masks, boxes = masks_of([[10, 10, 30, 30]] * 2), np.array([[10, 10, 30, 30]] * 2)
    for draw in (visualize.display_instances, visualize.draw_instances):
        with pytest.raises(ValueError, match=rf"disagree: 2 boxes, 2 class_ids, 2 masks, 1 {name}\."):
            draw(grey(), boxes, masks, [1, 1], NAMES, **{name: given})
    with pytest.raises(ValueError, match="2 boxes, 1 visibilities"):
        visualize.draw_boxes(grey(), boxes, visibilities=[1], ax=ax)


def test_display_images_shows_all_or_refuses():
    with pytest.raises(ValueError, match="as many titles as images, got 2 titles and 4 images"):
        visualize.display_images([grey()] * 4, ["a", "b"])
    with pytest.raises(ValueError, match="cols=0 must be 1 or more"):
        visualize.display_images([grey()], cols=0)


def test_masks_one_by_one_and_names_by_id_in_figures(ax):
    boxes = np.array([(10, 10, 30, 30), (40, 40, 50, 50)])
    planes, names = masks_of(boxes), {1: "top", 2: "bag"}
    masks, ids, scores = [planes[..., 0], encode(planes[..., 1])], np.array([1, 2]), np.array([0.4, 0.9])
    visualize.display_instances(grey(), boxes, masks, ids, names, ax=ax)
    assert [text.get_text() for text in ax.texts] == ["top", "bag"] and painted_image(ax)[45, 45].tolist() != [100] * 3
    ax.clear()
    visualize.display_differences(grey(), boxes, ids, masks, boxes, ids, scores, masks, names, ax=ax)
    assert [text.get_text() for text in ax.texts] == ["0.90 / 1.00", "0.40 / 1.00"]
    axes = visualize.display_top_masks(grey(), masks, ids, names, limit=2)
    assert [one.get_title() for one in axes[1:]] == ["top", "bag"]
    visualize.draw_boxes(grey(), boxes, masks=masks, ax=ax)
    assert painted_image(ax)[45, 45].tolist() != [100] * 3


def test_plot_precision_recall_draws_the_points(ax):
    assert visualize.plot_precision_recall(0.625, np.array([1, 0.5]), np.array([0.25, 0.75]), ax=ax) is ax
    assert ax.lines[0].get_xydata().tolist() == [[0.25, 1.0], [0.75, 0.5]]
    assert "0.625" in ax.get_title()


def test_plot_overlaps_tells_matches_from_wrong_classes(ax):
    overlaps = np.array([[0.8, 0.6], [0.2, 0.0]])
    visualize.plot_overlaps(np.array([1, 2]), np.array([1, 2]), np.array([0.9, 0.4]), overlaps, NAMES, ax=ax)
    assert [text.get_text() for text in ax.texts] == ["0.80\nmatch", "0.60\nwrong", "0.20", ""]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["top 0.90", "bag 0.40"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["top", "bag"]


def test_plot_overlaps_of_nothing_says_so(ax):
    visualize.plot_overlaps(np.zeros(0), np.array([1]), np.array([0.9]), np.zeros((1, 0)), NAMES, ax=ax)
    assert "1 detections, 0 true objects" in ax.get_title()


# --- Curves and tables ----------------------------------------------------------------------------------------
def test_training_curves_of_a_history(tmp_path):
    history = {"mrcnn_mask_loss": [2.0, 1.0], "loss": [5.0, 4.0], "val_loss": [6.0, 5.5], "learning_rate": [0.1, 0.01]}
    figure = visualize.plot_training_curves(history, tmp_path / "curves.png")
    assert [ax.get_title() for ax in figure.axes] == ["loss", "mrcnn_mask_loss", "learning_rate"]
    lines = {line.get_label(): line.get_xydata().tolist() for line in figure.axes[0].lines}
    assert lines == {"training": [[1, 5], [2, 4]], "validation": [[1, 6], [2, 5.5]]}
    assert Image.open(tmp_path / "curves.png").size[0] > 1000
    assert not plt.get_fignums()


def test_training_curves_of_a_resumed_csv(tmp_path):
    path = tmp_path / "history.csv"
    # Epoch 1 was cut short and run again; the second stage has no validation.
    path.write_text("epoch,loss,val_loss\n0,3.0,4.0\n1,9.0,9.0\n1,2.0,\n2,nonsense,3.0\n")
    figure = visualize.plot_training_curves(path, tmp_path / "curves.png")
    training, validation = figure.axes[0].lines
    assert training.get_xydata().tolist() == [[1, 3], [2, 2]]
    assert validation.get_xydata().tolist() == [[1, 4], [2, 9], [3, 3]]


@pytest.mark.parametrize("content, said", [(None, "no such training history"), ("epoch,loss\n", "no epochs"),
                                           ("loss\n1.0\n", "no epochs")])
def test_training_curves_of_bad_files(tmp_path, content, said):
    path = tmp_path / "history.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=f"history.csv: {said}"):
        visualize.plot_training_curves(str(path), tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_display_table_aligns_columns(capsys):
    text = visualize.display_table([["name", "n"], ["a", 10], ["longer", 2]])
    assert text.splitlines() == ["name    n", "a       10", "longer  2"]
    assert capsys.readouterr().out == text + "\n"


@pytest.mark.parametrize("row", [[1], [1, 2, 3]])
def test_display_table_drops_no_cells(row):
    with pytest.raises(ValueError, match=f"row 2 has {len(row)} cells, the head 2: give each row as many"):
        visualize.display_table([["a", "b"], [1, 2], row])


def test_display_weight_stats_marks_dead_kernels(capsys):
    def layer(name, **arrays):
        return types.SimpleNamespace(name=name, weights=[types.SimpleNamespace(name=key) for key in arrays],
                                     get_weights=lambda: list(arrays.values()))

    layers = [layer("conv1", kernel=np.array([[-1.0, 3.0]]), bias=np.zeros(2)), layer("conv2", kernel=np.zeros((2, 2)))]
    model = types.SimpleNamespace(get_trainable_layers=lambda: layers)
    table = visualize.display_weight_stats(model)
    # Mean 1, so the std of (-1, 3) is 2.
    assert table[1:] == [["conv1/kernel", "(1, 2)", "-1.0000", "+3.0000", "2.0000"],
                         ["conv1/bias", "(2,)", "+0.0000", "+0.0000", "0.0000"],
                         ["conv2/kernel *** dead?", "(2, 2)", "+0.0000", "+0.0000", "0.0000"]]
    assert "conv2/kernel *** dead?" in capsys.readouterr().out
    assert visualize.display_weight_stats(types.SimpleNamespace(layers=layers[:1])) == table[:3]


def test_importing_needs_neither_matplotlib_nor_ipython():
    code = ("import sys, mrcnn.visualize;"
            "print([m for m in ('matplotlib', 'IPython', 'cv2', 'keras', 'pycocotools') if m in sys.modules])")
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root,
                            env={**os.environ, "PYTHONPATH": root})
    assert result.stdout.strip() == "[]"


def test_top_masks_show_what_is_inside_of_grey_ones():
    grey = np.full((8, 8, 1), 3, np.uint8)
    grey[2:4, 2:5] = 250
    with pytest.warns(UserWarning, match="more than two values"):
        axes = visualize.display_top_masks(np.zeros((8, 8, 3), np.uint8), grey, [1], ["BG", "a"], limit=1)
    assert np.asarray(axes[1].images[0].get_array()).sum() == 6  # 2 x 3 pixels of the first object


def colours(ax):
    """The colours that an axis shows, uint8 [H, W, 3]."""
    image, = ax.images
    return np.asarray(image.to_rgba(image.get_array(), bytes=True))[..., :3]


@pytest.mark.parametrize("full", [np.ones((4, 6), bool), np.full((4, 6), 255, np.uint8), np.full((4, 6), 0.7)])
def test_a_mask_that_fills_its_picture_is_drawn_full(full):
    shown, empty = visualize.display_images([full, 0 * full], cmap="gray")
    assert (colours(shown) == 255).all() and not colours(empty).any()
    given, = visualize.display_images([full], cmap="gray", norm=plt.Normalize(0, 2 * float(full.max())))
    assert 100 < colours(given).max() < 150  # a norm that is given stands


def test_top_masks_that_fill_their_photo_are_not_drawn_as_empty():
    whole = np.ones((40, 60, 2), bool)
    whole[:, 30:, 0] = whole[:, :30, 1] = False
    for masks, ids in ((whole[..., :1] | True, [1]), (whole, [1, 1])):
        _, wall, empty = visualize.display_top_masks(grey()[:40, :60], masks, ids, ["BG", "wall"], limit=2)
        darkest = colours(empty)[0, 0].astype(int)
        assert (np.abs(colours(wall) - darkest).sum(axis=-1) > 100).all()
