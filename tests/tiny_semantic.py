"""A network of label maps small enough for a test: three convolutions, and a class for each pixel."""

from keras import layers

from mrcnn.architectures.semantic import SemanticSegmenter
from mrcnn.config import Settings
from mrcnn.network.layout import Layout
from mrcnn.network.pixel_network import build_pixel_network

LAYOUT = Layout(heads=r"label_.*", class_layers=("label_logits",), parts={"label head": ("label_",)})


class TinySettings(Settings, network="TinySemantic"):
    NAME = "tiny"
    NUM_CLASSES = 4
    BACKBONE = "small"  # which it does not look at
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    IMAGES_PER_GPU = 4
    STEPS_PER_EPOCH = VALIDATION_STEPS = None
    WORKERS = WARMUP_STEPS = 0
    OPTIMIZER = "adamw"


class TinySemantic(SemanticSegmenter):
    """Told apart by colour and edge: what Squares of tests/tiny.py needs."""

    settings = TinySettings

    def build_networks(self, config):
        def logits_of(image):
            x = layers.Conv2D(8, 3, 2, "same", activation="relu", name="conv1")(image)
            x = layers.Conv2D(16, 3, 1, "same", activation="relu", name="res2a")(x)
            x = layers.Conv2DTranspose(16, 2, 2, name="label_enlarged")(x)  # of canvases of any size
            x = layers.Concatenate()([x, layers.Rescaling(1 / 64)(image)])
            return layers.Conv2D(config.NUM_CLASSES, 3, 1, "same", name="label_logits")(x)

        return build_pixel_network(config, logits_of, LAYOUT, "tiny_semantic")
