"""ONNX's own NonMaxSuppression and RoiAlign in a graph of TensorFlow: markers, which the writer of ONNX files replaces.

Both compute what `mrcnn.ops.nms` and `mrcnn.ops.roi_align` say, which the written file is held against. A graph with
markers runs nowhere but in the file that `mrcnn.export.onnx_files` makes of it.
"""

from collections.abc import Sequence

import tensorflow as tf

from mrcnn.ops import Tensor

NMS_MARKER, ROI_ALIGN_MARKER = "marks_onnx_nms", "marks_onnx_roi_align"
MARKER_OPERATION = "PyFunc"  # what TensorFlow calls a marker in its graph


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, max_outputs: int, absent: float) -> tuple[Tensor, Tensor]:
    """`mrcnn.ops.nms.nms` by one NonMaxSuppression over all sets."""
    number = scores.shape[1]
    limits = [tf.constant([max_outputs], tf.int64), tf.constant([iou_threshold], tf.float32),
              tf.constant([absent], tf.float32)]
    chosen = _marked(NMS_MARKER, [boxes, scores[:, None], *limits], tf.int64, (None, 3))
    # ONNX leaves open in which order it tells what is kept: the scores put it in order.
    pairs = tf.cast(tf.gather(chosen, [0, 2], axis=1), tf.int32)  # (set, row)
    # Ones made of the pairs themselves: OpenVINO cannot bound a shape that is computed of how many are kept.
    kept = tf.scatter_nd(pairs, tf.cast(pairs[:, 1] >= 0, tf.float32), tf.shape(scores))
    best, index = tf.math.top_k(tf.where(kept > 0, scores, absent), min(max_outputs, number))
    valid = best > absent
    missing = [[0, 0], [0, max(0, max_outputs - number)]]
    return tf.pad(tf.where(valid, index, 0), missing), tf.pad(valid, missing)


def roi_align(maps: Sequence[Tensor], strides: Sequence[int], boxes: Tensor, image_index: Tensor, level_index: Tensor,
              size: int, sampling_ratio: int, ordered: bool = False) -> Tensor:
    """`mrcnn.ops.roi_align.roi_align` by one RoiAlign for each map, of the boxes that are cropped from it.

    ordered: the boxes stand in the order of their maps, as after `level_order`, so that crops need not be moved.
    """
    corners = tf.gather(boxes, [1, 0, 3, 2], axis=1)  # ONNX has x before y, and channels before cells
    crops, rows = [], []
    for level, (features, stride) in enumerate(zip(maps, strides)):
        chosen = tf.cast(tf.where(level_index == level)[:, 0], tf.int32)
        inputs = [tf.transpose(features, (0, 3, 1, 2)), tf.gather(corners, chosen), tf.gather(image_index, chosen)]
        numbers = [tf.constant([size, sampling_ratio], tf.int32), tf.constant(1.0 / stride, tf.float32)]
        shape = (None, features.shape[3], size, size)
        crops.append(_marked(ROI_ALIGN_MARKER, inputs + numbers, tf.float32, shape))
        rows.append(chosen)
    crops = tf.concat(crops, axis=0)
    if not ordered:
        crops = as_before(crops, tf.concat(rows, axis=0))
    return tf.transpose(crops, (0, 2, 3, 1))


def level_order(level_index: Tensor, levels: int) -> Tensor:
    """int32 [N]: the rows of level 0, then those of level 1, and so on, each level's as they stand."""
    rows = [tf.cast(tf.where(level_index == level)[:, 0], tf.int32) for level in range(levels)]
    return tf.concat(rows, axis=0)


def as_before(rows: Tensor, order: Tensor) -> Tensor:
    """Rows [N, ...] that were put in an order, int32 [N], as they stood before."""
    return tf.gather(rows, tf.math.invert_permutation(order))


def doubled(maps: Tensor) -> Tensor:
    """Maps [B, h, w, F] with each cell four times, by one Resize."""
    return tf.raw_ops.ResizeNearestNeighbor(images=maps, size=tf.shape(maps)[1:3] * 2)


def _marked(name, inputs, dtype, shape):
    """What the operation of that name will give, of a shape that is known."""

    def refuse(*_):
        raise RuntimeError(f"{name} stands for an operation of ONNX and does not run in TensorFlow.")

    return tf.ensure_shape(tf.numpy_function(refuse, inputs, dtype, name=name), shape)
