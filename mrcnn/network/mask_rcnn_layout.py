"""Matterport's names of Mask R-CNN's layers, and the form in which its weight files have them.

The layers of the proposal network lie in one group, `rpn_model`. The two dense layers of the box head are written as
the 7x7 and 1x1 convolutions that they are arithmetically.
"""

import dataclasses
import re

from mrcnn.network.layout import Layout
from mrcnn.ops import Tensor

CONVOLUTIONS = ("mrcnn_class_conv1", "mrcnn_class_conv2")  # in files; here they are dense
ATTRIBUTE_LAYERS = (  # the attribute head's with weights; the shape of the last one's follows from the attributes
    "mrcnn_attribute_conv1", "mrcnn_attribute_conv2",
    "mrcnn_attribute_pattern1", "mrcnn_attribute_pattern2", "mrcnn_attribute_pattern3",
    "mrcnn_attribute_fc1", "mrcnn_attribute",
)
WEIGHTLESS = frozenset(  # layers of Matterport's networks that hold no weights: its scripts name some in exclude=
    "ROI anchors fpn_p2add fpn_p3add fpn_p3upsampled fpn_p4add fpn_p4upsampled fpn_p5upsampled fpn_p6 "
    "input_anchors input_gt_boxes input_gt_class_ids input_gt_masks input_image input_image_meta input_roi "
    "input_rpn_bbox input_rpn_feature_map input_rpn_match mrcnn_bbox mrcnn_bbox_loss mrcnn_class mrcnn_class_loss "
    "mrcnn_detection mrcnn_mask_loss output_rois pool_squeeze proposal_targets roi_align_classifier roi_align_mask "
    "rpn_bbox rpn_bbox_loss rpn_class rpn_class_logits rpn_class_loss rpn_class_xxx".split()
)
FURTHER_STAGES = 2, 3  # of a cascade of box heads
STAGE = re.compile(r"(mrcnn_class|mrcnn_bbox)_stage(\d)(.*)")


def names_of_stage(stage: int) -> tuple[str, str]:
    """How the names of a box head's layers begin: (those of its scores and before, those of its deltas).

    Args:
        stage: 1, or the place in a cascade.
    """
    mark = f"_stage{stage}" if stage > 1 else ""
    return f"mrcnn_class{mark}", f"mrcnn_bbox{mark}"


@dataclasses.dataclass(frozen=True)
class MaskRCNNLayout(Layout):
    """See `Layout`."""

    def group_of(self, layer: object) -> str:
        return "rpn_model" if layer.startswith("rpn_") else layer

    def to_file(self, layer: object, weight: str, value: Tensor, model: object) -> Tensor:
        if layer not in CONVOLUTIONS or weight != "kernel":
            return value
        crop = (1, 1)
        if layer == CONVOLUTIONS[0]:
            crop = tuple(model.get_layer("roi_align_classifier").output.shape[1:3])
        return value.reshape(crop + (value.shape[0] // (crop[0] * crop[1]), value.shape[1]))

    def from_file(self, layer: object, value: Tensor, shape: tuple[int, int]) -> Tensor:
        if layer in CONVOLUTIONS and value.ndim == 4 and value.size:
            return value.reshape(-1, value.shape[-1])
        if layer == "rpn_class_raw" and value.shape[:-1] == shape[:-1] and value.shape[-1] == 2 * shape[-1]:
            # Softmax over (background, object) is the sigmoid of the difference of the two.
            return value[..., 1::2] - value[..., 0::2]
        return value

    def begins_as(self, layer: str) -> tuple[str, float] | None:
        # Deltas of the second head are over half the deviations, so the same movement is twice the number.
        found = STAGE.fullmatch(layer)
        if not found:
            return None
        return found[1] + found[3], float(found[2]) if found[1] == "mrcnn_bbox" else 1.0


MASK_RCNN = MaskRCNNLayout(
    heads=r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)",
    class_layers=("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask", "mrcnn_mask_point", *(
        name for stage in FURTHER_STAGES for name in map("{}_{}".format, names_of_stage(stage), ("logits", "fc")))),
    answer_layers=("rpn_class_raw", "rpn_bbox_pred", *ATTRIBUTE_LAYERS, "mrcnn_attribute_colours"),
    told_by={"rpn_class_raw": "rpn_bbox_pred"},  # one score an anchor, or two
    parts={
        "proposal head": ("rpn_",),
        "box head": ("mrcnn_class", "mrcnn_bbox"),
        "mask head": ("mrcnn_mask",),
        "attribute head": ("mrcnn_attribute",),
        "pyramid": ("fpn_",),
    },
)
