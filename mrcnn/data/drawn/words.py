"""The attributes of drawn clothes: what can be seen of their cut, pattern and colour, in words."""

import numpy as np

COLOURS = ("black", "grey", "white", "red", "orange", "yellow", "green", "blue", "purple")
PATTERNS = {"plain": "plain", "rows": "stripes", "columns": "stripes", "diagonal": "stripes", "checks": "checks",
            "dots": "dots"}
ATTRIBUTES = (
    "sleeves: none", "sleeves: short", "sleeves: long",
    "neckline: v", "neckline: round",
    "length: short", "length: knee", "length: long",
    "pattern: plain", "pattern: stripes", "pattern: checks", "pattern: dots",
    *(f"colour: {name}" for name in COLOURS),
)  # the id of one is its place here, counted from 1
HUES = ((20, "red"), (45, "orange"), (70, "yellow"), (165, "green"), (260, "blue"), (330, "purple"), (360, "red"))
LEAST_CONTRAST = 45  # distance of a pattern's two colours, of 442 at most: less is plain to the eye
KNEE = (0.66, 0.77)  # heights of hems between which a garment ends at the knee, which is at 0.73


def cloth_words(first: np.ndarray, second: np.ndarray, pattern: str) -> list[str]:
    """Tell the pattern and the colours of a cloth: both of stripes and checks, that of the ground of dots.

    Args:
        first, second: [3] RGB, 0..255.
        pattern: of `mrcnn.data.drawn.painting.Cloth`.
    """
    seen = PATTERNS[pattern]
    if float(np.sqrt(((first - second) ** 2).sum())) < LEAST_CONTRAST:
        seen = "plain"
    both = [first, second] if seen in ("stripes", "checks") else [first]
    return [f"pattern: {seen}", *sorted({f"colour: {colour_name(colour)}" for colour in both})]


def colour_name(colour: np.ndarray) -> str:
    """Name a colour (r, g, b) of 0..255 by its hue, or by its lightness if it is nearly grey."""
    red, green, blue = (float(value) for value in colour)
    high, low = max(red, green, blue), min(red, green, blue)
    if high - low < 0.18 * high:
        middle = (red + green + blue) / 3
        return "black" if middle < 65 else "grey" if middle < 175 else "white"
    if high == red:
        hue = 60 * (green - blue) / (high - low) % 360
    else:
        hue = 120 + 60 * (blue - red) / (high - low) if high == green else 240 + 60 * (red - green) / (high - low)
    return next(name for limit, name in HUES if hue <= limit)


def length_word(hem: float) -> str:
    """Tell the length of a skirt, dress or coat by the height of its hem, 0 (top of the head) to 1 (soles)."""
    return "length: short" if hem < KNEE[0] else "length: knee" if hem < KNEE[1] else "length: long"


def sleeve_word(share: float) -> str:
    """Tell the length of sleeves by the share of the arm that they cover."""
    return "sleeves: none" if not share else "sleeves: short" if share < 0.5 else "sleeves: long"
