"""Tuning on made-up detections of which the right settings are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from made_pictures import Pictures

from mrcnn.errors import DataError
from mrcnn.labeling.label_map import LabelSettings, labels_alone
from mrcnn.labeling.tuning import Tuner, gathered

NAMES = ["BG", "coat", "bag"]


def photo(rng, right, wrong):
    """(truth, detections) of 32x32 pixels: an object of each class, detected with scores from right[class], and a wrong
    one of each class elsewhere with scores from wrong[class]."""
    truth, entries = np.zeros((32, 32), np.uint8), []
    for class_id, column in ((1, 0), (2, 16)):
        for row, scores in ((0, right), (16, wrong)):
            y, x = row + rng.integers(0, 4), column + rng.integers(0, 4)
            entries.append(((y, x, y + 10, x + 10), class_id, rng.uniform(*scores[class_id])))
            if row == 0:
                truth[y:y + 10, x:x + 10] = class_id
    return truth, {
        "boxes": np.array([box for box, _, _ in entries], np.float32),
        "class_ids": np.array([class_id for _, class_id, _ in entries]),
        "scores": np.array([score for *_, score in entries], np.float32),
        "mask_probabilities": np.ones((len(entries), 4, 4), np.float32),
    }


def tuner_of(right, wrong, count=12, longest=160):
    tuner, rng = Tuner(NAMES, longest), np.random.default_rng(0)
    for _ in range(count):
        tuner.add(*photo(rng, right, wrong))
    return tuner


def test_it_finds_thresholds_that_part_right_from_wrong():
    """Coats are right from 0.6 on and wrong up to 0.45, bags right from 0.25 and wrong up to 0.15: no one threshold
    serves both, one for each class makes every pixel right."""
    tuner = tuner_of({1: (0.6, 0.9), 2: (0.25, 0.4)}, {1: (0.3, 0.45), 2: (0.05, 0.15)})
    lines = []
    settings, before, after = tuner.tune(report=lines.append)
    # With 0.5 for all, coats are right and bags are never found: IoU 824 / 924 of background, 1 of coats, 0 of bags.
    assert before == pytest.approx((824 / 924 + 1 + 0) / 3)
    assert after == pytest.approx(1) and tuner.score(settings) == after
    assert 0.45 <= settings.threshold("coat") <= 0.6 and 0.15 <= settings.threshold("bag") <= 0.25
    assert lines[0].startswith("round 1: mean IoU 1.0000")


def test_what_is_good_already_stays():
    tuner = tuner_of({1: (0.7, 0.9), 2: (0.7, 0.9)}, {1: (0.1, 0.3), 2: (0.1, 0.3)})
    start = LabelSettings(layers=("coat", "bag"))
    assert tuner.tune(start) == (start, 1.0, 1.0)


def test_a_gain_that_hangs_on_one_photo_is_not_taken():
    """Eleven photos without bags and one with: among resampled sets that photo is often missing, so that nothing says
    what threshold bags need."""
    rng, tuner = np.random.default_rng(0), Tuner(NAMES)
    for number in range(12):
        truth, detections = photo(rng, {1: (0.7, 0.9), 2: (0.4, 0.45)}, {1: (0.1, 0.3), 2: (0.46, 0.49)})
        if number:
            truth[truth == 2] = 0
            keep = detections["class_ids"] == 1
            detections = {name: values[keep] for name, values in detections.items()}
        tuner.add(truth, detections)
    assert "bag" not in tuner.tune()[0].class_thresholds


def test_the_score_is_the_mean_iou():
    """One photo, one coat of 100 pixels of 1024 found beside its place: 0 of 200, background 824 of 1024."""
    truth = np.zeros((32, 32), np.uint8)
    truth[:10, :10] = 1
    tuner = Tuner(NAMES)
    detections = {"boxes": np.float32([[20, 20, 30, 30]]), "class_ids": np.array([1]), "scores": np.float32([0.9]),
             "mask_probabilities": np.ones((1, 4, 4), np.float32)}
    tuner.add(truth, detections)
    assert tuner.score(LabelSettings()) == pytest.approx((824 / 1024 + 0) / 2)
    ignoring = Tuner(NAMES)
    truth[20:30, 20:30] = 255  # then nothing is found wrongly, and only the coat is missed: 824 of 924
    ignoring.add(truth, detections)
    assert ignoring.score(LabelSettings()) == pytest.approx((824 / 924 + 0) / 2)


def test_no_photo_to_tune_on():
    with pytest.raises(DataError, match="no photo to tune"):
        Tuner(NAMES).tune()


@pytest.mark.parametrize("step", [2, 3, 4])
def test_reduced_photos_keep_boxes_over_their_pixels(step):
    """A box on whole cells of the reduced grid: the reduced label map is every step-th pixel of the whole one."""
    truth = np.zeros((48, 48), np.uint8)
    truth[12:36, 12:24] = 1
    detections = {"boxes": np.float32([[12, 12, 36, 24]]), "class_ids": np.array([1]), "scores": np.float32([0.9]),
             "mask_probabilities": np.ones((1, 4, 4), np.float32)}
    np.testing.assert_array_equal(labels_alone(detections, truth.shape, NAMES), truth)
    tuner = Tuner(NAMES, longest=48 // step)
    tuner.add(truth, detections)
    assert tuner.score(LabelSettings()) == 1


def test_detections_are_gathered_from_all_photos():
    """A coat of 36 of 100 pixels, found with 0.4 in each of three photos: missed above that score, right below."""
    masks = np.zeros((10, 10, 1), bool)
    masks[2:8, 2:8] = True
    dataset = Pictures([(np.zeros((10, 10, 3), np.uint8), masks, np.array([1]))] * 3, classes=1)
    detections = {"boxes": np.float32([[2, 2, 8, 8]]), "class_ids": np.array([1]), "scores": np.float32([0.4]),
             "mask_probabilities": np.ones((1, 4, 4), np.float32), "rles": None}
    model = SimpleNamespace(config=SimpleNamespace(BATCH_SIZE=2), detect=lambda images, **_: [detections] * len(images))
    tuner = gathered(model, dataset)
    assert tuner.score(LabelSettings(score_threshold=0.3)) == 1
    assert tuner.score(LabelSettings(score_threshold=0.5)) == pytest.approx(0.64 / 2)


def test_photos_that_training_takes_are_tuned_on_too():
    dataset = Pictures([(np.zeros((4, 4, 3), np.int64), np.ones((4, 4, 1), bool), np.array([1]))], classes=1)
    seen = []

    def detect(images, **_):
        seen.extend(image.dtype for image in images)
        return [{"boxes": np.float32([[0, 0, 4, 4]]), "class_ids": np.array([1]), "scores": np.float32([0.9]),
                 "mask_probabilities": np.ones((1, 4, 4), np.float32)}]

    gathered(SimpleNamespace(config=SimpleNamespace(BATCH_SIZE=2), detect=detect), dataset)
    assert seen == [np.uint8]
