"""The text and the figure hold the numbers of the diagnosis."""

import numpy as np
from made_traces import diagnosis, grid, trace

from mrcnn.evaluation.findings import find
from mrcnn.evaluation.funnel import STEPS
from mrcnn.evaluation.funnel_report import MOST_LINES, NOTHING_WRONG, WIDTH, diagnosis_figure, diagnosis_text


def rows(text):
    return [line.split() for line in text.splitlines()]


def half():
    """Ten objects of one photo, of which the last four have no detection; hats are 0, 3, 6, 9."""
    return diagnosis([trace(detected=grid(6))])


def test_the_text_has_every_step_and_the_classes_that_lose_most():
    made = half()
    text = diagnosis_text(made, find(made))
    assert "1 photo, 10 objects, canvas of 512 pixels" in text and "counts as through all before it" in text
    # All are medium: 64 x 64 pixels.
    assert ["objects", "in", "the", "data", "10", "100", "%", "100", "%"] in rows(text)
    assert ["a", "detection", "of", "IoU", "0.50,", "any", "class", "6", "60", "%", "4", "60", "%"] in rows(text)
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("class"))
    assert [line.split()[:3] for line in lines[start + 1:start + 4]] == [
        ["hat", "4", "2"], ["coat", "3", "2"], ["shoe", "3", "2"]]
    assert "a detection of IoU 0.50, any class (2)" in lines[start + 1]
    assert ["hits", *["0"] * 9, "6"] in rows(text)
    assert "FINDINGS\n1. 40 % of the objects (4) have a proposal" in text and "   -> train longer" in text
    assert max(map(len, lines)) <= WIDTH + 2 and len(lines) < 50


def test_nothing_wrong():
    assert diagnosis_text(diagnosis(), []).endswith(f"FINDINGS\n{NOTHING_WRONG}")


def test_many_classes_and_no_objects():
    made = diagnosis()
    made["classes"] = [{**made["classes"][0], "name": f"class{i}"} for i in range(MOST_LINES + 5)]
    assert "... 5 more, in diagnose.json" in diagnosis_text(made, [])
    empty = diagnosis([trace(0)])
    assert "with annotated objects: 0 of 1" in diagnosis_text(empty, find(empty))
    assert diagnosis_figure(empty).get_axes()


def test_the_figure_draws_the_funnel_the_scores_and_the_classes():
    made = half()
    funnel, scores, classes = diagnosis_figure(made, "weights").get_axes()
    widths = [bar.get_width() for bar in funnel.patches]
    np.testing.assert_allclose(widths[:10], [1] * 5 + [0.6] * 5)
    np.testing.assert_allclose(widths[10:20], [0] * 5 + [0.4] + [0] * 4)  # lost here
    assert [text.get_text() for text in funnel.texts][4:6] == ["10", "6  (-4)"]
    np.testing.assert_array_equal(scores.patches[0].get_data().values, made["scores"]["hits"])
    shares = classes.images[0].get_array()
    assert shares.shape == (3, len(STEPS)) and shares[0, -1] == 0.5  # two of four hats
    assert [label.get_text() for label in classes.get_yticklabels()] == ["hat (4)", "coat (3)", "shoe (3)"]
