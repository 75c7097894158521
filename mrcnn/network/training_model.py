"""The training graph's losses: which there are, and how they make up the total."""

import keras
from keras import ops

from mrcnn.network import losses

LOSS_NAMES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")
POINT_LOSS_NAME = "mrcnn_point_loss"  # of MASK_HEAD="points" alone


class TrainingModel(keras.Model):
    """The training graph with Mask R-CNN's losses: total = sum of weight * loss, in fit and in evaluate alike."""

    def __init__(self, inputs, outputs, loss_weights):
        super().__init__(inputs=inputs, outputs=outputs, name="mask_rcnn_training")
        names = LOSS_NAMES + ((POINT_LOSS_NAME,) if "point_logits" in outputs else ())
        self.loss_weights = {name: float(loss_weights[name]) for name in names}
        self.loss_means = [keras.metrics.Mean(name=name) for name in names]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        values = named_losses(y_pred)
        for mean in self.loss_means:
            mean.update_state(values[mean.name])
        return sum(self.loss_weights[name] * value for name, value in values.items())


def named_losses(outputs):
    """The losses of the training graph's outputs, by name: five, and that of the point head where there is one."""
    anchor = {key: outputs[f"anchor_{key}"] for key in ("index", "positive", "valid")}
    class_ids, valid = outputs["region_class_ids"], outputs["region_valid"]
    active = ops.take(outputs["active_classes"], outputs["region_image_index"], axis=0)
    values = {
        "rpn_class_loss": losses.rpn_class_loss(outputs["rpn_logits"], **anchor),
        "rpn_bbox_loss": losses.rpn_bbox_loss(outputs["rpn_deltas"], target=outputs["anchor_deltas"], **anchor),
        "mrcnn_class_loss": losses.mrcnn_class_loss(outputs["class_logits"], class_ids, valid, active),
        "mrcnn_bbox_loss": losses.mrcnn_bbox_loss(
            outputs["box_deltas"], class_ids, outputs["region_positive"], valid, outputs["region_deltas"]
        ),
        "mrcnn_mask_loss": losses.mrcnn_mask_loss(
            outputs["mask_logits"], outputs["mask_class_ids"], outputs["mask_valid"], outputs["mask_targets"]
        ),
    }
    if "point_logits" in outputs:
        values[POINT_LOSS_NAME] = losses.mrcnn_point_loss(
            outputs["point_logits"], outputs["mask_valid"], outputs["point_targets"]
        )
    return values
