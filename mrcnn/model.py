"""Matterport's door: `import mrcnn.model as modellib`."""

from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.segmenter import Segmenter, find_last_checkpoint
from mrcnn.training.pretrained import load_imagenet

__all__ = ["MaskRCNN", "find_last_checkpoint", "load_imagenet"]


class MaskRCNN(Segmenter):
    """Mask R-CNN (He 2017) on a feature pyramid, behind Matterport's class."""

    def build_networks(self, config):
        return build_mask_rcnn(config)
