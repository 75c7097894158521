"""Matterport's names of Mask R-CNN's layers, and the form in which its weight files have them.

The layers of the proposal network lie in one group, `rpn_model`. The two dense layers of the box head are written as
the 7x7 and 1x1 convolutions that they are arithmetically.
"""

import dataclasses

from mrcnn.network.layout import Layout
from mrcnn.ops import Tensor

CONVOLUTIONS = ("mrcnn_class_conv1", "mrcnn_class_conv2")  # in files; here they are dense
ATTRIBUTE_LAYERS = (  # the attribute head's with weights; the shape of the last one's follows from the attributes
    "mrcnn_attribute_conv1", "mrcnn_attribute_conv2",
    "mrcnn_attribute_pattern1", "mrcnn_attribute_pattern2", "mrcnn_attribute_pattern3",
    "mrcnn_attribute_fc1", "mrcnn_attribute",
)


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


MASK_RCNN = MaskRCNNLayout(
    heads=r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)",
    class_layers=("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask", "mrcnn_mask_point"),
    answer_layers=("rpn_class_raw", "rpn_bbox_pred", *ATTRIBUTE_LAYERS, "mrcnn_attribute_colours"),
    parts={
        "proposal head": ("rpn_",),
        "box head": ("mrcnn_class", "mrcnn_bbox"),
        "mask head": ("mrcnn_mask",),
        "attribute head": ("mrcnn_attribute",),
        "pyramid": ("fpn_",),
    },
)
