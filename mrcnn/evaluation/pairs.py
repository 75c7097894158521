"""Overlaps of all detections of an image with all its true objects, and their greedy match.

D counts the detections of one image, G its true objects, C its crowds. Classes are places in the list of categories,
from 0 on.
"""

import dataclasses

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.evaluation.comparison import Comparison
from mrcnn.evaluation.matching import greedy_match

MOST_DETECTIONS = 100  # of one class in one image, the highest scores first, as COCO counts


@dataclasses.dataclass(frozen=True)
class ImagePairs:
    """The detections and true objects of one image, and how much they overlap.

    Args:
        scores: float [D], falling.
        classes: int [D].
        results: int [D] places in the comparison's detections.
        true_classes: int [G].
        crowd_classes: int [C].
        overlaps: float [D, G] IoU.
        crowd_overlaps: float [D, C], the share of each detection that lies in the crowd.
        open_classes: bool [C], crowds that stand for a class that is not exhaustively labelled; None for none.
    """

    scores: np.ndarray
    classes: np.ndarray
    results: np.ndarray
    true_classes: np.ndarray
    crowd_classes: np.ndarray
    overlaps: np.ndarray
    crowd_overlaps: np.ndarray
    open_classes: np.ndarray | None = None


def pair_images(comparison: Comparison) -> list[ImagePairs]:
    """list of ImagePairs, one for each image of a `comparison.Comparison`, in its order."""
    objects = _by_image(comparison.objects, len(comparison.image_ids))
    detections = _by_image(comparison.detections, len(comparison.image_ids))
    return [_pair(comparison, objects[i], detections[i]) for i in range(len(objects))]


def _by_image(entries, count):
    """For each image the indices of its entries."""
    indices = [[] for _ in range(count)]
    for i, entry in enumerate(entries):
        indices[entry["image_id"]].append(i)
    return indices


def _pair(comparison, objects, results):
    """ImagePairs of one image from the indices of its objects and results."""
    results = _highest(comparison.detections, np.array(results, int))
    detections = [comparison.detections[i] for i in results]
    true = [comparison.objects[i] for i in objects]
    crowd = np.array([entry["iscrowd"] for entry in true], bool)
    shape = "segmentation" if comparison.kind == "segm" else "bbox"
    overlaps = run_lengths.iou([entry[shape] for entry in detections], [entry[shape] for entry in true], crowd)
    true_classes = np.array([entry["category_id"] for entry in true], int)
    return ImagePairs(
        scores=np.array([entry["score"] for entry in detections], float),
        classes=np.array([entry["category_id"] for entry in detections], int),
        results=results,
        true_classes=true_classes[~crowd],
        crowd_classes=true_classes[crowd],
        overlaps=overlaps[:, ~crowd],
        crowd_overlaps=overlaps[:, crowd],
        open_classes=np.array([bool(entry.get("open_class")) for entry in true], bool)[crowd],
    )


def _highest(entries, indices):
    """Places in falling order of score, of each class at most MOST_DETECTIONS; equal scores stay in their order."""
    indices = indices[np.argsort([-entries[i]["score"] for i in indices], kind="stable")]
    if len(indices) <= MOST_DETECTIONS:
        return indices
    classes = np.array([entries[i]["category_id"] for i in indices])
    kept = np.zeros(len(indices), bool)
    for class_id in np.unique(classes):
        kept[np.flatnonzero(classes == class_id)[:MOST_DETECTIONS]] = True
    return indices[kept]


def match(pairs: ImagePairs, iou: float = 0.5, by_class: bool = True,
          score_threshold: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Match the detections of one image with its true objects.

    In order of falling score each detection takes the object of highest overlap that none took before it, if their IoU
    is at least `iou`; among equal overlaps the last one, as in pycocotools. One that takes none is ignored if at least
    that share of it lies in a crowd.

    Args:
        pairs: ImagePairs of one image.
        iou: least IoU of a match.
        by_class: True matches objects, and crowds, of the detection's own class alone (COCO's rule), False of any
            class, but for crowds that stand for one class.
        score_threshold: detections of lower score are left out: they take nothing, and are ignored.

    Returns:
        (int [D] place of the object that a detection takes, or -1; bool [D] ignored).
    """
    iou = min(iou, 1 - 1e-10)  # as pycocotools has it: an IoU of 1 is enough for a threshold of 1
    enough = pairs.overlaps
    in_crowd = pairs.crowd_overlaps >= iou
    own_crowd = pairs.classes[:, None] == pairs.crowd_classes
    if by_class:
        enough = np.where(pairs.classes[:, None] == pairs.true_classes, enough, 0)
        in_crowd = in_crowd & own_crowd
    elif pairs.open_classes is not None:
        in_crowd = in_crowd & (own_crowd | ~pairs.open_classes)
    left_out = np.zeros(len(pairs.scores), bool) if score_threshold is None else pairs.scores < score_threshold
    matches = greedy_match(enough, (enough >= iou) & ~left_out[:, None], last=True)
    return matches, left_out | ((matches < 0) & in_crowd.any(axis=1))
