"""Boxes and anchors under Matterport's names."""

import math
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from mrcnn.config import Settings
from mrcnn.data.corner_alignment import LAST_PIXEL
from mrcnn.network.anchors import anchor_shapes, level_anchors
from mrcnn.network.geometries import GEOMETRIES
from mrcnn.ops import Tensor
from mrcnn.ops import boxes as box_ops
from mrcnn.ops.nms import nms

UNSCALED = (1.0, 1.0, 1.0, 1.0)


# --- Pixels and shares of the image ----------------------------------------------------------------------------------
def norm_boxes(boxes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Boxes in pixels as normalised ones: float32, numpy from numpy or lists, tensors from tensors.

    Args:
        boxes: [..., 4] pixels.
        shape: (H, W) of the image, numbers or an integer tensor of two.
    """
    boxes, scale, shift = _frame(boxes, shape)
    return (boxes - shift) / scale


def denorm_boxes(boxes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Undoes `norm_boxes` and rounds: int32 [..., 4] pixels."""
    boxes = box_pixels(boxes, shape)
    return np.rint(boxes).astype(np.int32) if isinstance(boxes, np.ndarray) else ops.cast(ops.round(boxes), "int32")


def box_pixels(boxes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Undoes `norm_boxes` and keeps fractions of pixels: float32 [..., 4]."""
    boxes, scale, shift = _frame(boxes, shape)
    return boxes * scale + shift


norm_boxes_graph, denorm_boxes_graph = norm_boxes, denorm_boxes


def _frame(boxes, shape):
    """(boxes, scale, shift), all of them numpy or all of them tensors."""
    if not any(ops.is_tensor(value) or isinstance(value, keras.KerasTensor) for value in (boxes, shape)):
        sides = np.asarray(shape, np.float32)
        return np.asarray(boxes, np.float32), np.concatenate([sides, sides]) - 1, LAST_PIXEL
    sides = ops.cast(shape, "float32")
    shift = ops.convert_to_tensor(LAST_PIXEL)  # inclusive when normalised
    return ops.cast(boxes, "float32"), ops.concatenate([sides, sides]) - 1, shift


# --- Overlaps and deltas ---------------------------------------------------------------------------------------------
def compute_iou(box: np.ndarray, boxes: np.ndarray, box_area: float | None = None,
                boxes_area: np.ndarray | None = None) -> np.ndarray:
    """IoU of one box with many.

    Args:
        box: [4].
        boxes: [N, 4].
        box_area, boxes_area: ignored; the areas are taken from the boxes.

    Returns:
        [N].
    """
    return box_ops.iou(_real(box)[None], _real(boxes))


def compute_overlaps(boxes1: np.ndarray, boxes2: np.ndarray) -> np.ndarray:
    """IoU of every box of one set with every box of another: [N, 4], [M, 4] -> [N, M]."""
    return box_ops.iou_matrix(_real(boxes1), _real(boxes2))


def _real(boxes):
    """Boxes in 32 bits or more: small integers wrap round below zero, larger ones where sides are multiplied."""
    boxes = np.asarray(boxes)
    return boxes.astype(np.promote_types(boxes.dtype, np.float32), copy=False)


def apply_box_deltas(boxes: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Boxes moved by unscaled deltas (dy, dx, log dh, log dw), both [N, 4]: float32 [N, 4].

    Log sizes are clamped at `mrcnn.ops.boxes.MAX_LOG_SIZE`, so that nothing overflows.
    """
    return box_ops.decode(np.asarray(deltas, np.float32), np.asarray(boxes, np.float32), UNSCALED)


def box_refinement(box: np.ndarray, gt_box: np.ndarray) -> np.ndarray:
    """The unscaled deltas that lead from boxes to true boxes, both [N, 4]: float32 [N, 4]."""
    return box_ops.encode(np.asarray(box, np.float32), np.asarray(gt_box, np.float32), UNSCALED)


def box_refinement_graph(box: Tensor, gt_box: Tensor) -> Tensor:
    """`box_refinement` of tensors."""
    return box_ops.encode(ops.cast(box, "float32"), ops.cast(gt_box, "float32"), UNSCALED)


def non_max_suppression(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Greedy suppression of one set of boxes.

    Args:
        boxes: [N, 4].
        scores: [N].
        threshold: of the IoU.

    Returns:
        int32 [K], the indices of the kept boxes, best first.
    """
    boxes, scores = np.asarray(boxes, np.float32), np.asarray(scores, np.float32)
    if not len(boxes):
        return np.zeros(0, np.int32)
    kept, valid = nms(ops.convert_to_tensor(boxes[None]), ops.convert_to_tensor(scores[None]), threshold, len(boxes))
    kept, valid = ops.convert_to_numpy(kept)[0], ops.convert_to_numpy(valid)[0]
    return kept[valid].astype(np.int32)


def batch_slice(inputs: Tensor | Sequence[Tensor], graph_fn: Callable, batch_size: int,
                names: Sequence[str] | None = None) -> object:
    """Applies a function to each entry of a batch and stacks what it gives.

    Args:
        inputs: tensor or list of tensors [B, ...].
        graph_fn: takes as many tensors [...], gives one or several.
        batch_size: B.
        names: of the outputs, for backends that name tensors: not used.

    Returns:
        A list of tensors [B, ...], or the tensor where graph_fn gives one.
    """
    inputs = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    rows = [graph_fn(*(value[index] for value in inputs)) for index in range(batch_size)]
    rows = [row if isinstance(row, (list, tuple)) else [row] for row in rows]
    stacked = [ops.stack(values, axis=0) for values in zip(*rows)]
    return stacked[0] if len(stacked) == 1 else stacked


# --- Anchors ---------------------------------------------------------------------------------------------------------
def compute_backbone_shapes(config: Settings, image_shape: tuple[int, int, int]) -> np.ndarray:
    """int [5, (height, width)]: cells of the maps P2 to P6 of an image.

    A callable BACKBONE is asked through COMPUTE_BACKBONE_SHAPE where the Config has that.
    """
    if callable(config.BACKBONE) and config.COMPUTE_BACKBONE_SHAPE is not None:
        return np.array(config.COMPUTE_BACKBONE_SHAPE(image_shape))
    return np.array([[math.ceil(side / stride) for side in image_shape[:2]] for stride in config.BACKBONE_STRIDES])


def generate_anchors(scales: float | Sequence[float], ratios: Sequence, shape: tuple[int, int], feature_stride: int,
                     anchor_stride: int, geometry: str = "exact") -> np.ndarray:
    """Anchors of one feature map, as the network has them.

    Args:
        scales: side or sides of the square anchors, pixels.
        ratios: width / height.
        shape: (height, width) of the map in cells.
        feature_stride: pixels a cell.
        anchor_stride: anchors at every so many cells.
        geometry: Config.GEOMETRY, of which "exact" has anchors round the centres of cells and "matterport" round their
            first corners.

    Returns:
        float32 [N, 4] pixels, by row, column, ratio, scale.
    """
    shapes = np.stack([anchor_shapes(scale, ratios) for scale in np.atleast_1d(scales)], axis=1).reshape(-1, 2)
    height, width = (int(side) for side in shape)
    offset = GEOMETRIES[geometry].anchor_offset
    return ops.convert_to_numpy(level_anchors(height, width, int(feature_stride), shapes, int(anchor_stride), offset))


def generate_pyramid_anchors(scales: Sequence[float], ratios: Sequence, feature_shapes: np.ndarray,
                             feature_strides: Sequence, anchor_stride: int, geometry: str = "exact") -> np.ndarray:
    """Anchors of all levels, the finest first: float32 [A, 4] pixels.

    Args:
        scales: of each level, pixels.
        ratios, anchor_stride, geometry: as for `generate_anchors`.
        feature_shapes: [(height, width)] of each level, cells.
        feature_strides: of each level, pixels.
    """
    levels = zip(scales, feature_shapes, feature_strides)
    anchors = [generate_anchors(scale, ratios, *level, anchor_stride, geometry) for scale, *level in levels]
    return np.concatenate(anchors)
