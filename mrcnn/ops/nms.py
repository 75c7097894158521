"""Non-maximum suppression over many independent sets of boxes at once: greedy, and YOLACT's fast form of it."""

from keras import backend, ops

from mrcnn.ops import Tensor
from mrcnn.ops import boxes as box_ops
from mrcnn.ops.portable import becomes_onnx, is_portable

ABSENT = -1e30  # score of a row that is not there
MANY = 256  # kept boxes from which on `parallel_nms` is the faster one


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, max_outputs: int,
        crowded: bool = True) -> tuple[Tensor, Tensor]:
    """Keep the best box, drop all that overlap it by more than the threshold, and so on.

    Args:
        boxes: [S, N, 4].
        scores: [S, N], ABSENT or lower for rows to ignore.
        iou_threshold: overlap above which a box is dropped.
        max_outputs: int M.
        crowded: whether a set may well keep hundreds, as of proposals. Sets of one class each are many, and keep few.

    Returns:
        (indices int32 [S, M], valid bool [S, M]), best first; of equal scores the lower index wins. Rows past the last
        kept box have index 0 and valid False. No gradient passes.
    """
    boxes = ops.stop_gradient(boxes)
    scores = ops.stop_gradient(scores)
    if backend.backend() == "tensorflow" and not is_portable():
        from mrcnn.ops.native_tensorflow import nms as native_nms

        return native_nms(boxes, scores, iou_threshold, max_outputs, ABSENT)
    if becomes_onnx():
        from mrcnn.ops.native_onnx import nms as onnx_nms

        return onnx_nms(boxes, scores, iou_threshold, max_outputs, ABSENT)
    # One iteration for each kept box is cheap for few of them; for the hundreds of proposals all pairs at once are.
    if crowded and max_outputs > MANY:
        return parallel_nms(boxes, scores, iou_threshold, max_outputs)
    return reference_nms(boxes, scores, iou_threshold, max_outputs)


def fast_nms(boxes: Tensor, iou_threshold: float) -> Tensor:
    """Drop every box that a better one overlaps by more than the threshold, whether that one is kept or not.

    This is Fast NMS (Bolya 2019, section 5): the pairwise IoUs, of which the upper triangle counts, and the largest
    of each column. It drops no less than the greedy rule, and has nothing to wait for.

    Args:
        boxes: [S, N, 4], best first; rows that are not there have no area, or come last.
        iou_threshold: overlap above which a box is dropped.

    Returns:
        bool [S, N], whether a box is kept. No gradient passes.
    """
    boxes = ops.stop_gradient(boxes)
    position = ops.arange(ops.shape(boxes)[1], dtype="int32")
    better = position[:, None] < position[None]
    overlaps = ops.where(better, box_ops.iou_matrix(boxes, boxes), 0.0)
    return ops.max(overlaps, axis=1) <= iou_threshold


def reference_nms(boxes: Tensor, scores: Tensor, iou_threshold: float, max_outputs: int) -> tuple[Tensor, Tensor]:
    """`nms` in keras.ops alone: all sets advance together, one kept box an iteration, until none has a box left."""
    number = ops.shape(scores)[1]
    columns = ops.arange(number, dtype="int32")[None]
    slots = ops.arange(max_outputs, dtype="int32")[None]

    def unfinished(iteration, live, chosen, valid):
        return ops.logical_and(iteration < max_outputs, ops.any(live > ABSENT))

    def keep_best(iteration, live, chosen, valid):
        # Keras' argmax looks at the bits of its numbers, which few other runtimes can.
        highest = ops.max(live, axis=-1, keepdims=True)
        best = ops.min(ops.where(live == highest, columns, number - 1), axis=-1, keepdims=True)
        alive = highest > ABSENT
        best_box = ops.take_along_axis(boxes, best[:, :, None], axis=1)
        overlaps = box_ops.iou(boxes, best_box) > iou_threshold
        gone = ops.logical_or(overlaps, columns == best)
        here = ops.logical_and(slots == iteration, alive)
        return (
            iteration + 1,
            ops.where(gone, ABSENT, live),
            ops.where(here, best, chosen),
            ops.logical_or(valid, here),
        )

    shape = (ops.shape(scores)[0], max_outputs)
    state = (
        ops.convert_to_tensor(0, dtype="int32"),
        scores,
        ops.zeros(shape, dtype="int32"),
        ops.zeros(shape, dtype="bool"),
    )
    _, _, chosen, valid = ops.while_loop(unfinished, keep_best, state)
    return chosen, valid


def parallel_nms(boxes: Tensor, scores: Tensor, iou_threshold: float, max_outputs: int) -> tuple[Tensor, Tensor]:
    """`nms` as a fixed point: a box is kept unless a kept one of higher score overlaps it.

    Starting from "all kept" the first t boxes are right after t rounds, so it ends at exactly the greedy answer,
    and in practice within a dozen rounds. Needs memory for S * N * N numbers, not truth values: a round is then one
    matrix product, and LiteRT takes ten times as long for ANDs of truth values.
    """
    number = scores.shape[1]
    order = ops.argsort(-scores, axis=-1)
    boxes = ops.take_along_axis(boxes, order[:, :, None], axis=1)
    valid = ops.take_along_axis(scores, order, axis=1) > ABSENT
    position = ops.arange(number, dtype="int32")
    # The least of an order is 0. Without it this were a constant, and an exported file would carry N * N of them.
    worse = ops.cast(position[:, None] > position[None] + ops.min(ops.cast(order, "int32")), "float32")
    excess = ops.maximum(box_ops.iou_matrix(boxes, boxes) - iou_threshold, 0.0) * worse  # above 0: column drops row

    def changed(kept, before):
        return ops.any(kept != before)

    def again(kept, before):
        hit = ops.matmul(excess, ops.cast(kept, "float32")[:, :, None])[:, :, 0] > 0.0
        return ops.logical_and(valid, ops.logical_not(hit)), kept

    kept, _ = ops.while_loop(changed, again, again(valid, valid))
    # Kept rows first, each group in its order of score.
    rank = ops.argsort(ops.where(kept, position, position + number), axis=-1)[:, :max_outputs]
    valid = ops.take_along_axis(kept, rank, axis=1)
    index = ops.where(valid, ops.cast(ops.take_along_axis(order, rank, axis=1), "int32"), 0)
    missing = [[0, 0], [0, max(0, max_outputs - number)]]
    return ops.pad(index, missing), ops.pad(valid, missing)
