"""The networks of label maps, small enough for tests."""

import keras
import numpy as np

from mrcnn.architectures.pixels import DeepLabV3, DeepLabV3Plus, U2NetP, UNet

SHARED = dict(NAME="eight", NUM_CLASSES=4, NORM="group", IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64, IMAGES_PER_GPU=8,
              STEPS_PER_EPOCH=30, VALIDATION_STEPS=None, WORKERS=0, WARMUP_STEPS=5, OPTIMIZER="adamw",
              LR_SCHEDULE="cosine")
NETWORKS = {
    "deeplabv3": (DeepLabV3, dict(BACKBONE="small", ASPP_CHANNELS=32, OUTPUT_STRIDE=8, HEAD_DROPOUT=0.0,
                                  LR_SCHEDULE="constant")),
    "deeplabv3plus": (DeepLabV3Plus, dict(BACKBONE="small", ASPP_CHANNELS=32, HEAD_DROPOUT=0.0,
                                          PIXEL_LOSS="cross-entropy+jaccard")),
    "unet": (UNet, dict(BACKBONE="small", UNET_CHANNELS=8, PIXEL_LOSS="focal+dice")),
    "u2netp": (U2NetP, {}),
}


def pixel_network(name, folder, mode="training", **settings):
    """One of NETWORKS with random weights."""
    architecture, own = NETWORKS[name]
    return architecture(mode, architecture.settings(**{**SHARED, **own, **settings}), str(folder))


def make_sure(model, deviation=2.0):
    """Scale the last layer so that a network with random weights tells classes apart: logits on noise deviate so much.

    Without it all probabilities are about alike, and two networks that differ would agree.
    """
    layer = model.inference_model.get_layer("label_logits")
    logits = keras.Model(model.inference_model.input, model.inference_model.get_layer("probabilities").input)
    noise = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3)).astype("float32")
    spread = keras.ops.convert_to_numpy(logits({"image": noise}, training=False)).std()
    layer.kernel.assign(layer.kernel * (deviation / spread))
    return model
