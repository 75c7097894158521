"""Matterport's shelf: its names for what lives elsewhere. Nothing is defined here."""

from mrcnn.data.dataset import Dataset
from mrcnn.data.images import resize_image
from mrcnn.data.masks import expand_mask, minimize_mask, resize_mask, unmold_mask
from mrcnn.data.masks import mask_boxes as extract_bboxes
from mrcnn.evaluation.average_precision import compute_ap, compute_ap_range, compute_recall
from mrcnn.evaluation.matching import compute_matches, compute_overlaps_masks, trim_zeros
from mrcnn.ops.boxes import iou_matrix as compute_overlaps
from mrcnn.training.pretrained import COCO_MODEL_URL, download_trained_weights

__all__ = [
    "COCO_MODEL_URL",
    "Dataset",
    "compute_ap",
    "compute_ap_range",
    "compute_matches",
    "compute_overlaps",
    "compute_overlaps_masks",
    "compute_recall",
    "download_trained_weights",
    "expand_mask",
    "extract_bboxes",
    "minimize_mask",
    "resize_image",
    "resize_mask",
    "trim_zeros",
    "unmold_mask",
]
