"""The distance of two answers that are tables of objects."""

from types import SimpleNamespace

import numpy as np
import pytest
from object_tables import answer

from mrcnn.config import Config
from mrcnn.export.object_outputs import ObjectOutputs, chosen_points, differences


def test_objects_in_another_order_do_not_differ():
    one = answer((0, 1, 0.9, 0.2), (50, 1, 0.8, 0.5), (0, 2, 0.7, 1.0))
    other = answer((50, 1, 0.8, 0.5), (0, 2, 0.7, 1.0), (0, 1, 0.9, 0.2))
    assert differences(one, other, 0.5) == {"boxes": 0, "scores": 0, "masks": 0}


def test_each_output_has_its_own_distance():
    # The box moved by 3 pixels (IoU 17 / 23), the score fell by 0.1, every mask value by 0.25.
    distances = differences(answer((0, 1, 0.9, 1.0)), answer((3, 1, 0.8, 0.75)), 0.5)
    assert distances == pytest.approx({"boxes": 3, "scores": 0.1, "masks": 0.25}, abs=1e-6)


@pytest.mark.parametrize("swapped", [False, True])
def test_an_object_that_one_side_lacks_counts_by_its_score_above_the_threshold(swapped):
    both, one = answer((0, 1, 0.9, 1), (50, 1, 0.6, 1)), answer((0, 1, 0.9, 1))
    pair = (one, both) if swapped else (both, one)
    assert differences(*pair, 0.5)["scores"] == pytest.approx(0.1)  # 0.6 - 0.5
    assert differences(*pair, 0.6)["scores"] == pytest.approx(0, abs=1e-6)  # a rounding away from not being there


def test_an_object_of_another_class_or_elsewhere_is_another_object():
    assert differences(answer((0, 1, 0.9, 1)), answer((0, 2, 0.9, 1)), 0.5)["scores"] == pytest.approx(0.4)
    # 12 of 20 rows apart: IoU 8 / 32.
    assert differences(answer((0, 1, 0.9, 1)), answer((12, 1, 0.9, 1)), 0.5)["scores"] == pytest.approx(0.4)


def test_the_last_row_of_a_full_table_may_be_another_object_of_the_same_score():
    one = answer((0, 1, 0.9, 1), (50, 1, 0.7, 1), rows=2)
    other = answer((0, 1, 0.9, 1), (99, 1, 0.7, 1), rows=2)
    assert differences(one, other, 0.1)["scores"] == pytest.approx(0)


def test_attributes_have_a_distance_where_there_are_any():
    ours, theirs = answer((0, 1, 0.9, 1)), answer((0, 1, 0.9, 1))
    ours["attributes"] = np.zeros((len(ours["valid"]), 2))
    theirs["attributes"] = ours["attributes"] + np.where(ours["valid"], 0.25, 9)[:, None]  # padding does not count
    assert differences(ours, theirs, 0.5)["attributes"] == pytest.approx(0.25)
    about = {"thresholds": {"score": 0.5}, "canvas": {"height": 64, "width": 64}}
    each = ObjectOutputs().distances(ours, theirs, about)
    checked = {"pictures": 1, **ObjectOutputs().summary([each], about)}
    assert checked["largest_difference"] == pytest.approx(0.25)
    assert ", attributes 0.25; " in ObjectOutputs().in_words(checked)
    one = answer((0, 1, 0.9, 1))
    plain = {"pictures": 1, **ObjectOutputs().summary([ObjectOutputs().distances(one, one, about)], about)}
    assert "attributes" not in ObjectOutputs().in_words(plain)


ABOUT = {"thresholds": {"score": 0.5}, "canvas": {"height": 64, "width": 64}}
CHOOSING = {**ABOUT, "settings": {"MASK_HEAD": "points", "POINT_HEAD_INFERENCE_POINTS": 25}}


def checked_of(expected, outputs, about=CHOOSING):
    told = ObjectOutputs()
    return {"pictures": 1, **told.summary([told.distances(expected, outputs, about)], about)}


def swapped(objects, cells, difference=0.3):
    """Two answers of objects whose masks of 49 cells are one half; in the second that many of the last are others."""
    ours, theirs = (answer(*((50 * i, 1, 0.9, 0.5) for i in range(objects)), rows=objects) for _ in range(2))
    theirs["masks"].reshape(objects, -1)[-1, :cells] += difference
    return ours, theirs


def test_cells_that_a_tie_of_the_point_head_swapped_are_left_out_and_told():
    ours, theirs = swapped(10, 5)  # 2 % of 10 times 25 points
    ours["attributes"] = np.zeros((10, 2))
    theirs["attributes"] = ours["attributes"] + np.array([[0]] * 9 + [[0.005]])  # they look at where the mask is
    checked = checked_of(ours, theirs)
    assert checked["mask_cells_left_out"] == 5 and checked["largest_difference"] == checked["masks"] == 0
    assert ", without 5 cells of masks, where rounding chose other points" in ObjectOutputs().in_words(checked)
    for about in (ABOUT, {**CHOOSING, "quantized": "int8"}):  # without a choice no tie explains them
        assert checked_of(ours, theirs, about)["masks"] == pytest.approx(0.3)
    same = checked_of(ours, ours)
    assert "mask_cells_left_out" not in same and "cells" not in ObjectOutputs().in_words(same)


@pytest.mark.parametrize("objects, cells, difference", [
    (9, 5, 0.3),  # more than 2 % of the points
    (60, 13, 0.3),  # 0.9 % of the points, but a quarter of one mask, and more
    (10, 5, np.nan),
    (10, 5, 3.0),  # no probability
])
def test_what_no_tie_explains_is_found(objects, cells, difference):
    checked = checked_of(*swapped(objects, cells, difference))
    assert "mask_cells_left_out" not in checked
    assert checked["largest_difference"] == (np.inf if np.isnan(difference) else pytest.approx(difference))


def test_more_cells_than_ties_explain_are_told():
    told = ObjectOutputs().in_words(checked_of(*swapped(9, 5)))
    assert ", 5 cells of masks are apart" in told and "photos with more objects" in told


def test_attributes_are_left_out_only_where_cells_are_and_near():
    ours, theirs = swapped(10, 5)
    ours["attributes"], theirs["attributes"] = np.zeros((10, 2)), np.zeros((10, 2))
    for row, value in ((9, 0.02), (0, 0.005)):  # far; of an object whose cells are the same
        theirs["attributes"][:] = 0
        theirs["attributes"][row, 1] = value
        assert checked_of(ours, theirs)["attributes"] == pytest.approx(value)


def test_nothing_is_chosen_where_all_cells_are_predicted():
    assert chosen_points(CHOOSING, 49) == 25 and chosen_points(CHOOSING, 25) == 0
    assert chosen_points({"settings": {"MASK_HEAD": "plain", "POINT_HEAD_INFERENCE_POINTS": 25}}, 49) == 0


def test_what_is_no_number_is_infinitely_far():
    broken = answer((0, 1, 0.9, np.nan))
    assert differences(answer((0, 1, 0.9, 1)), broken, 0.5)["masks"] == np.inf


def test_agreement_is_the_share_of_objects_that_both_find():
    # Of two and two objects one is shared: 1 of 3.
    one, other = answer((0, 1, 0.9, 1.0), (50, 1, 0.8, 1.0)), answer((0, 1, 0.9, 1.0), (90, 1, 0.8, 1.0))
    about = {"thresholds": {"score": 0.5}, "canvas": {"height": 100, "width": 100}}
    outputs = ObjectOutputs()
    checked = {"pictures": 1, **outputs.summary([outputs.distances(one, other, about)], about)}
    assert checked["agreement"] == pytest.approx(1 / 3)
    assert outputs.in_words(checked).endswith("33.3% of the objects of either are found by both")
    same = {"pictures": 1, **outputs.summary([outputs.distances(one, one, about)], about)}
    assert same["agreement"] == 1 and "either" not in outputs.in_words(same)


def test_the_least_score_of_an_attribute_is_told_where_there_are_any():
    assert "attribute" not in ObjectOutputs().facts(Config())["thresholds"]
    facts = ObjectOutputs().facts(Config(ATTRIBUTES=["long"], ATTRIBUTE_MIN_CONFIDENCE=0.4))
    assert facts["thresholds"]["attribute"] == 0.4 and facts["attribute_names"] == ["long"]


def test_what_is_done_beside_the_file_is_told():
    shapes = {name: np.zeros((1, *value.shape)) for name, value in answer().items()}
    model = SimpleNamespace(config=Config(NUM_CLASSES=2), inference_model=SimpleNamespace(output=shapes))
    assert ObjectOutputs().notes(model.config) == [] and ObjectOutputs().facts(model.config)["mask_scores"] is False
    assert ObjectOutputs().described(model, (1, 64, 64))["scores"]["meaning"] == "0..1"
    model.config.set(MASK_SCORES=True, TEST_FLIP=True)
    views, masks = ObjectOutputs().notes(model.config)
    assert views.startswith("TEST_FLIP: the file looks at each photo once") and "--set TEST_FLIP=true" in views
    assert masks.startswith("MASK_SCORES: the file's scores do not count the masks yet")
    assert ObjectOutputs().facts(model.config)["mask_scores"] is True
    assert "multiplied with the mean" in ObjectOutputs().described(model, (1, 64, 64))["scores"]["meaning"]
