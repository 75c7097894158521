"""How much more often things are worn together than chance would have it, with its interval of confidence."""

from collections.abc import Iterable, Sequence

import numpy as np

Z = 1.959964  # of 95 %


def lift(together: np.ndarray, single: Sequence[np.ndarray], total: int,
         pairs: Sequence[np.ndarray] = ()) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare how often things are worn together with what independence would give.

    The interval is of the logarithm by the delta method on the multinomial of the outfits: with p the share that wears
    all, p_i and p_ij those that wear one and two of k things, the variance of log(p / prod p_i) is
    (1/p - sum 1/p_i + 2 sum p_ij/(p_i p_j) - (k - 1)^2) / total. It is too narrow below some five outfits together.

    Args:
        together: [N] outfits with all of the things.
        single: k arrays [N]: outfits with each of them.
        total: outfits.
        pairs: for more than two things: [N] outfits with each two of them, in the order 01, 02, 12.

    Returns:
        (lift, its lower and its upper bound at 95 %), float [N] each.
    """
    shares = [np.asarray(count, float) / total for count in single]
    both = np.asarray(together, float) / total
    ratio = both / np.prod(shares, axis=0)
    if len(shares) == 2:
        twos = [ratio]
    else:
        of = [(i, j) for i in range(len(shares)) for j in range(i + 1, len(shares))]
        twos = [np.asarray(count, float) / total / (shares[i] * shares[j])
                for count, (i, j) in zip(pairs, of, strict=True)]
    variance = (1 / both - sum(1 / share for share in shares) + 2 * sum(twos) - (len(shares) - 1) ** 2) / total
    width = np.exp(Z * np.sqrt(np.maximum(variance, 0)))
    return ratio, ratio / width, ratio * width


def itemsets(sets: dict[tuple[str, ...], int], least: int, longest: int = 5) -> list[tuple[tuple[str, ...], int]]:
    """Find what is often worn together, by Apriori (Agrawal and Srikant 1994).

    Args:
        sets: {sorted things of an outfit: outfits with exactly these}.
        least: outfits that an itemset must be in.
        longest: most things of an itemset.

    Returns:
        [(things, outfits that wear at least these)] of two things and more, in descending order of outfits. Of a
        set and a larger one with the same outfits only the larger is there.
    """
    counts, places = np.array(list(sets.values()), np.int64), {}
    for place, things in enumerate(sets):
        for name in things:
            places.setdefault(name, []).append(place)
    worn = {}  # {name: bool, whether each distinct outfit has it}
    for name, own in places.items():
        if counts[own].sum() >= least:
            worn[name] = np.zeros(len(counts), bool)
            worn[name][own] = True
    found, level = {}, {(name,): None for name in worn}
    for size in range(2, longest + 1):
        level = {things: count for things in _candidates(level, size)
                 if (count := _support(things, worn, counts)) >= least}
        for things, count in level.items():
            for dropped in range(size):
                smaller = things[:dropped] + things[dropped + 1:]
                if found.get(smaller) == count:
                    del found[smaller]
        found.update(level)
    return sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))


def _candidates(level: Iterable[tuple[str, ...]], size: int):
    """Sets of a size all of whose subsets of one thing less are in a level."""
    known = set(level)
    names = sorted({name for things in known for name in things})
    for things in sorted(known):
        for name in names:
            wider = (*things, name)
            if name > things[-1] and all(wider[:i] + wider[i + 1:] in known for i in range(size)):
                yield wider


def _support(things, worn, counts):
    return int(counts[np.logical_and.reduce([worn[name] for name in things])].sum())
