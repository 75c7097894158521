"""U-Net: how many weights it has by the paper, and its decoder against segmodels_keras, where that is installed."""

import keras
import pytest

from mrcnn.config_pixels import UNetSettings
from mrcnn.network.unet import build_unet

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="shapes are the same on every backend")


def build(**settings):
    config = UNetSettings(NAME="t", IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64, HEAD_NORM="batch", **settings)
    return build_unet(config)[1]


def test_the_number_of_weights_of_the_plain_one():
    """The paper's convolutions (figure 1) and up-convolutions, and a norm's four numbers in place of each bias."""
    model = build(UNET_ENCODER="plain", UNET_UPSAMPLING="transposed", UNET_CHANNELS=4, NUM_CLASSES=2)
    sides = [4, 8, 16, 32, 64]
    down = [(3, 4), *zip(sides, sides[1:])]
    up = [(2 * side, side) for side in reversed(sides[:-1])]
    convolutions = sum(9 * (inside * outside + outside * outside) for inside, outside in down + up)
    norms = sum(2 * 4 * outside for _, outside in down + up)
    wanted = convolutions + norms + sum(4 * inside * outside + outside for inside, outside in up) + 2 * (4 + 1)
    assert model.count_params() == wanted
    assert model.get_layer("decoder_3_joined").output.shape[1:] == (8, 8, 64)


def test_the_decoder_is_that_of_segmodels_keras():
    """The three blocks that both have: of strides 16, 8 and 4. Below, segmodels_keras has no skip at stride 1."""
    reason = "the oracle of this test: pip install segmodels_keras==0.1.0.dev13"
    segmodels = pytest.importorskip("segmodels_keras", reason=reason, exc_type=ImportError)
    theirs = segmodels.Unet("mobilenet", input_shape=(64, 64, 3), classes=3, encoder_weights=None,
                            decoder_filters=(64, 64, 32, 16, 8))
    ours = build(BACKBONE="MobileNet", UNET_CHANNELS=8, NUM_CLASSES=3)
    for stage, level in enumerate((4, 3, 2)):
        counts, shapes = [], []
        for model, prefix in ((theirs, f"decoder_stage{stage}"), (ours, f"decoder_{level}_")):
            block = [layer for layer in model.layers if layer.name.startswith(prefix)]
            counts.append(sum(layer.count_params() for layer in block))
            joined = next(layer for layer in block if isinstance(layer, keras.layers.Concatenate))
            shapes.append((joined.output.shape[1:], block[-1].output.shape[1:]))
        assert counts[0] == counts[1] > 0 and shapes[0] == shapes[1]
    assert ours.output["probabilities"].shape == theirs.output.shape
