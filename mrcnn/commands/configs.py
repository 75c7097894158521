"""The classes of settings that the commands have of their own: of photos of clothes, and of drawn pictures.

They stand apart because numpy comes with them, which neither --help nor a usage error waits for.
"""

from mrcnn.config import Config


class Plan:
    """Settings that the commands know beside those of Config; a program's Config without them has these."""

    STAGES = "heads:20:1e-3,all:20:1e-4"  # --stages, in the settings so that a resumed run remembers them
    AUGMENT = "flip"  # --augment, of the stages that name none
    # Names of the classes to learn, in their order, others being left out; "NEW=OLD+OLD" is one of several, "*" all
    # that no other entry takes. None: all of the data.
    CLASSES = None
    RECIPE = None  # what --preset auto chose, a line a choice


class FashionConfig(Config):
    """Photos of clothes: the settings of `mrcnn`. Those of samples/fashion.py are the same, with their reasons."""

    NAME = "fashion"
    BACKBONE = "resnet50"
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 512
    STEPS_PER_EPOCH = None  # an epoch is every photo once
    VALIDATION_STEPS = None
    DETECTION_NMS_THRESHOLD = 0.5  # garments of one class overlap: two people side by side, a pair of shoes
    STAGES = Plan.STAGES
    AUGMENT = "imgaug"
    CLASSES = None
    RECIPE = None


class DrawnConfig(FashionConfig):
    """Drawn pictures: small enough to train from random weights within minutes on two CPU cores."""

    BACKBONE = "small"
    NORM = "group"  # trains from random weights
    IMAGES_PER_GPU = 4
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)  # shoes are 10 pixels wide, coats 80 high
    TOP_DOWN_PYRAMID_SIZE = 64
    RPN_CHANNELS = 64
    MASK_CHANNELS = 32  # the mask head is half of the work even so
    FPN_CLASSIF_FC_LAYERS_SIZE = 256
    TRAIN_ROIS_PER_IMAGE = 48
    ROI_POSITIVE_RATIO = 0.4
    MAX_GT_INSTANCES = 40
    PRE_NMS_PER_LEVEL_TRAINING = 500
    PRE_NMS_PER_LEVEL_INFERENCE = 300
    POST_NMS_ROIS_TRAINING = 300
    POST_NMS_ROIS_INFERENCE = 150
    WARMUP_STEPS = 50
    STAGES = "all:9:3e-2,all:3:5e-3,all:1:5e-4"
    AUGMENT = "flip"
