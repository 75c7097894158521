"""The losses, each a pure function of named tensors. Means are over what was sampled, and 0 over nothing."""

from keras import ops


def masked_mean(values, valid):
    """Mean of values where valid, both [...]; 0 if none is."""
    weight = ops.cast(valid, values.dtype)
    # A where, not only a product: what padding computes to may be infinite.
    values = ops.where(valid, values, 0.0)
    return ops.sum(values) / ops.maximum(ops.sum(weight), 1.0)


def smooth_l1(difference, beta):
    """Quadratic below beta, linear above (Fast R-CNN equation 3, which has beta 1). difference: [...]."""
    size = ops.abs(difference)
    return ops.where(size < beta, 0.5 * size * size / beta, size - 0.5 * beta)


def sigmoid_cross_entropy(logits, labels):
    """Cross entropy of 0/1 labels with logits, both [...], in a form that never overflows."""
    return ops.maximum(logits, 0.0) - logits * labels + ops.log1p(ops.exp(-ops.abs(logits)))


def rpn_class_loss(logits, index, positive, valid):
    """Objectness of the sampled anchors (Faster R-CNN equation 1, first term).

    logits: [B, A]; index: int32 [B, S]; positive, valid: bool [B, S].
    """
    sampled = ops.take_along_axis(ops.cast(logits, "float32"), index, axis=1)
    return masked_mean(sigmoid_cross_entropy(sampled, ops.cast(positive, "float32")), valid)


def rpn_bbox_loss(deltas, index, positive, valid, target):
    """Box deltas of the positive anchors over the number of sampled ones (Faster R-CNN equation 1, second term).

    deltas: [B, A, 4]; index: int32 [B, S]; positive, valid: bool [B, S]; target: [B, S, 4].
    """
    sampled = ops.take_along_axis(ops.cast(deltas, "float32"), index[:, :, None], axis=1)
    return _bbox_loss(sampled, positive, valid, target)


def mrcnn_class_loss(logits, class_ids, valid, active):
    """Softmax cross entropy of the sampled regions over the classes that their data set labels.

    logits: [N, C]; class_ids: int32 [N]; valid: bool [N]; active: bool [N, C].
    """
    logits = ops.where(active, ops.cast(logits, "float32"), -1e9)
    own = ops.take_along_axis(logits, class_ids[:, None], axis=1)[:, 0]
    return masked_mean(ops.logsumexp(logits, axis=-1) - own, valid)


def mrcnn_bbox_loss(deltas, class_ids, positive, valid, target):
    """Deltas of each positive region's own class over the number of sampled regions (Fast R-CNN equation 1).

    deltas: [N, C, 4]; class_ids: int32 [N]; positive, valid: bool [N]; target: [N, 4].
    """
    own = ops.take_along_axis(ops.cast(deltas, "float32"), class_ids[:, None, None], axis=1)[:, 0]
    return _bbox_loss(own, positive, valid, target)


def _bbox_loss(deltas, positive, valid, target):
    loss = ops.sum(smooth_l1(deltas - target, 1.0), axis=-1)
    loss = ops.sum(ops.where(ops.logical_and(positive, valid), loss, 0.0))
    return loss / ops.maximum(ops.sum(ops.cast(valid, "float32")), 1.0)


def mrcnn_mask_loss(logits, class_ids, valid, target):
    """Mean cross entropy of the mask of each positive region's own class (Mask R-CNN section 3).

    logits: [N, h, w, C]; class_ids: int32 [N]; valid: bool [N]; target: [N, h, w].
    """
    own = ops.take_along_axis(ops.cast(logits, "float32"), class_ids[:, None, None, None], axis=-1)[..., 0]
    return masked_mean(ops.mean(sigmoid_cross_entropy(own, target), axis=(1, 2)), valid)


def mrcnn_point_loss(logits, valid, target):
    """Mean cross entropy of the points of each positive region (PointRend section 3.2).

    logits: [N, P] of the region's own class; valid: bool [N]; target: [N, P].
    """
    return masked_mean(ops.mean(sigmoid_cross_entropy(logits, target), axis=1), valid)
