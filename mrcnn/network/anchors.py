"""Anchors: the boxes that proposals start from (Faster R-CNN section 3.1.1; FPN section 4.1)."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mrcnn.ops import Tensor


def anchor_shapes(scale: float, ratios: Sequence[float]) -> Tensor:
    """Sides of the anchors of one level.

    Args:
        scale: pixels, the side at ratio 1.
        ratios: width / height.

    Returns:
        float32 [ratios, (height, width)], all of area scale squared.
    """
    ratios = np.asarray(ratios, "float32")
    return np.stack([scale / np.sqrt(ratios), scale * np.sqrt(ratios)], axis=-1).astype("float32")


def level_anchors(height: int | Tensor, width: int | Tensor, stride: int, shapes: Tensor, anchor_stride: int = 1,
                  offset: float = 0.5) -> Tensor:
    """Anchors of one feature map, centred on its cells, or where `offset` says, as a share of the cell.

    Args:
        height, width: cells, numbers or scalar tensors.
        stride: pixels a cell.
        shapes: [K, (height, width)] pixels.
        anchor_stride: anchors at every so many cells.
        offset: of a centre in its cell, as a share of the cell.

    Returns:
        float32 [height * width * K, 4] pixels in the order row, column, shape.
    """
    y = (ops.arange(0, height, anchor_stride, dtype="float32") + offset) * stride
    x = (ops.arange(0, width, anchor_stride, dtype="float32") + offset) * stride
    y, x = ops.meshgrid(y, x, indexing="ij")
    half = ops.convert_to_tensor(shapes / 2, dtype="float32")
    y, x = ops.expand_dims(y, -1), ops.expand_dims(x, -1)
    corners = [y - half[:, 0], x - half[:, 1], y + half[:, 0], x + half[:, 1]]
    return ops.reshape(ops.stack(corners, axis=-1), (-1, 4))


class Anchors(keras.layers.Layer):
    """Anchors of every level, made for the size of the maps it is given.

    call: list of maps [B, h, w, F] -> list of float32 [A_l, 4] pixels.
    """

    def __init__(self, strides: Sequence[int], scales: Sequence[float], ratios: Sequence[float], anchor_stride: int = 1,
                 offset: float = 0.5, **kwargs: object):
        super().__init__(trainable=False, autocast=False, **kwargs)  # of the maps it reads the sizes alone
        self.strides = list(strides)
        self.shapes = [anchor_shapes(scale, ratios) for scale in scales]
        self.anchor_stride, self.offset = anchor_stride, offset

    def call(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [
            level_anchors(ops.shape(m)[1], ops.shape(m)[2], stride, shapes, self.anchor_stride, self.offset)
            for m, stride, shapes in zip(maps, self.strides, self.shapes)
        ]

    def compute_output_spec(self, maps: Sequence[Tensor]) -> list[Tensor]:
        def count(feature_map, shapes):
            height, width = feature_map.shape[1:3]
            if height is None or width is None:
                return None
            return -(-height // self.anchor_stride) * -(-width // self.anchor_stride) * len(shapes)

        return [keras.KerasTensor((count(m, s), 4), "float32") for m, s in zip(maps, self.shapes)]
