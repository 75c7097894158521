"""What the two geometries of Config.GEOMETRY are made of: the layers of each, with the numbers of a Config.

This is a part of the assembly in `mask_rcnn.py`. The functions of `mrcnn.matterport` take single layers from here.
"""

from collections.abc import Sequence

import numpy as np

from mrcnn.config import ANCHOR_OFFSETS, Settings
from mrcnn.data.corner_alignment import CornerAlignedWindow
from mrcnn.data.images import Window
from mrcnn.network.anchors import Anchors
from mrcnn.network.detections import Detections
from mrcnn.network.heads import RegionCrops
from mrcnn.network.matterport_geometry import (
    CROWD_IOU,
    Canvas,
    MatterportCrops,
    MatterportDetections,
    MatterportMaskTargets,
    MatterportProposals,
    MatterportRegionTargets,
)
from mrcnn.network.matterport_losses import MatterportTrainingModel
from mrcnn.network.proposals import Proposals
from mrcnn.network.targets import AnchorTargets, MaskTargets, RegionTargets
from mrcnn.network.training_model import BoxHeadLosses, TrainingModel
from mrcnn.ops import Tensor


class ExactGeometry:
    """The geometry of the papers. Every method gives a layer; name: of it in the graph."""

    rpn_scores = 1  # outputs of the proposal head for an anchor: a logit, whose sigmoid is the score
    anchor_offset = ANCHOR_OFFSETS["exact"]  # where in its cell an anchor's centre lies
    any_unit = True  # boxes may be in any unit of length, for what is done to them is
    crowds_hide = True  # what lies in a crowd teaches nothing
    window_kind = Window  # that leads detections back to the photo
    proposals_layer, detections_layer, region_targets_layer = Proposals, Detections, RegionTargets

    def __init__(self, config: Settings):
        self.config = config

    def anchors(self, name: str | None = None) -> Anchors:
        config = self.config
        return Anchors(
            config.BACKBONE_STRIDES,
            config.RPN_ANCHOR_SCALES,
            config.RPN_ANCHOR_RATIOS,
            config.RPN_ANCHOR_STRIDE,
            self.anchor_offset,
            name=name,
        )

    def propose(self, inputs: dict[str, Tensor], image: Tensor, training: bool,
                name: str | None = None) -> dict[str, Tensor]:
        """The proposals of {"logits", "deltas", "anchors", "window"}, more of them in training."""
        config = self.config
        per_level = config.PRE_NMS_PER_LEVEL_TRAINING if training else config.PRE_NMS_PER_LEVEL_INFERENCE
        total = config.POST_NMS_ROIS_TRAINING if training else config.POST_NMS_ROIS_INFERENCE
        layer = self.proposals_layer(per_level, total, config.RPN_NMS_THRESHOLD, config.RPN_BBOX_STD_DEV, name=name)
        return layer(inputs)

    def crops(self, size: int, name: str | None = None, strides: Sequence[int] | None = None) -> RegionCrops:
        """Crops from maps of some strides; None: from P2 to P5."""
        config, strides = self.config, strides or self.config.BACKBONE_STRIDES[:4]
        return self.crops_layer(strides, size, config.ROI_SAMPLING_RATIO, config.ROI_ALIGNED, name=name)

    @staticmethod
    def crops_layer(strides: Sequence[int], size: int, sampling_ratio: int = 2, aligned: bool = True,
                    name: str | None = None) -> RegionCrops:
        return RegionCrops(strides, size, sampling_ratio, aligned, name=name)

    def deviations(self, stage: int = 1) -> np.ndarray:
        """What box deltas are divided by at a place in a cascade, whose later heads move boxes less (Cai 2018)."""
        return np.asarray(self.config.BBOX_STD_DEV, float) / stage

    def detections(self, name: str | None = None, stage: int = 1) -> Detections:
        """stage: place in a cascade of the head that the deltas are of."""
        config = self.config
        return self.detections_layer(
            config.DETECTION_MAX_INSTANCES,
            config.DETECTION_NMS_THRESHOLD,
            self.deviations(stage),
            name=name,
        )

    def anchor_targets(self, seed: int = 0, name: str | None = None, crowd_overlap: float | None = None,
                       crowd_by_iou: bool = False) -> AnchorTargets:
        config = self.config
        return AnchorTargets(
            config.RPN_TRAIN_ANCHORS_PER_IMAGE,
            config.RPN_POSITIVE_RATIO,
            config.RPN_POSITIVE_IOU,
            config.RPN_NEGATIVE_IOU,
            config.CROWD_OVERLAP if crowd_overlap is None else crowd_overlap,
            config.RPN_BBOX_STD_DEV,
            crowd_by_iou=crowd_by_iou,
            seed=seed,
            name=name,
        )

    def region_targets(self, seed: int = 0, name: str | None = None, crowd_overlap: float | None = None,
                       stage: int = 1) -> RegionTargets:
        """stage: place in a cascade of the head that learns by them."""
        config = self.config
        return self.region_targets_layer(
            config.TRAIN_ROIS_PER_IMAGE,
            config.ROI_POSITIVE_RATIO,
            (config.ROI_POSITIVE_IOU, *(config.CASCADE_IOUS or ()))[stage - 1],
            config.CROWD_OVERLAP if crowd_overlap is None else crowd_overlap,
            self.deviations(stage),
            seed=seed,
            name=name,
        )

    def mask_targets(self, name: str | None = None) -> MaskTargets:
        config = self.config
        return MaskTargets(config.MASK_SHAPE, config.USE_MINI_MASK, config.SOFT_MASK_TARGETS, name=name)

    def training_model(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> TrainingModel:
        return TrainingModel(inputs, outputs, self.config.LOSS_WEIGHTS, box_head_losses(self.config))


class MatterportGeometry(ExactGeometry):
    """Matterport's geometry, whose details `matterport_geometry.py` and `matterport_losses.py` list."""

    rpn_scores = 2  # logits of background and object, whose softmax is the score
    anchor_offset = ANCHOR_OFFSETS["matterport"]
    any_unit = False  # it takes the last pixel off
    crowds_hide = False  # it goes by the IoU with them
    window_kind = CornerAlignedWindow
    proposals_layer, detections_layer = MatterportProposals, MatterportDetections
    region_targets_layer = MatterportRegionTargets

    def propose(self, inputs: dict[str, Tensor], image: Tensor, training: bool,
                name: str | None = None) -> dict[str, Tensor]:
        config = self.config
        total = config.POST_NMS_ROIS_TRAINING if training else config.POST_NMS_ROIS_INFERENCE
        layer = self.proposals_layer(
            config.PRE_NMS_LIMIT, total, config.RPN_NMS_THRESHOLD, config.RPN_BBOX_STD_DEV, name=name
        )
        # Proposals keep to the canvas here, not to the photo on it.
        return layer({**inputs, "window": Canvas(name=f"{name}_canvas")(image)})

    def crops(self, size: int, name: str | None = None, strides: Sequence[int] | None = None) -> MatterportCrops:
        return self.crops_layer(strides or self.config.BACKBONE_STRIDES[:4], size, name=name)

    @staticmethod
    def crops_layer(strides: Sequence[int], size: int, name: str | None = None) -> MatterportCrops:
        return MatterportCrops(strides, size, name=name)  # which samples a cell once, at the corners

    def anchor_targets(self, seed: int = 0, name: str | None = None) -> AnchorTargets:
        return super().anchor_targets(seed, name, CROWD_IOU, crowd_by_iou=True)

    def region_targets(self, seed: int = 0, name: str | None = None) -> MatterportRegionTargets:
        return super().region_targets(seed, name, CROWD_IOU)

    def mask_targets(self, name: str | None = None) -> MatterportMaskTargets:
        return MatterportMaskTargets(self.config.MASK_SHAPE, self.config.USE_MINI_MASK, name=name)

    def training_model(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> MatterportTrainingModel:
        return MatterportTrainingModel(inputs, outputs, self.config.LOSS_WEIGHTS, self.config.TRAIN_ROIS_PER_IMAGE)


def box_head_losses(config: Settings) -> BoxHeadLosses:
    """The losses of the box head that a Config asks for."""
    counts = config.CLASS_COUNTS
    return BoxHeadLosses(
        config.CLASS_LOSS,
        float(config.LABEL_SMOOTHING),
        None if counts is None else tuple(float(count) for count in counts),
        config.BBOX_LOSS,
        tuple(float(v) for v in config.BBOX_STD_DEV),
    )


GEOMETRIES = {"exact": ExactGeometry, "matterport": MatterportGeometry}


def geometry_of(config: Settings) -> ExactGeometry:
    """The geometry that a Config asks for."""
    return GEOMETRIES[getattr(config, "GEOMETRY", "exact")](config)  # networks of pixels have one only
