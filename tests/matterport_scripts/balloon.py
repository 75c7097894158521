"""A script of the kind that users of Matterport's package wrote: balloons outlined in VIA, learned, and kept in colour.

It imports `mrcnn` as they do and uses nothing newer; `test_matterport_scripts.py` runs it as they would.

    python balloon.py train FOLDER --weights coco.h5
    python balloon.py splash party.png party.avi
"""

import argparse
import json
import os

import cv2
import keras.layers as KL
import numpy as np
import skimage.color
import skimage.draw
import skimage.io

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.config import Config

STRIDES = (4, 8, 16, 32, 64)
LOGS = os.path.join(os.getcwd(), "logs")
OF_OTHER_CLASSES = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]


def small_backbone(input_image, stage5=True, train_bn=None):
    """Five maps C1 to C5, each of half the size of the one before."""
    maps, x = [], input_image
    for number, filters in enumerate((16, 24, 32, 48, 64), start=1):
        x = KL.Conv2D(filters, (3, 3), strides=(2, 2), padding="same", name="conv%d" % number)(x)
        x = modellib.BatchNorm(name="bn_conv%d" % number)(x, training=train_bn)
        x = KL.Activation("relu")(x)
        maps.append(x)
    return maps


class BalloonConfig(Config):
    NAME = "balloon"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 1
    STEPS_PER_EPOCH = 2
    VALIDATION_STEPS = 1
    DETECTION_MIN_CONFIDENCE = 0

    # A network as small as Matterport's own settings make it.
    BACKBONE = staticmethod(small_backbone)
    COMPUTE_BACKBONE_SHAPE = staticmethod(lambda shape: np.array([[shape[0] // s, shape[1] // s] for s in STRIDES]))
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 64
    RPN_ANCHOR_SCALES = (8, 16, 24, 32, 64)
    TOP_DOWN_PYRAMID_SIZE = 32
    FPN_CLASSIF_FC_LAYERS_SIZE = 64
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    POST_NMS_ROIS_TRAINING = 50
    POST_NMS_ROIS_INFERENCE = 20
    TRAIN_ROIS_PER_IMAGE = 16
    DETECTION_MAX_INSTANCES = 5
    MAX_GT_INSTANCES = 8


class BalloonDataset(utils.Dataset):
    def load_via(self, folder):
        self.add_class("balloon", 1, "balloon")
        with open(os.path.join(folder, "via_region_data.json")) as file:
            photos = json.load(file)
        for photo in photos.values():
            regions = photo["regions"]
            if isinstance(regions, dict):  # VIA 1
                regions = list(regions.values())
            if not regions:
                continue
            path = os.path.join(folder, photo["filename"])
            height, width = skimage.io.imread(path).shape[:2]
            outlines = [region["shape_attributes"] for region in regions]
            self.add_image("balloon", photo["filename"], path, width=width, height=height, outlines=outlines)

    def load_mask(self, image_id):
        photo = self.image_info[image_id]
        if photo["source"] != "balloon":
            return super(BalloonDataset, self).load_mask(image_id)
        masks = np.zeros([photo["height"], photo["width"], len(photo["outlines"])], dtype=np.uint8)
        for number, outline in enumerate(photo["outlines"]):
            inside = skimage.draw.polygon(outline["all_points_y"], outline["all_points_x"])
            masks[inside[0], inside[1], number] = 1
        return masks.astype(bool), np.ones([masks.shape[-1]], dtype=np.int32)

    def image_reference(self, image_id):
        return self.image_info[image_id]["path"]


def train(folder, weights):
    config = BalloonConfig()
    config.display()
    model = modellib.MaskRCNN(mode="training", config=config, model_dir=LOGS)
    model.load_weights(weights, by_name=True, exclude=OF_OTHER_CLASSES)
    parts = {}
    for part in ("train", "val"):
        parts[part] = BalloonDataset()
        parts[part].load_via(os.path.join(folder, part))
        parts[part].prepare()
    print("photos", parts["train"].num_images, parts["train"].class_names, parts["train"].image_reference(0))
    model.train(parts["train"], parts["val"], learning_rate=config.LEARNING_RATE, epochs=1, layers="heads")


def in_colour(photo, masks):
    """The photo in grey but for what the masks cover."""
    grey = (skimage.color.gray2rgb(skimage.color.rgb2gray(photo)) * 255).astype(np.uint8)
    if not masks.shape[-1]:
        return grey
    return np.where(np.any(masks, axis=-1, keepdims=True), photo, grey)


def splash(paths):
    class InferenceConfig(BalloonConfig):
        GPU_COUNT = 1
        IMAGES_PER_GPU = 1

    model = modellib.MaskRCNN(mode="inference", config=InferenceConfig(), model_dir=LOGS)
    model.load_weights(model.find_last(), by_name=True)
    for path in paths:
        if path.endswith(".avi"):
            splash_video(model, path)
        else:
            photo = skimage.io.imread(path)
            result = model.detect([photo], verbose=1)[0]
            skimage.io.imsave("splash.png", in_colour(photo, result["masks"]))


def splash_video(model, path):
    reader = cv2.VideoCapture(path)
    size = int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT))
    code = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter("splash.avi", code, reader.get(cv2.CAP_PROP_FPS), size)
    while True:
        more, frame = reader.read()
        if not more:
            break
        frame = frame[..., ::-1]  # as RGB
        result = model.detect([frame], verbose=0)[0]
        writer.write(in_colour(frame, result["masks"])[..., ::-1])
    writer.release()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["train", "splash"])
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--weights")
    options = parser.parse_args()
    if options.command == "train":
        train(options.paths[0], options.weights)
    else:
        splash(options.paths)
