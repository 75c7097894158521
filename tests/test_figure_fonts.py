"""Figures of class names in any letters: a font of the system, or boxes that are told, and no words of matplotlib's."""

import io
import os
import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from rectangles import comparable

from mrcnn import fonts
from mrcnn.drawing.curves import plot_training_curves
from mrcnn.drawing.figures import display_images, display_instances
from mrcnn.evaluation import figures
from mrcnn.evaluation.evaluate import measure
from mrcnn.figure_fonts import BOX, fit_letters

SHOES, ARC = "\u978b\u5b50", "arc \u2313"  # Chinese; a sign that DejaVu Sans lacks and STIX has


@pytest.fixture(autouse=True)
def one_font(monkeypatch):
    stix = ("STIXGeneral", os.path.join(os.path.dirname(fonts.dejavu_path()), "STIXGeneral.ttf"))
    monkeypatch.setattr(fonts, "system_fonts", lambda: (stix,))
    monkeypatch.setattr(fonts, "_told", set())
    fonts.fonts_with.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    fonts.fonts_with.cache_clear()


def drawn(*names):
    figure = Figure()
    ax = figure.add_subplot()
    ax.set_title(names[0])
    ax.set_yticks(range(len(names)), names)
    ax.text(0.5, 0.5, names[-1])
    return figure, ax


def test_a_font_of_the_system_is_taken_for_the_letters_it_has():
    figure, ax = drawn(ARC, "coat", "\u043f\u043b\u0430\u0442\u044c\u0435")
    fit_letters(figure)
    figure.savefig(io.BytesIO())
    assert ax.title.get_fontfamily()[-1] == ax.get_yticklabels()[0].get_fontfamily()[-1] == "STIXGeneral"
    assert ax.title.get_text() == ARC and ax.get_yticklabels()[0].get_text() == ARC
    assert "STIXGeneral" not in ax.get_yticklabels()[2].get_fontfamily()


def test_letters_that_no_font_has_are_boxes_and_told_in_one_line():
    figure, ax = drawn(SHOES, "coat", f"{SHOES} (3)")
    with pytest.warns(UserWarning, match=f"^1 name is drawn as empty boxes.*of {SHOES}: install a font") as told:
        fit_letters(figure)
        figure.savefig(io.BytesIO())
    assert len(told) == 1
    assert [label.get_text() for label in ax.get_yticklabels()] == [2 * BOX, "coat", f"{2 * BOX} (3)"]
    fit_letters(figure)
    figure.savefig(io.BytesIO())


def test_figures_of_a_report_and_of_a_training_say_it_once(tmp_path):
    truth, results = comparable([[(1, 10, 10, 50, 50)]], [[(1, 10, 10, 50, 50)]])
    truth["categories"][0]["name"] = SHOES
    metrics = measure(truth, results)
    with pytest.warns(UserWarning, match="^1 name is drawn as empty boxes") as told:
        figures.png(figures.confusion_figure(metrics))
        figures.png(figures.class_curves_figure(metrics))
        stage = {"first_epoch": 0, "layers": SHOES, "learning_rate": 0.1}
        plot_training_curves({"loss": [1.0, 0.5]}, tmp_path / "curves.png", [stage])
    assert len(told) == 1


def test_figures_of_a_notebook_say_it_too(monkeypatch):
    monkeypatch.setattr(matplotlib.pyplot, "show", lambda: matplotlib.pyplot.gcf().canvas.draw())
    image, boxes = np.zeros((40, 50, 3), np.uint8), np.array([[5, 5, 30, 30], [6, 6, 30, 30]])
    with pytest.warns(UserWarning, match="^1 name is drawn as empty boxes") as told:
        display_instances(image, boxes, None, np.array([1, 1]), ["BG", SHOES])
        display_images([image], [SHOES])
    assert len(told) == 1
    matplotlib.pyplot.close("all")
