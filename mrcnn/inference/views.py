"""Test-time augmentation: a photo seen mirrored and at several sizes, and what the views found merged into one answer.

The rule, class by class. Detections of all views are walked in falling order of score. Each joins the group whose first
box it overlaps most, if by an IoU of at least SAME_OBJECT and if the group has none of its view yet; otherwise it
begins a group. A group becomes one object: its box is the mean of the members' boxes weighted by their scores (box
voting: Gidaris and Komodakis 2015, section 3.3), its score the sum of the scores over the number of views, so that a
view that did not find it counts as 0 (as in weighted boxes fusion: Solovyev 2021, section 3), and its mask the mean of
the members' mask probabilities with the same weights, on a grid stretched over the merged box, 0 outside a member's
own box (He 2017, appendix B, average soft masks likewise). Scores of attributes and embeddings are averaged with these
weights too.
What differs in left and right alone by its name changes places in mirrored views: see `mrcnn.data.sides`.
Then the detection threshold and the usual suppression apply. Every view sees the whole photo, hence each could have
found every object.
"""

import copy
import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.config import FIXED_CANVAS_MODES, Settings
from mrcnn.data.images import Window, place_image
from mrcnn.ops import boxes as box_ops
from mrcnn.ops.bilinear import tent_weights

SAME_OBJECT = 0.65  # least IoU of two views' boxes of one object; 0.5 measured a little worse
AVERAGED = ("attributes", "embedding")  # outputs that some networks have beside
VIEW_CONFIDENCE = 0.05  # least score in a view: below the final threshold, because it is the mean that has to pass that


class View(NamedTuple):
    """One way to look at a photo: mirrored left to right or not, enlarged by `scale` against the ordinary size."""

    flip: bool
    scale: float


def views_of(config: Settings) -> list[View]:
    """list of View: every one of TEST_SCALES, with TEST_FLIP mirrored too."""
    flips = (False, True) if config.TEST_FLIP else (False,)
    return [View(flip, float(scale)) for scale in config.TEST_SCALES for flip in flips]


def network_config(config: Settings) -> Settings:
    """The Config to build the network from: with views of other sizes its canvases cannot be of one shape."""
    # Read here, in this order, is what the network depends on, and what cannot be changed once it is built.
    if config.IMAGE_RESIZE_MODE not in FIXED_CANVAS_MODES or all(float(scale) == 1 for scale in config.TEST_SCALES):
        return config
    config = copy.copy(config)
    if config.IMAGE_RESIZE_MODE == "crop":
        config.IMAGE_MAX_DIM = config.IMAGE_MIN_DIM  # so that IMAGE_SHAPE, which more than the canvas goes with, stays
    config.IMAGE_RESIZE_MODE = "rectangle"
    return config


def place_view(image: np.ndarray, view: View, placed: tuple[np.ndarray, Window]) -> tuple[np.ndarray, Window]:
    """A view of a photo on its canvas.

    image: uint8 [H, W, C]; placed: (canvas, Window) of the photo at its ordinary size

    Returns (canvas, Window of the photo, mirrored if the view is).
    """
    canvas, window = placed
    if view.scale != 1:
        longer = max(image.shape[:2])
        scale = view.scale * window.scale[int(np.argmax(image.shape[:2]))]
        canvas, other = place_image(image, None, max(1, round(longer * scale)), scale, "rectangle")
        window = dataclasses.replace(window, canvas_shape=other.canvas_shape, scale=other.scale, offset=other.offset)
    if view.flip:
        height, width = window.original_shape
        left = window.canvas_shape[1] - window.offset[1] - width * window.scale[1]
        return np.ascontiguousarray(canvas[:, ::-1]), dataclasses.replace(window, offset=(window.offset[0], left))
    return canvas, window


def merge_views(outputs: Sequence[dict[str, np.ndarray]], views: Sequence[View], windows: Sequence[Window],
                threshold: float, iou_threshold: float, count: int, class_turns: Sequence[int] | None = None,
                attribute_turns: Sequence[int] | None = None) -> tuple[dict[str, np.ndarray], Window]:
    """Merge the detections of several views of one photo, in pixels of the photo.

    outputs: for each view the network's rows {"boxes" [D, 4] canvas pixels, "class_ids", "scores", "valid" [D], "masks"
    [D, h, w], those of AVERAGED [D, M] it has}; views, windows: of `views_of` and `place_view`; threshold: least score
    of what is returned; iou_threshold: of the suppression, class by class; count: return no more than so many;
    class_turns, attribute_turns: of `mrcnn.data.sides.turned_ids`, for each class id and column of "attributes"; None:
    left and right are not known

    Returns (the same dict with boxes in pixels of the photo, best first, and masks [N, 2h, 2w]; the Window of a canvas
    that is the photo itself).
    """
    shape = windows[0].original_shape
    rows = [_in_photo(*one, class_turns, attribute_turns) for one in zip(outputs, views, windows)]
    boxes, classes, scores, masks = (np.concatenate([row[i] for row in rows]) for i in range(4))
    seen_in = np.repeat(np.arange(len(views)), [len(row[0]) for row in rows])
    groups = []
    for class_id in np.unique(classes):
        groups += _groups(np.flatnonzero(classes == class_id), boxes, scores, seen_in)
    merged_scores = np.array([scores[group].sum() / len(views) for group in groups], np.float32)
    groups = [groups[i] for i in np.argsort(-merged_scores, kind="stable") if merged_scores[i] >= threshold]
    merged_scores = -np.sort(-merged_scores[merged_scores >= threshold], kind="stable")
    merged_boxes = np.array([np.average(boxes[group], axis=0, weights=scores[group]) for group in groups], np.float32)
    merged_boxes = merged_boxes.reshape(-1, 4)
    merged_classes = np.array([classes[group[0]] for group in groups], np.int32)
    kept = box_ops.kept_boxes(merged_boxes, merged_classes, iou_threshold)[:count]
    grid = tuple(2 * side for side in masks.shape[1:])  # finer than the members' grids, which do not coincide
    merged = {
        "boxes": merged_boxes[kept],
        "class_ids": merged_classes[kept],
        "scores": merged_scores[kept],
        "valid": np.ones(len(kept), bool),
        "masks": np.zeros((len(kept),) + grid, np.float32),
    }
    given = {name: np.concatenate([row[4][name] for row in rows]) for name in rows[0][4]}
    merged.update({name: np.zeros((len(kept), values.shape[1]), np.float32) for name, values in given.items()})
    for row, index in enumerate(kept):
        group = groups[index]
        for name, values in given.items():
            merged[name][row] = np.average(values[group], axis=0, weights=scores[group])
        members = [on_grid(masks[i], boxes[i], merged_boxes[index], grid) for i in group]
        merged["masks"][row] = np.average(members, axis=0, weights=scores[group])
    return merged, dataclasses.replace(windows[0], canvas_shape=shape, scale=(1.0, 1.0), offset=(0.0, 0.0))


def _in_photo(outputs, view, window, class_turns, attribute_turns):
    """(boxes [N, 4] in pixels of the photo, class ids, scores, masks, {name: [N, M]} of AVERAGED) of a view."""
    boxes = window.to_original(outputs["boxes"].astype("float32"))
    masks = outputs["masks"].astype("float32")
    if view.flip:
        width = np.float32(window.original_shape[1])
        boxes = np.stack([boxes[:, 0], width - boxes[:, 3], boxes[:, 2], width - boxes[:, 1]], axis=1)
        masks = masks[:, :, ::-1]
    keep = outputs["valid"] & (box_ops.area(boxes) > 0) & (outputs["scores"] > 0)
    class_ids, scores = outputs["class_ids"][keep].astype("int32"), outputs["scores"][keep].astype("float32")
    others = {name: outputs[name][keep].astype("float32") for name in AVERAGED if name in outputs}
    if view.flip and class_turns:
        class_ids = np.array(class_turns, np.int32)[class_ids]
    if view.flip and attribute_turns:
        others["attributes"] = others["attributes"][:, attribute_turns]
    return boxes[keep], class_ids, scores, masks[keep], others


def _groups(places, boxes, scores, seen_in):
    """Lists of the detections of one class that are one object, each with its best one first."""
    groups, first_boxes = [], np.empty((len(places), 4), np.float32)
    taken = np.zeros((seen_in.max(initial=-1) + 1, len(places)), bool)  # whether a group has one of a view
    for i in places[np.argsort(-scores[places], kind="stable")]:
        count = len(groups)
        overlaps = np.where(taken[seen_in[i], :count], 0, box_ops.iou(first_boxes[:count], boxes[i]))
        best = int(np.argmax(overlaps)) if overlaps.max(initial=0) >= SAME_OBJECT else count
        if best == count:
            groups.append([])
            first_boxes[count] = boxes[i]
        groups[best].append(i)
        taken[seen_in[i], best] = True
    return groups


def on_grid(mask: np.ndarray, box: np.ndarray, target: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """A mask [h, w] stretched over `box`, read at the cells of a grid over the box `target`; 0 outside `box`."""
    weights = []
    for axis, cells in enumerate(grid):
        low, high = float(target[axis]), float(target[axis + 2])
        centres = low + (np.arange(cells) + 0.5) * (high - low) / cells
        count, start, end = mask.shape[axis], float(box[axis]), float(box[axis + 2])
        position = np.clip((centres - start) / (end - start) * count - 0.5, 0, count - 1)
        weights.append(tent_weights(position, count) * ((centres >= start) & (centres <= end))[:, None])
    return (weights[0] @ mask @ weights[1].T).astype(np.float32)
