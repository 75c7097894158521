"""A cascade of box heads: each looks at the boxes that the one before it moved (Cascade R-CNN, Cai 2018).

A head that is taught by looser boxes than it meets says little of how well a box fits. So each further head learns from
regions of a higher IoU, and moves them less. Here the classes' own deltas move a region, by its best class.
"""

from collections.abc import Iterator, Sequence

import keras
from keras import layers, ops

from mrcnn.config import Settings
from mrcnn.network.geometries import geometry_of
from mrcnn.network.heads import AllRegions, BoxHead, FlatRegions
from mrcnn.network.onnx_forms import AsBefore, ByLevel
from mrcnn.ops import Tensor
from mrcnn.ops import boxes as box_ops


def further_stages(config: Settings) -> Iterator[int]:
    """The places of the box heads after the first: 2, 3."""
    return range(2, 2 + len(config.CASCADE_IOUS or ()))


def cascade_heads(config: Settings, norm: str) -> list[BoxHead]:
    """The box heads after the first, by the place they have."""
    width, classes = config.FPN_CLASSIF_FC_LAYERS_SIZE, config.NUM_CLASSES
    return [BoxHead(width, classes, norm, config.TRAIN_BN, stage) for stage in further_stages(config)]


class MovedRegions(keras.layers.Layer):
    """The boxes that a head leads regions to, by the deltas of each one's best class; no gradient passes.

    A region that would have no area left on the photo stays where it is.

    Args:
        std: 4 numbers that the deltas were divided by.

    Call:
        {"logits": [N, C], "deltas": [N, C, 4], "boxes": [B, S, 4], "window": [B, 4]} -> [B, S, 4]; N is B * S, or the
        rows of the table that "slot" (int32 [N]) and "kept" (bool [N]) tell of, the others being left as they are
    """

    def __init__(self, std: Sequence[float], **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.std = [float(v) for v in std]

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        boxes, logits = inputs["boxes"], ops.stop_gradient(ops.cast(inputs["logits"], "float32"))
        # Not argmax, which looks at the bits of zeros on TensorFlow and so has no place in exported files.
        best = ops.cast(ops.top_k(logits[:, 1:], 1)[1][:, 0], "int32") + 1
        deltas = ops.stop_gradient(ops.cast(inputs["deltas"], "float32"))
        deltas = ops.take_along_axis(deltas, best[:, None, None], axis=1)[:, 0]
        batch, slots = ops.shape(boxes)[0], boxes.shape[1]
        if "slot" in inputs:
            deltas = ops.where(inputs["kept"][:, None], deltas, 0.0)
            table = ops.zeros((batch * slots, 4), dtype="float32")
            deltas = ops.scatter_update(table, inputs["slot"][:, None], deltas)
        moved = box_ops.decode(ops.reshape(deltas, (batch, slots, 4)), boxes, self.std)
        moved = box_ops.clip(moved, inputs["window"][:, None])
        return ops.where((box_ops.area(moved) > 0)[..., None], moved, boxes)

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor(inputs["boxes"].shape, "float32")


def scores_of_regions(stages: dict, heads: dict, boxes: Tensor, head: BoxHead, mark: str = "") -> tuple[Tensor, Tensor]:
    """What a box head says of a table of boxes [B, R, 4]: (logits [B * R, C], deltas [B * R, C, 4])."""
    regions = AllRegions(name=f"detection_regions{mark}")(boxes)
    regions = ByLevel(heads["box_crops"].levels, name=f"regions_by_level{mark}")({"maps": stages["maps"], **regions})
    crops = heads["box_crops"]({"maps": stages["maps"], **regions})
    logits, deltas = (AsBefore(name=f"{name}_as_before{mark}")({"rows": rows, "order": regions["order"]})
                      for name, rows in zip(("logits", "deltas"), head(crops)))
    return logits, deltas


def detected_by_cascade(stages: dict, heads: dict, first: dict[str, Tensor], window: Tensor,
                        config: Settings) -> dict[str, Tensor]:
    """What the further heads make of what the first one says of the proposals.

    Args:
        stages, heads: of `mrcnn.network.mask_rcnn`.
        first: {"logits", "deltas", "boxes": [B, R, 4], "valid"}.
        window: [B, 4].
        config: settings.

    Returns:
        The same names: the boxes that the last head saw, its deltas, and the mean of the logits of all heads.
    """
    geometry, said, logits = geometry_of(config), first, [first["logits"]]
    for stage, head in zip(further_stages(config), heads["cascade"]):
        moved = MovedRegions(geometry.deviations(stage - 1), name=f"detection_moved_stage{stage}")(
            {**{name: said[name] for name in ("logits", "deltas", "boxes")}, "window": window}
        )
        scores, deltas = scores_of_regions(stages, heads, moved, head, f"_stage{stage}")
        said = {"logits": scores, "deltas": deltas, "boxes": moved}
        logits.append(scores)
    mean = layers.Average(name="mrcnn_class_mean_logits", dtype="float32")(logits)
    return {**said, "logits": mean, "valid": first["valid"]}


def taught_to_cascade(stages: dict, heads: dict, regions: dict[str, Tensor], said: dict[str, Tensor],
                      truth: dict[str, Tensor], window: Tensor, config: Settings) -> dict[str, Tensor]:
    """The further heads on the regions that the heads before them moved, beside what they should say.

    Args:
        stages, heads: of `mrcnn.network.mask_rcnn`.
        regions: the first head's sample, {"boxes": [B, T, 4], "valid": bool [B, T], ...}.
        said: {"logits", "deltas", "slot", "kept"} of it by the first head.
        truth: {"gt_boxes", "gt_class_ids", "gt_valid", "gt_crowd"}.
        window: [B, 4].
        config: settings.

    Returns:
        {"stage2_logits", "stage2_deltas", "stage2_boxes", ...}, the same with 3 for a third head.
    """
    geometry, outputs = geometry_of(config), {}
    for stage, head in zip(further_stages(config), heads["cascade"]):
        moved = MovedRegions(geometry.deviations(stage - 1), name=f"moved_stage{stage}")(
            {**said, "boxes": regions["boxes"], "window": window}
        )
        regions = geometry.region_targets(config.SEED + 2 + stage, name=f"region_targets_stage{stage}", stage=stage)(
            {"boxes": moved, "valid": regions["valid"], **truth}
        )
        names = ("valid", "boxes", "positive", "class_ids", "deltas")
        flat = FlatRegions(name=f"sampled_rows_stage{stage}")({name: regions[name] for name in names})
        place = {"boxes": flat["boxes"], "image_index": flat["image_index"]}
        logits, deltas = head(heads["box_crops"]({"maps": stages["maps"], **place}))
        said = {"logits": logits, "deltas": deltas, "slot": flat["slot"], "kept": flat["valid"]}
        outputs[f"stage{stage}_logits"], outputs[f"stage{stage}_box_deltas"] = logits, deltas
        outputs.update({f"stage{stage}_{name}": value for name, value in flat.items()})
    return outputs
