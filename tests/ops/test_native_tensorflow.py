"""A network as one graph of TensorFlow: one trace for all shapes, and what the network itself gives; kernels."""

import logging

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("of TensorFlow alone", allow_module_level=True)

import tensorflow as tf

from mrcnn.network.batch_norm import BatchNormalization
from mrcnn.ops.native_tensorflow import compiled, convolve_enlarged, enlarge


@pytest.fixture(scope="module", autouse=True)
def complaints():
    """What TensorFlow says of the networks of this file; of traces it complains twice in a process, not more often."""
    told, handler = [], logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    logging.getLogger("tensorflow").addHandler(handler)
    yield told
    logging.getLogger("tensorflow").removeHandler(handler)


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
    before, run = layer.calls, compiled(model)
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


@pytest.mark.parametrize("kind, settings", [
    (keras.layers.Conv2D, {"filters": 4, "kernel_size": 3, "padding": "same"}),
    (keras.layers.Conv2D, {"filters": 4, "kernel_size": 3, "strides": 2, "use_bias": False}),
    (keras.layers.DepthwiseConv2D, {"kernel_size": 3, "strides": 2, "padding": "same", "depth_multiplier": 2}),
])
def test_a_convolution_takes_the_norm_behind_it_in(kind, settings, monkeypatch):
    """The graph of answers goes through no map to normalise it, and gives what the layers give one by one."""
    rng, image = np.random.default_rng(0), keras.Input((7, 8, 3), name="image")
    x = keras.layers.ReLU(6.0)(BatchNormalization()(kind(**settings)(image)))
    model = keras.Model({"image": image}, {"map": x})
    model.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in model.weights])
    photo = rng.normal(size=(2, 7, 8, 3)).astype("float32")
    first, weights = model({"image": photo})["map"].numpy(), model.get_weights()
    model.set_weights([weight + 0.25 for weight in weights])
    second = model({"image": photo})["map"].numpy()
    assert 0 < (first > 0).mean() < 1 and np.abs(second - first).max() > 0.01
    monkeypatch.delattr(keras.layers.BatchNormalization, "call")  # by which maps would be gone through once more
    run = compiled(model)
    np.testing.assert_allclose(run({"image": photo})["map"], second, atol=2e-5)
    model.set_weights(weights)
    np.testing.assert_allclose(run({"image": photo})["map"], first, atol=2e-5)


@pytest.mark.parametrize("before", [  # TensorFlow dilates by moving cells about, before and after a convolution
    lambda x: keras.layers.ReLU()(keras.layers.Conv2D(2, 1)(x)), keras.layers.Conv2D(2, 3, dilation_rate=2),
])
def test_norms_that_no_convolution_can_take_in(before):
    image = keras.Input((6, 6, 2), name="image")
    model = keras.Model({"image": image}, {"map": BatchNormalization()(before(image))})
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in model.weights])
    photo = rng.normal(size=(1, 6, 6, 2)).astype("float32")
    np.testing.assert_allclose(compiled(model)({"image": photo})["map"], model({"image": photo})["map"], atol=1e-5)


def test_a_process_may_have_many_networks(complaints):
    for number in range(7):
        image = keras.Input((2, 2, 3), name="image")
        run = compiled(keras.Model({"image": image}, {"map": keras.ops.add(image, float(number))}))
        assert run({"image": np.zeros((1, 2, 2, 3), np.float32)})["map"].max() == number
    assert complaints == []


def test_convolving_enlarged_maps_has_the_gradients_of_its_two_steps():
    rng = np.random.default_rng(0)
    x, kernel = (tf.Variable(rng.normal(size=shape).astype("float32")) for shape in ((2, 3, 4, 3), (3, 3, 3, 2)))
    wanted = rng.normal(size=(2, 6, 8, 2)).astype("float32")
    gradients = []
    for function in (convolve_enlarged, lambda x, kernel: tf.nn.conv2d(enlarge(x, 2), kernel, 1, "SAME")):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(wanted * function(x, tf.convert_to_tensor(kernel)))
        gradients.append(tape.gradient(loss, [x, kernel]))
    for ours, plain in zip(*gradients):
        np.testing.assert_allclose(ours, plain, atol=5e-5)


def test_convolving_enlarged_maps_of_any_size_in_one_graph():
    kernel = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 2, 2)).astype("float32"))
    graph = tf.function(lambda x: convolve_enlarged(x, kernel),
                        input_signature=[tf.TensorSpec((None, None, None, 2), tf.float32)], autograph=False)
    assert graph.get_concrete_function().structured_outputs.shape.as_list() == [None, None, None, 2]
    for seed, shape in enumerate([(1, 2, 3, 2), (2, 5, 2, 2)]):
        x = np.random.default_rng(seed).normal(size=shape).astype("float32")
        np.testing.assert_allclose(graph(x), tf.nn.conv2d(enlarge(x, 2), kernel, 1, "SAME"), atol=2e-5)
