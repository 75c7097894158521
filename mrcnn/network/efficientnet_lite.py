"""EfficientNet-Lite: backbones for CPUs and phones (Tan and Le 2019, without squeeze-and-excitation, with ReLU6).

The arithmetic is that of its published ImageNet weights: SAME padding, batch normalisation with epsilon 1e-3, pixels
(RGB - 127) / 128.
"""

import math
from collections.abc import Callable, Sequence

from keras import layers

from mrcnn.ops import Tensor

# Stages: (repeats, kernel, stride of the first block, expansion, channels), EfficientNet-B0's (table 1 there).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# By how much each is wider and deeper (the published lite variants); stem and top are as wide in all.
LITES = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite1": (1.0, 1.1), "efficientnet_lite2": (1.1, 1.2)}
STEM_CHANNELS, TOP_CHANNELS, CLASSES = 32, 1280, 1000
TAPPED = {2: "C2", 3: "C3", 5: "C4", 7: "C5"}  # the last stage of each stride, counted from 1


def stages_of(name: str) -> list[tuple[int, int, int, int, int]]:
    """The stages of one of LITES, as in STAGES: the first and the last are not repeated, channels divide by 8."""
    width, depth = LITES[name]
    last = len(STAGES) - 1
    stages = []
    for i, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES):
        repeats = repeats if i in (0, last) else math.ceil(repeats * depth)
        stages.append((repeats, kernel, stride, expansion, _divisible(channels * width)))
    return stages


def _divisible(channels, by=8):
    """The nearest multiple of 8, but not less than nine tenths (as MobileNet's reference rounds)."""
    nearest = max(by, int(channels + by / 2) // by * by)
    return nearest if nearest >= 0.9 * channels else nearest + by


def efficientnet_lite(name: str, image: Tensor, mean_pixel: Sequence[float],
                      normalisation: Callable) -> dict[str, Tensor]:
    """Feature maps of an image.

    Args:
        name: one of LITES.
        image: KerasTensor [B, H, W, 3], RGB less mean_pixel.
        mean_pixel: [3].
        normalisation: name -> normalisation layer of that name.

    Returns:
        {"C2": [B, H/4, W/4, F2], ..., "C5"}; of Lite0 F2..F5 are 24, 40, 112 and 320.
    """
    offset = [(float(mean) - 127) / 128 for mean in mean_pixel]
    x = layers.Rescaling(1 / 128, offset=offset, name="lite_pixels", dtype="float32")(image)
    x = _convolution(x, STEM_CHANNELS, 3, 2, "lite_stem", normalisation)
    taps, block = {}, 0
    for stage, (repeats, kernel, stride, expansion, channels) in enumerate(stages_of(name), 1):
        for repeat in range(repeats):
            first = repeat == 0
            x = _inverted_bottleneck(x, channels, kernel, stride if first else 1, expansion, not first, f"lite_{block}",
                                     normalisation)
            block += 1
        if stage in TAPPED:
            taps[TAPPED[stage]] = x
    return taps


def efficientnet_lite_classifier(name: str, image: Tensor, mean_pixel: Sequence[float],
                                 normalisation: Callable) -> Tensor:
    """The whole ImageNet classifier, by which converted weights are proved.

    Args:
        name, image, mean_pixel, normalisation: of `efficientnet_lite`.

    Returns:
        logits [B, 1000].
    """
    x = efficientnet_lite(name, image, mean_pixel, normalisation)["C5"]
    x = _convolution(x, TOP_CHANNELS, 1, 1, "lite_top", normalisation)
    x = layers.GlobalAveragePooling2D(name="lite_pool")(x)
    return layers.Dense(CLASSES, name="lite_logits")(x)


def _convolution(x, channels, kernel, stride, name, normalisation, activation=True):
    x = layers.Conv2D(channels, kernel, stride, "same", use_bias=False, kernel_initializer="he_normal", name=name)(x)
    x = normalisation(f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activation else x


def _inverted_bottleneck(x, channels, kernel, stride, expansion, shortcut, name, normalisation):
    """Widen, convolve each channel by itself, narrow (Sandler 2018, section 3.3)."""
    y = x
    if expansion > 1:
        y = _convolution(y, x.shape[-1] * expansion, 1, 1, f"{name}_expand", normalisation)
    y = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, depthwise_initializer="he_normal",
                               name=f"{name}_depthwise")(y)
    y = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(normalisation(f"{name}_depthwise_bn")(y))
    y = _convolution(y, channels, 1, 1, f"{name}_project", normalisation, activation=False)
    return layers.Add(name=f"{name}_add")([x, y]) if shortcut else y
