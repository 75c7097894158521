"""Tracks: numbers that stay through crossings, gaps and doubts, worked out by hand."""

import itertools

import numpy as np
import pytest

from mrcnn.inference.tracking import Track, Tracker, assigned, centre_and_extent, widened


def box(y, x, height=20, width=20):
    return [y, x, y + height, x + width]


def test_an_object_that_is_half_where_it_was_keeps_its_number():
    tracker = Tracker()
    assert tracker.update([box(0, 0)], [1], [0.9]).tolist() == [1]
    # 10 of 20 pixels on, then again 10, as foreseen.
    assert tracker.update([box(0, 10)], [1], [0.9]).tolist() == [1]
    assert tracker.update([box(0, 20)], [1], [0.9]).tolist() == [1]
    # Elsewhere it is another one.
    assert tracker.update([box(100, 100)], [1], [0.9]).tolist() == [2]


def test_numbers_stay_through_a_crossing():
    tracker = Tracker()
    for frame in range(12):  # one goes right, the other left; they meet in frames 5 and 6
        boxes = [box(40, 8 * frame), box(45, 90 - 8 * frame)]
        order = [0, 1] if frame % 2 else [1, 0]
        numbers = tracker.update([boxes[i] for i in order], [1, 1], [0.9, 0.9])
        # The order of the first frame is [1, 0]: the one that goes left is the first.
        assert numbers[order.index(1)] == 1 and numbers[order.index(0)] == 2
    assert tracker.count == 2


def test_numbers_stay_through_a_gap_in_which_the_object_moves_on():
    tracker = Tracker(unseen=3)
    for frame in range(4):
        tracker.update([box(0, 10 * frame)], [1], [0.9])
    for _ in range(3):
        tracker.update(np.zeros((0, 4)), [], [])
    # Four frames of 10 pixels after the last: 40 pixels, twice its width, from where it was seen last.
    assert tracker.update([box(0, 10 * 7)], [1], [0.9]).tolist() == [1]


def test_a_track_ends_when_its_object_was_unseen_for_longer():
    tracker = Tracker(unseen=2)
    tracker.update([box(0, 0)], [1], [0.9])
    for _ in range(2):
        tracker.update([], [], [])
    assert list(tracker.tracks) == [1]
    tracker.update([], [], [])
    assert not tracker.tracks
    assert tracker.update([box(0, 0)], [1], [0.9]).tolist() == [2]


def test_an_unsure_detection_goes_on_with_a_track_and_begins_none():
    tracker = Tracker(sure=0.7)
    assert tracker.update([box(0, 0), box(50, 50)], [1, 1], [0.9, 0.6]).tolist() == [1, 0]
    assert tracker.update([box(0, 1), box(50, 50)], [1, 1], [0.4, 0.6]).tolist() == [1, 0]
    tracker.update([], [], [])
    assert tracker.update([box(0, 2)], [1], [0.4]).tolist() == [0]  # unseen before: a doubt does not bring it back
    assert tracker.update([box(0, 2)], [1], [0.8]).tolist() == [1]


def test_a_coat_and_the_shirt_under_it_do_not_change_their_numbers():
    tracker = Tracker()
    for frame in range(10):  # nearly the same box, taking turns in which is a little larger, in changing order
        grown = frame % 2
        coat, shirt = [40 - grown, 40 - grown, 120 + grown, 80 + grown], [39 + grown, 41, 121 - grown, 79]
        boxes, classes = ([coat, shirt], [1, 2]) if grown else ([shirt, coat], [2, 1])
        numbers = dict(zip(classes, tracker.update(boxes, classes, [0.9, 0.9]).tolist()))
        assert numbers == {2: 1, 1: 2}  # the shirt came first


def test_the_class_is_voted_on_by_scores():
    tracker = Tracker()
    for class_id, score, expected in [(1, 0.8, 1), (2, 0.6, 1), (2, 0.7, 2), (1, 0.9, 1)]:
        # Sums of class 1 and 2: 0.8, 0; 0.8, 0.6; 0.8, 1.3; 1.7, 1.3.
        assert tracker.update([box(0, 0)], [class_id], [score]).tolist() == [1]
        assert tracker.tracks[1].class_id == expected


def test_the_line_of_a_track_is_that_of_least_squares():
    # Exact for as long as the gains are above their least values: up to three sightings (h = 6 / 12 = 0.5).
    places = [0.0, 3.0, 4.0]
    track = Track(1, *centre_and_extent(box(0, places[0])), {1: 0.9})
    for place in places[1:]:
        track.centre = track.centre + track.velocity
        track.see(box(0, place), 1, 0.9)
    slope, start = np.polyfit([0, 1, 2], [place + 10 for place in places], 1)
    np.testing.assert_allclose(track.centre, [10, start + 2 * slope])
    np.testing.assert_allclose(track.velocity, [0, slope], atol=1e-12)


def test_pairs_are_the_best_of_all_ways_to_pair():
    likeness = np.random.default_rng(3).random((4, 5))
    best = max(sum(likeness[row, column] for row, column in enumerate(columns))
               for columns in itertools.permutations(range(5), 4))
    pairs = assigned(likeness, 0)
    assert sum(likeness[pair] for pair in pairs) == pytest.approx(best)
    assert assigned(np.array([[0.19]]), 0.2) == [] and assigned(np.array([[0.2]]), 0.2) == [(0, 0)]


def test_a_margin_is_a_share_of_the_sides():
    assert widened(np.array([[0.0, 10.0, 20.0, 50.0]]), 0.5).tolist() == [[-10, -10, 30, 70]]


def test_a_small_object_that_jumps_further_than_its_own_side_keeps_its_number():
    tracker = Tracker()
    tracker.update([box(0, 0, 8, 8)], [1], [0.9])
    # 10 pixels on. With margins of its own sides both are 24 wide and share 14: IoU 14 / (24 + 24 - 14) = 0.41.
    assert tracker.update([box(0, 10, 8, 8)], [1], [0.9]).tolist() == [1]
    # 22 pixels from where it was foreseen: 24 wide boxes share 2, IoU 2 / 46, too little.
    assert tracker.update([box(0, 42, 8, 8)], [1], [0.9]).tolist() == [2]
