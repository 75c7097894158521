"""Convolutions at some cells alone: what a loss or a result reads of few anchors need not be computed for all.

A dense convolution over the pyramid, with its gradient, costs as much as a backbone. Where an answer depends on a few
hundred cells, what lies around them is cut out of the maps, and is all that is multiplied, forwards and backwards.
"""

from collections.abc import Sequence

import keras
from keras import layers, ops

from mrcnn.ops import Tensor


class CellConv2D(layers.Conv2D):
    """A 3x3 convolution with padding "same", of all cells of a map or of the cells of some anchors alone.

    call: [B, h, w, F] -> [B, h', w', filters]; or {"maps": [B, h, w, F] of every level, "anchor": int32 [B, N],
    counted through all levels} -> [B, N, 1, filters], the same numbers, of which 1x1 convolutions make the next.

    Args:
        filters: that it has.
        stride: of the cells of its output.
        anchors: of such a cell.
    """

    def __init__(self, filters: int, stride: int = 1, anchors: int = 1, **kwargs: object):
        super().__init__(filters, 3, stride, "same", **kwargs)
        self.anchors = anchors
        self.input_spec = None  # it would take one map alone

    def build(self, shape: tuple | dict) -> None:
        super().build(shape["maps"][0] if isinstance(shape, dict) else shape)
        self.input_spec = None

    def call(self, inputs: Tensor | dict[str, object]) -> Tensor:
        if not isinstance(inputs, dict):
            return super().call(inputs)
        maps, anchor = inputs["maps"], inputs["anchor"]
        seen = cells_around(maps, anchor // self.anchors, self.strides[0])
        seen = ops.reshape(seen, (*ops.shape(anchor), 1, 9 * maps[0].shape[-1]))
        said = ops.matmul(seen, ops.cast(ops.reshape(self.kernel, (-1, self.filters)), seen.dtype))
        said = said + ops.cast(self.bias, said.dtype) if self.use_bias else said
        return self.activation(said)

    def compute_output_spec(self, inputs: Tensor | dict[str, object]) -> Tensor:
        if not isinstance(inputs, dict):
            return super().compute_output_spec(inputs)
        return keras.KerasTensor((*inputs["anchor"].shape, 1, self.filters), self.compute_dtype)


class OwnAnchors(layers.Layer):
    """Of what is said of all anchors of a cell, the numbers of one of them.

    call: {"said": [B, N, 1, anchors * numbers], "anchor": int32 [B, N] counted through all cells} -> [B, N, numbers].

    Args:
        anchors: of a cell.
    """

    def __init__(self, anchors: int, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.anchors = anchors

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        return numbers_of_anchors(inputs["said"], inputs["anchor"], self.anchors)

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor((*inputs["anchor"].shape, inputs["said"].shape[-1] // self.anchors),
                                 self.compute_dtype)


def numbers_of_anchors(said: Tensor, anchor: Tensor, anchors: int) -> Tensor:
    """Of what is said of all anchors of a cell, the numbers of one of them.

    Args:
        said: [B, N, 1, anchors * numbers].
        anchor: int32 [B, N], counted through all cells.
        anchors: of a cell.

    Returns:
        [B, N, numbers].
    """
    said = ops.reshape(said, (*ops.shape(anchor), anchors, said.shape[-1] // anchors))
    own = anchor - anchor // anchors * anchors
    return ops.take_along_axis(said, own[:, :, None, None], axis=2)[:, :, 0]


def cells_around(maps: Sequence[Tensor], cell: Tensor, stride: int = 1) -> Tensor:
    """What a 3x3 convolution with padding "same" sees where it gives some cells.

    Args:
        maps: [B, h, w, F] each.
        cell: int32 [B, N], of the convolution's output, counted through all maps row by row.
        stride: of the convolution.

    Returns:
        [B, N, 9, F], from top left to bottom right, zero outside a cell's map.
    """
    seen, begin = 0.0, 0
    for one in maps:
        height, width = ops.shape(one)[1:3]
        rows, columns = -(-height // stride), -(-width // stride)
        here = (cell >= begin) & (cell < begin + rows * columns)
        place = ops.where(here, cell - begin, 0)
        # Padding "same" is as much as the last window needs, the smaller half of it before the map.
        before = [ops.maximum((count - 1) * stride + 3 - side, 0) // 2
                  for count, side in ((rows, height), (columns, width))]
        row = place // columns
        column = place - row * columns
        seen += _around(one, row * stride - before[0], column * stride - before[1], here)
        begin += rows * columns
    return seen


def _around(one, row, column, here):
    """[B, N, 9, F] of one map: the 3x3 cells from (row, column) on, both int32 [B, N]; zero outside and elsewhere."""
    batch, height, width = ops.shape(one)[:3]
    steps = ops.arange(3, dtype="int32")
    rows, columns = row[..., None] + ops.repeat(steps, 3), column[..., None] + ops.tile(steps, (3,))
    inside = here[..., None] & (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    index = ops.clip(rows, 0, height - 1) * width + ops.clip(columns, 0, width - 1)
    index = index + (ops.arange(batch, dtype="int32") * (height * width))[:, None, None]
    seen = ops.take(ops.reshape(one, (-1, one.shape[-1])), index, axis=0)
    return ops.where(inside[..., None], seen, ops.zeros_like(seen))
