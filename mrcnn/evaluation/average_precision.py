"""Average precision and recall of one image, with Matterport's signatures; `coco` has the figures to publish."""

from collections.abc import Sequence

import numpy as np

from mrcnn.evaluation.matching import compute_matches
from mrcnn.ops.boxes import iou_matrix


def compute_ap(gt_boxes: np.ndarray, gt_class_ids: np.ndarray, gt_masks: np.ndarray, pred_boxes: np.ndarray,
               pred_class_ids: np.ndarray, pred_scores: np.ndarray, pred_masks: np.ndarray,
               iou_threshold: float = 0.5) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Average precision of one image at one mask IoU threshold.

    This is not COCO's AP, and its mean over images is not either:
    - the detections of all classes of one image are ranked together, while COCO ranks each class over all images and
      then averages over classes, so that here frequent classes weigh more and scores are never compared across images;
    - the area under the precision envelope is exact, while COCO reads it at 101 recalls;
    - crowds are true objects like others, and every detection counts, while COCO ignores the former and the latter
      beyond 100;
    - an image without true objects has AP 0, while in COCO it only adds its false positives to the ranking.
    Use it to look at single images; publish `mrcnn.evaluation.coco`.

    Args:
        gt_boxes, gt_class_ids, gt_masks: [G, 4], [G], [H, W, G] true objects.
        pred_boxes, pred_class_ids, pred_scores, pred_masks: [N, 4], [N], [N], [H, W, N] detections.
        iou_threshold: least mask IoU of a match.

    Returns:
        (AP, precisions [N + 2], recalls [N + 2], overlaps [N, G]); precisions are the falling envelope, both begin and
        end with a sentinel, overlaps are mask IoU in falling order of score.
    """
    gt_match, pred_match, overlaps = compute_matches(
        gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks, iou_threshold
    )
    matched = np.cumsum(pred_match > -1)
    precisions = matched / np.arange(1, len(pred_match) + 1)
    recalls = matched / max(len(gt_match), 1)
    precisions = np.concatenate([[0.0], precisions, [0.0]])
    recalls = np.concatenate([[0.0], recalls, [1.0]])
    precisions = np.maximum.accumulate(precisions[::-1])[::-1]
    ap = float(np.sum(np.diff(recalls) * precisions[1:]))
    return ap, precisions, recalls, overlaps


def compute_ap_range(gt_box: np.ndarray, gt_class_id: np.ndarray, gt_mask: np.ndarray, pred_box: np.ndarray,
                     pred_class_id: np.ndarray, pred_score: np.ndarray, pred_mask: np.ndarray,
                     iou_thresholds: Sequence[float] | None = None, verbose: int = 1) -> float:
    """Mean of `compute_ap` over IoU thresholds.

    Args:
        gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask: as for `compute_ap`.
        iou_thresholds: None takes 0.50, 0.55 ... 0.95.
        verbose: 1 prints each value.
    """
    thresholds = np.linspace(0.5, 0.95, 10) if iou_thresholds is None else np.asarray(iou_thresholds)
    values = []
    for threshold in thresholds:
        ap = compute_ap(gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask, threshold)[0]
        if verbose:
            print(f"AP @{threshold:.2f}:\t {ap:.3f}")
        values.append(ap)
    mean = float(np.mean(values))
    if verbose:
        print(f"AP @{thresholds[0]:.2f}-{thresholds[-1]:.2f}:\t {mean:.3f}")
    return mean


def compute_recall(pred_boxes: np.ndarray, gt_boxes: np.ndarray, iou: float) -> tuple[float, np.ndarray]:
    """Share of true boxes that are the best overlap of some predicted box.

    Args:
        pred_boxes, gt_boxes: [N, 4], [G, 4] (y1, x1, y2, x2) in the same coordinates.
        iou: least IoU of a find.

    Returns:
        (recall, indices of the predicted boxes that find one); recall is 0 without true boxes.
    """
    if len(gt_boxes) == 0 or len(pred_boxes) == 0:
        return 0.0, np.zeros(0, np.int64)
    overlaps = iou_matrix(np.asarray(pred_boxes, np.float64), np.asarray(gt_boxes, np.float64))
    positive_ids = np.nonzero(overlaps.max(1) >= iou)[0]
    return len(set(overlaps.argmax(1)[positive_ids])) / len(gt_boxes), positive_ids
