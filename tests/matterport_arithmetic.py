"""Matterport's arithmetic in plain numpy and float64, one box at a time: what GEOMETRY="matterport" is compared with.

Boxes are its normalised ones: (y1 / (H - 1), x1 / (W - 1), (y2 - 1) / (H - 1), (x2 - 1) / (W - 1)).
"""

import math

import numpy as np

STD = np.array([0.1, 0.1, 0.2, 0.2])


def normalised(boxes, shape):
    height, width = shape[:2]
    return (np.asarray(boxes, np.float64) - [0, 0, 1, 1]) / [height - 1, width - 1, height - 1, width - 1]


def pixels(boxes, shape):
    height, width = shape[:2]
    return np.asarray(boxes, np.float64) * [height - 1, width - 1, height - 1, width - 1] + [0, 0, 1, 1]


def pyramid_anchors(scales, ratios, strides, shape):
    """In pixels, by level, row, column and ratio, round the first corners of cells."""
    anchors = []
    for scale, stride in zip(scales, strides):
        for row in range(math.ceil(shape[0] / stride)):
            for column in range(math.ceil(shape[1] / stride)):
                for ratio in ratios:
                    height, width = scale / math.sqrt(ratio), scale * math.sqrt(ratio)
                    y, x = row * stride, column * stride
                    anchors.append([y - height / 2, x - width / 2, y + height / 2, x + width / 2])
    return np.array(anchors)


def moved(box, deltas):
    height, width = box[2] - box[0], box[3] - box[1]
    y, x = box[0] + height / 2 + deltas[0] * STD[0] * height, box[1] + width / 2 + deltas[1] * STD[1] * width
    height, width = height * math.exp(deltas[2] * STD[2]), width * math.exp(deltas[3] * STD[3])
    return np.array([y - height / 2, x - width / 2, y + height / 2, x + width / 2])


def deltas_to(box, target):
    height, width = box[2] - box[0], box[3] - box[1]
    centre, goal = (box[:2] + box[2:]) / 2, (target[:2] + target[2:]) / 2
    size = np.log((target[2:] - target[:2]) / [height, width])
    return np.concatenate([(goal - centre) / [height, width], size]) / STD


def cut(box, window):
    low, high = np.array(window[:2]), np.array(window[2:])
    return np.concatenate([np.clip(box[:2], low, high), np.clip(box[2:], low, high)])


def iou(a, b):
    shared = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared
    return shared / union if union > 0 else 0.0


def suppressed(boxes, order, threshold, limit):
    kept = []
    for index in order:
        if len(kept) < limit and all(iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


def proposals(pairs, deltas, anchors, limit, threshold, count):
    """pairs: [A, (background, object)] logits; deltas: [A, 4]; anchors: [A, 4] normalised. The boxes kept, [R, 4]."""
    scores = np.exp(pairs[:, 1]) / np.exp(pairs).sum(axis=1)
    best = np.argsort(-scores, kind="stable")[:limit]
    boxes = {index: cut(moved(anchors[index], deltas[index]), [0, 0, 1, 1]) for index in best}
    return np.array([boxes[index] for index in suppressed(boxes, best, threshold, count)])


def level(box, shape):
    """2 to 5."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    if area <= 0:
        return 2
    # Python rounds a half to the even neighbour, as TensorFlow does.
    return min(5, max(2, 4 + round(math.log2(math.sqrt(area) / (224 / math.sqrt(shape[0] * shape[1]))))))


def crop(grid, box, rows, columns):
    """One bilinear sample a cell, the first and last on the box's edges; zero off the grid [h, w, F]."""
    height, width = grid.shape[:2]
    result = np.zeros((rows, columns) + grid.shape[2:])
    for row in range(rows):
        for column in range(columns):
            y = (box[0] + (box[2] - box[0]) * row / (rows - 1)) * (height - 1)
            x = (box[1] + (box[3] - box[1]) * column / (columns - 1)) * (width - 1)
            if not (-1e-6 <= y <= height - 1 + 1e-6 and -1e-6 <= x <= width - 1 + 1e-6):
                continue
            top, left = min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = grid[top, left] * (left + 1 - x) + grid[top, right] * (x - left)
            lower = grid[bottom, left] * (left + 1 - x) + grid[bottom, right] * (x - left)
            result[row, column] = upper * (top + 1 - y) + lower * (y - top)
    return result


def detections(rois, logits, deltas, window, confidence, threshold, count):
    """rois: [R, 4]; logits: [R, C]; deltas: [R, C, 4]; window: normalised. Rows (y1, x1, y2, x2, class, score)."""
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    classes = probabilities.argmax(axis=1)
    scores = probabilities.max(axis=1)
    boxes = [cut(moved(rois[i], deltas[i, classes[i]]), window) for i in range(len(rois))]
    kept = []
    for class_id in range(1, logits.shape[1]):
        own = [i for i in np.argsort(-scores) if classes[i] == class_id and scores[i] >= confidence]
        kept += suppressed(boxes, own, threshold, count)
    kept = sorted(kept, key=lambda i: -scores[i])[:count]
    return np.array([[*boxes[i], classes[i], scores[i]] for i in kept])


def resized(mask, rows, columns):
    """Bilinear between the centres of cells, which count as zero beyond the mask."""
    height, width = mask.shape
    framed = np.pad(mask, 1)
    result = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            y, x = (row + 0.5) * height / rows + 0.5, (column + 0.5) * width / columns + 0.5  # in the frame's cells
            top, left = int(y), int(x)
            part_y, part_x = y - top, x - left
            upper = framed[top, left] * (1 - part_x) + framed[top, left + 1] * part_x
            lower = framed[top + 1, left] * (1 - part_x) + framed[top + 1, left + 1] * part_x
            result[row, column] = upper * (1 - part_y) + lower * part_y
    return result


def in_photo(box, window, shape):
    """A box of whole pixels of the photo, int [4]; box and window normalised to the canvas."""
    low, size = np.tile(window[:2], 2), np.tile(np.array(window[2:]) - window[:2], 2)
    return np.rint(pixels((box - low) / size, shape)).astype(int)


def pasted(mask, box, shape):
    """float [H, W]: the mask's values at the pixels of a box of whole pixels, zero elsewhere."""
    photo = np.zeros(shape)
    photo[box[0] : box[2], box[1] : box[3]] = resized(mask, box[2] - box[0], box[3] - box[1])
    return photo


def rpn_targets(anchors, boxes, crowd):
    """anchors, boxes: pixels; crowd: bool [G]. (1, 0 or -1 for each anchor; deltas of each to its best object)"""
    overlaps = np.array([[iou(anchor, box) for box in boxes] for anchor in anchors])
    with_objects, with_crowds = overlaps[:, ~crowd], overlaps[:, crowd]
    best = with_objects.max(axis=1)
    match = np.zeros(len(anchors), int)
    match[(best < 0.3) & (with_crowds.max(axis=1, initial=0) < 0.001)] = -1
    for column in with_objects.T:
        match[column == column.max()] = 1
    match[best >= 0.7] = 1
    objects = boxes[~crowd][with_objects.argmax(axis=1)]
    return match, np.array([deltas_to(anchor, target) for anchor, target in zip(anchors, objects)])
