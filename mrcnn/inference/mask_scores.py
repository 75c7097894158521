"""Scores that count the mask: what is surely of its class, and surely drawn, comes first."""

import numpy as np

from mrcnn.config import Settings
from mrcnn.inference.views import AVERAGED

ROWS = ("boxes", "class_ids", "scores", "valid", "masks", *AVERAGED)  # of detections


def maskness(masks: np.ndarray) -> np.ndarray:
    """How sure a network is of what its masks hold (Wang 2020, SOLO, calls the mean so).

    Args:
        masks: [D, h, w] probabilities, 0..1.

    Returns:
        float32 [D], mean probability of the cells above one half, 0 where there are none.
    """
    inside = masks > 0.5
    sums = np.sum(masks, axis=(1, 2), where=inside, dtype="float64")
    return (sums / np.maximum(inside.sum(axis=(1, 2)), 1)).astype("float32")


def counted(outputs: dict[str, np.ndarray], config: Settings, least: float) -> dict[str, np.ndarray]:
    """Give one image's detections the scores that are told: `rescored` with MASK_SCORES, else as they are.

    Args:
        outputs, least: as for `rescored`.
        config: settings of the network.

    Returns:
        As `rescored`.
    """
    return rescored(outputs, least) if getattr(config, "MASK_SCORES", False) else outputs


def rescored(outputs: dict[str, np.ndarray], least: float) -> dict[str, np.ndarray]:
    """Multiply the scores of one image's detections with `maskness`.

    Args:
        outputs: what the network gives for it: "scores", "valid" [D], "masks" [D, h, w], and more.
        least: score from which on a detection counts.

    Returns:
        The same, best first. "valid" is False of what falls below the least score.
    """
    scores = np.where(outputs["valid"], outputs["scores"] * maskness(outputs["masks"]), 0).astype("float32")
    valid = outputs["valid"] & (scores >= least)
    order = np.lexsort((-scores, ~valid))  # stable: equal ones keep their order
    changed = {**outputs, "scores": scores, "valid": valid}
    return {name: value[order] if name in ROWS else value for name, value in changed.items()}
