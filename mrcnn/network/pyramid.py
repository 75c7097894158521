"""Feature pyramid network (Lin 2017, section 3)."""

from keras import layers

from mrcnn.network.onnx_forms import Doubled
from mrcnn.ops import Tensor


def build_pyramid(features: dict[str, Tensor], channels: int) -> dict[str, Tensor]:
    """Top-down pathway over the backbone's maps, and P6 by subsampling for large anchors.

    Args:
        features: {"C2", ..., "C5"}.
        channels: of every level.

    Returns:
        {"P2": [B, H/4, W/4, channels], ..., "P6"}.
    """
    pyramid = top_down(features, channels, lowest=2)
    pyramid["P6"] = layers.MaxPooling2D(1, 2, name="fpn_p6")(pyramid["P5"])
    return pyramid


def build_high_pyramid(features: dict[str, Tensor], channels: int) -> dict[str, Tensor]:
    """Top-down pathway down to P3 alone, and P6 and P7 by convolutions of stride 2 (Bolya 2019, section 4).

    Args:
        features: {"C3", "C4", "C5"}; others are not looked at.
        channels: of every level.

    Returns:
        {"P3": [B, H/8, W/8, channels], ..., "P7": a side of an odd number of cells is halved upwards}.
    """
    pyramid = top_down(features, channels, lowest=3)
    for level in (6, 7):
        # SAME would pad even and odd maps differently, and move the cells of one against those of the other.
        padded = layers.ZeroPadding2D(1, name=f"fpn_p{level}_pad")(pyramid[f"P{level - 1}"])
        pyramid[f"P{level}"] = layers.Conv2D(
            channels, 3, 2, name=f"fpn_p{level}", kernel_initializer="he_uniform"
        )(padded)
    return pyramid


def top_down(features: dict[str, Tensor], channels: int, lowest: int) -> dict[str, Tensor]:
    """The levels from `lowest` to 5: each adds the enlarged one above to its own map of the backbone.

    Args:
        features: maps of the backbone by name.
        channels: of every level.
        lowest: level, 2 or more.

    Returns:
        {"P2": [B, H/4, W/4, channels], ..., "P5"}, if 2 is the lowest.
    """

    def lateral(name, level):
        return layers.Conv2D(channels, 1, name=name, kernel_initializer="he_uniform")(features[f"C{level}"])

    maps = {5: lateral("fpn_c5p5", 5)}
    for level in range(4, lowest - 1, -1):
        above = Doubled(name=f"fpn_p{level + 1}upsampled")(maps[level + 1])
        maps[level] = layers.Add(name=f"fpn_p{level}add")([above, lateral(f"fpn_c{level}p{level}", level)])
    return {
        f"P{level}": layers.Conv2D(channels, 3, padding="same", name=f"fpn_p{level}", kernel_initializer="he_uniform")(
            maps[level]
        )
        for level in range(lowest, 6)
    }
