"""The settings of a model and of its training: constants with the reason for their value."""

import difflib
import json

import numpy as np

from mrcnn.config_rules import FIXED_CANVAS_MODES, RESIZE_MODES, check_settings  # noqa: F401
from mrcnn.errors import ConfigError, DataError
from mrcnn.files import read_json, write_text


class Config:
    """Base settings. Subclass it, override what differs, and make an instance.

    Values may also be given as keyword arguments, where an unknown name raises ConfigError, or be assigned to
    the instance later. What follows from other values (`BATCH_SIZE`, `IMAGE_SHAPE`, `IMAGE_META_SIZE`) is computed
    each time it is read, so that it can never be stale.
    """

    # --- The run -------------------------------------------------------------------------------------------------
    NAME = None  # names the run's folder; every run needs one of its own
    GPU_COUNT = 1  # devices that train together, over all machines; see mrcnn/training/devices.py
    IMAGES_PER_GPU = 2  # a step; what 12 GB of GPU memory hold at 1024 pixels with ResNet101
    STEPS_PER_EPOCH = 1000  # None: an epoch is every training photo once
    VALIDATION_STEPS = 50  # None: every validation photo once
    SEED = 0  # of data order, augmentation, sampling and new weights
    WORKERS = 2  # threads that prepare batches; 0 prepares them in the training thread

    # --- The network ---------------------------------------------------------------------------------------------
    # "exact" is the geometry of the papers (half-pixel aligned RoIAlign, FPN equation 1 with floor, per-level NMS);
    # "matterport" is that of files trained by Matterport's Mask_RCNN, for them: see network/matterport_geometry.py.
    GEOMETRY = "exact"
    # Ours are resnet50, resnet101, resnet152, these with _v1_5 behind (for torchvision's weights), efficientnet_lite0
    # and small, by these very names; a name of keras.applications; or a callable.
    BACKBONE = "resnet101"
    COMPUTE_BACKBONE_SHAPE = None  # of Matterport's; not needed, since shapes are read off the maps
    BACKBONE_STRIDES = [4, 8, 16, 32, 64]  # of P2..P6 in pixels
    # "batch": batch normalisation, frozen or not by TRAIN_BN; "group": group normalisation (Wu and He 2018), which
    # needs no large batches and so is the one for training from random weights.
    NORM = "batch"
    HEAD_NORM = None  # that of the box and mask heads, "batch" or "group"; None: as NORM says
    # False freezes batch normalisation wholly: batches of two are too small for statistics. None or True trains it,
    # also that inside a keras.applications backbone; on JAX its statistics in the heads then include padding.
    TRAIN_BN = False
    TOP_DOWN_PYRAMID_SIZE = 256  # channels of every pyramid level (FPN section 3)
    FPN_CLASSIF_FC_LAYERS_SIZE = 1024  # width of the two dense layers of the box head
    # Of the shared 3x3 convolution of the region proposal network; None: 256 (FPN section 4.1), or Matterport's 512 in
    # its geometry.
    RPN_CHANNELS = None
    MASK_CHANNELS = 256  # of the four convolutions of the mask head (Mask R-CNN figure 4)
    # "conv": masks of MASK_SHAPE. "points": these are refined where they are unsure (Kirillov 2020, PointRend), which
    # gives masks of MASK_SHAPE doubled POINT_HEAD_SUBDIVISIONS times, and the loss mrcnn_point_loss.
    MASK_HEAD = "conv"
    POINT_HEAD_CHANNELS = 256  # of the three dense layers that predict a point (PointRend section 4)
    POINT_HEAD_SUBDIVISIONS = 2  # 28 -> 112; 3 gives the paper's 224, for objects that large in the photo
    POINT_HEAD_TRAINING_POINTS = 196  # of each positive region: 14 * 14 (PointRend section 4)
    POINT_HEAD_INFERENCE_POINTS = 784  # predicted anew after each doubling: 28 * 28 (PointRend section 4)
    NUM_CLASSES = 1  # with background as class 0

    # --- Region proposals ----------------------------------------------------------------------------------------
    RPN_ANCHOR_SCALES = (32, 64, 128, 256, 512)  # side of the square anchor in pixels, one per pyramid level
    RPN_ANCHOR_RATIOS = [0.5, 1, 2]  # width / height
    RPN_ANCHOR_STRIDE = 1  # 1: an anchor at every cell of the feature map
    RPN_NMS_THRESHOLD = 0.7
    RPN_TRAIN_ANCHORS_PER_IMAGE = 256  # Faster R-CNN section 3.1.3
    RPN_POSITIVE_RATIO = 0.5  # at most this share of the sampled anchors is positive
    RPN_POSITIVE_IOU = 0.7
    RPN_NEGATIVE_IOU = 0.3
    PRE_NMS_LIMIT = 6000  # of all levels together in Matterport's geometry; the exact one limits each, as follows
    PRE_NMS_PER_LEVEL_TRAINING = 2000
    PRE_NMS_PER_LEVEL_INFERENCE = 1000
    POST_NMS_ROIS_TRAINING = 2000
    POST_NMS_ROIS_INFERENCE = 1000

    # --- Images and masks ----------------------------------------------------------------------------------------
    IMAGE_RESIZE_MODE = "square"  # none | square | rectangle | pad64 | crop; see mrcnn/data/images.py
    IMAGE_MIN_DIM = 800
    IMAGE_MAX_DIM = 1024
    IMAGE_MIN_SCALE = 0  # crop mode: enlarge at least by this before the crop
    IMAGE_CHANNEL_COUNT = 3
    MEAN_PIXEL = np.array([123.7, 116.8, 103.9])  # RGB mean of ImageNet
    USE_MINI_MASK = True  # keep each true mask inside its box at MINI_MASK_SHAPE, a hundredth of the memory
    # Twice the mask head's output, for each region shows a part of a mask; (112, 112) with MASK_SHAPE = [56, 56] or
    # MASK_HEAD = "points", which learn no edge finer than this.
    MINI_MASK_SHAPE = (56, 56)
    MAX_GT_INSTANCES = 100
    SKIP_EMPTY_IMAGES = False  # photos without objects teach what is background

    # --- Regions and heads ---------------------------------------------------------------------------------------
    TRAIN_ROIS_PER_IMAGE = 200
    ROI_POSITIVE_RATIO = 0.33
    ROI_POSITIVE_IOU = 0.5
    CROWD_OVERLAP = 0.7  # an anchor or region is ignored when a crowd covers this share of it (Detectron)
    POOL_SIZE = 7
    MASK_POOL_SIZE = 14
    ROI_SAMPLING_RATIO = 2  # RoIAlign samples 2x2 points in each cell (Mask R-CNN section 3)
    ROI_ALIGNED = True  # False: crops lie half a cell further down and right, as torchvision's weights were learned
    MASK_SHAPE = [28, 28]  # MASK_POOL_SIZE doubled once (Mask R-CNN); [56, 56] doubles it twice, finer and costlier
    RPN_BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])  # box deltas are divided by these to have about unit variance
    BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])
    USE_RPN_ROIS = True  # regions from outside (False) are refused by this version

    # --- Detection -----------------------------------------------------------------------------------------------
    DETECTION_MAX_INSTANCES = 100
    DETECTION_MIN_CONFIDENCE = 0.7
    DETECTION_NMS_THRESHOLD = 0.3

    # detect() may look at each photo several times, mirrored and at other sizes: see mrcnn/inference/views.py.
    TEST_FLIP = False
    TEST_SCALES = (1.0,)

    LABEL_REFINE = "none"  # chain of mrcnn/labeling/refine.py that label maps go through, e.g. "merged-superpixels"

    # --- Training ------------------------------------------------------------------------------------------------
    OPTIMIZER = "sgd"  # or "adamw", which learns more in the first few thousand steps from random weights
    LEARNING_RATE = 0.001
    LEARNING_MOMENTUM = 0.9
    # Within a stage. "step": a tenth after each of LR_STEPS; "cosine": down to nothing at its end (Loshchilov 2017).
    LR_SCHEDULE = "constant"
    LR_STEPS = (0.67, 0.89)  # shares of the stage, as in the schedules of Detectron
    LR_REFERENCE_BATCH = None  # rates are for so many photos; scaled to BATCH_SIZE * ACCUMULATE_STEPS (Goyal 2017, 2.1)
    WARMUP_STEPS = 500  # the rate climbs linearly from a thousandth of itself (Goyal 2017); at most one epoch long
    WEIGHT_DECAY = 0.0001  # of kernels only, never of biases and norms
    GRADIENT_CLIP_NORM = 5.0  # of all gradients taken together
    LAYER_DECAY = 1.0  # below 1 each stage of the backbone learns slower than the next by this factor (BEiT, Bao 2022)
    # Statistics of batch normalisation that is trained (TRAIN_BN) stay those of the weights themselves.
    EMA_DECAY = 0.0  # above 0, e.g. 0.998: checkpoints hold the running mean of the weights (Polyak and Juditsky 1992)
    ACCUMULATE_STEPS = 1  # gradients of so many steps are averaged into one change of the weights
    PRECISION = "float32"  # or "mixed_float16", "mixed_bfloat16" (Micikevicius 2018); weights stay float32
    GRADIENT_CHECKPOINTING = False  # compute the backbone's activations twice rather than keep them (Chen 2016)
    LABEL_SMOOTHING = 0.0  # of the box head, over the classes that a photo's source labels (Szegedy 2016, section 7)
    BBOX_LOSS = "smooth_l1"  # of the box head; "l1", or "giou" on the decoded boxes, ten times (Rezatofighi 2019)
    # "class-balanced": weights by effective numbers (Cui 2019); "seesaw": rare classes are spared (Wang 2021).
    CLASS_LOSS = "softmax"
    CLASS_COUNTS = None  # objects of each class, background's (not read) first, for CLASS_LOSS; None: train() counts
    # Above 0, e.g. 0.001: photos of classes that a smaller share of photos shows come more often (Gupta 2019, LVIS). A
    # pass over the data, which is the epoch of STEPS_PER_EPOCH = None, is longer then.
    REPEAT_THRESHOLD = 0.0
    ASPECT_BUCKETS = False  # batches of photos of like shape, which need less padding; not on square canvases
    SOFT_MASK_TARGETS = False  # teach the share of each mask cell that the object covers, instead of 0 or 1
    LOSS_WEIGHTS = {
        "rpn_class_loss": 1.0,
        "rpn_bbox_loss": 1.0,
        "mrcnn_class_loss": 1.0,
        "mrcnn_bbox_loss": 1.0,
        "mrcnn_mask_loss": 1.0,
        "mrcnn_point_loss": 1.0,  # of MASK_HEAD = "points" alone
    }

    def __init__(self, **overrides):
        self.set(**overrides)

    def set(self, **overrides):
        """Assign settings by name.

        Raises ConfigError for a name that this class does not have.
        """
        # BATCH_SIZE is shared out among GPU_COUNT devices, whichever of the two is given first.
        for name, value in sorted(overrides.items(), key=lambda item: item[0] != "GPU_COUNT"):
            if name not in self.names() and name not in ("BATCH_SIZE",):
                close = difflib.get_close_matches(name.upper(), self.names(), 1)
                hint = f"did you mean {close[0]}?" if close else "mrcnn/config.py lists the names."
                raise ConfigError(f"Unknown setting {name!r}: {hint}")
            setattr(self, name, value)
        return self

    # --- Values that follow from others --------------------------------------------------------------------------
    @property
    def BATCH_SIZE(self):
        """Images a training step takes, over all devices."""
        return self.IMAGES_PER_GPU * self.GPU_COUNT

    @BATCH_SIZE.setter
    def BATCH_SIZE(self, value):
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"BATCH_SIZE={value!r}: give a whole number of images, 1 or more.")
        if value % self.GPU_COUNT:
            raise ConfigError(f"BATCH_SIZE {value} does not divide among GPU_COUNT={self.GPU_COUNT} devices.")
        self.IMAGES_PER_GPU = value // self.GPU_COUNT

    @property
    def IMAGE_SHAPE(self):
        """int [3]: height, width and channels of the network's input in the modes of fixed size."""
        side = self.IMAGE_MIN_DIM if self.IMAGE_RESIZE_MODE == "crop" else self.IMAGE_MAX_DIM
        return np.array([side, side, self.IMAGE_CHANNEL_COUNT])

    @property
    def IMAGE_META_SIZE(self):
        """Length of Matterport's image meta vector: id, two shapes, window, scale, active classes."""
        return 1 + 3 + 3 + 4 + 1 + self.NUM_CLASSES

    # --- Reading, writing, showing -------------------------------------------------------------------------------
    def names(self):
        """Sorted names of all settings, those of subclasses and of the instance included."""
        derived = {n for c in type(self).__mro__ for n, v in vars(c).items() if isinstance(v, property)}
        return sorted(
            n for n in dir(self) if not n.startswith("_") and n.isupper() and n not in derived
        )

    def to_dict(self):
        """Settings as a dict that JSON can hold: arrays become lists, a callable its name."""
        return {name: _plain(getattr(self, name)) for name in self.names()}

    def display(self):
        """Print every setting and derived value."""
        print("\nConfigurations:")
        values = {name: getattr(self, name) for name in self.names()}
        values.update({name: getattr(self, name) for name in ("BATCH_SIZE", "IMAGE_SHAPE", "IMAGE_META_SIZE")})
        for name in sorted(values):
            print(f"{name:30} {values[name]}")
        print()

    def save(self, path):
        """Write the settings to a JSON file, whole or not at all. Raises DataError if that fails."""
        write_text(path, json.dumps(self.to_dict(), indent=1) + "\n")  # write_json would make null of an infinite value

    @classmethod
    def load(cls, path, **overrides):
        """Settings from a JSON file that `save` wrote.

        Raises ConfigError if the file is no such JSON, or an override is unknown.
        """
        try:
            values = read_json(path, "file of settings")
        except DataError as error:
            raise ConfigError(str(error)) from error
        return cls.from_dict(values, **overrides)

    @classmethod
    def from_dict(cls, values, **overrides):
        """Settings from `to_dict`; names of the writer's own subclass are kept."""
        if not isinstance(values, dict):
            raise ConfigError(f"Settings must be a JSON object of names and values, not {type(values).__name__}.")
        config = cls()
        for name, value in values.items():
            current = getattr(cls, name, None)
            if isinstance(current, np.ndarray):
                value = np.array(value)
            elif isinstance(current, tuple) and isinstance(value, list):
                value = tuple(value)
            elif name == "LOSS_WEIGHTS" and isinstance(value, dict):
                value = {**Config.LOSS_WEIGHTS, **value}  # files from before a loss existed lack its weight
            setattr(config, name, value)
        return config.set(**overrides)

    def check(self):
        """Raise ConfigError at the first setting that no network can be built from."""
        check_settings(self)

    def rpn_channels(self):
        """RPN_CHANNELS, or what None stands for."""
        return self.RPN_CHANNELS or (512 if self.GEOMETRY == "matterport" else 256)

    def mask_enlargements(self):
        """How often the mask head doubles its crop of MASK_POOL_SIZE to reach MASK_SHAPE."""
        return max(0, (int(self.MASK_SHAPE[0]) // self.MASK_POOL_SIZE).bit_length() - 1)


def _plain(value):
    """`value` in types that JSON has."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    return value
