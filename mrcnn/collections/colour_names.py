"""Names of colours in CIELAB, by rules that anybody can read: how light, how colourful, and which hue."""

import numpy as np

# sRGB of a swatch for each name, in the order of their numbers.
COLOURS = {
    "black": (28, 28, 30), "grey": (140, 142, 145), "white": (244, 244, 242), "red": (196, 38, 46),
    "pink": (235, 150, 175), "orange": (232, 130, 46), "yellow": (238, 206, 66), "beige": (214, 192, 160),
    "brown": (112, 76, 50), "olive": (112, 112, 52), "green": (62, 140, 76), "turquoise": (64, 170, 170),
    "light blue": (156, 192, 226), "blue": (52, 94, 168), "navy": (26, 34, 66), "purple": (118, 66, 140),
}
NAMES = tuple(COLOURS)
NEUTRAL = 9.0  # chroma up to which a colour is black, grey or white; a dark one may have a third more

# (hue from, to, [(least lightness, least chroma, name)], first that fits); degrees, from a towards b.
_HUES = (
    (0, 22, ((66, 0, "pink"), (0, 22, "red"), (0, 0, "brown"))),
    (22, 45, ((70, 38, "orange"), (70, 0, "beige"), (0, 40, "red"), (0, 0, "brown"))),
    (45, 76, ((56, 36, "orange"), (60, 0, "beige"), (0, 0, "brown"))),
    (76, 112, ((58, 32, "yellow"), (60, 0, "beige"), (0, 0, "olive"))),
    (112, 165, ((0, 0, "green"),)),
    (165, 222, ((0, 0, "turquoise"),)),
    (222, 308, ((66, 0, "light blue"), (28, 0, "blue"), (0, 45, "blue"), (0, 0, "navy"))),
    (308, 345, ((66, 0, "pink"), (0, 0, "purple"))),
    (345, 361, ((58, 0, "pink"), (0, 20, "red"), (0, 0, "purple"))),
)


def colour_numbers(lab: np.ndarray) -> np.ndarray:
    """Name colours.

    Args:
        lab: float [N, 3] CIELAB (D65).

    Returns:
        int [N]: positions in NAMES.
    """
    lightness, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    hue = np.degrees(np.arctan2(lab[:, 2], lab[:, 1])) % 360
    found = np.full(len(lab), -1)

    def name(where, colour):
        found[where & (found < 0)] = NAMES.index(colour)

    neutral = chroma < np.where(lightness < 25, NEUTRAL * 4 / 3, NEUTRAL)
    name((lightness < 12) | neutral & (lightness < 28), "black")
    name(neutral & (lightness >= 84), "white")
    name(neutral, "grey")
    for start, end, rules in _HUES:
        within = (hue >= start) & (hue < end)
        for least_lightness, least_chroma, colour in rules:
            name(within & (lightness >= least_lightness) & (chroma >= least_chroma), colour)
    return found
