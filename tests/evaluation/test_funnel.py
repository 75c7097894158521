"""Made-up objects with a known loss at every step."""

import dataclasses

import numpy as np
import pytest
from made_traces import NAMES, NOBODY, grid, settings, trace

from mrcnn.data.curation.anchor_fit import best_overlaps
from mrcnn.evaluation import funnel
from mrcnn.evaluation.funnel import STEPS, box_pairs, highest_overlaps, measure, step_tests
from mrcnn.network.anchors import anchor_shapes, level_anchors


def passed(measured):
    return {step["key"]: step["passed"] for step in measured["steps"]}


def lost(measured):
    return {step["key"]: step["lost"] for step in measured["steps"] if step["lost"]}


# --- Overlaps --------------------------------------------------------------------------------------------------------


def test_highest_overlaps_by_hand_and_block_by_block(monkeypatch):
    boxes = [[0, 0, 10, 10], [50, 50, 60, 60], [0, 0, 0, 5]]
    # Shifted by half: 50 / 150. Twice as high: 100 / 200. The second box is met by none, the third has no area.
    candidates = [[0, 5, 10, 15], [0, 0, 20, 10], [100, 100, 110, 110]]
    np.testing.assert_allclose(highest_overlaps(boxes, candidates), [0.5, 0, 0])
    np.testing.assert_allclose(highest_overlaps(boxes, candidates[:1]), [1 / 3, 0, 0])
    assert highest_overlaps(boxes, []).tolist() == [0, 0, 0] and highest_overlaps([], candidates).shape == (0,)
    many = np.random.default_rng(0).uniform(0, 100, (200, 2)).repeat(2, axis=1) + [[0, 0, 30, 20]]
    whole = highest_overlaps(boxes, many)
    monkeypatch.setattr(funnel, "BLOCK", 20)  # 6 candidates at a time
    np.testing.assert_array_equal(highest_overlaps(boxes, many), whole)


def test_overlaps_with_all_anchors_are_those_of_the_nearest_ones():
    # anchor_fit knows the answer without the grid: an independent way to the same numbers.
    config = settings()
    boxes = np.array([[10, 20, 50, 90], [100, 100, 110, 130], [200, 0, 500, 400]], float)
    shapes = [anchor_shapes(scale, config.RPN_ANCHOR_RATIOS) for scale in config.RPN_ANCHOR_SCALES]
    anchors = np.concatenate([np.asarray(level_anchors(512 // stride, 512 // stride, stride, shape))
                              for stride, shape in zip(config.BACKBONE_STRIDES, shapes)])
    expected = best_overlaps(boxes, np.full((3, 2), 512), config)
    np.testing.assert_allclose(highest_overlaps(boxes, anchors), expected, rtol=1e-4)


def test_pairs_fall_in_score_and_know_crowds():
    detected = [[0, 0, 10, 10], [0, 0, 10, 20]]
    pairs = box_pairs([[0, 0, 10, 10]], [2], [[0, 0, 10, 10]], [1], detected, [2, 1], [0.3, 0.8])
    assert pairs.scores.tolist() == [0.8, 0.3] and pairs.classes.tolist() == [1, 2] and pairs.results.tolist() == [1, 0]
    np.testing.assert_allclose(pairs.overlaps, [[0.5], [1]])
    np.testing.assert_allclose(pairs.crowd_overlaps, [[0.5], [1]])  # the share of the detection, not an IoU


# --- The funnel ------------------------------------------------------------------------------------------------------


def staircase():
    """A photo of 11 objects: object i fails the test of step i + 1 and of all later ones, the last none."""
    boxes = grid(11)
    boxes[0, 3] = boxes[0, 1] + 0.5  # under a pixel wide
    anchors = [0, 0.3, 0.6, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    proposals = [0] * 4 + [0.6] * 7
    detected = boxes[5:]  # detections of objects 5 to 10
    return trace(boxes=boxes, classes=[0] * 11, anchors=anchors, proposals=proposals, first_proposals=proposals,
                 detected=detected, said=[1, 0, 0, 0, 0, 0], scores=[0.9, 0.01, 0.3, 0.8, 0.9, 0.95],
                 masks=[0.9, 0.9, 0.9, 0.4, 0.9, 0.9])


def test_one_object_is_lost_at_every_step():
    measured = measure([staircase()], NAMES, settings())
    # 11 objects; pixels, near_anchor, anchor, proposal, detection, class, low_score, score and mask lose one each.
    assert [step["passed"] for step in measured["steps"]] == [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]
    assert lost(measured) == dict.fromkeys(STEPS[1:], 1)
    assert measured["classes"][0] == {"name": "hat", "objects": 11, "passed": [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]}
    assert measured["classes"][1] == {"name": "coat", "objects": 0, "passed": [0] * 10}


def test_a_later_step_makes_up_for_an_earlier_one():
    made = trace(4, anchors=[0.1, 0.1, 0.9, 0.9], proposals=[0.9, 0.1, 0.1, 0.9], detected=grid(1))
    measured = measure([made], NAMES, settings())
    # The first is found by a detection, in spite of its anchor; the others come to nothing, an anchor, a proposal.
    assert passed(measured) == {"data": 4, "pixels": 4, "near_anchor": 3, "anchor": 3, "proposal": 2, "detection": 1,
                                "class": 1, "low_score": 1, "score": 1, "mask": 1}
    own = {step["key"]: step["own"] for step in measured["steps"]}
    assert own["anchor"] == 2 and own["proposal"] == 2


def test_only_confident_detections_of_the_class_count_for_masks():
    made = trace(1, detected=[grid(1)[0]] * 2, said=[0, 0], scores=[0.9, 0.4], masks=[0.2, 0.9])
    # The good mask is that of the unsure one.
    assert step_tests(made, settings())[:, 0].tolist() == [True] * 9 + [False]
    assert step_tests(made, settings(DETECTION_MIN_CONFIDENCE=0.3))[-1, 0]


def test_sizes_are_cocos():
    made = trace(4, areas=[32**2 - 1, 32**2, 96**2 - 1, 96**2], detected=grid(2))
    measured = measure([made], NAMES, settings())
    assert measured["sizes"] == {"small": 1, "medium": 2, "large": 1}
    assert measured["steps"][-1]["sizes"] == {"small": 1, "medium": 1, "large": 0}


def test_photos_are_added_up():
    one, other = staircase(), trace(3)
    measured = measure([one, other], NAMES, settings())
    assert measured["photos"] == 2 and measured["objects"] == 14 and measured["steps"][-1]["passed"] == 2 + 3
    assert [entry["objects"] for entry in measured["classes"]] == [12, 1, 1]


def test_photos_without_objects_and_no_photos():
    empty = trace(boxes=np.zeros((0, 4)), detected=grid(2), said=[0, 1], scores=[0.3, 0.9])
    measured = measure([empty], NAMES, settings())
    assert measured["objects"] == 0 and set(passed(measured).values()) == {0}
    assert measured["scores"]["shown"] == 1 and sum(measured["scores"]["false_alarms"]) == 2
    assert measured["scores"]["best"] is None and measured["anchors"]["recall"]["0.50"] is None
    assert measure([], NAMES, settings())["photos"] == 0


# --- Each stage ------------------------------------------------------------------------------------------------------


def test_why_anchors_miss():
    # The smallest anchor is 32: a square under 32 * sqrt(0.5) = 22.6 has IoU under 0.5 with it. The largest is 512, so
    # 724 is the end. Of a ratio over 2 / 0.5 = 4 there is no shape: 1 x 5.
    boxes = [[0, 0, 22, 22], [0, 0, 23, 23], [0, 0, 730, 730], [0, 0, 60, 300], [0, 0, 64, 64]]
    made = trace(boxes=boxes, anchors=[0.4, 0.4, 0.4, 0.4, 0.9], proposals=[0.1] * 4 + [0.9], canvas=(768, 768),
                 detected=boxes[4:], said=[1])
    anchors = measure([made], NAMES, settings())["anchors"]
    assert (anchors["small"], anchors["large"], anchors["long"]) == (1, 1, 1)
    assert anchors["recall"] == {"0.50": 0.2, "0.70": 0.2}
    assert anchors["lost_side"] == pytest.approx((23 + np.sqrt(60 * 300)) / 2)  # the median of 22, 23, 134 and 730
    assert anchors["proposed"]["recall"] > 0.5 and len(anchors["proposed"]["scales"]) == 5
    assert measure([trace()], NAMES, settings())["anchors"]["proposed"] is None


def test_recall_of_proposals():
    made = trace(4, anchors=[0.8, 0.8, 0.6, 0.2], proposals=[0.5, 0.9, 0.4, 0.9], first_proposals=[0.4, 0.9, 0.4, 0.1])
    proposals = measure([made, trace(0, proposal_count=1000)], NAMES, settings())["proposals"]
    assert proposals == {"number": 650, "full": 1, "recall": 0.75, "recall_first": 0.25, "recall_fitted": 1,
                         "recall_half": 0}


def test_scores_of_hits_and_false_alarms():
    boxes = grid(3)
    detected = [boxes[0], boxes[0], boxes[1], [400, 400, 450, 450]]
    # A second detection of the same hat is a false alarm, and so is a coat where a shoe is.
    made = trace(boxes=boxes, classes=[0, 2, 1], detected=detected, said=[0, 0, 1, 0], scores=[0.92, 0.61, 0.33, 0.04])
    scores = measure([made], NAMES, settings())["scores"]
    assert np.flatnonzero(scores["hits"]).tolist() == [18]  # bins of 0.05: 0.92 lies in 0.90..0.95
    assert np.flatnonzero(scores["false_alarms"]).tolist() == [0, 6, 12]
    assert scores["highest_hit"] == scores["highest"] == pytest.approx(0.92) and scores["shown"] == 1
    # One of three objects is found by one detection: recall 1/3, F1 2 / (1 + 3).
    assert scores["at"] == {"threshold": 0.7, "F1": 0.5, "precision": 1.0, "recall": pytest.approx(1 / 3)}
    assert scores["best"]["F1"] == 0.5


def test_what_lies_in_a_crowd_is_no_false_alarm():
    pairs = box_pairs(*NOBODY, [[0, 0, 100, 100]], [0], [[0, 0, 60, 100]], [0], [0.9])
    made = dataclasses.replace(trace(0), pairs=pairs, mask_overlaps=np.zeros((1, 0)))
    assert sum(measure([made], NAMES, settings())["scores"]["false_alarms"]) == 0  # 0.6 of it lies in the crowd
    free = dataclasses.replace(made, pairs=dataclasses.replace(pairs, crowd_overlaps=np.array([[0.4]])))
    assert sum(measure([free], NAMES, settings())["scores"]["false_alarms"]) == 1


def test_confusions_are_those_of_objects_not_shown():
    boxes = grid(4)
    detected = [*boxes, boxes[1], boxes[2]]
    # 0 is right. 1 is a shoe of 0.8 and a coat of 0.3: taken for another. 2 is a shoe of 0.9, and a hat of 0.8 that is
    # shown all the same. 3 is a class that the data has not.
    made = trace(boxes=boxes, classes=[0, 1, 0, 2], detected=detected, said=[0, 2, 2, -1, 1, 0],
                 scores=[0.9, 0.8, 0.9, 0.7, 0.3, 0.8])
    measured = measure([made], NAMES, settings())
    assert measured["confusions"] == [["coat", "shoe", 1], ["shoe", "another of its classes", 1]]
    assert measured["called"] == [2, 1, 2]


def test_masks_are_judged_whatever_the_score():
    made = trace(4, scores=[0.9, 0.1, 0.1, 0.1], masks=[0.9, 0.9, 0.4, 0.1])
    assert measure([made], NAMES, settings())["masks"] == {"right": 4, "good": 2}


def test_limits():
    full = trace(5, scores=[0.9, 0.9, 0.9, 0.9, 0.1])
    config = settings(DETECTION_MAX_INSTANCES=4, MAX_GT_INSTANCES=3)
    measured = measure([full, trace(3)], NAMES, config)
    assert measured["full"] == 1 and measured["crowded"] == {"photos": 1, "objects": 2, "most": 5}
    assert measure([full], NAMES, settings(DETECTION_MAX_INSTANCES=5))["full"] == 0  # four of five are sure


def test_objects_that_suppression_takes():
    # Two coats of 64 x 64, shifted by 10: IoU 54 / 74 = 0.73; a hat on the same place is another class.
    boxes = [[0, 0, 64, 64], [0, 10, 64, 74], [0, 10, 64, 74]]
    made = trace(boxes=boxes, classes=[1, 1, 0], detected=[[0, -21, 64, 43]], said=[1])
    assert lost(measure([made], NAMES, settings()))["detection"] == 2
    assert measure([made], NAMES, settings())["overlapping"] == 1
    assert measure([made], NAMES, settings(DETECTION_NMS_THRESHOLD=0.75))["overlapping"] == 0
