"""Bilinear sampling: maps made larger, and the weights for whoever samples by a product of matrices."""

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


def enlarge(x: Tensor, times: int) -> Tensor:
    """Make maps larger by a whole number, bilinearly between the centres of their cells.

    Args:
        x: [B, h, w, F]; in a graph of TensorFlow h and w may be unknown.
        times: whole number.

    Returns:
        [B, h * times, w * times, F].
    """
    from keras import backend, ops  # here: numpy's rooms take the weights above, and do without Keras

    if backend.backend() == "tensorflow":
        from mrcnn.ops.native_tensorflow import enlarge as native_enlarge

        return native_enlarge(x, times)
    height, width = ops.shape(x)[1:3]
    return ops.image.resize(x, (height * times, width * times), "bilinear", data_format="channels_last")


def convolve_enlarged(x: Tensor, kernel: Tensor) -> Tensor:
    """A 3x3 convolution of a map made twice as large, which lies among zeros.

    Args:
        x: [B, h, w, F] of two cells or more along each side; in a graph of TensorFlow h and w may be unknown.
        kernel: [3, 3, F, G].

    Returns:
        [B, 2h, 2w, G].
    """
    from keras import backend, ops

    from mrcnn.ops.portable import is_portable

    if backend.backend() == "tensorflow" and not is_portable():
        from mrcnn.ops.native_tensorflow import convolve_enlarged as native

        return native(x, kernel)
    return ops.conv(enlarge(x, 2), kernel, padding="same", data_format="channels_last")
