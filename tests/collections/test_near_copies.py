"""Near-duplicates of many photos, against every two compared."""

import numpy as np

from mrcnn.collections import near_copies


def test_many_hashes_have_the_groups_that_comparing_all_gives(monkeypatch):
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 600, dtype=np.uint64)
    for number in range(0, 300, 3):  # copies of 0 to 4 bits, of which those of 4 are too far
        bits = rng.choice(64, number // 3 % 5, replace=False).astype(np.uint64)
        hashes[number + 1] = hashes[number] ^ np.bitwise_or.reduce(np.uint64(1) << bits, initial=np.uint64(0))
    hashes[400:480] = hashes[400] & np.uint64(0xFFFF) | (hashes[400:480] & ~np.uint64(0xFFFF))  # one band in common
    expected = near_copies.hash_groups(hashes, 3)
    for few, many in ((0, 10**9), (0, 1)):  # one by one at once; all at once to the end
        monkeypatch.setattr(near_copies, "FEW", few)
        monkeypatch.setattr(near_copies, "MANY", many)
        leaders, bits = near_copies.copy_leaders(hashes)
        np.testing.assert_array_equal(leaders, expected)
        assert bits == 3
    assert 60 < (expected != np.arange(600)).sum() < 100


def test_few_hashes_are_compared_within_six_bits():
    leaders, bits = near_copies.copy_leaders(np.array([1, 2**40 - 1, 1 | 0b1111100000], np.uint64))
    assert leaders.tolist() == [0, 1, 0] and bits == 6
