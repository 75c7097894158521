"""Pixels, weights and names with known faults."""

import numpy as np

from mrcnn.evaluation.soundness import IMAGENET_MEAN, name_summary, pixel_range, pixel_summary, weight_summary
from mrcnn.network.mask_rcnn_layout import MASK_RCNN


def test_pixels_are_those_of_the_photo_without_its_padding():
    canvas = np.zeros((8, 8, 3), np.uint8)
    canvas[2:6] = (10, 20, 200)
    canvas[2, 0, 0] = 42  # 42 among 31 tens: a mean of 11
    mean, least, most = pixel_range(canvas, np.array([2, 0, 6, 8], np.float32))
    assert mean.tolist() == [11, 20, 200] and (least, most) == (10, 200)
    assert pixel_range(canvas, np.array([1.5, 0, 6, 8]))[1] == 0  # a part of a pixel is one


def test_a_range_of_photos():
    summary = pixel_summary([([100, 90, 80], 3, 250), ([120, 110, 100], 0, 39)], IMAGENET_MEAN)
    assert summary == {"mean": [110, 100, 90], "mean_pixel": list(IMAGENET_MEAN), "min": 0, "max": 250, "dark": 1,
                       "fault": None}


def test_mean_pixels_that_are_of_another_kind():
    usual, divided = [([120, 115, 100], 0, 255)], [([0.4, 0.4, 0.4], 0, 1)]
    assert pixel_summary(usual, [0.485, 0.456, 0.406])["fault"] == "scale"
    assert pixel_summary(divided, [0.485, 0.456, 0.406])["fault"] is None  # the photos are so too
    assert pixel_summary(usual, [103.9, 116.8, 123.7])["fault"] == "order"
    assert pixel_summary(usual, [130, 110, 90])["fault"] is None


def test_weights_of_every_kind():
    begun = np.array([1.0, 2, 3])
    summary = weight_summary({
        "res2a": (begun, begun), "res2b": (begun + 1, begun), "rpn_class_raw": (np.array([1, np.nan]), None),
        "mrcnn_bbox_fc": (np.zeros(3), np.zeros(3)), "mrcnn_mask": (np.full(3, 0.5), begun),
        "mrcnn_mask_conv1": (begun, begun), "fpn_p2": (begun, None), "mrcnn_class_logits": (np.array([7.0]), None),
    })
    assert summary == {
        "layers": 8, "nonfinite": ["rpn_class_raw"], "zero": ["mrcnn_bbox_fc"], "constant": ["mrcnn_mask"],
        "untrained": {"backbone": ["res2a"], "mask head": ["mrcnn_mask_conv1"]}, "trained": {"backbone": 1},
        "unknown": {"pyramid": 1, "box head": 1},
    }


def test_parts_of_the_network():
    names = ("rpn_conv_shared", "mrcnn_class_conv1", "mrcnn_bbox_fc", "mrcnn_mask_point", "fpn_c5p5", "conv1")
    assert [MASK_RCNN.part_of(name) for name in names] == [
        "proposal head", "box head", "box head", "mask head", "pyramid", "backbone"]


def test_names_are_compared():
    summary = name_summary(["BG", "hat", "coat", "shoe"], ["BG", "coat", "hat", "bag"])
    assert summary == {"known": True, "missing": ["shoe"], "extra": ["bag"], "moved": ["hat", "coat"],
                       "places": {1: 1, 2: 0}}
    same = name_summary(["BG", "hat"], ["background", "hat"])
    assert (same["missing"], same["extra"], same["moved"], same["places"]) == ([], [], [], {1: 0})
    assert name_summary(["BG", "hat", "coat"], None)["places"] == {1: 0, 2: 1}
