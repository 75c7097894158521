"""Near-duplicates of many photos, against every two compared."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.collections import near_copies
from mrcnn.data.curation.duplicates import hash_groups, perceptual_hash

COLOURS = {"red": (200, 40, 50), "green": (40, 130, 70), "blue": (50, 90, 170), "black": (30, 30, 30),
           "brown": (112, 76, 50), "purple": (118, 66, 140)}
SHIRT = np.array([[140, 60], [60, 130], [95, 165], [120, 140], [120, 340], [280, 340], [280, 140], [305, 165],
                  [340, 130], [260, 60], [200, 90]], np.int32)


def by_hash(hashes):
    """What `copy_leaders` says of photos without thumbnails."""
    return near_copies.copy_leaders(hashes, near_copies.cells_of([None] * len(hashes)))


def by_picture(images):
    """What `copy_leaders` says of pictures."""
    cells = near_copies.cells_of([near_copies.thumbnail(image) for image in images])
    return near_copies.copy_leaders(np.array([perceptual_hash(image) for image in images]), cells)[0].tolist()


def shirt(colour):
    return cv2.fillPoly(np.full((400, 400, 3), 255, np.uint8), [SHIRT], COLOURS[colour])


def test_many_hashes_have_the_groups_that_comparing_all_gives(monkeypatch):
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 600, dtype=np.uint64)
    for number in range(0, 300, 3):  # copies of 0 to 4 bits, of which those of 4 are too far
        bits = rng.choice(64, number // 3 % 5, replace=False).astype(np.uint64)
        hashes[number + 1] = hashes[number] ^ np.bitwise_or.reduce(np.uint64(1) << bits, initial=np.uint64(0))
    hashes[400:480] = hashes[400] & np.uint64(0xFFFF) | (hashes[400:480] & ~np.uint64(0xFFFF))  # one band in common
    expected = hash_groups(hashes, 3)
    for few, many in ((0, 10**9), (0, 1)):  # one by one at once; all at once to the end
        monkeypatch.setattr(near_copies, "FEW", few)
        monkeypatch.setattr(near_copies, "MANY", many)
        leaders, bits, crowded = by_hash(hashes)
        np.testing.assert_array_equal(leaders, expected)
        assert bits == 3 and crowded == 0
    assert 60 < (expected != np.arange(600)).sum() < 100


def test_few_hashes_are_compared_within_six_bits():
    leaders, bits, _ = by_hash(np.array([1, 2**40 - 1, 1 | 0b1111100000], np.uint64))
    assert leaders.tolist() == [0, 1, 0] and bits == 6


@pytest.mark.parametrize("few, between, far", [(9, 0b111111, 0b111111111111), (0, 0b111, 0b111111)])
def test_a_copy_is_near_the_first_of_its_group_not_only_near_another_copy(monkeypatch, few, between, far):
    monkeypatch.setattr(near_copies, "FEW", few)
    assert by_hash(np.array([0, between, far, far, between], np.uint64))[0].tolist() == [0, 0, 2, 2, 0]


@pytest.mark.parametrize("few", [100, 0])
def test_one_shirt_in_six_colours_is_six_pictures_and_copies_of_each_are_one(monkeypatch, few):
    monkeypatch.setattr(near_copies, "FEW", few)
    shirts = [shirt(colour) for colour in COLOURS]
    hashes = np.array([perceptual_hash(image) for image in shirts])
    assert max(np.bitwise_count(hashes ^ hashes[0])) <= 3  # so the hash alone takes them for one
    assert len(set(by_hash(hashes)[0])) == 1
    assert by_picture(shirts) == list(range(6))
    small = [cv2.resize(image, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA) for image in shirts]
    assert by_picture([*shirts, *small, *shirts]) == [*range(6)] * 3


@pytest.mark.parametrize("way", ["recompressed", "rescaled", "brighter", "darker"])
def test_copies_of_a_photo_are_one_picture(way):
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (300, 200, 3)).astype(np.uint8), (0, 0), 20).astype(float)
    image = np.clip((image - image.mean()) * 12 + 120, 0, 200).astype(np.uint8)
    held = io.BytesIO()
    Image.fromarray(image).save(held, "JPEG", quality=20)
    other = {"recompressed": np.asarray(Image.open(held)), "rescaled": cv2.resize(image, (61, 90)),
             "brighter": (image * 1.2).astype(np.uint8), "darker": (image * 0.8).astype(np.uint8)}[way]
    assert by_picture([image, other]) == [0, 0]


def test_pairs_are_found_where_many_share_sixteen_bits():
    hashes = np.random.default_rng(3).integers(0, 2**63, 21_000, dtype=np.uint64) << np.uint64(16)
    hashes[20_000:20_100] = hashes[:100] ^ np.uint64(2**63 | 2**40 | 2**20)
    leaders, bits, crowded = by_hash(hashes)
    assert (leaders[20_000:20_100] == np.arange(100)).all() and (bits, crowded) == (3, 0)


def test_how_many_photos_were_not_held_against_all_others_is_told(monkeypatch):
    monkeypatch.setattr(near_copies, "FEW", 0)
    monkeypatch.setattr(near_copies, "FAR", 5)
    assert by_hash(np.arange(16, dtype=np.uint64) << np.uint64(60))[2] == 16 - 6


def crowd(count):
    """(hashes, cells) of pictures with one cut and a few bits at the border, in any colours; some of them copies."""
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2, (count, 8), dtype=np.uint64) << np.arange(3, 51, 6, dtype=np.uint64)
    cells = np.tile(np.array([255, 128, 128], np.uint8), (count, 16, 1))
    cells[:, 5:11] = rng.integers(40, 215, (count, 1, 3)) // 8 * 8
    cells[::50] = 0  # no thumbnails
    hashes, copies = np.bitwise_or.reduce(bits, axis=1), rng.integers(0, count, count)
    return np.concatenate([hashes, hashes[copies]]), np.concatenate([cells, cells[copies]])


def test_a_crowd_of_like_hashes_has_the_groups_that_comparing_all_gives(monkeypatch):
    """Thumbnails are compared once for two photos at most, and only those that are alike in the whole."""
    hashes, cells = crowd(1000)
    monkeypatch.setattr(near_copies, "DISTANCE", near_copies.BITS)
    expected = np.arange(len(hashes))
    for place in range(len(hashes)):
        if expected[place] == place:
            near = np.flatnonzero(near_copies.same_pictures(hashes, cells, hashes[place], cells[place]))
            expected[near[(near > place) & (expected[near] == near)]] = place
    assert 300 < len(np.unique(expected)) < 1000
    compared, real = [], near_copies._like
    monkeypatch.setattr(near_copies, "_like", lambda cells, others: compared.append(len(cells)) or real(cells, others))
    for few in (len(hashes), 0):
        monkeypatch.setattr(near_copies, "FEW", few)
        leaders, _, crowded = near_copies.copy_leaders(hashes, cells)
        np.testing.assert_array_equal(leaders, expected)
        assert crowded == 0 and sum(compared) < len(hashes) ** 2 // 20
        compared.clear()


def test_copies_that_are_like_another_picture_than_their_hash_s_first_are_one(monkeypatch):
    """A is like B and B like C, but not A like C: A takes B, and all of C are one picture."""
    a, b = 0b1000, 0b1001
    cells = np.full((5, 16, 3), 128, np.uint8)
    cells[:, :, 0] = np.array([100, 140, 180, 180, 180])[:, None]
    monkeypatch.setattr(near_copies, "FEW", 0)
    assert near_copies.copy_leaders(np.array([a, b, b, b, b]), cells)[0].tolist() == [0, 0, 2, 2, 2]


def test_looks_that_are_used_up_are_told(monkeypatch):
    for name, value in {"FEW": 0, "FAR": 2, "LOOKS": 16}.items():
        monkeypatch.setattr(near_copies, name, value)
    cells = np.zeros((8, 16, 3), np.uint8)
    cells[:, :, 1] = np.array([10, 50, 90, 130, 170, 210, 50, 210])[:, None]
    leaders, _, crowded = near_copies.copy_leaders(np.zeros(8, int), cells)
    assert (leaders.tolist(), crowded) == ([0, 1, 2, 3, 4, 5, 1, 5], 4)
