"""The fit of anchors: equal to brute force over the network's own anchors, and never worse than before."""

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.data.curation.anchor_fit import best_overlaps, modes, propose_anchors
from mrcnn.network.anchors import anchor_shapes, level_anchors
from mrcnn.ops.boxes import iou_matrix


class Small(Config):
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)


def random_boxes(count, height, width, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.random((count, 2)) * [height, width]
    halves = np.exp(rng.uniform(np.log(2), np.log(height / 2), (count, 2)))
    boxes = np.concatenate([centres - halves, centres + halves], axis=1)
    return np.clip(boxes, 0, [height, width, height, width])


def all_anchors(config, height, width):
    levels = []
    for stride, scale in zip(config.BACKBONE_STRIDES, config.RPN_ANCHOR_SCALES):
        cells = -(-height // stride), -(-width // stride)
        shapes = anchor_shapes(scale, config.RPN_ANCHOR_RATIOS)
        offset = {"exact": 0.5, "matterport": 0}[config.GEOMETRY]  # centres of cells, or their corners
        levels.append(level_anchors(*cells, stride, shapes, config.RPN_ANCHOR_STRIDE, offset))
    return np.concatenate([np.asarray(level) for level in levels])


@pytest.mark.parametrize("geometry", ["exact", "matterport"])
@pytest.mark.parametrize("anchor_stride", [1, 2])
@pytest.mark.parametrize("height, width", [(128, 128), (192, 64)])
def test_overlaps_are_those_of_the_whole_grid(height, width, anchor_stride, geometry):
    config = Small(RPN_ANCHOR_STRIDE=anchor_stride, RPN_ANCHOR_RATIOS=[0.4, 1, 3], GEOMETRY=geometry)
    boxes = random_boxes(300, height, width)
    anchors = all_anchors(config, height, width)
    expected = np.asarray(iou_matrix(boxes.astype(np.float32), anchors)).max(axis=1)
    overlaps = best_overlaps(boxes, np.tile([height, width], (300, 1)), config)
    np.testing.assert_allclose(overlaps, expected, atol=1e-5)
    assert 0.3 < overlaps.mean() < 0.9


def test_an_anchor_itself_and_a_box_between_two():
    config = Small(RPN_ANCHOR_RATIOS=[1])
    # Anchors of 32 have the stride 16: centres at 8, 24, 40 ... The first box is the anchor at 24. The second, round
    # 32, lies 8 pixels beside the nearest along both axes: IoU 24 * 24 / (2 * 32 * 32 - 24 * 24). Anchors of 16 fill a
    # quarter of it at most, and it a quarter of those of 64: less.
    boxes = [[8, 8, 40, 40], [16, 16, 48, 48]]
    overlaps = best_overlaps(boxes, [[128, 128]] * 2, config)
    np.testing.assert_allclose(overlaps, [1, 576 / 1472], atol=1e-9)


def test_boxes_on_matterports_anchors_have_all_of_them():
    # Centres lie on the corners of cells there: those of 32 at 0, 16, 32 ... The first box is between two of the exact
    # geometry; the ratio 2 fits boxes of 22.6 x 45.3 pixels round a corner wholly, and is proposed for them.
    config = Small(RPN_ANCHOR_RATIOS=[1], GEOMETRY="matterport")
    np.testing.assert_allclose(best_overlaps([[16, 16, 48, 48]], [[128, 128]], config), 1, atol=1e-9)
    half = 32 * np.array([np.sqrt(0.5), np.sqrt(2)]) / 2
    corners = np.array([[32, 48], [64, 64], [80, 48], [96, 80.0]])
    boxes, canvases = np.concatenate([corners - half, corners + half], axis=1), [[128, 128]] * 4
    scales, ratios = propose_anchors(boxes, canvases, config)
    proposed = Small(RPN_ANCHOR_SCALES=scales, RPN_ANCHOR_RATIOS=ratios, GEOMETRY="matterport")
    np.testing.assert_allclose(best_overlaps(boxes, canvases, proposed), 1, atol=0.01)


def test_boxes_of_one_shape_get_their_anchors():
    rng = np.random.default_rng(0)
    corners = rng.random((200, 2)) * 60
    boxes = np.concatenate([corners, corners + [20, 40]], axis=1)
    canvases = np.tile([128, 128], (200, 1))
    scales, ratios = propose_anchors(boxes, canvases, Small())
    assert any(abs(scale - np.sqrt(800)) < 1 for scale in scales) and 2.0 in ratios
    assert scales == sorted(scales) and ratios == sorted(ratios) and len(scales) == 5 and len(ratios) == 3


@pytest.mark.parametrize("seed", range(4))
def test_what_is_proposed_covers_more(seed):
    boxes = random_boxes(400, 256, 256, seed)
    canvases = np.tile([256, 256], (400, 1))
    config = Config()
    scales, ratios = propose_anchors(boxes, canvases, config)
    before, after = (np.clip(best_overlaps(boxes, canvases, anchors), 0.3, 0.7).mean()
                     for anchors in (config, Config(RPN_ANCHOR_SCALES=scales, RPN_ANCHOR_RATIOS=ratios)))
    assert after > before + 0.02  # anchors of 32 to 512 on a canvas of 256
    assert propose_anchors(boxes, canvases, config) == (scales, ratios)


def test_anchors_that_fit_wholly_are_kept():
    config = Small()
    anchors = all_anchors(config, 128, 128)
    boxes = anchors[np.all((anchors >= 0) & (anchors <= 128), axis=1)][::7]
    scales, ratios = propose_anchors(boxes, np.tile([128, 128], (len(boxes), 1)), config)
    assert scales == [8, 16, 32, 64, 128] and ratios == [0.5, 1, 2]


def test_modes():
    # Two heaps, of 10 +- 1 % and 100 +- 1 %: their geometric means, whatever their numbers.
    values = np.concatenate([10 * np.linspace(0.99, 1.01, 50), 100 * np.linspace(0.99, 1.01, 9)])
    np.testing.assert_allclose(modes(values, 2), [10, 100], rtol=1e-3)
    assert modes(np.full(5, 7.0), 3).round(9).tolist() == [7, 7, 7]


def test_one_box():
    scales, ratios = propose_anchors([[10, 10, 30, 20]], [[128, 128]], Small())
    assert len(scales) == 5 and len(ratios) == 3 and np.isfinite(scales + ratios).all()
