"""The frame of a network that tells a class of each pixel: its inputs, its losses, and its two graphs.

What lies between image and logits is the network's own. Shapes: as in the package's glossary, and

    labels uint8 [B, H, W] class ids, 0 background, 255 ignored
"""

import dataclasses
from collections.abc import Callable, Sequence

import keras
from keras import layers

from mrcnn.config import FIXED_CANVAS_MODES, Settings
from mrcnn.network.graph_files import GraphWithFiles
from mrcnn.network.layout import Layout
from mrcnn.network.pixel_losses import PixelLoss, pixel_class_loss, weights_by_pixels
from mrcnn.network.precision import layers_compute_in
from mrcnn.network.training_model import NamedLosses
from mrcnn.ops import Tensor

LOSS_NAME = "pixel_class_loss"


class PixelTrainingModel(NamedLosses):
    """The training graph of such a network: {"image", "labels", "active_classes"} -> all logits and the last two.

    Args:
        inputs, outputs, loss_weights, name: of `NamedLosses`.
        logits: {name of a loss: names of the outputs whose losses it adds up}.
        pixel_loss: PixelLoss; what it says when compile() is called counts.
    """

    def __init__(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor], loss_weights: dict[str, float], name: str,
                 logits: dict[str, Sequence[str]], pixel_loss: PixelLoss):
        super().__init__(inputs, outputs, loss_weights, name)
        self.logits, self.pixel_loss = logits, pixel_loss

    def loss_values(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        labels, active = outputs["labels"], outputs["active_classes"]
        return {
            loss: sum(pixel_class_loss(outputs[name], labels, active, self.pixel_loss) for name in names)
            for loss, names in self.logits.items()
        }

    def take_pixel_counts(self, counts: Sequence[float], background: float) -> None:
        """Weigh classes by their pixels.

        Args:
            counts: [C].
            background: what the weight of class 0 is multiplied by. compile() has to follow.
        """
        weights = tuple(float(weight) for weight in weights_by_pixels(counts, background))
        self.pixel_loss = dataclasses.replace(self.pixel_loss, class_weights=weights)


@layers_compute_in("float32")
def build_pixel_network(config: Settings, logits_of: Callable, layout: Layout, name: str) -> tuple:
    """The network of a Config, with random weights.

    Args:
        config: Settings, or PixelSettings, which say what the loss is.
        logits_of: function of an image [B, H, W, 3], RGB less Config.MEAN_PIXEL, that makes the network's layers in
            Config.PRECISION and returns logits [B, H, W, NUM_CLASSES]; or {name of a loss: list of such logits}, where
            the first of LOSS_NAME are what the network tells and the others serve training alone.
        layout: Layout of these layers.
        name: of the network.

    Returns:
        (training model, inference model), which share every weight that the latter has. Inference model: {"image"} ->
        {"probabilities" float32 [B, H, W, C]}.
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
        made = logits_of(centred)
    made = made if isinstance(made, dict) else {LOSS_NAME: [made]}
    probabilities = layers.Softmax(name="probabilities")(made[LOSS_NAME][0])
    inference = GraphWithFiles({"image": image}, {"probabilities": probabilities}, name=f"{name}_inference")
    names = {loss: [f"{loss}_logits_{i}" for i in range(len(maps))] for loss, maps in made.items()}
    outputs = {one: logits for loss, maps in made.items() for one, logits in zip(names[loss], maps)}
    weights = {loss: config.LOSS_WEIGHTS.get(loss, 1.0) for loss in made}
    training = PixelTrainingModel({"image": image, **truth}, {**outputs, **truth}, weights, f"{name}_training", names,
                                  pixel_loss_of(config))
    training.layout = inference.layout = layout
    return training, inference


def pixel_loss_of(config: Settings) -> PixelLoss:
    """The PixelLoss that settings ask for; the plain one of settings that say nothing of it."""
    if not hasattr(config, "PIXEL_LOSS"):
        return PixelLoss()
    weights = config.PIXEL_CLASS_WEIGHTS
    if weights is None or isinstance(weights, str):  # by pixels, which are counted before training
        weights = [config.BACKGROUND_WEIGHT] + [1.0] * (config.NUM_CLASSES - 1)
    return PixelLoss(tuple(config.PIXEL_LOSS.split("+")), tuple(map(float, weights)), config.FOCAL_GAMMA,
                     config.HARD_PIXELS)
