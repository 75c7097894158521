"""Find clothes in photos: a whole program, made of settings, a data set, an augmentation and one call.

    python samples/fashion.py train                       on drawn pictures, nothing to download
    python samples/fashion.py evaluate --weights last     AP, AP50 and AP75 of masks and boxes
    python samples/fashion.py detect --weights last --image photos/

    python samples/fashion.py data summary|validate|convert|split|show --annotations train.csv --images train
    python samples/fashion.py train --annotations train.csv --images train --split split.json --weights imagenet

`--help` lists the rest: label, diagnose, export, tune. Annotations of all other forms in docs/formats.md are read as
they are. `mrcnn train` is the same as `python samples/fashion.py train`: the settings below are those of
mrcnn/commands/configs.py. To find other things copy this file, say as shop.py, and change NAME, CLASSES and what else
is yours: `python shop.py train` goes by what shop.py says.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # runs from a checkout too

from mrcnn.commands.main import main  # noqa: E402
from mrcnn.config import Config  # noqa: E402
from mrcnn.data.augmentation import compose  # noqa: E402
from mrcnn.data.augmenters import horizontal_flip  # noqa: E402
from mrcnn.data.formats.imaterialist import ImaterialistDataset, descriptions_path, recognises  # noqa: E402


class FashionConfig(Config):
    """What differs from mrcnn/config.py. Options such as --batch-size and --set change it for one run."""

    NAME = "fashion"  # of the runs: logs/fashion20261121T0401
    CLASSES = None  # all that the annotations name; ("shirt", "skirt") would be these two, the others left out
    BACKBONE = "resnet50"
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 512
    STEPS_PER_EPOCH = None  # an epoch is every photo once
    VALIDATION_STEPS = None
    DETECTION_NMS_THRESHOLD = 0.5  # garments of one class overlap: two people side by side, a pair of shoes
    # 20 epochs of the heads, which are new, on a backbone that knows ImageNet; then 20 of all layers, with a tenth of
    # the learning rate. "heads:20:1e-3:none,all:20:1e-4" would leave the heads without augmentation.
    STAGES = "heads:20:1e-3,all:20:1e-4"
    AUGMENT = "imgaug"  # see `augmentation`


class FashionDataset(ImaterialistDataset):
    """iMaterialist-Fashion: a CSV with a row for each object, its mask as run lengths, and a folder of photos.

    The package's reader, a `mrcnn.utils.Dataset`, calls `add_class` and `add_image`, checks every row, and gives masks
    and attributes. docs/own-data.md shows a `load_mask` of one's own, and docs/attributes.md one with attributes.
    """

    recognises = staticmethod(recognises)  # annotations of other formats go to the package's readers

    def load(self, annotations, images=None, limit=None, on_error="raise", names=None):
        """Register classes and photos.

        Args:
            annotations, images, limit, on_error: as for the package's reader.
            names: of --names; None: a label_descriptions.json beside the CSV, or else CLASSES names the classes.

        Returns:
            The data set itself.
        """
        names = descriptions_path(annotations, names) or FashionConfig.CLASSES
        return super().load(annotations, images, limit, on_error, names)


def augmentation():
    """Half of the photos mirrored, half of them scaled and rotated, all made brighter or darker; masks follow.

    In the package's flip a class "left shoe" becomes "right shoe" and the other way round, which imgaug's cannot know.
    """
    from imgaug import augmenters

    return compose([horizontal_flip(0.5), augmenters.Sequential([
        augmenters.Sometimes(0.5, augmenters.Affine(scale=(0.8, 1.25), rotate=(-15, 15))),
        augmenters.Multiply((0.8, 1.25)),
    ])])


if __name__ == "__main__":
    # The name "imgaug" of --augment and --stages stands for the augmentation above; others stay the package's.
    sys.exit(main(config=FashionConfig, dataset=FashionDataset, augmentations={"imgaug": augmentation}))
