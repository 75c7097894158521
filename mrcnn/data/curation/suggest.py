"""Which photos to label next: those of which a model is unsure, with rare classes, and unlike what is labelled.

Each photo has three numbers of 0 to 1. Its *uncertainty* is the mean of 1 - |2 s - 1| over the scores s of what was
found in it, the averaged margin of Brust 2018, "Active Learning for Deep Object Detection": 1 for an object that may as
well be none. Its *rarity* is the best s times the weight of the class, sqrt((1 + least) / (1 + n)) for n labelled
objects, so that the class with the fewest has 1; the square root is that of the repeat factors of Gupta 2019. Its
*distance* is that to the nearest photo which is labelled or already chosen, as a share of the greatest there was at the
beginning.

Photos are chosen one by one (greedily farthest first, as in Sener 2018), each time the one with the most

    distance (1 + uncertainty + rarity) / 3

so that of photos that resemble one another only one comes early, however unsure the model is.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

LEAST = 0.1  # score of what counts as found: below, networks find something everywhere


@dataclasses.dataclass(frozen=True)
class Suggested:
    """A photo to label.

    Args:
        index: of the photo among those to choose from.
        value: by which it was chosen, 0..1.
        uncertainty, rarity, distance: 0..1, of which the value is made; the distance when it was chosen.
        nearest: index of the photo that it resembles most of those labelled and chosen before it, the labelled ones
            counted first; None for the first of all.
    """

    index: int
    value: float
    uncertainty: float
    rarity: float
    distance: float
    nearest: int | None


def uncertainty_of(scores: np.ndarray) -> float:
    """How unsure a model is of a photo.

    Args:
        scores: float [N], 0..1, of what it found.

    Returns:
        0..1; 0 where nothing was found.
    """
    return float(np.mean(1 - np.abs(2 * np.asarray(scores, float) - 1))) if len(scores) else 0.0


def class_weights(counts: np.ndarray) -> np.ndarray:
    """How rare each class is.

    Args:
        counts: [K] how many objects there are of it, not negative.

    Returns:
        float [K], 1 for the rarest.
    """
    counts = np.asarray(counts, float)
    return np.sqrt((1 + counts.min()) / (1 + counts)) if len(counts) else counts


def rarity_of(scores: np.ndarray, class_ids: np.ndarray, weights: np.ndarray) -> tuple[float, int | None]:
    """Whether a photo seems to show an object of a rare class.

    Args:
        scores: float [N], of what was found.
        class_ids: int [N], 1..K.
        weights: of `class_weights`.

    Returns:
        (0..1; the place in the photo of the object that it is due to, None where nothing was found).
    """
    if not len(scores):
        return 0.0, None
    products = np.asarray(scores, float) * weights[np.asarray(class_ids) - 1]
    return float(products.max()), int(products.argmax())


def directions(features: np.ndarray) -> np.ndarray:
    """Features of photos as directions from their mean, in which a distance is one of kind, not of strength.

    Args:
        features: float [M, C].

    Returns:
        float64 [M, C], of length 1; 0 for what is the mean itself.
    """
    away = np.asarray(features, np.float64) - np.mean(features, axis=0, dtype=np.float64)
    return away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)


def choose(features: np.ndarray, uncertainty: Sequence[float], rarity: Sequence[float], count: int,
           labelled: np.ndarray | None = None) -> list[Suggested]:
    """Choose photos, the one that is worth most first.

    Args:
        features: float [M, C] of the photos to choose from.
        uncertainty: [M].
        rarity: [M].
        count: how many to choose; there may be fewer photos.
        labelled: float [L, C] of photos that are labelled already; None: there are none.

    Returns:
        A list of Suggested.
    """
    known = np.zeros((0, features.shape[1])) if labelled is None else labelled
    both = directions(np.concatenate([known, features])) if len(known) + len(features) else features
    known, places = both[: len(known)], both[len(known):]
    nearest, distance = _nearest(places, known)
    # With nothing labelled there is no distance yet: the first is chosen by the other two, and all are far.
    greatest = float(distance.max()) if len(known) and len(places) else None
    worth = (1 + np.asarray(uncertainty, float) + np.asarray(rarity, float)) / 3
    left, chosen = np.ones(len(places), bool), []
    while len(chosen) < min(count, len(places)):
        share = np.ones(len(places)) if greatest is None else np.minimum(distance / max(greatest, 1e-12), 1)
        best = int(np.argmax(np.where(left, share * worth, -1)))
        first = not len(known) and not chosen
        chosen.append(Suggested(best, float(share[best] * worth[best]), float(uncertainty[best]), float(rarity[best]),
                                float(share[best]), None if first else int(nearest[best])))
        left[best] = False
        to_it = np.linalg.norm(places - places[best], axis=1)
        nearest = np.where(to_it < distance, len(known) + best, nearest)
        distance = np.minimum(distance, to_it)
        if greatest is None:
            greatest = float(distance.max())
    return chosen


def _nearest(places, known):
    """([M] index of the nearest of some known places, [M] the distance to it, infinite where none is known)."""
    nearest, distance = np.zeros(len(places), int), np.full(len(places), np.inf)
    for index, place in enumerate(known):  # one by one: M x L x C numbers may be gigabytes
        to_it = np.linalg.norm(places - place, axis=1)
        nearest = np.where(to_it < distance, index, nearest)
        distance = np.minimum(distance, to_it)
    return nearest, distance
