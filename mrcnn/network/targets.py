"""Training targets: anchors and regions matched with true objects, sampled and encoded."""

from collections.abc import Sequence

import keras
from keras import ops

from mrcnn.ops import Tensor
from mrcnn.ops import boxes as box_ops
from mrcnn.ops.roi_align import sample_masks, sample_masks_at
from mrcnn.ops.sampling import sample_balanced

CLAIM = 2.0  # more than any IoU


def match_anchors(anchors: Tensor, gt_boxes: Tensor, gt_valid: Tensor, gt_crowd: Tensor,
                  crowd_by_iou: bool = False, keep_best: bool = False) -> dict[str, Tensor]:
    """Overlap of every anchor with the true objects, one object an iteration, so that memory stays that of one vector.

    Args:
        anchors: [A, 4].
        gt_boxes: [B, G, 4].
        gt_valid, gt_crowd: bool [B, G].
        crowd_by_iou: whether a crowd counts by its IoU, not by the share of the anchor in it.
        keep_best: whether an object that overlaps no anchor more than this one has it, before an object that this one
            overlaps more; of several such objects the one of the highest IoU.

    Returns:
        {"iou": [B, A] with the object, which is the best one unless keep_best, "object": int32 [B, A] its index,
        "best": bool [B, A] whether some object overlaps no anchor more than this one, "crowd": [B, A] largest share of
        the anchor in one crowd, or largest IoU with one if crowd_by_iou}.
    """
    batch, count = ops.shape(gt_boxes)[0], ops.shape(anchors)[0]
    objects = ops.shape(gt_boxes)[1]
    numbers = ops.arange(objects, dtype="int32") + 1
    last = ops.max(ops.where(gt_valid, numbers[None], 0))
    anchors = anchors[None]
    anchor_area = ops.maximum(box_ops.area(anchors), 1e-9)

    def more(index, *_):
        return index < last

    def match_one(index, best_iou, best_object, is_best, crowd):
        box, valid, is_crowd = (ops.take(table, index, axis=1)[:, None] for table in (gt_boxes, gt_valid, gt_crowd))
        overlap, covered = _overlaps(anchors, anchor_area, box, crowd_by_iou)
        covered = ops.where(ops.logical_and(valid, is_crowd), covered, 0.0)
        overlap = ops.where(ops.logical_and(valid, ops.logical_not(is_crowd)), overlap, 0.0)
        # Equality with a maximum of zero would make every far anchor positive.
        highest = ops.maximum(ops.max(overlap, axis=1, keepdims=True), 1e-6)
        is_its_best = overlap >= highest
        if keep_best:  # a claim above every IoU
            overlap = ops.where(is_its_best, overlap + CLAIM, overlap)
        better = overlap > best_iou
        return (
            index + 1,
            ops.where(better, overlap, best_iou),
            ops.where(better, index, best_object),
            ops.logical_or(is_best, is_its_best),
            ops.maximum(crowd, covered),
        )

    zeros = ops.zeros((batch, count), dtype="float32")
    start = (
        ops.convert_to_tensor(0, dtype="int32"),
        zeros,
        ops.zeros((batch, count), dtype="int32"),
        ops.zeros((batch, count), dtype="bool"),
        zeros,
    )
    _, overlap, index, is_best, crowd = ops.while_loop(more, match_one, start)
    if keep_best:
        overlap = ops.where(is_best, overlap - CLAIM, overlap)
    return {"iou": overlap, "object": index, "best": is_best, "crowd": crowd}


def _overlaps(anchors, anchor_area, box, crowd_by_iou):
    """IoU of anchors with a box, and what counts if that is a crowd's: the share of each anchor in it, or the IoU."""
    shared = box_ops.intersection(anchors, box)
    overlap = shared / ops.maximum(box_ops.area(box) + anchor_area - shared, 1e-9)
    return overlap, overlap if crowd_by_iou else shared / anchor_area


class AnchorTargets(keras.layers.Layer):
    """A sample of anchors with the label and deltas each should get (Faster R-CNN section 3.1.2).

    Positive: IoU >= positive_iou with an object, or the best anchor of an object that it overlaps at all.
    Negative: IoU < negative_iou with every object and not inside a crowd: less than crowd_overlap of it in one, or IoU
    < crowd_overlap with every one if crowd_by_iou.

    call: {"anchors": [A, 4], "gt_boxes", "gt_valid", "gt_crowd"} -> {"index": int32 [B, S] of the sampled anchors,
    "positive": bool [B, S], "valid": bool [B, S], "deltas": [B, S, 4]}.
    """

    def __init__(self, count: int, positive_ratio: float, positive_iou: float, negative_iou: float,
                 crowd_overlap: float, std: Sequence[float], crowd_by_iou: bool = False, seed: int = 0,
                 **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.count, self.max_positive = count, max(1, int(count * positive_ratio))
        self.positive_iou, self.negative_iou = positive_iou, negative_iou
        self.crowd_overlap, self.crowd_by_iou = crowd_overlap, crowd_by_iou
        self.std = [float(v) for v in std]
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        anchors, gt_boxes = inputs["anchors"], inputs["gt_boxes"]
        match = match_anchors(anchors, gt_boxes, inputs["gt_valid"], inputs["gt_crowd"], self.crowd_by_iou)
        positive = ops.logical_or(match["iou"] >= self.positive_iou, match["best"])
        negative = ops.logical_and(match["iou"] < self.negative_iou, match["crowd"] < self.crowd_overlap)
        negative = ops.logical_and(negative, ops.logical_not(positive))
        index, is_positive, valid = sample_balanced(positive, negative, self.count, self.max_positive, self.seeds)
        matched = ops.take_along_axis(match["object"], index, axis=1)
        target = ops.take_along_axis(gt_boxes, matched[:, :, None], axis=1)
        deltas = box_ops.encode(ops.take(anchors, index, axis=0), target, self.std)
        deltas = ops.where(is_positive[..., None], deltas, 0.0)
        return {"index": index, "positive": is_positive, "valid": valid, "deltas": deltas}

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        batch = inputs["gt_boxes"].shape[0]
        return {
            "index": keras.KerasTensor((batch, self.count), "int32"),
            "positive": keras.KerasTensor((batch, self.count), "bool"),
            "valid": keras.KerasTensor((batch, self.count), "bool"),
            "deltas": keras.KerasTensor((batch, self.count, 4), "float32"),
        }


class RegionTargets(keras.layers.Layer):
    """A sample of proposals and true boxes with what the box head should say of each (Fast R-CNN section 2.3).

    call: {"boxes": [B, R, 4], "valid": bool [B, R], "gt_boxes", "gt_class_ids", "gt_valid", "gt_crowd"} ->
    {"boxes": [B, T, 4], "valid": bool [B, T], "positive": bool [B, T], "class_ids": int32 [B, T] (0 for
    background), "deltas": [B, T, 4], "object": int32 [B, T]}, positives first.
    """

    def __init__(self, count: int, positive_ratio: float, positive_iou: float, crowd_overlap: float,
                 std: Sequence[float], seed: int = 0, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.count, self.max_positive = count, max(1, int(count * positive_ratio))
        self.positive_iou, self.crowd_overlap = positive_iou, crowd_overlap
        self.std = [float(v) for v in std]
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        gt_boxes, gt_crowd = inputs["gt_boxes"], inputs["gt_crowd"]
        objects = ops.logical_and(inputs["gt_valid"], ops.logical_not(gt_crowd))
        crowds = ops.logical_and(inputs["gt_valid"], gt_crowd)
        # True boxes join the proposals: there is something positive to learn from in the very first step.
        boxes = ops.concatenate([inputs["boxes"], gt_boxes], axis=1)
        valid = ops.concatenate([inputs["valid"], objects], axis=1)

        overlaps = ops.where(objects[:, None], box_ops.iou_matrix(boxes, gt_boxes), 0.0)
        best = ops.max(overlaps, axis=-1)
        matched = ops.cast(ops.argmax(overlaps, axis=-1), "int32")
        shared = box_ops.intersection(boxes[:, :, None], gt_boxes[:, None])
        covered = shared / ops.maximum(box_ops.area(boxes), 1e-9)[..., None]
        in_crowd = ops.max(ops.where(crowds[:, None], covered, 0.0), axis=-1) >= self.crowd_overlap

        positive = ops.logical_and(valid, best >= self.positive_iou)
        negative = ops.logical_and(ops.logical_and(valid, best < self.positive_iou), ops.logical_not(in_crowd))
        index, is_positive, sampled = sample_balanced(positive, negative, self.count, self.max_positive, self.seeds)
        return self.described(boxes, gt_boxes, inputs["gt_class_ids"], index, matched, is_positive, sampled)

    def described(self, boxes: Tensor, gt_boxes: Tensor, gt_class_ids: Tensor, index: Tensor, matched: Tensor,
                  is_positive: Tensor, sampled: Tensor) -> dict[str, Tensor]:
        """What `call` gives, of the chosen rows of boxes.

        Args:
            boxes: [B, R', 4].
            gt_boxes, gt_class_ids: [B, G, 4], int32 [B, G].
            index: int32 [B, T] the rows.
            matched: int32 [B, R'] each one's object.
            is_positive, sampled: bool [B, T].
        """
        boxes = ops.take_along_axis(boxes, index[:, :, None], axis=1)
        matched = ops.take_along_axis(matched, index, axis=1)
        target = ops.take_along_axis(gt_boxes, matched[:, :, None], axis=1)
        class_ids = ops.take_along_axis(gt_class_ids, matched, axis=1)
        deltas = box_ops.encode(boxes, target, self.std)
        return {
            "boxes": ops.where(sampled[..., None], boxes, 0.0),
            "valid": sampled,
            "positive": is_positive,
            "class_ids": ops.where(is_positive, class_ids, 0),
            "deltas": ops.where(is_positive[..., None], deltas, 0.0),
            "object": matched,
        }

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        shape = (inputs["boxes"].shape[0], self.count)
        kinds = {"valid": "bool", "positive": "bool", "class_ids": "int32", "object": "int32"}
        spec = {name: keras.KerasTensor(shape, dtype) for name, dtype in kinds.items()}
        spec.update({name: keras.KerasTensor(shape + (4,), "float32") for name in ("boxes", "deltas")})
        return spec


class MaskTargets(keras.layers.Layer):
    """The part of its object's mask that lies in each region, cut by RoIAlign and halved at 0.5 (section 3.1).

    call: {"boxes": [N, 4], "image_index": int32 [N], "object": int32 [N], "gt_masks": [B, G, h, w] 0..255,
    "gt_boxes": [B, G, 4], "image": [B, H, W, 3]} -> float32 [N, rows, columns], of zeros and ones if not soft.

    Args:
        soft: leave the halving out: how much of each cell the object covers, from 0 to 1.
    """

    def __init__(self, shape: Sequence[int], mini_masks: bool, soft: bool = False, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.shape, self.mini_masks, self.soft = tuple(shape), mini_masks, soft

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        masks, extents, row = masks_of_regions(inputs, self.mini_masks)
        masks = ops.cast(ops.take(masks, row, axis=0), "float32") / 255.0
        extents = ops.take(extents, row, axis=0)
        part = sample_masks(masks, extents, inputs["boxes"], self.shape)
        return part if self.soft else ops.cast(part >= 0.5, "float32")

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor((inputs["boxes"].shape[0],) + self.shape, "float32")


class PointTargets(keras.layers.Layer):
    """Whether each point of a region lies in its object's mask, whose edge is where half is covered.

    call: as for MaskTargets, and "points": [N, P, 2] as shares of the region -> float32 [N, P] of zeros and ones.
    """

    def __init__(self, mini_masks: bool, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.mini_masks = mini_masks

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        masks, extents, row = masks_of_regions(inputs, self.mini_masks)
        covered = sample_masks_at(masks, extents, row, inputs["boxes"], inputs["points"])
        return ops.cast(covered >= 0.5 * 255, "float32")

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor(inputs["points"].shape[:2], "float32")


def masks_of_regions(inputs: dict[str, Tensor], mini_masks: bool) -> tuple[Tensor, Tensor, Tensor]:
    """True masks of all images [M, h, w], the box each is stretched over [M, 4], and each region's row of these [N].

    Args:
        inputs: "gt_masks", "gt_boxes", "image", "image_index" and "object" of MaskTargets.
        mini_masks: whether the masks lie in their boxes, or on the whole canvas.
    """
    batch, objects = ops.shape(inputs["gt_boxes"])[:2]
    masks = ops.reshape(inputs["gt_masks"], (-1,) + tuple(ops.shape(inputs["gt_masks"])[2:]))
    row = inputs["image_index"] * objects + inputs["object"]
    if mini_masks:
        return masks, ops.reshape(inputs["gt_boxes"], (-1, 4)), row
    height, width = ops.shape(inputs["image"])[1:3]
    canvas = ops.cast(ops.stack([0, 0, height, width]), "float32")
    return masks, ops.broadcast_to(canvas[None], (batch * objects, 4)), row
