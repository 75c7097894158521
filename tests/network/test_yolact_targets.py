"""What YOLACT's anchors are matched with, and the true masks on the canvas."""

import numpy as np
import pytest
from keras import ops

from mrcnn.data.masks import shrink_masks
from mrcnn.network.targets import match_anchors
from mrcnn.network.yolact_targets import CanvasMasks, YolactTargets, inside_boxes
from mrcnn.ops import boxes as box_ops

STD = [0.1, 0.1, 0.2, 0.2]


def call(layer, inputs):
    outputs = layer({name: ops.convert_to_tensor(value) for name, value in inputs.items()})
    return {name: ops.convert_to_numpy(value) for name, value in outputs.items()}


def truth(boxes, classes, crowd=(), objects=4):
    table, class_ids = np.tile(np.array([[0, 0, 10, 10]], "float32"), (objects, 1)), np.full(objects, 3, "int32")
    table[: len(boxes)], class_ids[: len(classes)] = boxes, classes
    valid, numbers = np.arange(objects) < len(boxes), np.arange(objects)
    return {"gt_boxes": table[None], "gt_class_ids": class_ids[None], "gt_valid": valid[None],
            "gt_crowd": np.isin(numbers, list(crowd))[None]}


def test_matching_by_hand():
    anchors = np.array([
        [0, 0, 10, 10],  # the first object itself
        [0, 0, 10, 20],  # IoU 0.5 with it
        [0, 0, 10, 22],  # 0.4545: neither
        [0, 0, 10, 26],  # 0.385: background
        [40, 40, 60, 60],  # IoU 0.25 with the second object, which no other overlaps more
        [80, 80, 90, 90],  # in the crowd
    ], "float32")
    given = truth([[0, 0, 10, 10], [40, 40, 50, 50], [70, 70, 99, 99]], [2, 1, 1], crowd=[2])
    targets = call(YolactTargets(4, 0.5, 0.4, 0.7, STD), {"anchors": anchors, **given})
    assert targets["positive"].tolist() == [[True, True, False, False, True, False]]
    assert targets["negative"].tolist() == [[False, False, False, True, False, False]]
    assert targets["class_ids"].tolist() == [[2, 2, 0, 0, 1, 0]]
    moved = box_ops.decode(targets["deltas"][0], anchors, np.array(STD))
    np.testing.assert_allclose(moved[[0, 1, 4]], given["gt_boxes"][0][[0, 0, 1]], atol=1e-4)
    assert not targets["deltas"][0][[2, 3, 5]].any()
    assert sorted(targets["index"][0][targets["valid"][0]]) == [0, 1, 4]
    objects = dict(zip(targets["index"][0], targets["object"][0]))
    assert (objects[0], objects[1], objects[4]) == (0, 0, 1)


def test_an_object_keeps_its_best_anchor():
    """The anchor overlaps the first object more, but it is the second one's best: without it that one had none."""
    anchors = np.array([[0, 0, 10, 10], [0, 0, 10, 12]], "float32")
    given = truth([[0, 0, 10, 10], [0, 0, 10, 40]], [1, 2])
    overlaps = box_ops.iou_matrix(anchors, given["gt_boxes"][0][:2])
    assert overlaps[1].argmax() == 0 and overlaps[:, 1].argmax() == 1
    targets = call(YolactTargets(2, 0.5, 0.4, 0.7, STD), {"anchors": anchors, **given})
    assert targets["class_ids"].tolist() == [[1, 2]] and targets["positive"].all()
    names = ("gt_boxes", "gt_valid", "gt_crowd")
    match = match_anchors(ops.convert_to_tensor(anchors), *(ops.convert_to_tensor(given[name]) for name in names),
                          keep_best=True)
    np.testing.assert_allclose(ops.convert_to_numpy(match["iou"])[0], [1, 12 / 40], atol=1e-6)
    # Of two objects that have the same best anchor, the one of the higher IoU gets it.
    both = truth([[0, 0, 10, 30], [0, 0, 10, 9]], [1, 2])
    one = call(YolactTargets(2, 0.5, 0.4, 0.7, STD), {"anchors": anchors[:1], **both})
    assert one["class_ids"].tolist() == [[2]]


def test_the_sample_of_positives_is_bounded_and_random():
    anchors = np.tile(np.array([[0, 0, 10, 10]], "float32"), (50, 1))
    given = truth([[0, 0, 10, 10]], [1])
    layer = YolactTargets(8, 0.5, 0.4, 0.7, STD, seed=3)
    first, second = (call(layer, {"anchors": anchors, **given}) for _ in range(2))
    assert first["positive"].sum() == 50 and first["valid"].sum() == 8 and len(set(first["index"][0])) == 8
    assert sorted(first["index"][0]) != sorted(second["index"][0])


def canvas_masks(masks, boxes, classes, mini, crowd=(), window=(0, 0, 64, 64)):
    """CanvasMasks of one image of 64 x 64 pixels with masks bool [64, 64, n], at stride 4."""
    given = truth(boxes, classes, crowd)
    shape = (28, 28) if mini else (64, 64)
    table = np.zeros((1, 4, *shape), "uint8")
    count = len(boxes)
    table[0, :count] = (shrink_masks(masks, given["gt_boxes"][0, :count], shape) if mini
                        else masks.transpose(2, 0, 1) * np.uint8(255))
    return call(CanvasMasks(4, 4, mini), {
        **given, "gt_masks": table, "window": np.array([window], "float32"),
        "image": np.zeros((1, 64, 64, 3), "float32"), "prototypes": np.zeros((1, 16, 16, 8), "float32"),
    })


def discs():
    y, x = np.mgrid[:64, :64] + 0.5
    masks = np.stack([(y - 30) ** 2 + (x - 20) ** 2 < 18**2, (y - 40) ** 2 + (x - 40) ** 2 < 12**2,
                      (y - 10) ** 2 + (x - 50) ** 2 < 8**2], axis=-1)
    return masks, np.array([[12, 2, 48, 38], [28, 28, 52, 52], [2, 42, 18, 58]], "float32")


@pytest.mark.parametrize("mini", [True, False])
def test_masks_reach_the_canvas(mini):
    """A cell is inside where half of it is covered: as the mean of the pixels says, but for cells near one half."""
    masks, boxes = discs()
    found = canvas_masks(masks, boxes, [1, 1, 3], mini)
    share = masks.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    for number in range(3):
        mask = found["masks"][found["row"][0, number]]
        sure = np.abs(share[number] - 0.5) > 0.2
        np.testing.assert_array_equal(mask[sure], share[number][sure] > 0.5)
        assert np.abs(mask - (share[number] > 0.5)).mean() < 0.02
    coarse = masks.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))
    for channel, union in ((0, coarse[..., :2].max(axis=-1)), (1, np.zeros((8, 8))), (2, coarse[..., 2])):
        sure = np.abs(union - 0.5) > 0.2
        np.testing.assert_array_equal(found["seen"][0, ..., channel][sure], union[sure] > 0.5)
    assert found["seen_valid"].all()


def test_crowds_and_what_is_beside_the_photo_teach_nothing():
    masks, boxes = discs()
    found = canvas_masks(masks, boxes, [1, 1, 3], True, crowd=[2], window=(0, 8, 64, 64))
    assert not found["seen"][..., 2].any()  # the crowd is no object
    expected = np.ones((8, 8), bool)
    expected[:, 0] = False  # beside the photo
    expected[0:3, 5:8] = False  # cells of 8 pixels that the crowd's box touches: rows 2 to 18, columns 42 to 58
    np.testing.assert_array_equal(found["seen_valid"][0], expected)


def test_no_object_at_all():
    found = canvas_masks(np.zeros((64, 64, 0), bool), np.zeros((0, 4), "float32"), [], True)
    assert not found["seen"].any() and found["seen_valid"].all()


def test_cells_that_a_box_touches():
    boxes = ops.convert_to_tensor(np.array([[1.0, 0.5, 3.0, 0.6], [0.9, 1.0, 1.1, 2.0]], "float32"))
    inside = ops.convert_to_numpy(inside_boxes(boxes, 4, 2))
    assert np.argwhere(inside[0]).tolist() == [[1, 0], [2, 0]]
    assert np.argwhere(inside[1]).tolist() == [[0, 1], [1, 1]]
