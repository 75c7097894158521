"""Graphs for other runtimes: no native kernel is called, and shapes can be static."""

import numpy as np
import pytest
from keras import backend, ops

from mrcnn.ops.nms import nms
from mrcnn.ops.portable import becomes_onnx, is_portable, needs_static_shapes, portable_graph
from mrcnn.ops.roi_align import roi_align
from mrcnn.ops.sampling import filled_rows


def test_the_switch_holds_within_and_is_put_back_after_an_error():
    with pytest.raises(KeyError), portable_graph(static=False):
        assert is_portable() and not needs_static_shapes()
        with portable_graph(static=True):
            assert is_portable() and needs_static_shapes()
        assert is_portable() and not needs_static_shapes() and not becomes_onnx()
        with portable_graph(static=False, onnx=True):
            assert is_portable() and not needs_static_shapes() and becomes_onnx()
        raise KeyError
    assert not is_portable() and not needs_static_shapes()


@pytest.fixture
def without_kernels(monkeypatch):
    """TensorFlow's own kernels out of reach."""
    if backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow has kernels of its own here")
    from mrcnn.ops import native_tensorflow

    def forbidden(*_, **__):
        raise AssertionError("a native kernel was called")

    monkeypatch.setattr(native_tensorflow, "nms", forbidden)
    monkeypatch.setattr(native_tensorflow, "roi_align", forbidden)


def test_no_kernel_of_the_backend_is_called(without_kernels):
    # Three boxes: the second overlaps the first by 80 of 120 cells, IoU 2/3, the third stands alone.
    boxes = np.float32([[[0, 0, 10, 10], [2, 0, 12, 10], [50, 50, 60, 60]]])
    scores = np.float32([[0.9, 0.8, 0.7]])
    ramp = np.broadcast_to(np.arange(8, dtype="float32")[None, :, None, None], (1, 8, 8, 1))
    region, first = np.float32([[2, 2, 6, 6]]), np.zeros(1, "int32")
    with pytest.raises(AssertionError, match="native"):
        nms(boxes, scores, 0.5, 3)
    with portable_graph(static=False):
        kept, valid = nms(ops.convert_to_tensor(boxes), ops.convert_to_tensor(scores), 0.5, 3)
        crop = roi_align([ops.convert_to_tensor(ramp)], [1], ops.convert_to_tensor(region), first, first, 2, 2)
    assert ops.convert_to_numpy(kept)[0, :2].tolist() == [0, 2]
    assert ops.convert_to_numpy(valid)[0].tolist() == [True, True, False]
    # Cells of two pixels from y = 2 on: their centres 3 and 5 lie at rows 2.5 and 4.5 of the ramp.
    np.testing.assert_allclose(ops.convert_to_numpy(crop)[0, :, 0, 0], [2.5, 4.5], atol=1e-6)


def test_static_shapes_keep_every_row():
    valid = ops.convert_to_tensor(np.array([False, True, False, True]))
    with portable_graph(static=True):
        rows, kept = filled_rows(valid)
    assert ops.convert_to_numpy(rows).tolist() == [0, 1, 2, 3]
    assert ops.convert_to_numpy(kept).tolist() == [False, True, False, True]
    if backend.backend() != "jax":
        with portable_graph(static=False):
            rows, kept = filled_rows(valid)
        assert ops.convert_to_numpy(rows).tolist() == [1, 3] and ops.convert_to_numpy(kept).all()
