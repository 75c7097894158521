"""Figures of attributes: how well each is told of what is found, and Fashionpedia's AP over masks and attributes.

Two questions are kept apart. Of the objects that a detection of their class found (mask IoU 0.50, `pairs.match`), is
each attribute told? Average precision, and F1 at the best threshold, of each attribute. And how good is the whole, mask
and attributes? AP_IoU+F1 of Fashionpedia (Jia 2020, section 4): a detection is correct if its mask overlaps the
object's by an IoU of at least one threshold, and if the F1 of its attributes is at least another.
"""

import math
from collections.abc import Sequence

import numpy as np

from mrcnn.evaluation.comparison import Comparison
from mrcnn.evaluation.pairs import ImagePairs, match
from mrcnn.evaluation.thresholds import Ranking, rank, ranked_precision, threshold_curves

STEPS = np.linspace(0.5, 0.95, 10)  # thresholds of IoU, and of F1


def attribute_figures(truth: dict, masks: Comparison, images: Sequence[ImagePairs],
                      partial: bool = False) -> dict | None:
    """Measure the attributes of results.

    Args:
        truth: COCO's dict with "attributes", a list of {"id", "name"}, and "attribute_ids" of annotations.
        masks: of `read_comparison` of this truth and the results. Results have "attribute_ids", those that are told,
            and if they were made here "attribute_scores", {name: score}; without these a told one scores 1.
        images: of `pair_images(masks)`.
        partial: whether an object without attributes is one that nobody described; it is left out then, of all figures.

    Returns:
        None where the truth or the results have no attributes; else
        "found": objects that are compared, those that a detection of their class took;
        "F1", "precision", "recall", "threshold": of all attributes together at the best common threshold of scores; F1
            is NaN, and the others None, where no answer is right;
        "mean_AP", "mean_F1": means over the attributes that found objects have, the latter each at its own threshold;
        "classes": list of {"name", "objects", "AP", "F1", "threshold"}, one an attribute, NaN where no found object has
            it;
        "AP_IoU+F1": `joint_precision`.
    """
    listed = {entry["id"]: str(entry.get("name", entry["id"])) for entry in truth.get("attributes") or ()}
    if not listed or not any("attribute_ids" in entry for entry in masks.detections):
        return None
    places = {attribute: place for place, attribute in enumerate(listed)}
    has, scores = _found(masks, images, places, list(listed.values()), partial)
    rankings = rank_attributes(scores, has)
    curves = threshold_curves(rankings)
    best = curves["overall"].get("best") or {"F1": math.nan, "precision": None, "recall": None, "threshold": None}
    rows = []
    for name, ranking, own in zip(listed.values(), rankings, curves["classes"]):
        reached = own.get("best") or {"F1": 0.0 if ranking.objects else math.nan, "threshold": None}
        rows.append({"name": name, "objects": ranking.objects, "AP": ranked_precision(ranking),
                     "F1": reached["F1"], "threshold": reached["threshold"]})
    known = [row for row in rows if row["objects"]]
    means = {f"mean_{name}": float(np.mean([row[name] for row in known])) if known else math.nan
             for name in ("AP", "F1")}
    return {"found": len(has), **best, **means, "classes": rows,
            "AP_IoU+F1": joint_precision(masks, images, places, partial)}


def rank_attributes(scores: np.ndarray, has: np.ndarray) -> list[Ranking]:
    """Rank the answers about each attribute over all found objects.

    Args:
        scores: [N, M]; what scores 0 is not told.
        has: bool [N, M], the truth.

    Returns:
        list of M Rankings.
    """
    rows, columns = np.nonzero(scores)
    return rank(scores[rows, columns], columns, has[rows, columns], has.sum(axis=0))


def _found(masks, images, places, names, partial):
    """(bool [N, M], float [N, M]): truth and scores of the objects that a detection of their class took."""
    has, scores, column = [], [], {name: place for place, name in enumerate(names)}
    for pairs, objects in zip(images, _objects(masks, len(images))):
        matches = match(pairs)[0]
        for row in np.flatnonzero(matches >= 0):
            true = _columns(objects[matches[row]], places)
            if partial and not true.any():
                continue
            result = masks.detections[pairs.results[row]]
            told = result.get("attribute_scores")
            score = _columns(result, places).astype(float)
            if told is not None:
                score[:] = 0
                for name, value in told.items():
                    if name in column:
                        score[column[name]] = value
            has.append(true)
            scores.append(score)
    empty = np.zeros((0, len(names)))
    return np.array(has, bool).reshape(empty.shape if not has else (-1, len(names))), np.array(scores or empty, float)


def _objects(masks, count, crowd=False):
    """For each image its true objects, or its crowds, in the order of ImagePairs."""
    objects = [[] for _ in range(count)]
    for entry in masks.objects:
        if bool(entry["iscrowd"]) == crowd:
            objects[entry["image_id"]].append(entry)
    return objects


def _columns(entry, places):
    """bool [M]: the attributes of an annotation or a result; those that the truth does not list are passed over."""
    has = np.zeros(len(places), bool)
    has[[places[attribute] for attribute in entry.get("attribute_ids") or () if attribute in places]] = True
    return has


# --- Fashionpedia's AP -----------------------------------------------------------------------------------------------


def attribute_f1(told: np.ndarray, true: np.ndarray) -> np.ndarray:
    """F1 of the attributes of every detection with those of every object, as Fashionpedia's evaluation has it.

    It is the mean of two F1, of what an object has and of what it has not; where nobody, or everybody, says one of
    these, the other one alone.

    Args:
        told: bool [D, M].
        true: bool [G, M].

    Returns:
        float [D, G], 0..1.
    """
    values, weights = 0.0, 0.0
    for one, other in ((told, true), (~told, ~true)):
        one, other = one.astype(float), other.astype(float)
        sizes = one.sum(axis=1)[:, None] + other.sum(axis=1)[None]
        values = values + np.divide(2 * one @ other.T, sizes, out=np.zeros(sizes.shape), where=sizes > 0)
        weights = weights + (sizes > 0)
    return np.divide(values, weights, out=np.ones(values.shape), where=weights > 0)


def joint_precision(masks: Comparison, images: Sequence[ImagePairs], places: dict,
                    partial: bool = False) -> dict[str, float]:
    """AP_IoU+F1 (Jia 2020, section 4) of masks: the mean over 10 thresholds of IoU and 10 of F1, and over the classes.

    As in Fashionpedia's own evaluation a class none of whose true objects has attributes is measured by IoU alone, and
    counts once where the others count once for each threshold of F1. Detections take objects by `match_jointly`.
    With `partial` an object of another class that has no attributes is measured neither way: it need not be found, and
    a detection that takes it by its mask does not count.

    Args:
        masks, images, partial: as for `attribute_figures`.
        places: {attribute id: column}.

    Returns:
        {"AP", "AP_IoU50", "AP_IoU75", "AP_F50", "AP_F75", "AP_IoU50_F50"}: all thresholds, and one of them held; NaN
        without true objects.
    """
    objects, crowds = _objects(masks, len(images)), _objects(masks, len(images), crowd=True)
    count, described = len(masks.categories), np.zeros(len(masks.categories), bool)
    for entry in masks.objects:
        described[entry["category_id"]] |= not entry["iscrowd"] and _columns(entry, places).any()
    table = np.full((len(STEPS), len(STEPS), count), math.nan)
    joint, numbers = [], np.zeros(count, int)
    for pairs, own, own_crowds in zip(images, objects, crowds):
        told = np.array([_columns(masks.detections[i], places) for i in pairs.results], bool).reshape(-1, len(places))
        true = np.array([_columns(entry, places) for entry in own + own_crowds], bool).reshape(-1, len(places))
        unknown = partial & described[pairs.true_classes] & ~true[:len(own)].any(axis=1)
        joint.append(_joint(pairs, attribute_f1(told, true), described, unknown))
        numbers += np.bincount(pairs.true_classes[~unknown], minlength=count)
    for i, iou in enumerate(STEPS):
        for j, least in enumerate(STEPS):
            rankings = _ranked(images, joint, numbers, iou, least)
            for k, ranking in enumerate(rankings):
                if described[k] or j == 0:  # else the same for each threshold of F1
                    table[i, j, k] = ranked_precision(ranking)
    return {
        "AP": _mean(table), "AP_IoU50": _mean(table[:1]), "AP_IoU75": _mean(table[5:6]),
        "AP_F50": _held(table, 0, described), "AP_F75": _held(table, 5, described),
        "AP_IoU50_F50": _held(table[:1], 0, described),
    }


def _held(table, step, described):
    """The mean at one threshold of F1, to which classes without attributes contribute as well."""
    return _mean(np.where(described, table[:, step], table[:, 0]))


def _mean(values):
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan


def _joint(pairs, agreement, described, unknown):
    """What `match_jointly` takes of an image, its objects first, then those that do not count. agreement: [D, G + C].

    unknown: bool [G], objects that nobody described.
    """
    true_classes = np.concatenate([pairs.true_classes, pairs.crowd_classes])
    crowd = np.arange(len(true_classes)) >= len(pairs.true_classes)
    overlaps = np.concatenate([pairs.overlaps, pairs.crowd_overlaps], axis=1)
    # Of classes that IoU alone measures, and of crowds that stand for a class, which Fashionpedia does not have, COCO's
    # rule holds: any number of detections may lie in a crowd.
    by_iou = ~described[true_classes]
    if pairs.open_classes is not None:
        by_iou[crowd] |= pairs.open_classes
    shared, unknown = crowd & by_iou, np.concatenate([unknown, np.zeros(crowd.sum(), bool)])
    overlaps = np.where(pairs.classes[:, None] == true_classes, overlaps, 0)
    order = np.argsort(crowd | unknown, kind="stable")
    return (overlaps[:, order], np.where(by_iou | unknown, 1.0, agreement)[:, order], (crowd | unknown)[order],
            shared[order])


def _ranked(images, joint, numbers, iou, least):
    """list of Ranking, one a class, of the detections that are correct at two thresholds.

    joint: of `_joint`; numbers: int [K] of the objects.
    """
    scores, classes, correct = [np.zeros(0)], [np.zeros(0, int)], [np.zeros(0, bool)]
    for pairs, own in zip(images, joint):
        matches = match_jointly(*own, iou, least)
        counted = matches < np.sum(~own[2])
        scores.append(pairs.scores[counted])
        classes.append(pairs.classes[counted])
        correct.append(matches[counted] >= 0)
    return rank(np.concatenate(scores), np.concatenate(classes), np.concatenate(correct), numbers)


def match_jointly(overlaps: np.ndarray, agreement: np.ndarray, crowd: np.ndarray, shared: np.ndarray, iou: float,
                  least: float) -> np.ndarray:
    """Match detections with true objects by mask and attributes, as Fashionpedia's evaluation does.

    Each detection goes through the objects that pass both thresholds and that none took before it, in their order. A
    later one takes the place of the best so far if it is no worse in both, IoU and F1: of two of which one has the
    better mask and the other the better attributes, the first stays. Crowds are for detections that take no object.

    Args:
        overlaps: float [D, G] IoU, detections in falling order of score.
        agreement: float [D, G] F1 of the attributes.
        crowd: bool [G], crowds and other objects that do not count, which come last.
        shared: bool [G], those of them that any number of detections take; others are taken once, as objects are.
        iou: least IoU.
        least: least F1.

    Returns:
        int [D], the object or crowd that a detection takes, or -1.
    """
    # An IoU of 1 is enough for a threshold of 1, as in pycocotools; F1 may be a rounding below its threshold.
    allowed = (overlaps >= min(iou, 1 - 1e-10)) & (agreement >= least - 1e-10)
    matches, free = np.full(len(overlaps), -1), np.ones(overlaps.shape[1], bool)
    for i in np.flatnonzero(allowed.any(axis=1)):
        best = -1
        for k in np.flatnonzero(free & allowed[i]):
            if best >= 0 and crowd[k] and not crowd[best]:
                break
            if best < 0 or overlaps[i, k] >= overlaps[i, best] and agreement[i, k] >= agreement[i, best]:
                best = k
        if best >= 0:
            matches[i], free[best] = best, shared[best]
    return matches
