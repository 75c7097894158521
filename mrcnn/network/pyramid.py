"""Feature pyramid network (Lin 2017, section 3)."""

from keras import layers

from mrcnn.ops import Tensor


def build_pyramid(features: dict[str, Tensor], channels: int) -> dict[str, Tensor]:
    """Top-down pathway over the backbone's maps, and P6 by subsampling for large anchors.

    Args:
        features: {"C2", ..., "C5"}.
        channels: of every level.

    Returns:
        {"P2": [B, H/4, W/4, channels], ..., "P6"}.
    """

    def lateral(name, level):
        return layers.Conv2D(channels, 1, name=name, kernel_initializer="he_uniform")(features[f"C{level}"])

    maps = {5: lateral("fpn_c5p5", 5)}
    for level in (4, 3, 2):
        above = layers.UpSampling2D(2, name=f"fpn_p{level + 1}upsampled")(maps[level + 1])
        maps[level] = layers.Add(name=f"fpn_p{level}add")([above, lateral(f"fpn_c{level}p{level}", level)])
    pyramid = {
        f"P{level}": layers.Conv2D(channels, 3, padding="same", name=f"fpn_p{level}", kernel_initializer="he_uniform")(
            maps[level]
        )
        for level in (2, 3, 4, 5)
    }
    pyramid["P6"] = layers.MaxPooling2D(1, 2, name="fpn_p6")(pyramid["P5"])
    return pyramid
