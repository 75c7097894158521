"""The figures of an evaluation as text."""

import math

from mrcnn.evaluation.tables import class_table


def entry(name, value, objects=3):
    numbers = dict.fromkeys(("AP", "AP50", "AP75"), value)
    return {"name": name, "objects": objects, "detections": 2, "segm": numbers, "bbox": numbers, "best": None}


def test_a_class_without_ap_is_neither_best_nor_worst():
    lines = class_table({"classes": [entry("coat", 0.5), entry("hat", math.nan, 0), entry("shoe", 0.2)]}).splitlines()
    assert lines[1].startswith("coat") and lines[1].endswith("best")
    assert lines[2].startswith("shoe") and lines[2].endswith("worst")
    assert lines[3].endswith("left out of every mean: hat")
    of_crowds = class_table({"classes": [entry("coat", 0.5), entry("hat", math.nan), entry("shoe", 0.2)]})
    assert of_crowds.splitlines() == lines
