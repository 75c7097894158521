"""What run lengths give without being decoded equals what the decoded masks give, and hand arithmetic."""

import tracemalloc

import numpy as np
import pytest

from mrcnn.data import masks as mask_ops
from mrcnn.data.images import Window
from mrcnn.data.run_lengths import encode
from mrcnn.data.strips import RunLengthMasks, area_within, column_strips, mask_part
from mrcnn.errors import DataError


def scribbles(height, width, seed=0):
    """bool [H, W, 9]: ellipse, noise, stripes either way, single pixels at the corners, the whole photo, nothing."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((height, width)) + 0.5
    masks = np.zeros((height, width, 9), bool)
    masks[..., 0] = ((y - 0.4 * height) / (0.3 * height)) ** 2 + ((x - 0.6 * width) / (0.35 * width)) ** 2 < 1
    masks[..., 1] = masks[..., 0] & (rng.random((height, width)) < 0.5)
    masks[..., 2] = rng.random((height, width)) < 0.1
    masks[::3, :, 3] = True
    masks[:, 2::5, 4] = True
    masks[0, 0, 5] = masks[-1, -1, 5] = True
    masks[..., 6] = True
    masks[:, width // 3 : width // 2, 7] = True  # one run through many columns
    return masks


def run_lengths(masks):
    return RunLengthMasks([encode(masks[..., i]) for i in range(masks.shape[2])], masks.shape[:2])


def test_strips_by_hand():
    # Columns of 4 pixels: 3 outside; 6 inside, which are the last of column 0, all of column 1 and the first of column
    # 2; 2 outside; an empty run inside; 1 outside; the rest, all of column 3, inside.
    columns, tops, bottoms = column_strips(np.array([3, 6, 2, 0, 1, 4]), 4)
    assert columns.tolist() == [0, 1, 2, 3]
    assert tops.tolist() == [3, 0, 0, 0] and bottoms.tolist() == [4, 4, 1, 4]


def test_a_mini_mask_by_hand():
    # One pixel at row 1, column 1, and cells of 1.5 pixels from 0.5 on: 0.5-2, 2-3.5. It lies wholly in the first,
    # which has an area of 2.25: 255 / 2.25 = 113.3. Moved by 0.75, cells 1.25-2.75 share 0.75 x 0.75 with it: 63.75.
    mask = np.zeros((4, 4, 1), bool)
    mask[1, 1] = True
    assert run_lengths(mask).shrink([[0.5, 0.5, 3.5, 3.5]], (2, 2))[0].tolist() == [[113, 0], [0, 0]]
    assert run_lengths(mask).shrink([[1.25, 1.25, 4.25, 4.25]], (2, 2))[0].tolist() == [[64, 0], [0, 0]]


@pytest.mark.parametrize("shape", [(37, 52), (64, 20), (1, 30), (30, 1)])
def test_a_part_is_the_mask_cut_to_what_is_set(shape):
    masks = scribbles(*shape)
    for i, (top, left, bottom, right) in enumerate(mask_ops.mask_boxes(masks)):
        part = mask_part(encode(masks[..., i]))
        if not masks[..., i].any():
            assert part is None
            continue
        assert part[:2] == (top, left) and part[2].dtype == bool
        np.testing.assert_array_equal(part[2], masks[top:bottom, left:right, i])


def test_the_area_within_a_box_is_that_of_the_mask():
    masks = scribbles(37, 52)
    for i in range(masks.shape[2]):
        for y1, x1, y2, x2 in ((0, 0, 37, 52), (5, 7, 20, 30), (36, 51, 37, 52), (10, 10, 10, 20), (-5, -5, 8, 90)):
            expected = np.count_nonzero(masks[max(y1, 0) : y2, max(x1, 0) : x2, i])
            assert area_within(encode(masks[..., i]), (y1, x1, y2, x2)) == expected


@pytest.mark.parametrize("shape", [(37, 52), (64, 20), (1, 30), (30, 1)])
def test_boxes_equal_those_of_the_masks(shape):
    masks = scribbles(*shape)
    np.testing.assert_array_equal(run_lengths(masks).boxes(), mask_ops.mask_boxes(masks))
    assert run_lengths(masks).boxes().dtype == np.int32
    rng = np.random.default_rng(1)
    for _ in range(10):
        top, left = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        bottom, right = rng.integers(top, shape[0]) + 1, rng.integers(left, shape[1]) + 1
        expected = mask_ops.mask_boxes(masks[top:bottom, left:right])
        expected[expected[:, 2] > 0] += [top, left, top, left]
        np.testing.assert_array_equal(run_lengths(masks).boxes((top, left, bottom, right)), expected)


@pytest.mark.parametrize("cells", [(28, 28), (7, 90), (1, 1), (100, 3)])
def test_mini_masks_equal_those_of_the_masks(cells):
    masks = scribbles(61, 83)
    count = masks.shape[2]
    rng = np.random.default_rng(0)
    whole = np.tile([0, 0, 61, 83], (count, 1))
    tight = mask_ops.mask_boxes(masks)
    middle, size = rng.uniform(0, 70, (count, 2)), rng.uniform(0.1, 60, (count, 2))
    loose = np.concatenate([middle - size, middle + size], axis=1)  # some reach beyond the photo
    far = np.tile([100, 100, 120, 130], (count, 1))
    narrow = np.tile([10.2, 10.6, 10.4, 11.1], (count, 1))
    for boxes in (whole, tight, loose, far, narrow):
        expected = mask_ops.shrink_masks(masks, boxes, cells)
        result = run_lengths(masks).shrink(boxes, cells)
        assert result.dtype == np.uint8 and result.shape == expected.shape
        # Sums in another order may round to the next of 255 steps.
        assert np.abs(result.astype(int) - expected).max() <= 1
    assert not run_lengths(masks).shrink(far, cells).any()


@pytest.mark.parametrize("scale, offset", [((0.5, 0.5), (3.0, 10.0)), ((0.2, 0.2), (0.0, 0.0)),
                                           ((1.7, 1.7), (-20.0, -31.0)), ((1.0, 1.0), (0.0, 0.0))])
def test_masks_on_the_canvas_equal_those_of_the_masks(scale, offset):
    masks = scribbles(61, 83)
    window = Window((61, 83), (64, 64), scale, offset)
    boxes = mask_ops.mask_boxes(masks)
    expected = mask_ops.place_masks(masks, boxes, window)
    result = run_lengths(masks).place(boxes, window)
    assert expected.any() and result.shape == (64, 64, 9)
    assert np.abs(result.astype(int) - expected).max() <= 1


def test_some_of_the_objects():
    masks = scribbles(20, 30)
    chosen = run_lengths(masks).chosen([7, 0])
    assert len(chosen) == 2
    np.testing.assert_array_equal(chosen.boxes(), mask_ops.mask_boxes(masks[..., [7, 0]]))


@pytest.mark.parametrize("rle, message", [
    ({"size": [5, 4], "counts": [20]}, "has size"), ({"size": [4, 5], "counts": [30]}, "covers 30"), ("no", "RLE"),
])
def test_bad_run_lengths_are_refused(rle, message):
    with pytest.raises(DataError, match=message):
        RunLengthMasks([rle], (4, 5))


def test_a_photo_of_75_million_pixels_costs_little_memory():
    # A rectangle of 9000 x 5000 pixels: run lengths by hand, for its mask alone would take 75 MB.
    height, width = 10717, 7000
    runs = [1000 * height + 500] + [9000, height - 9000] * 4999 + [9000]
    runs.append(height * width - sum(runs))
    tracemalloc.start()
    masks = RunLengthMasks([{"size": [height, width], "counts": runs}] * 3, (height, width))
    boxes = masks.boxes()
    mini = masks.shrink(boxes, (56, 56))
    placed = masks.place(boxes, Window((height, width), (512, 512), (512 / height, 512 / height), (0.0, 89.0)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(boxes, [[500, 1000, 9500, 6000]] * 3)
    assert (mini == 255).all()
    # 9000 x 5000 pixels on a canvas of 512 / 10717 pixels a pixel.
    assert abs((placed[..., 0] / 255.0).sum() - 9000 * 5000 * (512 / height) ** 2) < 5
    assert peak < 20e6
