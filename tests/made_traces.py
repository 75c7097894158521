"""Traces of made-up objects through a network, perfect but for what a test spoils."""

import dataclasses

import numpy as np

from mrcnn.config import Config
from mrcnn.evaluation.funnel import Trace, box_pairs, measure
from mrcnn.evaluation.soundness import name_summary, pixel_summary, weight_summary

NAMES = ["hat", "coat", "shoe"]
SIDE, CANVAS = 64, (512, 512)
NOBODY = np.zeros((0, 4)), np.zeros(0, int)


def settings(**overrides):
    return Config(**{"NUM_CLASSES": 4, "RPN_ANCHOR_SCALES": (32, 64, 128, 256, 512), "DETECTION_NMS_THRESHOLD": 0.5,
                     **overrides})


def grid(count, side=SIDE):
    """float [count, 4]: boxes that lie apart."""
    corners = np.array([(100 * (i // 5), 100 * (i % 5)) for i in range(count)], float).reshape(-1, 2)
    return np.concatenate([corners, corners + side], axis=1)


def trace(count=10, boxes=None, classes=None, detected=None, scores=0.9, said=None, masks=0.8, **values):
    """A Trace of one photo.

    count: objects; boxes, classes: of them; detected: boxes of the detections, detection i being meant for object i;
    scores, said: their scores and classes; masks: IoU of their masks; values: other fields of Trace
    """
    boxes = grid(count) if boxes is None else np.asarray(boxes, float)
    count = len(boxes)
    classes = np.arange(count) % 3 if classes is None else np.asarray(classes)
    detected = boxes if detected is None else np.asarray(detected, float).reshape(-1, 4)
    said = classes[: len(detected)] if said is None else np.asarray(said)
    scores = np.broadcast_to(np.asarray(scores, float), len(detected))
    pairs = box_pairs(boxes, classes, *NOBODY, detected, said, scores)
    overlaps = np.where(pairs.overlaps > 0, np.broadcast_to(masks, len(detected))[pairs.results][:, None], 0)
    sides = boxes[:, 2:] - boxes[:, :2]
    high = np.full(count, 0.9)
    made = Trace(boxes=boxes, areas=sides.prod(axis=1), canvas=CANVAS, anchors=high, proposals=high,
                 first_proposals=high, proposal_count=300, pairs=pairs, mask_overlaps=overlaps)
    return dataclasses.replace(made, **{name: np.asarray(value) if name != "canvas" else value
                                        for name, value in values.items()})


def diagnosis(traces=None, config=None, **others):
    """The diagnosis of some traces, of two sound photos unless given; others: entries of it that differ."""
    traces = [trace(), trace()] if traces is None else traces
    config = config or settings()
    kernel = np.arange(4.0)
    made = {
        **measure(traces, NAMES, config),
        "settings": config.to_dict(), "epoch": 8, "changed": {}, "training": None,
        "pixels": pixel_summary([(np.array([130.0, 120, 110]), 0, 255)] * max(len(traces), 1), config.MEAN_PIXEL),
        "weights": weight_summary({name: (kernel, kernel + 1) for name in ("res2a", "rpn_class_raw", "mrcnn_mask")}),
        "names": name_summary(["BG", *NAMES], ["BG", *NAMES]),
        "swapped": {"photos": 8, "usual": 0.8, "swapped": 0.7},
    }
    return {**made, **others}
