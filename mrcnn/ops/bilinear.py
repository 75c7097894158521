"""The weights of bilinear sampling along one axis, for whoever samples by a product of matrices."""

import numpy as np

from mrcnn.ops import Tensor
from mrcnn.ops.boxes import namespace_of


def tent_weights(positions: Tensor, cells: int) -> Tensor:
    """How much each cell of a row gives to samples between their centres: a tent of width one around each sample.

    Args:
        positions: float [...], in cells, 0 at the centre of the first; numpy array or tensor
        cells: how many the row has

    Returns:
        [..., cells] of the same kind, 0..1.
    """
    xp = namespace_of(positions)
    # Keras names the types of tensors as text.
    dtype = positions.dtype if xp is np else "float32"
    return xp.maximum(1 - xp.abs(positions[..., None] - xp.arange(cells, dtype=dtype)), 0)
