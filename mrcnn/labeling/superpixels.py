"""Superpixels: parts of a photo of one colour whose pixels vote on their label."""

import numpy as np

from mrcnn.data.images import colours_of

# Segment sizes are given for photos of this many pixels and grow with the photo.
USUAL_PIXELS = 400 * 600


def superpixel_vote(image: np.ndarray, probabilities: np.ndarray, method: str = "felzenszwalb", size: int = 60,
                    share: float = 0.5, merge: float = 0.0) -> np.ndarray:
    """Each pixel's probabilities mixed with the mean of its superpixel's.

    Args:
        image: uint8 [H, W, C]; see `mrcnn.data.images.colours_of`.
        probabilities: float32 [H, W, C].
        method: "felzenszwalb" (Felzenszwalb and Huttenlocher, IJCV 2004) or "slic" (Achanta et al., PAMI 2012).
        size: pixels of a superpixel in a photo of 400x600, the least for felzenszwalb, the mean for slic; it grows with
            the photo's area.
        share: of the superpixel's mean in the result, 0 to 1.
        merge: superpixels that touch are merged while the mean colours differ by less (CIELAB distance); 0 merges none.

    Returns:
        float32 [H, W, C].
    """
    height, width, classes = probabilities.shape
    segments = superpixels(image, method, size)
    if merge:
        segments = merge_superpixels(image, segments, merge)
    flat = segments.ravel()
    areas = np.bincount(flat)
    result = np.array(probabilities, np.float32)
    for class_id in np.flatnonzero(probabilities.reshape(-1, classes).max(axis=0)):
        plane = result[..., class_id]
        means = np.bincount(flat, weights=plane.ravel()) / areas
        plane *= 1 - share
        plane += (share * means).astype(np.float32)[segments]
    return result


def superpixels(image: np.ndarray, method: str = "felzenszwalb", size: int = 60) -> np.ndarray:
    """int64 [H, W]: which superpixel each pixel belongs to, numbered from 0. Arguments as for `superpixel_vote`."""
    from skimage import segmentation

    pixels = image.shape[0] * image.shape[1]
    image, size = colours_of(image), max(1.0, size * pixels / USUAL_PIXELS)
    if method == "felzenszwalb":
        return segmentation.felzenszwalb(image, scale=size, sigma=0.5, min_size=round(size))
    if method == "slic":
        count = max(1, round(pixels / size))
        return segmentation.slic(image, n_segments=count, compactness=10, start_label=0, channel_axis=-1)
    raise ValueError(f"Superpixels of method {method!r}: take felzenszwalb or slic.")


def merge_superpixels(image: np.ndarray, segments: np.ndarray, distance: float) -> np.ndarray:
    """Superpixels merged along their region adjacency graph wherever two that touch have mean colours that are near.

    Args:
        image: uint8 [H, W, C]; see `mrcnn.data.images.colours_of`.
        segments: int [H, W].
        distance: of mean colours in CIELAB, below which two are merged.

    Returns:
        int64 [H, W], numbered from 0.
    """
    from scipy.sparse import coo_array, csgraph
    from skimage.color import rgb2lab

    colours = rgb2lab(colours_of(image))
    areas = np.bincount(segments.ravel())
    means = np.stack(
        [np.bincount(segments.ravel(), colours[..., i].ravel()) for i in range(3)], axis=1
    ) / np.maximum(areas, 1)[:, None]
    pairs = adjacent_pairs(segments)
    near = pairs[np.linalg.norm(means[pairs[:, 0]] - means[pairs[:, 1]], axis=1) < distance]
    graph = coo_array((np.ones(len(near)), (near[:, 0], near[:, 1])), shape=(len(areas),) * 2)
    return csgraph.connected_components(graph, directed=False)[1].astype(np.int64)[segments]


def adjacent_pairs(segments: np.ndarray) -> np.ndarray:
    """int64 [E, 2]: the pairs of superpixels that touch along an edge, each once, the smaller number first."""
    across = [(segments[1:], segments[:-1]), (segments[:, 1:], segments[:, :-1])]
    pairs = np.concatenate([np.stack([a[a != b], b[a != b]], axis=1) for a, b in across])
    pairs.sort(axis=1)
    count = int(segments.max()) + 1
    keys = np.unique(pairs[:, 0].astype(np.int64) * count + pairs[:, 1])
    return np.stack([keys // count, keys % count], axis=1)
