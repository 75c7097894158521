"""Lift against its definition, its interval against repeated draws; itemsets against all subsets."""

import itertools

import numpy as np
import pytest

from mrcnn.collections.chance import itemsets, lift


def test_lift_is_by_definition_and_independent_things_have_1():
    ratio, low, high = lift(np.array([30, 12]), [np.array([60, 40]), np.array([100, 30])], 200)
    np.testing.assert_allclose(ratio, [30 * 200 / (60 * 100), 12 * 200 / (40 * 30)])
    assert (low < ratio).all() and (ratio < high).all() and low[0] < 1 < high[0]


@pytest.mark.parametrize("probabilities", [
    (0.1, 0.2, 0.15, 0.55), (0.02, 0.05, 0.05, 0.88), (0.4, 0.2, 0.3, 0.1)])
def test_the_interval_of_a_pair_holds_the_true_lift_in_95_of_100_draws(probabilities):
    both, first, second, _ = probabilities
    truth = both / ((both + first) * (both + second))
    draws = np.random.default_rng(0).multinomial(2000, probabilities, 4000)
    _, low, high = lift(draws[:, 0], [draws[:, 0] + draws[:, 1], draws[:, 0] + draws[:, 2]], 2000)
    assert 0.93 < ((low < truth) & (truth < high)).mean() < 0.97


def test_the_interval_of_a_triple_holds_the_true_lift_in_95_of_100_draws():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.full(8, 3.0))
    has = np.array(list(itertools.product((0, 1), repeat=3)), bool)
    draws = rng.multinomial(3000, probabilities, 4000)

    def count(*things):
        return draws[:, has[:, list(things)].all(axis=1)].sum(axis=1)

    single = [probabilities[has[:, k]].sum() for k in range(3)]
    truth = probabilities[-1] / np.prod(single)
    ratio, low, high = lift(count(0, 1, 2), [count(k) for k in range(3)], 3000, [count(0, 1), count(0, 2), count(1, 2)])
    np.testing.assert_allclose(ratio.mean(), truth, rtol=0.02)
    assert 0.93 < ((low < truth) & (truth < high)).mean() < 0.97


def test_itemsets_are_those_that_all_subsets_give():
    rng = np.random.default_rng(2)
    sets = {}
    for _ in range(300):
        worn = tuple(name for name in "abcdef" if rng.random() < 0.5)
        sets[worn] = sets.get(worn, 0) + 1
    sets.pop((), None)
    expected = {}
    for size in range(2, 6):
        for things in itertools.combinations("abcdef", size):
            count = sum(number for worn, number in sets.items() if set(things) <= set(worn))
            if count >= 60:
                expected[things] = count
    assert dict(itemsets(sets, 60)) == expected and len(expected) > 5


def test_of_sets_with_the_same_outfits_the_largest_is_told():
    assert itemsets({("a", "b", "c"): 7, ("a",): 5, ("b", "d"): 1}, 2) == [(("a", "b", "c"), 7)]


def test_distinct_outfits_are_gone_through_once_and_not_for_every_candidate():
    class Outfit(tuple):
        times = 0

        def __iter__(self):
            self.times += 1
            return super().__iter__()

    sets = {Outfit("abcde"): 9, Outfit("abc"): 8, Outfit("bd"): 7}
    assert len(itemsets(sets, 5, longest=3)) > 5
    assert max(outfit.times for outfit in sets) <= 1
