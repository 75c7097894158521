"""Photos whose label map looks wrong: regions where a network is sure of another class, ranked by doubt.

Pixels near a true edge do not count, as edges are drawn loosely everywhere. What is left is parted into regions of one
true and one labelled class. The doubt of a region is the mean margin of the network's class over the true one, times
the probability that the truth is wrong, which is low where the network takes these two classes for each other often (as
in `mrcnn.evaluation.suspects`), times a factor that grows with its area.
"""

import math
from collections.abc import Sequence

import numpy as np

from mrcnn.data.label_samples import IGNORED
from mrcnn.evaluation.pixels import BOUNDARY_TOLERANCE
from mrcnn.evaluation.suspects import LEAST, WRONG, Suspect, ranked

MARGIN = 0.5  # of probability, from which on a network is sure of another class
LEAST_AREA = 5e-4  # of the photo, that a region has
HALF_AREA = 2e-3  # of the photo, of a region that counts half
MOST_OF_IT = 0.5  # of the pixels of a class, from which on a region is no matter of its outline


class PixelSuspects:
    """The regions of all photos, a photo at a time; memory holds no map of an earlier photo.

    Args:
        class_names: by class id, background first.
    """

    def __init__(self, class_names: Sequence[str]):
        self.class_names = list(class_names)
        self.sure = np.zeros((len(self.class_names), len(self.class_names)), np.int64)  # true x labelled
        self._regions = []

    def add(self, image: int | str, photo: str, truth: np.ndarray, probabilities: np.ndarray) -> None:
        """Take in one photo.

        Args:
            image: its id.
            photo: its name.
            truth: uint8 [H, W] class ids, 255 ignored.
            probabilities: float [H, W, C].
        """
        labels, valid, classes = probabilities.argmax(axis=2), truth != IGNORED, len(self.class_names)
        known = np.where(valid, truth, 0)
        highest = np.take_along_axis(probabilities, labels[..., None], 2)[..., 0]
        sure = valid & (highest >= MARGIN)
        self.sure += np.bincount(known[sure].astype(np.int64) * classes + labels[sure],
                                 minlength=classes**2).reshape(classes, classes)
        margins = highest - np.take_along_axis(probabilities, known[..., None].astype(np.int64), 2)[..., 0]
        tolerance = BOUNDARY_TOLERANCE * math.hypot(*truth.shape)
        against = valid & (margins >= MARGIN) & (_from_edges(truth) > tolerance)
        for region in _regions(known, labels, against, tolerance):
            region["score"] = float(margins[region.pop("where")].mean())
            self._regions.append((image, photo, region))

    def suspects(self) -> list[Suspect]:
        """Suspects of all photos so far, of which the doubt is at least LEAST, in the order of `suspects.ranked`."""
        # How often the two are taken for each other, among pixels labelled the one and pixels that are the other.
        labelled, true = self.sure.sum(axis=0), self.sure.sum(axis=1)[:, None]
        usual = np.maximum(self.sure / np.maximum(labelled, 1), self.sure / np.maximum(true, 1))
        suspects = []
        for image, photo, region in self._regions:
            t, f, share = region["true"], region["found"], region["share"]
            doubt = region["score"] * WRONG / (WRONG + usual[t, f]) * share / (share + HALF_AREA)
            if doubt >= LEAST:
                suspects.append(Suspect(
                    image, photo, region["reason"], float(doubt), pixels=region["pixels"], score=region["score"],
                    true_class=self.class_names[t] if t else None, true_box=region["box"] if t else None,
                    found_class=self.class_names[f] if f else None, found_box=region["box"] if f else None))
        return ranked(suspects)


def _from_edges(truth):
    """float [H, W]: distance in pixels to the nearest pixel with a neighbour of another true label."""
    from scipy import ndimage

    edge = np.zeros(truth.shape, bool)
    for axis in (0, 1):
        differs = np.diff(truth.astype(np.int16), axis=axis) != 0
        first, last = (np.moveaxis(edge, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        first |= np.moveaxis(differs, axis, 0)
        last |= np.moveaxis(differs, axis, 0)
    return ndimage.distance_transform_edt(~edge) if edge.any() else np.full(truth.shape, np.inf)


def _regions(truth, labels, against, tolerance):
    """Yield {true, found, reason, box, pixels, share, where: bool [H, W]} of the regions that are large enough."""
    from scipy import ndimage
    from skimage.measure import label

    pairs = np.where(against, truth.astype(np.int64) * 256 + labels, -1)
    regions = label(pairs, background=-1, connectivity=1)
    areas = np.bincount(regions.ravel())
    for number, place in enumerate(ndimage.find_objects(regions), 1):
        if areas[number] < LEAST_AREA * truth.size:
            continue
        where = regions == number
        t, f = (int(plane[where][0]) for plane in (truth, labels))
        # What the cut at the edges took from the region, and a pixel more.
        reach = math.ceil(tolerance) + 2
        rows, columns = (slice(max(part.start - reach, 0), part.stop + reach) for part in place)
        around = ndimage.binary_dilation(where[rows, columns], iterations=reach)
        yield {
            "true": t, "found": f, "reason": _reason(t, f, areas[number], truth, labels, (rows, columns), around),
            "box": (place[0].start, place[1].start, place[0].stop, place[1].stop), "pixels": int(areas[number]),
            "share": areas[number] / truth.size, "where": where,
        }


def _reason(t, f, area, truth, labels, part, around):
    """Of REASONS: "outline" where the region is no more than a part of an object that both maps have beside it."""
    if not t:
        beside, whole, reason = truth == f, np.count_nonzero(labels == f), "missing"
    elif not f:
        beside, whole, reason = labels == t, np.count_nonzero(truth == t), "not found"
    else:
        beside, whole, reason = truth == f, np.count_nonzero(truth == t), "class"
    return "outline" if beside[part][around].any() and area < MOST_OF_IT * whole else reason
