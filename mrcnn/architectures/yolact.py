"""YOLACT (Bolya 2019): objects with masks in one pass, in less time than Mask R-CNN."""

import keras

from mrcnn.architectures.instances import InstanceSegmenter
from mrcnn.config_yolact import YolactSettings
from mrcnn.network.yolact import build_yolact


class Yolact(InstanceSegmenter):
    """The network of `mrcnn.network.yolact`."""

    architecture, settings = "yolact", YolactSettings

    def build_networks(self, config: YolactSettings) -> tuple[keras.Model, keras.Model]:
        """Build (training model, inference model), which share their weights."""
        return build_yolact(config)
