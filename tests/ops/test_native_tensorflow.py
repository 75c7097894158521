"""A network as one graph of TensorFlow: one trace for all shapes, and what the network itself gives."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("of TensorFlow alone", allow_module_level=True)

from mrcnn.ops.native_tensorflow import compiled


class Counted(keras.layers.Layer):
    """Adds a weight, and counts how often Python runs it."""

    calls = 0

    def build(self, shape):
        self.offset = self.add_weight(shape=(), initializer="zeros")

    def call(self, x):
        self.calls += 1
        return x + self.offset


def network(shape):
    image, number = keras.Input(shape, name="image"), keras.Input((), name="number")
    layer = Counted()
    pooled = keras.layers.GlobalAveragePooling2D()(layer(image))
    return keras.Model({"image": image, "number": number}, {"mean": pooled, "twice": number * 2}), layer


@pytest.mark.parametrize("shape, canvases", [((None, None, 3), [(1, 4, 6), (2, 8, 2), (1, 1, 1), (3, 4, 6)]),
                                             ((4, 6, 3), [(1, 4, 6), (5, 4, 6)])])
def test_one_trace_takes_canvases_of_any_shape_and_number(shape, canvases):
    model, layer = network(shape)
    run, before = compiled(model), layer.calls
    for seed, (count, height, width) in enumerate(canvases):
        image = np.random.default_rng(seed).random((count, height, width, 3), np.float32)
        outputs = run({"image": image, "number": np.arange(count, dtype=np.float32)})
        np.testing.assert_allclose(outputs["mean"], image.mean(axis=(1, 2)), rtol=1e-5)
        np.testing.assert_array_equal(outputs["twice"], 2 * np.arange(count))
        assert isinstance(outputs["mean"], np.ndarray)
    assert layer.calls == before + 1


def test_the_weights_are_those_of_the_moment():
    model, layer = network((None, None, 3))
    run, inputs = compiled(model), {"image": np.zeros((1, 2, 2, 3), np.float32), "number": np.zeros(1, np.float32)}
    assert run(inputs)["mean"].tolist() == [[0, 0, 0]]
    layer.offset.assign(3.0)
    assert run(inputs)["mean"].tolist() == [[3, 3, 3]]
