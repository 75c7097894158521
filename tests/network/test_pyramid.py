import keras
import numpy as np

from mrcnn.network.pyramid import build_high_pyramid, build_pyramid


def test_levels_add_what_is_above_them():
    inputs = {f"C{level}": keras.Input((64 // 2**level, 64 // 2**level, 3), name=f"C{level}") for level in range(2, 6)}
    model = keras.Model(inputs, build_pyramid(inputs, 4))
    ones = {f"C{level}": np.ones((1, 64 // 2**level, 64 // 2**level, 3), "float32") for level in range(2, 6)}
    for layer in model.layers:
        if layer.name.startswith("fpn_c"):
            layer.kernel.assign(np.ones(layer.kernel.shape) / 3)  # laterals pass ones through
        elif layer.weights:
            centre = np.zeros(layer.kernel.shape)
            centre[1, 1] = np.eye(4)
            layer.kernel.assign(centre)  # the 3x3 convolutions pass their centre through
    outputs = {name: np.asarray(value) for name, value in model.predict_on_batch(ones).items()}
    # P5 = C5 = 1, P4 = C4 + P5 = 2, P3 = 3, P2 = 4; P6 takes every second cell of P5
    for name, expected in (("P2", 4), ("P3", 3), ("P4", 2), ("P5", 1), ("P6", 1)):
        np.testing.assert_allclose(outputs[name], expected, atol=1e-5)
    assert [outputs[f"P{level}"].shape[1] for level in range(2, 7)] == [16, 8, 4, 2, 1]


def test_the_high_levels_are_convolved_and_halved_upwards():
    sides = {"C3": (24, 16), "C4": (12, 8), "C5": (6, 4)}
    inputs = {name: keras.Input((*side, 3), name=name) for name, side in sides.items()}
    pyramid = build_high_pyramid(inputs, 4)
    assert {name: tuple(level.shape[1:3]) for name, level in pyramid.items()} == {
        "P3": (24, 16), "P4": (12, 8), "P5": (6, 4), "P6": (3, 2), "P7": (2, 1)}
    model = keras.Model(inputs, pyramid)
    for level in (6, 7):
        layer = model.get_layer(f"fpn_p{level}")
        layer.kernel.assign(np.zeros(layer.kernel.shape))
        centre = np.zeros(layer.kernel.shape)
        centre[1, 1] = np.eye(4)
        layer.kernel.assign(centre)  # passes on what it is centred on: every second cell from the first on
    rng = np.random.default_rng(0)
    given = {name: rng.normal(size=(1, *side, 3)).astype("float32") for name, side in sides.items()}
    outputs = {name: np.asarray(value) for name, value in model.predict_on_batch(given).items()}
    np.testing.assert_allclose(outputs["P6"], outputs["P5"][:, ::2, ::2], atol=1e-5)
    np.testing.assert_allclose(outputs["P7"], outputs["P6"][:, ::2, ::2], atol=1e-5)
