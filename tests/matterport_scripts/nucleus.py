"""A script of the kind that users of Matterport's package wrote: cells under a microscope, each mask a PNG of its own.

It imports `mrcnn` as they do and uses nothing newer; `test_matterport_scripts.py` runs it as they would. Trains heads,
then all layers, on random crops with an imgaug pipeline; then detects on whole photos and writes run lengths.

    python nucleus.py FOLDER
"""

import os
import sys

import keras
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import skimage.io  # noqa: E402

from mrcnn import model as modellib  # noqa: E402
from mrcnn import utils, visualize  # noqa: E402
from mrcnn.config import Config  # noqa: E402

LOGS = os.path.join(os.getcwd(), "logs")
RESULTS = os.path.join(os.getcwd(), "results")


def small_backbone(input_image, stage5=True, train_bn=None):
    """Five maps C1 to C5, each of half the size of the one before."""
    maps, x = [], input_image
    for stage, filters in enumerate((16, 24, 32, 48, 64), start=1):
        x = keras.layers.Conv2D(filters, 3, 2, "same", name=f"res{stage}_conv")(x)
        x = modellib.BatchNorm(name=f"bn{stage}")(x, training=train_bn)
        x = keras.layers.Activation("relu", name=f"res{stage}_out")(x)
        maps.append(x)
    return maps


class NucleusConfig(Config):
    NAME = "nucleus"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 1
    STEPS_PER_EPOCH = 2
    VALIDATION_STEPS = 1
    DETECTION_MIN_CONFIDENCE = 0
    BACKBONE = staticmethod(small_backbone)
    COMPUTE_BACKBONE_SHAPE = staticmethod(lambda shape: [[shape[0] // s, shape[1] // s] for s in (4, 8, 16, 32, 64)])
    IMAGE_RESIZE_MODE = "crop"
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 64
    IMAGE_MIN_SCALE = 1.25
    RPN_ANCHOR_SCALES = (8, 16, 24, 32, 64)
    RPN_NMS_THRESHOLD = 0.9
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    POST_NMS_ROIS_TRAINING = 50
    POST_NMS_ROIS_INFERENCE = 40
    MEAN_PIXEL = np.array([43.5, 39.5, 48.0])
    USE_MINI_MASK = True
    MINI_MASK_SHAPE = (28, 28)
    TRAIN_ROIS_PER_IMAGE = 16
    MAX_GT_INSTANCES = 20
    DETECTION_MAX_INSTANCES = 10
    TOP_DOWN_PYRAMID_SIZE = 32
    FPN_CLASSIF_FC_LAYERS_SIZE = 64


class NucleusInferenceConfig(NucleusConfig):
    IMAGES_PER_GPU = 1
    IMAGE_RESIZE_MODE = "pad64"
    RPN_NMS_THRESHOLD = 0.7


class NucleusDataset(utils.Dataset):
    def load_folders(self, root, names):
        self.add_class("nucleus", 1, "nucleus")
        for name in names:
            self.add_image("nucleus", image_id=name, path=os.path.join(root, name, "images", name + ".png"))

    def load_mask(self, image_id):
        folder = os.path.join(os.path.dirname(os.path.dirname(self.image_info[image_id]["path"])), "masks")
        planes = [skimage.io.imread(os.path.join(folder, name)) > 0 for name in sorted(os.listdir(folder))]
        masks = np.stack(planes, axis=-1)
        return masks, np.ones([masks.shape[-1]], dtype=np.int32)


def prepared(root, names):
    dataset = NucleusDataset()
    dataset.load_folders(root, names)
    dataset.prepare()
    return dataset


def train(folder):
    from imgaug import augmenters as iaa

    root = os.path.join(folder, "stage1_train")
    names = sorted(next(os.walk(root))[1])
    config = NucleusConfig()
    config.display()
    model = modellib.MaskRCNN(mode="training", config=config, model_dir=LOGS)
    pipeline = iaa.SomeOf((0, 2), [
        iaa.Fliplr(0.5),
        iaa.Flipud(0.5),
        iaa.OneOf([iaa.Affine(rotate=90), iaa.Affine(rotate=180), iaa.Affine(rotate=270)]),
        iaa.Multiply((0.8, 1.5)),
        iaa.GaussianBlur(sigma=(0.0, 5.0)),
    ])
    learning, checking = prepared(root, names[1:]), prepared(root, names[:1])
    rate = config.LEARNING_RATE
    model.train(learning, checking, learning_rate=rate, epochs=1, augmentation=pipeline, layers="heads")
    model.train(learning, checking, learning_rate=rate / 10, epochs=2, augmentation=pipeline, layers="all")
    history = model.keras_model.history.history
    print("losses", sorted(history), np.isfinite(history["val_loss"]).all())


def run_lengths(mask):
    """Run lengths of a mask by columns, counted from 1, as the competition wanted them."""
    padded = np.concatenate([[0], mask.T.flatten(), [0]])
    changes = np.where(padded[1:] != padded[:-1])[0] + 1
    return " ".join("%d %d" % (start, end - start) for start, end in zip(changes[::2], changes[1::2]))


def rows_of(name, masks, scores):
    """Rows of the table; of pixels that several masks cover, the best of them keeps what it has."""
    free = np.ones(masks.shape[:2], dtype=bool)
    rows = []
    for number in np.argsort(-scores):
        mask = masks[..., number] & free
        free &= ~mask
        if mask.any():
            rows.append(name + "," + run_lengths(mask))
    return rows or [name + ","]


def detect(folder):
    root = os.path.join(folder, "stage1_test")
    model = modellib.MaskRCNN(mode="inference", config=NucleusInferenceConfig(), model_dir=LOGS)
    model.load_weights(model.find_last(), by_name=True)
    os.makedirs(RESULTS)
    dataset = prepared(root, sorted(next(os.walk(root))[1]))
    table = ["ImageId,EncodedPixels"]
    for image_id in dataset.image_ids:
        image = dataset.load_image(image_id)
        r = model.detect([image], verbose=0)[0]
        name = dataset.image_info[image_id]["id"]
        table += rows_of(name, r["masks"], r["scores"])
        visualize.display_instances(
            image, r["rois"], r["masks"], r["class_ids"], dataset.class_names, r["scores"],
            show_bbox=False, show_mask=False, title="Predictions", figsize=(3, 3),
        )
        plt.savefig(os.path.join(RESULTS, name + ".png"))
        plt.close()
    with open(os.path.join(RESULTS, "submit.csv"), "w") as file:
        file.write("\n".join(table))


if __name__ == "__main__":
    train(sys.argv[1])
    detect(sys.argv[1])
