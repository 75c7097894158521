"""What the networks of pixels share: a convolution with its norm and activation, and maps made larger."""

from keras import layers, ops

from mrcnn.config import Settings
from mrcnn.network.backbones import normalisation
from mrcnn.ops import Tensor
from mrcnn.ops.bilinear import convolve_enlarged, enlarge


class Blocks:
    """Makes layers in the manner of some settings.

    Args:
        config: settings; HEAD_NORM, or NORM where it is None, says which norm.
        activation: after the norm, "relu" or None.
    """

    def __init__(self, config: Settings, activation: str | None = "relu"):
        self.norm, self.train_bn = config.HEAD_NORM or config.NORM, config.TRAIN_BN
        self.activation = activation

    def convolve(self, x: Tensor, channels: int, size: int = 3, dilation: int = 1, name: str = "",
                 separable: bool = False, groups: int | None = None) -> Tensor:
        """Convolution, norm and activation.

        Args:
            x: [B, h, w, F].
            channels: of the result.
            size: side of the kernel.
            dilation: distance of its taps.
            name: of the convolution; the norm's is name + "_bn".
            separable: whether each channel is convolved by itself first (Chen 2018, section 3.1).
            groups: of group normalisation; None: `groups_of(channels)`.

        Returns:
            [B, h, w, channels].
        """
        if separable:
            x = layers.DepthwiseConv2D(size, padding="same", dilation_rate=dilation, use_bias=False,
                                       depthwise_initializer="he_normal", name=f"{name}_depthwise")(x)
            x = normalisation(self.norm, self.train_bn, f"{name}_depthwise_bn", groups_of(x.shape[-1]))(x)
            x = layers.Activation("relu", name=f"{name}_depthwise_relu")(x)
            size = dilation = 1
        x = layers.Conv2D(channels, size, padding="same", dilation_rate=dilation, use_bias=False,
                          kernel_initializer="he_normal", name=name)(x)
        x = normalisation(self.norm, self.train_bn, f"{name}_bn", groups or groups_of(channels))(x)
        return layers.Activation(self.activation, name=f"{name}_{self.activation}")(x) if self.activation else x


def groups_of(channels: int, most: int = 16) -> int:
    """The largest number of groups up to `most` that divides the channels: of group normalisation."""
    return next(groups for groups in range(most, 0, -1) if channels % groups == 0)


def class_logits(x: Tensor, classes: int, name: str | None, size: int = 1) -> Tensor:
    """Logits [B, h, w, C] of each cell of a map."""
    return layers.Conv2D(classes, size, padding="same", kernel_initializer="glorot_uniform", name=name)(x)


def enlarged(x: Tensor, times: int, name: str | None) -> Tensor:
    """A map made larger by a whole number, bilinearly between the centres of its cells."""
    return x if times == 1 else Enlarge(times, name=name)(x)


class Enlarge(layers.Layer):
    """`mrcnn.ops.bilinear.enlarge` as a layer: unlike Keras' UpSampling2D it takes canvases of any shape.

    Args:
        times: by how much maps become larger.
    """

    def __init__(self, times: int, **kwargs):
        super().__init__(**kwargs)
        self.times = times

    def call(self, x: Tensor) -> Tensor:
        return enlarge(x, self.times)

    def compute_output_shape(self, shape: tuple) -> tuple:
        larger = [None if side is None else side * self.times for side in shape[1:3]]
        return (shape[0], *larger, shape[3])

    def get_config(self) -> dict:
        return {**super().get_config(), "times": self.times}


class EnlargedConv2D(layers.Conv2D):
    """`Enlarge` by two and a 3x3 convolution with padding "same" in one, which spares most of the work; see
    `mrcnn.ops.bilinear.convolve_enlarged`. Its weights are those of the convolution."""

    def __init__(self, filters: int, kernel_size: int = 3, padding: str = "same", **kwargs):
        super().__init__(filters, kernel_size, padding=padding, **kwargs)
        if (self.kernel_size, self.padding, self.strides, self.dilation_rate) != ((3, 3), "same", (1, 1), (1, 1)):
            raise ValueError(f"{self.name}: convolves 3x3 cells, padded, without strides and dilation.")

    def call(self, x: Tensor) -> Tensor:
        x = convolve_enlarged(x, self.kernel)
        x = x + ops.cast(self.bias, x.dtype) if self.use_bias else x
        return self.activation(x)

    def compute_output_shape(self, shape: tuple) -> tuple:
        return (shape[0], *(None if side is None else 2 * side for side in shape[1:3]), self.filters)


class SpreadOver(layers.Layer):
    """One cell [B, 1, 1, F], repeated at every cell of a map [B, h, w, G]: [B, h, w, F]."""

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        cell, like = inputs
        return cell + ops.zeros_like(like[..., :1])
