import numpy as np
import pytest
from keras import backend, ops

from mrcnn.network.detections import DetectionMasks, Detections
from mrcnn.ops import boxes as box_ops
from mrcnn.ops import nms as nms_file
from mrcnn.ops.portable import portable_graph

STD = [0.1, 0.1, 0.2, 0.2]


def run(layer, values):
    result = layer({name: ops.convert_to_tensor(value) for name, value in values.items()})
    if isinstance(result, dict):
        return {name: ops.convert_to_numpy(value) for name, value in result.items()}
    return ops.convert_to_numpy(result)


def reference(logits, deltas, boxes, valid, window, count, confidence, threshold):
    """One image in plain numpy: every class of every region, greedy suppression class by class."""
    scores = np.exp(logits - logits.max(1, keepdims=True))
    scores /= scores.sum(1, keepdims=True)
    detections = []
    for class_id in range(1, logits.shape[1]):
        moved = box_ops.clip(box_ops.decode(deltas[:, class_id], boxes, STD), window[None])
        kept = []
        for row in np.argsort(-scores[:, class_id], kind="stable"):
            good = valid[row] and scores[row, class_id] >= confidence and box_ops.area(moved[row]) > 0
            if good and all(box_ops.iou(moved[row], moved[other]) <= threshold for other in kept):
                kept.append(row)
        detections += [(scores[row, class_id], class_id, moved[row]) for row in kept]
    return sorted(detections, key=lambda item: -item[0])[:count]


def test_equals_the_plain_algorithm():
    rng = np.random.default_rng(0)
    images, regions, classes = 2, 40, 5
    corner = rng.uniform(0, 70, (images, regions, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 40, (images, regions, 2))], axis=2).astype("float32")
    values = {
        "logits": (2 * rng.normal(size=(images * regions, classes))).astype("float32"),
        "deltas": rng.normal(size=(images * regions, classes, 4)).astype("float32"),
        "boxes": boxes,
        "valid": rng.uniform(size=(images, regions)) < 0.8,
        "window": np.array([[0, 0, 100, 90], [5, 5, 80, 100]], "float32"),
    }
    least = np.array([0.2, 0.3], "float32")  # each image has its own
    result = run(Detections(30, 0.3, STD), {**values, "min_confidence": least})
    for image, confidence in enumerate(least):
        rows = slice(image * regions, (image + 1) * regions)
        expected = reference(values["logits"][rows], values["deltas"][rows], boxes[image], values["valid"][image],
                             values["window"][image], 30, confidence, 0.3)
        valid = result["valid"][image]
        assert valid.sum() == len(expected) > 10
        np.testing.assert_allclose(result["scores"][image][valid], [score for score, _, _ in expected], atol=1e-5)
        assert result["class_ids"][image][valid].tolist() == [class_id for _, class_id, _ in expected]
        np.testing.assert_allclose(result["boxes"][image][valid], [box for _, _, box in expected], atol=1e-3)


def test_one_region_may_be_two_classes_but_never_background():
    values = {
        "logits": np.log(np.array([[0.2, 0.45, 0.35]], "float32")),
        "deltas": np.zeros((1, 3, 4), "float32"),
        "boxes": np.array([[[10, 10, 20, 20]]], "float32"),
        "valid": np.array([[True]]),
        "window": np.array([[0, 0, 64, 64]], "float32"),
        "min_confidence": np.array([0.3], "float32"),
    }
    result = run(Detections(5, 0.5, STD), values)
    assert result["class_ids"][0].tolist() == [1, 2, 0, 0, 0]
    np.testing.assert_allclose(result["scores"][0], [0.45, 0.35, 0, 0, 0], atol=1e-6)


@pytest.mark.skipif(backend.backend() == "jax", reason="tests/ops/test_nms.py has it; this compiles for ten seconds")
def test_many_detections_need_no_pairs_of_all_regions(monkeypatch):
    monkeypatch.setattr(nms_file, "parallel_nms", None)
    corners = np.arange(300, dtype="float32")[:, None] * 20
    values = {
        "logits": np.tile(np.array([[0, 5, 0]], "float32"), (300, 1)),
        "deltas": np.zeros((300, 3, 4), "float32"),
        "boxes": np.concatenate([corners, corners, corners + 10, corners + 10], axis=1)[None],
        "valid": np.ones((1, 300), bool),
        "window": np.array([[0, 0, 6000, 6000]], "float32"),
        "min_confidence": np.full(1, 0.5, "float32"),
    }
    with portable_graph(static=False):
        assert run(Detections(300, 0.5, STD), values)["valid"].sum() == 300


def test_nothing_found_is_all_padding():
    values = {
        "logits": np.zeros((4, 3), "float32"),
        "deltas": np.zeros((4, 3, 4), "float32"),
        "boxes": np.zeros((2, 2, 4), "float32"),
        "valid": np.zeros((2, 2), bool),
        "window": np.array([[0, 0, 64, 64]] * 2, "float32"),
        "min_confidence": np.full(2, 0.05, "float32"),
    }
    result = run(Detections(3, 0.5, STD), values)
    assert not result["valid"].any() and not result["boxes"].any() and not result["scores"].any()


def test_masks_return_to_their_detection():
    logits = np.zeros((3, 2, 2), "float32")
    logits[0] = 10  # slot 1 of image 0
    logits[2] = 10  # padding; row 1 is slot 0 of image 1, and undecided
    masks = run(DetectionMasks(), {
        "logits": logits, "slot": np.array([1, 3, 0], "int32"), "kept": np.array([True, True, False]),
        "valid": np.array([[False, True, False], [True, False, False]]),
    })
    assert masks.shape == (2, 3, 2, 2)
    np.testing.assert_allclose(masks[0, 1], 1, atol=1e-3)
    np.testing.assert_allclose(masks[1, 0], 0.5)
    assert masks.sum() == masks[0, 1].sum() + masks[1, 0].sum()
