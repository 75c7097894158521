"""From a model to label maps."""

import numpy as np

from mrcnn.labeling.photos import batches, detected, label_photo

NAMES = ["BG", "coat"]
FOUND = {"boxes": np.float32([[2, 2, 8, 8]]), "class_ids": np.array([1]), "scores": np.float32([0.9]),
         "mask_probabilities": np.full((1, 4, 4), 0.8, np.float32)}


def test_no_full_size_masks_are_asked_for_or_kept():
    class Model:
        def detect(self, images, rle=False, mask_probabilities=False):
            assert rle and mask_probabilities
            return [{**FOUND, "rles": ["something large"], "rois": None} for _ in images]

    found = detected(Model(), [np.zeros((10, 10, 3), np.uint8)] * 2)
    assert len(found) == 2 and sorted(found[0]) == ["boxes", "class_ids", "mask_probabilities", "scores"]


def test_the_chain_has_the_last_word():
    """The object is the square of 36 pixels; a chain that calls everything a coat is believed."""
    image = np.zeros((10, 10, 3), np.uint8)
    assert label_photo(image, FOUND, NAMES).sum() == 36
    seen = []

    def chain(photo, probabilities):
        seen.append((photo is image, probabilities[5, 5].tolist(), probabilities[0, 0].tolist()))
        return np.full((10, 10, 2), [0.4, 0.6], np.float32)

    assert (label_photo(image, FOUND, NAMES, chain=chain) == 1).all()
    (same, inside, outside), = seen
    np.testing.assert_allclose(inside, [0.2, 0.8], atol=1e-6)
    assert same and outside == [1, 0]


def test_batches():
    assert batches(np.arange(5), 2) == [[0, 1], [2, 3], [4]] and batches([], 2) == []
