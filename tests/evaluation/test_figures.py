"""The figures hold the numbers that they are drawn from."""

import io

import numpy as np
import pytest
from PIL import Image
from rectangles import comparable

from mrcnn.evaluation import figures
from mrcnn.evaluation.evaluate import measure

A, B = (1, 10, 10, 50, 50), (2, 60, 10, 80, 30)


@pytest.fixture(scope="module")
def metrics():
    """Two classes: both objects found, one by a classification error too, and one false detection."""
    detections = [[A, B, (2, 10, 12, 50, 52), (1, 60, 60, 90, 90)]]
    return measure(*comparable([[A, B]], detections, [[0.9, 0.8, 0.6, 0.3]]))


def empty():
    return measure(*comparable([[]], [[A]]))


def lines_of(ax):
    return {line.get_label(): line.get_xydata() for line in ax.get_lines()}


def test_precision_recall_curves_are_drawn_as_they_are(metrics):
    masks, boxes = figures.precision_recall_figure(metrics).axes
    for kind, ax in (("segm", masks), ("bbox", boxes)):
        line = lines_of(ax)[f"IoU 0.50: AP50 {metrics[kind]['AP50']:.3f}"]
        np.testing.assert_allclose(line[:, 1], metrics["curves"][kind]["mean"]["AP50"])
        np.testing.assert_allclose(line[:, 0], np.arange(101) / 100)
        assert ax.get_xlabel() == "recall" and ax.get_ylabel() == "precision"


def test_each_class_with_objects_has_a_curve(metrics):
    axes = figures.class_curves_figure(metrics).axes
    titles = [ax.get_title() for ax in axes]
    assert len(titles) == 2 and all("1 object" in title and "1 objects" not in title for title in titles)
    aps = [entry["segm"]["AP"] for entry in metrics["classes"]]
    assert titles[0].startswith(metrics["classes"][int(np.argmax(aps))]["name"])  # the best first
    assert figures.class_curves_figure(empty()).axes == []


def test_the_threshold_figure_marks_the_best(metrics):
    ax, = figures.threshold_figure(metrics).axes
    best = metrics["best"]
    mark = lines_of(ax)[f"best F1 {best['F1']:.3f} at {best['threshold']:.2f}"]
    np.testing.assert_allclose(mark, [[best["threshold"], best["F1"]]])
    assert best["F1"] == max(metrics["thresholds"]["overall"]["F1"])


@pytest.mark.parametrize("of, last", [("of_objects", "row"), ("of_detections", "column")])
def test_the_confusion_figure_writes_percent_with_the_background_last(of, last):
    # Two objects of class 1, one found, one missed; one detection of class 2 where nothing is.
    truth, detections = [[A, (1, 55, 55, 95, 95)]], [[A, (2, 60, 10, 80, 30)]]
    metrics = measure(*comparable(truth, detections), score_threshold=0.5)
    ax = figures.confusion_figure(metrics, of).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["class 10", "class 20", "background"]
    written = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in ax.texts}
    if of == "of_objects":  # rows: class 1 half found, half missed; the background's only detection is of class 2
        assert written == {(0, 0): "50", (0, 2): "50", (2, 1): "100"}
    else:
        assert written == {(0, 0): "100", (2, 1): "100", (0, 2): "100"}
    assert f"Each {last} is 100 %" in ax.get_title()


@pytest.mark.parametrize("of, expected", [
    ("of_truth", {(0, 0): "75", (0, 2): "25", (2, 2): "90", (2, 1): "10"}),
    ("of_labels", {(0, 0): "100", (0, 2): "18", (2, 2): "82", (2, 1): "100"}),
])
def test_the_confusion_figure_of_pixels(of, expected):
    """Of 8 pixels of a coat 6 are right and 2 background; of 10 of background 9 are right, and one is called a bag."""
    classes = [{"name": name} for name in ("BG", "a$b", "c")]
    metrics = {"confusion": [[9, 0, 1], [2, 6, 0], [0, 0, 0]], "classes": classes}
    ax = figures.pixel_confusion_figure(metrics, of).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == [r"a\$b", "c", "BG"]
    written = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in ax.texts}
    assert written == expected


@pytest.mark.parametrize("of_pixels", [False, True])
def test_of_many_classes_those_with_the_most_errors_are_drawn(of_pixels, monkeypatch):
    monkeypatch.setattr(figures, "MOST_DRAWN", 3)
    counts = np.diag([0, 9, 9, 9, 9, 9])
    counts[1, 5], counts[3, 0] = 4, 2  # class 1 is taken for 5, and of 3 two are missed
    names = ["BG", *"abcde"]
    if of_pixels:
        metrics = {"confusion": counts.tolist(), "classes": [{"name": name} for name in names]}
        ax = figures.pixel_confusion_figure(metrics).axes[0]
    else:
        metrics = {"confusion": {"of_objects": np.zeros((6, 6)).tolist(), "counts": counts.tolist(), "names": names,
                                 "score_threshold": 0.5}}
        ax = figures.confusion_figure(metrics).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "c", "e", "BG"]
    file = "pixels.json" if of_pixels else "curves.json"
    assert f"the 3 of 5 classes with the most errors; {file} has all" in ax.get_title()


def test_of_many_classes_the_curves_of_both_ends_are_drawn(monkeypatch):
    monkeypatch.setattr(figures, "MOST_DRAWN", 4)
    curve = dict.fromkeys(figures.CURVES, [1.0, 0.5])
    metrics = {"curves": {"segm": {"recall": [0, 1], "classes": [curve] * 7}},
               "classes": [{"name": f"c{i}", "objects": 1, "segm": {"AP": i / 10}} for i in range(7)]}
    figure = figures.class_curves_figure(metrics)
    assert [ax.get_title().split("\n")[0] for ax in figure.axes] == ["c6", "c5", "c1", "c0"]
    assert figure.get_supxlabel() == "the 2 best and the 2 worst of 7 classes; curves.json has all"


def test_the_errors_figure_counts(metrics):
    cost, count = figures.errors_figure(metrics).axes
    causes = metrics["errors"]["segm"]["causes"]
    widths = [bar.get_width() for bar in count.containers[0]]
    assert widths == [value["count"] for value in causes.values()]
    widths = [bar.get_width() for bar in cost.containers[0]]
    np.testing.assert_allclose(widths, [value["dAP"] for value in causes.values()])


def test_a_gain_that_is_not_known_is_a_dash():
    """The one object is missed: without it nothing is left to measure. The detection of nothing costs no AP50."""
    metrics = measure(*comparable([[A]], [[(1, 60, 60, 90, 90)]]))
    cost = figures.errors_figure(metrics).axes[0]
    causes = list(metrics["errors"]["segm"]["causes"])
    told = [text.get_text() for text in cost.texts]
    assert told == 2 * ["\u2013" if cause == "missed" else "0.000" for cause in causes]


def test_nothing_true_is_drawn_and_said():
    metrics = empty()
    figure = figures.precision_recall_figure(metrics)
    assert figure.axes[0].texts[0].get_text() == "no true objects"
    for draw in (figures.threshold_figure, figures.confusion_figure, figures.errors_figure):
        assert figures.png(draw(metrics))[:4] == b"\x89PNG"


def test_what_is_written_lies_within_the_picture():
    """A white frame: neither the names of the classes nor the titles are cut off."""
    names = [f"a class of a long name, number {i}" for i in range(22)]
    truth, results = comparable([[(k + 1, 10, 10, 50, 50) for k in range(22)]], [[A]], category_ids=range(22))
    for category, name in zip(truth["categories"], names):
        category["name"] = name
    metrics = measure(truth, results)
    for figure in (figures.confusion_figure(metrics), figures.class_curves_figure(metrics),
                   figures.errors_figure(metrics), figures.threshold_figure(metrics),
                   figures.precision_recall_figure(metrics)):
        pixels = np.asarray(Image.open(io.BytesIO(figures.png(figure))).convert("L"))
        for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
            assert (edge == 255).all()
