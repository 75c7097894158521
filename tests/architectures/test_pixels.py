"""DeepLabv3, DeepLabv3+, U-Net and U2-Net-p, small: each learns eight pictures by heart, and is what its paper says."""

import keras
import numpy as np
import pytest
from tiny import Squares

from mrcnn import architectures
from mrcnn.architectures.pixels import DeepLabV3, DeepLabV3Plus, U2Net, U2NetP, UNet
from mrcnn.errors import ConfigError
from mrcnn.training.runs import find_last_checkpoint

SHARED = dict(NAME="eight", NUM_CLASSES=4, NORM="group", IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64, IMAGES_PER_GPU=8,
              STEPS_PER_EPOCH=30, VALIDATION_STEPS=None, WORKERS=0, WARMUP_STEPS=5, OPTIMIZER="adamw",
              LR_SCHEDULE="cosine")
NETWORKS = {
    "deeplabv3": (DeepLabV3, dict(BACKBONE="small", ASPP_CHANNELS=32, OUTPUT_STRIDE=8, HEAD_DROPOUT=0.0,
                                  LR_SCHEDULE="constant"), 80),
    "deeplabv3plus": (DeepLabV3Plus, dict(BACKBONE="small", ASPP_CHANNELS=32, HEAD_DROPOUT=0.0,
                                          PIXEL_LOSS="cross-entropy+jaccard"), 60),
    "unet": (UNet, dict(BACKBONE="small", UNET_CHANNELS=8, PIXEL_LOSS="focal+dice"), 60),
    "u2netp": (U2NetP, {}, 40),
}


class LargeSquares(Squares):
    """Squares of 30 to 44 pixels: an edge that is a share of a cell of stride 8 off is a small part of them."""

    def shape_of(self, image_id):
        size, y, x, side, colour = super().shape_of(image_id)
        return size, y // 2, x // 2, side + 15, colour


def model_of(name, folder, **settings):
    architecture, own, _ = NETWORKS[name]
    return architecture("training", architecture.settings(**{**SHARED, **own, **settings}), str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_it_learns_eight_pictures_by_heart(name, tmp_path):
    model, pictures = model_of(name, tmp_path, STEPS_PER_EPOCH=NETWORKS[name][2]), LargeSquares().load(8)
    model.train(pictures, None, 1e-2, 1, "all")
    assert model.measure(pictures)["mean_IoU"] > 0.95
    again = architectures.load(find_last_checkpoint(str(tmp_path), "eight"))
    assert type(again) is type(model)
    image = pictures.load_image(3)
    np.testing.assert_array_equal(again.label([image])[0]["labels"], model.label([image])[0]["labels"])


@pytest.mark.parametrize("name", NETWORKS)
def test_canvases_of_any_shape(name, tmp_path):
    """In a graph of TensorFlow neither height nor width is known then."""
    model = model_of(name, tmp_path, IMAGE_RESIZE_MODE="rectangle", IMAGE_MIN_DIM=0)
    (found,) = model.label([np.zeros((40, 90, 3), np.uint8)])
    assert found["probabilities"].shape == (40, 90, 4)


def test_what_the_losses_are(tmp_path):
    weighed = model_of("unet", tmp_path, PIXEL_CLASS_WEIGHTS=[0.1, 1, 1, 1])
    assert weighed.training_model.pixel_loss.class_weights == (0.1, 1, 1, 1)
    assert model_of("unet", tmp_path, PIXEL_CLASS_WEIGHTS=None, BACKGROUND_WEIGHT=0.5
                    ).training_model.pixel_loss.class_weights == (0.5, 1, 1, 1)
    model = model_of("unet", tmp_path, PIXEL_CLASS_WEIGHTS="pixels")
    model.before_fit(model.batches(Squares().load(8)))
    weights = model.training_model.pixel_loss.class_weights
    assert weights[0] == min(weights) < 0.2  # most of each picture is background
    assert sorted(mean.name for mean in model_of("u2netp", tmp_path).training_model.loss_means) == [
        "pixel_class_loss", "side_loss"]


@pytest.mark.slow
def test_the_number_of_weights_is_that_of_the_paper():
    """U2-Net has 44.0 million, U2-Net-p 1.13 million (Qin 2020, table 4: 176.3 and 4.7 MB of four bytes each)."""
    for architecture, megabytes in ((U2Net, 176.3), (U2NetP, 4.7)):
        config = architecture.settings(NAME="t", NUM_CLASSES=2, IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64, NORM="batch",
                                       HEAD_NORM="batch")
        weights = architecture("inference", config, "logs").inference_model.count_params()
        assert weights * 4 / 1e6 == pytest.approx(megabytes, rel=0.04)


def test_the_same_weights_serve_both_strides(tmp_path):
    coarse = model_of("deeplabv3", tmp_path, OUTPUT_STRIDE=16)
    coarse.save_weights(tmp_path / "a.h5")
    fine = architectures.load(str(tmp_path / "a.h5"), OUTPUT_STRIDE=8)
    assert fine.inference_model.get_layer("aspp_joined").output.shape[1] == 8
    assert coarse.inference_model.get_layer("aspp_joined").output.shape[1] == 4
    rates = [fine.inference_model.get_layer(f"aspp_atrous{i}").dilation_rate[0] for i in (1, 2, 3)]
    assert rates == [12, 24, 36]


@pytest.mark.parametrize("architecture,settings,message", [
    (U2NetP, {"BACKBONE": "resnet50"}, "BACKBONE='resnet50': u2netp has an encoder of its own"),
    (UNet, {"PIXEL_LOSS": "dice+dice"}, "PIXEL_LOSS='dice.dice': give some of cross-entropy"),
    (UNet, {"PIXEL_CLASS_WEIGHTS": [1, 2]}, "PIXEL_CLASS_WEIGHTS=.*NUM_CLASSES=4 numbers"),
    (UNet, {"PIXEL_CLASS_WEIGHTS": "objects"}, "PIXEL_CLASS_WEIGHTS='objects': give .* pixels"),
    (DeepLabV3, {"OUTPUT_STRIDE": 4}, "OUTPUT_STRIDE=4 is none of 8, 16, 32"),
    (DeepLabV3, {"LOSS_WEIGHTS": {"pixel_class_loss": 1}}, "LOSS_WEIGHTS lacks auxiliary_loss"),
    (DeepLabV3, {"NUM_CLASSES": 300}, "NUM_CLASSES=300: a label map holds 255 classes"),
    (UNet, {"DETECTION_MIN_CONFIDENCE": 0.5}, "DETECTION_MIN_CONFIDENCE"),
])
def test_settings_that_do_not_fit(architecture, settings, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        architecture("training", architecture.settings(**{**SHARED, **settings}), str(tmp_path))


def test_a_residual_block_keeps_its_size_and_dilates_where_it_does_not_pool():
    config = U2NetP.settings(NAME="t", NUM_CLASSES=2, IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64, NORM="group")
    network = U2NetP("inference", config, "logs").inference_model
    sides = {i: network.get_layer(f"encoder_{i}_out").output.shape[1] for i in range(1, 7)}
    assert sides == {1: 64, 2: 32, 3: 16, 4: 8, 5: 4, 6: 2}
    rates = [network.get_layer(f"encoder_6_{part}").dilation_rate[0] for part in ("down1", "down2", "down3", "bottom")]
    assert rates == [1, 2, 4, 8]
    assert network.get_layer("encoder_1_bottom").output.shape[1] == 2  # five halvings of 64
    probabilities = network({"image": np.zeros((1, 64, 64, 3), np.float32)})["probabilities"]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(probabilities).sum(-1), 1, atol=1e-5)
