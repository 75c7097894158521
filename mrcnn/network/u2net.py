"""U2-Net and its small form U2-Net-p (Qin 2020): a U of blocks that are U's themselves, with seven outputs.

Written for any number of classes; with two it is the paper's. It has an encoder of its own and starts from random
weights.
"""

from keras import layers

from mrcnn.config import Settings
from mrcnn.network.layout import Layout
from mrcnn.network.pixel_layers import Blocks, class_logits, enlarged
from mrcnn.network.pixel_network import LOSS_NAME, build_pixel_network
from mrcnn.ops import Tensor

SIDE_LOSS = "side_loss"
# Height of each stage's block, channels inside and out (table 1): En_1 .. En_6, then De_5 .. De_1. "4F" is the block
# that dilates in place of pooling.
FULL = {
    "encoder": (("7", 32, 64), ("6", 32, 128), ("5", 64, 256), ("4", 128, 512), ("4F", 256, 512), ("4F", 256, 512)),
    "decoder": (("4F", 256, 512), ("4", 128, 256), ("5", 64, 128), ("6", 32, 64), ("7", 16, 64)),
}
SMALL = {
    "encoder": tuple((height, 16, 64) for height in ("7", "6", "5", "4", "4F", "4F")),
    "decoder": tuple((height, 16, 64) for height in ("4F", "4", "5", "6", "7")),
}
SIDES = 6
LAYOUT = Layout(
    heads=r"(decoder|side|label)_.*",
    class_layers=tuple(f"side_{i}_logits" for i in range(1, SIDES + 1)) + ("label_logits",),
    parts={"decoder": ("decoder_",), "side outputs": ("side_",), "label head": ("label_",)},
)


def build_u2net(config: Settings, table: dict = FULL) -> tuple:
    """U2-Net (Qin 2020, figure 5).

    Args:
        config: U2NetSettings.
        table: FULL or SMALL.

    Returns:
        (training model, inference model) of `build_pixel_network`.
    """
    def logits_of(image):
        blocks = Blocks(config)
        x, maps = layers.Rescaling(1 / 64, name="less_contrast")(image), []
        for stage, (height, inside, outside) in enumerate(table["encoder"], start=1):
            if stage > 1:
                x = layers.MaxPooling2D(2, name=f"encoder_{stage}_pool")(x)
            x = residual_u(x, height, inside, outside, blocks, f"encoder_{stage}")
            maps.append(x)
        told = {6: x}
        for stage, (height, inside, outside) in zip((5, 4, 3, 2, 1), table["decoder"]):
            x = layers.Concatenate(name=f"decoder_{stage}_joined")(
                [enlarged(x, 2, f"decoder_{stage}_enlarged"), maps[stage - 1]])
            x = told[stage] = residual_u(x, height, inside, outside, blocks, f"decoder_{stage}")
        sides = []
        for stage in range(1, SIDES + 1):
            side = class_logits(told[stage], config.NUM_CLASSES, f"side_{stage}_logits", size=3)
            sides.append(enlarged(side, 2 ** (stage - 1), f"side_{stage}_enlarged"))
        fused = layers.Concatenate(name="label_joined")(sides)
        return {LOSS_NAME: [class_logits(fused, config.NUM_CLASSES, "label_logits")], SIDE_LOSS: sides}

    return build_pixel_network(config, logits_of, LAYOUT, "u2net")


def build_u2netp(config: Settings) -> tuple:
    """U2-Net-p, of a fortieth of the weights."""
    return build_u2net(config, SMALL)


def residual_u(x: Tensor, height: str, inside: int, outside: int, blocks: Blocks, name: str) -> Tensor:
    """A residual U-block, RSU-L (Qin 2020, figure 2 e): what a U of convolutions finds is added to its input.

    Args:
        x: [B, h, w, F]; the block of height L halves it L - 2 times.
        height: L as a text, with "F" of the block that dilates by 1, 2, 4 and 8 in place of pooling.
        inside, outside: channels.
        blocks: Blocks.
        name: of the block.

    Returns:
        [B, h, w, outside].
    """
    dilates, height = height.endswith("F"), int(height.rstrip("F"))
    x = shortcut = blocks.convolve(x, outside, name=f"{name}_in")
    maps = []
    for level in range(1, height):
        if level > 1 and not dilates:
            x = layers.MaxPooling2D(2, name=f"{name}_pool{level}")(x)
        x = blocks.convolve(x, inside, dilation=2 ** (level - 1) if dilates else 1, name=f"{name}_down{level}")
        maps.append(x)
    x = blocks.convolve(x, inside, dilation=2 ** (height - 1) if dilates else 2, name=f"{name}_bottom")
    for level in reversed(range(1, height)):
        if level < height - 1 and not dilates:
            x = enlarged(x, 2, f"{name}_up{level}_enlarged")
        x = layers.Concatenate(name=f"{name}_up{level}_joined")([x, maps[level - 1]])
        x = blocks.convolve(x, inside if level > 1 else outside, dilation=2 ** (level - 1) if dilates else 1,
                            name=f"{name}_up{level}")
    return layers.Add(name=f"{name}_out")([x, shortcut])
