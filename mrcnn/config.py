"""The settings of a network and of its training: constants with the reason for their value.

`mrcnn.config_rules` says what each takes, `mrcnn.config_base` what the objects do.
"""

import numpy as np

from mrcnn.config_base import BaseSettings
from mrcnn.config_rules import (  # noqa: F401  the modes are known here too
    FIXED_CANVAS_MODES,
    RESIZE_MODES,
    RULES,
    check_images,
    check_mask_rcnn,
    checked,
    in_short,
)
from mrcnn.errors import ConfigError

ANCHOR_OFFSETS = {"exact": 0.5, "matterport": 0.0}  # where in its cell an anchor's centre lies, by GEOMETRY


class Settings(BaseSettings, network="all networks"):
    """What every network here has: the run, the photos, the training. A network's own settings subclass it.

    What follows from other values (`BATCH_SIZE`, `IMAGE_SHAPE`, `IMAGE_META_SIZE`) is computed each time it is read, so
    that it can never be stale.
    """

    # --- The run -----------------------------------------------------------------------------------------------------
    NAME = None  # names the run's folder; every run needs one of its own
    GPU_COUNT = 1  # devices that train together, over all machines; see mrcnn/training/devices.py
    IMAGES_PER_GPU = 2  # a step; what 12 GB of GPU memory hold at 1024 pixels with ResNet101
    STEPS_PER_EPOCH = 1000  # None: an epoch is every training photo once
    VALIDATION_STEPS = 50  # None: every validation photo once
    SEED = 0  # of data order, augmentation, sampling and new weights
    WORKERS = 2  # threads that prepare batches; 0 prepares them in the training thread

    # --- The network -------------------------------------------------------------------------------------------------
    NUM_CLASSES = 1  # with background as class 0
    # Ours are resnet50, resnet101, resnet152, these with _v1_5 behind (for torchvision's weights), efficientnet_lite0
    # to 2 and small, by these very names; a name of keras.applications; or a callable.
    BACKBONE = "resnet101"
    # "batch": batch normalisation, frozen or not by TRAIN_BN; "group": group normalisation (Wu and He 2018), which
    # needs no large batches and so is the one for training from random weights.
    NORM = "batch"
    # False freezes batch normalisation wholly: batches of two are too small for statistics. None or True trains it,
    # also that inside a keras.applications backbone; on JAX its statistics in the heads then include padding.
    TRAIN_BN = False

    # --- Images ------------------------------------------------------------------------------------------------------
    IMAGE_RESIZE_MODE = "square"  # none | square | rectangle | pad64 | crop; see mrcnn/data/images.py
    IMAGE_MIN_DIM = 800
    IMAGE_MAX_DIM = 1024
    IMAGE_MIN_SCALE = 0  # photos are enlarged at least by this, as far as the canvas goes; in every mode but none
    IMAGE_CHANNEL_COUNT = 3
    MEAN_PIXEL = np.array([123.7, 116.8, 103.9])  # RGB mean of ImageNet
    SKIP_EMPTY_IMAGES = False  # photos without objects teach what is background

    # --- Looking at photos -------------------------------------------------------------------------------------------
    # detect() may look at each photo several times, mirrored and at other sizes: see mrcnn/inference/views.py.
    TEST_FLIP = False
    TEST_SCALES = (1.0,)
    LABEL_REFINE = "none"  # chain of mrcnn/config_chains.py that label maps go through, e.g. "merged-superpixels"

    # --- Training ----------------------------------------------------------------------------------------------------
    OPTIMIZER = "sgd"  # or "adamw", which learns more in the first few thousand steps from random weights
    LEARNING_RATE = 0.001
    LEARNING_MOMENTUM = 0.9
    # Within a stage. "step": a tenth after each of LR_STEPS; "cosine": down to nothing at its end (Loshchilov 2017);
    # "plateau": LR_PLATEAU_FACTOR of it when val_loss has not fallen for LR_PLATEAU_PATIENCE epochs.
    LR_SCHEDULE = "constant"
    LR_STEPS = (0.67, 0.89)  # shares of the stage, as in the schedules of Detectron
    LR_PLATEAU_FACTOR = 0.1
    LR_PLATEAU_PATIENCE = 5
    LR_REFERENCE_BATCH = None  # rates are for so many photos; scaled to BATCH_SIZE * ACCUMULATE_STEPS (Goyal 2017, 2.1)
    WARMUP_STEPS = 500  # the rate climbs linearly from a thousandth of itself (Goyal 2017); at most one epoch long
    WEIGHT_DECAY = 0.0001  # of kernels only, never of biases and norms
    GRADIENT_CLIP_NORM = 5.0  # of all gradients taken together
    LAYER_DECAY = 1.0  # below 1 each stage of the backbone learns slower than the next by this factor (BEiT, Bao 2022)
    # Statistics of batch normalisation that is trained (TRAIN_BN) stay those of the weights themselves.
    EMA_DECAY = 0.0  # above 0, e.g. 0.998: checkpoints hold the running mean of the weights (Polyak and Juditsky 1992)
    ACCUMULATE_STEPS = 1  # gradients of so many steps are averaged into one change of the weights
    PRECISION = "float32"  # or "mixed_float16", "mixed_bfloat16" (Micikevicius 2018); weights stay float32
    # Above 0, e.g. 0.001: photos of classes that a smaller share of photos shows come more often (Gupta 2019, LVIS). A
    # pass over the data, which is the epoch of STEPS_PER_EPOCH = None, is longer then.
    REPEAT_THRESHOLD = 0.0
    ASPECT_BUCKETS = False  # batches of photos of like shape, which need less padding; not on square canvases
    LOSS_WEIGHTS = {}  # {name of a loss: its weight in the total}, of each network its own

    # --- Values that follow from others ------------------------------------------------------------------------------
    @property
    def BATCH_SIZE(self) -> int:
        """int: images that a training step takes, over all devices. Assigned, it sets IMAGES_PER_GPU."""
        return self.IMAGES_PER_GPU * self.GPU_COUNT

    @BATCH_SIZE.setter
    def BATCH_SIZE(self, value: int) -> None:
        value = checked("BATCH_SIZE", value, 2, RULES["IMAGES_PER_GPU"])
        if value % self.GPU_COUNT:
            raise ConfigError(f"BATCH_SIZE {value} does not divide among GPU_COUNT={self.GPU_COUNT} devices.")
        self.IMAGES_PER_GPU = value // self.GPU_COUNT

    @property
    def IMAGE_SHAPE(self) -> np.ndarray:
        """int [3]: (height, width, channels) of the canvas in the modes of fixed size, pixels."""
        side = self.IMAGE_MIN_DIM if self.IMAGE_RESIZE_MODE == "crop" else self.IMAGE_MAX_DIM
        return np.array([side, side, self.IMAGE_CHANNEL_COUNT])

    @property
    def IMAGE_META_SIZE(self) -> int:
        """int: length of Matterport's image meta vector, of id, two shapes, window, scale and active classes."""
        return 1 + 3 + 3 + 4 + 1 + self.NUM_CLASSES

    def check_together(self) -> None:
        super().check_together()
        check_images(self)


class Config(Settings, network="Mask R-CNN"):
    """Settings of Mask R-CNN. Subclass it, override what differs, and make an instance.

    The ten that you will change first:

    * `NAME`: of the run's folder;
    * `NUM_CLASSES`: 1 for the background and your classes;
    * `BACKBONE`: "resnet50" is half of the default's work;
    * `NORM`: "group" to train from random weights;
    * `IMAGE_MAX_DIM`: side of the canvas in pixels, a multiple of 64; half of it is a quarter of time and memory;
    * `IMAGE_MIN_DIM`: photos are enlarged until their shorter side has so many pixels, as far as the canvas goes;
    * `IMAGES_PER_GPU`: of a step; 1 where memory runs out;
    * `STEPS_PER_EPOCH`: None makes an epoch of every photo once;
    * `RPN_ANCHOR_SCALES`: sides of the objects sought, in pixels of the canvas; `mrcnn data summary` proposes them;
    * `DETECTION_MIN_CONFIDENCE`: what scores less is not shown.

    A value that a setting cannot take, and a name that is a slip of the pen, raise ConfigError where they are written:
    in the subclass, as keyword argument or by assignment. Any other new name in capitals is your own, and takes
    anything. A setting that a network was built from cannot be assigned another value, nor be changed in place (arrays
    can only be read); one of a `copy.copy` can.

    Args:
        overrides: values by name; BATCH_SIZE may be among them.

    Raises:
        ConfigError: for an unknown name, or a value that the setting cannot take.
    """

    # --- The network -------------------------------------------------------------------------------------------------
    # "exact" is the geometry of the papers (half-pixel aligned RoIAlign, FPN equation 1 with floor, per-level NMS);
    # "matterport" is that of files trained by Matterport's Mask_RCNN, for them: see network/matterport_geometry.py.
    GEOMETRY = "exact"
    COMPUTE_BACKBONE_SHAPE = None  # of Matterport's; not needed, since shapes are read off the maps
    BACKBONE_STRIDES = [4, 8, 16, 32, 64]  # of P2..P6 in pixels
    HEAD_NORM = None  # that of the box and mask heads, "batch" or "group"; None: as NORM says
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

    # --- Region proposals --------------------------------------------------------------------------------------------
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

    # --- True objects ------------------------------------------------------------------------------------------------
    USE_MINI_MASK = True  # keep each true mask inside its box at MINI_MASK_SHAPE, a hundredth of the memory
    # Twice the mask head's output, for each region shows a part of a mask; (112, 112) with MASK_SHAPE = [56, 56] or
    # MASK_HEAD = "points", which learn no edge finer than this.
    MINI_MASK_SHAPE = (56, 56)
    MAX_GT_INSTANCES = 100

    # --- Regions and heads -------------------------------------------------------------------------------------------
    TRAIN_ROIS_PER_IMAGE = 200
    ROI_POSITIVE_RATIO = 0.33
    ROI_POSITIVE_IOU = 0.5
    # None: one box head. [0.6]: a second one on the boxes that the first moved, which takes a region for an object from
    # that IoU on; [0.6, 0.7]: a third one too (Cascade R-CNN, Cai 2018). The scores are the mean of all.
    CASCADE_IOUS = None
    CROWD_OVERLAP = 0.7  # an anchor or region is ignored when a crowd covers this share of it (Detectron)
    POOL_SIZE = 7
    MASK_POOL_SIZE = 14
    ROI_SAMPLING_RATIO = 2  # RoIAlign samples 2x2 points in each cell (Mask R-CNN section 3)
    ROI_ALIGNED = True  # False: crops lie half a cell further down and right, as torchvision's weights were learned
    MASK_SHAPE = [28, 28]  # MASK_POOL_SIZE doubled once (Mask R-CNN); [56, 56] doubles it twice, finer and costlier
    RPN_BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])  # box deltas are divided by these to have about unit variance
    BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])
    USE_RPN_ROIS = True  # regions from outside (False) are refused by this version

    # --- Attributes --------------------------------------------------------------------------------------------------
    # `mrcnn.data.attributes.learned_attributes` takes both of the training data; None: the network has no such head.
    ATTRIBUTES = None  # names of what objects may be beside their class, such as ("striped", "long")
    # Of each class, background first, the places in ATTRIBUTES of those that its objects can have; None: all.
    ATTRIBUTE_PAIRS = None
    ATTRIBUTE_MIN_CONFIDENCE = 0.5  # what scores less is not named
    # False: an object without attributes teaches that it has none. True: nobody described it, and it teaches nothing.
    ATTRIBUTES_PARTIAL = False

    # --- Detection ---------------------------------------------------------------------------------------------------
    DETECTION_MAX_INSTANCES = 100
    DETECTION_MIN_CONFIDENCE = 0.7
    DETECTION_NMS_THRESHOLD = 0.3
    MASK_SCORES = False  # scores times the mean probability inside the mask, as SOLO (Wang 2020) has it

    # --- Training ----------------------------------------------------------------------------------------------------
    GRADIENT_CHECKPOINTING = False  # compute the backbone's activations twice rather than keep them (Chen 2016)
    LABEL_SMOOTHING = 0.0  # of the box head, over the classes that a photo's source labels (Szegedy 2016, section 7)
    BBOX_LOSS = "smooth_l1"  # of the box head; "l1", or "giou" on the decoded boxes, ten times (Rezatofighi 2019)
    # "class-balanced": weights by effective numbers (Cui 2019); "seesaw": rare classes are spared (Wang 2021).
    CLASS_LOSS = "softmax"
    CLASS_COUNTS = None  # objects of each class, background's (not read) first, for CLASS_LOSS; None: train() counts
    SOFT_MASK_TARGETS = False  # teach the share of each mask cell that the object covers, instead of 0 or 1
    LOSS_WEIGHTS = {
        "rpn_class_loss": 1.0,
        "rpn_bbox_loss": 1.0,
        "mrcnn_class_loss": 1.0,
        "mrcnn_bbox_loss": 1.0,
        "mrcnn_mask_loss": 1.0,
        "mrcnn_point_loss": 1.0,  # of MASK_HEAD = "points" alone
        "mrcnn_attribute_loss": 1.0,  # of ATTRIBUTES alone
        "mrcnn_cascade_class_loss": 0.5,  # of CASCADE_IOUS alone: of the second box head, and half of the third one
        "mrcnn_cascade_bbox_loss": 0.5,
    }

    def check_together(self) -> None:
        super().check_together()
        check_mask_rcnn(self)

    def rpn_channels(self) -> int:
        """Tell the channels of the proposal head.

        Returns:
            RPN_CHANNELS, or what None stands for.
        """
        return self.RPN_CHANNELS or (512 if self.GEOMETRY == "matterport" else 256)

    def mask_enlargements(self) -> int:
        """Tell how often the mask head doubles its crop of MASK_POOL_SIZE to reach MASK_SHAPE.

        Returns:
            The number of doublings.
        """
        return max(0, (int(self.MASK_SHAPE[0]) // self.MASK_POOL_SIZE).bit_length() - 1)


def check_instance(config: object, wanted: type) -> None:
    """Check that what a network is to be built from is an instance of settings.

    Args:
        config: what was given for it.
        wanted: class of the network's settings.

    Raises:
        ConfigError: it is a class, or something else.
    """
    if isinstance(config, BaseSettings):
        return
    if isinstance(config, type):
        raise ConfigError(f"{config.__name__} was given for its instance: give {config.__name__}().")
    raise ConfigError(f"{in_short(config)} was given for settings: give an instance of {wanted.__module__}."
                      f"{wanted.__name__}, or of a subclass.")
