"""Settings of no effect: each row is told, and nothing is told of what acts or was left as it is."""

import pathlib
import runpy
import warnings

import pytest
from tiny_semantic import TinySettings

from mrcnn.commands.configs import DrawnConfig, FashionConfig
from mrcnn.config import Config
from mrcnn.config_pixels import DeepLabPlusSettings, DeepLabSettings, PixelSettings, U2NetSettings, UNetSettings
from mrcnn.config_unused import drop_unused, has_batch_norm, unused, warn_of_unused
from mrcnn.config_yolact import YolactSettings

ALL = Config, YolactSettings, DeepLabSettings, DeepLabPlusSettings, UNetSettings, U2NetSettings


def weights(settings, **others):
    return {**settings.LOSS_WEIGHTS, **others}


@pytest.mark.parametrize("settings, given, passed_over", [
    (Config, {"POINT_HEAD_CHANNELS": 64}, "MASK_HEAD is conv; leave it out, or set MASK_HEAD=points."),
    (Config, {"POINT_HEAD_INFERENCE_POINTS": 64}, "MASK_HEAD is conv"),
    (Config, {"CLASS_COUNTS": [0, 3]}, "CLASS_LOSS is softmax"),
    (Config, {"ATTRIBUTES_PARTIAL": True}, "ATTRIBUTES is None; leave it out, or set ATTRIBUTES."),
    (Config, {"ATTRIBUTE_MIN_CONFIDENCE": 0.3}, "ATTRIBUTES is None"),
    (Config, {"LOSS_WEIGHTS": weights(Config, mrcnn_point_loss=3.0)}, "MASK_HEAD is conv"),
    (Config, {"LOSS_WEIGHTS": weights(Config, mrcnn_attribute_loss=3.0)}, "ATTRIBUTES is None"),
    (Config, {"TRAIN_BN": True, "NORM": "group"}, "the network has no batch normalisation"),
    (Config, {"TRAIN_BN": True, "NORM": "batch", "HEAD_NORM": "group", "BACKBONE": "small"}, None),
    (Config, {"TRAIN_BN": True, "NORM": "group", "BACKBONE": "EfficientNetV2B0"}, None),
    (Config, {"TRAIN_BN": True, "NORM": "group", "BACKBONE": len}, None),
    (Config, {"NORM": "group", "HEAD_NORM": "group", "BACKBONE": "EfficientNetV2B0"}, "that of BACKBONEs of this"),
    (Config, {"NORM": "group", "BACKBONE": "EfficientNetV2B0"}, None),
    (Config, {"GEOMETRY": "matterport", "CLASS_COUNTS": [0, 3]}, None),  # check() tells of it
    (Config, {"POINT_HEAD_CHANNELS": 64, "MASK_HEAD": "points", "CLASS_COUNTS": [0, 3], "CLASS_LOSS": "seesaw",
              "ATTRIBUTES": ["long"], "ATTRIBUTE_MIN_CONFIDENCE": 0.3, "ATTRIBUTES_PARTIAL": True,
              "LOSS_WEIGHTS": weights(Config, mrcnn_attribute_loss=3.0, mrcnn_point_loss=3.0)}, None),
    (YolactSettings, {"NORM": "group", "BACKBONE": "EfficientNetV2B0"}, "this one is another; leave it out."),
    (YolactSettings, {"TRAIN_BN": None, "NORM": "group"}, "the network has no batch normalisation"),
    (U2NetSettings, {"NORM": "group"}, "HEAD_NORM=group that of all else; leave it out, or set HEAD_NORM."),
    (U2NetSettings, {"TRAIN_BN": True}, "the network has no batch normalisation"),
    (U2NetSettings, {"NORM": "group", "HEAD_NORM": None}, None),
    (U2NetSettings, {"TRAIN_BN": True, "HEAD_NORM": "batch"}, None),
    (UNetSettings, {"UNET_ENCODER": "plain", "BACKBONE": "small"}, "UNET_ENCODER=plain is the encoder"),
    (UNetSettings, {"UNET_ENCODER": "plain", "NORM": "group"}, "it is that of BACKBONEs"),
    (UNetSettings, {"BACKBONE": "small", "NORM": "group"}, None),
    (DeepLabSettings, {"AUXILIARY_HEAD": False, "LOSS_WEIGHTS": weights(DeepLabSettings, auxiliary_loss=1.0)},
     "AUXILIARY_HEAD is False"),
    (DeepLabSettings, {"AUXILIARY_HEAD": False}, None),
    (DeepLabSettings, {"LOSS_WEIGHTS": weights(DeepLabSettings, auxiliary_loss=1.0)}, None),
])
def test_what_another_setting_passes_over_is_told(settings, given, passed_over):
    config = settings(**{"NUM_CLASSES": 2, **given})
    if passed_over is None:
        assert not unused(config)
        return
    ((name, (line,)),) = unused(config).items()
    assert name in given and line.startswith(name) and " has no effect: " in line and passed_over in line
    assert "\n" not in line


@pytest.mark.parametrize("settings", ALL)
@pytest.mark.parametrize("given, acting, passed_over", [
    ({"LEARNING_MOMENTUM": 0.5, "OPTIMIZER": "adamw"}, {"OPTIMIZER": "sgd"}, "OPTIMIZER=adamw has momenta of its own"),
    ({"LR_STEPS": (0.5,), "LR_SCHEDULE": "cosine"}, {"LR_SCHEDULE": "step"}, "LR_SCHEDULE is cosine"),
    ({"LR_PLATEAU_FACTOR": 0.5}, {"LR_SCHEDULE": "plateau"}, "LR_SCHEDULE is constant"),
    ({"LR_PLATEAU_PATIENCE": 2}, {"LR_SCHEDULE": "plateau"}, "LR_SCHEDULE is constant"),
    ({"IMAGE_RESIZE_MODE": "crop", "IMAGE_MAX_DIM": 64, "IMAGE_MIN_DIM": 128}, {"IMAGE_MIN_DIM": 64},
     "IMAGE_MIN_DIM=128"),
    ({"IMAGE_MIN_SCALE": 2.0, "IMAGE_RESIZE_MODE": "none"}, {"IMAGE_RESIZE_MODE": "square"}, "enlarges no photo"),
])
def test_of_every_network_what_training_and_photos_pass_over_is_told(settings, given, acting, passed_over):
    ((_, (line,)),) = unused(settings(**given)).items()
    assert passed_over in line
    assert not unused(settings(**{**given, **acting}))


@pytest.mark.parametrize("settings", [Config, YolactSettings])
def test_mini_masks_that_are_not_used_have_no_shape(settings):
    assert "USE_MINI_MASK is False" in unused(settings(USE_MINI_MASK=False, MINI_MASK_SHAPE=(28, 28)))[
        "MINI_MASK_SHAPE"][0]
    assert not unused(settings(USE_MINI_MASK=False)) and not unused(settings(MINI_MASK_SHAPE=(28, 28)))


@pytest.mark.parametrize("settings", [*ALL, FashionConfig, DrawnConfig])
def test_of_defaults_nothing_is_told(settings):
    assert not unused(settings())


@pytest.mark.parametrize("script", ["balloon.py", "nucleus.py"])
def test_of_scripts_as_matterports_users_have_them_nothing_is_told(script):
    names = runpy.run_path(str(pathlib.Path(__file__).parent / "matterport_scripts" / script), run_name="read")
    configs = [one for one in names.values() if isinstance(one, type) and issubclass(one, Config) and one is not Config]
    assert configs and not [name for one in configs for name in unused(one())]


def test_of_layers_of_a_users_own_network_nothing_is_told():
    assert not unused(TinySettings(NORM="group", TRAIN_BN=True))
    assert list(unused(TinySettings(LEARNING_MOMENTUM=0.5))) == ["LEARNING_MOMENTUM"]


def test_what_nobody_asked_for_is_dropped_without_a_word():
    config = U2NetSettings(NORM="group", TRAIN_BN=True, LEARNING_MOMENTUM=0.5, OPTIMIZER="adamw")
    drop_unused(config, {"TRAIN_BN"})
    assert (config.NORM, config.LEARNING_MOMENTUM, config.TRAIN_BN) == ("batch", 0.9, True)


@pytest.mark.parametrize("settings, given, has", [
    (Config, {}, True), (Config, {"NORM": "group"}, False), (Config, {"NORM": "group", "HEAD_NORM": "batch"}, True),
    (YolactSettings, {}, True), (YolactSettings, {"NORM": "group"}, False), (U2NetSettings, {}, False),
    (UNetSettings, {}, True), (UNetSettings, {"UNET_ENCODER": "plain"}, False),
])
def test_batch_normalisation_is_known_of_settings(settings, given, has):
    assert has_batch_norm(settings(**given)) == has


# --- Losses of pixels ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("settings, told", [
    ({"PIXEL_LOSS": "dice", "PIXEL_CLASS_WEIGHTS": "pixels", "HARD_PIXELS": 0.5},
     ["PIXEL_CLASS_WEIGHTS=pixels has no effect", "HARD_PIXELS=0.5 has no effect"]),
    ({"PIXEL_CLASS_WEIGHTS": [1, 2, 2, 2], "BACKGROUND_WEIGHT": 0.5}, ["BACKGROUND_WEIGHT=0.5 has no effect"]),
    ({"FOCAL_GAMMA": 3.0}, ["FOCAL_GAMMA=3.0 has no effect: focal alone has it"]),
    ({"PIXEL_LOSS": "focal+dice", "HARD_PIXELS": 0.5, "BACKGROUND_WEIGHT": 0.5, "FOCAL_GAMMA": 3.0}, []),
])
def test_settings_without_effect_are_told(settings, told):
    class Asked(PixelSettings):
        NUM_CLASSES = 4

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_unused(Asked(**settings))
        warn_of_unused(Asked(**settings), {"NAME"})
    assert [str(w.message)[: len(text)] for w, text in zip(caught, told, strict=True)] == told
