"""Where true objects are lost on their way through Mask R-CNN: how far each of them comes, and with what scores.

Every step has a test of an object, such as "a proposal of IoU 0.50 or more". An object has passed a step if that step's
test or one of a later step holds, and it is lost at the first step that it has not passed: a proposal that is found
from a poor anchor makes up for the anchor. N counts objects, G those of one photo, D its detections; classes are places
in the list of the data's classes, from 0 on.
"""

import copy
import dataclasses
from collections.abc import Sequence

import numpy as np

from mrcnn.config import Settings
from mrcnn.data.curation.anchor_fit import best_overlaps, propose_anchors
from mrcnn.evaluation.pairs import ImagePairs, match
from mrcnn.evaluation.thresholds import THRESHOLDS, rank_images, threshold_curves
from mrcnn.ops import boxes as box_ops

IOU = 0.5  # of a proposal, a detection and a mask that count as reaching an object
LOW_SCORE = 0.05  # that of `evaluate`, under which next to nothing is found
FIRST = 100  # proposals whose recall is measured beside that of all
SIZES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, np.inf)}  # COCO's areas, pixels of the photo
BINS = 20  # of the histograms of scores
BLOCK = 2_000_000  # overlaps that are held at once
LOST = 0.05  # share of the objects from which on a loss is worth a word
STEPS = ("data", "pixels", "near_anchor", "anchor", "proposal", "detection", "class", "low_score", "score", "mask")


@dataclasses.dataclass(frozen=True)
class Trace:
    """What the stages of the network made of one photo.

    Args:
        boxes: float [G, 4] pixels of the canvas.
        areas: [G] pixels of the photo.
        canvas: (height, width).
        anchors, proposals, first_proposals: [G] highest IoU with an anchor, a proposal, one of the FIRST proposals.
        proposal_count: number of proposals.
        pairs: ImagePairs of boxes, with detections of any score.
        mask_overlaps: [D, G] IoU of masks, of the pairs that `right` finds; not read elsewhere.
    """

    boxes: np.ndarray
    areas: np.ndarray
    canvas: tuple
    anchors: np.ndarray
    proposals: np.ndarray
    first_proposals: np.ndarray
    proposal_count: int
    pairs: ImagePairs
    mask_overlaps: np.ndarray


def highest_overlaps(boxes: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The highest IoU of each box with any candidate, a block of candidates at a time.

    Args:
        boxes: [G, 4].
        candidates: [A, 4].

    Returns:
        float32 [G], 0 where there is no candidate.
    """
    boxes, candidates = np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(candidates, np.float32).reshape(-1, 4)
    best = np.zeros(len(boxes), np.float32)
    rows = max(1, BLOCK // max(len(boxes), 1))
    for start in range(0, len(candidates) if len(boxes) else 0, rows):
        best = np.maximum(best, box_ops.iou_matrix(candidates[start : start + rows], boxes).max(axis=0))
    return best


def box_pairs(true_boxes: np.ndarray, true_classes: np.ndarray, crowd_boxes: np.ndarray, crowd_classes: np.ndarray,
              boxes: np.ndarray, classes: np.ndarray, scores: np.ndarray) -> ImagePairs:
    """ImagePairs of the boxes of one photo, all [., 4] in one unit; detections in any order."""
    order = np.argsort(-np.asarray(scores), kind="stable")
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)[order]
    true_boxes, crowd_boxes = (np.asarray(each, np.float32).reshape(-1, 4) for each in (true_boxes, crowd_boxes))
    covered = box_ops.intersection(boxes[:, None], crowd_boxes[None])
    return ImagePairs(
        scores=np.asarray(scores, float)[order],
        classes=np.asarray(classes, int)[order],
        results=order,
        true_classes=np.asarray(true_classes, int),
        crowd_classes=np.asarray(crowd_classes, int),
        overlaps=box_ops.iou_matrix(boxes, true_boxes),
        crowd_overlaps=covered / np.maximum(box_ops.area(boxes), 1e-9)[:, None],
    )


def right(pairs: ImagePairs) -> np.ndarray:
    """bool [D, G]: a detection of the object's class that reaches it, whatever the score."""
    return (pairs.overlaps >= IOU) & (pairs.classes[:, None] == pairs.true_classes)


# --- The funnel ------------------------------------------------------------------------------------------------------


def step_tests(trace: Trace, config: Settings) -> np.ndarray:
    """bool [len(STEPS), G]: the test of each step on its own.

    A side under one canvas pixel fails "pixels", as it does in training. Two detections may reach one object, and one
    detection two objects: what takes what is asked for the histograms of scores alone.
    """
    pairs, hit = trace.pairs, right(trace.pairs)
    scores = np.where(hit, pairs.scores[:, None], -1).max(axis=0, initial=-1)
    masked = hit & (pairs.scores[:, None] >= config.DETECTION_MIN_CONFIDENCE) & (trace.mask_overlaps >= IOU)
    sides = trace.boxes[:, 2:] - trace.boxes[:, :2]
    return np.stack([
        np.ones(len(trace.boxes), bool),
        sides.min(axis=1, initial=np.inf) >= 1 - 1e-3,
        trace.anchors >= min(IOU, config.RPN_POSITIVE_IOU),
        trace.anchors >= config.RPN_POSITIVE_IOU,
        trace.proposals >= IOU,
        (pairs.overlaps >= IOU).any(axis=0),
        hit.any(axis=0),
        scores >= min(LOW_SCORE, config.DETECTION_MIN_CONFIDENCE),
        scores >= config.DETECTION_MIN_CONFIDENCE,
        masked.any(axis=0),
    ])


def step_names(config: Settings) -> dict[str, str]:
    """{step: what it asks for, in words}."""
    confidence = config.DETECTION_MIN_CONFIDENCE
    return {
        "data": "objects in the data",
        "pixels": "a canvas pixel or more each way",
        "near_anchor": f"an anchor of IoU {min(IOU, config.RPN_POSITIVE_IOU):.2f}",
        "anchor": f"an anchor of IoU {config.RPN_POSITIVE_IOU:.2f}",
        "proposal": f"a proposal of IoU {IOU:.2f}",
        "detection": f"a detection of IoU {IOU:.2f}, any class",
        "class": "of the right class",
        "low_score": f"with a score of {min(LOW_SCORE, confidence):.2f}",
        "score": f"with a score of {confidence:.2f}",
        "mask": f"and a mask of IoU {IOU:.2f}",
    }


def measure(traces: Sequence[Trace], names: Sequence[str], config: Settings) -> dict:
    """Everything that the traces of some photos say.

    traces: list of Trace; names: of the K classes; config: Config, whose thresholds and anchors are those of the traces

    Returns a dict that JSON can hold:
        photos, objects: numbers; image_size: longest side of a canvas, pixels
        steps: list of {key, name, passed: objects, own: objects for which the step's own test holds, lost: objects
            lost here, sizes: {"small", "medium", "large": passed}}
        classes: list of {name, objects, passed: [number of each step]}; sizes: {name: objects}
        anchors: {recall: {IoU: share of the objects}, small, large, long: of those lost at near_anchor, smallest and
            largest: anchor sides, pixels, lost_side: median side of the lost, proposed: {scales, ratios, recall} or
            None where few are lost}
        proposals: {number: mean of a photo, full: photos with as many as are let through, recall, recall_first,
            recall_fitted, recall_half: of objects with an anchor of RPN_POSITIVE_IOU, and of those without}
        scores: {edges, hits, false_alarms: histograms, highest, highest_hit, shown: detections, best, at: {threshold,
            F1, precision, recall}}; a hit takes an object of its class by its box; None where there is nothing
        confusions: list of [class, class of the best detection that reaches it, objects], where these differ and the
            object is lost before "score" is passed
        called: detections of LOW_SCORE or more of each class
        masks: {right: objects with a detection of their class, good: those whose best one has a mask of IoU 0.50}
        full: photos with as many detections of DETECTION_MIN_CONFIDENCE as are let through
        crowded: {photos, objects: over MAX_GT_INSTANCES, most: objects of a photo}
        overlapping: objects lost at "detection" beside another of their class, nearer than suppression lets pass
    """
    own = [step_tests(trace, config) for trace in traces]
    own = np.concatenate([np.zeros((len(STEPS), 0), bool), *own], axis=1)
    reached = len(STEPS) - 1 - own[::-1].argmax(axis=0)
    classes = _joined([trace.pairs.true_classes for trace in traces], int)
    areas = _joined([trace.areas for trace in traces])
    groups = {name: (areas >= low) & (areas < high) for name, (low, high) in SIZES.items()}
    passed = reached[None] >= np.arange(len(STEPS))[:, None]
    number, words = len(classes), step_names(config)
    per_photo = np.array([len(trace.boxes) for trace in traces], int)
    over = np.maximum(per_photo - config.MAX_GT_INSTANCES, 0)
    return {
        "photos": len(traces),
        "objects": number,
        "image_size": max((max(trace.canvas) for trace in traces), default=0),
        "steps": [{
            "key": key, "name": words[key], "passed": int(passed[i].sum()), "own": int(own[i].sum()),
            "lost": int(passed[i - 1].sum() - passed[i].sum()) if i else 0,
            "sizes": {size: int((passed[i] & group).sum()) for size, group in groups.items()},
        } for i, key in enumerate(STEPS)],
        "classes": [{"name": name, "objects": int((classes == k).sum()),
                     "passed": passed[:, classes == k].sum(axis=1).tolist()} for k, name in enumerate(names)],
        "sizes": {size: int(group.sum()) for size, group in groups.items()},
        "anchors": _anchors(traces, reached, config),
        "proposals": _proposals(traces, config),
        "scores": _scores([trace.pairs for trace in traces], len(names), config),
        "confusions": _confusions(traces, reached, names),
        "called": _called(traces, len(names)),
        "masks": _masks(traces),
        "full": sum(int((trace.pairs.scores >= config.DETECTION_MIN_CONFIDENCE).sum()) >= config.DETECTION_MAX_INSTANCES
                    for trace in traces),
        "crowded": {"photos": int((over > 0).sum()), "objects": int(over.sum()), "most": int(per_photo.max(initial=0))},
        "overlapping": _overlapping(traces, reached, config),
    }


def _joined(arrays, kind=float):
    return np.concatenate([np.zeros(0, kind), *arrays])


def _share(chosen):
    return float(np.mean(chosen)) if len(chosen) else None


# --- Each stage ------------------------------------------------------------------------------------------------------


def _anchors(traces, reached, config):
    boxes = np.concatenate([np.zeros((0, 4)), *(trace.boxes for trace in traces)])
    canvases = np.concatenate([np.zeros((0, 2), int), *(np.tile(t.canvas, (len(t.boxes), 1)) for t in traces)])
    overlaps = _joined([trace.anchors for trace in traces])
    lost, kept = reached == STEPS.index("pixels"), reached >= STEPS.index("pixels")
    height, width = (boxes[lost, 2:] - boxes[lost, :2]).T
    side, ratio = np.sqrt(height * width), width / np.maximum(height, 1e-9)
    scales, ratios = config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS
    # A square of side s in one of side S has IoU (s / S) ** 2, and likewise of two shapes of one area.
    small, large = side < np.sqrt(IOU) * min(scales), side > max(scales) / np.sqrt(IOU)
    long = ~small & ~large & ((ratio < IOU * min(ratios)) | (ratio > max(ratios) / IOU))
    proposed = None
    if lost.sum() >= max(LOST * len(boxes), 1):
        proposal = propose_anchors(boxes[kept], canvases[kept], config)
        better = copy.copy(config)
        better.RPN_ANCHOR_SCALES, better.RPN_ANCHOR_RATIOS = proposal
        proposed = {"scales": proposal[0], "ratios": proposal[1],
                    "recall": float((best_overlaps(boxes[kept], canvases[kept], better) >= IOU).mean())}
    return {
        "recall": {f"{iou:.2f}": _share(overlaps >= iou) for iou in sorted({IOU, float(config.RPN_POSITIVE_IOU)})},
        "small": int(small.sum()), "large": int(large.sum()), "long": int(long.sum()),
        "smallest": float(min(scales)), "largest": float(max(scales)),
        "lost_side": float(np.median(side)) if len(side) else None,
        "proposed": proposed,
    }


def _proposals(traces, config):
    overlaps, anchors = (_joined([getattr(t, name) for t in traces]) for name in ("proposals", "anchors"))
    fitted = anchors >= config.RPN_POSITIVE_IOU
    half = ~fitted & (anchors >= IOU)
    counts = np.array([trace.proposal_count for trace in traces], int)
    return {
        "number": float(counts.mean()) if len(counts) else 0.0,
        "full": int((counts >= config.POST_NMS_ROIS_INFERENCE).sum()),
        "recall": _share(overlaps >= IOU),
        "recall_first": _share(_joined([trace.first_proposals for trace in traces]) >= IOU),
        "recall_fitted": _share(overlaps[fitted] >= IOU),
        "recall_half": _share(overlaps[half] >= IOU),
    }


def _scores(images, class_count, config):
    hits, false_alarms = [], []
    for pairs in images:
        matches, ignored = match(pairs, IOU)
        hits.append(pairs.scores[matches >= 0])
        false_alarms.append(pairs.scores[(matches < 0) & ~ignored])
    hits, false_alarms = _joined(hits), _joined(false_alarms)
    edges = np.linspace(0, 1, BINS + 1)
    curves = threshold_curves(rank_images(images, class_count))["overall"]
    at = int(np.argmin(np.abs(THRESHOLDS - config.DETECTION_MIN_CONFIDENCE)))
    numbers = {name: curves[name][at] for name in ("F1", "precision", "recall")} if curves else None
    everything = np.concatenate([hits, false_alarms])
    return {
        "edges": edges.tolist(),
        "hits": np.histogram(hits, edges)[0].tolist(),
        "false_alarms": np.histogram(false_alarms, edges)[0].tolist(),
        "highest": float(everything.max()) if len(everything) else None,
        "highest_hit": float(hits.max()) if len(hits) else None,
        "shown": int((everything >= config.DETECTION_MIN_CONFIDENCE).sum()),
        "best": curves.get("best"),
        "at": numbers and {"threshold": float(config.DETECTION_MIN_CONFIDENCE), **numbers},
    }


def _confusions(traces, reached, names):
    counts, start = {}, 0
    for trace in traces:
        pairs, at = trace.pairs, reached[start : start + len(trace.boxes)]
        start += len(trace.boxes)
        for g in np.flatnonzero((at >= STEPS.index("detection")) & (at < STEPS.index("score"))):
            best = np.flatnonzero(pairs.overlaps[:, g] >= IOU)[0]  # scores fall
            true, said = pairs.true_classes[g], pairs.classes[best]
            if said != true and pairs.scores[best] >= LOW_SCORE:
                key = names[true], names[said] if said >= 0 else "another of its classes"
                counts[key] = counts.get(key, 0) + 1
    return [[*key, count] for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _called(traces, class_count):
    said = _joined([trace.pairs.classes[trace.pairs.scores >= LOW_SCORE] for trace in traces], int)
    return np.bincount(said[said >= 0], minlength=class_count).tolist()


def _masks(traces):
    boxes_right = good = 0
    for trace in traces:
        hit = right(trace.pairs)
        objects = np.flatnonzero(hit.any(axis=0))
        best = [np.flatnonzero(hit[:, g])[0] for g in objects]  # the first is that of the highest score
        boxes_right += len(objects)
        good += int((trace.mask_overlaps[best, objects] >= IOU).sum()) if best else 0
    return {"right": boxes_right, "good": good}


def _overlapping(traces, reached, config):
    count, start = 0, 0
    for trace in traces:
        classes, at = trace.pairs.true_classes, reached[start : start + len(trace.boxes)]
        close = box_ops.iou_matrix(trace.boxes, trace.boxes) > config.DETECTION_NMS_THRESHOLD
        close &= (classes[:, None] == classes) & ~np.eye(len(classes), dtype=bool)
        lost = (at == STEPS.index("proposal")) | (at == STEPS.index("detection"))
        count += int((lost & close.any(axis=1)).sum())
        start += len(trace.boxes)
    return count
