"""YOLACT's masks: prototypes of the whole canvas, summed with each object's coefficients (Bolya 2019, equation 1)."""

from collections.abc import Sequence

import keras
from keras import layers, ops

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


class AnchorConv2D(layers.Conv2D):
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
        super().__init__(anchors * numbers, 3, padding="same", **kwargs)
        self.anchors, self.numbers = anchors, numbers

    def build(self, shape: tuple) -> None:
        super().build(shape)
        self.input_spec = None  # it would take one map alone

    def call(self, inputs: Tensor | dict[str, object]) -> Tensor:
        if not isinstance(inputs, dict):
            return super().call(inputs)
        maps, anchor = inputs["maps"], inputs["anchor"]
        batch, count = ops.shape(anchor)
        cell = anchor // self.anchors
        seen = ops.reshape(cells_around(maps, cell), (batch, count, 9 * maps[0].shape[-1]))
        said = ops.matmul(seen, ops.cast(ops.reshape(self.kernel, (-1, self.filters)), seen.dtype))
        said = said + ops.cast(self.bias, said.dtype) if self.use_bias else said
        said = ops.reshape(said, (batch, count, self.anchors, self.numbers))
        own = (anchor - cell * self.anchors)[:, :, None, None]
        return self.activation(ops.take_along_axis(said, own, axis=2)[:, :, 0])

    def compute_output_spec(self, inputs: Tensor | dict[str, object]) -> Tensor:
        if not isinstance(inputs, dict):
            return super().compute_output_spec(inputs)
        return keras.KerasTensor((*inputs["anchor"].shape, self.numbers), self.compute_dtype)


def cells_around(maps: Sequence[Tensor], cell: Tensor) -> Tensor:
    """What a 3x3 convolution with padding "same" sees at some cells.

    Args:
        maps: [B, h, w, F] each.
        cell: int32 [B, N], counted through all maps, row by row.

    Returns:
        [B, N, 9, F], from top left to bottom right, zero outside a cell's map.
    """
    batch, channels = ops.shape(maps[0])[0], maps[0].shape[-1]
    first = height = width = ops.zeros_like(cell)  # of each cell's map: its first cell, and its sides
    begin = 0
    for one in maps:
        rows, columns = ops.shape(one)[1:3]
        here = cell >= begin
        first, height, width = (ops.where(here, new, old) for new, old in
                                ((begin, first), (rows, height), (columns, width)))
        begin = begin + rows * columns
    row = (cell - first) // width
    column = cell - first - row * width
    steps = ops.convert_to_tensor([-1, 0, 1], dtype="int32")
    rows = row[..., None] + ops.repeat(steps, 3)
    columns = column[..., None] + ops.tile(steps, (3,))
    height, width, first = height[..., None], width[..., None], first[..., None]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    index = first + ops.clip(rows, 0, height - 1) * width + ops.clip(columns, 0, width - 1)
    index = index + (ops.arange(batch, dtype="int32") * begin)[:, None, None]
    every = ops.concatenate([ops.reshape(one, (batch, -1, channels)) for one in maps], axis=1)
    seen = ops.take(ops.reshape(every, (-1, channels)), index, axis=0)
    return ops.where(inside[..., None], seen, ops.zeros_like(seen))


class TrainingMasks(keras.layers.Layer):
    """Masks of the sampled positive anchors, beside the true ones of their objects.

    Of the P slots no more are worked on than some image fills, where shapes may be dynamic.

    call: {"prototypes": [B, h, w, k], "coefficients": [B, A, k], "index", "valid", "object": [B, P], "gt_boxes":
    [B, G, 4], "masks": [N, h, w], "row": int32 [B, G]} -> {"logits", "target": float32 [B, n, h, w], "boxes": [B, n, 4]
    pixels, of the true objects, "valid": bool [B, n]}, n being P or less.
    """

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, **kwargs)

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        slots, _ = filled_rows(ops.any(inputs["valid"], axis=0))
        index, valid, objects = (ops.take(inputs[name], slots, axis=1) for name in ("index", "valid", "object"))
        coefficients = ops.take_along_axis(inputs["coefficients"], index[:, :, None], axis=1)
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
