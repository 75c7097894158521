"""YOLACT's losses (Bolya 2019, section 3.3), pure functions of named tensors, and the training graph with them."""

from keras import ops

from mrcnn.network.losses import masked_mean, number_of, sigmoid_cross_entropy, smooth_l1
from mrcnn.network.training_model import NamedLosses
from mrcnn.network.yolact_targets import inside_boxes
from mrcnn.ops import Tensor


class YolactTrainingModel(NamedLosses):
    """The training graph with YOLACT's losses.

    Args:
        negative_ratio: hard negatives a positive, of `yolact_class_loss`.
        stride: pixels a cell of the prototypes covers.
    """

    def __init__(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor], loss_weights: dict[str, float],
                 negative_ratio: int, stride: int):
        super().__init__(inputs, outputs, loss_weights, "yolact_training")
        self.negative_ratio, self.stride = negative_ratio, stride

    def loss_values(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        anchors = {name: outputs[f"anchor_{name}"] for name in ("class_ids", "positive", "negative", "deltas")}
        active = outputs["active_classes"]
        return {
            "yolact_class_loss": yolact_class_loss(
                outputs["logits"], anchors["class_ids"], anchors["positive"], anchors["negative"], active,
                self.negative_ratio,
            ),
            "yolact_bbox_loss": yolact_bbox_loss(outputs["deltas"], anchors["positive"], anchors["deltas"]),
            "yolact_mask_loss": yolact_mask_loss(
                outputs["mask_logits"], outputs["mask_target"], outputs["mask_boxes"] / self.stride,
                outputs["mask_valid"],
            ),
            "yolact_semantic_loss": yolact_semantic_loss(
                outputs["seen_logits"], outputs["seen"], outputs["seen_valid"], active
            ),
        }


def hard_negatives(losses: Tensor, positive: Tensor, negative: Tensor, ratio: int) -> Tensor:
    """The negatives of the largest losses, `ratio` for each positive of the image (Liu 2016, section 2.2).

    An image without positives has as many as one with a single one, so that photos of nothing teach what is nothing.

    Args:
        losses: [B, A], not negative.
        positive, negative: bool [B, A].
        ratio: negatives a positive.

    Returns:
        bool [B, A].
    """
    wanted = ratio * ops.maximum(ops.sum(ops.cast(positive, "int32"), axis=1, keepdims=True), 1)
    order = ops.argsort(ops.where(negative, -losses, 1.0), axis=1)
    rank = ops.cast(ops.argsort(order, axis=1), "int32")
    return ops.logical_and(negative, rank < wanted)


def yolact_class_loss(logits: Tensor, class_ids: Tensor, positive: Tensor, negative: Tensor, active: Tensor,
                      ratio: int) -> Tensor:
    """Softmax cross entropy of the positive anchors and the hardest negative ones, over the number of positives.

    Args:
        logits: [B, A, C].
        class_ids: int32 [B, A], 0 where not positive.
        positive, negative: bool [B, A].
        active: bool [B, C], the classes that the photo's source labels.
        ratio: negatives a positive.
    """
    logits = ops.where(active[:, None], ops.cast(logits, "float32"), -1e9)
    own = ops.sum(logits * ops.one_hot(class_ids, logits.shape[-1], dtype="float32"), axis=-1)
    losses = ops.logsumexp(logits, axis=-1) - own
    counted = ops.logical_or(positive, hard_negatives(ops.stop_gradient(losses), positive, negative, ratio))
    return ops.sum(ops.where(counted, losses, 0.0)) / number_of(positive)


def yolact_bbox_loss(deltas: Tensor, positive: Tensor, target: Tensor) -> Tensor:
    """Smooth L1 of the deltas of the positive anchors, over their number (Fast R-CNN equation 3).

    Args:
        deltas, target: [B, A, 4].
        positive: bool [B, A].
    """
    return masked_mean(ops.sum(smooth_l1(ops.cast(deltas, "float32") - target), axis=-1), positive)


def yolact_mask_loss(logits: Tensor, target: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    """Cross entropy of the assembled masks within the true box, over the box's area, and the mean of all masks.

    Args:
        logits, target: [B, n, h, w].
        boxes: [B, n, 4] of the true objects, in cells; every cell that one touches counts, so that none is empty.
        valid: bool [B, n].
    """
    inside = ops.cast(inside_boxes(boxes, *ops.shape(logits)[2:4]), "float32")
    losses = ops.sum(sigmoid_cross_entropy(logits, target) * inside, axis=(2, 3))
    return masked_mean(losses / ops.maximum(ops.sum(inside, axis=(2, 3)), 1.0), valid)


def yolact_semantic_loss(logits: Tensor, seen: Tensor, valid: Tensor, active: Tensor) -> Tensor:
    """Cross entropy of what is seen where, summed over the classes: any number of them may be at a cell (section 5).

    Args:
        logits, seen: [B, h, w, C-1].
        valid: bool [B, h, w].
        active: bool [B, C].
    """
    losses = sigmoid_cross_entropy(ops.cast(logits, "float32"), seen)
    losses = ops.where(active[:, None, None, 1:], losses, 0.0)
    return masked_mean(ops.sum(losses, axis=-1), valid)
