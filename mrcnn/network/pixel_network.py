"""The frame of a network that tells a class of each pixel: its inputs, its loss, and its two graphs.

What lies between image and logits is the network's own. Shapes: as in the package's glossary, and

    labels uint8 [B, H, W] class ids, 0 background, 255 ignored
"""

import keras
from keras import layers

from mrcnn.config import FIXED_CANVAS_MODES
from mrcnn.network import losses
from mrcnn.network.precision import layers_compute_in
from mrcnn.network.training_model import NamedLosses

LOSS_NAME = "pixel_class_loss"


class PixelTrainingModel(NamedLosses):
    """The training graph of such a network: {"image", "labels", "active_classes"} -> {"logits"} and the last two."""

    def loss_values(self, outputs):
        names = ("logits", "labels", "active_classes")
        return {LOSS_NAME: losses.pixel_class_loss(*(outputs[name] for name in names))}


@layers_compute_in("float32")
def build_pixel_network(config, logits_of, layout, name):
    """The network of a Config, with random weights.

    Args:
        config: Config.
        logits_of: function of an image [B, H, W, 3], RGB less Config.MEAN_PIXEL, that makes the network's layers in
            Config.PRECISION and returns logits [B, H, W, NUM_CLASSES].
        layout: Layout of these layers.
        name: of the network.

    Returns:
        (training model, inference model), which share every weight. Inference model: {"image"} -> {"probabilities"
        float32 [B, H, W, C]}.
    """
    height, width, channels = (int(side) for side in config.IMAGE_SHAPE)
    if config.IMAGE_RESIZE_MODE not in FIXED_CANVAS_MODES:
        height = width = None
    image = keras.Input((height, width, channels), name="image", dtype="float32")
    truth = {
        "labels": keras.Input((height, width), name="labels", dtype="uint8"),
        "active_classes": keras.Input((config.NUM_CLASSES,), name="active_classes", dtype="bool"),
    }
    centred = layers.Rescaling(1.0, offset=[-float(v) for v in config.MEAN_PIXEL], name="less_mean_pixel")(image)
    with layers_compute_in(config.PRECISION):
        logits = logits_of(centred)
    probabilities = layers.Softmax(name="probabilities")(logits)
    inference = keras.Model({"image": image}, {"probabilities": probabilities}, name=f"{name}_inference")
    weights = {LOSS_NAME: config.LOSS_WEIGHTS.get(LOSS_NAME, 1.0)}
    training = PixelTrainingModel({"image": image, **truth}, {"logits": logits, **truth}, weights, f"{name}_training")
    training.layout = inference.layout = layout
    return training, inference
