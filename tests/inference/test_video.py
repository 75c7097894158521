"""Following a film: numbers, voted classes and smoothed masks of a model whose results are known."""

from types import SimpleNamespace

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.inference.video import Follower, Labelling


class Plan:
    """A model that finds one object a frame, as planned: (class id, score, mask probabilities [2, 2]) or None."""

    def __init__(self, *plan):
        self.plan, self.asked = list(plan), []

    def detect(self, images, rle, mask_probabilities, min_confidence):
        self.asked.append(min_confidence)
        return [self.result(self.plan.pop(0)) for _ in images]

    def result(self, planned):
        found = [] if planned is None else [planned]
        return {"boxes": np.float32([[0, 0, 8, 8]] * len(found)).reshape(-1, 4), "rles": [None] * len(found),
                "class_ids": np.array([one[0] for one in found], int), "scores": np.float32([one[1] for one in found]),
                "mask_probabilities": np.float32([one[2] for one in found]).reshape(-1, 2, 2)}


FRAME = np.zeros((8, 12, 3), np.uint8)


def uniform(value):
    """A mask that is as probable everywhere."""
    return [[value, value], [value, value]]


def areas(frames):
    return [[int(run_lengths.areas([one["rle"]])[0]) for one in objects] for objects in frames]


def test_masks_are_the_running_mean_over_frames():
    # 0.9; then 0.5 0.9 + 0.5 0.2 = 0.55, in; then 0.5 0.55 + 0.5 0.2 = 0.375, out; a gap; then 0.2 alone, out.
    model = Plan((1, 0.9, uniform(0.9)), (1, 0.9, uniform(0.2)), (1, 0.9, uniform(0.2)), None, (1, 0.9, uniform(0.2)),
                 (1, 0.9, uniform(0.9)))
    follower = Follower(model, sure=0.7)
    # The last: 0.5 0.2 + 0.5 0.9 = 0.55, in.
    assert areas(follower.follow([FRAME] * 6)) == [[64], [64], [0], [], [0], [64]]
    assert model.asked == [0.35]  # unsure ones too


def test_without_smoothing_each_mask_is_as_it_is_found():
    model = Plan((1, 0.9, uniform(0.9)), (1, 0.9, uniform(0.2)), (1, 0.9, uniform(0.6)))
    assert areas(Follower(model, 0.7, smoothing=0).follow([FRAME] * 3)) == [[64], [0], [64]]


def test_objects_carry_number_voted_class_and_the_score_of_the_frame():
    model = Plan((1, 0.9, uniform(1)), (2, 0.8, uniform(1)), (2, 0.75, uniform(1)))
    follower = Follower(model, 0.7)
    frames = [*follower.follow([FRAME]), *follower.follow([FRAME, FRAME])]
    told = [(one["track"], one["class_id"], round(one["score"], 2)) for objects in frames for one in objects]
    assert told == [(1, 1, 0.9), (1, 1, 0.8), (1, 2, 0.75)]  # 0.9 against 0.8, then 0.9 against 1.55
    assert follower.seen == {1: 2}


class Described(Plan):
    """Plans with scores of two attributes behind."""

    config = SimpleNamespace(ATTRIBUTE_MIN_CONFIDENCE=0.5)

    def result(self, planned):
        told = {"attribute_scores": np.float32([planned[3]]), "attribute_names": ["red", "old"]}
        return {**super().result(planned), **told}


def test_attributes_are_the_mean_over_the_sightings_as_the_voted_class():
    plan = [(1, 0.9, uniform(1), (0.9, 0.0)), (1, 0.6, uniform(1), (0.4, 0.9)), (2, 0.8, uniform(1), (0.0, 1.0))]
    frames = Follower(Described(*plan), 0.5).follow([FRAME] * 3)
    told = [{name: round(score, 4) for name, score in objects[0]["attributes"].items()} for objects in frames]
    # red: (0.9 * 0.9 + 0.6 * 0.4) / 1.5 = 0.7; old: 0.6 * 0.9 / 1.5 = 0.36, not told. Seen as class 2 it is not asked.
    assert told == [{"red": 0.9}, {"red": 0.7}, {"red": 0.7}]
    assert frames[2][0]["class_id"] == 1


def test_masks_of_ended_tracks_are_let_go():
    follower = Follower(Plan((1, 0.9, uniform(1)), None, None), 0.7, unseen=1)
    follower.follow([FRAME] * 3)
    assert not follower._masks and not follower.tracker.tracks


def test_label_maps_are_those_of_the_model():
    class Labels:
        def label_each(self, images, probabilities):
            assert not probabilities
            return ({"labels": np.full(image.shape[:2], 3, np.uint8)} for image in images)

    (labels,) = Labelling(Labels()).follow([FRAME])
    assert labels.shape == (8, 12) and (labels == 3).all()
