"""The figure of a data set shows the numbers of its summary."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.config import Config
from mrcnn.data.curation.statistics import summarise
from mrcnn.data.drawn.people import DrawnPeople
from mrcnn.drawing.dataset import plot_data_summary


@pytest.fixture(scope="module")
def summary():
    dataset = DrawnPeople()
    dataset.load_drawn(4, size=(128, 96), seed=2)
    dataset.prepare()
    config = Config(IMAGE_MIN_DIM=128, IMAGE_MAX_DIM=128, RPN_ANCHOR_SCALES=(8, 16, 32, 64, 128))
    return summarise(dataset, config)


def texts(ax):
    return {text.get_text() for text in ax.texts} | {label.get_text() for label in ax.get_yticklabels()}


def test_bars_and_lines_are_those_of_the_summary(summary, tmp_path):
    figure = plot_data_summary(summary, tmp_path / "summary.png", "people")
    classes, _, counts, _, scales, ratios, recall = figure.axes
    shown = [entry for entry in summary["classes"] if entry["objects"]]
    assert sorted(bar.get_width() for bar in classes.patches) == sorted(entry["objects"] for entry in shown)
    assert {entry["name"] for entry in shown} <= texts(classes)
    assert [bar.get_height() for bar in counts.patches] == summary["objects_per_photo"]["counts"]
    for ax, numbers in ((scales, "scales"), (ratios, "ratios")):
        lines = [line.get_xdata()[0] for line in ax.lines]
        assert lines == [n for name in ("current", "proposed") for n in summary["anchors"][name][numbers]]
    assert recall.lines[0].get_ydata().tolist() == summary["anchors"]["current"]["recall"]
    assert figure.get_suptitle() == f"people: 4 photos, {summary['objects']} objects"
    picture = np.asarray(Image.open(tmp_path / "summary.png").convert("L"))
    assert picture.shape[1] == 1600 and picture.std() > 10


def test_no_objects(summary, tmp_path):
    bare = {**summary, "objects": 0, "anchors": None, "box_scale": None, "box_ratio": None,
            "classes": [{**entry, "objects": 0} for entry in summary["classes"]]}
    figure = plot_data_summary(bare, tmp_path / "summary.png")
    assert sum("no objects" in texts(ax) for ax in figure.axes) == 5


def test_without_the_fit_of_anchors(summary, tmp_path):
    figure = plot_data_summary({**summary, "anchors": None}, tmp_path / "summary.png")
    *_, scales, ratios, recall = figure.axes
    assert texts(recall) == {"anchors were not compared"} and not len(scales.lines) and not len(ratios.lines)
    assert scales.get_xticks().size and scales.get_legend() is None


def test_classes_whose_masks_are_empty_are_told(summary, tmp_path, recwarn):
    shown = [entry for entry in summary["classes"] if entry["objects"]]
    for empty, said in ((shown[:2], "(without 2 whose masks are mostly empty)"), (shown, f"(without {len(shown)} ")):
        classes = [{**entry, "median_share": 0.0} if entry in empty else entry for entry in summary["classes"]]
        areas = plot_data_summary({**summary, "classes": classes}, tmp_path / "summary.png").axes[3]
        assert said in areas.get_title() and ("no objects" in texts(areas)) == (empty is shown)
    assert not len(recwarn)


def test_more_classes_than_there_is_room_for(summary, tmp_path):
    entry = {**summary["classes"][0], "median_share": 0.01}
    many = [{**entry, "name": f"class {i}", "objects": 1 + i} for i in range(200)]
    figure = plot_data_summary({**summary, "classes": many}, tmp_path / "summary.png")
    assert len(figure.axes[0].patches) == 60 and "class 199" in texts(figure.axes[0])
