"""YOLACT (Bolya 2019): prototypes of masks for the whole canvas, and what each anchor makes of them, side by side.

The backbone, the pyramid, the anchors and the ground truth are Mask R-CNN's. Nothing is computed region by region: one
pass gives every anchor its class and its box, and its mask coefficients; of the latter a detection needs its own alone.
"""

from collections.abc import Sequence

import keras
from keras import layers

from mrcnn.config import Settings
from mrcnn.network.anchors import Anchors
from mrcnn.network.backbones import build_backbone, normalisation
from mrcnn.network.graph_files import GraphWithFiles
from mrcnn.network.heads import normal
from mrcnn.network.layout import Layout
from mrcnn.network.mask_rcnn import network_inputs
from mrcnn.network.pixel_layers import EnlargedConv2D, groups_of
from mrcnn.network.precision import layers_compute_in
from mrcnn.network.pyramid import build_high_pyramid
from mrcnn.network.yolact_detections import YolactDetections
from mrcnn.network.yolact_losses import YolactTrainingModel
from mrcnn.network.yolact_masks import AnchorConv2D, PrototypeMasks, TrainingMasks
from mrcnn.network.yolact_targets import CanvasMasks, YolactTargets
from mrcnn.ops import Tensor

STRIDES = (8, 16, 32, 64, 128)  # of P3..P7 in pixels
PROTOTYPE_STRIDE = STRIDES[0] // 2
GROUP_CHANNELS = 8  # that a group of the heads' normalisation has at least
LAYOUT = Layout(
    heads=r"(yolact_.*)|(fpn_.*)",
    class_layers=("yolact_class", "yolact_semantic"),
    answer_layers=("yolact_bbox", "yolact_coefficients", "yolact_prototypes"),
    told_by={"yolact_class": "yolact_bbox", "yolact_coefficients": "yolact_bbox"},
    parts={"prototype branch": ("yolact_prototype",), "prediction head": ("yolact_",), "pyramid": ("fpn_",)},
)


@layers_compute_in("float32")
def build_yolact(config: Settings) -> tuple:
    """The network of YolactSettings, with random weights.

    Args:
        config: YolactSettings.

    Returns:
        (training model, inference model), which share every weight that the latter has. Training model: the batch of
        `mrcnn.data.batches` -> everything the losses need. Inference model: {"image", "window", "min_confidence"} ->
        {"boxes", "class_ids", "scores", "valid", "masks"}.

    Raises:
        ConfigError: for settings that do not fit.
    """
    config.check()
    image, window, truth = network_inputs(config)
    stages = shared_stages(image, config)
    inputs = {"image": image, "window": window, **truth}
    training = YolactTrainingModel(inputs, training_stages(stages, inputs, config), config.LOSS_WEIGHTS,
                                   config.YOLACT_HARD_NEGATIVES, PROTOTYPE_STRIDE)
    least = keras.Input((), name="min_confidence", dtype="float32")
    asked = {"image": image, "window": window, "min_confidence": least}
    inference = GraphWithFiles(asked, detection_stages(stages, asked, config), name="yolact_inference")
    training.layout = inference.layout = LAYOUT
    return training, inference


def shared_stages(image: Tensor, config: Settings) -> dict:
    """What training and detection have in common: image -> backbone -> pyramid -> prototypes, and what anchors say."""
    centred = layers.Rescaling(1.0, offset=[-float(v) for v in config.MEAN_PIXEL], name="less_mean_pixel")(image)
    with layers_compute_in(config.PRECISION):
        features = build_backbone(centred, config)
        pyramid = build_high_pyramid(features, config.TOP_DOWN_PYRAMID_SIZE)
        levels = [pyramid[f"P{level}"] for level in range(3, 8)]
        prototypes = prototype_branch(levels[0], config)
        said = prediction_head(levels, config)
    anchors = Anchors(STRIDES, config.anchor_scales(), config.YOLACT_ANCHOR_RATIOS, name="anchors")(levels)
    anchors = layers.Concatenate(axis=0, name="all_anchors")(anchors)
    return {"finest": levels[0], "prototypes": prototypes, **said, "anchors": anchors}


def prototype_branch(finest: Tensor, config: Settings) -> Tensor:
    """Prototypes of masks at stride 4, no class's and no object's own (section 3.1, figure 3).

    Args:
        finest: P3 [B, H/8, W/8, F].
        config: YolactSettings.

    Returns:
        [B, H/4, W/4, YOLACT_PROTOTYPES], not negative.
    """
    x = finest
    for index in (1, 2, 3):
        x = convolve([x], f"yolact_prototype_conv{index}", config)[0]
    x = convolve([x], "yolact_prototype_conv4", config, EnlargedConv2D)[0]  # at twice the size
    return layers.Conv2D(config.YOLACT_PROTOTYPES, 1, activation="relu", name="yolact_prototypes",
                         kernel_initializer="he_normal")(x)


def convolve(maps: Sequence[Tensor], name: str, config: Settings, kind: type = layers.Conv2D) -> list[Tensor]:
    """A 3x3 convolution of the heads with its norm, if there is one, and ReLU: the same weights on every map.

    Args:
        maps: [B, h, w, F] each.
        name: of the convolution; the norm's is name + "_bn".
        config: YolactSettings.
        kind: Conv2D, or EnlargedConv2D for maps twice as large.

    Returns:
        [B, h, w, TOP_DOWN_PYRAMID_SIZE] of each.
    """
    channels, grouped = config.TOP_DOWN_PYRAMID_SIZE, config.YOLACT_HEAD_NORM == "group"
    steps = [kind(channels, 3, padding="same", use_bias=not grouped, name=name, kernel_initializer="he_normal")]
    if grouped:
        # The coarsest map may be one cell: a group of few channels would keep little more than signs there.
        groups = groups_of(channels, min(16, max(1, channels // GROUP_CHANNELS)))
        steps.append(normalisation("group", None, f"{name}_bn", groups))
    steps.append(layers.Activation("relu", name=f"{name}_relu"))
    maps = list(maps)
    for step in steps:
        maps = [step(one) for one in maps]
    return maps


def prediction_head(levels: Sequence[Tensor], config: Settings) -> dict[str, object]:
    """What every anchor says of itself (section 3.2, figure 4), the same weights on every level.

    Args:
        levels: maps [B, h, w, F] of P3..P7.
        config: YolactSettings.

    Returns:
        {"logits": [B, A, C], "deltas": [B, A, 4], "hidden": maps like the levels, which the mask coefficients are made
        of, "coefficients": the layer that does so}.
    """
    hidden = convolve(levels, "yolact_shared", config)
    anchors = len(config.YOLACT_ANCHOR_RATIOS)
    said = {"hidden": hidden}
    for key, name, numbers in (("logits", "class", config.NUM_CLASSES), ("deltas", "bbox", 4)):
        branch = layers.Conv2D(anchors * numbers, 3, padding="same", name=f"yolact_{name}",
                               kernel_initializer=normal(0.01))
        said[key] = of_all_anchors([branch(x) for x in hidden], numbers, name)
    # In -1..1, for prototypes may be taken away from a mask, too.
    said["coefficients"] = AnchorConv2D(anchors, config.YOLACT_PROTOTYPES, activation="tanh",
                                        name="yolact_coefficients", kernel_initializer=normal(0.01))
    return said


def of_all_anchors(maps: Sequence[Tensor], numbers: int, name: str) -> Tensor:
    """Maps [B, h, w, anchors * numbers] of every level as one row of anchors, [B, A, numbers]."""
    flat = layers.Reshape((-1, numbers), name=f"yolact_{name}_of_anchors")
    return layers.Concatenate(axis=1, name=f"yolact_{name}_of_all")([flat(one) for one in maps])


def detection_stages(stages: dict, asked: dict[str, Tensor], config: Settings) -> dict[str, Tensor]:
    """What anchors say -> detections -> the masks of these alone."""
    said = {name: stages[name] for name in ("logits", "deltas", "anchors")}
    detections = YolactDetections(
        config.DETECTION_MAX_INSTANCES, config.YOLACT_NMS_CANDIDATES, config.DETECTION_NMS_THRESHOLD,
        config.BBOX_STD_DEV, config.YOLACT_NMS == "fast", name="yolact_detection",
    )({**said, "window": asked["window"], "min_confidence": asked["min_confidence"]})
    coefficients = stages["coefficients"]({"maps": stages["hidden"], "anchor": detections["anchor"]})
    side = -(-int(max(config.IMAGE_SHAPE[:2])) // PROTOTYPE_STRIDE)
    masks = PrototypeMasks(side, PROTOTYPE_STRIDE, name="detection_masks")({
        "prototypes": stages["prototypes"], "coefficients": coefficients,
        **{key: detections[key] for key in ("boxes", "valid")},
    })
    return {**{key: detections[key] for key in ("boxes", "class_ids", "scores", "valid")}, "masks": masks}


def training_stages(stages: dict, inputs: dict[str, Tensor], config: Settings) -> dict[str, Tensor]:
    """What anchors say and should say, masks of some of the positive ones, and what is seen where."""
    objects = {key: inputs[key] for key in ("gt_boxes", "gt_class_ids", "gt_valid", "gt_crowd")}
    targets = YolactTargets(
        config.YOLACT_TRAIN_MASKS, config.YOLACT_POSITIVE_IOU, config.YOLACT_NEGATIVE_IOU, config.CROWD_OVERLAP,
        config.BBOX_STD_DEV, seed=config.SEED, name="anchor_targets",
    )({"anchors": stages["anchors"], **objects})
    canvas = CanvasMasks(config.NUM_CLASSES, PROTOTYPE_STRIDE, config.USE_MINI_MASK, name="canvas_masks")(
        {**objects, **{key: inputs[key] for key in ("gt_masks", "window", "image")}, "prototypes": stages["prototypes"]}
    )
    with layers_compute_in(config.PRECISION):
        coefficients = stages["coefficients"]({"maps": stages["hidden"], "anchor": targets["index"]})
    masks = TrainingMasks(name="training_masks")({
        "prototypes": stages["prototypes"], "coefficients": coefficients, "gt_boxes": inputs["gt_boxes"],
        **{key: targets[key] for key in ("valid", "object")}, "masks": canvas["masks"], "row": canvas["row"],
    })
    with layers_compute_in(config.PRECISION):
        # In training alone (section 5): it makes P3 tell classes apart, which prototypes gain from.
        seen = layers.Conv2D(config.NUM_CLASSES - 1, 1, name="yolact_semantic", kernel_initializer=normal(0.01))(
            stages["finest"]
        )
    return {
        "logits": stages["logits"],
        "deltas": stages["deltas"],
        "active_classes": inputs["active_classes"],
        **{f"anchor_{key}": targets[key] for key in ("class_ids", "positive", "negative", "deltas")},
        **{f"mask_{key}": value for key, value in masks.items()},
        "seen_logits": seen,
        "seen": canvas["seen"],
        "seen_valid": canvas["seen_valid"],
    }
