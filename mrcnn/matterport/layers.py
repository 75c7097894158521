"""Layers under Matterport's names, with its normalised boxes and padding by zeros, over the network's own layers.

The network itself uses none of them: they are for scripts and notebooks that call a stage by itself. Those that take
a Config follow its GEOMETRY.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mrcnn.config import Settings
from mrcnn.matterport.boxes import box_pixels, norm_boxes
from mrcnn.matterport.images import parse_image_meta_graph
from mrcnn.network.backbones import RESNET_BLOCKS, resnet
from mrcnn.network.geometries import GEOMETRIES, geometry_of
from mrcnn.ops import Tensor

WHOLE_IMAGE = np.array([[0, 0, 1, 1]], np.float32)  # normalised
FRAME = (1025, 1025)  # pixels, for layers that want them where no size is told: a power of two and one loses no digits
PYRAMID_STRIDES = (4, 8, 16, 32)  # of P2 to P5


class BatchNorm(keras.layers.BatchNormalization):
    """Keras' batch normalisation, whose epsilon of 1e-3 is the network's; call it with training=False to freeze it."""


def resnet_graph(input_image: Tensor, architecture: str, stage5: bool = False, train_bn: bool = True) -> list:
    """The network's ResNet as a list of maps [C1, C2, C3, C4, C5].

    Args:
        input_image: KerasTensor [B, H, W, 3].
        architecture: "resnet50", "resnet101" or "resnet152".
        stage5: False gives None in place of C5.
        train_bn: as Config.TRAIN_BN.
    """
    if architecture not in RESNET_BLOCKS:
        raise ValueError(f"architecture={architecture!r} is none of {', '.join(RESNET_BLOCKS)}.")
    maps = resnet(input_image, RESNET_BLOCKS[architecture], "batch", train_bn)
    stem = next(layer for layer in keras.Function([input_image], maps["C5"]).operations if layer.name == "pool1")
    return [stem.output, maps["C2"], maps["C3"], maps["C4"], maps["C5"] if stage5 else None]


class ProposalLayer(keras.layers.Layer):
    """Proposals from all anchors together: the best config.PRE_NMS_LIMIT by score, moved, cut to the image, suppressed.

    Args:
        proposal_count: of each image.
        nms_threshold: IoU.
        config: settings.

    Call:
        [class probabilities [B, A, (background, object)], deltas [B, A, 4], anchors [B or 1, A, 4]] ->
        boxes [B, proposal_count, 4], zeros behind the last. In the exact geometry the network itself takes the best of
        each pyramid level.
    """

    def __init__(self, proposal_count: int, nms_threshold: float, config: Settings | None = None, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        geometry = geometry_of(config)
        self.in_pixels = not geometry.any_unit
        self.proposals = geometry.proposals_layer(
            config.PRE_NMS_LIMIT, proposal_count, nms_threshold, config.RPN_BBOX_STD_DEV
        )

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        probabilities, deltas, anchors = (ops.cast(value, "float32") for value in inputs)
        window = ops.broadcast_to(ops.convert_to_tensor(WHOLE_IMAGE), (ops.shape(deltas)[0], 4))
        scores, deltas = [probabilities[:, :, 1]], [deltas]
        if not self.in_pixels:
            levels = {"logits": scores, "deltas": deltas, "anchors": [anchors[0]]}
            return self.proposals({**levels, "window": window})["boxes"]
        window, anchors = (box_pixels(boxes, FRAME) for boxes in (window, anchors[0]))
        proposals = self.proposals({"probabilities": scores, "deltas": deltas, "anchors": [anchors], "window": window})
        return ops.where(proposals["valid"][..., None], norm_boxes(proposals["boxes"], FRAME), 0.0)

    def compute_output_spec(self, inputs: Sequence[Tensor]) -> Tensor:
        return keras.KerasTensor((inputs[0].shape[0], self.proposals.total, 4), "float32")


class PyramidROIAlign(keras.layers.Layer):
    """Crops of boxes by the network's RoIAlign, each from the pyramid level of its size.

    Args:
        pool_shape: [rows, columns] of a crop, which is square.
        geometry: Config.GEOMETRY, for there is no config.

    Call:
        [boxes [B, N, 4], image_meta [B, M], P2, P3, P4, P5] -> [B, N, rows, columns, F]
    """

    def __init__(self, pool_shape: Sequence[int], geometry: str = "exact", **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        if pool_shape[0] != pool_shape[1]:
            raise ValueError(f"pool_shape={list(pool_shape)}: crops of the network are square.")
        size = int(pool_shape[0])
        self.crops = GEOMETRIES[geometry].crops_layer(PYRAMID_STRIDES, size)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        boxes, meta, maps = inputs[0], inputs[1], list(inputs[2:])
        batch, number = ops.shape(boxes)[0], ops.shape(boxes)[1]
        # Images of a batch have one shape.
        boxes = box_pixels(boxes, parse_image_meta_graph(meta)["image_shape"][0, :2])
        image_index = ops.repeat(ops.arange(batch, dtype="int32"), number)
        crops = self.crops({"maps": maps, "boxes": ops.reshape(boxes, (-1, 4)), "image_index": image_index})
        return ops.reshape(crops, (batch, number) + tuple(crops.shape[1:]))

    def compute_output_spec(self, inputs: Sequence[Tensor]) -> Tensor:
        size, channels = self.crops.size, inputs[2].shape[-1]
        return keras.KerasTensor(tuple(inputs[0].shape[:2]) + (size, size, channels), self.compute_dtype)


class DetectionTargetLayer(keras.layers.Layer):
    """A sample of proposals, in the exact geometry of true boxes too, with what the heads should say of each.

    call: [proposals [B, R, 4], class ids [B, G], true boxes [B, G, 4], masks [B, h, w, G]], rows of zeros being padding
    and negative class ids crowds; masks as config.USE_MINI_MASK says -> [rois [B, T, 4], class ids int32 [B, T],
    deltas [B, T, 4], masks [B, T, *config.MASK_SHAPE]], zeros where a region is background or padding.
    """

    def __init__(self, config: Settings, seed: int = 0, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.image_shape = [int(side) for side in config.IMAGE_SHAPE[:2]]
        geometry = geometry_of(config)
        self.regions, self.masks = geometry.region_targets(seed), geometry.mask_targets()

    def call(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        proposals, class_ids, gt_boxes, gt_masks = inputs
        there = [ops.any(boxes != 0, axis=-1) for boxes in (proposals, gt_boxes)]
        boxes = [
            ops.where(valid[..., None], box_pixels(boxes, self.image_shape), 0.0)
            for boxes, valid in zip((proposals, gt_boxes), there)
        ]
        result = self.in_pixels(boxes[0], there[0], class_ids, boxes[1], there[1], gt_masks)
        rois = ops.where(result["valid"][..., None], norm_boxes(result["boxes"], self.image_shape), 0.0)
        return [rois, result["class_ids"], result["deltas"], result["masks"]]

    def in_pixels(self, proposals: Tensor, valid: Tensor, class_ids: Tensor, gt_boxes: Tensor, gt_valid: Tensor,
                  gt_masks: Tensor) -> dict[str, Tensor]:
        """`call` with boxes in pixels and said padding: what RegionTargets gives, and "masks" [B, T, h, w]."""
        class_ids, gt_masks = ops.cast(class_ids, "int32"), ops.cast(gt_masks, "uint8")
        objects = {"gt_boxes": gt_boxes, "gt_valid": gt_valid, "gt_crowd": class_ids < 0}
        sampled = self.regions({"boxes": proposals, "valid": valid, "gt_class_ids": ops.abs(class_ids), **objects})
        batch, number = ops.shape(sampled["object"])[0], sampled["object"].shape[1]
        masks = self.masks(
            {
                "boxes": ops.reshape(sampled["boxes"], (-1, 4)),
                "image_index": ops.repeat(ops.arange(batch, dtype="int32"), number),
                "object": ops.reshape(sampled["object"], (-1,)),
                "gt_masks": 255 * ops.transpose(gt_masks, (0, 3, 1, 2)),
                "gt_boxes": gt_boxes,
                "image": gt_masks,  # for its height and width, which are those of full masks
            }
        )
        masks = ops.reshape(masks, (batch, number) + tuple(masks.shape[1:]))
        return {
            **sampled,
            "boxes": ops.where(sampled["valid"][..., None], sampled["boxes"], 0.0),
            "masks": ops.where(sampled["positive"][..., None, None], masks, 0.0),
        }

    def compute_output_spec(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        shape = (inputs[0].shape[0], self.regions.count)
        spec = [keras.KerasTensor(shape + last, "float32") for last in ((4,), (4,), tuple(self.masks.shape))]
        return [spec[0], keras.KerasTensor(shape, "int32"), *spec[1:]]


class DetectionLayer(keras.layers.Layer):
    """Detections from the box head's answers: refined, cut to the photo, above the threshold, suppressed by class.

    In Matterport's geometry regions are their best class alone; rows of zeros are no regions in either.

    call: [rois [B, R, 4], class probabilities [B, R, C], deltas [B, R, C, 4], image_meta [B, M]] ->
    [B, config.DETECTION_MAX_INSTANCES, (y1, x1, y2, x2, class id, score)], best first, zeros behind the last.
    """

    def __init__(self, config: Settings | None = None, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        geometry = geometry_of(config)
        self.detections, self.in_pixels = geometry.detections(), not geometry.any_unit
        self.min_confidence = float(config.DETECTION_MIN_CONFIDENCE)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        rois, probabilities, deltas, meta = inputs
        parts = parse_image_meta_graph(ops.cast(meta, "float32"))
        rois, shape = ops.cast(rois, "float32"), parts["image_shape"][0, :2]
        boxes, window = rois, norm_boxes(parts["window"], shape)
        if self.in_pixels:
            boxes, window = box_pixels(boxes, shape), parts["window"]
        detections = self.detections(
            {
                # The softmax of a distribution's logarithm is that distribution.
                "logits": ops.log(ops.maximum(ops.reshape(probabilities, (-1, probabilities.shape[-1])), 1e-30)),
                "deltas": ops.reshape(deltas, (-1,) + tuple(deltas.shape[2:])),
                "boxes": boxes,
                "valid": ops.any(rois != 0, axis=-1),
                "window": window,
                "min_confidence": ops.full((ops.shape(rois)[0],), self.min_confidence, dtype="float32"),
            }
        )
        boxes = detections["boxes"]
        if self.in_pixels:
            boxes = ops.where(detections["valid"][..., None], norm_boxes(boxes, shape), 0.0)
        columns = [ops.cast(detections["class_ids"], "float32")[..., None], detections["scores"][..., None]]
        return ops.concatenate([boxes, *columns], axis=-1)

    def compute_output_spec(self, inputs: Sequence[Tensor]) -> Tensor:
        return keras.KerasTensor((inputs[0].shape[0], self.detections.count, 6), "float32")
