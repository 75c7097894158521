"""The losses, each a pure function of named tensors. Means are over what was sampled, and 0 over nothing."""

import math
from collections.abc import Sequence

import numpy as np
from keras import ops

from mrcnn.ops import Tensor
from mrcnn.ops import boxes as box_ops
from mrcnn.ops.native_replicas import total_over_replicas

# Of GIoU against the other box losses, as MMDetection's Faster R-CNN has it: a box that is a tenth of its height too
# low loses 1.8 then, and 0.5 under smooth L1 of its deltas.
GIOU_WEIGHT = 10.0
EFFECTIVE_BETA = 0.999  # a thousand objects of a class are as good as any more (Cui 2019, beta = (N - 1) / N)
SEESAW_P, SEESAW_Q = 0.8, 2.0  # as published (Wang 2021)
ATTRIBUTE_GAMMA = 2.0  # of the focal loss, as published (Lin 2017, section 4.1)
SEESAW_LEAST_SCORE = 0.01  # of the own class, in compensation: bounds its factor by a hundred squared


def number_of(valid: Tensor) -> Tensor:
    """How many are valid in the whole batch, of which a replica sees its part; at least 1.

    Args:
        valid: bool [...].
    """
    return ops.maximum(total_over_replicas(ops.sum(ops.cast(valid, "float32"))), 1.0)


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of values where valid, both [...]; 0 if none is."""
    # A where, not only a product: what padding computes to may be infinite.
    values = ops.where(valid, values, 0.0)
    return ops.sum(values) / number_of(valid)


def smooth_l1(difference: Tensor, beta: float = 1.0) -> Tensor:
    """Quadratic below beta, linear above (Fast R-CNN equation 3, which has beta 1).

    Args:
        difference: [...].
        beta: where the two meet.
    """
    size = ops.abs(difference)
    return ops.where(size < beta, 0.5 * size * size / beta, size - 0.5 * beta)


def sigmoid_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of 0/1 labels with logits, both [...], in a form that never overflows."""
    return ops.maximum(logits, 0.0) - logits * labels + ops.log1p(ops.exp(-ops.abs(logits)))


def rpn_class_loss(logits: Tensor, positive: Tensor, valid: Tensor) -> Tensor:
    """Objectness of the sampled anchors (Faster R-CNN equation 1, first term).

    Args:
        logits: [B, S].
        positive, valid: bool [B, S].
    """
    logits = ops.cast(logits, "float32")
    return masked_mean(sigmoid_cross_entropy(logits, ops.cast(positive, "float32")), valid)


def rpn_bbox_loss(deltas: Tensor, positive: Tensor, valid: Tensor, target: Tensor) -> Tensor:
    """Box deltas of the positive anchors over the number of sampled ones (Faster R-CNN equation 1, second term).

    Args:
        deltas: [B, S, 4].
        positive, valid: bool [B, S].
        target: [B, S, 4].
    """
    return _bbox_loss(ops.cast(deltas, "float32"), positive, valid, target)


def mrcnn_class_loss(logits: Tensor, class_ids: Tensor, valid: Tensor, active: Tensor, smoothing: float = 0.0,
                     kind: str = "softmax", counts: Sequence[float] | None = None) -> Tensor:
    """Softmax cross entropy of the sampled regions over the classes that their data set labels.

    Args:
        logits: [N, C].
        class_ids: int32 [N].
        valid: bool [N].
        active: bool [N, C].
        smoothing: share of the label that is spread evenly over the active classes (Szegedy 2016, section 7).
        kind: "softmax", "class-balanced" (see `class_weights`) or "seesaw" (see `seesaw_factors`).
        counts: C numbers of objects, which the latter two read.
    """
    logits = ops.where(active, ops.cast(logits, "float32"), -1e9)
    if kind == "seesaw":
        logits = logits + seesaw_factors(logits, class_ids, counts)
    own = ops.take_along_axis(logits, class_ids[:, None], axis=1)[:, 0]
    loss = ops.logsumexp(logits, axis=-1) - own
    if smoothing:
        share = ops.cast(active, "float32")
        share = share / ops.maximum(ops.sum(share, axis=-1, keepdims=True), 1.0)
        loss = loss + smoothing * (own - ops.sum(ops.where(active, logits, 0.0) * share, axis=-1))
    if kind == "class-balanced":
        loss = loss * ops.take(ops.convert_to_tensor(class_weights(counts)), class_ids)
    return masked_mean(loss, valid)


def class_weights(counts: Sequence[float], beta: float = EFFECTIVE_BETA) -> Tensor:
    """Weights (1 - beta) / (1 - beta^n) of classes, over their mean (Cui 2019, section 4).

    Args:
        counts: [C] objects of each class; that of background, the first, is not read: its weight is 1.
        beta: of the paper, 0..1.

    Returns:
        float32 [C]. Classes without objects have 1 and no part in the mean, which is then 1 of the others.
    """
    counts = np.asarray(counts, np.float64)
    weights = np.ones(len(counts), np.float32)
    shown = np.flatnonzero(counts > 0)
    shown = shown[shown > 0]
    if len(shown):
        raw = (1 - beta) / (1 - beta ** counts[shown])
        weights[shown] = raw / raw.mean()
    return weights


def seesaw_factors(logits: Tensor, class_ids: Tensor, counts: Sequence[float]) -> Tensor:
    """What seesaw loss adds to the logits: log S of each region's rival classes (Wang 2021, section 3).

    Mitigation (n_rival / n_own)^p spares a class that is rarer than the region's own; compensation
    (score_rival / score_own)^q takes that back where the rival is believed. No gradient flows through them. The paper
    leaves background to an objectness branch of its own; here it is one of the classes and has factor 1, both as the
    region's own class and as a rival: what is an object is learned as ever, and only classes of objects see-saw.

    Args:
        logits: float32 [N, C].
        class_ids: int32 [N].
        counts: [C] objects of each class.

    Returns:
        float32 [N, C].
    """
    counts = ops.convert_to_tensor(np.log(np.maximum(np.asarray(counts, np.float64), 1.0)).astype(np.float32))
    mitigation = SEESAW_P * ops.minimum(counts[None] - ops.take(counts, class_ids)[:, None], 0.0)
    scores = ops.log_softmax(ops.stop_gradient(logits), axis=-1)
    own = ops.take_along_axis(scores, class_ids[:, None], axis=1)
    compensation = SEESAW_Q * ops.maximum(scores - ops.maximum(own, math.log(SEESAW_LEAST_SCORE)), 0.0)
    rival = ops.arange(logits.shape[-1], dtype="int32")[None]
    own_class = class_ids[:, None]
    seesaws = ops.logical_and(ops.logical_and(rival > 0, own_class > 0), ops.not_equal(rival, own_class))
    return ops.where(seesaws, mitigation + compensation, 0.0)


def mrcnn_bbox_loss(deltas: Tensor, class_ids: Tensor, positive: Tensor, valid: Tensor, target: Tensor,
                    kind: str = "smooth_l1", boxes: Tensor = None, std: Sequence[float] | None = None) -> Tensor:
    """Deltas of each positive region's own class over the number of sampled regions (Fast R-CNN equation 1).

    Args:
        deltas: [N, C, 4].
        class_ids: int32 [N].
        positive, valid: bool [N].
        target: [N, 4].
        kind: "smooth_l1" or "l1" of the deltas, or "giou" of the boxes that they lead to, GIOU_WEIGHT times.
        boxes: [N, 4] the regions, which "giou" reads.
        std: 4 numbers that the deltas were divided by, which "giou" reads.
    """
    own = ops.take_along_axis(ops.cast(deltas, "float32"), class_ids[:, None, None], axis=1)[:, 0]
    if kind != "giou":
        return _bbox_loss(own, positive, valid, target, ops.abs if kind == "l1" else smooth_l1)
    counted = ops.logical_and(positive, valid)[:, None]
    # Rows that do not count become boxes of some area: a where after a division would not keep their gradient finite.
    boxes = ops.where(counted, boxes, ops.convert_to_tensor(np.array([[0, 0, 1, 1]], np.float32)))
    own, target = (box_ops.decode(ops.where(counted, d, 0.0), boxes, std) for d in (own, target))
    return GIOU_WEIGHT * ops.sum(1.0 - giou(own, target)) / number_of(valid)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU pair by pair (Rezatofighi 2019, algorithm 1): IoU less the share of the hull that neither fills.

    Args:
        a, b: [..., 4].

    Returns:
        [...] in -1..1. Its gradient is finite, and does not vanish where boxes lie apart.
    """
    shared = box_ops.intersection(a, b)
    union = box_ops.area(a) + box_ops.area(b) - shared
    hull = ops.concatenate([ops.minimum(a[..., :2], b[..., :2]), ops.maximum(a[..., 2:], b[..., 2:])], axis=-1)
    hull = ops.maximum(box_ops.area(hull), 1e-9)
    return shared / ops.maximum(union, 1e-9) - (hull - union) / hull


def _bbox_loss(deltas, positive, valid, target, size=smooth_l1):
    loss = ops.sum(size(deltas - target), axis=-1)
    loss = ops.sum(ops.where(ops.logical_and(positive, valid), loss, 0.0))
    return loss / number_of(valid)


def mrcnn_mask_loss(logits: Tensor, class_ids: Tensor, valid: Tensor, target: Tensor) -> Tensor:
    """Mean cross entropy of the mask of each positive region's own class (Mask R-CNN section 3).

    Args:
        logits: [N, h, w, C].
        class_ids: int32 [N].
        valid: bool [N].
        target: [N, h, w] in 0..1; between these the least possible loss is above 0.
    """
    own = ops.take_along_axis(ops.cast(logits, "float32"), class_ids[:, None, None, None], axis=-1)[..., 0]
    return masked_mean(ops.mean(sigmoid_cross_entropy(own, target), axis=(1, 2)), valid)


def mrcnn_point_loss(logits: Tensor, valid: Tensor, target: Tensor) -> Tensor:
    """Mean cross entropy of the points of each positive region (PointRend section 3.2).

    Args:
        logits: [N, P] of the region's own class.
        valid: bool [N].
        target: [N, P].
    """
    return masked_mean(ops.mean(sigmoid_cross_entropy(logits, target), axis=1), valid)


def mrcnn_attribute_loss(logits: Tensor, target: Tensor, counted: Tensor, gamma: float = ATTRIBUTE_GAMMA) -> Tensor:
    """Focal loss of the attributes of the positive regions, over the number of true ones (Lin 2017, section 4.1).

    Most attributes are absent from most objects; the factor (1 - p)^gamma, p being the probability of the right answer,
    keeps what is easily seen to be absent from outweighing the rest.

    Args:
        logits: [N, M].
        target: float [N, M] of zeros and ones.
        counted: bool [N, M] whether an answer counts: the region shows an object, whose class can have the attribute.
        gamma: 0 is cross entropy.
    """
    logits = ops.cast(logits, "float32")
    entropy = sigmoid_cross_entropy(logits, target)
    # 1 - p in a form that keeps its gradient finite: the probability of the wrong answer.
    wrong = ops.sigmoid(ops.where(target > 0.5, -logits, logits))
    loss = ops.where(counted, wrong**gamma * entropy, 0.0)
    return ops.sum(loss) / number_of(ops.logical_and(counted, target > 0.5))
