"""Photos that show the same picture, found by a perceptual hash: rescaled, recompressed or brightened copies.

Such copies in two parts of a split make a network look better than it is, so they belong into one group of
`mrcnn.data.curation.splits`.
"""

import contextlib
from collections.abc import Callable

import numpy as np

from mrcnn.data.annotated import photo_name
from mrcnn.data.checked_photos import checked_photo
from mrcnn.data.dataset import Dataset
from mrcnn.data.encoded import opened_image
from mrcnn.data.images import colours_of
from mrcnn.data.walk import walk
from mrcnn.errors import DataError

SIDE = 32  # pixels of the thumbnail that is hashed
FREQUENCIES = 8  # lowest ones kept in each direction: 64 bits
DISTANCE = 6  # bits; see `find_duplicates`
ROWS = 16  # hashes compared with all others at once: few enough for the processor's cache


def perceptual_hash(image: np.ndarray) -> int:
    """64 bits that change little when a photo is rescaled, recompressed or brightened.

    A thumbnail of 32 x 32 grey values is transformed by the discrete cosine transform; each of its 8 x 8 lowest
    frequencies gives the bit that says whether it is above their median.

    Args:
        image: uint8 [H, W] or [H, W, 3].

    Returns:
        uint64.
    """
    import cv2

    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    thumbnail = cv2.resize(grey.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(thumbnail)[:FREQUENCIES, :FREQUENCIES].ravel()
    # The first one is the mean brightness, which is no mark of a picture: it is always above, and out of the median.
    bits = np.rint(low / 4) > np.rint(np.median(low[1:]) / 4)  # so that noise is no mark of a plain picture either
    return np.packbits(bits).view(">u8")[0].astype(np.uint64)


def perceptual_hashes(dataset: Dataset, workers: int | None = None,
                      progress: Callable[[int, int], None] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all photos of a data set, computed by threads.

    Args:
        dataset: prepared Dataset.
        workers, progress: see `mrcnn.data.walk.walk`.

    Returns:
        (uint64 [M], bool [M] whether the photo could be read).
    """
    def hashed(image_id):
        try:
            return perceptual_hash(_pixels(dataset, image_id))
        except DataError:
            return None  # `data validate` is what tells of these

    hashes = walk(hashed, dataset.image_ids, workers, progress)
    readable = np.array([value is not None for value in hashes], bool)
    return np.array([0 if value is None else value for value in hashes], np.uint64), readable


def _pixels(dataset, image_id):
    """uint8 [h, w] or [h, w, 3] of a photo as the network sees it; a large JPEG at a fraction of its size and time."""
    path = dataset.image_info[image_id].get("path")
    if path and type(dataset).load_image is Dataset.load_image:
        with contextlib.suppress(DataError):  # of a broken file, of which load_image knows what to say
            small = _small_grey(path)
            if small is not None:
                return small
    return colours_of(checked_photo(dataset, image_id))


def _small_grey(path):
    """uint8 [h, w] of a JPEG in grey or RGB, upright; None of all else, whose grey values `load_image` alone tells."""
    from PIL import ImageOps

    with opened_image(path, path, ("JPEG",)) as image:
        if image.mode not in ("L", "RGB"):
            return None
        image.draft("L", (4 * SIDE, 4 * SIDE))
        return np.asarray(ImageOps.exif_transpose(image).convert("L"))


def hash_groups(hashes: np.ndarray, distance: int = DISTANCE) -> np.ndarray:
    """Groups of hashes that differ in few bits, also by way of others between them.

    Args:
        hashes: uint64 [M].
        distance: most bits in which neighbours differ.

    Returns:
        int64 [M]: for each hash the position of the first one of its group.
    """
    hashes = np.asarray(hashes, np.uint64)
    unique, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    parent = np.arange(len(unique))

    def root(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for start in range(0, len(unique), ROWS):
        block, others = unique[start : start + ROWS], unique[start:]
        near = np.bitwise_count(block[:, None] ^ others[None]) <= distance
        for i, j in zip(*np.divmod(np.flatnonzero(near), len(others))):
            if i < j:
                a, b = root(start + i), root(start + j)
                parent[max(a, b)] = min(a, b)
    roots = np.array([root(i) for i in range(len(unique))], int)
    leaders = np.full(len(unique), len(hashes))
    np.minimum.at(leaders, roots, first)
    return leaders[roots][inverse]


def find_duplicates(dataset: Dataset, distance: int = DISTANCE, workers: int | None = None,
                    progress: Callable[[int, int], None] | None = None) -> dict[str, str]:
    """Photos that look alike.

    Args:
        dataset: prepared Dataset.
        distance: most bits of 64 in which the hashes of copies differ. Of the 289,180 pairs of Clothing Co-Parsing,
            three differ in 4 or less, and these show the same; the next one differs in 11 and does not.
        workers, progress: see `mrcnn.data.walk.walk`.

    Returns:
        {photo name: name of the first photo of its group} of the photos that are not alone: what `random_split` and
        `stratified_split` take as groups. Photos that cannot be read are left out.
    """
    hashes, readable = perceptual_hashes(dataset, workers, progress)
    ids = np.asarray(dataset.image_ids)[readable]
    leaders = hash_groups(hashes[readable], distance)
    sizes = np.bincount(leaders, minlength=len(ids))
    names = [photo_name(dataset, i) for i in ids]
    return {names[i]: names[leader] for i, leader in enumerate(leaders) if sizes[leader] > 1}
