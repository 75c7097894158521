"""Refinement of label maps: a chain of steps, each (image, probabilities) -> probabilities.

A step takes the photo, uint8 [H, W, C], and probabilities, float32 [H, W, C] that sum to 1 at each pixel, background
first. It returns probabilities of the same form. It knows nothing of the network that they come from.
"""

import functools
from collections.abc import Callable

import numpy as np

from mrcnn.config_chains import steps_of
from mrcnn.data.images import resize_pixels, scaled_size
from mrcnn.labeling.dense_crf import dense_crf
from mrcnn.labeling.guided import guided
from mrcnn.labeling.superpixels import superpixel_vote

LONGEST = 1600  # pixels of a photo's side beyond which steps cost much memory and time, and find hardly more


def small_regions(image: np.ndarray, probabilities: np.ndarray, least: float = 2e-4) -> np.ndarray:
    """Merge regions of one label that are too small into their surroundings: specks vanish and holes fill.

    Pixels are connected along edges. From the smallest on, each region joins the region that most of the pixels around
    it belong to; the probabilities of the two labels are swapped there.

    Args:
        image: uint8 [H, W, C]; not used, a step of a chain gets it.
        probabilities: float32 [H, W, C].
        least: area below which a region is too small, as a share of the photo's area.

    Returns:
        float32 [H, W, C].
    """
    from scipy import ndimage
    from skimage.measure import label

    result = np.array(probabilities, np.float32)
    labels = result.argmax(axis=2)
    regions = label(labels, background=-1, connectivity=1)
    areas = np.bincount(regions.ravel())
    bounds = ndimage.find_objects(regions)
    small = np.flatnonzero((areas > 0) & (areas < least * labels.size))
    for region in small[np.argsort(areas[small], kind="stable")]:
        if areas[region] >= least * labels.size:
            continue  # it has grown by what joined it
        rows, columns = bounds[region - 1]
        around = slice(max(rows.start - 1, 0), rows.stop + 1), slice(max(columns.start - 1, 0), columns.stop + 1)
        inside = regions[around] == region
        neighbours = regions[around][ndimage.binary_dilation(inside) & ~inside]
        if not neighbours.size:
            continue  # the whole photo
        joined = np.bincount(neighbours).argmax()
        here, there = bounds[region - 1], bounds[joined - 1]
        bounds[joined - 1] = tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(here, there))
        old, new = labels[around][inside][0], labels[around][regions[around] == joined][0]
        labels[around][inside], regions[around][inside] = new, joined
        areas[joined] += areas[region]
        part = result[around]
        part[inside, old], part[inside, new] = part[inside, new], part[inside, old]
    return result


DEFAULT_CHAIN = "none"  # what benchmarks/results/refinement.txt supports

STEPS = {
    "small-regions": small_regions,
    "felzenszwalb": functools.partial(superpixel_vote, method="felzenszwalb", size=120),
    "slic": functools.partial(superpixel_vote, method="slic"),
    "merged-superpixels": functools.partial(superpixel_vote, method="slic", merge=4.0),
    "guided": guided,
    "crf": dense_crf,
}


def build_chain(text: str | None, longest: int = LONGEST) -> Callable | None:
    """Build a chain of steps from its description: names of `STEPS` with commas between, settings after colons.

    Args:
        text: such as "crf,small-regions" or "crf:iterations=3:colour=8"; "", "none" and None name no step.
        longest: photos whose longer side has more pixels are refined at this size, and the result is enlarged again.

    Returns:
        A function (image, probabilities) -> probabilities; None for no step.

    Raises:
        DataError: a step or setting does not exist, or a value is out of range.
    """
    steps = [functools.partial(STEPS[name], **settings) for name, settings in steps_of(text)]
    if not steps:
        return None

    def chain(image, probabilities):
        height, width = image.shape[:2]
        scale = longest / max(height, width)
        if scale < 1:
            shape = scaled_size((height, width), scale)
            image, probabilities = _resized(image, shape), _resized(probabilities, shape)
        for step in steps:
            probabilities = step(image, probabilities)
        return _resized(probabilities, (height, width)) if scale < 1 else probabilities

    return chain


def _resized(values, shape):
    """Planes [H, W, C] at another (height, width), one at a time: cv2 takes no more than a few at once."""
    result = np.empty(shape + values.shape[2:], values.dtype)
    for i in range(values.shape[2]):
        result[..., i] = resize_pixels(np.ascontiguousarray(values[..., i]), shape)
    return result
