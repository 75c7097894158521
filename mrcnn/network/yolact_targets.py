"""What YOLACT's anchors and masks are to become: anchors matched with objects, true masks at the prototypes' stride.

Shapes as in the package's glossary, and

    P  positive anchors of an image whose masks are assembled     k  prototypes     h, w  sides of the prototypes
"""

from collections.abc import Sequence

import keras
from keras import ops

from mrcnn.network.targets import masks_of_regions, match_anchors
from mrcnn.ops import Tensor
from mrcnn.ops import boxes as box_ops
from mrcnn.ops.roi_align import sample_masks
from mrcnn.ops.sampling import filled_rows, sample_balanced


class YolactTargets(keras.layers.Layer):
    """What each anchor should say, and a random sample of the positive ones (Bolya 2019, section 4, as SSD).

    Positive: IoU >= positive_iou with an object, or the best anchor of an object, which keeps it before any other.
    Negative: IoU < negative_iou with every object, and less than crowd_overlap of it in a crowd. Others teach nothing.

    call: {"anchors": [A, 4], "gt_boxes", "gt_class_ids", "gt_valid", "gt_crowd"} -> {"positive", "negative": bool
    [B, A], "class_ids": int32 [B, A], 0 where not positive, "deltas": [B, A, 4], and of the sample "index": int32
    [B, P], "valid": bool [B, P], "object": int32 [B, P]}.
    """

    def __init__(self, masks: int, positive_iou: float, negative_iou: float, crowd_overlap: float,
                 std: Sequence[float], seed: int = 0, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.masks, self.positive_iou, self.negative_iou = masks, positive_iou, negative_iou
        self.crowd_overlap, self.std = crowd_overlap, [float(v) for v in std]
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        anchors, gt_boxes = inputs["anchors"], inputs["gt_boxes"]
        match = match_anchors(anchors, gt_boxes, inputs["gt_valid"], inputs["gt_crowd"], keep_best=True)
        positive = ops.logical_or(match["iou"] >= self.positive_iou, match["best"])
        negative = ops.logical_and(match["iou"] < self.negative_iou, match["crowd"] < self.crowd_overlap)
        negative = ops.logical_and(negative, ops.logical_not(positive))
        class_ids = ops.take_along_axis(inputs["gt_class_ids"], match["object"], axis=1)
        target = ops.take_along_axis(gt_boxes, match["object"][:, :, None], axis=1)
        deltas = box_ops.encode(anchors[None], target, self.std)
        index, _, valid = sample_balanced(positive, ops.zeros_like(positive), self.masks, self.masks, self.seeds)
        return {
            "positive": positive,
            "negative": negative,
            "class_ids": ops.where(positive, class_ids, 0),
            "deltas": ops.where(positive[..., None], deltas, 0.0),
            "index": index,
            "valid": valid,
            "object": ops.take_along_axis(match["object"], index, axis=1),
        }

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        batch, anchors = inputs["gt_boxes"].shape[0], inputs["anchors"].shape[0]
        kinds = {"positive": "bool", "negative": "bool", "class_ids": "int32"}
        spec = {name: keras.KerasTensor((batch, anchors), dtype) for name, dtype in kinds.items()}
        spec["deltas"] = keras.KerasTensor((batch, anchors, 4), "float32")
        kinds = {"index": "int32", "valid": "bool", "object": "int32"}
        return {**spec, **{name: keras.KerasTensor((batch, self.masks), dtype) for name, dtype in kinds.items()}}


class CanvasMasks(keras.layers.Layer):
    """The true masks on the whole canvas at the stride of the prototypes, and what is seen where at twice that stride.

    The mini masks that a batch brings are smaller than masks of the canvas would be; only objects that are there are
    brought to it. A cell is inside where half of it is covered. In the box of a crowd and beside the photo "seen"
    teaches nothing.

    call: {"gt_masks", "gt_boxes", "gt_class_ids", "gt_valid", "gt_crowd", "window", "image", "prototypes": [B, h, w,
    k]} -> {"masks": float32 [N, h, w] of 0 and 1, "row": int32 [B, G] of each object in these, "seen": float32 [B, h/2,
    w/2, C-1] of 0 and 1, "seen_valid": bool [B, h/2, w/2]}.
    """

    def __init__(self, classes: int, stride: int, mini_masks: bool, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.classes, self.stride, self.mini_masks = classes, stride, mini_masks

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        valid, class_ids = inputs["gt_valid"], inputs["gt_class_ids"]
        batch, height, width = ops.shape(inputs["prototypes"])[:3]
        objects = ops.shape(valid)[1]
        slots, filled = filled_rows(ops.reshape(valid, (-1,)))
        image_index, rows = slots // objects, ops.shape(slots)[0]
        place = {"image_index": image_index, "object": slots % objects}
        masks, extents, _ = masks_of_regions({**inputs, **place}, self.mini_masks)
        masks = ops.cast(ops.take(masks, slots, axis=0), "float32") / 255.0
        canvas = whole_canvas(height, width, self.stride, rows)
        covered = sample_masks(masks, ops.take(extents, slots, axis=0), canvas, (height, width))
        table = ops.zeros((batch * objects,), dtype="int32")
        table = ops.scatter_update(table, slots[:, None], ops.arange(rows, dtype="int32"))
        coarse = ops.mean(ops.reshape(covered, (rows, height // 2, 2, width // 2, 2)), axis=(2, 4))
        objects_alone = ops.logical_not(ops.reshape(inputs["gt_crowd"], (-1,)))
        counts = ops.logical_and(filled, ops.take(objects_alone, slots))
        own = image_index * (self.classes - 1) + ops.take(ops.reshape(class_ids, (-1,)), slots) - 1
        return {
            "masks": ops.cast(covered >= 0.5, "float32"),
            "row": ops.reshape(table, (batch, objects)),
            "seen": self.seen(coarse >= 0.5, counts, own, batch),
            "seen_valid": self.seen_valid(inputs, height // 2, width // 2),
        }

    def seen(self, masks: Tensor, counts: Tensor, own: Tensor, batch: int | Tensor) -> Tensor:
        """The union of the objects of each class.

        Args:
            masks: bool [N, h, w].
            counts: bool [N], which of them to take.
            own: int32 [N], the map of each, there being C-1 of an image.
            batch: number of images.

        Returns:
            float32 [B, h, w, C-1].
        """
        maps = batch * (self.classes - 1)
        belongs = ops.logical_and(ops.equal(ops.arange(maps, dtype="int32")[:, None], own[None]), counts[None])
        height, width = ops.shape(masks)[1:3]
        flat_masks = ops.reshape(ops.cast(masks, "float32"), (-1, height * width))
        number = ops.matmul(ops.cast(belongs, "float32"), flat_masks)
        union = ops.reshape(ops.cast(number > 0.5, "float32"), (batch, self.classes - 1, height, width))
        return ops.transpose(union, (0, 2, 3, 1))

    def seen_valid(self, inputs: dict[str, Tensor], height: int | Tensor, width: int | Tensor) -> Tensor:
        """bool [B, height, width]: cells of twice the stride that lie in the photo and in no crowd's box."""
        crowds = ops.logical_and(inputs["gt_valid"], inputs["gt_crowd"])
        stride = 2 * self.stride
        in_crowd = inside_boxes(inputs["gt_boxes"] / stride, height, width)
        in_crowd = ops.any(ops.logical_and(in_crowd, crowds[:, :, None, None]), axis=1)
        photo = inside_boxes(inputs["window"][:, None] / stride, height, width)[:, 0]
        return ops.logical_and(photo, ops.logical_not(in_crowd))

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        batch, height, width = inputs["prototypes"].shape[:3]
        half = tuple(None if side is None else side // 2 for side in (height, width))
        return {
            "masks": keras.KerasTensor((None, height, width), "float32"),
            "row": keras.KerasTensor(inputs["gt_valid"].shape, "int32"),
            "seen": keras.KerasTensor((batch, *half, self.classes - 1), "float32"),
            "seen_valid": keras.KerasTensor((batch, *half), "bool"),
        }


def whole_canvas(height: int | Tensor, width: int | Tensor, stride: int, rows: int | Tensor) -> Tensor:
    """The box of a canvas of height * width cells, in pixels, so many times over: [rows, 4]."""
    corners = ops.cast(ops.stack([0, 0, height * stride, width * stride]), "float32")
    return ops.broadcast_to(corners[None], (rows, 4))


def inside_boxes(boxes: Tensor, height: int | Tensor, width: int | Tensor) -> Tensor:
    """The cells of a map that boxes touch.

    Args:
        boxes: [..., 4] in cells.
        height, width: of the map.

    Returns:
        bool [..., height, width].
    """
    y, x = ops.arange(height, dtype="float32"), ops.arange(width, dtype="float32")
    rows = ops.logical_and(y + 1.0 > boxes[..., 0, None], y < boxes[..., 2, None])
    columns = ops.logical_and(x + 1.0 > boxes[..., 1, None], x < boxes[..., 3, None])
    return ops.logical_and(rows[..., :, None], columns[..., None, :])
