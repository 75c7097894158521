"""Batch normalisation (Ioffe and Szegedy 2015) that costs nothing where its statistics are fixed."""

from keras import backend, layers, ops

from mrcnn.ops import Tensor
from mrcnn.ops.portable import is_portable


class BatchNormalization(layers.BatchNormalization):
    """Keras's layer with its weights and settings.

    In the graphs by which TensorFlow detects and labels, a convolution before it takes it in: its kernel is scaled, and
    no map is gone through once more.
    """

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        fixed = not (training and self.trainable)
        if fixed and backend.backend() == "tensorflow" and not is_portable():
            from mrcnn.ops.native_tensorflow import scaled_convolution

            taken_in = scaled_convolution(inputs, self.factor_and_shift)
            if taken_in is not None:
                return taken_in
        return super().call(inputs, training=training, mask=mask)

    def factor_and_shift(self) -> tuple[Tensor, Tensor]:
        """By the fixed statistics of each channel: what it is multiplied by, and what is added then, [F] each."""
        factor = ops.rsqrt(self.moving_variance + self.epsilon)
        factor = factor * self.gamma if self.scale else factor
        shift = -self.moving_mean * factor
        return factor, shift + self.beta if self.center else shift
