"""Which settings fit together: the checks of a Config before a network is built from it."""

import numpy as np

from mrcnn.errors import ConfigError

RESIZE_MODES = ("none", "square", "rectangle", "pad64", "crop")
FIXED_CANVAS_MODES = ("square", "crop")  # all photos get a canvas of one shape
LOSSES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss",
          "mrcnn_point_loss")
CHOICES = {
    "GEOMETRY": ("exact", "matterport"),
    "NORM": ("batch", "group"),
    "HEAD_NORM": (None, "batch", "group"),
    "MASK_HEAD": ("conv", "points"),
    "ROI_ALIGNED": (True, False),
    "OPTIMIZER": ("sgd", "adamw"),
    "LR_SCHEDULE": ("constant", "step", "cosine"),
    "PRECISION": ("float32", "mixed_float16", "mixed_bfloat16"),
    "BBOX_LOSS": ("smooth_l1", "l1", "giou"),
    "CLASS_LOSS": ("softmax", "class-balanced", "seesaw"),
    "IMAGE_RESIZE_MODE": RESIZE_MODES,
}
POSITIVE = (
    "GPU_COUNT IMAGES_PER_GPU TOP_DOWN_PYRAMID_SIZE FPN_CLASSIF_FC_LAYERS_SIZE PRE_NMS_LIMIT MASK_CHANNELS "
    "NUM_CLASSES RPN_ANCHOR_STRIDE RPN_TRAIN_ANCHORS_PER_IMAGE PRE_NMS_PER_LEVEL_TRAINING PRE_NMS_PER_LEVEL_INFERENCE "
    "POST_NMS_ROIS_TRAINING POST_NMS_ROIS_INFERENCE IMAGE_CHANNEL_COUNT MAX_GT_INSTANCES TRAIN_ROIS_PER_IMAGE "
    "POOL_SIZE MASK_POOL_SIZE ROI_SAMPLING_RATIO DETECTION_MAX_INSTANCES POINT_HEAD_CHANNELS POINT_HEAD_SUBDIVISIONS "
    "POINT_HEAD_TRAINING_POINTS POINT_HEAD_INFERENCE_POINTS ACCUMULATE_STEPS"
).split()
POSITIVE_OR_NONE = ("RPN_CHANNELS", "STEPS_PER_EPOCH", "VALIDATION_STEPS", "LR_REFERENCE_BATCH")
NOT_NEGATIVE = ("SEED", "WORKERS", "WARMUP_STEPS")
LISTS = {  # name: how many numbers, None for any
    "RPN_ANCHOR_SCALES": None, "RPN_ANCHOR_RATIOS": None, "BACKBONE_STRIDES": None, "MEAN_PIXEL": None,
    "MINI_MASK_SHAPE": 2, "MASK_SHAPE": 2, "RPN_BBOX_STD_DEV": 4, "BBOX_STD_DEV": 4,
    "LR_STEPS": None, "TEST_SCALES": None,
}
RANGES = (  # name, least, most, example
    ("LABEL_SMOOTHING", 0.0, 0.9, 0.1),
    ("EMA_DECAY", 0.0, 0.99999, 0.998),
    ("LAYER_DECAY", 0.01, 1.0, 0.8),
    ("REPEAT_THRESHOLD", 0.0, 1.0, 0.001),
    ("LEARNING_MOMENTUM", 0.0, 0.9999, 0.9),
    ("WEIGHT_DECAY", 0.0, 1.0, 0.0001),
)
EXACT_ONLY = {  # the one value that Matterport's geometry takes
    "MASK_HEAD": "conv", "ROI_ALIGNED": True, "SOFT_MASK_TARGETS": False, "LABEL_SMOOTHING": 0.0,
    "BBOX_LOSS": "smooth_l1", "CLASS_LOSS": "softmax",
}


def check_settings(config):
    """Raise ConfigError at the first setting that no network can be built from."""
    _check_kinds(config)
    for name, allowed in CHOICES.items():
        if getattr(config, name) not in allowed:
            raise ConfigError(f"{name}={getattr(config, name)!r} is none of {', '.join(map(str, allowed))}.")
    if config.IMAGE_RESIZE_MODE in FIXED_CANVAS_MODES:
        name = "IMAGE_MIN_DIM" if config.IMAGE_RESIZE_MODE == "crop" else "IMAGE_MAX_DIM"
        side = int(config.IMAGE_SHAPE[0])
        if side % 64 or side <= 0:
            below, above = max(64, side // 64 * 64), (max(side, 0) // 64 + 1) * 64
            raise ConfigError(f"{name}={side} does not divide by 64 (six halvings): use {below} or {above}.")
    if config.NUM_CLASSES < 2:
        raise ConfigError("NUM_CLASSES counts background and so must be 2 or more: set it to 1 + your classes.")
    if list(config.BACKBONE_STRIDES) != [4, 8, 16, 32, 64]:
        raise ConfigError(f"BACKBONE_STRIDES={config.BACKBONE_STRIDES}: the pyramid has levels at 4, 8, 16, 32, 64.")
    if len(config.RPN_ANCHOR_SCALES) != 5:
        raise ConfigError(
            f"RPN_ANCHOR_SCALES has {len(config.RPN_ANCHOR_SCALES)} values: give 5, one for each pyramid level."
        )
    if min(config.RPN_ANCHOR_SCALES) <= 0 or min(config.RPN_ANCHOR_RATIOS) <= 0:
        raise ConfigError("RPN_ANCHOR_SCALES and RPN_ANCHOR_RATIOS are sides in pixels and width / height: above 0.")
    if len(config.MEAN_PIXEL) != config.IMAGE_CHANNEL_COUNT:
        count = config.IMAGE_CHANNEL_COUNT
        raise ConfigError(f"MEAN_PIXEL has {len(config.MEAN_PIXEL)} values for IMAGE_CHANNEL_COUNT={count} channels.")
    if (config.HEAD_NORM or config.NORM) == "group" and config.MASK_CHANNELS % 16:
        raise ConfigError(f"MASK_CHANNELS={config.MASK_CHANNELS} does not divide by 16, the groups of NORM=group.")
    if not config.USE_RPN_ROIS:
        raise ConfigError("USE_RPN_ROIS=False is not supported: regions come from the network's own proposals.")
    unused = set() if config.MASK_HEAD == "points" else {"mrcnn_point_loss"}
    if not isinstance(config.LOSS_WEIGHTS, dict):
        raise ConfigError(f"LOSS_WEIGHTS={config.LOSS_WEIGHTS!r}: give a dict with a weight for each loss.")
    missing = set(LOSSES) - set(config.LOSS_WEIGHTS) - unused
    if missing:
        raise ConfigError(f"LOSS_WEIGHTS lacks {', '.join(sorted(missing))}: give each loss a weight.")
    _check_masks(config)
    _check_recipe(config)
    _check_geometry(config)


def _check_kinds(config):
    """Raise ConfigError for a number or list that is none."""
    for name in (*POSITIVE, *POSITIVE_OR_NONE):
        value = getattr(config, name)
        if value is None and name in POSITIVE_OR_NONE:
            continue
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ConfigError(f"{name}={value!r}: give a whole number, 1 or more.")
    for name in NOT_NEGATIVE:
        value = getattr(config, name)
        if not isinstance(value, (int, np.integer)) or value < 0:
            raise ConfigError(f"{name}={value!r}: give a whole number, 0 or more.")
    for name, length in LISTS.items():
        value = getattr(config, name)
        numbers = isinstance(value, (list, tuple, np.ndarray))
        numbers = numbers and all(isinstance(v, (int, float, np.number)) for v in value)
        if not numbers or not len(value) or (length and len(value) != length):
            raise ConfigError(f"{name}={value!r}: give a list of {length or 'one or more'} numbers.")


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
    """Raise ConfigError for a piece that Matterport's geometry has its own way of, and would pass over."""
    if config.GEOMETRY != "matterport":
        return
    for name, only in EXACT_ONLY.items():
        if getattr(config, name) != only:
            raise ConfigError(
                f"{name}={getattr(config, name)!r} needs GEOMETRY=exact: Matterport's has losses and masks of its own."
            )


def _check_recipe(config):
    """Raise ConfigError for a number of the training recipe outside its range."""
    for name, low, high, example in RANGES:
        value = getattr(config, name)
        if not isinstance(value, (int, float, np.number)) or not low <= value <= high:
            raise ConfigError(f"{name}={value!r}: give a number from {low} to {high}, e.g. {example}.")
    steps = config.LR_STEPS
    if not all(0 < v < 1 for v in steps) or list(steps) != sorted(steps):
        raise ConfigError(f"LR_STEPS={steps!r}: give rising shares of the stage between 0 and 1, e.g. (0.67, 0.89).")
    if not all(v > 0 for v in config.TEST_SCALES):
        raise ConfigError(f"TEST_SCALES={config.TEST_SCALES!r}: give factors above 0, e.g. (0.8, 1.0, 1.25).")
    counts = config.CLASS_COUNTS
    right = isinstance(counts, (list, tuple, np.ndarray)) and len(counts) == config.NUM_CLASSES
    if counts is not None and not (right and all(isinstance(v, (int, float, np.number)) and v >= 0 for v in counts)):
        raise ConfigError(
            f"CLASS_COUNTS={counts!r}: give NUM_CLASSES={config.NUM_CLASSES} numbers of objects, the first that of "
            "background, or None, and train() counts."
        )
    if config.ASPECT_BUCKETS and config.IMAGE_RESIZE_MODE in FIXED_CANVAS_MODES:
        raise ConfigError("ASPECT_BUCKETS saves nothing on square canvases: use IMAGE_RESIZE_MODE=rectangle or pad64.")
