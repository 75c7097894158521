"""Detections matched with true objects: overlaps of masks, and the greedy match of one image."""

import numpy as np

from mrcnn.data.mask_values import bool_masks
from mrcnn.errors import DataError

BLOCK_PIXELS = 1 << 16  # float32 copies of the masks are made for this many pixels at a time, never of whole images


def compute_overlaps_masks(masks1: np.ndarray, masks2: np.ndarray) -> np.ndarray:
    """IoU of every mask of one set with every mask of another.

    Args:
        masks1, masks2: [H, W, N1], [H, W, N2] bool, or numbers: of floats those above 0.5 are inside, of
            whole numbers those of `mrcnn.data.mask_values.cut_masks`.

    Returns:
        float32 [N1, N2]; 0 where both masks are empty.

    Raises:
        DataError: the masks differ in size.
    """
    masks1, masks2 = np.asarray(masks1), np.asarray(masks2)
    count1, count2 = masks1.shape[-1], masks2.shape[-1]
    if count1 == 0 or count2 == 0:
        return np.zeros((count1, count2), np.float32)
    if masks1.shape[:-1] != masks2.shape[:-1]:
        sizes = " and ".join(str(list(masks.shape[:-1])) for masks in (masks1, masks2))
        raise DataError(f"The masks are of size {sizes} (height, width): bring mini masks to the photo's by "
                        "mrcnn.utils.expand_mask(boxes, masks, image.shape).")
    masks1, masks2 = (masks > 0.5 if masks.dtype.kind == "f" else bool_masks(masks) for masks in (masks1, masks2))
    flat1, flat2 = masks1.reshape(-1, count1), masks2.reshape(-1, count2)
    intersections = np.zeros((count1, count2))
    for start in range(0, len(flat1), BLOCK_PIXELS):
        block = slice(start, start + BLOCK_PIXELS)
        intersections += flat1[block].astype(np.float32).T @ flat2[block].astype(np.float32)
    unions = flat1.sum(0)[:, None] + flat2.sum(0)[None, :] - intersections
    return np.divide(intersections, unions, out=np.zeros_like(intersections), where=unions > 0).astype(np.float32)


def greedy_match(overlaps: np.ndarray, allowed: np.ndarray, last: bool = False) -> np.ndarray:
    """Match detections with true objects, in order: each takes the one of highest overlap that none took before it.

    Args:
        overlaps: float [D, G], detections in falling order of score
        allowed: bool [D, G], whether a detection may take an object
        last: of equal overlaps the last object is taken, as in pycocotools, and not the first

    Returns:
        int [D], index of the object that a detection takes, or -1.
    """
    matches, free = np.full(len(overlaps), -1), np.ones(overlaps.shape[1], bool)
    for i in np.flatnonzero(allowed.any(axis=1)):
        candidates = np.where(free & allowed[i], overlaps[i], -1)
        best = len(free) - 1 - int(np.argmax(candidates[::-1])) if last else int(np.argmax(candidates))
        if candidates[best] >= 0:
            matches[i], free[best] = best, False
    return matches


def compute_matches(gt_boxes: np.ndarray, gt_class_ids: np.ndarray, gt_masks: np.ndarray, pred_boxes: np.ndarray,
                    pred_class_ids: np.ndarray, pred_scores: np.ndarray, pred_masks: np.ndarray,
                    iou_threshold: float = 0.5,
                    score_threshold: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match the detections of one image with its true objects (Matterport's signature and rule).

    In order of falling score each detection takes, among the true objects of its class that none took before it,
    the one of highest mask IoU, if that is at least iou_threshold. Rows of zeros at the end of the boxes are padding.

    Args:
        gt_boxes, gt_class_ids, gt_masks: [G, 4], [G], [H, W, G] true objects.
        pred_boxes, pred_class_ids, pred_scores, pred_masks: [N, 4], [N], [N], [H, W, N] detections.
        iou_threshold: least IoU of a match.
        score_threshold: a second least IoU; it is compared with overlaps, not scores, because scripts rely on it so.

    Returns:
        gt_match [G] (position of the matching detection in falling order of score, or -1), pred_match [N] in that order
        (index of the matching true object, or -1) and overlaps [N, G] in that order.

    Raises:
        DataError: the masks differ in size, or there are fewer of something than of boxes.
    """
    gt_count = unpadded_count(gt_boxes, gt_class_ids=np.shape(gt_class_ids)[0], gt_masks=np.shape(gt_masks)[-1])
    count = unpadded_count(pred_boxes, pred_class_ids=np.shape(pred_class_ids)[0],
                            pred_scores=np.shape(pred_scores)[0], pred_masks=np.shape(pred_masks)[-1])
    gt_class_ids, gt_masks = np.asarray(gt_class_ids)[:gt_count], np.asarray(gt_masks)[..., :gt_count]
    order = np.argsort(-np.asarray(pred_scores)[:count], kind="stable")
    overlaps = compute_overlaps_masks(np.asarray(pred_masks)[..., order], gt_masks)
    same_class = np.asarray(pred_class_ids)[order][:, None] == gt_class_ids
    pred_match = greedy_match(overlaps, same_class & (overlaps >= max(iou_threshold, score_threshold))).astype(float)
    gt_match, matched = np.full(gt_count, -1.0), np.flatnonzero(pred_match >= 0)
    gt_match[pred_match[matched].astype(int)] = matched
    return gt_match, pred_match, overlaps


def trim_zeros(rows: np.ndarray) -> np.ndarray:
    """Rows without those that are all zero.

    Args:
        rows: [N, M].
    """
    rows = np.asarray(rows)
    return rows[~np.all(rows == 0, axis=1)]


def unpadded_count(boxes: np.ndarray, **counts: int) -> int:
    """Number of boxes before the rows of zeros at their end.

    A row of zeros elsewhere is an object of an empty mask: its place is kept, or the others would have its mask.

    Args:
        boxes: [N, 4].
        counts: how many there are of what goes with them, by name.

    Raises:
        DataError: there are fewer of something than of boxes.
    """
    filled = np.flatnonzero(np.any(np.asarray(boxes).reshape(-1, 4) != 0, axis=1))
    number = int(filled[-1]) + 1 if len(filled) else 0
    fewer = {name: count for name, count in counts.items() if count < number}
    if fewer:
        raise DataError(f"There are {number} boxes, but " + ", ".join(f"{n} {name}" for name, n in fewer.items())
                        + ": each box needs one.")
    return number
