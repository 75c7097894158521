"""Mask R-CNN (He 2017) on a feature pyramid. `mrcnn.model.MaskRCNN` is this with Matterport's methods."""

import os
from collections.abc import Sequence

import keras
import numpy as np

from mrcnn.architectures.instances import InstanceSegmenter
from mrcnn.config import Config
from mrcnn.data.batches import Batches
from mrcnn.matterport.boxes import compute_backbone_shapes, norm_boxes
from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.weights import torchvision
from mrcnn.weights.files import is_foreign, read_layers


class MaskRCNN(InstanceSegmenter):
    """The network of `mrcnn.network.mask_rcnn`.

    Attributes:
        anchors: float32 [A, 4], pixels, of the last shape that `get_anchors` was asked for; None before.
    """

    architecture, settings = "mask-rcnn", Config
    anchors = None

    def build_networks(self, config: Config) -> tuple[keras.Model, keras.Model]:
        """Build the two graphs of the network, which share their weights.

        Args:
            config: the settings.

        Returns:
            (training model, inference model).
        """
        return build_mask_rcnn(config)

    def before_fit(self, batches: Batches) -> None:
        """Count the objects of each class, if CLASS_LOSS needs their numbers.

        Args:
            batches: of the training.
        """
        if self.config.CLASS_LOSS != "softmax" and self.config.CLASS_COUNTS is None:
            self.training_model.take_class_counts(batches.class_counts())

    def read_weights(self, path: str | os.PathLike, exclude: Sequence[str] = ()) -> dict[str, dict[str, np.ndarray]]:
        """Read an HDF5 file, or a .pth or .safetensors file of torchvision's maskrcnn_resnet50_fpn.

        Args:
            path: of the file.
            exclude: names of layers that are not wanted.

        Returns:
            {layer: {weight name: array}}.

        Raises:
            CheckpointError: the file cannot be read, or is of a kind that this network does not know.
        """
        return torchvision.convert(path, self.config, exclude) if is_foreign(path) else read_layers(path)

    def _in_force(self):
        return f"; geometry in force: {self.config.GEOMETRY}"

    @classmethod
    def read_settings(cls, path: str | os.PathLike) -> dict:
        """Read the settings of a checkpoint of ours, or tell those that torchvision's file needs.

        Args:
            path: of the file.

        Returns:
            {"architecture", "config", "class_names", "epoch"}.

        Raises:
            CheckpointError: it carries none.
        """
        return torchvision.settings_of(path)

    def get_anchors(self, image_shape: tuple) -> np.ndarray:
        """Make the network's anchors; the attribute `anchors` then has them in pixels.

        Args:
            image_shape: (h, w, ...) of the canvas, pixels.

        Returns:
            float32 [A, 4], normalised.
        """
        # The layer looks at nothing but the maps' shapes.
        maps = [np.zeros((1, *shape, 1), "float32") for shape in compute_backbone_shapes(self.config, image_shape)]
        levels = self.inference_model.get_layer("anchors")(maps)
        self.anchors = np.concatenate([keras.ops.convert_to_numpy(level) for level in levels])
        return norm_boxes(self.anchors, image_shape[:2])
