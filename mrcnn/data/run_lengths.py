"""Run lengths, COCO's form of a mask: the one place that knows pycocotools' masks.

A mask is read down its columns, and the lengths of its runs are listed, outside first. An *RLE* is the dict
{"size": [H, W], "counts": list of the lengths, or text of them in COCO's compressed form}; all that is returned here
has text (str), which JSON can hold.

Every call looks at all that it is given before C code sees it, all of a list in one pass: pycocotools trusts sizes,
text and coordinates, leaves its memory where they are wrong, and asks for gigabytes where they are huge. Nothing here
takes memory by the pixels of the photo but `encode` and `decode`, whose arrays have them anyway.
"""

from collections.abc import Sequence

import numpy as np

from mrcnn.data.mask_values import bool_masks
from mrcnn.data.run_length_counts import checked_runs, checked_size, joined, sums, turns
from mrcnn.errors import DataError

FARTHEST = 10  # times the photo's longer side that a polygon may reach; annotation tools never leave the photo so far
LARGEST_COORDINATE = 1 << 28  # C code counts fifths of a pixel in 32 bits
LONGEST_OUTLINE = 1 << 22  # pixels walked along the polygons of one object: drawing takes about 100 bytes each

# --- Masks -----------------------------------------------------------------------------------------------------------


def encode(mask: np.ndarray) -> dict:
    """Encode a mask as an RLE.

    Args:
        mask: [H, W] bool, or numbers that `mrcnn.data.mask_values.cut_masks` takes

    Returns:
        RLE, compressed.
    """
    mask = bool_masks(mask)
    pixels = mask.T.reshape(-1)
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    edges = np.concatenate([[0] if len(pixels) and pixels[0] else [], edges, [len(pixels)]]).astype(np.int64)
    return from_runs(np.diff(edges, prepend=0), mask.shape)


def decode(rle: dict, shape: tuple[int, int] | None = None) -> np.ndarray:
    """Decode an RLE to its mask.

    Args:
        rle: RLE, compressed or not
        shape: (H, W) that the mask must have; None takes the RLE's own

    Returns:
        bool [H, W], in memory by columns.

    Raises:
        DataError: it is no RLE, has another size, or does not cover it exactly.
    """
    runs = checked_runs([rle], shape)[0]
    return np.repeat(turns(len(runs)), runs).reshape(tuple(int(side) for side in rle["size"][::-1])).T


def decode_all(rles: list, shape: tuple[int, int]) -> np.ndarray:
    """Decode several RLEs of one photo to their masks.

    Args:
        rles: list of N RLEs, compressed or not
        shape: (H, W) of the photo

    Returns:
        bool [H, W, N], each mask in memory by columns.

    Raises:
        DataError: as for `decode`.
    """
    runs, first = checked_runs(rles, shape)
    height, width = (int(side) for side in shape)
    return np.repeat(turns(len(runs), first), runs).reshape(len(rles), width, height).transpose(2, 1, 0)


# --- From one form to another ----------------------------------------------------------------------------------------


def check(rle: dict, shape: tuple[int, int]) -> np.ndarray:
    """Read the lengths of the runs of an RLE, after a look at all of it.

    Args:
        rle: RLE, compressed or not
        shape: (H, W) of the photo

    Returns:
        int64 [R] pixels, outside first.

    Raises:
        DataError: it is no RLE, has another size, or does not cover it exactly.
    """
    return checked_runs([rle], shape)[0]


def compress(rle: dict, shape: tuple[int, int] | None = None) -> dict:
    """Bring an RLE of any form into the compressed form.

    Args:
        rle: RLE, compressed or not
        shape: (H, W) that it must have; None takes the RLE's own

    Returns:
        RLE, compressed, without runs of no length but the first.

    Raises:
        DataError: as for `check`.
    """
    runs = checked_runs([rle], shape)[0]
    counts = rle["counts"]
    if isinstance(counts, (list, tuple, np.ndarray)) or not runs[1:].all():  # C code trips over runs of no length
        return from_runs(joined(runs), rle["size"])
    counts = counts.decode("ascii") if isinstance(counts, bytes) else counts
    return {"size": [int(side) for side in rle["size"]], "counts": counts}


def from_runs(runs: np.ndarray, shape: tuple[int, int]) -> dict:
    """Make an RLE of the lengths of its runs.

    Args:
        runs: int [R] pixels, outside first, which must cover the photo
        shape: (H, W) of the photo

    Returns:
        RLE, compressed.

    Raises:
        DataError: the photo has more than MOST_PIXELS.
    """
    from pycocotools import mask as coco_mask

    height, width = checked_size(shape, least=0)
    rle = coco_mask.frPyObjects({"size": [height, width], "counts": np.asarray(runs, np.uint32)}, height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def from_intervals(starts: np.ndarray, ends: np.ndarray, shape: tuple[int, int]) -> dict:
    """Make an RLE of the union of intervals of pixels, counted from 0 on down the columns.

    Args:
        starts: int64 [I] first pixels, in any order
        ends: int64 [I] pixels after the last, each beyond its start
        shape: (H, W) of the photo, which holds them all

    Returns:
        RLE, compressed.
    """
    if (starts[1:] < starts[:-1]).any():
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], ends[order]
    reached = np.maximum.accumulate(ends)
    apart = starts[1:] > reached[:-1]
    first, last = np.append(True, apart)[: len(starts)], np.append(apart, True)[: len(starts)]
    edges = np.stack([starts[first], reached[last]], axis=1).ravel()
    area = int(shape[0]) * int(shape[1])
    more = [area] if not len(edges) or edges[-1] < area else []
    return from_runs(np.diff(edges, prepend=0, append=more), shape)


def from_polygons(polygons: list, shape: tuple[int, int]) -> dict:
    """Draw the union of polygons as COCO draws them, as an RLE.

    Args:
        polygons: list of [x1, y1, x2, y2, ...] pixels
        shape: (H, W) of the photo

    Returns:
        RLE, compressed.

    Raises:
        DataError: a polygon is no list of numbers, has fewer than three corners, reaches farther than FARTHEST, or
            their outlines are longer than LONGEST_OUTLINE.
    """
    from pycocotools import mask as coco_mask

    shape = checked_size(shape)
    parts = [corners.ravel().tolist() for corners in checked_polygons(polygons, shape)]
    drawn = coco_mask.frPyObjects(parts, *shape)
    rles = [{"size": list(shape), "counts": rle["counts"].decode("ascii")} for rle in drawn]
    return rles[0] if len(rles) == 1 else merge(rles)


# --- What they cover -------------------------------------------------------------------------------------------------


def areas(rles: list) -> np.ndarray:
    """Count the pixels inside each of some RLEs, of any number and of any photos.

    Args:
        rles: list of N RLEs, compressed or not

    Returns:
        int64 [N] pixels.

    Raises:
        DataError: one is no RLE, or does not cover its size exactly.
    """
    runs, first = checked_runs(rles)
    return sums(np.where(turns(len(runs), first), runs, 0), first)


def boxes(rles: list) -> np.ndarray:
    """Compute the smallest box around each of some RLEs, of any number and of any photos.

    Args:
        rles: list of N RLEs, compressed or not

    Returns:
        int64 [N, 4] pixels (y1, x1, y2, x2); an empty mask has the box (0, 0, 0, 0).

    Raises:
        DataError: as for `areas`.
    """
    runs, first = checked_runs(rles)
    ends = np.cumsum(runs)
    owner = np.repeat(np.arange(len(rles)), np.diff(first))
    inside = np.flatnonzero(turns(len(runs), first) & (runs > 0))
    owner, ends, runs = owner[inside], ends[inside], runs[inside]
    sizes = np.array([rle["size"] for rle in rles], np.int64).reshape(-1, 2)
    ends = ends - np.append(0, np.cumsum(sizes.prod(axis=1)))[owner]  # pixels of its own photo
    height = sizes[owner, 0]
    left, top = np.divmod(ends - runs, height)
    right, bottom = np.divmod(ends - 1, height)
    through = right > left  # a run through several columns reaches from the top to the foot
    corners = np.stack([np.where(through, 0, top), left, np.where(through, height, bottom + 1), right + 1], axis=1)
    owners, start = np.unique(owner, return_index=True)
    result = np.zeros((len(rles), 4), np.int64)
    if len(owners):
        result[owners, :2] = np.minimum.reduceat(corners[:, :2], start)
        result[owners, 2:] = np.maximum.reduceat(corners[:, 2:], start)
    return result


def coco_boxes(rles: list) -> list:
    """Compute the boxes of some RLEs as COCO's JSON has them.

    Args:
        rles: list of N RLEs, compressed or not

    Returns:
        list of N [x, y, width, height], floats, pixels.

    Raises:
        DataError: as for `areas`.
    """
    y1, x1, y2, x2 = boxes(rles).T
    return np.stack([x1, y1, x2 - x1, y2 - y1], axis=1).astype(float).tolist()


def merge(rles: list) -> dict:
    """Unite some RLEs of one photo.

    Args:
        rles: list of one or more RLEs, compressed or not

    Returns:
        RLE, compressed.

    Raises:
        DataError: one is no RLE, has another size than the first, or does not cover it exactly.
    """
    shape = _size_of(rles[0])
    runs, first = checked_runs(rles, shape)
    ends = np.cumsum(runs)
    inside = np.flatnonzero(turns(len(runs), first) & (runs > 0))
    before = np.repeat(np.arange(len(rles)), np.diff(first))[inside] * (shape[0] * shape[1])
    return from_intervals((ends - runs)[inside] - before, ends[inside] - before, shape)


def shared_area(a: dict, b: dict) -> int:
    """Count the pixels that two RLEs of one photo share.

    Args:
        a, b: RLEs, compressed or not

    Returns:
        int, pixels.

    Raises:
        DataError: as for `merge`.
    """
    shape = _size_of(a)
    runs, other = check(a, shape), check(b, shape)
    ends, inside = np.cumsum(runs), turns(len(runs))
    covered = np.cumsum(np.where(inside, runs, 0))
    at = np.cumsum(other)
    run = np.minimum(np.searchsorted(ends, at), len(ends) - 1)
    before = covered[run] - np.where(inside[run], ends[run] - at, 0)  # pixels of a before each end of a run of b
    return int(np.diff(before, prepend=0)[1::2].sum())


def iou(detected: list, true: list, crowd: list | None = None) -> np.ndarray:
    """Measure how much each detected object overlaps each true one: IoU, and with a crowd the share that lies in it.

    Args:
        detected: list of D RLEs, or of D boxes [x, y, width, height], pixels
        true: list of G of the same kind
        crowd: [G] whether each true one is a crowd; None for none

    Returns:
        float64 [D, G].

    Raises:
        DataError: one is no RLE or no box, or the RLEs are not of one size.
    """
    from pycocotools import mask as coco_mask

    if not len(detected) or not len(true):
        return np.zeros((len(detected), len(true)))
    crowd = [0] * len(true) if crowd is None else [int(one) for one in crowd]
    if isinstance(detected[0], dict):
        shape = _size_of(detected[0])
        detected, true = ([compress(rle, shape) for rle in rles] for rles in (detected, true))
    else:
        detected, true = _checked_boxes(detected), _checked_boxes(true)
    return coco_mask.iou(detected, true, crowd)


def _size_of(rle):
    return checked_size(rle.get("size") if isinstance(rle, dict) else None, "the RLE")


def _checked_boxes(boxes):
    try:
        boxes = np.array(boxes, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError("a box must be [x, y, width, height] in numbers") from error
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise DataError("a box must be [x, y, width, height] in finite numbers")
    return boxes


# --- Polygons --------------------------------------------------------------------------------------------------------


def checked_polygons(polygons: Sequence, shape: tuple[int, int]) -> list[np.ndarray]:
    """The corners of polygons that are safe to draw.

    Args:
        polygons, shape: as for `from_polygons`

    Returns:
        list of float64 [P, 2] (x, y) pixels.

    Raises:
        DataError: as for `from_polygons`.
    """
    parts = [_corners(polygon) for polygon in polygons]
    if not parts:
        raise DataError("the list of polygons is empty")
    height, width = shape
    far = max(float(np.abs(corners).max()) for corners in parts)
    if far > min(FARTHEST * max(height, width), LARGEST_COORDINATE):
        raise DataError(f"a polygon reaches to {far:.0f}, far outside a photo of {height}x{width}")
    walked = sum(float(np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1).sum()) + len(corners) / 5
                 for corners in parts)  # at five steps a pixel, and one at least from corner to corner
    if walked > LONGEST_OUTLINE:
        raise DataError(f"its polygons are {walked:.0f} pixels long, more than {LONGEST_OUTLINE}: simplify them")
    return parts


def _corners(polygon):
    """float64 [P, 2] of [x1, y1, ...]."""
    try:
        corners = np.asarray(polygon, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError("a polygon must be a list of numbers [x1, y1, x2, y2, ...]") from error
    if corners.ndim != 1 or len(corners) < 6 or len(corners) % 2 or not np.isfinite(corners).all():
        raise DataError("a polygon must be three or more corners [x1, y1, x2, y2, ...] of finite numbers")
    return corners.reshape(-1, 2)


def check_polygons(polygons: Sequence, shape: tuple[int, int]) -> None:
    """Raise DataError with the reason for polygons that `from_polygons` refuses, and for those of no area.

    Costs no drawing for any ordinary polygon.

    Args:
        polygons, shape: as for `from_polygons`
    """
    shape = checked_size(shape)
    height, width = shape
    for corners in checked_polygons(polygons, shape):
        following = np.concatenate([corners[1:], corners[:1]])
        doubled_area = abs(float(np.sum(corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0])))
        low, high = corners.min(axis=0), corners.max(axis=0)
        if (high > 0).all() and low[0] < width and low[1] < height and doubled_area > 1e-6:
            return  # one part of some area in the photo is enough
    # A figure of eight has no signed area either: drawing it decides.
    if not areas([from_polygons(polygons, shape)])[0]:
        raise DataError("its polygons have no area in the photo")
