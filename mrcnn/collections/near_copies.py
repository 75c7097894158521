"""Near-duplicates among millions of photos, by the hashes and thumbnails that a collection keeps.

A hash is of grey values: a shirt has one hash in all its colours. So copies have like thumbnails too.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from mrcnn.data.curation.duplicates import DISTANCE

SIDE = 4  # cells of a thumbnail in each direction
# Of stored Lab values, 0..255, to units of CIELAB. Lightness counts half: brightened photos are copies.
UNITS = np.array([0.5 * 100 / 255, 1, 1], np.float32)
LOOKED_AT_FIRST = (5, 10, 3)  # cells; mostly these tell two pictures apart, in the middle above all
UNLIKE = 10  # units that a cell of another picture differs in; copies of photos 20 % brighter or darker mostly by less
FEW = 20_000  # photos up to which every two are compared, within DISTANCE bits
BITS = 3  # of more photos, hashes within these are found
BANDS = 5  # of bits; two hashes that differ in BITS agree in two of them
MANY = 10  # a tenth of all is looked at one by one
FAR = 2000  # neighbours in the order of a band that are looked at, and photos of one's hash where LOOKS are used up
LOOKS = 10 ** 9  # pairs of photos that are looked at: half a minute
BLOCK = 1 << 16  # thumbnails that are compared at once
BY_GREY = ("keep no thumbnails, as earlier versions wrote none: near-copies among them are known by grey values alone, "
           "so that one garment in several colours may be taken for one picture; label the photos anew in a new folder")


def thumbnail(image: np.ndarray) -> str:
    """The mean colours of SIDE x SIDE parts of a photo, row by row: three bytes each of 8-bit Lab, in hexadecimal.

    Args:
        image: uint8 [H, W, 3] RGB.
    """
    import cv2

    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2LAB).tobytes().hex()


def cells_of(thumbnails: Sequence[str | None]) -> np.ndarray:
    """The cells of thumbnails: uint8 [N, SIDE * SIDE, 3] Lab; zeros, which no colour has, where there is none."""
    cells = np.zeros((len(thumbnails), SIDE * SIDE, 3), np.uint8)
    held = [place for place, text in enumerate(thumbnails) if text]
    data = bytes.fromhex("".join(thumbnails[place] for place in held))
    cells[held] = np.frombuffer(data, np.uint8).reshape(-1, SIDE * SIDE, 3)
    return cells


def same_pictures(hashes: np.ndarray, cells: np.ndarray, own_hash: int, own_cells: np.ndarray) -> np.ndarray:
    """Whether photos show the same picture as one.

    Args:
        hashes: uint64 [N].
        cells: uint8 [N, SIDE * SIDE, 3]; what has no thumbnail is known by its hash alone.
        own_hash, own_cells: of the one.

    Returns:
        bool [N].
    """
    near = np.bitwise_count(hashes ^ np.uint64(own_hash)) <= DISTANCE
    near[near] = _like(cells[near], own_cells)
    return near


def _like(cells, others):
    """Whether no cell is of another colour, bool [N]; true where there is no thumbnail."""
    distance = (((cells.astype(np.float32) - others) * UNITS) ** 2).sum(axis=-1).max(axis=-1)
    return (distance <= UNLIKE ** 2) | ~cells.any(axis=(-1, -2)) | ~others.any(axis=(-1, -2))


def _like_pairs(cells, first, second):
    """`_like` of the cells at two lists of places."""
    parts = [_like(cells[first[start:start + BLOCK]], cells[second[start:start + BLOCK]])
             for start in range(0, len(first), BLOCK)]
    return np.concatenate([np.empty(0, bool), *parts])


def copy_leaders(hashes: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Group photos that show the same picture: each is near the first one of its group, not only near another.

    Up to FEW photos all are compared, within DISTANCE bits. Of more, those within BITS are found, by bands of bits
    that they share. Not all others are looked at where more than FAR hashes share two bands with one, nor where LOOKS
    are used up, as by a hundred thousand pictures of one hash in different colours.

    Args:
        hashes: uint64 [M].
        cells: uint8 [M, SIDE * SIDE, 3], as `cells_of` gives them.

    Returns:
        (int64 [M]: the position of the first photo of each one's group, the most bits that it differs in from that
        one, number of photos of which not all others were looked at).
    """
    hashes = np.asarray(hashes, np.uint64)
    if len(hashes) > FEW:
        leaders, crowded = _leaders_of_many(hashes, cells)
        return leaders, BITS, crowded
    leaders, means = np.arange(len(hashes)), _means(cells)
    for place in range(len(hashes)):
        if leaders[place] == place:
            near = np.bitwise_count(hashes[place + 1:] ^ hashes[place]) <= DISTANCE
            _lead(place, place + 1 + np.flatnonzero(near), leaders, cells, means)
    return leaders, DISTANCE, 0


def _lead(place, later, leaders, cells, means):
    """Make a photo the leader of those behind it that have none yet and are like it. later: positions of near hashes"""
    later = later[leaders[later] == later]
    # What differs more in its mean differs more in a cell; NaN, of no thumbnail, does not.
    for values in means:  # one number first: it leaves few
        later = later[~(np.abs(values[later] - values[place]) > UNLIKE + 0.01)]
    later = later[~(((means[:, later] - means[:, place, None]) ** 2).sum(axis=0) > (UNLIKE + 0.01) ** 2)]
    for cell in LOOKED_AT_FIRST:
        later = later[_like(cells[later, cell:cell + 1], cells[place, cell:cell + 1])]
    leaders[later[_like(cells[later], cells[place])]] = place


def _leaders_of_many(hashes, cells):
    """(leaders, number of photos of which not all others were looked at)."""
    unique, first, inverse, counts = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
    near, ends, passed = _near_hashes(unique)
    crowded = passed[inverse]
    # Where no other hash is near, those like its first photo are its copies; mostly these are all, and need no search.
    leaders, heads, alone = np.arange(len(hashes)), first[inverse], (np.diff(ends) == 1)[inverse]
    follow = np.flatnonzero(alone & (heads != leaders))
    follow = follow[_like_pairs(cells, follow, heads[follow])]
    leaders[follow] = heads[follow]
    settled = np.bincount(inverse[follow], minlength=len(unique)) == counts - 1
    members, starts = np.argsort(inverse, kind="stable"), np.concatenate([[0], np.cumsum(counts)])
    means, left = _means(cells), LOOKS
    for place in np.flatnonzero(~(alone & settled[inverse])).tolist():
        if leaders[place] != place:
            continue
        own = inverse[place]
        others = near[ends[own]:ends[own + 1]]
        begin, sizes = starts[others], counts[others]
        total = int(sizes.sum())
        if total > max(left, FAR):
            after = starts[own] + np.searchsorted(members[starts[own]:starts[own + 1]], place) + 1
            later, crowded[place] = members[after:min(after + FAR, starts[own + 1])], True
        else:
            later, left = members[np.repeat(begin + sizes - np.cumsum(sizes), sizes) + np.arange(total)], left - total
        _lead(place, later[later > place], leaders, cells, means)
    return leaders, int(np.count_nonzero(crowded))


def _means(cells):
    """The mean colours of thumbnails in units, float32 [3, N]; NaN where there is none."""
    means = cells.mean(axis=1, dtype=np.float32) * UNITS
    means[~cells.any(axis=(1, 2))] = np.nan
    return np.ascontiguousarray(means.T)


def _near_hashes(hashes):
    """The hashes within BITS of each of some that all differ, itself among them, by the bands of bits that they share.

    Returns:
        (their positions, those of all hashes one behind the other; where those of each begin, and the end; whether
        not all others were looked at).
    """
    borders = [64 * band // BANDS for band in range(BANDS + 1)]
    masks = [((1 << end) - 1) ^ ((1 << start) - 1) for start, end in itertools.pairwise(borders)]
    itself, passed = np.arange(len(hashes)), np.zeros(len(hashes), bool)
    pairs = [itself * len(hashes) + itself]
    for one, other in itertools.combinations(masks, BANDS - BITS):
        first, second, more = _near_pairs(hashes, np.uint64(one | other))
        pairs += [first * len(hashes) + second, second * len(hashes) + first]
        passed[more] = True
    first, second = np.divmod(np.unique(np.concatenate(pairs)), len(hashes))
    return second, np.searchsorted(first, np.arange(len(hashes) + 1)), passed


def _near_pairs(hashes, mask):
    """(positions, positions) of hashes within BITS that agree in a mask; positions of those of which more than FAR do.
    """
    key = hashes & mask
    order = np.argsort(key, kind="stable")
    key, ordered = key[order], hashes[order]
    firsts, seconds = [np.empty(0, int)], [np.empty(0, int)]
    active = None  # positions whose band agrees with that of `step` behind; all are looked at while they are many
    for step in range(1, min(FAR, len(hashes) - 1) + 1):
        if active is None:
            same = key[:-step] == key[step:]
            near = np.flatnonzero(same & (np.bitwise_count(ordered[:-step] ^ ordered[step:]) <= BITS))
            if np.count_nonzero(same) < len(hashes) // MANY:
                active = np.flatnonzero(same)
        else:
            active = active[active + step < len(hashes)]
            active = active[key[active] == key[active + step]]
            near = active[np.bitwise_count(ordered[active] ^ ordered[active + step]) <= BITS]
            if not len(active):
                break
        firsts.append(order[near])
        seconds.append(order[near + step])
    return np.concatenate(firsts), np.concatenate(seconds), order[np.flatnonzero(key[:-FAR - 1] == key[FAR + 1:])]
