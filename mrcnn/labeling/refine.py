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
    it belong to; the probabilities of the two labels are swapped there. It is one region then with all of that label
    that touch it.

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
    label_of = np.zeros(len(areas), int)
    label_of[regions.ravel()] = labels.ravel()
    bounds = ndimage.find_objects(regions)
    small = np.flatnonzero((areas > 0) & (areas < least * labels.size))
    for region in small[np.argsort(areas[small], kind="stable")]:
        if not 0 < areas[region] < least * labels.size:
            continue  # it has become one with another, or grown by what joined it
        rows, columns = bounds[region - 1]
        around = slice(max(rows.start - 1, 0), rows.stop + 1), slice(max(columns.start - 1, 0), columns.stop + 1)
        inside = regions[around] == region
        neighbours = regions[around][ndimage.binary_dilation(inside) & ~inside]
        if not neighbours.size:
            continue  # the whole photo
        old, new = label_of[region], label_of[np.bincount(neighbours).argmax()]
        part = result[around]
        part[inside, old], part[inside, new] = part[inside, new], part[inside, old]
        touching = np.unique(neighbours[label_of[neighbours] == new])  # they are one region with it from now on
        whole = touching[areas[touching].argmax()]
        for other in (region, *touching[touching != whole]):
            here, there = bounds[other - 1], bounds[whole - 1]
            regions[here][regions[here] == other] = whole
            bounds[whole - 1] = tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(here, there))
            areas[whole] += areas[other]
            areas[other] = 0
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
        A function (image, probabilities) -> probabilities; None for no step. Steps are given the classes alone that
        are possible somewhere in the photo: others cannot become so, and would take as much memory.

    Raises:
        DataError: a step or setting does not exist, or a value is out of range.
    """
    steps = [functools.partial(STEPS[name], **settings) for name, settings in steps_of(text)]
    if not steps:
        return None

    def chain(image, probabilities):
        size, classes = image.shape[:2], probabilities.shape[2]
        possible = [i for i in range(classes) if probabilities[..., i].any()] or list(range(classes))
        scale = longest / max(size)
        shape = scaled_size(size, scale) if scale < 1 else size
        image, few = _resized(image, shape), _resized(probabilities, shape, possible)
        for step in steps:
            few = step(image, few)
        planes = np.zeros((classes, *size), few.dtype)
        for i, class_id in enumerate(possible):
            planes[class_id] = _plane(few, i, size)
        return np.moveaxis(planes, 0, -1)

    return chain


def _resized(values, shape, places=None):
    """Planes [H, W, C], or those of some places, at a (height, width)."""
    places = range(values.shape[2]) if places is None else places
    return np.stack([_plane(values, i, shape) for i in places], axis=2)


def _plane(values, place, shape):
    """One of some planes at a (height, width): cv2 takes no more than a few at once."""
    plane = values[..., place]
    return plane if plane.shape == shape else resize_pixels(np.ascontiguousarray(plane), shape)
