"""The frame of a network of label maps: its loss by hand, and two graphs over the same layers."""

import keras
import numpy as np
import pytest
from keras import layers
from tiny import TinyConfig

from mrcnn.network.layout import Layout
from mrcnn.network.pixel_losses import pixel_class_loss
from mrcnn.network.pixel_network import build_pixel_network

LAYOUT = Layout(heads="label.*")


def loss_of(logits, labels, active):
    tensors = [keras.ops.convert_to_tensor(np.asarray(value)) for value in (logits, labels, active)]
    return float(pixel_class_loss(*tensors))


def test_the_loss_by_hand():
    """Two pixels of classes 0 and 2, the others ignored; the second photo knows no class 1."""
    logits = np.zeros((2, 1, 2, 3), np.float32)
    logits[0, 0, 0] = [np.log(2), 0, 0]  # softmax: 2/4, 1/4, 1/4
    logits[1, 0, 1] = [0, 50, np.log(3)]  # without class 1: 1/4, 3/4
    labels = np.array([[[0, 255]], [[255, 2]]], np.uint8)
    active = np.array([[True] * 3, [True, False, True]])
    assert loss_of(logits, labels, active) == pytest.approx((-np.log(1 / 2) - np.log(3 / 4)) / 2, rel=1e-6)
    assert loss_of(logits, np.full_like(labels, 255), active) == 0


def build(**settings):
    def logits_of(image):
        return layers.Conv2D(4, 1, name="label_logits")(image)

    return build_pixel_network(TinyConfig(**settings), logits_of, LAYOUT, "dots")


def test_both_graphs_share_their_layers():
    training, inference = build()
    assert training.layout is inference.layout is LAYOUT
    assert {id(v) for v in training.weights} == {id(v) for v in inference.weights}
    kernel, bias = training.get_layer("label_logits").weights
    kernel.assign(np.zeros(kernel.shape))
    bias.assign([0.0, np.log(3), 0.0, 0.0])  # softmax: 1/6, 3/6, 1/6, 1/6
    image = np.full((1, 64, 64, 3), 100, np.float32)
    probabilities = keras.ops.convert_to_numpy(inference({"image": image})["probabilities"])
    np.testing.assert_allclose(probabilities[0, 5, 7], np.array([1, 3, 1, 1]) / 6, atol=1e-6)
    training.compile(optimizer="sgd")
    batch = {"image": image, "labels": np.ones((1, 64, 64), np.uint8), "active_classes": np.ones((1, 4), bool)}
    losses = training.evaluate(batch, verbose=0, return_dict=True)
    assert losses["loss"] == pytest.approx(np.log(2), rel=1e-5) == losses["pixel_class_loss"]


def test_regularizers_and_added_losses_count_in_training_and_validation():
    class Added(layers.Layer):
        def call(self, inputs):
            self.add_loss(keras.ops.mean(inputs) * 0.25)
            return inputs

    def logits_of(image):
        x = Added(name="added")(image)
        return layers.Conv2D(4, 1, kernel_regularizer=keras.regularizers.L2(0.5), name="label_logits")(x)

    training, _ = build_pixel_network(TinyConfig(), logits_of, LAYOUT, "dots")
    training.get_layer("label_logits").kernel.assign(np.full((1, 1, 3, 4), 0.5))  # alike for all classes: log(4)
    training.compile(optimizer=keras.optimizers.SGD(0.0))
    batch = {"image": np.full((1, 64, 64, 3), 128, np.float32), "labels": np.ones((1, 64, 64), np.uint8),
             "active_classes": np.ones((1, 4), bool)}
    mean = np.mean(128 - np.asarray(TinyConfig.MEAN_PIXEL))
    for losses in (training.evaluate(batch, verbose=0, return_dict=True),
                   {name: values[0] for name, values in training.fit(batch, verbose=0).history.items()}):
        assert losses["pixel_class_loss"] == pytest.approx(np.log(4), rel=1e-5)
        assert losses["loss"] == pytest.approx(np.log(4) + 0.5 * 12 * 0.25 + 0.25 * mean, rel=1e-5)


def test_probabilities_are_float32_in_half_precision():
    _, inference = build(PRECISION="mixed_bfloat16")
    assert inference.get_layer("label_logits").compute_dtype == "bfloat16"
    assert inference.output["probabilities"].dtype == "float32"


def test_canvases_of_any_size():
    _, inference = build(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=None)
    assert inference.input["image"].shape == (None, None, None, 3)
    assert inference({"image": np.zeros((1, 64, 128, 3), np.float32)})["probabilities"].shape == (1, 64, 128, 4)
