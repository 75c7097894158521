"""How well anchors fit the boxes of a data set, and anchors that fit them better.

Faster R-CNN (section 3.1.2) calls an anchor positive from an IoU of 0.7 with a box on, or if it is the best one of a
box: a box that no anchor comes near is learned from one bad example.
"""

import numpy as np

from mrcnn.config import ANCHOR_OFFSETS, Settings

SAMPLE = 3000  # boxes that anchors are fitted to; more change little
SCALES, RATIOS = 24, 12  # how many are tried for each level, and for each shape
ROUNDS = 100  # of what settles long before


def best_overlaps(boxes: np.ndarray, canvases: np.ndarray, config: Settings) -> np.ndarray:
    """The IoU of each box with the anchor that fits it best.

    Args:
        boxes: float [N, 4] canvas pixels.
        canvases: int [N, 2] (h, w) of their canvases.
        config: Config, of which RPN_ANCHOR_SCALES, RPN_ANCHOR_RATIOS, RPN_ANCHOR_STRIDE, BACKBONE_STRIDES and GEOMETRY
            are read.

    Returns:
        float64 [N]. Of the anchors of one shape, the one with the nearest centre fits best, since the overlap along an
        axis never grows with the distance of the centres: so one anchor a shape is looked at, and not the whole grid.
    """
    boxes, canvases = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(canvases).reshape(-1, 2)
    best = np.zeros(len(boxes))
    for stride, scale in zip(config.BACKBONE_STRIDES, config.RPN_ANCHOR_SCALES):
        centres = _nearest_centres(boxes, canvases, stride, config)
        for ratio in config.RPN_ANCHOR_RATIOS:
            best = np.maximum(best, _overlaps(boxes, centres, scale, ratio))
    return best


def _overlaps(boxes, centres, scale, ratio):
    """float64 [N]: the IoU of boxes with anchors of a shape at some centres [N, 2]."""
    half = scale * np.array([1 / np.sqrt(ratio), np.sqrt(ratio)]) / 2
    low, high = np.maximum(boxes[:, :2], centres - half), np.minimum(boxes[:, 2:], centres + half)
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return shared / np.maximum(areas + scale * scale - shared, 1e-9)


def _nearest_centres(boxes, canvases, stride, config):
    """float64 [N, 2]: (y, x) of the anchor centres of a level that are nearest to the centres of boxes."""
    anchor_stride = config.RPN_ANCHOR_STRIDE
    spacing, first = stride * anchor_stride, stride * ANCHOR_OFFSETS[getattr(config, "GEOMETRY", "exact")]
    cells = -(-canvases // stride)
    last = (-(-cells // anchor_stride) - 1) * spacing + first
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.clip(np.rint((middles - first) / spacing) * spacing + first, first, last)


def propose_anchors(boxes: np.ndarray, canvases: np.ndarray, config: Settings) -> tuple[list[float], list[float]]:
    """Anchor scales, one a level, and ratios that fit the boxes.

    The search begins at the modes of the boxes' sizes and shapes, and at the anchors of config, and changes one number
    at a time for the better until none can be. Modes alone do badly where most boxes are small: the coarse levels,
    whose cells lie wide apart, would have small anchors that miss what lies between. A box counts by how far its best
    IoU is on the way from RPN_NEGATIVE_IOU, below which an anchor is background, to RPN_POSITIVE_IOU.

    Args:
        boxes, canvases, config: as for `best_overlaps`; at least one box.

    Returns:
        (list of float scales, pixels, rising; list of float ratios, width / height, rising); those of config if none
        are found that fit better.
    """
    boxes, canvases = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(canvases).reshape(-1, 2)
    current = [float(s) for s in config.RPN_ANCHOR_SCALES], [float(r) for r in config.RPN_ANCHOR_RATIOS]
    sample = np.sort(np.random.default_rng(0).permutation(len(boxes))[:SAMPLE])
    boxes, canvases = boxes[sample], canvases[sample]
    sides = boxes[:, 2:] - boxes[:, :2]
    box_scales, box_ratios = np.sqrt(sides.prod(axis=1)), sides[:, 1] / sides[:, 0]
    starts = [current, (modes(box_scales, len(current[0])), modes(box_ratios, len(current[1])))]
    scales = np.unique(np.rint(_between(box_scales, SCALES)).clip(1))
    ratios = np.unique(np.round(_between(box_ratios, RATIOS), 2).clip(0.01))

    def value(overlaps):
        least, full = config.RPN_NEGATIVE_IOU, config.RPN_POSITIVE_IOU
        return np.clip((overlaps - least) / (full - least), 0, 1).astype(np.float32)

    values = np.stack([
        [[value(_overlaps(boxes, centres, scale, ratio)) for ratio in ratios] for scale in scales]
        for stride in config.BACKBONE_STRIDES
        for centres in [_nearest_centres(boxes, canvases, stride, config)]
    ])
    fits = [_climbed(values, _nearest(scales, start[0]), _nearest(ratios, start[1])) for start in starts]
    fit, at_scale, at_ratio = max(fits, key=lambda result: result[0])
    if fit <= value(best_overlaps(boxes, canvases, config)).mean():
        return current
    return scales[at_scale].tolist(), ratios[np.sort(at_ratio)].tolist()


def _between(values, count):
    """float [count]: numbers that rise by a factor and span all values but the outermost hundredth at each end."""
    low, high = np.quantile(values, [0.01, 0.99])
    return np.geomspace(low, max(high, low * 1.01), count)


def _nearest(candidates, values):
    return np.abs(np.log(candidates)[None] - np.log(values)[:, None]).argmin(axis=1)


def _climbed(values, at_scale, at_ratio):
    """(fit, places among the scales, places among the ratios) once no change of one place is for the better.

    values: float [levels, scales, ratios, N], of each box with each anchor; at_scale, at_ratio: places to begin with
    """
    levels = np.arange(len(values))
    at_scale, at_ratio = np.maximum.accumulate(at_scale), np.array(at_ratio)

    def fit():
        return float(values[levels, at_scale][:, at_ratio].max(axis=(0, 1)).mean())

    best = fit()
    for _ in range(ROUNDS):
        before = best
        for places, count, rising in ((at_scale, values.shape[1], True), (at_ratio, values.shape[2], False)):
            for i in range(len(places)):
                low = places[i - 1] if rising and i else 0
                high = places[i + 1] if rising and i + 1 < len(places) else count - 1
                for place in range(low, high + 1):
                    kept, places[i] = places[i], place
                    changed = fit()
                    if changed > best + 1e-6:
                        best = changed
                    else:
                        places[i] = kept
        if best == before:
            break
    return best, at_scale, at_ratio


def modes(values: np.ndarray, count: int) -> np.ndarray:
    """Centres of k-means in one dimension, on the logarithms.

    Args:
        values: [N] positive.
        count: of centres, which begin at quantiles and so are the same every time.

    Returns:
        float64 [count], rising.
    """
    values = np.sort(np.log(values))
    sums = np.concatenate([[0], np.cumsum(values)])
    centres = np.quantile(values, (np.arange(count) + 0.5) / count)
    for _ in range(ROUNDS):
        edges = np.searchsorted(values, (centres[1:] + centres[:-1]) / 2)
        edges = np.concatenate([[0], edges, [len(values)]])
        sizes = np.diff(edges)
        means = np.where(sizes > 0, np.diff(sums[edges]) / np.maximum(sizes, 1), centres)
        if np.allclose(means, centres, rtol=0, atol=1e-9):
            break
        centres = means
    return np.exp(centres)
