"""Detections: every class of every region above the threshold, suppressed class by class."""

from collections.abc import Sequence

import keras
from keras import ops

from mrcnn.network.proposals import best_rows
from mrcnn.ops import Tensor
from mrcnn.ops import boxes as box_ops
from mrcnn.ops.nms import ABSENT, nms


class Detections(keras.layers.Layer):
    """Final boxes, classes and scores (Fast R-CNN section 2.4: per-class suppression, several classes a region).

    call: {"logits": [N, C], "deltas": [N, C, 4], "boxes": [B, R, 4], "valid": bool [B, R], "window": [B, 4],
    "min_confidence": [B] least score}, N being B * R -> {"boxes": [B, D, 4], "class_ids": int32 [B, D],
    "scores": [B, D], "valid": bool [B, D]}, best first, zeros where not valid.
    """

    def __init__(self, count: int, iou_threshold: float, std: Sequence[float], **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.count, self.iou_threshold = count, iou_threshold
        self.std = [float(v) for v in std]

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        regions, valid = inputs["boxes"], inputs["valid"]
        batch, number, classes = ops.shape(regions)[0], regions.shape[1], inputs["logits"].shape[-1]
        scores = ops.softmax(ops.cast(inputs["logits"], "float32"), axis=-1)
        scores = ops.reshape(scores, (batch, number, classes))[:, :, 1:]
        deltas = ops.reshape(ops.cast(inputs["deltas"], "float32"), (batch, number, classes, 4))[:, :, 1:]
        # A set of boxes a class and image: [B, C-1, R].
        scores = ops.transpose(ops.where(valid[:, :, None], scores, 0.0), (0, 2, 1))
        boxes = box_ops.decode(ops.transpose(deltas, (0, 2, 1, 3)), regions[:, None], self.std)
        boxes = box_ops.clip(boxes, inputs["window"][:, None, None])
        wanted = ops.logical_and(scores >= inputs["min_confidence"][:, None, None], box_ops.area(boxes) > 0)
        return self.suppress(boxes, ops.where(wanted, scores, ABSENT))

    def suppress(self, boxes: Tensor, scores: Tensor) -> dict[str, Tensor]:
        """The best of what suppression within each class leaves.

        Args:
            boxes: [B, C-1, R, 4].
            scores: [B, C-1, R], ABSENT where there is nothing.
        """
        batch, classes, number = ops.shape(scores)[0], scores.shape[1] + 1, scores.shape[2]
        flat_boxes = ops.reshape(boxes, (-1, number, 4))
        flat_scores = ops.reshape(scores, (-1, number))
        kept_count = min(self.count, number)
        kept, kept_valid = nms(flat_boxes, flat_scores, self.iou_threshold, kept_count, crowded=False)
        flat_boxes = ops.take_along_axis(flat_boxes, kept[:, :, None], axis=1)
        flat_scores = ops.where(kept_valid, ops.take_along_axis(flat_scores, kept, axis=1), ABSENT)

        boxes = ops.reshape(flat_boxes, (batch, (classes - 1) * kept_count, 4))
        scores = ops.reshape(flat_scores, (batch, (classes - 1) * kept_count))
        class_ids = ops.repeat(ops.arange(1, classes, dtype="float32"), kept_count)
        # The class travels with its box through the selection as a fifth column.
        class_ids = ops.broadcast_to(class_ids[None, :, None], (batch, (classes - 1) * kept_count, 1))
        return self.best(scores, ops.concatenate([boxes, class_ids], axis=-1))

    def best(self, scores: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """The best `count` rows of all classes together."""
        missing = self.count - scores.shape[1]
        if missing > 0:
            scores = ops.pad(scores, [[0, 0], [0, missing]], constant_values=ABSENT)
            rows = ops.pad(rows, [[0, 0], [0, missing], [0, 0]])
        scores, rows = best_rows(scores, rows, self.count)
        valid = scores > ABSENT
        rows = ops.where(valid[..., None], rows, 0.0)
        return {
            "boxes": rows[..., :4],
            "class_ids": ops.cast(rows[..., 4], "int32"),
            "scores": ops.where(valid, scores, 0.0),
            "valid": valid,
        }

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        shape = (inputs["boxes"].shape[0], self.count)
        return {
            "boxes": keras.KerasTensor(shape + (4,), "float32"),
            "class_ids": keras.KerasTensor(shape, "int32"),
            "scores": keras.KerasTensor(shape, "float32"),
            "valid": keras.KerasTensor(shape, "bool"),
        }


class DetectionMasks(keras.layers.Layer):
    """Mask probabilities of each detection, back in the padded table.

    call: {"logits": [N, h, w] of the detection's own class, "slot": int32 [N], "kept": bool [N],
    "valid": bool [B, D]} -> [B, D, h, w] in 0..1, zero where not valid.
    """

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, **kwargs)

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        logits, slots = inputs["logits"], inputs["valid"].shape[1]
        rows, columns = logits.shape[1:3]
        probabilities = ops.where(inputs["kept"][:, None, None], ops.sigmoid(logits), 0.0)
        batch = ops.shape(inputs["valid"])[0]
        table = ops.zeros((batch * slots, rows, columns), dtype="float32")
        table = ops.scatter_update(table, inputs["slot"][:, None], probabilities)
        return ops.reshape(table, (batch, slots, rows, columns))

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor(tuple(inputs["valid"].shape) + tuple(inputs["logits"].shape[1:3]), "float32")
