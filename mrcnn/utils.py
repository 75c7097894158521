"""Matterport's shelf: its names for what lives elsewhere. Nothing is defined here."""

from mrcnn.data.dataset import Dataset
from mrcnn.data.images import resize_image
from mrcnn.data.masks import expand_mask, minimize_mask, resize_mask, unmold_mask
from mrcnn.data.masks import mask_boxes as extract_bboxes
from mrcnn.evaluation.average_precision import compute_ap, compute_ap_range, compute_recall
from mrcnn.evaluation.matching import compute_matches, compute_overlaps_masks, trim_zeros
from mrcnn.matterport.boxes import (
    apply_box_deltas,
    batch_slice,
    box_refinement,
    box_refinement_graph,
    compute_iou,
    compute_overlaps,
    denorm_boxes,
    generate_anchors,
    generate_pyramid_anchors,
    non_max_suppression,
    norm_boxes,
)
from mrcnn.matterport.gone import teller
from mrcnn.matterport.images import resize
from mrcnn.weights.pretrained import COCO_MODEL_URL, download_trained_weights

__all__ = [
    "COCO_MODEL_URL",
    "Dataset",
    "apply_box_deltas",
    "batch_slice",
    "box_refinement",
    "box_refinement_graph",
    "compute_ap",
    "compute_ap_range",
    "compute_iou",
    "compute_matches",
    "compute_overlaps",
    "compute_overlaps_masks",
    "compute_recall",
    "denorm_boxes",
    "download_trained_weights",
    "expand_mask",
    "extract_bboxes",
    "generate_anchors",
    "generate_pyramid_anchors",
    "minimize_mask",
    "non_max_suppression",
    "norm_boxes",
    "resize",
    "resize_image",
    "resize_mask",
    "trim_zeros",
    "unmold_mask",
]
__getattr__ = teller(__name__)  # of names that are gone
