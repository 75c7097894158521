"""Proposals: the anchors most like objects, moved by their deltas, without near-duplicates (FPN section 4.1)."""

from collections.abc import Sequence

import keras
from keras import ops

from mrcnn.ops import Tensor
from mrcnn.ops import boxes as box_ops
from mrcnn.ops.nms import ABSENT, nms


class Proposals(keras.layers.Layer):
    """Per level: the best by score, decoded, cut to the photo, and suppressed; then the best over all levels.

    call: {"logits": list of [B, A_l], "deltas": list of [B, A_l, 4], "anchors": list of [A_l, 4],
    "window": [B, 4]} -> {"boxes": [B, R, 4], "scores": [B, R] logits, "valid": bool [B, R]}, best first.
    No gradient passes.
    """

    def __init__(self, per_level: int, total: int, iou_threshold: float, std: Sequence[float], **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.per_level, self.total, self.iou_threshold = per_level, total, iou_threshold
        self.std = [float(v) for v in std]

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        levels = [
            self.best_of_level(logits, deltas, anchors, inputs["window"])
            for logits, deltas, anchors in zip(inputs["logits"], inputs["deltas"], inputs["anchors"])
        ]
        # Levels become independent sets of one suppression: [B * L, K].
        boxes = ops.stack([boxes for boxes, _ in levels], axis=1)
        scores = ops.stack([scores for _, scores in levels], axis=1)
        batch = ops.shape(boxes)[0]
        flat_boxes = ops.reshape(boxes, (-1, self.per_level, 4))
        flat_scores = ops.reshape(scores, (-1, self.per_level))
        kept, valid = nms(flat_boxes, flat_scores, self.iou_threshold, min(self.per_level, self.total))
        flat_boxes = ops.take_along_axis(flat_boxes, kept[:, :, None], axis=1)
        flat_scores = ops.where(valid, ops.take_along_axis(flat_scores, kept, axis=1), ABSENT)

        boxes = ops.reshape(flat_boxes, (batch, -1, 4))
        scores = ops.reshape(flat_scores, (batch, -1))
        scores, boxes = best_rows(scores, boxes, self.total)
        valid = scores > ABSENT
        return {"boxes": ops.where(valid[..., None], boxes, 0.0), "scores": scores, "valid": valid}

    def best_of_level(self, logits: Tensor, deltas: Tensor, anchors: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
        """The `per_level` best anchors of one level as (boxes [B, K, 4], scores [B, K]), padded with ABSENT."""
        scores, deltas, anchors = self.top_anchors(logits, deltas, anchors)
        boxes = box_ops.decode(deltas, anchors, self.std)
        boxes = box_ops.clip(boxes, window[:, None])
        return boxes, ops.where(box_ops.area(boxes) > 0, scores, ABSENT)

    def top_anchors(self, logits: Tensor, deltas: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(scores [B, K], deltas [B, K, 4], anchors [B, K, 4]) of the `per_level` best, padded with ABSENT."""
        logits = ops.cast(ops.stop_gradient(logits), "float32")
        deltas = ops.cast(ops.stop_gradient(deltas), "float32")
        batch, number = ops.shape(logits)[0], ops.shape(logits)[1]
        padding = ops.full((batch, self.per_level), ABSENT, dtype="float32")
        scores, index = ops.top_k(ops.concatenate([logits, padding], axis=1), self.per_level)
        index = ops.minimum(ops.cast(index, "int32"), number - 1)
        return scores, ops.take_along_axis(deltas, index[:, :, None], axis=1), ops.take(anchors, index, axis=0)

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        batch = inputs["window"].shape[0]
        return {
            "boxes": keras.KerasTensor((batch, self.total, 4), "float32"),
            "scores": keras.KerasTensor((batch, self.total), "float32"),
            "valid": keras.KerasTensor((batch, self.total), "bool"),
        }


def best_rows(scores: Tensor, boxes: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` best rows by score: ([B, count], [B, count, columns]), padded with ABSENT where there are fewer."""
    batch = ops.shape(scores)[0]
    if scores.shape[1] is None or scores.shape[1] < count:
        scores = ops.concatenate([scores, ops.full((batch, count), ABSENT, dtype="float32")], axis=1)
        boxes = ops.concatenate([boxes, ops.zeros((batch, count, boxes.shape[-1]), dtype="float32")], axis=1)
    scores, index = ops.top_k(scores, count)
    return scores, ops.take_along_axis(boxes, ops.cast(index, "int32")[:, :, None], axis=1)
