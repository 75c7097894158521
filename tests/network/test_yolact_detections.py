"""YOLACT's detections by hand, fast and greedy."""

import numpy as np
import pytest
from keras import ops

from mrcnn.network.yolact_detections import YolactDetections

WINDOW = [0, 0, 100, 100]


def detect(boxes, scores, count=5, candidates=6, fast=True, least=0.1, window=WINDOW):
    """What is found of anchors that say of themselves scores [A, C-1]."""
    scores = np.asarray(scores, "float32")
    rest = 1 - scores.sum(axis=1, keepdims=True)
    logits = np.log(np.maximum(np.concatenate([rest, scores], axis=1), 1e-9)).astype("float32")
    layer = YolactDetections(count, candidates, 0.5, [0.1, 0.1, 0.2, 0.2], fast)
    found = layer({name: ops.convert_to_tensor(value) for name, value in {
        "logits": logits[None], "deltas": np.zeros((1, len(boxes), 4), "float32"),
        "anchors": np.asarray(boxes, "float32"), "window": np.array([window], "float32"),
        "min_confidence": np.array([least], "float32"),
    }.items()})
    return {name: ops.convert_to_numpy(value)[0] for name, value in found.items()}


CHAIN = [[0, 0, 10, 10], [0, 2, 10, 12], [0, 4, 10, 14]]  # each overlaps the next by 8/12, the outer two by 6/14


@pytest.mark.parametrize("fast,kept", [(True, [0]), (False, [0, 2])])
def test_only_in_the_fast_form_suppressed_boxes_suppress(fast, kept):
    found = detect(CHAIN, [[0.9], [0.8], [0.7]], fast=fast)
    assert found["anchor"][found["valid"]].tolist() == kept
    np.testing.assert_allclose(found["scores"][: len(kept)], [[0.9, 0.8, 0.7][i] for i in kept], atol=1e-5)
    assert not found["scores"][len(kept):].any() and not found["boxes"][len(kept):].any()


@pytest.mark.parametrize("fast", [True, False])
def test_classes_do_not_suppress_each_other_and_one_anchor_may_be_of_two(fast):
    found = detect([CHAIN[0], CHAIN[1], [50, 50, 70, 70]], [[0.55, 0.4], [0.1, 0.85], [0.0, 0.05]], fast=fast)
    rows = list(zip(found["class_ids"], np.round(found["scores"], 2), found["anchor"]))
    # Of class 2 the second anchor suppresses the first one's 0.4; of class 1 it is the other way round.
    assert rows[:2] == [(2, np.float32(0.85), 1), (1, np.float32(0.55), 0)] and found["valid"].sum() == 2


def test_boxes_are_cut_to_the_photo_and_those_outside_are_dropped():
    found = detect([[-5, -5, 20, 20], [40, 90, 60, 120], [30, 101, 40, 110]], [[0.9], [0.8], [0.95]])
    assert found["boxes"][found["valid"]].tolist() == [[0, 0, 20, 20], [40, 90, 60, 100]]


def test_the_best_candidates_of_a_class_are_looked_at():
    boxes = [[10 * i, 0, 10 * i + 9, 9] for i in range(10)]
    scores = np.linspace(0.2, 0.9, 10)[:, None]
    assert detect(boxes, scores, count=9, candidates=4)["anchor"].tolist() == [9, 8, 7, 6, 0, 0, 0, 0, 0]
    assert detect(boxes, scores, count=3, candidates=4)["valid"].tolist() == [True] * 3
    assert detect(boxes, scores, count=12, candidates=30, least=0.85)["valid"].sum() == 1
