"""Matterport's shelf of figures: its names, and some of ours, for what lives in `mrcnn.drawing`."""

from mrcnn.drawing.curves import plot_training_curves
from mrcnn.drawing.figures import (
    display_differences,
    display_images,
    display_instances,
    display_table,
    display_top_masks,
    display_weight_stats,
    draw_boxes,
    draw_rois,
    plot_overlaps,
    plot_precision_recall,
)
from mrcnn.drawing.pictures import (
    apply_mask,
    contact_sheet,
    distinct_colors,
    draw_box,
    draw_instances,
    random_colors,
)

__all__ = [
    "apply_mask",
    "contact_sheet",
    "display_differences",
    "display_images",
    "display_instances",
    "display_table",
    "display_top_masks",
    "display_weight_stats",
    "distinct_colors",
    "draw_box",
    "draw_boxes",
    "draw_instances",
    "draw_rois",
    "plot_overlaps",
    "plot_precision_recall",
    "plot_training_curves",
    "random_colors",
]
