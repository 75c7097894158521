"""The confusion matrix of detections: true class against detected class, misses and false alarms."""

from collections.abc import Sequence

import numpy as np

from mrcnn.evaluation.pairs import ImagePairs, match


def confusion_matrix(images: Sequence[ImagePairs], class_count: int, score_threshold: float,
                     iou: float = 0.5) -> np.ndarray:
    """Count true objects by what they were detected as.

    Detections that score at least the threshold take true objects in order of falling score, each the free object of
    highest IoU, if that is at least `iou`, whatever the classes of both. A detection that takes none counts in the
    background row, an object that none takes in the background column. Detections that lie in a crowd, and the crowd,
    do not count.

    Args:
        images: list of ImagePairs.
        class_count: number of classes.
        score_threshold: least score of a detection that counts.
        iou: least IoU of a match.

    Returns:
        int [K + 1, K + 1]: the row is the true class, the column the detected one; 0 is background, class k of the list
        of categories is k + 1.
    """
    matrix = np.zeros((class_count + 1, class_count + 1), int)
    for pairs in images:
        matches, ignored = match(pairs, iou, by_class=False, score_threshold=score_threshold)
        taken = np.flatnonzero(matches >= 0)
        np.add.at(matrix, (pairs.true_classes[matches[taken]] + 1, pairs.classes[taken] + 1), 1)
        np.add.at(matrix, (0, pairs.classes[(matches < 0) & ~ignored] + 1), 1)
        missed = np.setdiff1d(np.arange(len(pairs.true_classes)), matches[taken])
        np.add.at(matrix, (pairs.true_classes[missed] + 1, 0), 1)
    return matrix


def normalised(matrix: np.ndarray, axis: int) -> np.ndarray:
    """Shares of the rows (axis 1: of the objects of each class) or of the columns (axis 0: of the detections of each).

    Returns:
        float [K + 1, K + 1]; a row or column of no count is NaN.
    """
    total = matrix.sum(axis=axis, keepdims=True)
    return np.divide(matrix, total, out=np.full(matrix.shape, np.nan), where=total > 0)
