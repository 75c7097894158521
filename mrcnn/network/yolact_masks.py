"""YOLACT's masks: prototypes of the whole canvas, summed with each object's coefficients (Bolya 2019, equation 1)."""

import keras
from keras import ops

from mrcnn.network.some_cells import CellConv2D, numbers_of_anchors
from mrcnn.network.yolact_targets import whole_canvas
from mrcnn.ops import Tensor
from mrcnn.ops.roi_align import sample_masks
from mrcnn.ops.sampling import filled_rows


def assembled(prototypes: Tensor, coefficients: Tensor) -> Tensor:
    """Mask logits on the whole canvas: P C^T of equation 1, before its sigmoid.

    Args:
        prototypes: [B, h, w, k].
        coefficients: [B, N, k].

    Returns:
        float32 [B, N, h, w].
    """
    batch, height, width, count = ops.shape(prototypes)
    flat = ops.reshape(ops.cast(prototypes, "float32"), (batch, height * width, count))
    logits = ops.matmul(ops.cast(coefficients, "float32"), ops.transpose(flat, (0, 2, 1)))
    return ops.reshape(logits, (batch, ops.shape(coefficients)[1], height, width))


class AnchorConv2D(CellConv2D):
    """A 3x3 convolution that gives every anchor of a cell some numbers, or those of some anchors alone.

    Few anchors become objects, and only these need mask coefficients: their cells and the eight around each are all
    that is read then, and the result is the same.

    call: [B, h, w, F] -> [B, h, w, anchors * numbers]; or {"maps": [B, h, w, F] of every level, "anchor": int32 [B, N],
    counted through all levels} -> [B, N, numbers].

    Args:
        anchors: of a cell.
        numbers: that the convolution gives each of them.
    """

    def __init__(self, anchors: int, numbers: int, **kwargs: object):
        super().__init__(anchors * numbers, anchors=anchors, **kwargs)
        self.numbers = numbers

    def call(self, inputs: Tensor | dict[str, object]) -> Tensor:
        if not isinstance(inputs, dict):
            return super().call(inputs)
        return numbers_of_anchors(super().call(inputs), inputs["anchor"], self.anchors)

    def compute_output_spec(self, inputs: Tensor | dict[str, object]) -> Tensor:
        if not isinstance(inputs, dict):
            return super().compute_output_spec(inputs)
        return keras.KerasTensor((*inputs["anchor"].shape, self.numbers), self.compute_dtype)


class TrainingMasks(keras.layers.Layer):
    """Masks of the sampled positive anchors, beside the true ones of their objects.

    Of the P slots no more are worked on than some image fills, where shapes may be dynamic.

    call: {"prototypes": [B, h, w, k], "coefficients": [B, P, k], "valid", "object": [B, P], "gt_boxes": [B, G, 4],
    "masks": [N, h, w], "row": int32 [B, G]} -> {"logits", "target": float32 [B, n, h, w], "boxes": [B, n, 4]
    pixels, of the true objects, "valid": bool [B, n]}, n being P or less.
    """

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, **kwargs)

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        slots, _ = filled_rows(ops.any(inputs["valid"], axis=0))
        coefficients, valid, objects = (
            ops.take(inputs[name], slots, axis=1) for name in ("coefficients", "valid", "object")
        )
        rows = ops.take_along_axis(inputs["row"], objects, axis=1)
        return {
            "logits": assembled(inputs["prototypes"], coefficients),
            "target": ops.take(inputs["masks"], rows, axis=0),
            "boxes": ops.take_along_axis(inputs["gt_boxes"], objects[:, :, None], axis=1),
            "valid": valid,
        }

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        batch, height, width = inputs["prototypes"].shape[:3]
        return {
            "logits": keras.KerasTensor((batch, None, height, width), "float32"),
            "target": keras.KerasTensor((batch, None, height, width), "float32"),
            "boxes": keras.KerasTensor((batch, None, 4), "float32"),
            "valid": keras.KerasTensor((batch, None), "bool"),
        }


class PrototypeMasks(keras.layers.Layer):
    """Mask probabilities of detections, each on a grid over its box, which cuts them as equation 1's crop does.

    The grid has as many cells as the prototypes of the whole canvas, so that of no object anything is lost: its cells
    are read between the centres of the prototypes' cells, as enlarging the masks to the photo would do.

    call: {"prototypes": [B, h, w, k], "coefficients": [B, D, k], "boxes": [B, D, 4], "valid": bool [B, D], best first}
    -> [B, D, side, side] in 0..1, zero where not valid.
    """

    def __init__(self, side: int, stride: int, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.side, self.stride = side, stride

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        valid, side = inputs["valid"], self.side
        batch, detections = ops.shape(valid)
        height, width = ops.shape(inputs["prototypes"])[1:3]
        # Detections come first in each row: what no image has is at the end, and need not be assembled.
        slots, _ = filled_rows(ops.any(valid, axis=0))
        coefficients, boxes, valid = (
            ops.take(inputs[name], slots, axis=1) for name in ("coefficients", "boxes", "valid")
        )
        count = ops.shape(slots)[0]
        masks = ops.sigmoid(assembled(inputs["prototypes"], coefficients))
        masks = ops.reshape(masks, (batch * count, height, width))
        canvas = whole_canvas(height, width, self.stride, batch * count)
        parts = sample_masks(masks, canvas, ops.reshape(boxes, (-1, 4)), (side, side), sampling_ratio=1)
        parts = ops.where(valid[:, :, None, None], ops.reshape(parts, (batch, count, side, side)), 0.0)
        rest = ops.zeros((batch, detections - count, side, side), dtype="float32")
        return ops.reshape(ops.concatenate([parts, rest], axis=1), (batch, inputs["valid"].shape[1], side, side))

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor((*inputs["valid"].shape, self.side, self.side), "float32")
