"""The assembly of Mask R-CNN, and the one place of the network that reads Config."""

import functools

import keras
import numpy as np
from keras import layers

from mrcnn.config import FIXED_CANVAS_MODES, Settings
from mrcnn.network.attribute_head import AttributeHead, AttributeTargets, DetectionAttributes, possible_attributes
from mrcnn.network.backbones import build_backbone
from mrcnn.network.cascade import cascade_heads, detected_by_cascade, scores_of_regions, taught_to_cascade
from mrcnn.network.detections import DetectionMasks
from mrcnn.network.geometries import geometry_of
from mrcnn.network.graph_files import GraphWithFiles
from mrcnn.network.heads import (
    BoxHead,
    FlatRegions,
    MaskHead,
    MasksInTurns,
    OwnClass,
    RegionProposalHead,
    place_of,
)
from mrcnn.network.mask_rcnn_layout import MASK_RCNN
from mrcnn.network.onnx_forms import ByLevel
from mrcnn.network.point_head import PointFeatures, PointHead, TrainingPoints, subdivide
from mrcnn.network.precision import layers_compute_in
from mrcnn.network.pyramid import build_pyramid
from mrcnn.network.recompute import Recomputed
from mrcnn.network.targets import PointTargets
from mrcnn.ops import Tensor


@layers_compute_in("float32")
def build_mask_rcnn(config: Settings) -> tuple:
    """The network of a Config, with random weights.

    Returns:
        (training model, inference model), which share every weight. Training model: the batch of `mrcnn.data.batches`
        -> everything the losses need. Inference model: {"image", "window", "min_confidence"} -> {"boxes",
        "class_ids", "scores", "valid", "masks"}, "attributes" if there are any, and the proposals.

    Raises:
        ConfigError: for settings that do not fit.
    """
    config.check()
    image, window, truth = network_inputs(config)
    stages = shared_stages(image, config)
    heads = region_heads(config)
    least = keras.Input((), name="min_confidence", dtype="float32")
    asked = {"image": image, "window": window, "min_confidence": least}
    detected = detection_stages(stages, heads, asked, config)
    outputs = training_stages(stages, heads, image, window, truth, config)
    inference = GraphWithFiles(asked, detected, name="mask_rcnn_inference")
    inputs = {"image": image, "window": window, **truth}
    training = geometry_of(config).training_model(inputs, outputs)
    training.layout = inference.layout = MASK_RCNN
    if config.GRADIENT_CHECKPOINTING:
        training.recomputed = Recomputed(inputs, outputs, stages["backbone"], frozen_norm=config.TRAIN_BN is False)
    return training, inference


def region_heads(config: Settings) -> dict:
    """What runs on each region, by name: heads, and the layers that cut out for them what they see."""
    norm = config.HEAD_NORM or config.NORM
    with layers_compute_in(config.PRECISION):
        heads = {
            "box": BoxHead(config.FPN_CLASSIF_FC_LAYERS_SIZE, config.NUM_CLASSES, norm, config.TRAIN_BN),
            "mask": MaskHead(
                config.MASK_CHANNELS, config.NUM_CLASSES, norm, config.TRAIN_BN, config.mask_enlargements()
            ),
        }
        heads["own_class"] = OwnClass(name="mrcnn_mask_own_class")
        heads["cascade"] = cascade_heads(config, norm)
        if config.MASK_HEAD == "points":
            heads["points"] = PointHead(config.POINT_HEAD_CHANNELS, config.NUM_CLASSES)
            heads["point_features"] = PointFeatures(config.BACKBONE_STRIDES[0], name="mrcnn_mask_point_features")
        heads["box_crops"] = geometry_of(config).crops(config.POOL_SIZE, name="roi_align_classifier")
        heads["mask_crops"] = geometry_of(config).crops(config.MASK_POOL_SIZE, name="roi_align_mask")
        if config.ATTRIBUTES:  # last, so that all other layers begin with the weights that they have without it
            heads["attributes"] = AttributeHead(
                config.FPN_CLASSIF_FC_LAYERS_SIZE, len(config.ATTRIBUTES), config.MEAN_PIXEL
            )
            cut, side = geometry_of(config).crops, config.MASK_POOL_SIZE
            heads["attribute_crops"] = cut(side, "roi_align_attribute", config.BACKBONE_STRIDES[:1])
            # Of the photo: a fourth of it, and this, fit the grid of the masks.
            heads["attribute_pixels"] = cut(4 * side, "roi_align_attribute_pixels", (1,))
    return heads


def attributes_by_class(config: Settings) -> np.ndarray:
    """Which of ATTRIBUTES an object of each class can have: bool [C, M]."""
    return possible_attributes(config.ATTRIBUTE_PAIRS, config.NUM_CLASSES, len(config.ATTRIBUTES))


def network_inputs(config: Settings) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Symbolic inputs: the image, its window, and a dict of the ground truth. Names as in the package's glossary."""
    fixed = config.IMAGE_RESIZE_MODE in FIXED_CANVAS_MODES
    # A side that canvases do not keep to is not read: it may be changed once the network is built.
    height, width = [int(side) for side in config.IMAGE_SHAPE[:2]] if fixed else (None, None)
    channels, objects = config.IMAGE_CHANNEL_COUNT, config.MAX_GT_INSTANCES
    mask_shape = tuple(int(side) for side in config.MINI_MASK_SHAPE) if config.USE_MINI_MASK else (height, width)
    image = keras.Input((height, width, channels), name="image", dtype="float32")
    window = keras.Input((4,), name="window", dtype="float32")
    truth = {
        "gt_boxes": keras.Input((objects, 4), name="gt_boxes", dtype="float32"),
        "gt_class_ids": keras.Input((objects,), name="gt_class_ids", dtype="int32"),
        "gt_masks": keras.Input((objects,) + mask_shape, name="gt_masks", dtype="uint8"),
        "gt_valid": keras.Input((objects,), name="gt_valid", dtype="bool"),
        "gt_crowd": keras.Input((objects,), name="gt_crowd", dtype="bool"),
        "active_classes": keras.Input((config.NUM_CLASSES,), name="active_classes", dtype="bool"),
    }
    attributes = getattr(config, "ATTRIBUTES", None)  # of networks that have such a head only
    if attributes:
        truth["gt_attributes"] = keras.Input((objects, len(attributes)), name="gt_attributes", dtype="bool")
    return image, window, truth


def shared_stages(image: Tensor, config: Settings) -> dict:
    """What training and detection have in common: image -> backbone -> pyramid -> proposal head and anchors."""
    centred = layers.Rescaling(1.0, offset=[-float(v) for v in config.MEAN_PIXEL], name="less_mean_pixel")(image)
    geometry = geometry_of(config)
    with layers_compute_in(config.PRECISION):
        features = build_backbone(centred, config)
        pyramid = build_pyramid(features, config.TOP_DOWN_PYRAMID_SIZE)
        levels = [pyramid[f"P{level}"] for level in range(2, 7)]
        head = RegionProposalHead(
            config.rpn_channels(), len(config.RPN_ANCHOR_RATIOS), config.RPN_ANCHOR_STRIDE, geometry.rpn_scores
        )
        logits, deltas = head(levels)
    anchors = geometry.anchors(name="anchors")(levels)
    scored = {"logits": logits, "deltas": deltas, "anchors": anchors}
    # Its losses read a few hundred anchors alone.
    of_anchors = functools.partial(head.of_anchors, levels)
    return {"image": centred, "backbone": list(features.values()), "maps": levels[:4], "scored": scored,
            "of_anchors": of_anchors}


def detection_stages(stages: dict, heads: dict, asked: dict[str, Tensor], config: Settings) -> dict[str, Tensor]:
    """Proposals -> box head, or heads, on all of them -> detections -> mask head on the detections."""
    geometry, window = geometry_of(config), asked["window"]
    proposals = geometry.propose(
        {**stages["scored"], "window": window}, asked["image"], training=False, name="proposals"
    )
    logits, deltas = scores_of_regions(stages, heads, proposals["boxes"], heads["box"])
    scored = {"logits": logits, "deltas": deltas, "boxes": proposals["boxes"], "valid": proposals["valid"]}
    if heads["cascade"]:
        scored = detected_by_cascade(stages, heads, scored, window, config)
    detections = geometry.detections("mrcnn_detection", stage=1 + len(heads["cascade"]))(
        {**scored, "window": window, "min_confidence": asked["min_confidence"]}
    )
    flat = FlatRegions(name="detection_rows")({key: detections[key] for key in ("valid", "boxes", "class_ids")})
    flat = ByLevel(heads["mask_crops"].levels, name="detections_by_level")({"maps": stages["maps"], **flat})
    crops = heads["mask_crops"]({"maps": stages["maps"], **place_of(flat)})
    logits = heads["mask"].own_masks(crops, flat["class_ids"])
    logits = MasksInTurns(heads["mask_crops"], heads["mask"], name="mrcnn_mask_in_turns")(
        {"logits": logits, "maps": stages["maps"], "class_ids": flat["class_ids"], "valid": flat["valid"],
         **place_of(flat)}
    )
    if config.MASK_HEAD == "points":
        predict = functools.partial(point_logits, stages, heads, flat, logits)
        logits = subdivide(logits, predict, config.POINT_HEAD_SUBDIVISIONS, config.POINT_HEAD_INFERENCE_POINTS)
    masks = DetectionMasks(name="detection_masks")(
        {"logits": logits, "slot": flat["slot"], "kept": flat["valid"], "valid": detections["valid"]}
    )
    found = {**detections, "masks": masks, "proposals": proposals["boxes"], "proposals_valid": proposals["valid"]}
    if config.ATTRIBUTES:
        seen = attribute_logits(stages, heads, flat, layers.Activation("sigmoid", name="mrcnn_mask_shares")(logits))
        rows = {"class_ids": flat["class_ids"], "slot": flat["slot"], "kept": flat["valid"]}
        found["attributes"] = DetectionAttributes(attributes_by_class(config), name="detection_attributes")(
            {"logits": seen, **rows, "valid": detections["valid"]}
        )
    return found


def attribute_logits(stages: dict, heads: dict, flat: dict[str, Tensor], masks: Tensor) -> Tensor:
    """The attribute head on regions with their masks [N, h, w]: logits [N, M]. Of detections the boxes are final."""
    place = place_of(flat)
    features = heads["box"].features(heads["box_crops"]({"maps": stages["maps"], **place}))
    crops = heads["attribute_crops"]({"maps": stages["backbone"][:1], **place})
    pixels = heads["attribute_pixels"]({"maps": [stages["image"]], **place})
    return heads["attributes"]({"features": features, "crops": crops, "pixels": pixels, "masks": masks})


def point_logits(stages: dict, heads: dict, flat: dict[str, Tensor], coarse: Tensor, points: Tensor) -> Tensor:
    """The point head on P2 and the coarse masks [N, r, c] at points [N, P, 2] of regions: logits [N, P]."""
    place = {"boxes": flat["boxes"], "image_index": flat["image_index"]}
    features = heads["point_features"]({"map": stages["maps"][0], **place, "coarse": coarse, "points": points})
    return heads["own_class"]({"logits": heads["points"](features), "class_ids": flat["class_ids"]})


def training_stages(stages: dict, heads: dict, image: Tensor, window: Tensor, truth: dict[str, Tensor],
                    config: Settings) -> dict[str, Tensor]:
    """Proposals and anchors -> targets -> box head on the sampled regions, mask head on the positive ones."""
    objects = {key: truth[key] for key in ("gt_boxes", "gt_valid", "gt_crowd")}
    geometry, scored = geometry_of(config), stages["scored"]
    anchor_targets = geometry.anchor_targets(config.SEED, name="anchor_targets")(
        {"anchors": layers.Concatenate(axis=0, name="all_anchors")(scored["anchors"]), **objects}
    )
    proposals = geometry.propose({**scored, "window": window}, image, training=True, name="training_proposals")
    regions = geometry.region_targets(config.SEED + 1, name="region_targets")(
        {"boxes": proposals["boxes"], "valid": proposals["valid"], "gt_class_ids": truth["gt_class_ids"], **objects}
    )
    with layers_compute_in(config.PRECISION):
        logits, deltas = stages["of_anchors"](anchor_targets["index"])
    outputs = {
        "rpn_logits": logits,
        "rpn_deltas": deltas,
        "active_classes": truth["active_classes"],
        **{f"anchor_{key}": value for key, value in anchor_targets.items()},
    }
    outputs.update(sampled_boxes(stages, heads, regions))
    if heads["cascade"]:
        said = {"logits": outputs["class_logits"], "deltas": outputs["box_deltas"], "slot": outputs["region_slot"],
                "kept": outputs["region_valid"]}
        outputs.update(taught_to_cascade(
            stages, heads, regions, said, {**objects, "gt_class_ids": truth["gt_class_ids"]}, window, config
        ))
    outputs.update(sampled_masks(stages, heads, regions, image, truth, config))
    return outputs


def sampled_boxes(stages: dict, heads: dict, regions: dict[str, Tensor]) -> dict[str, Tensor]:
    """Box head on the sampled regions, beside what it should say."""
    names = ("valid", "boxes", "positive", "class_ids", "deltas")
    flat = FlatRegions(name="sampled_rows")({key: regions[key] for key in names})
    crops = heads["box_crops"]({"maps": stages["maps"], "boxes": flat["boxes"], "image_index": flat["image_index"]})
    logits, deltas = heads["box"](crops)
    return {"class_logits": logits, "box_deltas": deltas, **{f"region_{key}": v for key, v in flat.items()}}


def sampled_masks(stages: dict, heads: dict, regions: dict[str, Tensor], image: Tensor, truth: dict[str, Tensor],
                  config: Settings) -> dict[str, Tensor]:
    """Mask head, and attribute head if there is one, on the positive regions, beside what they should say."""
    # Positives come first among the sampled slots, so the slots past their limit need not even be looked at.
    limit = max(1, int(config.TRAIN_ROIS_PER_IMAGE * config.ROI_POSITIVE_RATIO))
    names = ("boxes", "class_ids", "object")
    table = {key: regions[key][:, :limit] for key in names}
    flat = FlatRegions(name="positive_rows")({"valid": regions["positive"][:, :limit], **table})
    place = {"boxes": flat["boxes"], "image_index": flat["image_index"]}
    crops = heads["mask_crops"]({"maps": stages["maps"], **place})
    objects = {"object": flat["object"], "gt_masks": truth["gt_masks"], "gt_boxes": truth["gt_boxes"], "image": image}
    targets = geometry_of(config).mask_targets(name="mask_targets")({**place, **objects})
    outputs = {
        "mask_logits": heads["mask"](crops),
        "mask_targets": targets,
        "mask_class_ids": flat["class_ids"],
        "mask_valid": flat["valid"],
    }
    if config.MASK_HEAD == "points":
        coarse = heads["own_class"]({"logits": outputs["mask_logits"], "class_ids": flat["class_ids"]})
        points = TrainingPoints(config.POINT_HEAD_TRAINING_POINTS, seed=config.SEED + 2, name="training_points")(coarse)
        outputs["point_logits"] = point_logits(stages, heads, flat, coarse, points)
        outputs["point_targets"] = PointTargets(config.USE_MINI_MASK, name="point_targets")(
            {**place, **objects, "points": points}
        )
    if config.ATTRIBUTES:
        outputs["attribute_logits"] = attribute_logits(stages, heads, flat, targets)
        rows = {key: flat[key] for key in ("image_index", "object", "class_ids", "valid")}
        described = AttributeTargets(attributes_by_class(config), config.ATTRIBUTES_PARTIAL, name="attribute_targets")(
            {"gt_attributes": truth["gt_attributes"], **rows}
        )
        outputs.update({f"attribute_{key}": value for key, value in described.items()})
    return outputs
