"""The losses of pixels: against hand arithmetic and brute force."""

import itertools

import keras
import numpy as np
import pytest
from gradients import loss_and_gradients, whole
from tiny import TinyConfig

from mrcnn.network.layout import Layout
from mrcnn.network.pixel_losses import INACTIVE, PixelLoss, pixel_class_loss, weights_by_pixels
from mrcnn.network.pixel_network import build_pixel_network

ALL = np.ones((1, 3), bool)
LOGITS = np.log(np.array([[[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]]], np.float32))  # [1, 1, 3, 3]


def loss_of(logits, labels, active=ALL, **settings):
    tensors = [keras.ops.convert_to_tensor(np.asarray(value)) for value in (logits, labels, active)]
    return float(pixel_class_loss(*tensors, PixelLoss(**settings)))


def labels_of(*labels):
    return np.array([[labels]], np.uint8)


def test_cross_entropy_weighs_classes():
    """Classes 0 and 1 with weights 1 and 3: (1 * ln 2 + 3 * ln 1.25) / 4; the third pixel is ignored."""
    value = loss_of(LOGITS, labels_of(0, 1, 255), class_weights=(1, 3, 9))
    assert value == pytest.approx((np.log(2) + 3 * np.log(1.25)) / 4, rel=1e-5)


def test_focal_is_cross_entropy_times_what_is_missing():
    """gamma 2: ((1/2)^2 ln 2 + (1/5)^2 ln 1.25 + (2/5)^2 ln (1/0.6)) / 3."""
    wanted = (0.25 * np.log(2) + 0.04 * np.log(1.25) + 0.16 * np.log(1 / 0.6)) / 3
    assert loss_of(LOGITS, labels_of(0, 1, 2), kinds=("focal",)) == pytest.approx(wanted, rel=1e-4)
    assert loss_of(LOGITS, labels_of(0, 1, 2), kinds=("focal",), focal_gamma=0.0) == pytest.approx(
        loss_of(LOGITS, labels_of(0, 1, 2)), rel=1e-5)


def test_only_the_hardest_pixels_count():
    """Of the three the first is told worst, then the third; an ignored pixel is none of them."""
    assert loss_of(LOGITS, labels_of(0, 1, 2), hard_share=1 / 3) == pytest.approx(np.log(2), rel=1e-5)
    assert loss_of(LOGITS, labels_of(255, 1, 2), hard_share=0.5) == pytest.approx(np.log(1 / 0.6), rel=1e-5)


def test_dice_by_hand():
    """Class 0: 1 - 2 * 0.5 / (1 + 0.8); class 1: 1 - 2 * (0.8 + 0.2) / (2 + 1.25); class 2 is not shown."""
    wanted = (1 - 1 / 1.8 + 1 - 2 / 3.25) / 2
    assert loss_of(LOGITS, labels_of(0, 1, 1), kinds=("dice",)) == pytest.approx(wanted, rel=1e-5)


def lovasz_by_definition(errors, truth):
    """The extension as an integral over thresholds of the Jaccard loss of the set of pixels whose error is larger."""
    levels = np.unique(np.r_[0, errors])
    total = 0.0
    for low, high in itertools.pairwise(levels):
        wrong = errors > low
        told = np.where(wrong, 1 - truth, truth)
        union = np.maximum(told, truth).sum()
        total += (high - low) * (1 - np.minimum(told, truth).sum() / union if union else 0.0)
    return total


def test_jaccard_is_the_lovasz_extension():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 4, 3)).astype(np.float32) * 2
    labels = rng.choice([0, 1, 255], (2, 3, 4)).astype(np.uint8)  # class 2 is not shown
    active = np.ones((2, 3), bool)
    told = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    valid = labels != 255
    wanted = np.mean([
        lovasz_by_definition(np.abs((labels == c) - told[..., c])[valid], (labels == c)[valid].astype(float))
        for c in (0, 1)
    ])
    assert loss_of(logits, labels, active, kinds=("jaccard",)) == pytest.approx(wanted, rel=1e-4)


def test_jaccard_of_certain_answers_is_one_less_the_mean_iou():
    """Told 0, 0, 1 where 0, 1, 1 is true: IoU of class 0 1/2, of class 1 1/2."""
    logits = np.full((1, 1, 3, 3), -40, np.float32)
    for pixel, told in enumerate((0, 0, 1)):
        logits[0, 0, pixel, told] = 40
    assert loss_of(logits, labels_of(0, 1, 1), kinds=("jaccard",)) == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("kind", ["cross-entropy", "focal", "dice", "jaccard"])
def test_nothing_valid_and_classes_that_are_not_labelled(kind):
    assert loss_of(LOGITS, labels_of(255, 255, 255), kinds=(kind,)) == 0
    without = np.array([[True, True, False]])
    masked = LOGITS.copy()
    masked[..., 2] = INACTIVE
    assert loss_of(LOGITS, labels_of(0, 1, 1), without, kinds=(kind,)) == pytest.approx(
        loss_of(masked, labels_of(0, 1, 1), kinds=(kind,)), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_sums_over_many_pixels(dtype):
    """90,000 pixels are more than float16 holds: ln 2, and of both classes 1 - 2 * 22,500 / (45,000 + 45,000)."""
    logits = keras.ops.zeros((1, 300, 300, 2), dtype)
    labels = np.arange(2, dtype=np.uint8).repeat(45000).reshape(1, 300, 300)
    value = pixel_class_loss(logits, keras.ops.convert_to_tensor(labels), keras.ops.ones((1, 2), "bool"),
                             PixelLoss(("cross-entropy", "dice")))
    assert float(value) == pytest.approx(np.log(2) + 0.5, rel=1e-5)


@pytest.mark.parametrize("shown", [[], [0, 2]])
def test_gradients_are_finite_whatever_is_shown(shown):
    """Of a photo without labels, of one class alone, of logits that are certain and wrong; and 0 of what is ignored."""
    def logits_of(image):
        return keras.layers.Conv2D(4, 1, kernel_initializer="ones", name="label_logits")(image)

    model, _ = build_pixel_network(TinyConfig(), logits_of, Layout(heads="label.*"), "t")
    model.pixel_loss = PixelLoss(("cross-entropy", "focal", "dice", "jaccard"), focal_gamma=0.5, hard_share=0.5)
    rng = np.random.default_rng(0)
    model.get_layer("label_logits").set_weights([rng.normal(0, 100, (1, 1, 3, 4)), np.zeros(4)])
    labels = np.full((2, 64, 64), 255, np.uint8)
    labels[0, :8] = rng.choice(shown, (8, 64)) if shown else 255
    batch = {"image": rng.integers(0, 256, (2, 64, 64, 3)).astype(np.float32), "labels": labels,
             "active_classes": np.ones((2, 4), bool)}
    loss, gradients = loss_and_gradients(model, batch, compiled=False)
    assert np.isfinite(loss) and np.isfinite(whole(gradients)).all()
    assert (loss > 0) == bool(shown) == bool(np.abs(whole(gradients)).max() > 0)


def test_a_sum_of_losses():
    parts = [loss_of(LOGITS, labels_of(0, 1, 2), kinds=(kind,)) for kind in ("cross-entropy", "dice")]
    assert loss_of(LOGITS, labels_of(0, 1, 2), kinds=("cross-entropy", "dice")) == pytest.approx(sum(parts), rel=1e-5)


def test_weights_by_pixels():
    """Median of 800, 100, 50 is 100: 1/8, 1, 2; the class without pixels has 1; background is halved."""
    np.testing.assert_allclose(weights_by_pixels([800, 100, 0, 50], background=0.5), [0.0625, 1, 1, 2])
    np.testing.assert_allclose(weights_by_pixels([0, 0]), [1, 1])
