"""The ResNet's arithmetic as Matterport's files expect it: biases, epsilon 1e-3, SAME pooling, stride in the 1x1."""

import keras
import numpy as np

from mrcnn.network.backbones import resnet


def convolved(x, kernel, bias, stride=1, padding=0):
    x = np.pad(x, [(padding, padding), (padding, padding), (0, 0)])
    rows, columns = kernel.shape[:2]
    height, width = (x.shape[0] - rows) // stride + 1, (x.shape[1] - columns) // stride + 1
    total = np.zeros((height, width, kernel.shape[3])) + bias
    for row in range(rows):
        for column in range(columns):
            part = x[row::stride, column::stride][:height, :width]
            total += part @ kernel[row, column]
    return total


def test_stem_and_blocks_by_numpy():
    image = keras.Input((32, 32, 3))
    model = keras.Model(image, resnet(image, (1, 1, 1, 1), "batch", False)["C3"])
    rng = np.random.default_rng(0)
    for layer in model.layers:
        for weight in layer.weights:
            kinds = {"kernel": rng.normal(0, np.sqrt(2 / np.prod(weight.shape[:-1])), weight.shape),
                     "bias": rng.normal(0, 0.3, weight.shape), "gamma": rng.uniform(0.5, 1.5, weight.shape),
                     "beta": rng.normal(0, 0.3, weight.shape), "moving_mean": rng.normal(0, 0.3, weight.shape),
                     # So small that the epsilon counts: 1e-5 instead would double what comes out.
                     "moving_variance": rng.uniform(0.0005, 0.002, weight.shape)}
            weight.assign(kinds[weight.name])
    weights = {layer.name: [w.astype(float) for w in layer.get_weights()] for layer in model.layers}

    def norm(x, name):
        gamma, beta, mean, variance = weights[name]
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def conv_norm(x, block, branch, **how):
        return norm(convolved(x, *weights[f"res{block}_branch{branch}"], **how), f"bn{block}_branch{branch}")

    picture = rng.normal(0, 1, (32, 32, 3))
    x = np.maximum(norm(convolved(picture, *weights["conv1"], stride=2, padding=3), "bn_conv1"), 0)
    # SAME: 16 rows in steps of two need one more row and column at the end, which are never the largest.
    x = np.pad(x, [(0, 1), (0, 1), (0, 0)])
    x = np.max([x[row : row + 15 : 2, column : column + 15 : 2] for row in range(3) for column in range(3)], axis=0)
    for block, stride in (("2a", 1), ("3a", 2)):
        y = np.maximum(conv_norm(x, block, "2a", stride=stride), 0)
        y = np.maximum(conv_norm(y, block, "2b", padding=1), 0)
        x = np.maximum(conv_norm(y, block, "2c") + conv_norm(x, block, "1", stride=stride), 0)
    result = keras.ops.convert_to_numpy(model(picture[None].astype("float32")))[0]
    assert result.shape == x.shape == (4, 4, 512)
    np.testing.assert_allclose(result, x, atol=1e-4 * np.abs(x).max())
