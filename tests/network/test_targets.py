import numpy as np
import pytest
from keras import ops

from mrcnn.data.masks import paste_masks, shrink_masks
from mrcnn.network.targets import AnchorTargets, MaskTargets, PointTargets, RegionTargets, match_anchors
from mrcnn.ops import boxes as box_ops

STD = [0.1, 0.1, 0.2, 0.2]


def tensors(values):
    return {name: ops.convert_to_tensor(value) for name, value in values.items()}


def arrays(values):
    return {name: ops.convert_to_numpy(value) for name, value in values.items()}


def truth(boxes, crowd=(), objects=6):
    """Padded ground truth of one image; padding holds a box that would match if `valid` were not read."""
    table = np.tile(np.array([[0, 0, 50, 50]], "float32"), (objects, 1))
    table[: len(boxes)] = np.reshape(boxes, (-1, 4))
    valid = np.arange(objects) < len(boxes)
    is_crowd = np.isin(np.arange(objects), list(crowd))
    return {
        "gt_boxes": table[None], "gt_valid": valid[None], "gt_crowd": is_crowd[None],
        "gt_class_ids": (np.arange(objects, dtype="int32") + 1)[None],
    }


def grid_anchors(step=10, size=30, limit=200):
    y, x = np.meshgrid(np.arange(0, limit, step), np.arange(0, limit, step), indexing="ij")
    corner = np.stack([y, x], axis=-1).reshape(-1, 2).astype("float32")
    return np.concatenate([corner, corner + size], axis=1)


def anchor_targets(anchors, ground_truth, count=64, ratio=0.5):
    layer = AnchorTargets(count, ratio, 0.7, 0.3, 0.7, STD)
    names = ("gt_boxes", "gt_valid", "gt_crowd")
    result = arrays(layer(tensors({"anchors": anchors, **{n: ground_truth[n] for n in names}})))
    return {name: value[0] for name, value in result.items()}


def test_matches_equal_the_full_matrix():
    rng = np.random.default_rng(0)
    anchors = grid_anchors()
    corner = rng.uniform(0, 150, (2, 6, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 60, (2, 6, 2))], axis=2).astype("float32")
    valid = np.array([[True] * 4 + [False] * 2, [True] * 6])
    crowd = np.zeros((2, 6), bool)
    crowd[0, 2] = True
    match = arrays(match_anchors(*map(ops.convert_to_tensor, (anchors, boxes, valid, crowd))))
    for image in range(2):
        overlaps = box_ops.iou_matrix(anchors, boxes[image])
        overlaps[:, ~valid[image] | crowd[image]] = 0
        np.testing.assert_allclose(match["iou"][image], overlaps.max(1), atol=1e-6)
        sure = overlaps.max(1) > 0
        np.testing.assert_array_equal(match["object"][image][sure], overlaps.argmax(1)[sure])
        best = ((overlaps == overlaps.max(0)) & (overlaps.max(0) > 0)).any(1)
        np.testing.assert_array_equal(match["best"][image], best)
    covered = box_ops.intersection(anchors, boxes[0, 2][None]) / box_ops.area(anchors)
    np.testing.assert_allclose(match["crowd"][0], covered, atol=1e-6)
    assert not match["crowd"][1].any()


def test_positive_and_negative_follow_the_thresholds():
    anchors = np.array(
        [[0, 0, 10, 10], [0, 2, 10, 12], [0, 5, 10, 15], [0, 7, 10, 17], [90, 90, 99, 99]], "float32"
    )
    # IoU with the object: 1, 8/12 = .67, 5/15 = .33, 3/17 = .18, 0
    targets = anchor_targets(anchors, truth([[0, 0, 10, 10]]), count=4)
    chosen = targets["index"][targets["valid"]]
    assert targets["index"][targets["positive"]].tolist() == [0]
    assert sorted(chosen.tolist()) == [0, 3, 4]  # .67 and .33 teach nothing


@pytest.mark.parametrize("count, ratio", [(3, 0.1), (1, 0.5)])
def test_a_share_of_less_than_one_anchor_is_one(count, ratio):
    targets = anchor_targets(grid_anchors(), truth([[0, 0, 30, 30], [50, 50, 80, 80]]), count, ratio)
    assert targets["positive"].tolist() == [True] + [False] * (count - 1) and targets["valid"].all()


def test_an_object_without_overlap_makes_no_anchor_positive():
    targets = anchor_targets(grid_anchors(limit=60), truth([[500, 500, 520, 520]]))
    assert not targets["positive"].any()
    assert targets["valid"].any()


def test_best_anchor_of_a_small_object_is_positive():
    anchors = grid_anchors()
    targets = anchor_targets(anchors, truth([[42, 43, 50, 52]]))  # IoU at most 72/900
    assert targets["positive"].sum() >= 1
    best = targets["index"][targets["positive"]]
    assert (box_ops.iou_matrix(anchors[best], np.array([[42.0, 43, 50, 52]])) > 0.07).all()


def test_anchors_inside_a_crowd_are_ignored():
    anchors = grid_anchors()
    targets = anchor_targets(anchors, truth([[0, 0, 100, 200]], crowd=[0]), count=200)
    assert not targets["positive"].any()
    chosen = anchors[targets["index"][targets["valid"]]]
    covered = box_ops.intersection(chosen, np.array([[0.0, 0, 100, 200]])) / box_ops.area(chosen)
    assert len(chosen) and (covered < 0.7).all()


def test_images_without_objects_give_negatives_alone():
    targets = anchor_targets(grid_anchors(), truth([]))
    assert targets["valid"].all() and not targets["positive"].any() and not targets["deltas"].any()


def test_deltas_lead_from_the_anchor_to_its_object():
    anchors, box = grid_anchors(), np.array([[33, 41, 64, 70]], "float32")
    targets = anchor_targets(anchors, truth(box))
    positive = targets["positive"]
    decoded = box_ops.decode(targets["deltas"][positive], anchors[targets["index"][positive]], STD)
    np.testing.assert_allclose(decoded, np.repeat(box, positive.sum(), axis=0), atol=1e-3)


def region_targets(proposals, ground_truth, count=20, ratio=0.25):
    layer = RegionTargets(count, ratio, 0.5, 0.7, STD)
    values = {"boxes": proposals[None], "valid": np.ones((1, len(proposals)), bool), **ground_truth}
    return {name: value[0] for name, value in arrays(layer(tensors(values))).items()}


def test_true_boxes_join_the_proposals():
    far = grid_anchors(limit=100) + 1000
    targets = region_targets(far, truth([[10, 10, 40, 60], [50, 20, 90, 80]]))
    assert targets["positive"].sum() == 2
    assert sorted(targets["class_ids"][targets["positive"]].tolist()) == [1, 2]
    np.testing.assert_allclose(targets["deltas"][targets["positive"]], 0, atol=1e-4)  # they are exact already
    assert targets["valid"].sum() == 20


def test_negatives_fill_the_sample_when_nothing_is_positive():
    targets = region_targets(grid_anchors(), truth([]))
    assert targets["valid"].all() and not targets["positive"].any() and not targets["class_ids"].any()


def test_positives_keep_to_their_share_and_come_first():
    box = np.array([[10, 10, 60, 60]], "float32")
    near = np.repeat(box, 50, axis=0) + np.random.default_rng(0).uniform(-3, 3, (50, 4)).astype("float32")
    targets = region_targets(np.concatenate([near, grid_anchors() + 300]), truth(box), count=20, ratio=0.25)
    assert targets["positive"].tolist() == [True] * 5 + [False] * 15
    assert targets["valid"].all()


def test_crowds_give_neither_positive_nor_negative_regions():
    inside = grid_anchors(limit=60)
    targets = region_targets(inside, truth([[0, 0, 100, 100]], crowd=[0]))
    assert not targets["valid"].any()


def left_half(mini):
    """Ground truth of two images; object 1 of image 1 is the left half of its box 20..60 x 30..90."""
    masks = np.zeros((2, 3) + ((56, 56) if mini else (128, 128)), "uint8")
    if mini:
        masks[1, 1, :, :28] = 255
    else:
        masks[1, 1, 20:60, 30:60] = 255
    boxes = np.zeros((2, 3, 4), "float32")
    boxes[1, 1] = [20, 30, 60, 90]
    return {"gt_masks": masks, "gt_boxes": boxes, "image": np.zeros((2, 128, 128, 3), "float32")}


@pytest.mark.parametrize("mini", [True, False])
@pytest.mark.parametrize("size", [28, 56])
def test_mask_targets_cut_the_region_out_of_the_mask(mini, size):
    # regions: the box itself, its right half, its left half
    regions = np.array([[20, 30, 60, 90], [20, 60, 60, 90], [20, 30, 60, 60]], "float32")
    values = {"boxes": regions, "image_index": np.ones(3, "int32"), "object": np.ones(3, "int32"), **left_half(mini)}
    targets = ops.convert_to_numpy(MaskTargets((size, size), mini)(tensors(values)))
    expected = np.zeros((size, size))
    expected[:, : size // 2] = 1
    np.testing.assert_array_equal(targets[0], expected)
    # at the edge itself the mask is half covered, and a sample may fall to either side of it
    assert not targets[1][:, size // 28 :].any()
    assert targets[2].all()


@pytest.mark.parametrize("mini", [True, False])
def test_soft_mask_targets_are_the_share_of_each_cell_that_is_covered(mini):
    # Cells of 10 x 15 pixels; the mask is 20..60 x 30..60. From y = 15 on half of the first row is covered, and x = 60
    # cuts the third column (52.5 to 67.5) in halves.
    regions = np.array([[20, 30, 60, 90], [15, 22.5, 55, 82.5]], "float32")
    values = {"boxes": regions, "image_index": np.ones(2, "int32"), "object": np.ones(2, "int32"), **left_half(mini)}
    targets = ops.convert_to_numpy(MaskTargets((4, 4), mini, soft=True)(tensors(values)))
    np.testing.assert_allclose(targets[0], np.tile([1, 1, 0, 0], (4, 1)), atol=1e-6)
    expected = np.outer([0.5, 1, 1, 1], [0.5, 1, 0.5, 0])
    np.testing.assert_allclose(targets[1], expected, atol=1e-6)
    hard = ops.convert_to_numpy(MaskTargets((4, 4), mini)(tensors(values)))
    np.testing.assert_array_equal(hard[1][1:, 1], [1, 1, 1])
    assert set(np.unique(hard)) == {0, 1}


@pytest.mark.parametrize("mini", [True, False])
def test_soft_mask_targets_keep_what_pasting_needs(mini):
    # A disc, pasted from its targets: shares keep its edge, halves only their cells.
    y, x = np.indices((128, 128)) + 0.5
    disc = (y - 64) ** 2 + (x - 64) ** 2 < 50**2
    box = np.array([[14, 14, 114, 114]], "float32")
    masks = shrink_masks(disc[..., None], box, (56, 56)) if mini else disc[None] * np.uint8(255)
    values = {
        "boxes": box, "image_index": np.zeros(1, "int32"), "object": np.zeros(1, "int32"), "gt_masks": masks[None],
        "gt_boxes": box[None], "image": np.zeros((1, 128, 128, 3), "float32"),
    }
    overlaps = []
    for soft in (True, False):
        target = ops.convert_to_numpy(MaskTargets((28, 28), mini, soft=soft)(tensors(values)))
        pasted = paste_masks(target, box, (128, 128))[..., 0]
        overlaps.append((pasted & disc).sum() / (pasted | disc).sum())
    assert overlaps[0] > 0.98 and overlaps[0] > overlaps[1] + 0.005


@pytest.mark.parametrize("mini", [True, False])
def test_point_targets_say_what_lies_in_the_mask(mini):
    # The box itself, where x = .5 is the mask's edge; and a region 20 pixels down and to the left, where the mask is
    # 30..60 of 10..70, which is 1/3..5/6, in the upper half only.
    regions = np.array([[20, 30, 60, 90], [40, 10, 80, 70]], "float32")
    points = np.array([
        [[0.1, 0.02], [0.9, 0.48], [0.1, 0.52], [0.9, 0.98]],
        [[0.2, 0.30], [0.2, 0.36], [0.2, 0.81], [0.2, 0.86]],
    ], "float32")
    below = points + np.array([0.4, 0], "float32")
    layer = PointTargets(mini)
    for chosen, expected in ((points, [[1, 1, 0, 0], [0, 1, 1, 0]]), (below[1:], [[0, 0, 0, 0]])):
        rows = regions[-len(chosen) :]
        place = {"image_index": np.ones(len(rows), "int32"), "object": np.ones(len(rows), "int32")}
        targets = layer(tensors({"boxes": rows, "points": chosen, **place, **left_half(mini)}))
        assert ops.convert_to_numpy(targets).tolist() == expected
