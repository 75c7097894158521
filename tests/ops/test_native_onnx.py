"""ONNX's own suppression and RoIAlign, as written files have them, against keras.ops alone."""

import keras
import numpy as np
import pytest
from written_onnx import as_file

from mrcnn.ops.nms import ABSENT, nms, reference_nms
from mrcnn.ops.portable import portable_graph
from mrcnn.ops.roi_align import reference_roi_align, roi_align

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="markers stand in graphs of TensorFlow")


@pytest.mark.parametrize("limit", [4, 60])  # fewer than there are boxes, more
def test_suppression_keeps_what_the_reference_keeps(limit, tmp_path):
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 60, (6, 50, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (6, 50, 2))], axis=2).astype("float32")
    scores = rng.normal(size=(6, 50)).astype("float32")
    scores[:, ::7] = ABSENT
    scores[5] = ABSENT  # a set without any box
    scores[4] = np.abs(np.round(scores[4]))  # many ties: the lower index wins
    boxes[3, :10] = 0  # without area: nothing overlaps them

    def function(boxes, scores):
        index, valid = nms(boxes, scores, 0.5, limit)
        return {"index": index, "valid": valid}

    told, operations = as_file(tmp_path, function, boxes=boxes, scores=scores)
    index, valid = (np.asarray(each) for each in reference_nms(*map(keras.ops.array, (boxes, scores)), 0.5, limit))
    np.testing.assert_array_equal(told["valid"], valid)
    np.testing.assert_array_equal(told["index"], np.where(valid, index, 0))
    assert "NonMaxSuppression" in operations and "Loop" not in operations and valid[3].sum() > 3
    assert "Expand" not in operations  # to as many rows as are kept: OpenVINO refuses such a shape


@pytest.mark.parametrize("size,ratio", [(7, 2), (3, 1)])
def test_crops_are_those_of_the_reference_inside_and_outside_the_map(size, ratio, tmp_path):
    rng, strides = np.random.default_rng(4), [4, 8, 16, 32]
    maps = [rng.normal(size=(2, 128 // s, 96 // s, 5)).astype("float32") for s in strides]
    corner = rng.uniform(-40, 100, (40, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, 120, (40, 2))], axis=1).astype("float32")
    boxes[0] = 10  # of no area
    image, level = rng.integers(0, 2, 40).astype("int32"), rng.integers(0, 3, 40).astype("int32")  # none from the last

    def function(*given):
        return {"crops": roi_align(given[:4], strides, *given[4:], size, ratio)}

    names = [f"map{i}" for i in range(4)] + ["boxes", "image", "level"]
    told, operations = as_file(tmp_path, function, **dict(zip(names, [*maps, boxes, image, level])))
    expected = reference_roi_align([keras.ops.array(each) for each in maps], strides,
                                   *map(keras.ops.array, (boxes, image, level)), size, ratio)
    np.testing.assert_allclose(told["crops"], np.asarray(expected), atol=1e-5)
    assert "RoiAlign" in operations


def test_a_graph_that_calls_python_of_others_is_refused(tmp_path):
    import tensorflow as tf

    with pytest.raises(Exception, match='"mine", PyFunc'):
        as_file(tmp_path, lambda x: {"y": tf.ensure_shape(tf.numpy_function(np.sort, [x], tf.float32, name="mine"),
                                                          (3,))}, x=np.zeros(3, "float32"))


def test_markers_do_not_run_in_tensorflow():
    import tensorflow as tf

    boxes, scores = tf.zeros((1, 3, 4)), tf.zeros((1, 3))
    with portable_graph(static=False, onnx=True), pytest.raises(RuntimeError, match="stands for an operation of"):
        nms(boxes, scores, 0.5, 2)
