"""Tuning on made-up detections of which the right settings are known."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from made_pictures import Pictures

from mrcnn.errors import DataError
from mrcnn.labeling.label_map import LabelSettings, labels_alone
from mrcnn.labeling.tuning import Tuner, _Measure, gathered

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


def crowded(rng, classes, side=40):
    """(truth, detections) of objects of many classes, found with noise, in part as another class."""
    corners, class_ids = rng.integers(0, side - 14, (4, 2)), rng.integers(1, classes, 4)
    truth = np.zeros((side, side), np.uint8)
    for (y, x), class_id in zip(corners, class_ids):
        truth[y:y + 14, x:x + 10] = class_id
    truth[:2, :3] = 255
    count = int(rng.integers(0, 9))
    which = rng.integers(0, 4, count)
    boxes = np.concatenate([corners, corners + [14, 10]], axis=1)[which] + rng.normal(0, 1.5, (count, 4))
    own = np.where(rng.random(count) < 0.2, rng.integers(1, classes, count), class_ids[which])
    return truth, {"boxes": boxes, "class_ids": own, "scores": rng.random(count).astype(np.float32),
                   "mask_probabilities": rng.random((count, 7, 7)).astype(np.float32)}


def mean_iou(photos, names, settings):
    """The mean IoU by the whole confusion matrix of all photos."""
    matrix = np.zeros((len(names), len(names)), np.int64)
    for truth, detections in photos:
        valid = truth != 255
        np.add.at(matrix, (truth[valid], labels_alone(detections, truth.shape, names, settings)[valid]), 1)
    union = matrix.sum(0) + matrix.sum(1) - np.diag(matrix)
    return (np.diag(matrix)[union > 0] / union[union > 0]).mean()


def test_scores_are_those_of_whole_confusion_matrices():
    rng, names = np.random.default_rng(0), ["BG", *(f"c{i}" for i in range(1, 7))]
    photos = [crowded(rng, len(names)) for _ in range(15)]
    tuner, start = Tuner(names), LabelSettings(layers=("c1", "c2"), class_thresholds={"c3": 0.2})
    for truth, detections in photos:
        tuner.add(truth, detections)
    settings, before, after = tuner.tune(start)
    assert settings != start and after > before
    for tried, score in ((start, before), (settings, after), (LabelSettings(score_threshold=0.8), None)):
        assert tuner.score(tried) == pytest.approx(mean_iou(photos, names, tried), abs=1e-12)
        assert score is None or tuner.score(tried) == score


def test_memory_does_not_go_by_the_square_of_the_classes():
    rng, names = np.random.default_rng(0), ["BG", *(f"c{i}" for i in range(1, 250))]
    tuner = Tuner(names)
    for _ in range(40):
        tuner.add(*crowded(rng, len(names)))
    tracemalloc.start()
    for threshold in (0.2, 0.4, 0.6, 0.8):
        tuner.score(LabelSettings(score_threshold=threshold))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6  # a confusion matrix is 0.5 MB, and there are 160 labellings


def test_a_threshold_of_one_class_looks_at_its_photos_alone(monkeypatch):
    """One photo has coats, nineteen have bags: thresholds of coats label none of the nineteen again."""
    tuner, rng = Tuner(NAMES), np.random.default_rng(0)
    for number in range(20):
        truth, detections = photo(rng, {1: (0.6, 0.9), 2: (0.6, 0.9)}, {1: (0.3, 0.45), 2: (0.3, 0.45)})
        keep = detections["class_ids"] == (2 if number else 1)
        tuner.add(truth, {name: values[keep] for name, values in detections.items()})
    looked = []
    tally = Tuner._tally
    monkeypatch.setattr(Tuner, "_tally", lambda self, i, *rest: looked.append(i) or tally(self, i, *rest))
    measure = _Measure(tuner, np.ones((1, 20)))
    base = measure.of(LabelSettings())
    looked.clear()
    for threshold in (0.1, 0.35, 0.8, 0.95):
        measure.of(LabelSettings(class_thresholds={"coat": threshold}), base)
    assert set(looked) == {0}


def test_no_photo_to_tune_on():
    for asked in (Tuner(NAMES).tune, lambda: Tuner(NAMES).score(LabelSettings())):
        with pytest.raises(DataError, match="no photo to tune"):
            asked()


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
