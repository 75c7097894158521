"""RoIAlign (Mask R-CNN section 3): fixed-size crops of a feature pyramid, without any rounding.

The corner of pixel (0, 0) is coordinate 0 and its centre 0.5, on the image and, divided by the stride, on every map:
cell i of a map has its centre at (i + 0.5) * stride. A sample between centres is bilinear; up to one cell outside the
map it takes the nearest edge cell, farther out it is zero (as in Detectron).
"""

import math
from collections.abc import Sequence

from keras import backend, ops

from mrcnn.ops import Tensor
from mrcnn.ops import boxes as box_ops
from mrcnn.ops.bilinear import tent_weights
from mrcnn.ops.portable import becomes_onnx, is_portable


def pyramid_levels(boxes: Tensor, lowest: int, highest: int, canonical_size: float = 224.0,
                   canonical_level: int = 4) -> Tensor:
    """Pyramid level each box is cropped from (FPN equation 1, with floor).

    Args:
        boxes: [..., 4] pixels.
        lowest, highest: levels that there are.
        canonical_size, canonical_level: side in pixels of a box of that level.

    Returns:
        int32 [...] in lowest..highest: a box of canonical_size squared has canonical_level, one of half the side a
        level less.
    """
    size = box_ops.area(boxes)
    level = ops.full_like(size, lowest)
    # Comparing areas with powers of four gives the floor of the logarithm exactly on every backend.
    for step in range(lowest + 1, highest + 1):
        limit = (canonical_size * 2.0 ** (step - canonical_level)) ** 2
        level = level + ops.cast(size >= limit, level.dtype)
    return ops.cast(level, "int32")


def roi_align(maps: Sequence[Tensor], strides: Sequence[int], boxes: Tensor, image_index: Tensor, level_index: Tensor,
              size: int, sampling_ratio: int, ordered: bool = False) -> Tensor:
    """Crop each box from one image's one map.

    Args:
        maps: list of [B, h_l, w_l, F].
        strides: pixels a cell of each map covers.
        boxes: [N, 4] pixels.
        image_index: int32 [N].
        level_index: int32 [N] into maps.
        size: cells a side of the crop.
        sampling_ratio: points a side of each cell, averaged.
        ordered: level_index does not fall from row to row, which spares a graph for ONNX a pass over all crops.

    Returns:
        [N, size, size, F]. Gradients flow to the maps, not to the boxes.
    """
    boxes = ops.stop_gradient(boxes)
    if backend.backend() == "tensorflow" and not is_portable():
        from mrcnn.ops.native_tensorflow import roi_align as native

        return native(maps, strides, boxes, image_index, level_index, size, sampling_ratio)
    if becomes_onnx():
        from mrcnn.ops.native_onnx import roi_align as onnx_roi_align

        return onnx_roi_align(maps, strides, boxes, image_index, level_index, size, sampling_ratio, ordered)
    return reference_roi_align(maps, strides, boxes, image_index, level_index, size, sampling_ratio)


def reference_roi_align(maps: Sequence[Tensor], strides: Sequence[int], boxes: Tensor, image_index: Tensor,
                        level_index: Tensor, size: int, sampling_ratio: int) -> Tensor:
    """`roi_align` in keras.ops alone: all maps lie in one table of cells, and every sample gathers four rows of it."""
    batch, channels = ops.shape(maps[0])[0], maps[0].shape[-1]
    cells = ops.concatenate([ops.reshape(m, (-1, channels)) for m in maps], axis=0)
    heights = [ops.shape(m)[1] for m in maps]
    widths = [ops.shape(m)[2] for m in maps]
    starts = [0]
    for height, width in zip(heights, widths):
        starts.append(starts[-1] + batch * height * width)

    def of_level(values, dtype):
        return ops.take(ops.convert_to_tensor(values, dtype=dtype), level_index)

    height, width = of_level(heights, "int32"), of_level(widths, "int32")
    start, stride = of_level(starts[:-1], "int32"), of_level(strides, "float32")
    first_row = start + image_index * height * width
    y_low, y_high, y_part, y_inside = _axis_samples(boxes[:, 0], boxes[:, 2], stride, height, size, sampling_ratio)
    x_low, x_high, x_part, x_inside = _axis_samples(boxes[:, 1], boxes[:, 3], stride, width, size, sampling_ratio)

    crop = 0.0
    for y, y_weight in ((y_low, 1 - y_part), (y_high, y_part)):
        for x, x_weight in ((x_low, 1 - x_part), (x_high, x_part)):
            rows = (first_row[:, None] + y * width[:, None])[:, :, None] + x[:, None, :]
            weight = (y_weight * y_inside)[:, :, None] * (x_weight * x_inside)[:, None, :]
            crop = crop + ops.take(cells, rows, axis=0) * ops.cast(weight, cells.dtype)[..., None]
    crop = ops.reshape(crop, (-1, size, sampling_ratio, size, sampling_ratio, channels))
    return ops.mean(crop, axis=(2, 4))


def _axis_samples(low, high, stride, cells, size, sampling_ratio):
    """Sample points of each box along one axis: both neighbouring cells, the share of the higher one, and whether
    the point is on the map. Each [N, size * sampling_ratio]."""
    count = size * sampling_ratio
    steps = (ops.arange(count, dtype="float32") + 0.5) / count
    points = (low[:, None] + (high - low)[:, None] * steps[None]) / stride[:, None] - 0.5
    return _neighbours(points, ops.cast(cells, "float32")[:, None])


def _neighbours(points, cells):
    """Along one axis of a map, for points in cells: the cells on both sides, the share of the higher one, and whether
    the point is on the map. points: [N, P]; cells: float32, how many the map has, in a shape that broadcasts."""
    inside = ops.cast(ops.logical_and(points >= -1.0, points <= cells), "float32")
    points = ops.clip(points, 0.0, cells - 1.0)
    lower = ops.floor(points)
    higher = ops.minimum(lower + 1.0, cells - 1.0)
    return ops.cast(lower, "int32"), ops.cast(higher, "int32"), points - lower, inside


def sample_points(features: Tensor, stride: float, boxes: Tensor, image_index: Tensor, points: Tensor) -> Tensor:
    """Values of one map at points of boxes, bilinear between the centres of its cells (PointRend section 3.2).

    Args:
        features: [B, h, w, F].
        stride: pixels a cell covers.
        boxes: [N, 4] pixels.
        image_index: int32 [N].
        points: [N, P, 2], (y, x) as shares of the box, 0 at its first edge and 1 at its last.

    Returns:
        float32 [N, P, F]. Gradients flow to the map alone.
    """
    boxes, points = ops.stop_gradient(boxes), ops.stop_gradient(points)
    height, width = ops.shape(features)[1:3]
    points = points_in_pixels(boxes, points) / stride - 0.5
    y_low, y_high, y_part, y_inside = _neighbours(points[..., 0], ops.cast(height, "float32"))
    x_low, x_high, x_part, x_inside = _neighbours(points[..., 1], ops.cast(width, "float32"))
    cells = ops.reshape(features, (-1, features.shape[-1]))
    first_row = (image_index * height * width)[:, None]
    total = 0.0
    for y_cell, y_weight in ((y_low, 1 - y_part), (y_high, y_part)):
        for x_cell, x_weight in ((x_low, 1 - x_part), (x_high, x_part)):
            values = ops.take(cells, first_row + y_cell * width + x_cell, axis=0)
            weight = y_weight * y_inside * x_weight * x_inside
            total = total + ops.cast(values, "float32") * weight[..., None]
    return total


def sample_grids(grids: Tensor, row: Tensor, points: Tensor) -> Tensor:
    """Values of grids at points, bilinear between the centres of their cells and level beyond the outermost.

    Args:
        grids: [M, h, w].
        row: int32 [N], the grid of each set of points.
        points: [N, P, 2], (y, x) as shares of the grid.

    Returns:
        float32 [N, P].
    """
    # In its own cells a grid is a map of stride 1, whose box is the whole of it.
    height, width = ops.shape(grids)[1:3]
    whole = ops.cast(ops.stack([0, 0, height, width]), "float32")
    whole = ops.broadcast_to(whole[None], (ops.shape(row)[0], 4))
    return sample_points(grids[..., None], 1.0, whole, row, points)[..., 0]


def points_in_pixels(boxes: Tensor, points: Tensor) -> Tensor:
    """Pixel coordinates of points given as shares of their boxes: [N, 4], [N, P, 2] -> [N, P, 2]."""
    corner, size = boxes[:, None, :2], boxes[:, None, 2:] - boxes[:, None, :2]
    return corner + size * points


def sample_masks(masks: Tensor, mask_boxes: Tensor, regions: Tensor, shape: tuple[int, int],
                 sampling_ratio: int = 2) -> Tensor:
    """The part of each mask that lies in a region, by RoIAlign: cells hold the share of the region's cell covered.

    Args:
        masks: [N, h, w], 0..1.
        mask_boxes: [N, 4], the box that each mask is stretched over.
        regions: [N, 4] in the same unit.
        shape: (rows, columns) of the result.
        sampling_ratio: samples along each side of a cell.

    Returns:
        [N, rows, columns]; outside its box a mask is zero. Sampling is separable, so it is two small matrix products.
    """
    height, width = ops.shape(masks)[1:3]
    rows = _sampling_matrix(mask_boxes, regions, 0, height, shape[0], sampling_ratio)
    columns = _sampling_matrix(mask_boxes, regions, 1, width, shape[1], sampling_ratio)
    return ops.matmul(rows, ops.matmul(masks, ops.transpose(columns, (0, 2, 1))))


def sample_masks_at(masks: Tensor, mask_boxes: Tensor, row: Tensor, regions: Tensor, points: Tensor) -> Tensor:
    """Values of masks at points of regions, bilinear between the centres of the masks' cells.

    Args:
        masks: [M, h, w].
        mask_boxes: [M, 4], the box that each mask is stretched over.
        row: int32 [N], the mask of each region.
        regions: [N, 4] in the unit of mask_boxes.
        points: [N, P, 2] as for `sample_points`.

    Returns:
        float32 [N, P]; outside its box a mask is zero.
    """
    boxes = ops.take(mask_boxes, row, axis=0)
    corner, size = boxes[:, None, :2], ops.maximum(boxes[:, None, 2:] - boxes[:, None, :2], 1e-3)
    shares = (points_in_pixels(regions, points) - corner) / size
    inside = ops.all(ops.logical_and(shares >= 0.0, shares <= 1.0), axis=-1)
    values = sample_grids(masks, row, shares)
    return ops.where(inside, values, 0.0)


def _sampling_matrix(mask_boxes, regions, axis, cells, size, sampling_ratio):
    """[N, size, cells]: how much each mask cell gives to each cell of the region along one axis."""
    count = size * sampling_ratio
    steps = (ops.arange(count, dtype="float32") + 0.5) / ops.cast(count, "float32")
    low, high = regions[:, axis, None], regions[:, axis + 2, None]
    mask_low, mask_high = mask_boxes[:, axis, None], mask_boxes[:, axis + 2, None]
    points = low + (high - low) * steps[None]
    inside = ops.logical_and(points >= mask_low, points <= mask_high)
    number = ops.cast(cells, "float32")
    position = (points - mask_low) / ops.maximum(mask_high - mask_low, 1e-3) * number - 0.5
    position = ops.clip(position, 0.0, number - 1.0)
    tent = tent_weights(position, cells) * ops.cast(inside, "float32")[:, :, None]
    return ops.mean(ops.reshape(tent, (-1, size, sampling_ratio, cells)), axis=2)


def level_of_stride(stride: int) -> int:
    """Pyramid level whose cells are `stride` pixels wide: 4 -> 2, 8 -> 3 ..."""
    return int(math.log2(stride))
