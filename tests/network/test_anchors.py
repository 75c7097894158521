import numpy as np
import pytest
from keras import ops

from mrcnn.network.anchors import Anchors, anchor_shapes, level_anchors


def test_shapes_have_the_scale_as_geometric_mean():
    shapes = anchor_shapes(32, [0.5, 1, 2])
    np.testing.assert_allclose(shapes.prod(axis=1), 32 * 32, rtol=1e-5)
    np.testing.assert_allclose(shapes[:, 1] / shapes[:, 0], [0.5, 1, 2], rtol=1e-5)  # width / height


def test_centres_are_those_of_the_cells():
    anchors = ops.convert_to_numpy(level_anchors(2, 3, 16, anchor_shapes(64, [1]), 1))
    # cell (0, 0) covers pixels 0..16: centre 8; the anchor reaches 32 each way
    np.testing.assert_allclose(anchors[0], [-24, -24, 40, 40])
    np.testing.assert_allclose(anchors[1], [-24, -8, 40, 56])  # next column: 16 pixels on
    np.testing.assert_allclose(anchors[3], [-8, -24, 56, 40])  # next row
    assert len(anchors) == 6


def test_anchor_stride_skips_cells():
    every = ops.convert_to_numpy(level_anchors(4, 4, 8, anchor_shapes(16, [1]), 1)).reshape(4, 4, 4)
    second = ops.convert_to_numpy(level_anchors(4, 4, 8, anchor_shapes(16, [1]), 2)).reshape(2, 2, 4)
    np.testing.assert_allclose(second, every[::2, ::2])


@pytest.mark.parametrize("size", [128, 192])
def test_layer_makes_one_set_a_level(size):
    strides = [4, 8, 16, 32, 64]
    layer = Anchors(strides, (32, 64, 128, 256, 512), [0.5, 1, 2])
    maps = [np.zeros((2, size // s, size // s, 3), "float32") for s in strides]
    sets = layer([ops.convert_to_tensor(m) for m in maps])
    assert [len(ops.convert_to_numpy(a)) for a in sets] == [(size // s) ** 2 * 3 for s in strides]
    # The anchors of every level are centred on the image as a whole: no level is shifted.
    for level in sets:
        middle = ops.convert_to_numpy(level)[:, :2] + ops.convert_to_numpy(level)[:, 2:]
        np.testing.assert_allclose(middle.mean(axis=0) / 2, size / 2, rtol=1e-4)
