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
from mrcnn.data.images import DataError

matplotlib.use("Agg")

NAMES = ["BG", "top", "bag"]
RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


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


# --- draw_instances -------------------------------------------------------------------------------------------
def test_masks_are_blended_inside_and_outlined():
    boxes, image = [(30, 30, 50, 60)], grey()
    drawn = visualize.draw_instances(image, boxes, masks_of(boxes), [1], NAMES, colors=[RED], show_bbox=False)
    # 100 * 0.55 + 45 % of (255, 0, 0) = (169.75, 55, 55), cut to whole numbers.
    assert drawn[40, 45].tolist() == [169, 55, 55]
    # The outline is the mask's own outermost pixel, at full strength; the pixel outside keeps the photo.
    assert drawn[40, 30].tolist() == drawn[49, 45].tolist() == [255, 0, 0]
    assert drawn[40, 29].tolist() == drawn[50, 45].tolist() == [100, 100, 100]
    assert (image == 100).all()


def test_the_outline_follows_the_border_of_the_photo():
    boxes = [(40, 70, 60, 90)]
    drawn = visualize.draw_instances(grey(), boxes, masks_of(boxes), [1], NAMES, colors=[RED], show_bbox=False)
    assert (drawn[45:, 89] == (255, 0, 0)).all() and (drawn[59, 72:] == (255, 0, 0)).all()


def test_boxes_are_drawn_on_their_own_pixels():
    boxes = [(30, 30, 50, 60)]
    drawn = visualize.draw_instances(grey(), boxes, None, [1], NAMES, colors=[BLUE])
    blue = (drawn == (0, 0, 255)).all(axis=2)
    blue[:30] = False  # the label is above the box
    # A border one pixel wide: 30 wide, 20 high.
    assert blue.sum() == 2 * 30 + 2 * 18
    assert blue[30, 30] and blue[49, 59] and not blue[40, 45] and not blue[50, 60]


def test_small_instances_are_drawn_over_large_ones():
    boxes = [(100, 100, 140, 140), (60, 60, 190, 190)]
    masks = masks_of(boxes, (200, 200))
    drawn = visualize.draw_instances(grey(200, 200), boxes, masks, [2, 1], NAMES, colors=[RED, BLUE], show_bbox=False)
    assert drawn[139, 120].tolist() == [255, 0, 0]


@pytest.mark.parametrize("name", ["show_mask", "show_bbox"])
def test_masks_and_boxes_can_be_left_out(name):
    masks = masks_of([(35, 35, 45, 55)])
    arguments = dict(show_mask=False, show_bbox=False)
    arguments[name] = True
    drawn = visualize.draw_instances(grey(), [(30, 30, 50, 60)], masks, [1], NAMES, colors=[RED], **arguments)
    assert (drawn[40, 45].tolist() == [100, 100, 100]) == (name == "show_bbox")
    assert (drawn[49, 45].tolist() == [100, 100, 100]) == (name == "show_mask")


def test_labels_say_name_and_score_and_stay_apart(monkeypatch):
    said, places = [], []
    place = visualize._free_place

    def recorded(*arguments):
        places.append(place(*arguments))
        return places[-1]

    monkeypatch.setattr(visualize, "_free_place", recorded)
    monkeypatch.setattr("PIL.ImageDraw.ImageDraw.text", lambda self, at, text, **style: said.append(text))
    boxes = [(50, 60, 80, 100), (52, 62, 82, 100), (0, 90, 20, 119)]
    drawn = visualize.draw_instances(grey(120, 120), boxes, None, [1, 2, 9], NAMES, scores=[0.987, 0.5, 1],
                                     colors=[RED, BLUE, RED])
    assert said == ["top 0.99", "bag 0.50", "class 9 1.00"]
    for i, (y1, x1, y2, x2) in enumerate(places):
        assert 0 <= y1 < y2 <= 120 and 0 <= x1 < x2 <= 120
        middle = drawn[int(y1 + y2) // 2, int(x1 + x2) // 2]
        assert middle.tolist() == [[255, 0, 0], [0, 0, 255], [255, 0, 0]][i]
        for other in places[:i]:
            assert y2 <= other[0] or other[2] <= y1 or x2 <= other[1] or other[3] <= x1


def test_no_instances_says_so():
    image = grey(60, 160, 30)
    drawn = visualize.draw_instances(image, np.zeros((0, 4)), np.zeros((60, 160, 0), bool), np.zeros(0, int), NAMES)
    changed = (drawn != image).any(axis=2)
    assert changed[:20].any() and not changed[20:].any()
    padding = visualize.draw_instances(image, np.zeros((2, 4)), np.zeros((60, 160, 2), bool), [0, 0], NAMES)
    assert np.array_equal(padding, drawn)


def test_disagreeing_numbers_are_refused():
    with pytest.raises(ValueError, match="2 boxes, 1 class_ids, 2 masks"):
        visualize.draw_instances(grey(), np.ones((2, 4)), np.zeros((60, 90, 2), bool), [1], NAMES)
    with pytest.raises(ValueError, match="3 scores"):
        visualize.display_instances(grey(), np.ones((1, 4)), np.zeros((60, 90, 1), bool), [1], NAMES, scores=[1, 1, 1])


def test_enlarged_drawings_keep_the_places():
    boxes = [(30, 30, 50, 60)]
    drawn = visualize.draw_instances(grey(), boxes, masks_of(boxes), [1], NAMES, colors=[RED], scale=2)
    assert drawn.shape == (120, 180, 3)
    assert drawn[80, 90].tolist() == [169, 55, 55]
    red = (drawn == (255, 0, 0)).all(axis=2)
    # Box and mask of rows 30..49 end at row 99 of the double size.
    assert red[99, 60:120].all() and not red[100:].any() and red[80, 60] and red[80, 119] and not red[80, 120:].any()


# --- Other pictures -------------------------------------------------------------------------------------------
def test_contact_sheet_places_every_picture_in_its_cell():
    images = [grey(20, 30, 10), np.full((10, 10), 70, np.uint8), np.ones((20, 30), bool)]
    sheet = visualize.contact_sheet(images, columns=2)
    # Two rows and columns of 20 x 30 with gaps of 6: (6 + 20 + 6 + 20 + 6) x (6 + 30 + 6 + 30 + 6).
    assert sheet.shape == (58, 78, 3)
    assert (sheet[6:26, 6:36] == 10).all()
    # The small one is centred: 10 pixels of the 30 on each side.
    assert (sheet[6:16, 52:62] == 70).all() and (sheet[6:26, 42:52] == 255).all()
    assert (sheet[32:52, 6:36] == 255).all()
    assert (sheet[:6] == 255).all() and (sheet[32:52, 42:72] == 255).all()


def test_contact_sheet_writes_titles_below_and_cuts_long_ones():
    images = [grey(20, 60, 200)] * 2
    sheet = visualize.contact_sheet(images, ["", "far too long a title for 60 pixels"], columns=1)
    below = sheet[26 + 18 + 6 + 20:]
    assert (sheet[26:44] == 255).all()
    assert (below < 128).any() and (below[:, 66:] == 255).all()
    with pytest.raises(ValueError, match="2 and 1"):
        visualize.contact_sheet(images, ["one"])
    with pytest.raises(ValueError, match="0 and 0"):
        visualize.contact_sheet([])


def test_distinct_colors_differ():
    colors = np.array(visualize.distinct_colors(12))
    distance = np.abs(colors[:, None] - colors[None]).max(axis=2) + np.eye(12)
    assert distance.min() > 0.1
    assert colors.min() >= 0 and colors.max() <= 1
    assert visualize.distinct_colors(5) == visualize.distinct_colors(30)[:5]


def test_random_colors_are_the_even_hues_in_some_order():
    # Hues 0, 1/3 and 2/3 are pure red, green and blue.
    expected = [(0, 0, 1), (0, 1, 0), (1, 0, 0)]
    assert np.allclose(sorted(visualize.random_colors(3)), expected)
    assert np.allclose(sorted(visualize.random_colors(3, bright=False)), np.array(expected) * 0.7)
    assert visualize.random_colors(0) == []


def test_apply_mask_blends_in_place():
    image, mask = grey(4, 4), np.eye(4)
    result = visualize.apply_mask(image, mask, (1.0, 0.0, 0.5), alpha=0.2)
    assert result is image
    # 100 * 0.8 + 255 * 0.2 * (1, 0, 0.5) = (131, 80, 105.5)
    assert image[2, 2].tolist() == [131, 80, 105]
    assert image[0, 1].tolist() == [100, 100, 100]


def test_draw_box_stays_inside_box_and_image():
    image = grey(10, 10, 0)
    assert visualize.draw_box(image, [2, 3, 8, 9], (9, 9, 9), thickness=1) is image
    # 6 x 6: a border of 20 pixels.
    assert (image[..., 0] == 9).sum() == 20 and image[2, 3, 0] == image[7, 8, 0] == 9 and image[8, 9, 0] == 0
    # Only the part of the border that lies in the image: the right side in 5 rows, the lower side in 5 columns.
    corner = visualize.draw_box(grey(10, 10, 0), [-4, -4, 5, 5], (9, 9, 9), thickness=1)
    assert (corner[..., 0] == 9).sum() == 9
    assert not visualize.draw_box(grey(10, 10, 0), [20, 20, 30, 30], (9, 9, 9)).any()
    # A box of one row is no thicker than itself.
    assert (visualize.draw_box(grey(10, 10, 0), [4, 2, 5, 8], (9, 9, 9))[..., 0] == 9).sum() == 6


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
    gt, found = np.array([(10, 10, 30, 30)]), np.array([(40, 40, 50, 50), (10, 10, 30, 20)])
    visualize.display_differences(grey(), gt, np.array([1]), masks_of(gt), found, np.array([1, 1]),
                                  np.array([0.3, 0.9]), masks_of(found), NAMES, ax=ax)
    # In falling order of score: half of the object found, IoU 200 / 400; then nothing.
    assert [text.get_text() for text in ax.texts] == ["0.90 / 0.50", "0.30 / 0.00"]
    assert rectangles(ax) == [(10, 10, 30, 30), (10, 10, 30, 20), (40, 40, 50, 50)]
    colors = [patch.get_edgecolor()[:3] for patch in ax.patches]
    assert colors == [(0, 1, 0), (1, 0, 0), (1, 0, 0)]


@pytest.mark.parametrize("true, found", [(0, 1), (1, 0), (0, 0)])
def test_display_differences_without_objects_or_detections(ax, true, found):
    gt, pred = np.array([(1, 1, 9, 9)] * true).reshape(-1, 4), np.array([(1, 1, 9, 9)] * found).reshape(-1, 4)
    visualize.display_differences(grey(), gt, np.ones(true, int), masks_of(gt), pred, np.ones(found, int),
                                  np.ones(found), masks_of(pred), NAMES, ax=ax)
    assert len(rectangles(ax)) == true + found
    assert [text.get_text() for text in ax.texts] == ["1.00 / 0.00"] * found


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
    # The two tops are told apart: 100 pixels of 1 and 25 of 2.
    assert (shown == 1).sum() == 100 and (shown == 2).sum() == 25
    assert not np.asarray(axes[3].images[0].get_array()).any()


def test_display_images_lays_out_a_grid():
    axes = visualize.display_images([grey(value=v) for v in (1, 2, 3)], ["a", "b", "c"], cols=2)
    assert [ax.get_title() for ax in axes] == ["a", "b", "c"]
    spots = [ax.get_subplotspec() for ax in axes]
    assert [(spot.rowspan.start, spot.colspan.start) for spot in spots] == [(0, 0), (0, 1), (1, 0)]


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


def test_display_weight_stats_marks_dead_kernels(capsys):
    def layer(name, **arrays):
        return types.SimpleNamespace(name=name, weights=[types.SimpleNamespace(name=key) for key in arrays],
                                     get_weights=lambda: list(arrays.values()))

    layers = [layer("conv1", kernel=np.array([[-1.0, 3.0]]), bias=np.zeros(2)), layer("conv2", kernel=np.zeros((2, 2)))]
    model = types.SimpleNamespace(get_trainable_layers=lambda: layers)
    table = visualize.display_weight_stats(model)
    # Mean 1, so the deviation of (-1, 3) is 2.
    assert table[1:] == [["conv1/kernel", "(1, 2)", "-1.0000", "+3.0000", "2.0000"],
                         ["conv1/bias", "(2,)", "+0.0000", "+0.0000", "0.0000"],
                         ["conv2/kernel *** dead?", "(2, 2)", "+0.0000", "+0.0000", "0.0000"]]
    assert "conv2/kernel *** dead?" in capsys.readouterr().out
    assert visualize.display_weight_stats(types.SimpleNamespace(layers=layers[:1])) == table[:3]


def test_importing_needs_neither_matplotlib_nor_ipython():
    code = ("import sys, mrcnn.visualize;"
            "print([m for m in ('matplotlib', 'IPython', 'cv2', 'keras', 'pycocotools') if m in sys.modules])")
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root,
                            env={**os.environ, "PYTHONPATH": root})
    assert result.stdout.strip() == "[]"
