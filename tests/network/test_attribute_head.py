"""The attribute head: its targets and scores by hand, and that a network without attributes is the one it was."""

import keras
import numpy as np
import pytest
from keras import ops
from tiny import TinyConfig, tiny_batch

from mrcnn.errors import ConfigError
from mrcnn.network.attribute_head import (
    AttributeTargets,
    Cloth,
    ColourShares,
    DetectionAttributes,
    MaskedMean,
    between,
    hues,
    possible_attributes,
)
from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.network.mask_rcnn_layout import ATTRIBUTE_LAYERS
from mrcnn.network.training_model import ATTRIBUTE_LOSS_NAME, LOSS_NAMES, named_losses
from mrcnn.training.stages import select_layers

pytestmark = pytest.mark.usefixtures("eagerly")

PAIRS = [[], [0, 2], [1], []]


class WithAttributes(TinyConfig):
    ATTRIBUTES = ("plain", "long", "striped")
    ATTRIBUTE_PAIRS = PAIRS


def t(value, dtype="float32"):
    return ops.convert_to_tensor(np.asarray(value), dtype=dtype)


def numpy_of(value):
    return ops.convert_to_numpy(value)


def batch_with_attributes(images=2):
    batch = tiny_batch(images)
    batch["gt_attributes"] = np.zeros((images, TinyConfig.MAX_GT_INSTANCES, 3), bool)
    batch["gt_attributes"][:, 0, [0, 2]] = batch["gt_attributes"][:, 1, 1] = True
    return batch


def built(config):
    keras.utils.set_random_seed(0)
    training, inference = build_mask_rcnn(config)
    inference.jit_compile = keras.backend.backend() == "jax"  # the others would compile for longer than they run
    return training, inference


@pytest.fixture(scope="module")
def with_attributes():
    return built(WithAttributes())


@pytest.fixture(scope="module")
def without():
    return built(TinyConfig())


def test_without_attributes_nothing_differs(without, with_attributes):
    """The network, its names, inputs and outputs are those of before; its other weights begin alike with the head.

    It comes first in this file: later the network has learned.
    """
    names = [[layer.name for layer in model.layers] for model in without]
    assert not [name for model in names for name in model if "attribute" in name]
    assert "attributes" not in without[1].output and "gt_attributes" not in without[0].input
    assert tuple(mean.name for mean in without[0].loss_means) == LOSS_NAMES
    theirs = {weight.path: numpy_of(weight) for weight in with_attributes[0].weights}
    for weight in without[0].weights:
        if "seed_generator" not in weight.path:
            np.testing.assert_array_equal(theirs.pop(weight.path), numpy_of(weight), err_msg=weight.path)
    left = {path.split("/")[0] for path in theirs if "seed_generator" not in path}
    assert left == set(ATTRIBUTE_LAYERS)


def test_a_stage_trains_this_head_alone(with_attributes):
    assert set(select_layers(with_attributes[0], "attributes", frozen_norm=False)) == set(ATTRIBUTE_LAYERS)


def test_what_a_class_can_have():
    np.testing.assert_array_equal(possible_attributes(PAIRS, 4, 3), [[0, 0, 0], [1, 0, 1], [0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(possible_attributes(None, 3, 2), [[0, 0], [1, 1], [1, 1]])


@pytest.mark.parametrize("partial, counted_of_the_silent", [(False, [True, False, True]), (True, [False] * 3)])
def test_targets_by_hand(partial, counted_of_the_silent):
    truth = np.zeros((2, 2, 3), bool)
    truth[0, 1, 2] = truth[1, 0, 1] = True
    layer = AttributeTargets(possible_attributes(PAIRS, 4, 3), partial)
    outputs = layer({
        "gt_attributes": t(truth, "bool"),
        # object 1 of image 0 as class 1; object 0 of image 1 as class 2; one without attributes; padding
        "image_index": t([0, 1, 1, 0], "int32"), "object": t([1, 0, 1, 1], "int32"),
        "class_ids": t([1, 2, 1, 1], "int32"), "valid": t([1, 1, 1, 0], "bool"),
    })
    np.testing.assert_array_equal(
        numpy_of(outputs["targets"]), [[0, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(
        numpy_of(outputs["counted"]),
        [[True, False, True], [False, True, False], counted_of_the_silent, [False] * 3])


def test_the_mean_over_a_mask_by_hand():
    crops = np.arange(8).reshape(2, 2, 2, 1)  # two regions of 2 x 2 cells
    masks = np.zeros((2, 4, 4))
    masks[0, :2, :2], masks[0, 2:, 2] = 1, 1  # all of the first cell, half of the last; nothing of the other region
    # (1 * 0 + 1/2 * 3) / (1 + 1/2) = 1
    np.testing.assert_allclose(numpy_of(MaskedMean()({"crops": t(crops), "masks": t(masks)})), [[1], [0]], atol=1e-6)


def test_the_mean_over_a_coarser_mask_by_hand():
    crops, masks = np.arange(16).reshape(1, 4, 4, 1), np.zeros((1, 2, 2))
    masks[0, 0, 0], masks[0, 1, 1] = 1, 1  # (0 + 1 + 4 + 5 + 10 + 11 + 14 + 15) / 8
    np.testing.assert_allclose(numpy_of(MaskedMean()({"crops": t(crops), "masks": t(masks)})), [[7.5]], atol=1e-6)


def test_the_mean_in_half_precision_does_not_overflow():
    crops, masks = t(np.full((1, 14, 14, 1), 400), "float16"), t(np.ones((1, 28, 28)))  # float16 ends at 65504
    mean = MaskedMean(dtype="mixed_float16")({"crops": crops, "masks": masks})
    assert keras.backend.standardize_dtype(mean.dtype) == "float16" and numpy_of(mean).tolist() == [[400]]


def cloth_of(pixels, masks):
    return {name: numpy_of(value) for name, value in Cloth()({"pixels": t(pixels), "masks": t(masks)}).items()}


def test_a_pattern_is_the_same_in_all_colours_and_lights():
    """Stripes of two greys have the pattern of any other two, up to the noise that LEAST_CONTRAST stands for."""
    stripes = np.tile([1.0, -1.0], 8)[None, None, :, None] * np.ones((1, 16, 1, 3))
    masks = np.zeros((1, 8, 8))
    masks[:, 2:6, 2:6] = 1
    seen = [cloth_of(level + contrast * stripes, masks) for level, contrast in ((0, 50), (60, 100))]
    inside = np.zeros((16, 16), bool)
    inside[4:12, 4:12] = True
    for cloth in seen:
        np.testing.assert_allclose(cloth["pattern"][0][inside], stripes[0][inside], atol=6e-3)
        assert not cloth["pattern"][0][~inside].any()
    # deviation 50 and 100, in units of 64
    np.testing.assert_allclose([cloth["contrast"][0, 0] for cloth in seen], [50 / 64, 100 / 64], rtol=1e-3)


def test_noise_is_not_enlarged_and_an_empty_mask_is_nothing():
    noise = np.random.default_rng(0).normal(0, 1, (1, 8, 8, 3))
    assert np.abs(cloth_of(noise, np.ones((1, 4, 4)))["pattern"]).std() < 0.25  # 1 / LEAST_CONTRAST
    empty = cloth_of(noise, np.zeros((1, 4, 4)))
    assert not empty["pattern"].any() and np.isfinite(empty["contrast"]).all()


def test_the_edge_of_a_mask_counts_little():
    inner = cloth_of(np.zeros((1, 4, 4, 3)), np.full((1, 2, 2), 0.5))["inner"]
    np.testing.assert_allclose(inner, np.full((1, 2, 2), 1 / 16))


MEAN = (123.7, 116.8, 103.9)


def shares_of(colours, masks, mean=MEAN):
    """(means of the channels, shares [hue, saturation] and [hue, value], shares of greys) of photos [N, p, p, C]."""
    seen = numpy_of(ColourShares(mean)({"pixels": t(np.asarray(colours) - mean), "masks": t(masks)}))
    table = seen[:, len(mean) : -6].reshape(len(seen), 16, -1) / 4
    return seen[:, : len(mean)] * 64 + mean, table[..., :4], table[..., 4:], seen[:, -6:] / 4


def test_shares_of_colours_by_hand():
    """Left half red, right half a grey, and a mask over the left half and one column of the right."""
    photo = np.zeros((1, 4, 4, 3))
    photo[:, :, :2], photo[:, :, 2:] = (200, 0, 0), 102  # hue 0, saturation 1, value 0.78; lightness 0.4
    mask = np.ones((1, 4, 4))
    mask[..., 3] = 0
    means, by_saturation, by_value, greys = shares_of(photo, mask)
    np.testing.assert_allclose(means, [[(2 * 200 + 102) / 3, 34, 34]], rtol=1e-5)
    expected = np.zeros((16, 4))
    expected[0, 3] = 2 / 3
    np.testing.assert_allclose(by_saturation[0], expected, atol=1e-5)
    bright = (200 / 255 - 0.5) / 0.35
    np.testing.assert_allclose(by_value[0, 0], np.array([0, 1 - bright, bright]) * 2 / 3, atol=1e-5)
    np.testing.assert_allclose(greys[0], [0, 0, 1 / 3, 0, 0, 0], atol=1e-5)


def test_hues_are_those_of_the_circle_in_all_lights():
    import colorsys

    for turn in (0.0, 0.1, 1 / 3, 0.5, 0.71, 0.95):
        bright = np.array([colorsys.hsv_to_rgb(turn, 0.8, value) for value in (1.0, 0.3)]) * 255
        shares = numpy_of(hues(t(bright)))
        np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
        np.testing.assert_allclose(shares[0], shares[1], atol=5e-3)
        angle = np.arctan2(*(shares[0] @ f(2 * np.pi * np.arange(16) / 16) for f in (np.sin, np.cos))) / 2 / np.pi
        assert abs((angle - turn + 0.5) % 1 - 0.5) < 0.02, turn
    assert not numpy_of(hues(t([[77, 77, 77]]))).any()


def test_values_are_shared_by_the_knots_beside_them():
    shares = numpy_of(between(t([[-1], [0.1], [0.2], [0.3], [7]]), (0.1, 0.3)))
    np.testing.assert_allclose(shares, [[1, 0], [1, 0], [0.5, 0.5], [0, 1], [0, 1]], atol=1e-6)


@pytest.mark.parametrize("channels, numbers", [(1, 1 + 6), (2, 2 + 6), (3, 3 + 112 + 6), (4, 4 + 112 + 6)])
def test_photos_of_any_channels_have_shares(channels, numbers):
    photo, masks = np.full((2, 4, 4, channels), 153.0), np.ones((2, 2, 2))
    masks[1] = 0
    layer = ColourShares([100] * channels)
    seen = numpy_of(layer({"pixels": t(photo - 100), "masks": t(masks)}))
    shape = {"pixels": keras.KerasTensor((None, 4, 4, channels)), "masks": keras.KerasTensor((None, 2, 2))}
    assert seen.shape == (2, numbers) and layer.compute_output_spec(shape).shape == (None, numbers)
    np.testing.assert_allclose(seen[0, :channels] * 64, 53, rtol=1e-5)
    np.testing.assert_allclose(seen[0, -6:] / 4, [0, 0, 0, 1, 0, 0], atol=1e-5)  # 153 of 255 is 0.6
    assert not seen[1].any()


def test_scores_go_back_into_the_table():
    layer = DetectionAttributes(possible_attributes(PAIRS, 4, 3))
    scores = numpy_of(layer({
        "logits": t([[0, 9, np.log(3)], [5, np.log(4), 5], [7, 7, 7]]), "class_ids": t([1, 2, 1], "int32"),
        "slot": t([0, 4, 2], "int32"), "kept": t([1, 1, 0], "bool"), "valid": t(np.ones((2, 3)), "bool"),
    }))
    # sigmoid(0) = 1/2, sigmoid(log 3) = 3/4 of class 1; sigmoid(log 4) = 4/5 of class 2; what is no pair is 0
    expected = np.zeros((2, 3, 3))
    expected[0, 0], expected[1, 1] = [0.5, 0, 0.75], [0, 0.8, 0]
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_detections_have_scores_of_what_their_class_can_have(with_attributes):
    batch = tiny_batch(2)
    outputs = {name: np.asarray(value) for name, value in with_attributes[1].predict_on_batch({
        "image": batch["image"].astype("float32"), "window": batch["window"],
        "min_confidence": np.full(2, 0.05, "float32")}).items()}
    scores, valid, possible = outputs["attributes"], outputs["valid"], possible_attributes(PAIRS, 4, 3)
    assert scores.shape == (2, TinyConfig.DETECTION_MAX_INSTANCES, 3) and valid.sum() > 3
    np.testing.assert_array_equal(scores[valid] > 0, possible[outputs["class_ids"][valid]])
    assert not scores[~valid].any() and (scores < 1).all()
    alone = with_attributes[1].predict_on_batch({
        "image": batch["image"][1:].astype("float32"), "window": batch["window"][1:],
        "min_confidence": np.full(1, 0.05, "float32")})
    np.testing.assert_allclose(np.asarray(alone["attributes"])[0], scores[1], atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX compiles the training of this network for minutes")
def test_the_loss_moves_the_head_and_falls(with_attributes):
    training, batch = with_attributes[0], batch_with_attributes()
    inputs = {name: ops.convert_to_tensor(value) for name, value in batch.items()}
    values = {name: float(numpy_of(value)) for name, value in named_losses(training(inputs)).items()}
    assert set(values) == {*LOSS_NAMES, ATTRIBUTE_LOSS_NAME} and values[ATTRIBUTE_LOSS_NAME] > 0
    # The head alone: the gradients of all else are those of other losses too.
    for layer in training.layers:
        layer.trainable = layer.name.startswith("mrcnn_attribute")
    training.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=False)
    rows = [training.train_on_batch(batch, return_dict=True)[ATTRIBUTE_LOSS_NAME] for _ in range(5)]
    for layer in training.layers:
        layer.trainable = True
    assert rows[-1] < 0.8 * rows[0]


@pytest.mark.parametrize("settings, message", [
    ({"ATTRIBUTE_PAIRS": PAIRS}, "ATTRIBUTES is None: set both"),
    ({"ATTRIBUTES": ["long"], "ATTRIBUTE_PAIRS": [[], [0]]}, "has 2 lists: give NUM_CLASSES=4 of them"),
    ({"ATTRIBUTES": ["long"], "ATTRIBUTE_PAIRS": [[], [1], [], []]}, "names place 1, but ATTRIBUTES has places 0 to 0"),
])
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TinyConfig(**settings).check()
