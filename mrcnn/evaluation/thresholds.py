"""Precision, recall, F1 and AP50 against the score threshold, and the best threshold.

A detection is correct if it takes a true object of its class at IoU 0.5 (`pairs.match`). Of what lies in a crowd
nothing is counted.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mrcnn.evaluation.pairs import ImagePairs, match

THRESHOLDS = np.round(np.linspace(0, 1, 101), 2)
RECALLS = np.linspace(0, 1, 101)  # at which COCO reads the precision


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Detections of one class over all images, in falling order of score.

    Args:
        scores: float [N].
        correct: bool [N].
        objects: number of true objects of the class.
    """

    scores: np.ndarray
    correct: np.ndarray
    objects: int


def rank(scores: np.ndarray, classes: np.ndarray, correct: np.ndarray, objects: np.ndarray) -> list[Ranking]:
    """list of Ranking, one for each class.

    Args:
        scores, classes, correct: [N] of all detections that count, in the order of the images; equal scores stay in it.
        objects: int [K] number of true objects of each class.
    """
    order = np.argsort(-scores, kind="stable")
    scores, classes, correct = scores[order], classes[order], correct[order]
    return [Ranking(scores[classes == k], correct[classes == k], int(count)) for k, count in enumerate(objects)]


def rank_images(images: Sequence[ImagePairs], class_count: int, iou: float = 0.5) -> list[Ranking]:
    """list of Ranking, one for each class, of a list of ImagePairs."""
    scores, classes, correct = [], [], []
    for pairs in images:
        matches, ignored = match(pairs, iou)
        scores.append(pairs.scores[~ignored])
        classes.append(pairs.classes[~ignored])
        correct.append(matches[~ignored] >= 0)
    objects = object_counts(images, class_count)
    if not images:
        return rank(np.zeros(0), np.zeros(0, int), np.zeros(0, bool), objects)
    return rank(np.concatenate(scores), np.concatenate(classes), np.concatenate(correct), objects)


def object_counts(images: Sequence[ImagePairs], class_count: int) -> np.ndarray:
    """int [K]: number of true objects of each class, crowds not counted."""
    counts = np.zeros(class_count, int)
    for pairs in images:
        counts += np.bincount(pairs.true_classes, minlength=class_count)
    return counts


def ranked_precision(ranking: Ranking, threshold: float | None = None) -> float:
    """COCO's average precision of one class at one IoU: precision made falling, read at 101 recalls.

    Args:
        ranking: of the class, from `rank`.
        threshold: of the scores; None takes all detections.

    Returns:
        A float; NaN without true objects.
    """
    if not ranking.objects:
        return float("nan")
    end = len(ranking.scores) if threshold is None else np.searchsorted(-ranking.scores, -threshold, side="right")
    correct = np.cumsum(ranking.correct[:end])
    precision = correct / np.arange(1, end + 1)
    precision = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0)
    return float(precision[np.searchsorted(correct / ranking.objects, RECALLS)].mean())


def mean_precision(rankings: Sequence[Ranking], threshold: float | None = None) -> float:
    """Mean of `ranked_precision` over the classes that have true objects; NaN if none has."""
    values = [ranked_precision(ranking, threshold) for ranking in rankings if ranking.objects]
    return float(np.mean(values)) if values else float("nan")


def threshold_curves(rankings: Sequence[Ranking]) -> dict:
    """Precision, recall, F1 and AP50 of the detections that score at least t, for t of `THRESHOLDS`.

    Args:
        rankings: of each class, from `rank_images`.

    Returns:
        {"threshold": [101], "overall": curves, "classes": [curves of each class]}. Curves are {"precision", "recall",
        "F1", "AP50": [101]}, and "best": {"threshold", "F1", "precision", "recall"} at the highest F1; of several
        thresholds that reach it the middle one is taken, which is farthest from doing harm. Overall, objects and
        detections of all classes are counted together, and AP50 is the mean over classes. F1 is 2 TP / (2 TP + FP +
        FN). Precision is 1 where nothing is detected. A class without true objects has {}; "best" is None where no
        detection is correct.
    """
    counts = [_counts(ranking) for ranking in rankings]
    classes = []
    for ranking, (correct, shown) in zip(rankings, counts):
        average = [ranked_precision(ranking, threshold) for threshold in THRESHOLDS]
        classes.append(_curves(correct, shown, ranking.objects, average) if ranking.objects else {})
    objects = sum(ranking.objects for ranking in rankings)
    overall = {}
    if objects:
        average = np.mean([curves["AP50"] for curves in classes if curves], axis=0).tolist()
        overall = _curves(sum(c for c, _ in counts), sum(s for _, s in counts), objects, average)
    return {"threshold": THRESHOLDS.tolist(), "overall": overall, "classes": classes}


def _counts(ranking):
    """(int [101] correct detections, int [101] all detections) of each threshold."""
    ends = np.searchsorted(-ranking.scores, -THRESHOLDS, side="right")
    return np.concatenate([[0], np.cumsum(ranking.correct)])[ends], ends


def _curves(correct, shown, objects, average_precision):
    precision = np.divide(correct, shown, out=np.ones(len(correct)), where=shown > 0)
    recall = correct / objects
    f1 = 2 * correct / (shown + objects)
    best = None
    if f1.max() > 0:
        at = np.flatnonzero(f1 == f1.max())
        at = at[len(at) // 2]
        best = {"threshold": float(THRESHOLDS[at]), "F1": float(f1[at]), "precision": float(precision[at]),
                "recall": float(recall[at])}
    return {"precision": precision.tolist(), "recall": recall.tolist(), "F1": f1.tolist(), "AP50": average_precision,
            "best": best}
