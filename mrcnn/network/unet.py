"""U-Net (Ronneberger 2015): an encoder, and a decoder that gets the encoder's map of each size to its own.

Where the paper's convolutions leave the border out, these pad, so that a label comes to every pixel; and each has a
norm, without which the network from random weights learns little from small batches.
"""

from keras import layers

from mrcnn.config import Settings
from mrcnn.network.backbones import build_backbone
from mrcnn.network.layout import Layout
from mrcnn.network.pixel_layers import Blocks, class_logits, enlarged
from mrcnn.network.pixel_network import build_pixel_network
from mrcnn.ops import Tensor

LEVELS = 4  # halvings of the paper's encoder
LAYOUT = Layout(
    heads=r"(skip|decoder|label)_.*",
    class_layers=("label_logits",),
    parts={"fine skips": ("skip_",), "decoder": ("decoder_",), "label head": ("label_",)},
)


def build_unet(config: Settings) -> tuple:
    """U-Net on a backbone, or with the paper's own encoder.

    Args:
        config: UNetSettings. UNET_ENCODER "backbone": C2..C5 of BACKBONE, and two small convolutions for the skips of
            strides 1 and 2, which a backbone has no maps for. "plain": the paper's, of UNET_CHANNELS and four halvings.

    Returns:
        (training model, inference model) of `build_pixel_network`.
    """
    def logits_of(image):
        blocks = Blocks(config)
        encoded = plain_encoder(image, config, blocks) if config.UNET_ENCODER == "plain" else (
            backbone_encoder(image, config, blocks))
        x, skips = encoded[-1], encoded[:-1]
        channels = config.UNET_CHANNELS
        for level in reversed(range(len(skips))):
            # A decoder as wide as the paper's encoder, whose deepest skip has eight times the channels of the finest.
            width = channels * 2 ** min(level, LEVELS - 1)
            x = larger(x, width, config.UNET_UPSAMPLING, f"decoder_{level}")
            x = layers.Concatenate(name=f"decoder_{level}_joined")([skips[level], x])
            x = double(x, width, blocks, f"decoder_{level}")
        return class_logits(x, config.NUM_CLASSES, "label_logits")

    return build_pixel_network(config, logits_of, LAYOUT, "unet")


def plain_encoder(image: Tensor, config: Settings, blocks: Blocks) -> list[Tensor]:
    """The paper's encoder (figure 1): maps of strides 1, 2, 4, 8 and 16, twice the channels at each."""
    x, maps = layers.Rescaling(1 / 64, name="less_contrast")(image), []
    for level in range(LEVELS + 1):
        if level:
            x = layers.MaxPooling2D(2, name=f"encoder_{level}_pool")(x)
        x = double(x, config.UNET_CHANNELS * 2**level, blocks, f"encoder_{level}")
        maps.append(x)
    return maps


def backbone_encoder(image: Tensor, config: Settings, blocks: Blocks) -> list[Tensor]:
    """Maps of strides 1, 2 (by convolutions of their own), 4, 8, 16 and 32."""
    features = build_backbone(image, config)
    pixels = layers.Rescaling(1 / 64, name="less_contrast")(image)
    finest = blocks.convolve(pixels, max(8, config.UNET_CHANNELS // 4), name="skip_0")
    fine = layers.MaxPooling2D(2, name="skip_1_pool")(finest)
    fine = blocks.convolve(fine, max(8, config.UNET_CHANNELS // 2), name="skip_1")
    return [finest, fine, *(features[f"C{level}"] for level in range(2, 6))]


def double(x: Tensor, channels: int, blocks: Blocks, name: str) -> Tensor:
    """Two 3x3 convolutions."""
    for i in (1, 2):
        x = blocks.convolve(x, channels, name=f"{name}_conv{i}")
    return x


def larger(x: Tensor, channels: int, upsampling: str, name: str) -> Tensor:
    """A map of twice the size: "transposed" by the paper's 2x2 up-convolution, or "bilinear", which is quicker."""
    if upsampling == "transposed":
        return layers.Conv2DTranspose(channels, 2, 2, kernel_initializer="he_normal", name=f"{name}_up")(x)
    return enlarged(x, 2, f"{name}_up")
