"""YOLACT's detections: the best anchors of each class, decoded, and suppressed by Fast NMS or greedily."""

from collections.abc import Sequence

import keras
from keras import ops

from mrcnn.network.proposals import best_rows
from mrcnn.ops import Tensor
from mrcnn.ops import boxes as box_ops
from mrcnn.ops.nms import ABSENT, fast_nms, nms


class YolactDetections(keras.layers.Layer):
    """Final boxes, classes and scores, and which anchors they come from (Bolya 2019, section 5).

    call: {"logits": [B, A, C], "deltas": [B, A, 4], "anchors": [A, 4], "window": [B, 4], "min_confidence": [B] least
    score} -> {"boxes": [B, D, 4], "class_ids": int32 [B, D], "scores": [B, D], "valid": bool [B, D], "anchor": int32
    [B, D]}, best first, zeros where not valid.
    """

    def __init__(self, count: int, candidates: int, iou_threshold: float, std: Sequence[float], fast: bool = True,
                 **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.count, self.candidates, self.iou_threshold = count, candidates, iou_threshold
        self.std, self.fast = [float(v) for v in std], fast

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        scores, index = self.candidates_of(inputs["logits"], inputs["min_confidence"])
        batch, classes = ops.shape(scores)[0], scores.shape[1]
        flat = ops.reshape(index, (batch, classes * self.candidates))
        deltas = ops.take_along_axis(inputs["deltas"], flat[:, :, None], axis=1)
        boxes = box_ops.decode(deltas, ops.take(inputs["anchors"], flat, axis=0), self.std)
        boxes = box_ops.clip(boxes, inputs["window"][:, None])
        flat_boxes = ops.reshape(boxes, (batch * classes, self.candidates, 4))
        scores = ops.reshape(scores, (batch * classes, self.candidates))
        scores = ops.where(box_ops.area(flat_boxes) > 0, scores, ABSENT)
        scores = ops.where(self.kept(flat_boxes, scores), scores, ABSENT)

        # Class and anchor travel with the box through the selection; float32 is exact for whole numbers to 2**24.
        class_ids = ops.repeat(ops.arange(1, classes + 1, dtype="float32"), self.candidates)
        class_ids = ops.broadcast_to(class_ids[None], ops.shape(flat))
        further = ops.stack([class_ids, ops.cast(flat, "float32")], axis=-1)
        rows = ops.concatenate([boxes, further], axis=-1)
        scores, rows = best_rows(ops.reshape(scores, (batch, classes * self.candidates)), rows, self.count)
        valid = scores > ABSENT
        rows = ops.where(valid[..., None], rows, 0.0)
        return {
            "boxes": rows[..., :4],
            "class_ids": ops.cast(rows[..., 4], "int32"),
            "scores": ops.where(valid, scores, 0.0),
            "valid": valid,
            "anchor": ops.cast(rows[..., 5], "int32"),
        }

    def candidates_of(self, logits: Tensor, min_confidence: Tensor) -> tuple[Tensor, Tensor]:
        """The best anchors of each class.

        Args:
            logits: [B, A, C].
            min_confidence: [B].

        Returns:
            (scores [B, C-1, candidates], ABSENT below min_confidence; anchors int32 [B, C-1, candidates]), best first.
        """
        scores = ops.transpose(ops.softmax(logits, axis=-1)[:, :, 1:], (0, 2, 1))
        scores = ops.where(scores >= min_confidence[:, None, None], scores, ABSENT)
        anchors = scores.shape[2]
        if anchors is None or anchors < self.candidates:
            padding = ops.full((ops.shape(scores)[0], scores.shape[1], self.candidates), ABSENT, dtype="float32")
            scores = ops.concatenate([scores, padding], axis=2)
        number = ops.shape(logits)[1]
        scores, index = ops.top_k(scores, self.candidates)
        return scores, ops.minimum(ops.cast(index, "int32"), number - 1)

    def kept(self, boxes: Tensor, scores: Tensor) -> Tensor:
        """bool [S, N]: what suppression leaves of boxes [S, N, 4], best first, with scores [S, N]."""
        if self.fast:
            return fast_nms(boxes, self.iou_threshold)
        kept, valid = nms(boxes, scores, self.iou_threshold, min(self.count, self.candidates), crowded=False)
        position = ops.arange(self.candidates, dtype="int32")
        here = ops.logical_and(kept[:, :, None] == position, valid[:, :, None])
        return ops.any(here, axis=1)

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        shape = (inputs["logits"].shape[0], self.count)
        return {
            "boxes": keras.KerasTensor(shape + (4,), "float32"),
            "class_ids": keras.KerasTensor(shape, "int32"),
            "scores": keras.KerasTensor(shape, "float32"),
            "valid": keras.KerasTensor(shape, "bool"),
            "anchor": keras.KerasTensor(shape, "int32"),
        }
