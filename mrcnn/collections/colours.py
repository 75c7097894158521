"""The dominant colours of an object, in CIELAB: what people call a red skirt with white dots."""

import functools

import numpy as np

SAMPLES = 1000  # pixels of an object that are looked at, spread evenly
CELL = 12.0  # side of the cells of CIELAB that pixels are counted in
CELLS = 24  # more than there are along a* and b*, whose values in sRGB are within 108 of 0
APART = 20.0  # least distance of two colours; 2.3 is what an eye just tells apart, shades of one cloth differ by more
LEAST_SHARE = 0.05
MOST = 4


def dominant_colours(image: np.ndarray, runs: np.ndarray) -> list[dict[str, float]]:
    """Find the dominant colours of an object.

    The fullest cells of CIELAB are the seeds, each APART from those before; every pixel goes to the seed that it is
    nearest to, and a colour is the mean of its pixels. No chance is in it: the same photo gives the same colours.

    Args:
        image: uint8 [H, W, 3] RGB.
        runs: int64 [R] lengths of the runs of the object's mask, as `mrcnn.data.run_lengths.check` gives them.

    Returns:
        At most MOST dicts, in descending order of share: "l", "a" and "b" of CIELAB (D65), "share" of the pixels
        looked at. Colours of less than LEAST_SHARE are left out; an empty mask has none.
    """
    rows, columns = spread_pixels(runs, image.shape[0], SAMPLES)
    if not len(rows):
        return []
    lab = lab_of(image[rows, columns])
    nearest, means = _nearest(lab, _seeds(lab)), np.zeros((MOST, 3))
    pixels = np.bincount(nearest, minlength=MOST)
    for channel in range(3):
        means[:, channel] = np.bincount(nearest, lab[channel], MOST) / np.maximum(pixels, 1)
    found = sorted(zip((pixels / len(rows)).tolist(), means.tolist()), key=lambda entry: -entry[0])
    return [{"l": mean[0], "a": mean[1], "b": mean[2], "share": share} for share, mean in found if share >= LEAST_SHARE]


def lab_of(pixels: np.ndarray) -> np.ndarray:
    """Bring pixels from sRGB to CIELAB (D65, 2 degrees), by IEC 61966-2-1 and CIE 15.

    Args:
        pixels: uint8 [M, 3] RGB.

    Returns:
        float64 [3, M], L*, a*, b*: channel by channel, which takes a third of the time of a last axis of three.
    """
    curve, matrix = _srgb()
    relative = matrix @ curve[pixels.T]  # X, Y and Z over those of white
    x, y, z = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@functools.cache
def _srgb():
    """(float64 [256] linear light of each value, [3, 3] from it to X, Y and Z over those of white)."""
    value = np.arange(256) / 255
    curve = np.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)
    matrix = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
    return curve, matrix / np.array([[0.95047], [1.0], [1.08883]])


def _seeds(lab):
    """float [K, 3]: means of the fullest cells, each APART from those before."""
    place = np.floor(lab / CELL).astype(np.int64)  # 0 to 8 of L*, -9 to 8 of a* and b*: as one number they are counted
    cell = (place[0] * CELLS + place[1] + CELLS // 2) * CELLS + place[2] + CELLS // 2
    counts = np.bincount(cell)
    full = np.flatnonzero(counts)
    counts = counts[full]
    means = np.stack([np.bincount(cell, channel)[full] for channel in lab], axis=1) / counts[:, None]
    seeds, free = [], counts.copy()
    while len(seeds) < MOST and free.any():
        seed = means[free.argmax()]
        seeds.append(seed)
        free[((means - seed) ** 2).sum(axis=1) < APART**2] = 0
    return np.array(seeds)


def _nearest(lab, seeds):
    """int64 [M]: number of the seed that each pixel is nearest to."""
    nearest, least = np.zeros(lab.shape[1], np.int64), None
    for number, seed in enumerate(seeds):  # one after the other: argmin over an axis of four takes ten times as long
        distance = ((lab - seed[:, None]) ** 2).sum(axis=0)
        closer = slice(None) if least is None else distance < least
        nearest[closer] = number
        least = distance if least is None else np.minimum(distance, least)
    return nearest


def spread_pixels(runs: np.ndarray, height: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose pixels of a mask at even distances along its run lengths; no mask is drawn.

    Args:
        runs: int64 [R] lengths of its runs, outside first.
        height: of the photo, pixels.
        count: how many at most; a smaller mask gives all that it has.

    Returns:
        (rows, columns), int64 [M].
    """
    inside = runs[1::2]
    starts, reached = np.cumsum(runs)[0::2][: len(inside)], np.cumsum(inside)
    area = int(reached[-1]) if len(reached) else 0
    number = min(count, area)
    ranks = (np.arange(number) * area + area // 2) // max(number, 1)
    run = np.searchsorted(reached, ranks, side="right")
    columns, rows = np.divmod(starts[run] + ranks - (reached[run] - inside[run]), height)
    return rows, columns
