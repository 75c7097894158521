"""The networks that tell a class of each pixel: DeepLabv3, DeepLabv3+, U-Net, U2-Net and U2-Net-p."""

import os
from collections.abc import Sequence

import keras
import numpy as np

from mrcnn.architectures.semantic import SemanticSegmenter
from mrcnn.config_pixels import (
    DeepLabPlusSettings,
    DeepLabSettings,
    PixelSettings,
    U2NetSettings,
    UNetSettings,
)
from mrcnn.data.batches import Batches
from mrcnn.data.label_samples import count_pixels
from mrcnn.errors import ConfigError
from mrcnn.network.deeplab import build_deeplabv3, build_deeplabv3plus
from mrcnn.network.u2net import build_u2net, build_u2netp
from mrcnn.network.unet import build_unet
from mrcnn.weights import torchvision_deeplab
from mrcnn.weights.files import is_foreign


class PixelSegmenter(SemanticSegmenter):
    """What these share: their losses may have to know how many pixels each class has."""

    settings = PixelSettings

    def before_fit(self, batches: Batches) -> None:
        """Count the pixels of each class in the training photos, if PIXEL_CLASS_WEIGHTS is "pixels"."""
        if self.config.PIXEL_CLASS_WEIGHTS == "pixels":
            counts = count_pixels(batches.dataset, batches.image_ids, self.config.NUM_CLASSES)
            self.training_model.take_pixel_counts(counts, self.config.BACKGROUND_WEIGHT)


class DeepLabV3(PixelSegmenter):
    """DeepLabv3 (Chen 2017)."""

    architecture, settings = "deeplabv3", DeepLabSettings

    def build_networks(self, config: DeepLabSettings) -> tuple[keras.Model, keras.Model]:
        """Build (training model, inference model), which share their weights."""
        return build_deeplabv3(config)

    def read_weights(self, path: str | os.PathLike, exclude: Sequence[str] = ()) -> dict[str, dict[str, np.ndarray]]:
        """Read an HDF5 file, or a .pth or .safetensors file of torchvision's deeplabv3_resnet50 or _resnet101."""
        if is_foreign(path):
            return torchvision_deeplab.convert(path, self.config, exclude)
        return super().read_weights(path, exclude)

    @classmethod
    def read_settings(cls, path: str | os.PathLike) -> dict:
        """Read the settings of a checkpoint of ours, or tell those that torchvision's file needs."""
        return torchvision_deeplab.settings_of(path) if is_foreign(path) else super().read_settings(path)


class DeepLabV3Plus(PixelSegmenter):
    """DeepLabv3+ (Chen 2018)."""

    architecture, settings = "deeplabv3plus", DeepLabPlusSettings

    def build_networks(self, config: DeepLabPlusSettings) -> tuple[keras.Model, keras.Model]:
        """Build (training model, inference model), which share their weights."""
        return build_deeplabv3plus(config)


class UNet(PixelSegmenter):
    """U-Net (Ronneberger 2015)."""

    architecture, settings = "unet", UNetSettings

    def build_networks(self, config: UNetSettings) -> tuple[keras.Model, keras.Model]:
        """Build (training model, inference model), which share their weights."""
        return build_unet(config)

    @classmethod
    def uses_backbone(cls, config: UNetSettings) -> bool:
        """Tell whether UNET_ENCODER is the backbone, and not the paper's own encoder."""
        return config.UNET_ENCODER == "backbone"


class U2Net(PixelSegmenter):
    """U2-Net (Qin 2020)."""

    architecture, settings = "u2net", U2NetSettings

    @classmethod
    def check(cls, config: U2NetSettings) -> None:
        super().check(config)
        if config.BACKBONE != "own":
            raise ConfigError(
                f"BACKBONE={config.BACKBONE!r}: {cls.architecture} has an encoder of its own, which starts from random "
                "weights: leave BACKBONE out."
            )

    def build_networks(self, config: U2NetSettings) -> tuple[keras.Model, keras.Model]:
        """Build (training model, inference model), which share their weights."""
        return build_u2net(config)


class U2NetP(U2Net):
    """U2-Net-p, the small form of U2-Net."""

    architecture = "u2netp"

    def build_networks(self, config: U2NetSettings) -> tuple[keras.Model, keras.Model]:
        """Build (training model, inference model), which share their weights."""
        return build_u2netp(config)
