"""A YOLACT small enough to build in a test."""

from mrcnn.config_yolact import YolactSettings


class TinyYolact(YolactSettings):
    NAME = "tiny"
    NUM_CLASSES = 4
    BACKBONE = "small"
    NORM = "group"
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    IMAGES_PER_GPU = 4
    STEPS_PER_EPOCH = VALIDATION_STEPS = None
    WORKERS = WARMUP_STEPS = 0
    TOP_DOWN_PYRAMID_SIZE = 16
    YOLACT_PROTOTYPES = 8
    YOLACT_ANCHOR_SCALES = (16, 24, 32, 48, 64)
    YOLACT_TRAIN_MASKS = 30
    YOLACT_NMS_CANDIDATES = 40
    MINI_MASK_SHAPE = (56, 56)
    MAX_GT_INSTANCES = 6
    DETECTION_MAX_INSTANCES = 10
    DETECTION_MIN_CONFIDENCE = 0.05
