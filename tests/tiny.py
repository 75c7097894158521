"""A network small enough to build in a test, a batch for it, and pictures it can learn."""

import numpy as np

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset


class TinyConfig(Config):
    NAME = "tiny"
    NUM_CLASSES = 4
    BACKBONE = "small"
    NORM = "group"
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    IMAGES_PER_GPU = 2
    STEPS_PER_EPOCH = None
    VALIDATION_STEPS = None
    WORKERS = 0
    TOP_DOWN_PYRAMID_SIZE = RPN_CHANNELS = MASK_CHANNELS = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 32
    RPN_ANCHOR_SCALES = (8, 16, 24, 32, 64)
    PRE_NMS_PER_LEVEL_TRAINING = PRE_NMS_PER_LEVEL_INFERENCE = 60
    POST_NMS_ROIS_TRAINING = POST_NMS_ROIS_INFERENCE = 60
    TRAIN_ROIS_PER_IMAGE = 24
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    MAX_GT_INSTANCES = 6
    DETECTION_MAX_INSTANCES = 10
    DETECTION_MIN_CONFIDENCE = 0.05
    WARMUP_STEPS = 0


def tiny_batch(images=2, seed=0, config=TinyConfig):
    """Random pictures with two objects each, as `Batches` delivers them."""
    rng = np.random.default_rng(seed)
    side, objects = config.IMAGE_MAX_DIM, config.MAX_GT_INSTANCES
    batch = {
        "image": rng.integers(0, 255, (images, side, side, 3)).astype("uint8"),
        "window": np.tile(np.array([[0, 0, side, side]], "float32"), (images, 1)),
        "gt_boxes": np.zeros((images, objects, 4), "float32"),
        "gt_class_ids": np.zeros((images, objects), "int32"),
        "gt_masks": np.zeros((images, objects, 56, 56), "uint8"),
        "gt_valid": np.zeros((images, objects), bool),
        "gt_crowd": np.zeros((images, objects), bool),
        "active_classes": np.ones((images, config.NUM_CLASSES), bool),
    }
    for row in range(2):
        corner = rng.uniform(0, side / 2, (images, 2))
        batch["gt_boxes"][:, row] = np.concatenate([corner, corner + rng.uniform(10, side / 2, (images, 2))], axis=1)
        batch["gt_class_ids"][:, row] = row + 1
        batch["gt_masks"][:, row] = 255
        batch["gt_valid"][:, row] = True
    return batch


class Squares(Dataset):
    """One bright square a picture, of one of three classes by its colour."""

    def load(self, count, seed=0, size=(64, 64)):
        for class_id, name in enumerate(("red", "green", "blue"), start=1):
            self.add_class("squares", class_id, name)
        for index in range(count):
            self.add_image("squares", index, f"square{index}.png", seed=[seed, index], size=size)
        self.prepare()
        return self

    def shape_of(self, image_id):
        info = self.image_info[image_id]
        rng = np.random.default_rng(info["seed"])
        y, x = rng.integers(0, 30, 2)
        return info["size"], y, x, rng.integers(15, 30), rng.integers(0, 3)

    def load_image(self, image_id):
        size, y, x, side, colour = self.shape_of(image_id)
        image = np.full(size + (3,), 90, np.uint8)
        image[y : y + side, x : x + side, colour] = 250
        return image

    def load_mask(self, image_id):
        size, y, x, side, colour = self.shape_of(image_id)
        mask = np.zeros(size + (1,), bool)
        mask[y : y + side, x : x + side] = True
        return mask, np.array([colour + 1], np.int32)
