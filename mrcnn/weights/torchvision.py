"""Weights of torchvision's Mask R-CNN (maskrcnn_resnet50_fpn and its like) for this network in the exact geometry.

What differs is folded into the weights where that is exact: axes, the order of box coordinates and anchors, anchors
half a cell further up and left, box std, the division of pixels by their std, and the epsilon of the
norms. The stride in the 3x3 convolutions and the symmetric padding are those of BACKBONE "resnet50_v1_5". Torchvision
rounds its anchors (by less than half a pixel an edge) and pads photos with the mean colour in place of black: this
network does not. Its crops lie half a cell further down and right: set ROI_ALIGNED=False for the same ones.
"""

import os
from collections.abc import Sequence

import numpy as np

from mrcnn.config import Settings
from mrcnn.errors import CheckpointError
from mrcnn.network.backbones import RESNETS_V1_5
from mrcnn.network.mask_rcnn_layout import MASK_RCNN
from mrcnn.weights import files as weights
from mrcnn.weights.downloads import sha256_of
from mrcnn.weights.files import is_foreign
from mrcnn.weights.safetensors_files import read_safetensors
from mrcnn.weights.stem import kernel_of_channels, shift_of_means
from mrcnn.weights.torch_files import read_torch_file

# Torchvision runs its own file, maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth (named by its SHA-256), with an epsilon of 0.
PUBLISHED_SHA256, PUBLISHED_EPSILON = "bf2d0c1e", 0.0
EPSILON, OUR_EPSILON = 1e-5, 1e-3  # of torchvision's norms and of ours
PIXEL_MEAN = 255 * np.array([0.485, 0.456, 0.406])  # RGB
PIXEL_STD = 255 * np.array([0.229, 0.224, 0.225])
RATIOS = (0.5, 1.0, 2.0)  # height / width of its anchors, in its order
SCALES = (32, 64, 128, 256, 512)
BOX_STD = np.array([0.1, 0.1, 0.2, 0.2])  # of the box head; those of the proposals are 1
COORDINATES = [1, 0, 3, 2]  # (x, y, w, h) as (y, x, h, w)
COCO_CLASSES = (  # by COCO's category ids; "N/A" are ids that COCO leaves out
    "BG|person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|N/A|stop sign|"
    "parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|N/A|backpack|umbrella|N/A|N/A|"
    "handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove|skateboard|surfboard|"
    "tennis racket|bottle|N/A|wine glass|cup|fork|knife|spoon|bowl|banana|apple|sandwich|orange|broccoli|carrot|"
    "hot dog|pizza|donut|cake|chair|couch|potted plant|bed|N/A|dining table|N/A|N/A|toilet|N/A|tv|laptop|mouse|remote|"
    "keyboard|cell phone|microwave|oven|toaster|sink|refrigerator|N/A|book|clock|vase|scissors|teddy bear|hair drier|"
    "toothbrush"
).split("|")


def read_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """{name: array} of a .pth, .pt or .safetensors file.

    Raises:
        CheckpointError: the file cannot be read.
    """
    return read_safetensors(path) if str(path).lower().endswith(".safetensors") else read_torch_file(path)


# --- The doors -------------------------------------------------------------------------------------------------------


def settings_of(path: str | os.PathLike) -> dict:
    """{"config": settings, "class_names"} of a checkpoint of ours, or those that torchvision's file needs.

    Raises:
        CheckpointError: for any other file.
    """
    if not is_foreign(path):
        return weights.settings_of(path)
    settings = needed_settings(path, read_arrays(path))
    names = list(COCO_CLASSES) if settings["NUM_CLASSES"] == len(COCO_CLASSES) else None
    detection = {
        "IMAGE_RESIZE_MODE": "rectangle", "IMAGE_MIN_DIM": 800, "IMAGE_MAX_DIM": 1333,
        "ROI_ALIGNED": False, "DETECTION_MIN_CONFIDENCE": 0.05, "DETECTION_NMS_THRESHOLD": 0.5,
        "DETECTION_MAX_INSTANCES": 100,
    }
    mean = {"MEAN_PIXEL": [round(float(value), 3) for value in PIXEL_MEAN]}
    return {"config": {"NAME": "torchvision", **settings, **mean, **detection}, "class_names": names}


def convert(path: str | os.PathLike, config: Settings, exclude: Sequence[str] = ()) -> dict[str, dict[str, np.ndarray]]:
    """{layer: {weight name: array}} of torchvision's Mask R-CNN, for a network of `config`.

    Args:
        path: of the file.
        config: settings.
        exclude: layers whose settings need not fit.

    Raises:
        CheckpointError: with the settings to use where others are given.
    """
    state = read_arrays(path)
    needed = needed_settings(path, state)
    if set(exclude) & set(MASK_RCNN.class_layers):
        del needed["NUM_CLASSES"]
    given = {name: getattr(config, name) for name in needed} | {"RPN_CHANNELS": config.rpn_channels()}
    wrong = [name for name, value in needed.items() if not _same(given[name], value)]
    if (config.HEAD_NORM or config.NORM) != "batch":
        wrong.append("HEAD_NORM")
        needed["HEAD_NORM"] = "batch"
    if wrong:
        raise CheckpointError(
            f"{path} is torchvision's Mask R-CNN: build the network with "
            f"{', '.join(f'{name}={needed[name]!r}' for name in wrong)}, or by MaskRCNN.from_checkpoint(path)."
        )
    published = sha256_of(path).startswith(PUBLISHED_SHA256)
    source = Source(path, state, PUBLISHED_EPSILON if published else EPSILON)
    layers = {
        **backbone_layers(source, "backbone.body.", RESNETS_V1_5[config.BACKBONE], config.MEAN_PIXEL),
        **_pyramid(source),
        **_proposal_head(source, config),
        **_box_head(source, config),
        **_mask_head(source),
    }
    source.check_nothing_left()
    return layers


def needed_settings(path: str | os.PathLike, state: dict[str, np.ndarray]) -> dict:
    """The settings of the network that the file's weights are of, read off its shapes."""
    try:
        blocks = tuple(
            1 + max(int(name.split(".")[3]) for name in state if name.startswith(f"backbone.body.layer{stage}."))
            for stage in (1, 2, 3, 4)
        )
        classes, width = state["roi_heads.box_predictor.cls_score.weight"].shape
        backbone = next(name for name, known in RESNETS_V1_5.items() if known == blocks)
        settings = {
            "BACKBONE": backbone,
            "NORM": "batch",
            "NUM_CLASSES": int(classes),
            "TOP_DOWN_PYRAMID_SIZE": len(_first(state, "backbone.fpn.layer_blocks.0")),
            "RPN_CHANNELS": len(_first(state, "rpn.head.conv")),
            "FPN_CLASSIF_FC_LAYERS_SIZE": int(width),
            "MASK_CHANNELS": len(state["roi_heads.mask_predictor.conv5_mask.weight"]),
        }
    except (KeyError, ValueError, TypeError, IndexError, StopIteration) as error:
        raise CheckpointError(
            f"{path} is no state dict of torchvision's maskrcnn_resnet50_fpn: it begins with "
            f"{', '.join(list(state)[:3])}."
        ) from error
    fixed = {
        "GEOMETRY": "exact", "RPN_ANCHOR_SCALES": SCALES, "RPN_ANCHOR_RATIOS": [0.5, 1, 2], "RPN_ANCHOR_STRIDE": 1,
        "POOL_SIZE": 7, "MASK_POOL_SIZE": 14, "MASK_SHAPE": [28, 28],
    }
    return {**settings, **fixed}


def load_imagenet_resnet(model: object, config: Settings, path: str | os.PathLike) -> int:
    """Fill a backbone resnet50_v1_5 (101, 152) with torchvision's ImageNet classifier.

    Returns:
        How many layers.
    """
    if config.NORM != "batch":
        raise CheckpointError("ImageNet weights of ResNets are for batch normalisation: set NORM=batch.")
    source = Source(path, read_arrays(path), EPSILON)
    layers = backbone_layers(source, "", RESNETS_V1_5[config.BACKBONE], config.MEAN_PIXEL)
    source.check_nothing_left(but=("fc.",))
    report = weights.load_weights(path, model, by_name=True, stored=layers)
    return len(report.loaded)


def _same(ours, needed):
    return np.array_equal(ours, needed) if isinstance(needed, (list, tuple)) else ours == needed


def _first(state, prefix):
    """The first weight under a prefix, which newer releases nest deeper."""
    return next(value for name, value in state.items() if name.startswith(prefix) and name.endswith("weight"))


# --- The conversion --------------------------------------------------------------------------------------------------


class Source:
    """A state dict, which knows what was taken from it.

    Args:
        path: of its file, for messages.
        state: {name: array}.
        epsilon: of its norms.
        network: torchvision's name of the model that it should be of.
    """

    def __init__(self, path: str | os.PathLike, state: dict[str, np.ndarray], epsilon: float,
                 network: str = "maskrcnn_resnet50_fpn"):
        self.path, self.epsilon, self.network = path, epsilon, network
        self.left = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}

    def take(self, *names: str) -> np.ndarray:
        """The tensor under the first of these names that there is."""
        for name in names:
            if name in self.left:
                return self.left.pop(name).astype("float32")
        raise CheckpointError(f"{self.path} lacks {names[0]}: it is not torchvision's {self.network}.")

    def convolution(self, *prefixes: str) -> dict[str, np.ndarray]:
        """Kernel [h, w, in, out] and bias, which is zero where the file has none."""
        kernel = self.take(*(f"{prefix}.weight" for prefix in prefixes))
        if kernel.ndim != 4:
            raise CheckpointError(f"{self.path}: {prefixes[0]}.weight is {list(kernel.shape)}, no convolution.")
        names = [f"{prefix}.bias" for prefix in prefixes]
        has_bias = any(name in self.left for name in names)
        bias = self.take(*names) if has_bias else np.zeros(len(kernel), "float32")
        return {"kernel": kernel.transpose(2, 3, 1, 0), "bias": bias}

    def norm(self, prefix: str) -> dict[str, np.ndarray]:
        """A frozen batch normalisation; its scale makes up for the other epsilon."""
        gamma, beta, mean, variance = (
            self.take(f"{prefix}.{name}") for name in ("weight", "bias", "running_mean", "running_var")
        )
        return rescaled_norm(gamma, beta, mean, variance, self.epsilon)

    def check_nothing_left(self, but: Sequence[str] = ()) -> None:
        left = [name for name in self.left if not name.startswith(tuple(but) or ("\0",))]
        if left:
            raise CheckpointError(
                f"{self.path} holds {left[0]}, which {self.network} has no place for: is it another model (_v2)?"
            )


def rescaled_norm(gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, variance: np.ndarray,
                  epsilon: float) -> dict[str, np.ndarray]:
    """A batch normalisation learned with `epsilon`, as the same function under ours.

    gamma / sqrt(variance + epsilon) = gamma' / sqrt(variance + OUR_EPSILON)
    """
    variance = np.asarray(variance, "float64")
    factor = np.sqrt((variance + OUR_EPSILON) / (variance + epsilon))
    weights_of = {"gamma": gamma * factor, "beta": beta, "moving_mean": mean, "moving_variance": variance}
    return {name: np.asarray(value, "float32") for name, value in weights_of.items()}


def _no_norm(channels):
    """A batch normalisation that changes nothing: torchvision's heads have none."""
    one = np.ones(channels, "float32")
    return {"gamma": one, "beta": 0 * one, "moving_mean": 0 * one, "moving_variance": one - np.float32(OUR_EPSILON)}


def backbone_layers(source: Source, body: str, blocks: Sequence[int], mean_pixel: np.ndarray) -> dict[str, dict]:
    """{layer: {weight: array}} of a ResNet.

    Args:
        source: Source.
        body: how the names of the backbone begin.
        blocks: of each stage, of RESNETS_V1_5.
        mean_pixel: that the network is given its pixels less, one of each channel.
    """
    stem = source.convolution(f"{body}conv1")
    # (pixel - mean) / std, where the network is given pixel - MEAN_PIXEL.
    kernel = stem["kernel"] / PIXEL_STD[:, None] if stem["kernel"].shape[2] == 3 else stem["kernel"]
    own = kernel_of_channels(kernel, len(mean_pixel), source.path)
    bias = stem["bias"] + shift_of_means(kernel, PIXEL_MEAN, mean_pixel)
    weights = {"conv1": {"kernel": own, "bias": bias}, "bn_conv1": source.norm(f"{body}bn1")}
    for stage, count in enumerate(blocks, start=2):
        for index in range(count):
            letter = chr(ord("a") + index) if index < 26 else f"z{index - 25}"
            prefix = f"{body}layer{stage - 1}.{index}."
            parts = [(f"2{'abc'[n]}", f"conv{n + 1}", f"bn{n + 1}") for n in range(3)]
            for branch, convolution, norm in parts + [("1", "downsample.0", "downsample.1")][: index == 0]:
                name = f"{stage}{letter}_branch{branch}"
                weights[f"res{name}"] = source.convolution(prefix + convolution)
                weights[f"bn{name}"] = source.norm(prefix + norm)
    return weights


def _pyramid(source):
    weights = {}
    for level in (2, 3, 4, 5):
        for layer, part in ((f"fpn_c{level}p{level}", "inner"), (f"fpn_p{level}", "layer")):
            prefix = f"backbone.fpn.{part}_blocks.{level - 2}"
            weights[layer] = source.convolution(f"{prefix}.0", prefix)
    return weights


def _proposal_head(source, config):
    """The head of the proposals, its anchors and coordinates in our order, its deltas by our std."""
    shared = source.convolution("rpn.head.conv.0.0", "rpn.head.conv")
    score, delta = source.convolution("rpn.head.cls_logits"), source.convolution("rpn.head.bbox_pred")
    if len(score["bias"]) != len(RATIOS):
        raise CheckpointError(f"{source.path} has {len(score['bias'])} anchors a cell, not {len(RATIOS)}.")
    ours = np.asarray(config.RPN_ANCHOR_RATIOS, float)  # width / height
    order = [RATIOS.index(1 / ratio) for ratio in ours]
    score = {name: value[..., order] for name, value in score.items()}
    std = np.asarray(config.RPN_BBOX_STD_DEV, float)
    delta = {
        name: value.reshape(value.shape[:-1] + (-1, 4))[..., order, :][..., COORDINATES] / std
        for name, value in delta.items()
    }
    # Its anchors stand half a cell further up and left: the same share of the anchor's side on every level.
    half_cell = config.BACKBONE_STRIDES[0] / 2 / config.RPN_ANCHOR_SCALES[0]
    delta["bias"][:, 0] -= half_cell * np.sqrt(ours) / std[0]  # height = scale / sqrt(ratio)
    delta["bias"][:, 1] -= half_cell / np.sqrt(ours) / std[1]
    delta = {name: value.reshape(value.shape[:-2] + (-1,)) for name, value in delta.items()}
    return {"rpn_conv_shared": shared, "rpn_class_raw": score, "rpn_bbox_pred": delta}


def _box_head(source, config):
    heads = "roi_heads."
    first, second, score, delta = (
        {"kernel": source.take(f"{heads}{name}.weight").T, "bias": source.take(f"{heads}{name}.bias")}
        for name in ("box_head.fc6", "box_head.fc7", "box_predictor.cls_score", "box_predictor.bbox_pred")
    )
    size = config.POOL_SIZE
    values, width = first["kernel"].shape
    if values % size**2:
        raise CheckpointError(f"{source.path}: box_head.fc6 takes {values} values, which are no {size}x{size} crops.")
    # Its crops are flattened as (channel, row, column), ours as (row, column, channel).
    first["kernel"] = first["kernel"].reshape(-1, size, size, width).transpose(1, 2, 0, 3)
    factor = (BOX_STD / np.asarray(config.BBOX_STD_DEV, float)).astype("float32")
    delta = {
        name: (value.reshape(value.shape[:-1] + (-1, 4))[..., COORDINATES] * factor).reshape(value.shape)
        for name, value in delta.items()
    }
    return {
        "mrcnn_class_conv1": first, "mrcnn_class_bn1": _no_norm(width),
        "mrcnn_class_conv2": second, "mrcnn_class_bn2": _no_norm(second["kernel"].shape[1]),
        "mrcnn_class_logits": score, "mrcnn_bbox_fc": delta,
    }


def _mask_head(source):
    weights = {}
    for index in (1, 2, 3, 4):
        convolution = source.convolution(f"roi_heads.mask_head.{index - 1}.0", f"roi_heads.mask_head.mask_fcn{index}")
        weights[f"mrcnn_mask_conv{index}"] = convolution
        weights[f"mrcnn_mask_bn{index}"] = _no_norm(len(convolution["bias"]))
    predictor = "roi_heads.mask_predictor."
    kernel = source.take(f"{predictor}conv5_mask.weight")  # [in, out, h, w]
    bias = source.take(f"{predictor}conv5_mask.bias")
    weights["mrcnn_mask_deconv"] = {"kernel": kernel.transpose(2, 3, 1, 0), "bias": bias}
    weights["mrcnn_mask"] = source.convolution(f"{predictor}mask_fcn_logits")
    return weights
