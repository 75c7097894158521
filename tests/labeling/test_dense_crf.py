"""The dense field against mean field inference with all pairs of pixels, and what it is for."""

import numpy as np
import pytest

from mrcnn.labeling.dense_crf import _blurred, dense_crf


def brute_force(image, probabilities, iterations, appearance, position, colour, smoothness, reach):
    """Algorithm 1 of the paper with explicit kernels, normalised symmetrically."""
    height, width, classes = probabilities.shape
    y, x = (values.ravel().astype(float) for values in np.mgrid[:height, :width])
    rgb = image.reshape(-1, 3).astype(float)
    apart = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    colours_apart = ((rgb[:, None] - rgb[None]) ** 2).sum(axis=2)
    std = position * np.hypot(height, width)
    kernels = [(appearance, np.exp(-apart / (2 * std**2) - colours_apart / (2 * colour**2))),
               (smoothness, np.exp(-apart / (2 * reach**2)))]
    evidence = np.log(np.maximum(probabilities.reshape(-1, classes).astype(float), 1e-5))
    beliefs = probabilities.reshape(-1, classes).astype(float)
    for _ in range(iterations):
        scores = evidence.copy()
        for weight, kernel in kernels:
            scale = 1 / np.sqrt(kernel.sum(axis=1))
            scores += weight * (scale[:, None] * kernel * scale) @ beliefs
        beliefs = np.exp(scores - scores.max(axis=1, keepdims=True))
        beliefs /= beliefs.sum(axis=1, keepdims=True)
    return beliefs.reshape(probabilities.shape)


def picture(noise, seed=0):
    """(image, probabilities): a dark and a bright half with the border at column 14, of which the network is unsure."""
    rng = np.random.default_rng(seed)
    image = np.full((20, 28, 3), 60)
    image[:, 14:] = 150
    image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    scores = rng.normal(0, noise, (20, 28, 3))
    scores[:, :11, 0] += 2
    scores[:, 11:, 1] += 2  # three columns too early
    scores[..., 2] -= 1
    probabilities = np.exp(scores)
    return image, (probabilities / probabilities.sum(axis=2, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("settings", [
    dict(appearance=4.0, position=0.2, colour=20.0, smoothness=0.0, reach=2.0),
    dict(appearance=0.0, position=0.2, colour=20.0, smoothness=3.0, reach=2.0),
    dict(appearance=3.0, position=0.3, colour=15.0, smoothness=2.0, reach=1.5),
])
def test_it_is_mean_field_over_all_pairs(settings):
    """Position alone is filtered exactly (the window ends at four deviations); position and colour by the lattice,
    whose kernel is right to a few hundredths."""
    image, probabilities = picture(noise=1.0)
    refined = dense_crf(image, probabilities, iterations=3, **settings)
    expected = brute_force(image, probabilities, 3, **settings)
    apart = np.abs(refined - expected)
    if not settings["appearance"]:
        assert apart.max() < 1e-3
    assert apart.mean() < 0.01 and apart.max() < 0.2
    assert (refined.argmax(axis=2) == expected.argmax(axis=2)).mean() > 0.985
    assert np.abs(probabilities - expected).mean() > 0.1


def test_a_border_moves_to_where_the_photo_has_one():
    image, probabilities = picture(noise=1.0)
    labels = dense_crf(image, probabilities, appearance=6.0, position=0.2, colour=20.0).argmax(axis=2)
    assert (probabilities.argmax(axis=2)[:, 11:14] == 0).mean() < 0.3
    assert (labels[:, :14] == 0).mean() > 0.98 and (labels[:, 14:] == 1).mean() > 0.98


def test_probabilities_remain_and_absent_classes_stay_absent():
    image, probabilities = picture(noise=0.5)
    wide = np.zeros((20, 28, 6), np.float32)
    wide[..., [0, 2, 5]] = probabilities
    result = dense_crf(image, wide)
    np.testing.assert_allclose(result.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_array_equal(result[..., [1, 3, 4]], 0)
    np.testing.assert_allclose(result[..., [0, 2, 5]], dense_crf(image, probabilities), atol=1e-6)


def test_one_class_alone_and_no_iteration_change_nothing():
    image, probabilities = picture(noise=0.5)
    alone = np.zeros((20, 28, 2), np.float32)
    alone[..., 0] = 1
    np.testing.assert_array_equal(dense_crf(image, alone), alone)
    np.testing.assert_allclose(dense_crf(image, probabilities, iterations=0), probabilities, atol=1e-6)


def test_flipping_the_photo_flips_the_result():
    """But for the lattice, which lies differently under the flipped photo."""
    image, probabilities = picture(noise=0.5)
    flipped = dense_crf(image[:, ::-1], probabilities[:, ::-1])[:, ::-1]
    assert np.abs(flipped - dense_crf(image, probabilities)).mean() < 0.01


def test_the_blur_is_a_sum_over_the_photo_alone():
    """One pixel of 1 in the corner: its neighbour along the row hears exp(-1 / 2 s^2), nothing comes from outside."""
    values = np.zeros((5, 6, 1), np.float32)
    values[0, 0] = 1
    blurred = _blurred(values, 1.5)[..., 0]
    assert blurred[0, 0] == pytest.approx(1) and blurred[0, 1] == pytest.approx(np.exp(-1 / 4.5), rel=1e-5)
    assert blurred[2, 1] == pytest.approx(np.exp(-5 / 4.5), rel=1e-5)
