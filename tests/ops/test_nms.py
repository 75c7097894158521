import numpy as np
import pytest
from keras import ops

from mrcnn.ops import nms as nms_file
from mrcnn.ops.boxes import kept_boxes
from mrcnn.ops.nms import ABSENT, MANY, fast_nms, nms, parallel_nms, reference_nms
from mrcnn.ops.portable import portable_graph


def brute_force(boxes, scores, threshold, limit):
    """Plain Python, in float32 as the kernels compute."""
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if scores[i] <= ABSENT or len(kept) == limit:
            break
        if all(overlap(boxes[i], boxes[j]) <= np.float32(threshold) for j in kept):
            kept.append(i)
    return kept


def overlap(a, b):
    shared = max(min(a[2], b[2]) - max(a[0], b[0]), np.float32(0)) * max(
        min(a[3], b[3]) - max(a[1], b[1]), np.float32(0)
    )
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else np.float32(0)


def clustered(rng, sets, count):
    corner = rng.uniform(0, 60, (sets, count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (sets, count, 2))], axis=2).astype("float32")
    scores = rng.normal(size=(sets, count)).astype("float32")
    return boxes, scores


@pytest.mark.parametrize("function", [nms, reference_nms, parallel_nms])
@pytest.mark.parametrize("threshold,limit", [(0.3, 50), (0.7, 50), (0.5, 4), (0.0, 50), (0.5, 60)])
def test_equals_brute_force(function, threshold, limit):
    rng = np.random.default_rng(3)
    boxes, scores = clustered(rng, 6, 50)
    scores[:, ::7] = ABSENT
    scores[5] = ABSENT  # a set without any box
    scores[4] = np.abs(np.round(scores[4]))  # many ties: the lower index wins
    index, valid = function(ops.convert_to_tensor(boxes), ops.convert_to_tensor(scores), threshold, limit)
    index, valid = ops.convert_to_numpy(index), ops.convert_to_numpy(valid)
    for row in range(6):
        expected = brute_force(boxes[row], scores[row], threshold, limit)
        assert index[row][valid[row]].tolist() == expected
        assert valid[row].tolist() == [True] * len(expected) + [False] * (limit - len(expected))
        assert (index[row][~valid[row]] == 0).all()


@pytest.mark.parametrize("function", [nms, reference_nms, parallel_nms])
def test_by_hand(function):
    # b overlaps a by 8/12 = 0.667; c touches nothing; d lies in c with IoU 0.25
    boxes = np.array([[[0, 0, 10, 10], [0, 2, 10, 12], [50, 50, 60, 60], [50, 50, 55, 55]]], "float32")
    scores = np.array([[0.9, 0.8, 0.1, 0.7]], "float32")
    index, valid = function(ops.convert_to_tensor(boxes), ops.convert_to_tensor(scores), 0.5, 4)
    assert ops.convert_to_numpy(index)[0][ops.convert_to_numpy(valid)[0]].tolist() == [0, 3, 2]


@pytest.mark.parametrize("function", [nms, reference_nms, parallel_nms])
def test_boxes_without_area_are_kept_and_end(function):
    boxes, scores = np.zeros((1, 3, 4), "float32"), np.array([[1.0, 2.0, 3.0]], "float32")
    index, valid = function(ops.convert_to_tensor(boxes), ops.convert_to_tensor(scores), 0.5, 3)
    assert ops.convert_to_numpy(index)[0].tolist() == [2, 1, 0]
    assert ops.convert_to_numpy(valid).all()


def test_sets_that_keep_few_never_compare_all_pairs(monkeypatch):
    # Sets of classes are many: all pairs of 80 of 1000 boxes are 320 MB, several times over.
    def pairs(*arguments):
        raise MemoryError("all pairs")

    monkeypatch.setattr(nms_file, "parallel_nms", pairs)
    boxes, scores = clustered(np.random.default_rng(4), 3, 30)
    given = ops.convert_to_tensor(boxes), ops.convert_to_tensor(scores), 0.5, MANY + 1
    with portable_graph(static=False):  # TensorFlow's own suppression has neither form
        index, valid = nms(*given, crowded=False)
        with pytest.raises(MemoryError):
            nms(*given)
    for row in range(3):
        kept = ops.convert_to_numpy(index)[row][ops.convert_to_numpy(valid)[row]].tolist()
        assert kept == brute_force(boxes[row], scores[row], 0.5, MANY + 1)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_arrays_and_tensors_keep_the_same_boxes(threshold):
    boxes = clustered(np.random.default_rng(1), 1, 60)[0][0]  # in their order, best first
    classes = np.random.default_rng(2).integers(1, 4, 60)
    scores = np.linspace(1, 0.1, 60, dtype="float32")
    own = np.where(classes == np.arange(1, 4)[:, None], scores, np.float32(ABSENT))  # a set of boxes a class
    index, valid = nms(ops.convert_to_tensor(np.stack([boxes] * 3)), ops.convert_to_tensor(own), threshold, 60)
    expected = np.sort(ops.convert_to_numpy(index)[ops.convert_to_numpy(valid)])
    np.testing.assert_array_equal(kept_boxes(boxes, classes, threshold), expected)
    assert 10 < len(expected) < 60
    assert kept_boxes(np.zeros((0, 4), np.float32), np.zeros(0, int), threshold).tolist() == []


def test_fast_nms_is_its_definition():
    """Plain Python: a box is dropped if any better one overlaps it, kept or not; so no box more is kept than greedily.
    """
    boxes, scores = clustered(np.random.default_rng(5), 4, 40)
    order = np.argsort(-scores, axis=1)
    boxes = np.take_along_axis(boxes, order[:, :, None], axis=1)
    boxes[0, 5] = boxes[0, 3, [0, 1, 0, 1]]  # without area it neither drops nor is dropped
    kept = ops.convert_to_numpy(fast_nms(ops.convert_to_tensor(boxes), 0.4))
    for row in range(4):
        expected = [all(overlap(boxes[row, i], boxes[row, j]) <= np.float32(0.4) for j in range(i)) for i in range(40)]
        assert kept[row].tolist() == expected and 3 < sum(expected) < 40
        greedy = brute_force(boxes[row], np.arange(40, 0, -1), 0.4, 40)
        assert set(np.flatnonzero(expected)) <= set(greedy)
    assert kept[0, 5]


def test_suppression_of_arrays_looks_at_each_class_a_few_times():
    class Counted(np.ndarray):
        looks = 0

        def __getitem__(self, key):
            Counted.looks += 1
            return super().__getitem__(key)

    corners = np.arange(300, dtype=np.float32)[:, None] * 10
    boxes = np.concatenate([corners, corners, corners + 8, corners + 8], axis=1)
    assert len(kept_boxes(boxes, np.ones(300, int).view(Counted), 0.5)) == 300
    assert Counted.looks <= 300
