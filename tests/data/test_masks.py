"""Boxes, mini masks and pasting of masks, against brute force."""

import json
from pathlib import Path

import numpy as np
import pytest

from mrcnn.data import masks as mask_ops
from mrcnn.data import run_lengths
from mrcnn.data.images import Window, place_image, resize_image
from mrcnn.errors import DataError

CCP = Path(__file__).resolve().parents[3] / "shared" / "data" / "ccp"


def blobs(height, width, count, seed=0):
    """bool [H, W, N] of random ellipses, all inside."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((height, width)) + 0.5
    masks = []
    for _ in range(count):
        ry, rx = rng.uniform(2, height / 4), rng.uniform(2, width / 4)
        cy, cx = rng.uniform(ry, height - ry), rng.uniform(rx, width - rx)
        masks.append(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1)
    return np.stack(masks, axis=-1)


def memory_orders(masks):
    """The same masks as lists are stacked, by rows, and by columns as run lengths decode."""
    return {
        "interleaved": np.ascontiguousarray(masks),
        "rows": np.ascontiguousarray(masks.transpose(2, 0, 1)).transpose(1, 2, 0),
        "columns": np.asfortranarray(masks),
        "mirrored": np.asfortranarray(masks[:, ::-1])[:, ::-1],
    }


# --- Boxes -----------------------------------------------------------------------------------------------------------


def brute_force_boxes(masks):
    boxes = []
    for i in range(masks.shape[2]):
        ys, xs = np.nonzero(masks[..., i])
        boxes.append((ys.min(), xs.min(), ys.max() + 1, xs.max() + 1) if len(ys) else (0, 0, 0, 0))
    return np.array(boxes)


@pytest.mark.parametrize("order", ["interleaved", "rows", "columns", "mirrored"])
def test_boxes_are_tight_in_every_memory_order(order):
    masks = blobs(50, 70, 9)
    masks[..., 4] = False
    masks[..., 5] = False
    masks[49, 69, 5] = True
    boxes = mask_ops.mask_boxes(memory_orders(masks)[order])
    assert boxes.dtype == np.int32
    np.testing.assert_array_equal(boxes, brute_force_boxes(masks))
    assert boxes[4].tolist() == [0, 0, 0, 0] and boxes[5].tolist() == [49, 69, 50, 70]


def test_boxes_of_numbers_and_of_nothing():
    masks = np.zeros((5, 6, 2), np.float32)
    masks[1:3, 2:4, 0] = 0.25
    masks[0, 0, 1] = -3
    assert mask_ops.mask_boxes(masks).tolist() == [[1, 2, 3, 4], [0, 0, 1, 1]]
    assert mask_ops.mask_boxes(np.zeros((5, 6, 0), bool)).shape == (0, 4)
    assert mask_ops.mask_boxes(np.zeros((0, 0, 0), bool)).shape == (0, 4)


# --- Mini masks ------------------------------------------------------------------------------------------------------


def test_coverage_by_hand():
    # A 2 x 2 block over rows 1-3 and columns 1-3 of 4 x 4, on a grid of 2 x 2 over rows 0.5-3.5 and columns 1-4. The
    # upper cells span rows 0.5-2, of which the block has 1 of 1.5; the lower ones rows 2-3.5, of which it has 1 of 1.5.
    # The left ones span columns 1-2.5, all of them the block's; the right ones 2.5-4, of which it has 0.5 of 1.5.
    mask = np.zeros((4, 4, 1), bool)
    mask[1:3, 1:3] = True
    expected = np.outer([2 / 3, 2 / 3], [1, 1 / 3]) * 255
    np.testing.assert_array_equal(mask_ops.shrink_masks(mask, [[0.5, 1, 3.5, 4]], (2, 2))[0], np.rint(expected))


@pytest.mark.parametrize("order", ["interleaved", "rows", "columns"])
def test_coverage_equals_counting_fine_samples(order):
    rng = np.random.default_rng(3)
    masks = blobs(40, 60, 5, seed=2)
    boxes = mask_ops.mask_boxes(masks) + rng.uniform(-3, 3, (5, 4))  # some reach beyond the photo
    mini = mask_ops.shrink_masks(memory_orders(masks)[order], boxes, (7, 9))
    assert mini.dtype == np.uint8 and mini.shape == (5, 7, 9)
    fine = 60  # samples along each side of a cell
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        ys = np.floor(y1 + (np.arange(7 * fine) + 0.5) / (7 * fine) * (y2 - y1)).astype(int)
        xs = np.floor(x1 + (np.arange(9 * fine) + 0.5) / (9 * fine) * (x2 - x1)).astype(int)
        padded = np.pad(masks[..., i], 5)
        samples = padded[np.ix_(ys + 5, xs + 5)].astype(float)
        share = samples.reshape(7, fine, 9, fine).mean(axis=(1, 3))
        np.testing.assert_allclose(mini[i] / 255, share, atol=0.02)


def test_a_mask_at_its_own_size_is_unchanged():
    masks = blobs(30, 20, 3)
    mini = mask_ops.shrink_masks(masks, [[0, 0, 30, 20]] * 3, (30, 20))
    np.testing.assert_array_equal(mini, masks.transpose(2, 0, 1) * np.uint8(255))


def test_boxes_outside_or_of_no_area_cover_nothing():
    masks = np.ones((4, 4, 3), bool)
    mini = mask_ops.shrink_masks(masks, [[5, 5, 9, 9], [1, 1, 1, 3], [-9, -9, -1, -1]], (2, 2))
    assert not mini.any()
    assert mask_ops.shrink_masks(np.zeros((4, 4, 0), bool), np.zeros((0, 4)), (2, 2)).shape == (0, 2, 2)


# --- On the canvas ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [64, 96, 256])
def test_masks_lie_on_the_canvas_where_their_pixels_do(side):
    masks = blobs(90, 120, 3)
    image = masks.astype(np.uint8) * 255  # one mask a channel
    canvas, window = place_image(image, side, side, mode="square")
    placed = mask_ops.place_masks(masks, mask_ops.mask_boxes(masks), window)
    if side < 120:  # cv2 averages areas when it shrinks: the same figures
        assert np.abs(placed.astype(int) - canvas).max() <= 2
    inside, seen = placed >= 128, canvas >= 128
    assert (inside & seen).sum() / (inside | seen).sum() > 0.97


def test_place_masks_cuts_off_what_the_crop_leaves_out():
    masks = np.ones((10, 10, 1), bool)
    window = Window((10, 10), (4, 6), (1.0, 1.0), (-3.0, -7.5))
    placed = mask_ops.place_masks(masks, [[0, 0, 10, 10]], window)[..., 0]
    # Columns of the canvas show the photo from 7.5 on: two whole ones and half of the third.
    np.testing.assert_array_equal(placed, np.tile(np.array([255, 255, 128, 0, 0, 0], np.uint8), (4, 1)))


# --- Pasting ---------------------------------------------------------------------------------------------------------


def brute_force_paste(mask, box, shape):
    """Soft values pixel by pixel, after the formula of the interface."""
    y1, x1, y2, x2 = box
    values = np.zeros(shape)
    for y in range(shape[0]):
        for x in range(shape[1]):
            if not (y1 <= y + 0.5 < y2 and x1 <= x + 0.5 < x2):
                continue
            v = min(max((y + 0.5 - y1) / (y2 - y1) * mask.shape[0] - 0.5, 0), mask.shape[0] - 1)
            u = min(max((x + 0.5 - x1) / (x2 - x1) * mask.shape[1] - 0.5, 0), mask.shape[1] - 1)
            i, j = min(int(v), mask.shape[0] - 2), min(int(u), mask.shape[1] - 2)
            f, g = v - i, u - j
            values[y, x] = (
                mask[i, j] * (1 - f) * (1 - g) + mask[i + 1, j] * f * (1 - g)
                + mask[i, j + 1] * (1 - f) * g + mask[i + 1, j + 1] * f * g
            )
    return values


def test_pasting_equals_the_formula_at_each_pixel():
    rng = np.random.default_rng(0)
    shape = (23, 31)
    low = rng.uniform(-6, 20, (12, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.2, 20, (12, 2))], axis=1)
    masks = rng.random((12, 5, 7))
    soft = mask_ops.paste_masks(masks, boxes, shape, threshold=None)
    hard = mask_ops.paste_masks(masks, boxes, shape)
    assert soft.dtype == np.float32 and hard.dtype == bool
    for i in range(12):
        expected = brute_force_paste(masks[i], boxes[i], shape)
        np.testing.assert_allclose(soft[..., i], expected, atol=1e-5)
        clear = np.abs(expected - 0.5) > 1e-4
        np.testing.assert_array_equal(hard[..., i][clear], expected[clear] >= 0.5)


def test_a_full_mask_fills_exactly_the_pixels_with_their_centre_in_the_box():
    # Rows with centres 2.5 .. 5.5 lie in 2.4 .. 5.6, columns with centres 1.5 .. 3.5 in 0.6 .. 4.5 (4.5 is the end, and
    # exclusive).
    pasted = mask_ops.paste_masks(np.ones((1, 28, 28)), [[2.4, 0.6, 5.6, 4.5]], (8, 8))[..., 0]
    expected = np.zeros((8, 8), bool)
    expected[2:6, 1:4] = True
    np.testing.assert_array_equal(pasted, expected)


def test_the_crop_of_paste_mask_lies_inside_the_photo():
    part, corner = mask_ops.paste_mask(np.ones((4, 4)), [-3, 5, 2, 40], (10, 12))
    assert corner == (0, 5) and part.shape == (2, 7) and part.all()
    for box in ([-9, -9, -1, -1], [20, 20, 30, 30], [3, 3, 3, 3], [3.6, 3.6, 4.4, 4.4]):
        part, (y, x) = mask_ops.paste_mask(np.ones((4, 4)), box, (10, 12))
        assert part.size == 0 and 0 <= y <= 10 and 0 <= x <= 12
    assert not mask_ops.paste_masks(np.ones((1, 4, 4)), [[3.6, 3.6, 4.4, 4.4]], (10, 12)).any()
    assert mask_ops.paste_masks(np.zeros((0, 28, 28)), np.zeros((0, 4)), (10, 12)).shape == (10, 12, 0)


def test_pasting_undoes_shrinking_to_the_boxes_own_size():
    masks = blobs(60, 50, 4)
    for i, (y1, x1, y2, x2) in enumerate(mask_ops.mask_boxes(masks)):
        box = np.array([[y1, x1, y2, x2]])
        mini = mask_ops.shrink_masks(masks[..., i:i + 1], box, (y2 - y1, x2 - x1)) / 255
        np.testing.assert_array_equal(mask_ops.paste_masks(mini, box, (60, 50))[..., 0], masks[..., i])


def test_pasted_run_lengths_are_those_of_the_full_paste():
    rng = np.random.default_rng(7)
    shape = (41, 37)
    low = rng.uniform(-12, 38, (150, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.1, 50, (150, 2))], axis=1).astype(np.float32)
    boxes[:4] = [0, 0, 41, 37], [-5, 3, 50, 20], [0, 30, 41, 37], [20, 20, 20, 30]  # whole photo, whole columns, none
    masks = rng.random((150, 7, 5), np.float32)
    masks[:30] = rng.random((30, 1, 1)) < 0.7  # full ones, whose runs go on from column to column, and empty ones
    full = mask_ops.paste_masks(masks, boxes, shape)
    for i in range(150):
        assert mask_ops.paste_rle(masks[i], boxes[i], shape) == run_lengths.encode(full[..., i])
    full = mask_ops.paste_masks(masks, boxes, shape, 0.3)
    assert mask_ops.paste_rle(masks[40], boxes[40], shape, 0.3) == run_lengths.encode(full[..., 40])


def test_pasted_run_lengths_by_hand():
    # Rows 1 and 2 of columns 1 and 2 in 4 x 5, down the columns: 4 + 1 outside, 2 in, 2 out, 2 in, 1 + 2 * 4 outside.
    rle = mask_ops.paste_rle(np.ones((28, 28)), [1, 1, 3, 3], (4, 5))
    assert run_lengths.check(rle, (4, 5)).tolist() == [5, 2, 2, 2, 9]
    # Whole columns 1 and 2 are one run of 8; the whole photo is a run of zeros of no length, then one of 20.
    columns, whole = ([0, 1, 4, 3], [4, 8, 8]), ([0, 0, 4, 5], [0, 20])
    for box, runs in (columns, whole, ([0, 3, 4, 5], [12, 8]), ([9, 9, 12, 12], [20])):
        assert run_lengths.check(mask_ops.paste_rle(np.ones((2, 2)), box, (4, 5)), (4, 5)).tolist() == runs


def test_mirroring_the_mask_mirrors_the_pasted_mask():
    rng = np.random.default_rng(5)
    mask, (y1, x1, y2, x2) = rng.random((6, 6)), (3.2, 4.7, 20.1, 18.3)
    pasted = mask_ops.paste_masks(mask[None], [[y1, x1, y2, x2]], (24, 30), None)[..., 0]
    mirrored = mask_ops.paste_masks(mask[None, :, ::-1], [[y1, 30 - x2, y2, 30 - x1]], (24, 30), None)[..., 0]
    np.testing.assert_allclose(mirrored, pasted[:, ::-1], atol=1e-6)


@pytest.mark.skipif(not CCP.is_dir(), reason=f"needs Clothing Co-Parsing in {CCP}")
@pytest.mark.parametrize("size, least", [(28, 0.95), (56, 0.98)])
def test_what_the_network_is_taught_pastes_back_to_the_true_masks(size, least):
    # The mask target is the share of each cell that is covered, halved at 0.5: the best a network can say.
    content = json.loads((CCP / "instances_val.json").read_text())
    overlaps = []
    for annotation in content["annotations"]:
        mask = run_lengths.decode(annotation["segmentation"])[..., None]
        box = mask_ops.mask_boxes(mask)
        target = mask_ops.shrink_masks(mask, box, (size, size)) >= 128
        pasted = mask_ops.paste_masks(target, box, mask.shape[:2])
        overlaps.append((pasted & mask).sum() / (pasted | mask).sum())
    assert np.mean(overlaps) >= least


# --- Matterport's names ----------------------------------------------------------------------------------------------


def test_minimize_and_expand():
    masks = np.zeros((40, 40, 2), bool)
    masks[4:32, 6:34, 0] = True
    masks[10:20, 10:30, 1] = True
    masks[10:15, 20:30, 1] = False
    boxes = mask_ops.mask_boxes(masks)
    mini = mask_ops.minimize_mask(boxes, masks, (20, 20))
    assert mini.shape == (20, 20, 2) and mini.dtype == bool and mini[..., 0].all()
    np.testing.assert_array_equal(mask_ops.expand_mask(boxes, mini, (40, 40, 3)), masks)
    with pytest.raises(DataError, match="no area"):
        mask_ops.minimize_mask(np.array([[3, 3, 3, 8]]), masks[..., :1], (20, 20))


def test_unmold_mask_is_full_size():
    full = mask_ops.unmold_mask(np.full((28, 28), 0.5), [2, 3, 8, 9], (10, 12, 3))
    assert full.shape == (10, 12) and full.sum() == 36 and full[2:8, 3:9].all()


@pytest.mark.parametrize("mode", ["square", "crop"])
def test_resize_mask_follows_resize_image(mode):
    masks = blobs(90, 70, 3, seed=4)
    image = masks.astype(np.uint8) * 255
    canvas, _, scale, padding, crop = resize_image(image, 100, 150, 0, mode, np.random.default_rng(1))
    resized = mask_ops.resize_mask(masks, scale, padding, crop)
    assert resized.shape == canvas.shape and resized.dtype == bool
    seen = canvas >= 128
    assert (resized & seen).sum() / (resized | seen).sum() > 0.97


def test_boxes_of_masks_with_grey_outside_are_those_of_what_is_inside():
    masks = np.full((5, 6, 1), 3, np.uint8)
    masks[1:3, 2:4] = 250
    with pytest.warns(UserWarning, match="more than two values"):
        assert mask_ops.mask_boxes(masks).tolist() == [[1, 2, 3, 4]]
