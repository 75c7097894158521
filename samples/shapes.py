"""A first network on toy pictures: squares, circles and triangles, drawn when they are asked for.

    python samples/shapes.py --epochs 2 --steps 20

Shows all that a program of one's own needs: a Config, a Dataset with `load_image` and `load_mask`, and a few calls.
"""

import argparse
import os
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)  # runs from a checkout without an installation too

from mrcnn.config import Config  # noqa: E402
from mrcnn.data.dataset import Dataset  # noqa: E402

SHAPES = ("square", "circle", "triangle")


class ShapesConfig(Config):
    """A network small enough to train on a laptop without a GPU."""

    NAME = "shapes"
    BACKBONE = "small"
    NORM = "group"  # trains from random weights
    NUM_CLASSES = 1 + len(SHAPES)
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)  # the shapes are 24 to 64 pixels wide
    TOP_DOWN_PYRAMID_SIZE = RPN_CHANNELS = MASK_CHANNELS = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 256
    TRAIN_ROIS_PER_IMAGE = 32
    STEPS_PER_EPOCH = 100
    VALIDATION_STEPS = 5
    LEARNING_RATE = 0.01


class ShapesDataset(Dataset):
    """Pictures of one to four coloured shapes on a plain ground; later shapes hide parts of earlier ones."""

    def load_shapes(self, count, height, width, seed=0):
        """Register pictures. A picture is a short list of shapes, so that none is held in memory.

        Args:
            count: number of pictures.
            height, width: of each, pixels.
            seed: the same seed gives the same pictures.
        """
        for class_id, name in enumerate(SHAPES, 1):
            self.add_class("shapes", class_id, name)
        for i in range(count):
            rng = np.random.default_rng([seed, i])
            shapes = [self.random_shape(rng, height, width) for _ in range(rng.integers(1, 5))]
            ground = rng.integers(0, 256, 3)
            self.add_image("shapes", i, path=None, height=height, width=width, ground=ground, shapes=shapes)

    @staticmethod
    def random_shape(rng, height, width):
        """(name, colour [3], (centre y, centre x, half side) in pixels) of one shape that lies inside the picture."""
        half = rng.uniform(0.1, 0.25) * min(height, width)
        centre_y, centre_x = rng.uniform(half, height - half), rng.uniform(half, width - half)
        return rng.choice(SHAPES), rng.integers(0, 256, 3), (centre_y, centre_x, half)

    def load_image(self, image_id):
        """uint8 [H, W, 3] RGB."""
        info = self.image_info[image_id]
        image = np.broadcast_to(info["ground"], (info["height"], info["width"], 3)).astype(np.uint8)
        for name, colour, place in info["shapes"]:
            image[shape_mask(name, place, info["height"], info["width"])] = colour
        return image

    def load_mask(self, image_id):
        """(bool [H, W, N] of what is seen of each shape, int32 [N] class ids)."""
        info = self.image_info[image_id]
        masks = [shape_mask(name, place, info["height"], info["width"]) for name, _, place in info["shapes"]]
        hidden = np.zeros_like(masks[0])
        for i in reversed(range(len(masks))):  # from front to back
            masks[i], hidden = masks[i] & ~hidden, hidden | masks[i]
        class_ids = [self.map_source_class_id(f"shapes.{1 + SHAPES.index(name)}") for name, *_ in info["shapes"]]
        seen = [i for i, mask in enumerate(masks) if mask.any()]
        empty = np.zeros((info["height"], info["width"], 0), bool)
        return (
            np.stack([masks[i] for i in seen], -1) if seen else empty,
            np.array([class_ids[i] for i in seen], np.int32),
        )

    def image_reference(self, image_id):
        """The names of the shapes in a picture."""
        return ", ".join(str(name) for name, *_ in self.image_info[image_id]["shapes"])


def shape_mask(name, place, height, width):
    """bool [height, width]: pixels whose centre lies in the shape.

    Args:
        name: one of SHAPES.
        place: (centre y, centre x, half side), pixels.
        height, width: of the picture, pixels.
    """
    centre_y, centre_x, half = place
    y = np.arange(height)[:, None] + 0.5 - centre_y
    x = np.arange(width)[None, :] + 0.5 - centre_x
    if name == "square":
        return (abs(y) <= half) & (abs(x) <= half)
    if name == "circle":
        return y**2 + x**2 <= half**2
    return (abs(y) <= half) & (abs(x) <= (y + half) / 2)  # apex above: half as wide as it is far below the apex


def main(arguments=None):
    """Train, detect on one new picture, and print what was found."""
    parser = argparse.ArgumentParser(description="Train Mask R-CNN on drawn squares, circles and triangles.")
    parser.add_argument("--epochs", type=int, default=2, help="epochs to train all layers (default 2)")
    parser.add_argument("--steps", type=int, default=ShapesConfig.STEPS_PER_EPOCH, help="steps of an epoch")
    parser.add_argument("--logs", default="logs", help="folder of the runs (default logs)")
    options = parser.parse_args(arguments)
    if min(options.epochs, options.steps) < 1:
        parser.error(f"--epochs {options.epochs} --steps {options.steps} trains nothing: give 1 or more of each.")

    from mrcnn.model import MaskRCNN  # after the arguments are read: Keras takes seconds to import

    config = ShapesConfig(STEPS_PER_EPOCH=options.steps)
    config.set(VALIDATION_STEPS=min(options.steps, config.VALIDATION_STEPS))
    training, validation = ShapesDataset(), ShapesDataset()
    for dataset, count, seed in ((training, 500, 0), (validation, 20, 1)):
        dataset.load_shapes(count, config.IMAGE_MAX_DIM, config.IMAGE_MAX_DIM, seed)
        dataset.prepare()
    model = MaskRCNN("training", config, options.logs)
    model.train(training, validation, learning_rate=config.LEARNING_RATE, epochs=options.epochs, layers="all")

    model = MaskRCNN.from_checkpoint(model.find_last(), options.logs, mode="inference")
    result = model.detect([validation.load_image(0)])[0]
    print(f"In the picture: {validation.image_reference(0)}. Found:")
    for class_id, score, (y1, x1, y2, x2) in zip(result["class_ids"], result["scores"], result["rois"]):
        print(f"  {validation.class_names[class_id]} ({score:.2f}) at rows {y1}-{y2}, columns {x1}-{x2}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
