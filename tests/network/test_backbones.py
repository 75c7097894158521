import re

import keras
import pytest
from keras import layers

from mrcnn.config import Config
from mrcnn.errors import ConfigError
from mrcnn.network.backbones import build_backbone

on_one_backend = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="names are the same everywhere")


def taps(size=128, **settings):
    image = keras.Input((size, size, 3))
    return image, build_backbone(image, Config(NUM_CLASSES=2, **settings))


@on_one_backend
@pytest.mark.parametrize("name, size", [("resnet50", None), ("small", 128), ("small", None), ("MobileNetV2", 128),
                                        ("efficientnet_v2_b0", None), ("ResNet50V2", None)])
def test_strides_are_4_to_32(name, size):
    image, maps = taps(size, BACKBONE=name)
    assert list(maps) == ["C2", "C3", "C4", "C5"]
    model = keras.Model(image, maps)
    shapes = model.compute_output_spec(keras.KerasTensor((1, 128, 128, 3)))
    assert [shapes[f"C{level}"].shape[1] for level in range(2, 6)] == [32, 16, 8, 4]


@on_one_backend
@pytest.mark.parametrize(
    "name,last,count", [("resnet50", "res4f_out", 23.5), ("resnet101", "res4w_out", 42.6),
                        pytest.param("resnet152", None, 58.4, marks=pytest.mark.long)]
)
def test_resnets_have_the_published_depth_and_matterports_names(name, last, count):
    image, maps = taps(BACKBONE=name)
    model = keras.Model(image, maps)
    assert model.count_params() / 1e6 == pytest.approx(count, abs=0.3)  # He 2015, without the classifier
    names = {layer.name for layer in model.layers}
    assert {"conv1", "bn_conv1", "res2a_branch2a", "bn2a_branch1", "res5c_branch2c", "res5c_out"} <= names
    if last:
        assert maps["C4"]._keras_history.operation.name == last
    assert model.get_layer("bn_conv1").epsilon == 1e-3
    assert not model.get_layer("bn_conv1").trainable


def test_taps_of_applications_come_last_in_their_stride():
    _, maps = taps(BACKBONE="ResNet50")
    assert maps["C2"]._keras_history.operation.name == "conv2_block3_out"
    assert maps["C5"]._keras_history.operation.name == "conv5_block3_out"


@on_one_backend
@pytest.mark.parametrize("name", ["MobileNetV2", "VGG16", "EfficientNetV2B0", "MobileNetV3Small", "ConvNeXtTiny"])
def test_taps_do_not_depend_on_the_size_being_known(name):
    tapped = []
    for size in (256, None):
        _, maps = taps(size, BACKBONE=name)
        tapped.append([re.sub(r"_\d+$", "", m._keras_history.operation.name) for m in maps.values()])
    assert tapped[0] == tapped[1]


def test_layers_without_a_name_of_their_own_get_one_that_lasts():
    def backbone(image, **_):
        maps = []
        for _ in range(5):
            image = layers.BatchNormalization()(layers.Conv2D(8, 3, 2, "same")(image))
            maps.append(image)
        return maps

    names = []
    for _ in range(2):
        image, maps = taps(BACKBONE=backbone)
        names.append([layer.name for layer in keras.Model(image, maps).layers if layer.weights])
    assert names[0] == names[1]
    assert "backbone_conv2d_5" in names[0] and "backbone_batch_normalization_1" in names[0]


def test_statistics_that_are_weights_are_refused():
    with pytest.raises(ConfigError, match="EfficientNetV2B0"):
        taps(BACKBONE="EfficientNetB0")
    with pytest.raises(ConfigError, match="takes 3 channels"):
        image = keras.Input((128, 128, 4))
        build_backbone(image, Config(NUM_CLASSES=2, BACKBONE="MobileNetV2"))


def test_a_callable_gives_five_maps():
    def backbone(image, stage5=True, train_bn=None):
        maps = []
        for _ in range(5):
            image = layers.Conv2D(8, 3, 2, "same")(image)
            maps.append(image)
        return maps

    class Own(Config):
        NUM_CLASSES = 2
        BACKBONE = backbone

    image = keras.Input((128, 128, 3))
    for config in (Own(), Config(NUM_CLASSES=2, BACKBONE=backbone)):
        assert [m.shape[1] for m in build_backbone(image, config).values()] == [32, 16, 8, 4]


@pytest.mark.parametrize("arguments", ["image", "image, train_bn=None", "image, stage5=True", "image, **options"])
def test_a_callable_is_given_of_matterports_arguments_what_it_takes(arguments):
    def maps(image):
        return [layers.Conv2D(8, 3, stride, "same")(image) for stride in (4, 8, 16, 32)]

    backbone = eval(f"lambda {arguments}: maps(image)", {"maps": maps})
    assert list(taps(BACKBONE=backbone)[1]) == ["C2", "C3", "C4", "C5"]


def test_wrong_strides_and_unknown_names_are_refused():
    with pytest.raises(ConfigError, match="strides 4, 8, 16 and 32"):
        taps(BACKBONE=lambda image, **_: [image] * 5)
    with pytest.raises(ConfigError, match="resnet_fifty.*keras.applications"):
        taps(BACKBONE="resnet_fifty")
    with pytest.raises(ConfigError, match="no feature map at stride"):
        taps(BACKBONE="InceptionV3")  # its convolutions do not pad


def halving(*strides):
    """A backbone of four maps, each by so much smaller than the one before, and a convolution."""
    def maps_of(image):
        maps = [image]
        for stride in strides:
            maps.append(layers.Conv2D(4, 3, stride, "same")(maps[-1]))
        return maps[1:]

    return maps_of


@pytest.mark.parametrize("size", [64, None])
def test_strides_of_a_callable_are_measured_on_any_canvas(size):
    assert list(taps(size, BACKBONE=halving(4, 2, 2, 2))[1]) == ["C2", "C3", "C4", "C5"]
    cells = "32 x 32 .* 64 x 64 pixels has 16 x 16" if size else "128 x 128 .* 256 x 256 pixels has 64 x 64"
    with pytest.raises(ConfigError, match=f"Backbone maps_of: C2 has {cells}; its four last maps must have strides 4"):
        taps(size, BACKBONE=halving(2, 2, 2, 2))
    with pytest.raises(ConfigError, match="C3 has"):  # of columns alone
        taps(size, BACKBONE=halving(4, (2, 1), 2, 2))


def test_a_callable_of_one_canvas_is_refused_where_canvases_have_no_fixed_size():
    def of_64(image):
        inner = keras.Input((64, 64, 3))
        return keras.Model(inner, halving(4, 2, 2, 2)(inner))(image)

    assert list(taps(64, BACKBONE=of_64)[1]) == ["C2", "C3", "C4", "C5"]
    with pytest.raises(ConfigError, match='of_64 takes no photo of 256 x 256 .*set IMAGE_RESIZE_MODE="square"'):
        taps(None, BACKBONE=of_64)
