"""Layers of GEOMETRY="matterport": the arithmetic that files trained by Matterport's Mask_RCNN were trained in.

Its normalised boxes are (y1, x1, y2 - 1, x2 - 1) over (H - 1, W - 1), H x W being the canvas: it counts from the
centre of the first pixel to that of the last. Moving, cutting and comparing boxes do not depend on the scale of an
axis, so the layers here take and give pixels as all others do and work in between on *grid* boxes, (y1, x1, y2 - 1,
x2 - 1), which are its normalised boxes but for that scale.

Reproduced, though the papers or Detectron do it better: anchors centred on the corners of cells (that is an argument
of `Anchors`), one suppression over the best anchors of all levels, boxes moved without a bound on their size,
pyramid levels by rounding, crops that sample each cell once with the first and last sample on the box's edges, mask
targets cut in the same way, one class a region, a third of positives at most and never more than two negatives for
each, none without a positive, true boxes that are not among the regions, and crowds by IoU.

Not reproduced, since no result that is worth having hangs on it: an object that overlaps no anchor makes all anchors
positive; padding among the regions is classified (and may take up detections); crops of boxes at the canvas' far
edge are zero in their last row or column where rounding puts a sample beyond the edge by a millionth.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mrcnn.data.corner_alignment import LAST_PIXEL
from mrcnn.network.detections import Detections
from mrcnn.network.heads import RegionCrops
from mrcnn.network.proposals import Proposals
from mrcnn.network.targets import MaskTargets, RegionTargets, masks_of_regions
from mrcnn.ops import Tensor
from mrcnn.ops import boxes as box_ops
from mrcnn.ops.bilinear import tent_weights
from mrcnn.ops.nms import ABSENT
from mrcnn.ops.roi_align import roi_align
from mrcnn.ops.sampling import sample_balanced

CROWD_IOU = 0.001  # from which on with a crowd a region is no negative
UNBOUNDED = math.log(1e30)  # of a log size: any larger box is cut to the same, and this one does not overflow
ON_THE_EDGE = 1e-4  # cells that a sample may lie beyond a mask's last one by rounding


def to_grid(boxes: Tensor) -> Tensor:
    """Boxes in pixels as grid boxes.

    Args:
        boxes: [..., 4].
    """
    return boxes - ops.convert_to_tensor(LAST_PIXEL)


def from_grid(boxes: Tensor) -> Tensor:
    """Undoes `to_grid`."""
    return boxes + ops.convert_to_tensor(LAST_PIXEL)


class MatterportProposals(Proposals):
    """The best anchors of all levels together, decoded, cut to the canvas, and suppressed together.

    per_level: of all levels, 6000 in Matterport's network; call: as for Proposals, "window" being the whole canvas, and
    the logits those of object over background, whose probability is what counts: "probabilities" may stand for them.
    Boxes of no area are proposals too.
    """

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        # Near 1 many probabilities are equal where their logits are not, and of equals the first anchor wins.
        scores = inputs.get("probabilities") or [ops.sigmoid(ops.cast(each, "float32")) for each in inputs["logits"]]
        joint = {
            "logits": [ops.concatenate(scores, axis=1)],
            "deltas": [ops.concatenate(inputs["deltas"], axis=1)],
            "anchors": [ops.concatenate(inputs["anchors"], axis=0)],
        }
        proposals = super().call({**joint, "window": inputs["window"]})
        return {**proposals, "boxes": ops.where(proposals["valid"][..., None], from_grid(proposals["boxes"]), 0.0)}

    def best_of_level(self, logits: Tensor, deltas: Tensor, anchors: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
        scores, deltas, anchors = self.top_anchors(logits, deltas, anchors)
        boxes = box_ops.decode(deltas, to_grid(anchors), self.std, UNBOUNDED)
        return box_ops.clip(boxes, to_grid(window)[:, None]), scores


class MatterportCrops(RegionCrops):
    """Crops with one bilinear sample a cell, the outermost on the edges of the region, from the level by rounding.

    call: as for RegionCrops, the maps being those of strides 4 to 32 of the canvas.
    """

    def __init__(self, strides: Sequence[int], size: int, **kwargs: object):
        super().__init__(strides, size, sampling_ratio=1, **kwargs)

    def levels(self, inputs: dict[str, Tensor]) -> Tensor:
        canvas = [self.strides[0] * ops.cast(side, "float32") for side in ops.shape(inputs["maps"][0])[1:3]]
        return grid_levels(to_grid(inputs["boxes"]), canvas, len(inputs["maps"]))

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        maps, boxes, level = inputs["maps"], to_grid(inputs["boxes"]), self.levels(inputs)
        sides = [[ops.cast(side, "float32") for side in ops.shape(each)[1:3]] for each in maps]
        canvas = [self.strides[0] * side for side in sides[0]]
        ends = []
        for axis in (0, 1):
            last_cell = ops.take(ops.stack([side[axis] for side in sides]), level) - 1.0
            low, high = (boxes[:, corner] / (canvas[axis] - 1.0) * last_cell for corner in (axis, axis + 2))
            # RoIAlign of one sample a cell puts its samples half a step inside the box, from the corners of cells.
            step = (high - low) / (self.size - 1) if self.size > 1 else 0.0
            ends.append((low + 0.5 - 0.5 * step, high + 0.5 + 0.5 * step))
        cells = ops.stack([ends[0][0], ends[1][0], ends[0][1], ends[1][1]], axis=-1)
        strides, ordered = [1] * len(maps), "order" in inputs
        return roi_align(maps, strides, cells, inputs["image_index"], level, self.size, 1, ordered)


def grid_levels(boxes: Tensor, canvas: Sequence[Tensor], count: int) -> Tensor:
    """Index of the map that each box is cropped from: FPN equation 1, rounded instead of floored.

    Args:
        boxes: [N, 4] grid.
        canvas: height and width in pixels.
        count: of the maps, the third of which is P4.

    Returns:
        int32 [N]; boxes of no area have 0.
    """
    height, width = canvas
    area = box_ops.area(boxes) / ((height - 1.0) * (width - 1.0))  # as a share of the canvas
    size = ops.sqrt(ops.maximum(area * height * width, 1e-6)) / 224.0
    return ops.cast(ops.clip(2.0 + ops.round(ops.log2(size)), 0.0, count - 1.0), "int32")


class MatterportDetections(Detections):
    """Each region as its best class alone, above the threshold, suppressed by class.

    call: as for Detections. Detections of no area are left for whoever rounds them.
    """

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        regions, valid = inputs["boxes"], inputs["valid"]
        batch, number, classes = ops.shape(regions)[0], regions.shape[1], inputs["logits"].shape[-1]
        scores = ops.softmax(ops.cast(inputs["logits"], "float32"), axis=-1)
        # Not argmax: Keras' own looks at the bits of its numbers, which few other runtimes can.
        class_ids = ops.cast(ops.top_k(scores, 1)[1][..., 0], "int32")
        deltas = ops.take_along_axis(ops.cast(inputs["deltas"], "float32"), class_ids[:, None, None], axis=1)[:, 0]
        scores = ops.reshape(ops.max(scores, axis=-1), (batch, number))
        class_ids = ops.reshape(class_ids, (batch, number))
        deltas = ops.reshape(deltas, (batch, number, 4))

        boxes = box_ops.decode(deltas, to_grid(regions), self.std, UNBOUNDED)
        boxes = box_ops.clip(boxes, to_grid(inputs["window"])[:, None])
        scores = ops.where(ops.logical_and(valid, scores >= inputs["min_confidence"][:, None]), scores, ABSENT)
        # A set of boxes a class and image: [B, C-1, R].
        own = class_ids[:, None] == ops.arange(1, classes, dtype="int32")[None, :, None]
        boxes = ops.broadcast_to(boxes[:, None], (batch, classes - 1, number, 4))
        detections = self.suppress(boxes, ops.where(own, scores[:, None], ABSENT))
        return {**detections, "boxes": ops.where(detections["valid"][..., None], from_grid(detections["boxes"]), 0.0)}


class MatterportRegionTargets(RegionTargets):
    """A sample of proposals, and of them alone, with as many negatives as its positives allow.

    P positives come with int(P / positive_ratio) - P negatives. call: as for RegionTargets; slots that are not valid
    hold the box (0, 0, 1, 1), which is Matterport's row of zeros in pixels.
    """

    def __init__(self, count: int, positive_ratio: float, positive_iou: float, crowd_overlap: float,
                 std: Sequence[float], seed: int = 0, **kwargs: object):
        super().__init__(count, positive_ratio, positive_iou, crowd_overlap, std, seed, **kwargs)
        positives = np.arange(self.max_positive + 1, dtype=np.float32)
        each = min(1.0 / max(positive_ratio, 1e-9), count)  # more than the whole sample there cannot be
        self.totals = (np.float32(each) * positives).astype(np.int32)

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        gt_boxes, boxes, valid = to_grid(inputs["gt_boxes"]), to_grid(inputs["boxes"]), inputs["valid"]
        objects = ops.logical_and(inputs["gt_valid"], ops.logical_not(inputs["gt_crowd"]))
        crowds = ops.logical_and(inputs["gt_valid"], inputs["gt_crowd"])
        overlaps = box_ops.iou_matrix(boxes, gt_boxes)
        in_crowd = ops.max(ops.where(crowds[:, None], overlaps, 0.0), axis=-1) >= self.crowd_overlap
        overlaps = ops.where(objects[:, None], overlaps, 0.0)
        best, matched = ops.max(overlaps, axis=-1), ops.cast(ops.argmax(overlaps, axis=-1), "int32")

        positive = ops.logical_and(valid, best >= self.positive_iou)
        negative = ops.logical_and(ops.logical_and(valid, best < self.positive_iou), ops.logical_not(in_crowd))
        index, is_positive, sampled = sample_balanced(positive, negative, self.count, self.max_positive, self.seeds)
        positives = ops.sum(ops.cast(is_positive, "int32"), axis=1)
        allowed = ops.take(ops.convert_to_tensor(self.totals), positives)[:, None]
        sampled = ops.logical_and(sampled, ops.arange(self.count, dtype="int32")[None] < allowed)
        regions = self.described(boxes, gt_boxes, inputs["gt_class_ids"], index, matched, is_positive, sampled)
        return {**regions, "boxes": from_grid(regions["boxes"])}


class MatterportMaskTargets(MaskTargets):
    """The part of its object's mask that lies in each region, sampled at the region's edges and between, and rounded.

    call: as for MaskTargets. True masks count as 0 or 1; at one half the target is 0.
    """

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        masks, extents, row = masks_of_regions(inputs, self.mini_masks)
        masks = ops.cast(ops.take(masks, row, axis=0) >= 128, "float32")
        extents, regions = to_grid(ops.take(extents, row, axis=0)), to_grid(inputs["boxes"])
        height, width = ops.shape(masks)[1:3]
        rows = _corner_samples(extents, regions, 0, height, self.shape[0])
        columns = _corner_samples(extents, regions, 1, width, self.shape[1])
        part = ops.matmul(rows, ops.matmul(masks, ops.transpose(columns, (0, 2, 1))))
        return ops.cast(part > 0.5, "float32")


def _corner_samples(extents, regions, axis, cells, size):
    """[N, size, cells]: how much each mask cell gives to each sample of the region along one axis; 0 off the mask."""
    start, end = extents[:, axis, None], extents[:, axis + 2, None]
    low, high = regions[:, axis, None], regions[:, axis + 2, None]
    last_cell = ops.cast(cells, "float32") - 1.0
    steps = ops.arange(size, dtype="float32") / (size - 1)
    position = (low + (high - low) * steps - start) / ops.maximum(end - start, 1e-3) * last_cell
    inside = ops.logical_and(position >= -ON_THE_EDGE, position <= last_cell + ON_THE_EDGE)
    return tent_weights(position, cells) * ops.cast(inside, "float32")[:, :, None]


class Canvas(keras.layers.Layer):
    """The whole canvas as a window. call: image [B, H, W, F] -> [B, (0, 0, H, W)]."""

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, **kwargs)

    def call(self, image: Tensor) -> Tensor:
        batch, height, width = ops.shape(image)[:3]
        canvas = ops.cast(ops.stack([0, 0, height, width]), "float32")
        return ops.broadcast_to(canvas[None], (batch, 4))

    def compute_output_spec(self, image: Tensor) -> Tensor:
        return keras.KerasTensor((image.shape[0], 4), "float32")
