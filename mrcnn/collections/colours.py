"""The dominant colours of an object, in CIELAB: what people call a red skirt with white dots."""

import numpy as np

from mrcnn.data import run_lengths

SAMPLES = 1000  # pixels of an object that are looked at, spread evenly
CELL = 12.0  # side of the cells of CIELAB that pixels are counted in
APART = 20.0  # least distance of two colours; 2.3 is what an eye just tells apart, shades of one cloth differ by more
LEAST_SHARE = 0.05
MOST = 4


def dominant_colours(image: np.ndarray, rle: dict) -> list[dict[str, float]]:
    """Find the dominant colours of an object.

    The fullest cells of CIELAB are the seeds, each APART from those before; every pixel goes to the seed that it is
    nearest to, and a colour is the mean of its pixels. No chance is in it: the same photo gives the same colours.

    Args:
        image: uint8 [H, W, 3] RGB.
        rle: RLE of the object's mask.

    Returns:
        At most MOST dicts, in descending order of share: "l", "a" and "b" of CIELAB (D65), "share" of the pixels
        looked at. Colours of less than LEAST_SHARE are left out; an empty mask has none.
    """
    from skimage.color import rgb2lab

    rows, columns = spread_pixels(rle, image.shape[:2], SAMPLES)
    if not len(rows):
        return []
    lab = rgb2lab(image[rows, columns])
    seeds = _seeds(lab)
    # Channel by channel, which takes a third of the time of arrays whose last axis has three entries.
    nearest = sum((lab[:, channel, None] - seeds[:, channel]) ** 2 for channel in range(3)).argmin(axis=1)
    found = [(float(own.mean()), lab[own].mean(axis=0)) for i in range(len(seeds)) if (own := nearest == i).any()]
    found.sort(key=lambda entry: -entry[0])
    return [{"l": float(mean[0]), "a": float(mean[1]), "b": float(mean[2]), "share": share}
            for share, mean in found if share >= LEAST_SHARE]


def _seeds(lab):
    """float [K, 3]: means of the fullest cells, each APART from those before."""
    place = np.floor(lab / CELL).astype(np.int64)  # -11 to 11 in each channel; as one number it is sorted soon
    _, cell, counts = np.unique((place[:, 0] * 64 + place[:, 1]) * 64 + place[:, 2], return_inverse=True,
                                return_counts=True)
    means = np.stack([np.bincount(cell, channel) for channel in lab.T], axis=1) / counts[:, None]
    seeds = np.empty((0, 3))
    for index in np.argsort(-counts, kind="stable"):
        if len(seeds) == MOST:
            break
        if not len(seeds) or np.linalg.norm(seeds - means[index], axis=1).min() >= APART:
            seeds = np.vstack([seeds, means[index]])
    return seeds


def spread_pixels(rle: dict, shape: tuple[int, int], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose pixels of a mask at even distances along its run lengths; no mask is drawn.

    Args:
        rle: RLE.
        shape: (H, W) of the photo.
        count: how many at most; a smaller mask gives all that it has.

    Returns:
        (rows, columns), int64 [M].
    """
    runs = run_lengths.check(rle, shape)
    inside = runs[1::2]
    starts, reached = np.cumsum(runs)[0::2][: len(inside)], np.cumsum(inside)
    area = int(reached[-1]) if len(reached) else 0
    number = min(count, area)
    ranks = (np.arange(number) * area + area // 2) // max(number, 1)
    run = np.searchsorted(reached, ranks, side="right")
    columns, rows = np.divmod(starts[run] + ranks - (reached[run] - inside[run]), shape[0])
    return rows, columns
