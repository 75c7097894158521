"""The losses of networks that tell a class of each pixel, each a pure function of named tensors.

Shapes: logits [B, H, W, C]; labels int32 [B, H, W] class ids, 0 background; valid bool [B, H, W]. What is not valid has
no part in any of them, and classes that no pixel of the batch has do no harm.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from keras import ops

from mrcnn.network.losses import number_of
from mrcnn.ops import Tensor
from mrcnn.ops.native_replicas import total_over_replicas

IGNORED = 255  # label of pixels that do not count
INACTIVE = -1e9  # logit of a class that the photo's data set does not label


@dataclasses.dataclass(frozen=True)
class PixelLoss:
    """Which losses are added up, and their numbers.

    Attributes:
        kinds: some of LOSSES.
        class_weights: [C] weights of the classes in "cross-entropy" and "focal"; None: all 1.
        focal_gamma: exponent of "focal".
        hard_share: share of the valid pixels, those of the largest loss, that "cross-entropy" and "focal" count.
    """

    kinds: tuple = ("cross-entropy",)
    class_weights: tuple | None = None
    focal_gamma: float = 2.0
    hard_share: float = 1.0


def pixel_class_loss(logits: Tensor, labels: Tensor, active: Tensor, loss: PixelLoss = PixelLoss()) -> Tensor:
    """The sum of the losses of a PixelLoss, over the classes that the data set of each photo labels.

    Args:
        logits: [B, H, W, C].
        labels: uint8 [B, H, W], 255 ignored.
        active: bool [B, C].
        loss: PixelLoss.
    """
    logits = ops.where(active[:, None, None, :], ops.cast(logits, "float32"), INACTIVE)
    labels = ops.cast(labels, "int32")
    valid = labels != IGNORED
    labels = ops.where(valid, labels, 0)
    return sum(LOSSES[kind](logits, labels, valid, loss) for kind in loss.kinds)


# --- Losses of each pixel by itself ----------------------------------------------------------------------------------


def cross_entropy(logits: Tensor, labels: Tensor, valid: Tensor, loss: PixelLoss) -> Tensor:
    """Softmax cross entropy, the mean weighted by the weight of each pixel's class."""
    return _mean_of_hard(_surprise(logits, labels), labels, valid, loss)


def focal(logits: Tensor, labels: Tensor, valid: Tensor, loss: PixelLoss) -> Tensor:
    """Cross entropy times (1 - p)^gamma: pixels that are told well already count little (Lin 2017, equation 5)."""
    surprise = _surprise(logits, labels)
    # 1 - exp(-s) would have an infinite slope under a power below 1, where s is 0.
    unsure = ops.maximum(-ops.expm1(-surprise), 1e-7)
    return _mean_of_hard(unsure**loss.focal_gamma * surprise, labels, valid, loss)


def _surprise(logits, labels):
    """Minus the logarithm of the probability of each pixel's own class, [B, H, W]."""
    own = ops.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    return ops.logsumexp(logits, axis=-1) - own


def _mean_of_hard(values, labels, valid, loss):
    """The weighted mean of the hardest share of the pixels (Shrivastava 2016, online hard example mining)."""
    weights = ops.cast(valid, "float32")
    if loss.class_weights is not None:
        weights = weights * ops.take(ops.convert_to_tensor(np.asarray(loss.class_weights, np.float32)), labels, axis=0)
    values = ops.where(valid, values, 0.0) * weights
    if loss.hard_share < 1.0:
        flat = ops.stop_gradient(ops.reshape(values, (-1,)))
        count = ops.cast(ops.ceil(loss.hard_share * ops.sum(ops.cast(valid, "float32"))), "int32")
        least = ops.take(-ops.sort(-flat), ops.maximum(count - 1, 0))
        weights = ops.where(values >= least, weights, 0.0)
        values = ops.where(values >= least, values, 0.0)
    return ops.sum(values) / ops.maximum(total_over_replicas(ops.sum(weights)), 1e-6)


# --- Losses of regions: how well those of a class overlap ------------------------------------------------------------


def dice(logits: Tensor, labels: Tensor, valid: Tensor, loss: PixelLoss) -> Tensor:
    """One less the soft Dice coefficient 2 |P G| / (|P| + |G|), the mean of the classes shown.

    |P| is the sum of the probabilities, as in Drozdzal 2016; Milletari 2016, who brought this loss, adds up squares.
    """
    truth, told = _shares(logits, labels, valid)
    axes = (0, 1, 2)
    both, all_truth, all_told = (
        total_over_replicas(ops.sum(values, axis=axes)) for values in (truth * told, truth, told)
    )
    losses = 1.0 - 2.0 * both / ops.maximum(all_truth + all_told, 1e-6)
    shown = all_truth > 0
    return ops.sum(ops.where(shown, losses, 0.0)) / number_of_shown(shown)


def jaccard(logits: Tensor, labels: Tensor, valid: Tensor, loss: PixelLoss) -> Tensor:
    """Lovasz-Softmax: the convex extension of one less the IoU (Berman 2018, algorithm 1), the mean of classes shown.

    Replicas take that of their own part of the batch.
    """
    truth, told = _shares(logits, labels, valid)
    total, shown = 0.0, []
    for index in range(logits.shape[-1]):
        own, errors = (ops.reshape(values[..., index], (-1,)) for values in (truth, ops.abs(truth - told)))
        shown.append(ops.any(own > 0))
        # Sorting the pixels is nearly all of the work, and for nothing where they have nothing to overlap with.
        total = total + ops.cond(shown[-1], functools.partial(_lovasz, errors, own), functools.partial(_zero, errors))
    return total / number_of_shown(ops.stack(shown))


def _zero(like):
    return ops.zeros_like(like[0])


def _lovasz(errors, truth):
    """The Lovasz extension of the Jaccard loss of one class at its errors [P]; truth, 0 or 1 [P], is not all 0."""
    order = ops.argsort(-ops.stop_gradient(errors))
    errors, truth = ops.take(errors, order), ops.take(truth, order)
    count = ops.sum(truth)
    missed = count - ops.cumsum(truth)
    union = ops.maximum(count + ops.cumsum(1.0 - truth), 1.0)
    losses = 1.0 - missed / union
    slopes = losses - ops.concatenate([ops.zeros_like(losses[:1]), losses[:-1]])
    return ops.sum(errors * ops.stop_gradient(slopes))


def _shares(logits, labels, valid):
    """(truth 0 or 1, probabilities), each [B, H, W, C] and 0 where a pixel is not valid."""
    counted = ops.cast(valid, "float32")[..., None]
    truth = ops.one_hot(labels, logits.shape[-1], dtype="float32")
    return truth * counted, ops.softmax(logits, axis=-1) * counted


def number_of_shown(shown: Tensor) -> Tensor:
    """How many classes are shown, at least 1, times the replicas, whose losses are added up.

    Args:
        shown: bool [C].
    """
    own = ops.maximum(ops.sum(ops.cast(shown, "float32")), 1.0)
    return own * number_of(ops.ones_like(own, dtype="bool"))


LOSSES = {"cross-entropy": cross_entropy, "focal": focal, "dice": dice, "jaccard": jaccard}


# --- Weights of classes ----------------------------------------------------------------------------------------------


def weights_by_pixels(counts: Sequence[float], background: float = 1.0) -> Tensor:
    """Weights of classes by median frequency balancing: median of the shares over each class's own (Eigen 2015).

    A share is that of the pixels of all photos; in the paper, of the photos that show the class.

    Args:
        counts: [C] pixels of each class.
        background: what the weight of class 0 is multiplied by.

    Returns:
        float32 [C]. Classes without pixels have 1.
    """
    counts = np.asarray(counts, np.float64)
    weights, shown = np.ones(len(counts)), counts > 0
    if shown.any():
        weights[shown] = np.median(counts[shown]) / counts[shown]
    weights[0] *= background
    return weights.astype(np.float32)
