"""The training graphs' losses: how they make up the total, and which there are of Mask R-CNN."""

import dataclasses
from collections.abc import Sequence

import keras
from keras import ops

from mrcnn.errors import ConfigError
from mrcnn.network import losses
from mrcnn.network.graph_files import GraphWithFiles
from mrcnn.network.mask_rcnn_layout import FURTHER_STAGES
from mrcnn.ops import Tensor
from mrcnn.ops.native_replicas import total_over_replicas

LOSS_NAMES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")
POINT_LOSS_NAME = "mrcnn_point_loss"  # of MASK_HEAD="points" alone
ATTRIBUTE_LOSS_NAME = "mrcnn_attribute_loss"  # of ATTRIBUTES alone
CASCADE_LOSS_NAMES = ("mrcnn_cascade_class_loss", "mrcnn_cascade_bbox_loss")  # of CASCADE_IOUS alone


@dataclasses.dataclass(frozen=True)
class BoxHeadLosses:
    """Which losses the box head has, and their numbers.

    Args:
        class_loss: kind and smoothing: its label smoothing, of `losses.mrcnn_class_loss`.
        class_counts: objects of each class, which kinds other than "softmax" need.
        box_loss: kind of `losses.mrcnn_bbox_loss`.
        std: 4 numbers that the box deltas were divided by.
    """

    class_loss: str = "softmax"
    smoothing: float = 0.0
    class_counts: tuple | None = None
    box_loss: str = "smooth_l1"
    std: tuple = (1.0, 1.0, 1.0, 1.0)


class NamedLosses(GraphWithFiles):
    """A training graph with losses by name: total = sum of weight * loss, in fit and in evaluate alike.

    What regularizers and add_loss() of its layers give is added to the total, as Keras does.

    Args:
        loss_weights: {name of each loss: its weight}. A subclass says by `loss_values` what they are.
    """

    def __init__(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor], loss_weights: dict[str, float],
                 name: str | None):
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.recomputed = None  # a Recomputed that runs the same graph in training
        self.loss_weights = {name: float(weight) for name, weight in loss_weights.items()}
        self.loss_means = [keras.metrics.Mean(name=name) for name in loss_weights]

    def call(self, inputs: dict[str, Tensor], training: bool | None = None,
             mask: Tensor | None = None) -> dict[str, Tensor]:
        if training and self.recomputed is not None:
            return self.recomputed(inputs)
        return super().call(inputs, training=training, mask=mask)

    def compute_loss(self, x: object = None, y: object = None, y_pred: dict[str, Tensor] | None = None,
                     sample_weight: object = None, training: bool | None = True) -> Tensor:
        values = self.loss_values(y_pred)
        # A replica divides its part of each sum by the number of the whole batch, so the parts add up to the loss.
        totals = total_over_replicas(ops.stack([values[mean.name] for mean in self.loss_means]))
        photos = next((ops.shape(value)[0] for value in keras.tree.flatten(x) if value is not None), None)
        for index, mean in enumerate(self.loss_means):  # over photos, as Keras has the total: last batches are smaller
            mean.update_state(totals[index], sample_weight=photos)
        own = sum(self._aggregate_additional_loss(value) for value in self.losses)
        return sum(self.loss_weights[name] * value for name, value in values.items()) + own

    def loss_values(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """The losses of the graph's outputs by name."""
        raise NotImplementedError(f"{type(self).__name__} must define loss_values(outputs).")


class TrainingModel(NamedLosses):
    """The training graph with Mask R-CNN's losses.

    Args:
        box_head: BoxHeadLosses; what it says when compile() is called counts.
    """

    def __init__(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor], loss_weights: dict[str, float],
                 box_head: BoxHeadLosses = BoxHeadLosses()):
        names = LOSS_NAMES + ((POINT_LOSS_NAME,) if "point_logits" in outputs else ())
        names += (ATTRIBUTE_LOSS_NAME,) if "attribute_logits" in outputs else ()
        names += CASCADE_LOSS_NAMES if "stage2_logits" in outputs else ()
        super().__init__(inputs, outputs, {name: loss_weights[name] for name in names}, "mask_rcnn_training")
        self.box_head = box_head

    def loss_values(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return named_losses(outputs, self.box_head)

    def take_class_counts(self, counts: Sequence[float] | None) -> None:
        """Give the class loss the objects of each class, [C] with background's first; compile() has to follow."""
        self.box_head = dataclasses.replace(self.box_head, class_counts=tuple(float(count) for count in counts))


def named_losses(outputs: dict[str, Tensor], box_head: BoxHeadLosses = BoxHeadLosses()) -> dict[str, Tensor]:
    """The losses of the training graph's outputs, by name: five, and those of the parts that not all networks have.

    Raises:
        ConfigError: if the class loss lacks the objects of each class.
    """
    if box_head.class_loss != "softmax" and box_head.class_counts is None:
        raise ConfigError(
            f"CLASS_LOSS={box_head.class_loss!r} weighs classes by their objects: train by train(), which counts them, "
            "or set CLASS_COUNTS."
        )
    anchor = {key: outputs[f"anchor_{key}"] for key in ("positive", "valid")}
    class_ids, valid = outputs["region_class_ids"], outputs["region_valid"]
    active = ops.take(outputs["active_classes"], outputs["region_image_index"], axis=0)
    values = {
        "rpn_class_loss": losses.rpn_class_loss(outputs["rpn_logits"], **anchor),
        "rpn_bbox_loss": losses.rpn_bbox_loss(outputs["rpn_deltas"], target=outputs["anchor_deltas"], **anchor),
        "mrcnn_class_loss": losses.mrcnn_class_loss(
            outputs["class_logits"], class_ids, valid, active,
            box_head.smoothing, box_head.class_loss, box_head.class_counts,
        ),
        "mrcnn_bbox_loss": losses.mrcnn_bbox_loss(
            outputs["box_deltas"], class_ids, outputs["region_positive"], valid, outputs["region_deltas"],
            box_head.box_loss, outputs["region_boxes"], box_head.std,
        ),
        "mrcnn_mask_loss": losses.mrcnn_mask_loss(
            outputs["mask_logits"], outputs["mask_class_ids"], outputs["mask_valid"], outputs["mask_targets"]
        ),
    }
    if "point_logits" in outputs:
        values[POINT_LOSS_NAME] = losses.mrcnn_point_loss(
            outputs["point_logits"], outputs["mask_valid"], outputs["point_targets"]
        )
    return {**values, **attribute_losses(outputs), **cascade_losses(outputs, box_head)}


def attribute_losses(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The loss of the attribute head by its name; nothing where the graph has no such head."""
    if "attribute_logits" not in outputs:
        return {}
    loss = losses.mrcnn_attribute_loss(
        outputs["attribute_logits"], outputs["attribute_targets"], outputs["attribute_counted"]
    )
    return {ATTRIBUTE_LOSS_NAME: loss}


def cascade_losses(outputs: dict[str, Tensor], box_head: BoxHeadLosses) -> dict[str, Tensor]:
    """The losses of the second box head and half of those of the third, by name; nothing where there is one head."""
    scores, boxes = [], []
    for stage in FURTHER_STAGES:
        if f"stage{stage}_logits" not in outputs:
            break
        logits, deltas, regions, class_ids, image_index, positive, valid, target = (
            outputs[f"stage{stage}_{name}"] for name in
            ("logits", "box_deltas", "boxes", "class_ids", "image_index", "positive", "valid", "deltas")
        )
        active = ops.take(outputs["active_classes"], image_index, axis=0)
        share = 0.5 ** len(scores)
        scores.append(share * losses.mrcnn_class_loss(
            logits, class_ids, valid, active, box_head.smoothing, box_head.class_loss, box_head.class_counts
        ))
        boxes.append(share * losses.mrcnn_bbox_loss(
            deltas, class_ids, positive, valid, target, box_head.box_loss, regions, [v / stage for v in box_head.std]
        ))
    return dict(zip(CASCADE_LOSS_NAMES, (sum(scores), sum(boxes)))) if scores else {}
