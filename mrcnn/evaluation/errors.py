"""False positives and misses by cause, and what each costs, as in TIDE (Bolya et al. 2020).

Of a detection that takes no true object of its class at IoU 0.5 the cause is, tried in this order (section 2.2 of the
paper; S and O are its highest IoU with objects of the same and of other classes):

    localisation     0.1 <= S < 0.5: the right class in the wrong place
    classification   O >= 0.5: the right place, the wrong class
    duplicate        S >= 0.5: another detection has the object already
    background       S, O < 0.1: nothing is there
    both             the rest, O in between: wrong class and wrong place

and *missed* are the objects that are neither detected nor meant by a localisation or classification error. What lies in
a crowd of its class is no error.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from mrcnn.evaluation.pairs import ImagePairs, match
from mrcnn.evaluation.thresholds import mean_precision, object_counts, rank

CAUSES = ("classification", "localisation", "both", "duplicate", "background", "missed")
MEANT = ("localisation", "classification")  # the causes whose detections mean an object
CORRECT, IGNORED = "correct", "ignored"
BACKGROUND_IOU = 0.1


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """What each detection is, over all images.

    Args:
        scores: float [N].
        classes: int [N].
        causes: str [N], each of CAUSES, CORRECT or IGNORED.
        objects: int [N], index of the object that a detection takes (correct) or means (localisation,
            classification); -1 for none.
        true_classes: int [M], class of each object.
        detected: bool [M], whether a correct detection takes the object.
        missed: bool [M], whether no detection takes or means the object.
    """

    scores: np.ndarray
    classes: np.ndarray
    causes: np.ndarray
    objects: np.ndarray
    true_classes: np.ndarray
    detected: np.ndarray
    missed: np.ndarray


def judge(images: Sequence[ImagePairs], iou: float = 0.5) -> Verdicts:
    """Verdicts on a list of ImagePairs.

    Args:
        images: list of ImagePairs.
        iou: least IoU of a correct detection.
    """
    causes, meant, first = [np.zeros(0, object)], [np.zeros(0, int)], 0
    for pairs in images:
        cause, target = _judge_image(pairs, iou)
        causes.append(cause)
        meant.append(np.where(target >= 0, target + first, -1))
        first += len(pairs.true_classes)
    causes, meant = np.concatenate(causes), np.concatenate(meant)
    detected, aimed = np.zeros(first, bool), np.zeros(first, bool)
    detected[meant[causes == CORRECT]] = True
    aimed[meant[meant >= 0]] = True
    return Verdicts(
        scores=np.concatenate([np.zeros(0)] + [pairs.scores for pairs in images]),
        classes=np.concatenate([np.zeros(0, int)] + [pairs.classes for pairs in images]),
        causes=causes,
        objects=meant,
        true_classes=np.concatenate([np.zeros(0, int)] + [pairs.true_classes for pairs in images]),
        detected=detected,
        missed=~aimed,
    )


def _judge_image(pairs, iou):
    """(cause [D], object that is taken or meant [D] or -1) of one image."""
    matches, ignored = match(pairs, iou)
    count = len(pairs.scores)
    same, same_object = _highest(pairs, pairs.classes[:, None] == pairs.true_classes)
    other, other_object = _highest(pairs, pairs.classes[:, None] != pairs.true_classes)
    rules = [
        (matches >= 0, CORRECT, matches),
        (ignored, IGNORED, None),
        ((same >= BACKGROUND_IOU) & (same < iou), "localisation", same_object),
        (other >= iou, "classification", other_object),
        (same >= iou, "duplicate", None),
        (np.maximum(same, other) < BACKGROUND_IOU, "background", None),
        (np.ones(count, bool), "both", None),
    ]
    causes, objects = np.full(count, "", object), np.full(count, -1)
    for applies, cause, meant in rules:
        applies = applies & (causes == "")
        causes[applies] = cause
        if meant is not None:
            objects[applies] = meant[applies]
    return causes, objects


def _highest(pairs, allowed):
    """(highest overlap [D] among allowed objects, which object [D]); 0 and -1 where there is none."""
    if not len(pairs.true_classes):
        return np.zeros(len(pairs.scores)), np.full(len(pairs.scores), -1)
    overlaps = np.where(allowed, pairs.overlaps, -1)
    return np.maximum(overlaps.max(axis=1), 0), np.where(allowed.any(axis=1), overlaps.argmax(axis=1), -1)


# --- What each cause costs -------------------------------------------------------------------------------------------


def detection_errors(images: Sequence[ImagePairs], class_count: int, score_threshold: float | None = None) -> dict:
    """Errors by cause, and the AP50 that would be gained by mending one cause alone (dAP, section 2.3 of the paper).

    A localisation or classification error is mended by making it correct, unless its object is detected already or
    a higher score of either cause means the same one, as in tidecv: then it is removed, as are duplicates, background
    and both. Misses are mended by
    not asking for these objects. A gain compares means over the same classes: one that is left with no object keeps AP
    0, as in tidecv where it has detections, so that its misses show in the count and not in the gain.

    Args:
        images: list of ImagePairs.
        class_count: number of classes.
        score_threshold: also count those that score at least this.

    Returns:
        {"AP50", "causes": {cause: {"count", "dAP", and with a threshold "shown"}}, "false_positives": {"count", "dAP"}
        of removing them all, "false_negatives": {"count", "dAP"} of not asking for any undetected object, "classes":
        [{cause: count} of each class]}. dAP is NaN if there is no true object, and where every one of them would not be
        asked for; `undefined_gains` tells which. A miss counts for the object's class, any other error for the
        detection's.
    """
    verdicts = judge(images)
    objects = object_counts(images, class_count)
    counted = verdicts.causes != IGNORED
    wrong = counted & (verdicts.causes != CORRECT)
    base = _precision(verdicts, counted, objects)
    causes, classes = {}, [{} for _ in range(class_count)]
    for cause in CAUSES:
        at = verdicts.missed if cause == "missed" else verdicts.causes == cause
        per_class = (verdicts.true_classes if cause == "missed" else verdicts.classes)[at]
        for k, count in enumerate(np.bincount(per_class, minlength=class_count)):
            classes[k][cause] = int(count)
        causes[cause] = {"count": int(at.sum()), "dAP": _mended(verdicts, counted, objects, cause) - base}
        if score_threshold is not None and cause != "missed":
            causes[cause]["shown"] = int((at & (verdicts.scores >= score_threshold)).sum())
    left = object_counts(images, class_count) - _per_class(verdicts, ~verdicts.detected, class_count)
    return {
        "AP50": base,
        "causes": causes,
        "false_positives": {"count": int(wrong.sum()), "dAP": _precision(verdicts, counted & ~wrong, objects) - base},
        "false_negatives": {"count": int((~verdicts.detected).sum()),
                            "dAP": _precision(verdicts, counted, objects, left) - base},
        "classes": classes,
    }


def undefined_gains(errors: dict) -> dict[str, str]:
    """Why gains are NaN.

    Args:
        errors: of `detection_errors`.

    Returns:
        {"gain of missed": reason} and so on, for those that are.
    """
    gains = {**errors["causes"], **{name: errors[name] for name in ("false_positives", "false_negatives")}}
    what = {"missed": "missed objects"}
    return {f"gain of {name.replace('_', ' ')}": "the ground truth has no object" if math.isnan(errors["AP50"])
            else f"without the {what.get(name, 'objects not found')} ({gain['count']}) none is left to measure"
            for name, gain in gains.items() if math.isnan(gain["dAP"])}


def _mended(verdicts, counted, objects, cause):
    """AP50 once the errors of one cause are mended."""
    if cause == "missed":
        left = objects - _per_class(verdicts, verdicts.missed, len(objects))
        return _precision(verdicts, counted, objects, left)
    at = verdicts.causes == cause
    kept = counted & ~at
    if cause not in MEANT:
        return _precision(verdicts, kept, objects)
    meant = np.flatnonzero(np.isin(verdicts.causes, MEANT))  # as tidecv has it, an object is for one of both causes
    meant = meant[~verdicts.detected[verdicts.objects[meant]]]
    meant = meant[np.argsort(-verdicts.scores[meant], kind="stable")]
    highest = meant[np.unique(verdicts.objects[meant], return_index=True)[1]]  # for each object
    mended = highest[at[highest]]
    kept[mended] = True
    correct, classes = verdicts.causes == CORRECT, verdicts.classes.copy()
    correct[mended] = True
    classes[mended] = verdicts.true_classes[verdicts.objects[mended]]
    return mean_precision(rank(verdicts.scores[kept], classes[kept], correct[kept], objects))


def _precision(verdicts, kept, objects, left=None):
    """AP50 of the detections kept, for so many objects of each class; left: how many of them are asked for.

    The mean is over the classes that have objects, whether any is left or not; NaN where none is left at all.
    """
    correct, left = verdicts.causes == CORRECT, objects if left is None else left
    mean = mean_precision(rank(verdicts.scores[kept], verdicts.classes[kept], correct[kept], left))
    return float(mean * np.count_nonzero(left) / max(np.count_nonzero(objects), 1))


def _per_class(verdicts, chosen, class_count):
    """int [K]: number of chosen objects of each class."""
    return np.bincount(verdicts.true_classes[chosen], minlength=class_count)
