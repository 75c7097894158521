"""What every setting takes, and which settings fit together: the checks of `mrcnn.config`.

`RULES` is the one table: a setting of any network here has a row in it, and a test walks them all.
"""

import difflib
import reprlib
import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mrcnn.config_backbones import check_backbone
from mrcnn.config_kinds import (
    Chain,
    Choice,
    Either,
    Function,
    Lists,
    Number,
    Numbers,
    OrNone,
    SumOf,
    Switch,
    Text,
    Texts,
    Unfit,
    Weights,
)
from mrcnn.errors import ConfigError

RESIZE_MODES = ("none", "square", "rectangle", "pad64", "crop")
FIXED_CANVAS_MODES = ("square", "crop")  # all photos get a canvas of one shape
YOLACT_LOSSES = ("yolact_class_loss", "yolact_bbox_loss", "yolact_mask_loss", "yolact_semantic_loss")
LOSSES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss",
          "mrcnn_point_loss", "mrcnn_attribute_loss", "mrcnn_cascade_class_loss", "mrcnn_cascade_bbox_loss")
PIXEL_LOSS_KINDS = ("cross-entropy", "focal", "dice", "jaccard")
EXACT_ONLY = {  # {name: (the one value that Matterport's geometry takes, its default, and what that has in its place)}
    "MASK_HEAD": ("conv", "masks of its own"),
    "CASCADE_IOUS": (None, "one box head"),
    "ROI_ALIGNED": (True, "crops of its own"),
    "SOFT_MASK_TARGETS": (False, "mask targets of its own"),
    "LABEL_SMOOTHING": (0.0, "losses of its own"),
    "BBOX_LOSS": ("smooth_l1", "losses of its own"),
    "CLASS_LOSS": ("softmax", "losses of its own"),
}
# {geometry: {name: (default, what that geometry has in its place: text, or names of settings)}}. They are told of and
# not refused: Matterport's scripts set the first, ready configurations of ours the limits, and checkpoints have others.
PASSED_OVER = {
    "exact": {"PRE_NMS_LIMIT": (6000, ("PRE_NMS_PER_LEVEL_TRAINING", "PRE_NMS_PER_LEVEL_INFERENCE"))},
    "matterport": {"PRE_NMS_PER_LEVEL_TRAINING": (2000, ("PRE_NMS_LIMIT",)),
                   "PRE_NMS_PER_LEVEL_INFERENCE": (1000, ("PRE_NMS_LIMIT",)),
                   "ROI_SAMPLING_RATIO": (2, "takes one sample a cell"),
                   "CROWD_OVERLAP": (0.7, "goes by the IoU with a crowd"),
                   "CLASS_COUNTS": (None, "has losses of its own")},
}


# --- The table -------------------------------------------------------------------------------------------------------
COUNT, NATURAL, SHARE, SWITCH = Number(1, whole=True), Number(0, whole=True), Number(0, 1), Switch()
SIDES = Numbers(COUNT, 2)  # height, width
DEVIATIONS = Numbers(Number(0.001, 100), 4)

_ROWS = (  # (rule, names of the settings that it holds for)
    # The run
    (OrNone(Text(name=True), "fashion"), "NAME"),
    (COUNT, "GPU_COUNT IMAGES_PER_GPU NUM_CLASSES"),
    (OrNone(COUNT), "STEPS_PER_EPOCH VALIDATION_STEPS"),
    (Number(0, 2**31 - 3, whole=True), "SEED"),  # the network's generators take this and the next two as int32
    (NATURAL, "WORKERS"),
    # Images
    (Choice(RESIZE_MODES), "IMAGE_RESIZE_MODE"),
    (OrNone(NATURAL), "IMAGE_MIN_DIM"),
    (COUNT, "IMAGE_MAX_DIM IMAGE_CHANNEL_COUNT"),
    (OrNone(Number(0, 100)), "IMAGE_MIN_SCALE"),
    (Numbers(Number(0, 255)), "MEAN_PIXEL"),
    (SWITCH, "SKIP_EMPTY_IMAGES TEST_FLIP"),
    (Numbers(Number(0.05, 20)), "TEST_SCALES"),
    (Chain(), "LABEL_REFINE"),
    # Training
    (Choice(("sgd", "adamw")), "OPTIMIZER"),
    (Number(0, 10), "LEARNING_RATE"),
    (Number(0, 0.9999), "LEARNING_MOMENTUM"),
    (Choice(("constant", "step", "cosine", "plateau")), "LR_SCHEDULE"),
    (Numbers(Number(0.001, 0.999)), "LR_STEPS"),
    (Number(0.001, 0.999), "LR_PLATEAU_FACTOR"),
    (COUNT, "LR_PLATEAU_PATIENCE"),
    (OrNone(COUNT, 16), "LR_REFERENCE_BATCH"),
    (NATURAL, "WARMUP_STEPS"),
    (SHARE, "WEIGHT_DECAY REPEAT_THRESHOLD"),
    (OrNone(Number(0)), "GRADIENT_CLIP_NORM"),
    (Number(0.01, 1), "LAYER_DECAY"),
    (Number(0, 0.99999), "EMA_DECAY"),
    (COUNT, "ACCUMULATE_STEPS"),
    (Choice(("float32", "mixed_float16", "mixed_bfloat16")), "PRECISION"),
    (SWITCH, "ASPECT_BUCKETS GRADIENT_CHECKPOINTING"),
    (Weights(), "LOSS_WEIGHTS"),
    # The network
    (Function(named=True), "BACKBONE"),
    (Choice(("batch", "group")), "NORM"),
    (OrNone(SWITCH), "TRAIN_BN"),
    (Choice(("exact", "matterport")), "GEOMETRY"),
    (OrNone(Function()), "COMPUTE_BACKBONE_SHAPE"),
    (Numbers(COUNT, 5), "BACKBONE_STRIDES"),
    (OrNone(Choice(("batch", "group")), "group"), "HEAD_NORM"),
    (COUNT, "TOP_DOWN_PYRAMID_SIZE FPN_CLASSIF_FC_LAYERS_SIZE MASK_CHANNELS"),
    (OrNone(COUNT, 256), "RPN_CHANNELS"),
    (Choice(("conv", "points")), "MASK_HEAD"),
    (COUNT, "POINT_HEAD_CHANNELS POINT_HEAD_TRAINING_POINTS POINT_HEAD_INFERENCE_POINTS"),
    (Number(1, 5, whole=True), "POINT_HEAD_SUBDIVISIONS"),
    # Region proposals
    (Numbers(Number(1), 5), "RPN_ANCHOR_SCALES"),
    (Numbers(Number(0.01, 100)), "RPN_ANCHOR_RATIOS"),
    (COUNT, "RPN_ANCHOR_STRIDE RPN_TRAIN_ANCHORS_PER_IMAGE"),
    (SHARE, "RPN_NMS_THRESHOLD RPN_POSITIVE_RATIO RPN_POSITIVE_IOU RPN_NEGATIVE_IOU CROWD_OVERLAP"),
    (COUNT, "PRE_NMS_LIMIT PRE_NMS_PER_LEVEL_TRAINING PRE_NMS_PER_LEVEL_INFERENCE"),
    (COUNT, "POST_NMS_ROIS_TRAINING POST_NMS_ROIS_INFERENCE"),
    (DEVIATIONS, "RPN_BBOX_STD_DEV BBOX_STD_DEV"),
    # Regions, masks and detections
    (SWITCH, "USE_MINI_MASK ROI_ALIGNED USE_RPN_ROIS SOFT_MASK_TARGETS MASK_SCORES"),
    (SIDES, "MINI_MASK_SHAPE MASK_SHAPE"),
    (COUNT, "MAX_GT_INSTANCES TRAIN_ROIS_PER_IMAGE POOL_SIZE MASK_POOL_SIZE ROI_SAMPLING_RATIO"),
    (SHARE, "ROI_POSITIVE_RATIO ROI_POSITIVE_IOU"),
    (OrNone(Numbers(Number(0.01, 0.99)), [0.6]), "CASCADE_IOUS"),
    (COUNT, "DETECTION_MAX_INSTANCES"),
    (SHARE, "DETECTION_MIN_CONFIDENCE DETECTION_NMS_THRESHOLD"),
    (Number(0, 0.9), "LABEL_SMOOTHING"),
    (Choice(("smooth_l1", "l1", "giou")), "BBOX_LOSS"),
    (Choice(("softmax", "class-balanced", "seesaw")), "CLASS_LOSS"),
    (OrNone(Numbers(Number(0)), [0, 120, 40]), "CLASS_COUNTS"),
    # Attributes
    (OrNone(Texts(), ["striped", "long"]), "ATTRIBUTES"),
    (OrNone(Lists(NATURAL), [[], [0, 1], [1]]), "ATTRIBUTE_PAIRS"),
    (SHARE, "ATTRIBUTE_MIN_CONFIDENCE"),
    (SWITCH, "ATTRIBUTES_PARTIAL"),
    # Networks of pixels
    (SumOf(PIXEL_LOSS_KINDS), "PIXEL_LOSS"),
    (OrNone(Either(Numbers(Number(0)), Choice(("pixels",))), [0.5, 1, 2]), "PIXEL_CLASS_WEIGHTS"),
    (Number(0), "BACKGROUND_WEIGHT FOCAL_GAMMA"),
    (Number(0.001, 1), "HARD_PIXELS"),
    (Choice((8, 16, 32)), "OUTPUT_STRIDE"),
    (Numbers(COUNT, 3), "ATROUS_RATES"),
    (COUNT, "ASPP_CHANNELS UNET_CHANNELS"),
    (Number(0, 0.95), "HEAD_DROPOUT"),
    (SWITCH, "AUXILIARY_HEAD"),
    (Choice(("backbone", "plain")), "UNET_ENCODER"),
    (Choice(("bilinear", "transposed")), "UNET_UPSAMPLING"),
    # YOLACT
    (COUNT, "YOLACT_PROTOTYPES YOLACT_HARD_NEGATIVES YOLACT_TRAIN_MASKS YOLACT_NMS_CANDIDATES"),
    (OrNone(Numbers(Number(1), 5), [24, 48, 96, 192, 384]), "YOLACT_ANCHOR_SCALES"),
    (Numbers(Number(0.01, 100)), "YOLACT_ANCHOR_RATIOS"),
    (SHARE, "YOLACT_POSITIVE_IOU YOLACT_NEGATIVE_IOU"),
    (Choice(("fast", "greedy")), "YOLACT_NMS"),
    (Choice(("group", "none")), "YOLACT_HEAD_NORM"),
)
RULES = {name: rule for rule, names in _ROWS for name in names.split()}


def checked(name: str, value: object, default: object, rule: object = None) -> object:
    """The value of a setting in Python's own type, e.g. 100 for 100.0 where a whole number is due.

    Args:
        name: of the setting, one of RULES.
        value: to be checked.
        default: shown as the example.
        rule: in place of that of the table.

    Raises:
        ConfigError: with name, value, what the setting takes and an example.
    """
    rule = rule or RULES[name]
    try:
        return rule.read(value)
    except Unfit as error:
        raise ConfigError(f"{name}={in_short(value)}: {error}") from error
    except (ValueError, TypeError, RecursionError):
        pass
    example = default if default is not None else getattr(rule, "example", None)
    shown = "" if example is None or isinstance(rule, (Switch, Choice, Weights)) else f", e.g. {in_short(example)}"
    if isinstance(rule, Choice):
        raise ConfigError(f"{name}={in_short(value)} is none of {', '.join(map(str, rule.choices))}.")
    raise ConfigError(f"{name}={in_short(value)}: give {rule.wanted}{shown}.")


def in_short(value: object) -> str:
    """A value on one line, cut to a readable length."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 60
    text = " ".join(short.repr(value.tolist() if isinstance(value, np.ndarray) else value).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def check_batch(values: Mapping[str, object], devices: int, origin: str = "") -> None:
    """Raise ConfigError for BATCH_SIZE and IMAGES_PER_GPU side by side that are two batch sizes.

    Args:
        values: settings by name; what a setting cannot take is left to `checked`.
        devices: GPU_COUNT where they have none.
        origin: what the message begins with, such as the name of a file.
    """
    names = ("BATCH_SIZE", "IMAGES_PER_GPU", "GPU_COUNT")
    if not all(name in values for name in names[:2]):
        return
    try:
        batch, single, devices = (COUNT.read(values.get(name, devices)) for name in names)
    except (ValueError, TypeError, RecursionError):
        return
    if batch != single * devices:
        raise ConfigError(f"{origin}BATCH_SIZE={batch} beside IMAGES_PER_GPU={single} with GPU_COUNT={devices}: these "
                          "are two batch sizes: leave one of them out.")


# --- Names -----------------------------------------------------------------------------------------------------------
def misspelt(name: str, known: Iterable[str]) -> str | None:
    """The setting whose name is so near that `name` must be a slip of the pen, else None.

    Near is what shares nine tenths of its letters, or has the same length and one letter wrong or two swapped. A word
    or number more makes a name of one's own: NUM_CLASSES_OLD, NAME2.
    """
    for other in difflib.get_close_matches(name, [one for one in known if len(one) > 5], 3, cutoff=0.8):
        longer = set(name.split("_")) > set(other.split("_"))
        if longer or _letters(name) == _letters(other) and name != other:
            continue
        if difflib.SequenceMatcher(None, name, other).ratio() >= 0.9 or _one_slip(name, other):
            return other
    return None


def _letters(name):
    return "".join(letter for letter in name if not letter.isdigit()).rstrip("_")


def _one_slip(name, other):
    """Whether two names of one length differ by one letter in a word of four or more, or by two that are swapped."""
    if len(name) != len(other):
        return False
    apart = [index for index, pair in enumerate(zip(name, other)) if pair[0] != pair[1]]
    if len(apart) == 2:
        first, second = apart
        return second == first + 1 and (name[first], name[second]) == (other[second], other[first])
    word = other[: apart[0]].rpartition("_")[2] + other[apart[0]:].partition("_")[0]
    return len(apart) == 1 and len(word) > 3


# --- Which settings fit together -------------------------------------------------------------------------------------
def check_images(config: object) -> None:
    """Raise ConfigError for settings of photos and training, those of any network, that do not fit together."""
    if config.IMAGE_RESIZE_MODE in FIXED_CANVAS_MODES:
        name = "IMAGE_MIN_DIM" if config.IMAGE_RESIZE_MODE == "crop" else "IMAGE_MAX_DIM"
        side = getattr(config, name) or 0
        if side % 64 or side <= 0:
            below, above = max(64, side // 64 * 64), (side // 64 + 1) * 64
            raise ConfigError(f"{name}={side} does not divide by 64 (six halvings): use {below} or {above}.")
    if config.NUM_CLASSES < 2:
        raise ConfigError("NUM_CLASSES counts background and so must be 2 or more: set it to 1 + your classes.")
    if len(config.MEAN_PIXEL) != config.IMAGE_CHANNEL_COUNT:
        count = config.IMAGE_CHANNEL_COUNT
        grey = ", as [117] of grey photos" if count == 1 else ""
        raise ConfigError(f"MEAN_PIXEL has {len(config.MEAN_PIXEL)} values for IMAGE_CHANNEL_COUNT={count} channels: "
                          f"set MEAN_PIXEL to the mean of each{grey}.")
    if list(config.LR_STEPS) != sorted(config.LR_STEPS):
        raise ConfigError(f"LR_STEPS={config.LR_STEPS!r}: give rising shares of the stage, e.g. (0.67, 0.89).")
    if config.ASPECT_BUCKETS and config.IMAGE_RESIZE_MODE in FIXED_CANVAS_MODES:
        raise ConfigError("ASPECT_BUCKETS saves nothing on square canvases: use IMAGE_RESIZE_MODE=rectangle or pad64.")


def check_losses(config: object, names: Sequence[str], optional: Sequence[str] = ()) -> None:
    """Raise ConfigError unless LOSS_WEIGHTS has a weight for each loss, those of `optional` aside, and no other."""
    missing = sorted(set(names) - set(config.LOSS_WEIGHTS) - set(optional))
    if missing:
        raise ConfigError(f"LOSS_WEIGHTS lacks {', '.join(missing)}: give each loss a weight.")
    unknown = sorted(set(config.LOSS_WEIGHTS) - set(names))
    if unknown:
        raise ConfigError(f"LOSS_WEIGHTS has {', '.join(unknown)}: the losses here are {', '.join(names)}.")


def check_pixels(config: object) -> None:
    """Raise ConfigError for settings of a network of pixels that do not fit together."""
    check_backbone(config)
    weights = config.PIXEL_CLASS_WEIGHTS
    if weights is not None and not isinstance(weights, str) and len(weights) != config.NUM_CLASSES:
        raise ConfigError(
            f"PIXEL_CLASS_WEIGHTS={in_short(weights)}: give NUM_CLASSES={config.NUM_CLASSES} numbers, the first that "
            'of background; or "pixels", or None.'
        )
    if weights is not None and not isinstance(weights, str) and not any(weights):
        raise ConfigError(f"PIXEL_CLASS_WEIGHTS={in_short(weights)}: no class counts: give one a weight above 0.")


def check_yolact(config: object) -> None:
    """Raise ConfigError for settings of YOLACT that do not fit together."""
    negative, positive = config.YOLACT_NEGATIVE_IOU, config.YOLACT_POSITIVE_IOU
    if negative > positive:
        raise ConfigError(
            f"YOLACT_NEGATIVE_IOU={negative} is above YOLACT_POSITIVE_IOU={positive}: an anchor between them would be "
            "object and background, so give it at most that value."
        )
    check_losses(config, YOLACT_LOSSES)
    check_backbone(config)


def check_mask_rcnn(config: object) -> None:
    """Raise ConfigError for settings of Mask R-CNN that do not fit together."""
    check_backbone(config)
    if list(config.BACKBONE_STRIDES) != [4, 8, 16, 32, 64]:
        raise ConfigError(f"BACKBONE_STRIDES={config.BACKBONE_STRIDES}: the pyramid has levels at 4, 8, 16, 32, 64.")
    if config.RPN_NEGATIVE_IOU > config.RPN_POSITIVE_IOU:
        raise ConfigError(
            f"RPN_NEGATIVE_IOU={config.RPN_NEGATIVE_IOU} is above RPN_POSITIVE_IOU={config.RPN_POSITIVE_IOU}: an "
            "anchor between them would be object and background, so give it at most that value."
        )
    if (config.HEAD_NORM or config.NORM) == "group" and config.MASK_CHANNELS % 16:
        raise ConfigError(f"MASK_CHANNELS={config.MASK_CHANNELS} does not divide by 16, the groups of NORM=group.")
    if not config.USE_RPN_ROIS:
        raise ConfigError("USE_RPN_ROIS=False is not supported: regions come from the network's own proposals.")
    unused = () if config.MASK_HEAD == "points" else ("mrcnn_point_loss",)
    unused += () if config.CASCADE_IOUS else ("mrcnn_cascade_class_loss", "mrcnn_cascade_bbox_loss")
    check_losses(config, LOSSES, unused + (() if config.ATTRIBUTES else ("mrcnn_attribute_loss",)))
    if config.CLASS_COUNTS is not None and len(config.CLASS_COUNTS) != config.NUM_CLASSES:
        raise ConfigError(
            f"CLASS_COUNTS={in_short(config.CLASS_COUNTS)}: give NUM_CLASSES={config.NUM_CLASSES} numbers of objects, "
            "the first that of background, or None, and train() counts."
        )
    _check_cascade(config)
    _check_attributes(config)
    _check_masks(config)
    _check_geometry(config)


def _check_cascade(config):
    """Raise ConfigError for CASCADE_IOUS that do not rise from head to head, or are of more heads than there are."""
    ious = [config.ROI_POSITIVE_IOU, *(config.CASCADE_IOUS or ())]
    if len(ious) > 3 or any(later <= earlier for earlier, later in zip(ious, ious[1:])):
        raise ConfigError(f"CASCADE_IOUS={in_short(config.CASCADE_IOUS)}: give one or two numbers, the first above "
                          f"ROI_POSITIVE_IOU={config.ROI_POSITIVE_IOU} and the second above the first, as [0.6, 0.7].")


def _check_attributes(config):
    """Raise ConfigError for ATTRIBUTE_PAIRS that are not of these classes and attributes."""
    pairs, names = config.ATTRIBUTE_PAIRS, config.ATTRIBUTES
    if pairs is None:
        return
    if not names:
        raise ConfigError("ATTRIBUTE_PAIRS says which of ATTRIBUTES a class can have, and ATTRIBUTES is None: set "
                          "both, as mrcnn.data.attributes.learned_attributes(dataset) gives them, or neither.")
    if len(pairs) != config.NUM_CLASSES:
        raise ConfigError(f"ATTRIBUTE_PAIRS has {len(pairs)} lists: give NUM_CLASSES={config.NUM_CLASSES} of them, the "
                          "first, empty, that of background.")
    far = [place for row in pairs for place in row if place >= len(names)]
    if far:
        raise ConfigError(f"ATTRIBUTE_PAIRS names place {far[0]}, but ATTRIBUTES has places 0 to {len(names) - 1}: "
                          "correct one of them.")


def _check_masks(config):
    """Raise ConfigError for a MASK_SHAPE that the mask head cannot reach, or that is finer than what it learns."""
    shape, pool = [int(side) for side in config.MASK_SHAPE], config.MASK_POOL_SIZE
    doublings = config.mask_enlargements()
    if shape != [pool * 2**doublings] * 2:
        choices = ", ".join(str([pool * times] * 2) for times in (1, 2, 4))
        raise ConfigError(
            f"MASK_SHAPE {shape} is not square or not MASK_POOL_SIZE={pool} doubled: with this pool size use one "
            f"of {choices}."
        )
    # At 28x28 coarser mini masks are no more than a waste, and checkpoints may have been trained so.
    if config.USE_MINI_MASK and shape[0] > 28 and min(config.MINI_MASK_SHAPE) < shape[0]:
        raise ConfigError(
            f"MINI_MASK_SHAPE {list(config.MINI_MASK_SHAPE)} is coarser than MASK_SHAPE {shape}, which is to be "
            f"learned from it: use {[2 * side for side in shape]}."
        )


def _check_geometry(config):
    """Refuse pieces that Matterport's geometry has its own way of, and tell of settings that a geometry passes over."""
    if config.GEOMETRY == "matterport":
        for name, (only, instead) in EXACT_ONLY.items():
            if not np.array_equal(getattr(config, name), only):
                raise ConfigError(f"{name}={in_short(getattr(config, name))} needs GEOMETRY=exact: Matterport's has "
                                  f"{instead} and would pass over it; leave it out, or set {name}={only!r}.")
    changed = {}  # {what stands in their place: names}
    for name, (default, instead) in PASSED_OVER[config.GEOMETRY].items():
        if not np.array_equal(getattr(config, name), default):
            changed.setdefault(instead, []).append(name)
    for instead, names in changed.items():
        given = ", ".join(f"{name}={in_short(getattr(config, name))}" for name in names)
        if not isinstance(instead, str):
            by = " and ".join(f"{name}={getattr(config, name)}" for name in instead)
            instead = f"limits proposals by {by}: set that in its place"
        warnings.warn(f"{given}: GEOMETRY={config.GEOMETRY} passes over it and {instead}.", stacklevel=2)
