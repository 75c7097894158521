"""Huge photos: cut into overlapping tiles, and what was found in the tiles merged into one answer for the photo.

A photo of 10,000 pixels that is shrunk to a canvas of 1024 loses its small objects. Tiles keep them, at the price of
objects that a tile's border cuts. Overlapping slices and a view of the whole photo besides are those of SAHI (Akyon,
Altinuc and Temizel 2022), whose program joins, class by class, whatever shares half of the smaller one. The rule here
also asks which detection can be complete.

A detection is *cut* at a side where it reaches a border of its tile inside the photo. Two of one class from two tiles
are one object,

* if each is cut at a border that runs through the other's tile, and the tiles lie in one row or column, so that both
  cross the strip that both tiles see: when they share SAME_PIECE of the smaller one's pixels in that strip;
* if one alone is, and so has to lie within the other's tile: when SAME_PIECE of its pixels are the other one's;
* if neither is: when the IoU of their masks is above the threshold of suppression.

In falling order of score, each joins the groups that it is one object with; a group has one detection of each tile. A
group becomes its best member that is not cut, or else the union of all with their best score. Members that score less
than TRUSTED of the best one have no say in it and join no two groups, so that the objects that are sure are the same
ones however low the least score is that is looked for. Then comes the view of
the whole photo, which no border cuts. What it finds is dropped where a tile saw the same object uncut or where joined
pieces cover COMPLETE of it; else, and always where it is larger than a tile, it replaces the pieces that lie in it,
unless its score is less than TRUSTED of theirs. Pieces that lie in a better object of their class are dropped, and the
usual suppression ends it.

Masks are run lengths of the photo from the first to the last, so that memory goes with what was found and not with the
photo's pixels.
"""

import dataclasses
import numbers
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.images import Window, resize_pixels, scaled_size
from mrcnn.data.strips import area_within
from mrcnn.errors import DataError
from mrcnn.inference.views import on_grid
from mrcnn.ops import boxes as box_ops

SMALLEST = 64  # pixels of a tile's side
MOST_OVERLAP = 0.9  # more is hundreds of looks at each pixel
AT_BORDER = 0.01  # of a tile's side: a box that comes so near a border is cut there, for boxes are not exact
SAME_PIECE = 0.5  # least share of a piece that has to lie in another one
COMPLETE = 0.5  # least share of what the whole view found that the joined pieces cover
TRUSTED = 0.5  # least score, as a share of the best one's, of what changes or replaces a piece


# --- Cutting ---------------------------------------------------------------------------------------------------------


def tile_boxes(shape: Sequence[int], tile: int = 1024, overlap: float = 0.25, scale: float = 1.0) -> np.ndarray:
    """Where the tiles of a photo lie: of one size, spread evenly, row by row.

    Args:
        shape: (H, W) of the photo.
        tile: side of a tile in pixels that the network is given.
        overlap: least share of a tile's side that it has in common with the next, to a pixel.
        scale: how much the photo is enlarged before it is cut.

    Returns:
        int [T, 4] pixels of the photo; one tile if it holds the photo.

    Raises:
        DataError: a number is out of range.
    """
    _check(tile, overlap, scale)
    side = max(1, round(tile / scale))
    height, width = (int(size) for size in shape[:2])
    tops, lefts = _starts(height, side, overlap), _starts(width, side, overlap)
    return np.array([[y, x, y + min(side, height), x + min(side, width)] for y in tops for x in lefts])


def _check(tile, overlap, scale):
    if isinstance(tile, bool) or not isinstance(tile, numbers.Integral) or tile < SMALLEST:
        raise DataError(f"tile={tile!r}: give the side of a tile in whole pixels, {SMALLEST} or more, e.g. 1024.")
    if not isinstance(overlap, numbers.Real) or not 0 <= overlap <= MOST_OVERLAP:
        raise DataError(f"overlap={overlap!r}: give a share of a tile's side from 0 to {MOST_OVERLAP}, e.g. 0.25.")
    if not isinstance(scale, numbers.Real) or not 0 < scale < np.inf:
        raise DataError(f"scale={scale!r}: give how much the photo is enlarged before it is cut, e.g. 1.0.")


def _starts(size, side, overlap):
    """First pixels of the tiles along one axis, the same ones from either end."""
    if size <= side:
        return [0]
    step = max(1, side - round(overlap * side))
    last = size - side
    count = 1 + -(-last // step)
    starts = [last * i // (count - 1) for i in range(count)]
    return [start if i < count / 2 else last - starts[count - 1 - i] for i, start in enumerate(starts)]


def cut_tile(image: np.ndarray, box: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """The pixels of a tile as the network is given them.

    Args:
        image: [H, W, C].
        box: of `tile_boxes`.
        scale: how much the photo is enlarged before it is cut.

    Returns:
        [h, w, C].
    """
    y1, x1, y2, x2 = (int(side) for side in box)
    return resize_pixels(image[y1:y2, x1:x2], scaled_size((y2 - y1, x2 - x1), scale))


def tile_window(window: Window, box: np.ndarray) -> Window:
    """The Window of a tile whose boxes come back in pixels of the photo, counted from the tile's corner.

    Args:
        window: of the pixels of `cut_tile`.
        box: of `tile_boxes`.
    """
    shape = int(box[2] - box[0]), int(box[3] - box[1])
    scale = tuple(side * given / own for side, given, own in zip(window.scale, window.original_shape, shape))
    return dataclasses.replace(window, original_shape=shape, scale=scale)


# --- Merging ---------------------------------------------------------------------------------------------------------


class Piece(NamedTuple):
    """One detection of one tile, in the photo."""

    box: np.ndarray
    score: float
    rle: dict
    area: int
    tile: np.ndarray  # its box
    cut: np.ndarray  # bool [4]: at the tile's top, left, bottom, right
    source: tuple  # (number of the tile, of the detection)


class Thing(NamedTuple):
    """One object of the photo, made of one detection or of several pieces."""

    box: np.ndarray
    score: float
    rle: dict
    area: int
    whole: bool  # seen by a view that did not cut it
    parts: tuple  # sources


def merge_tiles(detections: Sequence[dict], tiles: np.ndarray, shape: tuple[int, int], iou_threshold: float,
                whole: dict | None = None) -> dict:
    """Merge the detections in the tiles of a photo, and in the whole of it; the rule stands above.

    Args:
        detections: for each tile a dict in the photo's pixels: "boxes" [N, 4], "class_ids", "scores" [N], "rles" list,
            or also "mask_probabilities" [N, h, w], "attribute_scores" and "embeddings" [N, M].
        tiles: [T, 4] of `tile_boxes`.
        shape: (H, W) of the photo.
        iou_threshold: of the suppression, class by class.
        whole: the same dict of the whole photo, or None.

    Returns:
        The dict that `detect(rle=True)` describes, best object first; "mask_probabilities" are [N, 2h, 2w] if pieces
        were joined, else [N, h, w].
    """
    shape = tuple(int(side) for side in shape[:2])
    views = [*detections, *([] if whole is None else [whole])]
    boxes = np.concatenate([np.asarray(tiles).reshape(-1, 4), [[0, 0, *shape]]])[: len(views)]
    things, class_ids = [], []
    for class_id in np.unique(np.concatenate([view["class_ids"] for view in views])):
        pieces = [piece for number in range(len(views)) for piece in _pieces(views, number, boxes, shape, class_id)]
        pieces.sort(key=lambda piece: -piece.score)
        in_tiles = [piece for piece in pieces if piece.source[0] < len(detections)]
        own = [_thing(group) for group in _groups(in_tiles, iou_threshold)]
        of_whole = [piece for piece in pieces if piece.source[0] == len(detections)]
        own = _with_whole(own, of_whole, boxes[0], iou_threshold)
        own = _without_fragments(sorted(own, key=lambda thing: -thing.score))
        things, class_ids = things + own, class_ids + [class_id] * len(own)
    order = np.argsort([-thing.score for thing in things], kind="stable")
    things, class_ids = [things[i] for i in order], np.array([class_ids[i] for i in order], np.int32)
    kept = box_ops.kept_boxes(_boxes(things), class_ids, iou_threshold)
    return _answer([things[i] for i in kept], class_ids[kept], views)


def _boxes(things):
    return np.array([thing.box for thing in things], np.float32).reshape(-1, 4)


def _pieces(views, number, tiles, shape, class_id):
    """The Pieces of a class in one view."""
    view, tile = views[number], tiles[number]
    inside = np.array([tile[0] > 0, tile[1] > 0, tile[2] < shape[0], tile[3] < shape[1]])
    margin = np.maximum(1, AT_BORDER * np.tile(tile[2:] - tile[:2], 2))
    rows = np.flatnonzero(view["class_ids"] == class_id)
    areas = run_lengths.areas([view["rles"][row] for row in rows]).tolist()
    for row, area in zip(rows, areas, strict=True):
        box, rle = view["boxes"][row], view["rles"][row]
        cut = inside & (np.abs(box - tile) <= margin)
        if area:
            yield Piece(box, float(view["scores"][row]), rle, area, tile, cut, (number, int(row)))


def _groups(pieces, iou_threshold):
    """Lists of the pieces that are one object. pieces: of one class, best first."""
    boxes, group_of = _boxes(pieces), {}  # groups are lists of places
    for i, piece in enumerate(pieces):
        near = np.flatnonzero(box_ops.intersection(boxes[:i], boxes[i]) > 0)
        matches = [(_sameness(pieces[j], piece, iou_threshold), -j) for j in near]
        group = [i]
        for value, j in sorted(matches, reverse=True):
            other = group_of[-j]
            if value > 0 and other is not group and not _views(pieces, other) & _views(pieces, group):
                best = min(max(pieces[k].score for k in some) for some in (group, other))
                if len(group) == 1 or piece.score >= TRUSTED * best:
                    group = group + other
        group_of.update((j, group) for j in group)
    return [[pieces[j] for j in sorted(group)] for i, group in group_of.items() if i == max(group)]


def _views(pieces, group):
    return {pieces[i].source[0] for i in group}


def _sameness(a, b, iou_threshold):
    """How surely two pieces of one class are one object: 0 to 1, 0 where they are not."""
    if a.source[0] == b.source[0]:
        return 0
    shared = run_lengths.shared_area(a.rle, b.rle)
    if not shared:
        return 0
    cut_a, cut_b = _cut_within(a, b.tile), _cut_within(b, a.tile)
    if cut_a and cut_b:
        in_line = (a.tile[[0, 2]] == b.tile[[0, 2]]).all() or (a.tile[[1, 3]] == b.tile[[1, 3]]).all()
        smaller = min(area_within(a.rle, b.tile), area_within(b.rle, a.tile))
        value, least = in_line * shared / max(smaller, shared), SAME_PIECE
    elif cut_a or cut_b:
        value, least = shared / (a if cut_a else b).area, SAME_PIECE
    else:
        value, least = shared / (a.area + b.area - shared), iou_threshold
    return value if value >= least else 0


def _cut_within(piece, tile):
    """Whether a piece is cut at a border that runs through a tile."""
    low, high = np.tile(tile[:2], 2), np.tile(tile[2:], 2)
    return bool((piece.cut & (piece.tile > low) & (piece.tile < high)).any())


def _thing(group):
    """The Thing that a group of pieces is, best first: its best trusted one that is not cut, or their union."""
    group = [piece for piece in group if piece.score >= TRUSTED * group[0].score]
    whole = [piece for piece in group if not piece.cut.any()]
    if whole or len(group) == 1:
        best = (whole or group)[0]
        return Thing(best.box, best.score, best.rle, best.area, bool(whole), (best.source,))
    rle = run_lengths.merge([piece.rle for piece in group])
    area = int(run_lengths.areas([rle])[0])
    boxes = np.array([piece.box for piece in group])
    box = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
    return Thing(box, group[0].score, rle, area, False, tuple(piece.source for piece in group))


def _with_whole(things, pieces, tile, iou_threshold):
    """The things with those more that the view of the whole photo found, unless they have them already."""
    things, boxes = list(things), np.zeros((len(things) + len(pieces), 4), np.float32)
    boxes[:len(things)] = _boxes(things)
    for piece in pieces:
        near = np.flatnonzero(box_ops.intersection(boxes[:len(things)], piece.box) > 0)
        inside = _replaced(things, near, piece, tile, iou_threshold)
        if inside is None:
            continue
        for i in inside:
            things[i], boxes[i] = None, 0  # which is near nothing
        boxes[len(things)] = piece.box
        things.append(Thing(piece.box, piece.score, piece.rle, piece.area, True, (piece.source,)))
    return [thing for thing in things if thing is not None]


def _replaced(things, near, piece, tile, iou_threshold):
    """Places of the things that a piece of the whole photo replaces; None where they have its object already."""
    large = ((piece.box[2:] - piece.box[:2]) > tile[2:] - tile[:2]).any()
    inside = []
    for i in near:
        thing, shared = things[i], run_lengths.shared_area(things[i].rle, piece.rle)
        if thing.whole:
            if shared > iou_threshold * (thing.area + piece.area - shared):
                return None
        elif shared >= SAME_PIECE * thing.area:
            if shared >= COMPLETE * piece.area and not large:
                return None
            if piece.score >= TRUSTED * thing.score:
                inside.append(i)
    return inside


def _without_fragments(things):
    """The things, best first, less the cut ones that lie in a better one."""
    boxes, kept = np.empty((len(things), 4), np.float32), []
    for thing in things:
        near = [] if thing.whole else np.flatnonzero(box_ops.intersection(boxes[:len(kept)], thing.box) > 0)
        if not any(run_lengths.shared_area(kept[i].rle, thing.rle) >= SAME_PIECE * thing.area for i in near):
            boxes[len(kept)] = thing.box
            kept.append(thing)
    return kept


def _answer(things, class_ids, views):
    """The dict that `detect(rle=True)` describes."""
    boxes = _boxes(things)
    answer = {
        "rois": np.round(boxes).astype(np.int32),
        "boxes": boxes,
        "class_ids": class_ids,
        "scores": np.array([thing.score for thing in things], np.float32),
        "rles": [thing.rle for thing in things],
    }
    if all("mask_probabilities" in view for view in views):
        # A joined object is larger than each of its pieces: their grids would be too coarse for it.
        times = 2 if any(len(thing.parts) > 1 for thing in things) else 1
        grid = tuple(times * side for side in views[0]["mask_probabilities"].shape[1:])
        answer["mask_probabilities"] = np.zeros((len(things),) + grid, np.float32)
        for target, thing in zip(answer["mask_probabilities"], things):
            for number, row in thing.parts:
                mask, box = views[number]["mask_probabilities"][row], views[number]["boxes"][row]
                np.maximum(target, on_grid(mask, box, thing.box, grid), out=target)
    for name in ("attribute_scores", "embeddings"):
        if all(name in view for view in views):
            # Each piece shows a part of the object, and as much of what it is like.
            answer[name] = np.zeros((len(things), views[0][name].shape[1]), np.float32)
            for target, thing in zip(answer[name], things):
                target[:] = np.mean([views[number][name][row] for number, row in thing.parts], axis=0)
    return answer


def with_masks(answer: dict, shape: tuple[int, int]) -> dict:
    """The answer with full-size "masks" bool [H, W, N] in place of "rles"."""
    rles = answer["rles"]
    rest = {name: value for name, value in answer.items() if name != "rles"}
    return {**rest, "masks": run_lengths.decode_all(rles, tuple(int(side) for side in shape))}
