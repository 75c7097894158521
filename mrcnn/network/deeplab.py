"""DeepLabv3 and DeepLabv3+: atrous spatial pyramid pooling on a dilated backbone (Chen 2017; Chen 2018).

DeepLabv3 is as torchvision has it, head for head, so that its files can be read; DeepLabv3+ adds the decoder on stride
4. "heads" of the stages are all layers that are no backbone's.
"""

from keras import layers

from mrcnn.config import Settings
from mrcnn.network.dilation import build_dilated_backbone
from mrcnn.network.layout import Layout
from mrcnn.network.pixel_layers import Blocks, SpreadOver, class_logits, enlarged, groups_of
from mrcnn.network.pixel_network import LOSS_NAME, build_pixel_network
from mrcnn.ops import Tensor

AUXILIARY_LOSS = "auxiliary_loss"
LOW_LEVEL_CHANNELS = 48  # of C2 in the decoder (Chen 2018, section 4.1)
LAYOUT = Layout(
    heads=r"(aspp|decoder|label|auxiliary)_.*",
    class_layers=("label_logits", "auxiliary_logits"),
    parts={"pyramid pooling": ("aspp_",), "decoder": ("decoder_",), "label head": ("label_",),
           "auxiliary head": ("auxiliary_",)},
)


def build_deeplabv3(config: Settings) -> tuple:
    """DeepLabv3 (Chen 2017): the logits of the pyramid pooling, made as large as the canvas at once.

    Args:
        config: DeepLabSettings.

    Returns:
        (training model, inference model) of `build_pixel_network`.
    """
    def logits_of(image):
        blocks = Blocks(config)
        features = build_dilated_backbone(image, config, config.OUTPUT_STRIDE)
        x = pyramid_pooling(features["C5"], config, blocks)
        x = blocks.convolve(x, config.ASPP_CHANNELS, name="label_conv")
        logits = class_logits(x, config.NUM_CLASSES, "label_logits")
        logits = enlarged(logits, config.OUTPUT_STRIDE, "label_enlarged")
        return {LOSS_NAME: [logits], **auxiliary_logits(features["C4"], config, blocks)}

    return build_pixel_network(config, logits_of, LAYOUT, "deeplabv3")


def build_deeplabv3plus(config: Settings) -> tuple:
    """DeepLabv3+ (Chen 2018, figure 2): a decoder joins what is pooled with the finer C2.

    Args:
        config: DeepLabPlusSettings.

    Returns:
        (training model, inference model) of `build_pixel_network`.
    """
    def logits_of(image):
        blocks = Blocks(config)
        features = build_dilated_backbone(image, config, config.OUTPUT_STRIDE)
        x = pyramid_pooling(features["C5"], config, blocks, separable=True)
        x = enlarged(x, config.OUTPUT_STRIDE // 4, "decoder_enlarged")
        fine = blocks.convolve(features["C2"], LOW_LEVEL_CHANNELS, size=1, name="decoder_low_level")
        x = layers.Concatenate(name="decoder_joined")([x, fine])
        for i in (1, 2):
            x = blocks.convolve(x, config.ASPP_CHANNELS, name=f"decoder_conv{i}", separable=True)
        logits = class_logits(x, config.NUM_CLASSES, "label_logits")
        logits = enlarged(logits, 4, "label_enlarged")
        return {LOSS_NAME: [logits], **auxiliary_logits(features["C4"], config, blocks)}

    return build_pixel_network(config, logits_of, LAYOUT, "deeplabv3plus")


def pyramid_pooling(x: Tensor, config: Settings, blocks: Blocks, separable: bool = False) -> Tensor:
    """Atrous spatial pyramid pooling: one 1x1 and three dilated convolutions, and the mean (Chen 2017, figure 5).

    Args:
        x: C5 [B, h, w, F].
        config: DeepLabSettings. ATROUS_RATES are those of stride 16, and in proportion at others.
        blocks: Blocks.
        separable: whether the dilated convolutions are depthwise separable (Chen 2018, section 3.1).

    Returns:
        [B, h, w, ASPP_CHANNELS].
    """
    channels = config.ASPP_CHANNELS
    branches = [blocks.convolve(x, channels, size=1, name="aspp_1x1")]
    for i, rate in enumerate(config.ATROUS_RATES, start=1):
        rate = max(1, rate * 16 // config.OUTPUT_STRIDE)
        branches.append(blocks.convolve(x, channels, dilation=rate, name=f"aspp_atrous{i}", separable=separable))
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name="aspp_mean")(x)
    # Of one cell: a group of one channel would always be 0, and of two only tell which is larger.
    groups = groups_of(channels, max(1, min(16, channels // 16)))
    pooled = blocks.convolve(pooled, channels, size=1, name="aspp_pool", groups=groups)
    branches.append(SpreadOver(name="aspp_spread")([pooled, x]))
    x = layers.Concatenate(name="aspp_joined")(branches)
    x = blocks.convolve(x, channels, size=1, name="aspp_project")
    return layers.Dropout(config.HEAD_DROPOUT, seed=config.SEED, name="aspp_dropout")(x)


def auxiliary_logits(x: Tensor, config: Settings, blocks: Blocks) -> dict[str, list[Tensor]]:
    """{loss: [logits]} of a head on C4 that only teaches the backbone, as torchvision has it; {} without it."""
    if not config.AUXILIARY_HEAD:
        return {}
    x = blocks.convolve(x, max(16, x.shape[-1] // 4), name="auxiliary_conv")
    x = layers.Dropout(0.1, seed=config.SEED + 1, name="auxiliary_dropout")(x)
    logits = class_logits(x, config.NUM_CLASSES, "auxiliary_logits")
    return {AUXILIARY_LOSS: [enlarged(logits, min(16, config.OUTPUT_STRIDE), "auxiliary_enlarged")]}
