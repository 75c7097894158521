"""Losses of GEOMETRY="matterport": the terms of the exact geometry, in other means.

Reproduced: box losses are means over the positives and their four deltas, not sums over all that was sampled; the
class loss counts a region only if the class it is taken for is one that its photo's data set labels, over all slots
of the sample, empty ones included, which makes it several times smaller than the mean over what was sampled.

Not reproduced: empty slots, which Matterport classifies as background, count as such without being run through the
head (in a trained network their loss is next to nothing); the labelled classes are each photo's own, not those of
the first of the batch; cross entropies are taken of logits, not of rounded probabilities.
"""

from keras import ops

from mrcnn.network import losses
from mrcnn.network.training_model import TrainingModel, attribute_losses
from mrcnn.ops import Tensor
from mrcnn.ops.native_replicas import total_over_replicas


class MatterportTrainingModel(TrainingModel):
    """The training graph with Matterport's losses.

    Args:
        slots: Config.TRAIN_ROIS_PER_IMAGE.
    """

    def __init__(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor], loss_weights: dict[str, float],
                 slots: int):
        super().__init__(inputs, outputs, loss_weights)
        self.slots = slots

    def loss_values(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return matterport_losses(outputs, self.slots)


def matterport_losses(outputs: dict[str, Tensor], slots: int) -> dict[str, Tensor]:
    """The losses of the training graph's outputs, by name: five, and that of the attribute head, if there is one.

    Args:
        outputs: of the training graph, by name.
        slots: regions sampled of each image, at most.
    """
    positive, valid = outputs["anchor_positive"], outputs["anchor_valid"]
    class_ids, region_valid = outputs["region_class_ids"], outputs["region_valid"]
    active = ops.take(outputs["active_classes"], outputs["region_image_index"], axis=0)
    rpn_deltas = ops.cast(outputs["rpn_deltas"], "float32")
    box_deltas = ops.take_along_axis(
        ops.cast(outputs["box_deltas"], "float32"), class_ids[:, None, None], axis=1
    )[:, 0]
    own = ops.logical_and(outputs["region_positive"], region_valid)
    return {
        # Softmax over background and object is the sigmoid of the difference of their logits.
        "rpn_class_loss": losses.rpn_class_loss(outputs["rpn_logits"], positive, valid),
        "rpn_bbox_loss": mean_bbox_loss(rpn_deltas, outputs["anchor_deltas"], ops.logical_and(positive, valid)),
        "mrcnn_class_loss": mean_class_loss(
            outputs["class_logits"], class_ids, region_valid, active, ops.shape(outputs["active_classes"])[0] * slots
        ),
        "mrcnn_bbox_loss": mean_bbox_loss(box_deltas, outputs["region_deltas"], own),
        "mrcnn_mask_loss": losses.mrcnn_mask_loss(
            outputs["mask_logits"], outputs["mask_class_ids"], outputs["mask_valid"], outputs["mask_targets"]
        ),
        **attribute_losses(outputs),
    }


def mean_bbox_loss(deltas: Tensor, target: Tensor, positive: Tensor) -> Tensor:
    """Mean smooth L1 of the deltas of positives, 0 without any.

    Args:
        deltas, target: [..., 4].
        positive: bool [...].
    """
    return losses.masked_mean(ops.mean(losses.smooth_l1(deltas - target, 1.0), axis=-1), positive)


def mean_class_loss(logits: Tensor, class_ids: Tensor, valid: Tensor, active: Tensor, slots: int) -> Tensor:
    """Cross entropy of regions over the slots that are not taken for a class nobody labelled.

    Args:
        logits: [N, C].
        class_ids: int32 [N].
        valid: bool [N].
        active: bool [N, C].
        slots: of all images together.
    """
    logits = ops.cast(logits, "float32")
    own = ops.take_along_axis(logits, class_ids[:, None], axis=1)[:, 0]
    taken_for = ops.argmax(logits, axis=-1)
    labelled = ops.take_along_axis(active, ops.cast(taken_for, "int32")[:, None], axis=1)[:, 0]
    loss = ops.where(ops.logical_and(valid, labelled), ops.logsumexp(logits, axis=-1) - own, 0.0)
    unlabelled = ops.sum(ops.cast(ops.logical_and(valid, ops.logical_not(labelled)), "float32"))
    counted = total_over_replicas(ops.cast(slots, "float32") - unlabelled)
    return ops.sum(loss) / ops.maximum(counted, 1.0)
