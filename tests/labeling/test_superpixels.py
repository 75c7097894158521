"""Superpixels: votes, adjacency and merging, by hand on photos of a few plain fields."""

import numpy as np
import pytest

from mrcnn.labeling.superpixels import adjacent_pairs, merge_superpixels, superpixel_vote, superpixels


def fields():
    """Four plain fields of 20x30 pixels: two nearly the same red above, green and blue below."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:20, :30], image[:20, 30:] = (200, 30, 30), (203, 30, 30)
    image[20:, :30], image[20:, 30:] = (30, 200, 30), (30, 30, 200)
    return image


@pytest.mark.parametrize("method", ["felzenszwalb", "slic"])
def test_superpixels_keep_to_the_edges_of_the_photo(method):
    """Each superpixel lies in one field, the two reds taken for one; numbers run from 0 without a gap."""
    image = fields()
    segments = superpixels(image, method, size=6000)  # 60 pixels at this photo's size
    assert set(np.unique(segments)) == set(range(segments.max() + 1))
    colours = np.array([0, 0, 1, 2])[(np.arange(40)[:, None] >= 20) * 2 + (np.arange(60) >= 30)]
    for number in range(segments.max() + 1):
        assert len(np.unique(colours[segments == number])) == 1


def test_the_size_of_superpixels_grows_with_the_photo():
    """Twice the sides, four times the pixels: as many superpixels."""
    image = np.random.default_rng(0).integers(0, 255, (10, 15, 3)).astype(np.uint8)
    small, large = np.repeat(np.repeat(image, 12, 0), 12, 1), np.repeat(np.repeat(image, 24, 0), 24, 1)
    counts = [superpixels(photo, "slic", 1000).max() + 1 for photo in (small, large)]
    assert counts[0] > 50 and counts[1] == pytest.approx(counts[0], rel=0.1)


def test_a_vote_by_hand(monkeypatch):
    """One superpixel of four pixels, three of them sure (1) and one not (0): the mean is 3/4. With half a share the
    pixels have (1 + 3/4) / 2 = 7/8 and (0 + 3/4) / 2 = 3/8; with a whole share all have 3/4."""
    segments = np.zeros((2, 4), int)
    segments[:, 2:] = 1
    monkeypatch.setattr("mrcnn.labeling.superpixels.superpixels", lambda image, method, size: segments)
    sure = np.array([[1, 1, 0, 0], [1, 0, 0, 0]], np.float32)
    probabilities = np.stack([1 - sure, sure], axis=-1)
    half = superpixel_vote(np.zeros((2, 4, 3), np.uint8), probabilities, share=0.5)
    np.testing.assert_allclose(half[..., 1], [[0.875, 0.875, 0, 0], [0.875, 0.375, 0, 0]])
    whole = superpixel_vote(np.zeros((2, 4, 3), np.uint8), probabilities, share=1)
    np.testing.assert_allclose(whole[..., 1], [[0.75, 0.75, 0, 0], [0.75, 0.75, 0, 0]])
    np.testing.assert_allclose(half.sum(axis=2), 1)


def test_a_vote_moves_labels_to_the_edge_of_the_photo():
    """The network's border lies three columns off that of the fields below; the superpixels are right."""
    probabilities = np.zeros((40, 60, 2), np.float32)
    probabilities[..., 0] = 1
    probabilities[20:, 33:] = 0.1, 0.9
    labels = superpixel_vote(fields(), probabilities, size=60000, share=1).argmax(axis=2)
    np.testing.assert_array_equal(labels[20:], np.tile(np.arange(60) >= 30, (20, 1)))


def test_neighbours_of_a_little_map():
    """0 0 1     0 touches 1 and 2; 1 touches 2; 3 touches 2 alone: over the corner to 1 does not count.
       2 2 1
       3 2 2"""
    segments = np.array([[0, 0, 1], [2, 2, 1], [3, 2, 2]])
    assert adjacent_pairs(segments).tolist() == [[0, 1], [0, 2], [1, 2], [2, 3]]
    assert adjacent_pairs(np.zeros((3, 3), int)).tolist() == []


def test_only_like_colours_that_touch_are_merged():
    segments = (np.arange(40)[:, None] >= 20) * 2 + (np.arange(60) >= 30)
    merged = merge_superpixels(fields(), segments, distance=4)
    assert len(np.unique(merged)) == 3 and merged[0, 0] == merged[0, 59]
    assert len({merged[0, 0], merged[39, 0], merged[39, 59]}) == 3
    apart = fields()
    apart[20:, 30:] = apart[0, 0]  # as red as the field that it touches only over the corner, and the one above it
    merged = merge_superpixels(apart, segments, distance=4)
    assert merged[0, 0] == merged[39, 59]  # by way of the one above
    apart[:20, 30:] = 0
    merged = merge_superpixels(apart, segments, distance=4)
    assert merged[0, 0] != merged[39, 59]


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="felzenszwalb or slic"):
        superpixels(fields(), "watershed")
