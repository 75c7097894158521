"""Near-duplicates among millions of photos, by the hashes that a collection keeps."""

import numpy as np

from mrcnn.data.curation.duplicates import DISTANCE, hash_groups

FEW = 20_000  # photos up to which every two are compared, within DISTANCE bits
BANDS = 4  # of 16 bits; two hashes that differ in less bits than there are bands agree in one of them
MANY = 10  # a tenth of all is looked at one by one
FAR = 2000  # neighbours in the order of a band that are looked at


def copy_leaders(hashes: np.ndarray) -> tuple[np.ndarray, int]:
    """Group photos that show the same picture.

    Up to FEW different hashes all are compared, within DISTANCE bits. Of more, those within BANDS - 1 bits are found:
    they share at least one of the bands of bits, and each band is sorted.

    Args:
        hashes: uint64 [M].

    Returns:
        (int64 [M]: the position of the first photo of each one's group, the most bits that neighbours differ in).
    """
    hashes = np.asarray(hashes, np.uint64)
    unique, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    if len(unique) <= FEW:
        return hash_groups(hashes), DISTANCE
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = [_edges(unique, band) for band in range(BANDS)]
    start, end = (np.concatenate(part) for part in zip(*edges))
    graph = coo_matrix((np.ones(len(start), bool), (start, end)), shape=(len(unique),) * 2)
    group = connected_components(graph, directed=False)[1]
    leaders = np.full(group.max() + 1, len(hashes))
    np.minimum.at(leaders, group, first)
    return leaders[group][inverse], BANDS - 1


def _edges(hashes, band):
    """(start, end): positions of hashes that share a band and differ in less than BANDS bits."""
    width = 64 // BANDS
    key = (hashes >> np.uint64(band * width)) & np.uint64((1 << width) - 1)
    order = np.argsort(key, kind="stable")
    key, ordered = key[order], hashes[order]
    starts, ends = [np.empty(0, int)], [np.empty(0, int)]
    active = None  # positions whose band agrees with that of `step` behind; all are looked at while they are many
    for step in range(1, min(FAR, len(hashes) - 1) + 1):
        if active is None:
            same = key[:-step] == key[step:]
            near = np.flatnonzero(same & (np.bitwise_count(ordered[:-step] ^ ordered[step:]) < BANDS))
            if np.count_nonzero(same) < len(hashes) // MANY:
                active = np.flatnonzero(same)
        else:
            active = active[active + step < len(hashes)]
            active = active[key[active] == key[active + step]]
            near = active[np.bitwise_count(ordered[active] ^ ordered[active + step]) < BANDS]
            if not len(active):
                break
        starts.append(order[near])
        ends.append(order[near + step])
    return np.concatenate(starts), np.concatenate(ends)
