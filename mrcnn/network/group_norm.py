"""Group normalisation (Wu and He 2018), computed channel by channel."""

import keras
from keras import layers, ops

from mrcnn.ops import Tensor


class GroupNormalization(layers.GroupNormalization):
    """Keras's layer with its weights and settings, in about half of the time on a CPU, and more exact.

    Keras adds up all values of a group at once; here each axis is averaged by itself and the few channels of a group
    come last, so that no sum grows long enough to lose digits, and maps are never split into groups.
    """

    def build(self, input_shape: tuple) -> None:
        if self.axis not in (-1, len(input_shape) - 1):
            raise ValueError(f"{self.name}: normalises the last axis, not axis {self.axis} of {tuple(input_shape)}.")
        super().build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        dtype = keras.backend.result_type(inputs.dtype, "float32")  # squares of half precision overflow
        x = ops.cast(inputs, dtype)
        centred = x - self._mean_of_groups(x)
        factor = ops.rsqrt(self._mean_of_groups(ops.square(centred)) + self.epsilon)
        if self.scale:
            factor = factor * ops.cast(self.gamma, dtype)
        result = centred * factor
        if self.center:
            result = result + ops.cast(self.beta, dtype)
        return ops.cast(result, self.compute_dtype)

    def _mean_of_groups(self, x):
        """Of each channel the mean of its group, [B, 1, ..., 1, F].

        Sums of known length, scaled and repeated in one product: TensorFlow makes graphs of `mean` and `repeat`, and of
        their gradients, for several times as long.
        """
        count, channels = 1, x.shape[-1]
        ones, inside = (1,) * (len(x.shape) - 2), channels // self.groups
        for axis in range(len(x.shape) - 2, 0, -1):
            size = x.shape[axis]
            if size == 1:  # tf2onnx gives a sum over it a wrong shape
                continue
            x = (ops.mean if size is None else ops.sum)(x, axis=axis, keepdims=True)
            count *= size or 1
        sums = ops.sum(ops.reshape(x, (-1, self.groups, inside)), axis=-1, keepdims=True)
        each = ops.full((inside,), 1 / (count * inside), dtype=x.dtype)
        return ops.reshape(sums * each, (-1, *ones, channels))
