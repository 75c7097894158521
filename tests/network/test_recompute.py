import keras
import numpy as np
import pytest
from gradients import loss_and_gradients, whole
from keras import layers, ops
from tiny import TinyConfig, tiny_batch

from mrcnn.config import Config
from mrcnn.errors import ConfigError
from mrcnn.network.backbones import build_backbone
from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.network.recompute import Recomputed, backbone_pieces
from mrcnn.network.training_model import NamedLosses


class Noise(layers.Layer):
    """An own layer that has another inside."""

    def __init__(self):
        super().__init__()
        self.inside = layers.GaussianNoise(0.1)

    def call(self, x, training=None):
        return self.inside(x, training=training)


class Squared(NamedLosses):
    """A network whose only loss is the mean square of its maps."""

    def loss_values(self, outputs):
        return {"square": sum(ops.mean(ops.square(value)) for value in outputs.values())}


def same_gradients(image, maps):
    """Asserts that they are the same with a backbone of these maps computed once, and twice; {path: gradient}."""
    outputs = {f"out{level}": layers.Conv2D(2, 1, name=f"out{level}")(x) for level, x in enumerate(maps, 2)}
    model = Squared({"image": image}, outputs, {"square": 1.0}, "squared")
    batch = {"image": tiny_batch()["image"].astype("float32") / 255}
    loss, gradients = loss_and_gradients(model, batch, compiled=False)
    model.recomputed = Recomputed(model.input, model.output, maps, frozen_norm=True)
    again, others = loss_and_gradients(model, batch)
    assert again == pytest.approx(loss, rel=1e-5)
    for path, gradient in gradients.items():
        np.testing.assert_allclose(others[path], gradient, atol=1e-4 * np.abs(gradient).max() + 1e-7, err_msg=path)
    return gradients


def test_a_backbone_that_forgets_has_the_same_gradients():
    image = keras.Input((64, 64, 3), name="image")
    gradients = same_gradients(image, list(build_backbone(image, TinyConfig()).values()))
    assert np.linalg.norm(gradients["res2a/kernel"]) > 1e-3


@pytest.mark.long
def test_gradients_are_the_same_and_so_are_the_layers():
    plain = build_mask_rcnn(TinyConfig())[0]
    forgetting = build_mask_rcnn(TinyConfig(GRADIENT_CHECKPOINTING=True))[0]
    assert [layer.name for layer in forgetting.layers] == [layer.name for layer in plain.layers]
    for variable, value in zip(forgetting.weights, plain.weights):
        variable.assign(value)
    loss, gradients = loss_and_gradients(plain, tiny_batch(), compiled=False)
    other_loss, others = loss_and_gradients(forgetting, tiny_batch())
    assert other_loss == pytest.approx(loss, rel=1e-4)
    assert np.linalg.norm(gradients["res2a/kernel"]) > 1e-3  # of the backbone there is something to compare
    assert np.linalg.norm(whole(others) - whole(gradients)) < 1e-3 * np.linalg.norm(whole(gradients))


class Counting(layers.Layer):
    """Hands on what it is given, and counts how often."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0

    def call(self, x):
        self.calls += 1
        return x * 1.0


def counting_backbone(image, stage5=True, train_bn=None):
    maps = []
    for level in range(1, 6):
        # Before the convolution, whose gradient needs it: PyTorch computes again only what is needed.
        image = Counting(name=f"counting{level}")(image)
        image = layers.Conv2D(16, 3, 2, "same", name=f"res{level}")(image)
        maps.append(image)
    return maps


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX replays what it traced once")
def test_the_backbone_is_computed_twice_and_only_in_training():
    model = build_mask_rcnn(TinyConfig(BACKBONE=counting_backbone, GRADIENT_CHECKPOINTING=True))[0]
    counter = model.get_layer("counting3")
    counter.calls = 0
    loss_and_gradients(model, tiny_batch(), compiled=False)
    assert counter.calls == 2
    model(tiny_batch(), training=False)
    assert counter.calls == 3


# JAX compiles each of their operations by itself.
pieces_once = pytest.mark.skipif(keras.backend.backend() == "jax", reason="the pieces are the same on every backend")


def pieces(image, maps):
    return backbone_pieces(keras.Function(image, maps))


@pieces_once
def test_a_resnet_falls_into_its_blocks():
    image = keras.Input((128, 128, 3))
    maps = list(build_backbone(image, Config(NUM_CLASSES=2, BACKBONE="resnet50")).values())
    cuts = pieces(image, maps)
    assert len(cuts) == 3 + 4 + 6 + 3  # the stem goes with the first block
    assert cuts[0][0] is image
    assert all(start is ends[0] for (_, ends), (start, _) in zip(cuts, cuts[1:]))
    given = {id(end) for _, ends in cuts for end in ends}
    assert {id(feature_map) for feature_map in maps} <= given
    # Each piece is a computation of its start alone, or this raises; between them they make up the whole backbone.
    sizes = [len(keras.Function(start, ends).operations) for start, ends in cuts]
    assert max(sizes) < 25


@pieces_once
def test_maps_inside_of_a_block_are_handed_on_from_there():
    image = keras.Input((128, 128, 3))
    maps = list(build_backbone(image, Config(NUM_CLASSES=2, BACKBONE="ResNet50V2")).values())
    cuts = pieces(image, maps)
    assert {id(feature_map) for feature_map in maps} <= {id(end) for _, ends in cuts for end in ends}
    x = np.random.default_rng(0).normal(size=(1, 128, 128, 3)).astype("float32")
    expected, values, y = keras.Function(image, maps)(x), {}, x
    for start, ends in cuts:
        results = keras.Function(start, ends)(y)
        values.update({id(end): result for end, result in zip(ends, results)})
        y = results[0]
    for feature_map, value in zip(maps, expected):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(values[id(feature_map)]), keras.ops.convert_to_numpy(value), atol=1e-4
        )


def test_layers_that_would_change_twice_are_refused():
    with pytest.raises(ConfigError, match="twice a step: set TRAIN_BN=False or NORM=group"):
        build_mask_rcnn(TinyConfig(GRADIENT_CHECKPOINTING=True, NORM="batch", TRAIN_BN=None))

    def with_dropout(image, **_):
        maps = counting_backbone(image)
        return [*maps[:4], layers.Dropout(0.1)(maps[4])]

    with pytest.raises(ConfigError, match="without dropout"):
        build_mask_rcnn(TinyConfig(GRADIENT_CHECKPOINTING=True, BACKBONE=with_dropout))


@pytest.mark.parametrize("layer, message", [
    (lambda: layers.BatchNormalization(name="deep"), "the statistics of deep twice a step"),
    (lambda: layers.Dropout(0.1, name="deep"), "other random numbers in deep"),
    (lambda: layers.RandomContrast(0.1, name="deep"), "other random numbers in deep"), (Noise, "other random numbers"),
])
def test_layers_that_would_change_twice_are_found_inside_of_others(layer, message):
    def nested(image):
        maps = counting_backbone(image)
        return [*maps[:4], keras.Sequential([keras.Sequential([layer()])])(maps[4])]

    with pytest.raises(ConfigError, match=message):
        build_mask_rcnn(TinyConfig(GRADIENT_CHECKPOINTING=True, BACKBONE=nested, TRAIN_BN=None))


def nested_maps(image):
    """Maps of models within the backbone: one of three outputs, of which one is read on, and one of a single output."""
    inner = keras.Input((None, None, 3))
    first = counting_backbone(inner)
    *three, last = keras.Model(inner, first[1:4], name="first")(image)
    inner = keras.Input((None, None, 16))
    second = layers.Conv2D(16, 3, 2, "same", name="second")(inner)
    for _ in range(30):  # so that it is cut between the two
        last = layers.Activation("linear")(last)
    return [*three, last, keras.Model(inner, second)(last)]


def test_models_within_the_backbone_have_the_same_gradients():
    image = keras.Input((64, 64, 3), name="image")
    maps = nested_maps(image)
    assert len(pieces(image, maps)) >= 3
    assert max(np.abs(value).max() for value in same_gradients(image, maps).values()) > 1e-3
