"""Which photos to label next: the numbers by hand, and the order of photos in a plane."""

import numpy as np
import pytest

from mrcnn.data.curation.suggest import choose, class_weights, directions, rarity_of, uncertainty_of


def test_uncertainty_by_hand():
    # 1 - |2 * 0.5 - 1| = 1, 1 - |2 * 0.9 - 1| = 0.2, 1 - |2 * 0.2 - 1| = 0.4: the mean is 1.6 / 3.
    assert uncertainty_of([0.5, 0.9, 0.2]) == pytest.approx(1.6 / 3)
    assert uncertainty_of([]) == 0 and uncertainty_of([1.0]) == 0


def test_rarity_by_hand():
    weights = class_weights([99, 24, 3])
    assert weights == pytest.approx([0.2, 0.4, 1])  # sqrt(4 / 100), sqrt(4 / 25), sqrt(4 / 4)
    assert class_weights([0, 0]).tolist() == [1, 1]
    value, place = rarity_of([0.9, 0.4, 0.3], [1, 2, 3], weights)
    assert value == pytest.approx(0.3) and place == 2  # 0.18, 0.16 and 0.3
    assert rarity_of([], [], weights) == (0.0, None)


def test_directions_forget_strength():
    away = directions(np.array([[1.0, 2], [3, 2], [2, 12]]) + 100)
    assert np.linalg.norm(away, axis=1) == pytest.approx([1, 1, 1])
    assert directions(np.ones((3, 2))).tolist() == [[0, 0]] * 3


def test_the_farthest_comes_first_and_of_twins_one():
    # Around the labelled photo, whose direction is east; the mean of all is 0.
    labelled = np.array([[2.0, 0]])
    photos = np.array([[1.0, 0.1], [-1.5, 0], [-1.5, 0], [0, 1], [0, -1.1]])
    chosen = choose(photos, [0] * 5, [0] * 5, 5, labelled)
    assert chosen[0].index in (1, 2) and chosen[0].distance == 1 and chosen[0].nearest == 0
    assert {one.index for one in chosen[1:3]} == {3, 4}  # north and south
    twin = chosen[-1]
    assert twin.index in (1, 2) and twin.distance == 0 and twin.value == 0
    assert twin.nearest == 1 + chosen[0].index  # counted behind the labelled photo


def test_what_a_model_is_unsure_of_wins_over_what_is_as_far():
    photos = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    chosen = choose(photos, [0, 0, 1, 0], [0, 0, 0, 0.5], 2)
    assert [one.index for one in chosen] == [2, 3]
    assert chosen[0].value == pytest.approx(2 / 3) and chosen[0].nearest is None and chosen[0].distance == 1
    # South is twice as far from north as from east and west, and as far as there is anything.
    assert chosen[1].value == pytest.approx(1.5 / 3) and chosen[1].nearest == 2


def test_no_more_than_there_are():
    assert len(choose(np.eye(3), [0] * 3, [0] * 3, 50)) == 3
    [alone] = choose(np.ones((1, 4)), [0.3], [0.6], 5, np.ones((2, 4)))
    assert alone.index == 0 and alone.value == 0  # the same as what is labelled
