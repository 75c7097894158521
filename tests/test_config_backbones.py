"""The names of backbones, which check() knows before anything is built."""

import pytest

from mrcnn.config import Config
from mrcnn.config_backbones import OWN_BACKBONES
from mrcnn.config_pixels import DeepLabSettings, U2NetSettings, UNetSettings
from mrcnn.config_yolact import YolactSettings
from mrcnn.errors import ConfigError
from mrcnn.network.backbones import RESNET_BLOCKS, RESNETS_V1_5
from mrcnn.network.efficientnet_lite import LITES


def test_the_names_are_those_that_are_built():
    assert set(OWN_BACKBONES) == {*RESNET_BLOCKS, *RESNETS_V1_5, *LITES, "small"}


@pytest.mark.parametrize("settings", [Config, YolactSettings, UNetSettings, DeepLabSettings])
@pytest.mark.parametrize("name, message", [
    ("resnet51", "Unknown BACKBONE 'resnet51': use resnet50"), ("Xception", "Xception gives no feature map"),
])
def test_what_there_is_not_is_refused_before_it_is_built(settings, name, message):
    with pytest.raises(ConfigError, match=message):
        settings(NUM_CLASSES=2, BACKBONE=name).check()


def test_other_channels_than_those_of_keras_are_refused_before_it_is_built():
    with pytest.raises(ConfigError, match="takes 3 channels, IMAGE_CHANNEL_COUNT is 1"):
        Config(NUM_CLASSES=2, BACKBONE="EfficientNetV2B0", IMAGE_CHANNEL_COUNT=1, MEAN_PIXEL=[117]).check()


def test_a_plain_encoder_is_no_reason_to_pass_over_a_slip():
    with pytest.raises(ConfigError, match="Unknown BACKBONE 'nonsense'"):
        UNetSettings(NUM_CLASSES=2, BACKBONE="nonsense", UNET_ENCODER="plain").check()


@pytest.mark.parametrize("backbone", [*OWN_BACKBONES, "efficientnet-v2-b0", "ResNet50V2", len])
def test_all_that_can_be_built_passes(backbone):
    Config(NUM_CLASSES=2, BACKBONE=backbone).check()


def test_an_encoder_of_ones_own_has_the_name_of_its_settings():
    U2NetSettings(NUM_CLASSES=2).check()
