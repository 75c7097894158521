"""From a model to label maps."""

from types import SimpleNamespace

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.labeling.label_map import LabelSettings
from mrcnn.labeling.photos import batches, compared, detected, label_photo, labelled

NAMES = ["BG", "coat"]
FOUND = {"boxes": np.float32([[2, 2, 8, 8]]), "class_ids": np.array([1]), "scores": np.float32([0.9]),
         "mask_probabilities": np.full((1, 4, 4), 0.8, np.float32)}


def test_no_full_size_masks_are_asked_for_or_kept():
    class Model:
        def detect(self, images, rle=False, mask_probabilities=False):
            assert rle and mask_probabilities
            return [{**FOUND, "rles": ["something large"], "rois": None} for _ in images]

    results = detected(Model(), [np.zeros((10, 10, 3), np.uint8)] * 2)
    assert len(results) == 2 and sorted(results[0]) == ["boxes", "class_ids", "mask_probabilities", "scores"]


def test_the_chain_has_the_last_word():
    """The object is the square of 36 pixels; a chain that calls everything a coat is believed."""
    image, seen = np.zeros((10, 10, 3), np.uint8), []
    (labels,) = labelled(Finder(), [image])
    assert labels.sum() == 36

    def chain(photo, probabilities):
        seen.append((photo is image, probabilities[5, 5].tolist(), probabilities[0, 0].tolist()))
        return np.full((10, 10, 2), [0.4, 0.6], np.float32)

    (labels,) = labelled(Finder(), [image], chain=chain)
    assert (labels == 1).all()
    (same, inside, outside), = seen
    np.testing.assert_allclose(inside, [0.2, 0.8], atol=1e-6)
    assert same and outside == [1, 0]


class Coats(Dataset):
    """Photos of 10 x 10 pixels with a coat of 36 pixels, which Finder finds with a score of 0.9."""

    def __init__(self, count):
        super().__init__()
        self.add_class("made", 1, "coat")
        for i in range(count):
            self.add_image("made", i, f"{i}.png")
        self.prepare()

    def load_image(self, image_id):
        return np.zeros((10, 10, 3), np.uint8)

    def load_mask(self, image_id):
        masks = np.zeros((10, 10, 1), bool)
        masks[2:8, 2:8] = True
        return masks, np.array([1], np.int32)


class Finder:
    config = SimpleNamespace(BATCH_SIZE=2)

    def label_each(self, images, probabilities=True, settings=None):
        return (label_photo(FOUND, image.shape[:2], NAMES, settings, probabilities) for image in images)


def test_label_maps_are_compared_with_the_true_ones():
    """Three photos of 64 pixels background and 36 coat: all right, or all background above the score."""
    right, missed = (compared(Finder(), Coats(3), LabelSettings(score_threshold=t)) for t in (0.5, 0.95))
    assert right.photos == missed.photos == 3
    assert [entry["iou"] for entry in right.metrics()["classes"]] == [1, 1]
    assert [entry["iou"] for entry in missed.metrics()["classes"]] == [0.64, 0]


def test_each_photo_is_told_of_on_the_way():
    """Two photos whose coat of 36 of 100 pixels is missed."""
    seen = []
    compared(Finder(), Coats(2), LabelSettings(score_threshold=0.95), seen=lambda *photo: seen.append(photo))
    assert [(image_id, int(truth.sum()), int(labels.sum())) for image_id, truth, labels, _ in seen] == [
        (0, 36, 0), (1, 36, 0)]
    figures = seen[1][3]
    assert (figures["photo"], figures["ignored_pixels"], figures["wrong_pixels"]) == ("1.png", 0, 36)
    assert figures["ious"] == [0.64, 0] and figures["confusion"] == ("coat", "BG", 36)


def test_batches():
    assert batches(np.arange(5), 2) == [[0, 1], [2, 3], [4]] and batches([], 2) == []


def test_photos_that_training_takes_are_compared_too():
    class Loose(Coats):
        def load_image(self, image_id):
            return super().load_image(image_id).astype(np.int64)

    class Strict(Finder):
        def label_each(self, images, **options):
            assert all(image.dtype == np.uint8 for image in images)
            return super().label_each(images, **options)

    assert compared(Strict(), Loose(1)).photos == 1
