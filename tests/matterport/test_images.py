"""Matterport's meta vector and pixel functions."""

import keras
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.errors import DataError
from mrcnn.matterport import images as m

META = m.compose_image_meta(7, (30, 40, 3), (64, 64, 3), (8, 0, 56, 64), 1.6, [1, 0, 1])


def test_meta_lies_as_it_is_said_to():
    assert META.tolist() == [7, 30, 40, 3, 64, 64, 3, 8, 0, 56, 64, 1.6, 1, 0, 1]
    assert len(META) == Config(NUM_CLASSES=3).IMAGE_META_SIZE


def test_shapes_of_other_than_three_numbers_are_refused():
    for shapes in (((30, 40), (64, 64, 3)), ((30, 40, 3), (64, 64))):
        with pytest.raises(DataError, match=r"compose_image_meta: a shape is .*: give \(height, width, channels\)"):
            m.compose_image_meta(7, *shapes, (8, 0, 56, 64), 1.6, [1, 0, 1])


def test_meta_is_parsed_back():
    expected = {
        "image_id": [7, 7], "original_image_shape": [[30, 40, 3]] * 2, "image_shape": [[64, 64, 3]] * 2,
        "window": [[8, 0, 56, 64]] * 2, "scale": [np.float32(1.6)] * 2, "active_class_ids": [[1, 0, 1]] * 2,
    }
    both = np.stack([META, META])
    parsed = m.parse_image_meta(both)
    assert {name: value.tolist() for name, value in parsed.items()} == expected
    assert parsed["scale"].dtype == np.float32 and parsed["window"].dtype == np.int32
    tensors = m.parse_image_meta_graph(keras.ops.convert_to_tensor(both.astype("float32")))
    assert {name: keras.ops.convert_to_numpy(value).tolist() for name, value in tensors.items()} == expected


def test_molding_takes_the_mean_away_and_back():
    config = Config(MEAN_PIXEL=np.array([100.0, 50.5, 0.0]))
    image = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype(np.uint8)
    molded = m.mold_image(image, config)
    assert molded.dtype == np.float32 and molded[1, 2, 3].tolist() == (image[1, 2, 3] - [100.0, 50.5, 0.0]).tolist()
    restored = m.unmold_image(molded, config)
    assert restored.dtype == np.uint8
    np.testing.assert_array_equal(restored, image)


def test_resize_does_not_smooth_unless_asked():
    stripes = np.tile(np.array([0.0, 1.0]), (8, 8))
    # Four cells into one, each read between columns 1 and 2 of its four: the mean of a 1 and a 0.
    np.testing.assert_allclose(m.resize(stripes, (8, 4)), 0.5)
    # Without interpolation it is one of the two, and a mask stays one.
    assert set(np.unique(m.resize(stripes > 0, (8, 12), order=0, preserve_range=True))) <= {0.0, 1.0}
    smooth = m.resize(stripes, (8, 5), anti_aliasing=True, mode="edge")
    assert np.ptp(smooth) < np.ptp(m.resize(stripes, (8, 5), mode="edge"))


def test_log_says_shape_range_and_type(capsys):
    m.log("only text")
    m.log("values", np.array([[1.5, -2.0]], np.float32))
    m.log("nothing", np.zeros((0, 4)))
    m.log("a list", [1, 2])
    text, values, nothing, listed = capsys.readouterr().out.splitlines()
    assert text == "only text"
    assert values.startswith("values") and "(1, 2)" in values and "-2.00000" in values and "1.50000" in values
    assert "float32" in values and "(0, 4)" in nothing and "empty" in nothing
    assert "(2,)" in listed and "2.00000" in listed
