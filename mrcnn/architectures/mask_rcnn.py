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
        anchors: float32 [A, 4], pixels, of the last canvas: of `get_anchors`, or of what was detected; of IMAGE_SHAPE
            before.
    """

    architecture, settings = "mask-rcnn", Config
    _anchors = (None, None)  # (height and width of a canvas, its anchors)
    _canvas = None  # height and width of the last one

    @property
    def anchors(self) -> np.ndarray:
        """The network's anchors in pixels of the last canvas."""
        canvas = self._canvas or tuple(int(side) for side in self.config.IMAGE_SHAPE[:2])
        known, anchors = self._anchors  # in one go, for others may detect meanwhile
        return anchors if known == canvas else self._anchors_of(canvas)

    def predict(self, canvases: np.ndarray, windows: np.ndarray,
                min_confidence: float | None = None) -> dict[str, np.ndarray]:
        """Run the inference graph on canvases of one shape, whose anchors the attribute `anchors` then has.

        Args:
            canvases: uint8 [B, h, w, 3].
            windows: float32 [B, 4], the part of each canvas that its photo fills, pixels.
            min_confidence: as for `detect`.

        Returns:
            The graph's outputs by name; see the glossary of `mrcnn.network`.
        """
        self._canvas = tuple(canvases.shape[1:3])
        return super().predict(canvases, windows, min_confidence)

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

    def settings_in(self, path: str | os.PathLike) -> dict | None:
        """Read the settings that a weight file was trained with, as far as they are known.

        Args:
            path: of the file.

        Returns:
            {name: value}; None: none are known.
        """
        if is_foreign(path):  # whose first layer is made for this network's pixels
            return {"ROI_ALIGNED": False, "MEAN_PIXEL": list(self.config.MEAN_PIXEL)}
        return super().settings_in(path)

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
        """Make the network's anchors; the attribute `anchors` then has them in pixels of this canvas.

        Args:
            image_shape: (h, w, ...) of the canvas, pixels.

        Returns:
            float32 [A, 4], normalised.
        """
        self._canvas = tuple(int(side) for side in image_shape[:2])
        return norm_boxes(self._anchors_of(self._canvas), self._canvas)

    def _anchors_of(self, canvas):
        """float32 [A, 4]: the anchors of a canvas (h, w), pixels."""
        # The layer looks at nothing but the maps' shapes.
        maps = [np.zeros((1, *shape, 1), "float32") for shape in compute_backbone_shapes(self.config, canvas)]
        levels = self.inference_model.get_layer("anchors")(maps)
        anchors = np.concatenate([keras.ops.convert_to_numpy(level) for level in levels])
        self._anchors = canvas, anchors
        return anchors
