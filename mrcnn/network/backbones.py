"""Backbones: an image to the feature maps C2..C5 at strides 4, 8, 16 and 32.

`resnet50`, `resnet101` and `resnet152` have Matterport's layer names and arithmetic (He 2015; the stride sits in the
first 1x1 convolution; batch normalisation epsilon 1e-3; SAME max pooling); `resnet50_v1_5` and so on are these with
torchvision's stride in the 3x3 convolution and its symmetric padding, for weights learned there. `small` is a
five-convolution residual network for toy data and tests; `efficientnet_lite0` to 2 have a file of their own. Any other
name is looked up in keras.applications and tapped where its stride changes.
"""

import functools
import inspect
import re
import string
from collections.abc import Sequence

import keras
from keras import layers

from mrcnn.config import Settings
from mrcnn.config_backbones import check_application, find_application
from mrcnn.errors import ConfigError
from mrcnn.network.batch_norm import BatchNormalization
from mrcnn.network.efficientnet_lite import LITES, efficientnet_lite
from mrcnn.network.group_norm import GroupNormalization
from mrcnn.network.layer_calls import layers_within
from mrcnn.network.layer_names import give_stable_names
from mrcnn.ops import Tensor

RESNET_BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}
# The last map of a stride lies inside a bottleneck, or behind a transition that halves its channels: layers to tap.
TAPPED_LAYERS = {"resnet_v2": r"conv\d_block\d+_preact_relu|post_relu", "densenet": r"pool\d_relu|relu"}
RESNETS_V1_5 = {f"{name}_v1_5": blocks for name, blocks in RESNET_BLOCKS.items()}
TAPS = (4, 8, 16, 32)
MEASURED_SIDE = 256  # pixels, of the photo by which strides are measured where a network takes any size


def normalisation(kind: str, trainable_statistics: bool | None, name: str | None, groups: int = 16) -> object:
    """The normalisation layer used throughout the network.

    Args:
        name: of the layer.
        kind: "batch" or "group".
        trainable_statistics: Config.TRAIN_BN, a frozen batch normalisation is wholly frozen, its scale and shift
            included.
        groups: of group normalisation (Wu and He 2018), the channels must divide by it.
    """
    if kind == "group":
        return GroupNormalization(groups=groups, epsilon=1e-5, name=name)
    layer = BatchNormalization(epsilon=1e-3, name=name)
    if trainable_statistics is False:
        layer.trainable = False
    return layer


def build_backbone(image: Tensor, config: Settings) -> dict[str, Tensor]:
    """Feature maps of an image.

    Args:
        image: KerasTensor [B, H, W, 3], RGB less Config.MEAN_PIXEL.
        config: settings.

    Returns:
        {"C2": [B, H/4, W/4, F2], ..., "C5": ...}.

    Raises:
        ConfigError: for a name that is none of ours nor of keras.applications.
    """
    name = config.BACKBONE
    if callable(name):
        name = getattr(name, "__func__", name)  # a function that is a class attribute arrives bound to the Config
        maps = list(name(image, **_wanted(name, {"stage5": True, "train_bn": config.TRAIN_BN})))[-4:]
        taps = _checked_taps(maps, image, getattr(name, "__name__", "BACKBONE"))
        give_stable_names(keras.Function([image], maps).operations)
        return taps
    if name in RESNET_BLOCKS:
        return resnet(image, RESNET_BLOCKS[name], config.NORM, config.TRAIN_BN)
    if name in RESNETS_V1_5:
        return resnet(image, RESNETS_V1_5[name], config.NORM, config.TRAIN_BN, v1_5=True)
    if name == "small":
        return small_resnet(image, config.NORM, config.TRAIN_BN)
    if name in LITES:
        # Their channel counts have 8 as their greatest common divisor.
        norm = functools.partial(normalisation, config.NORM, config.TRAIN_BN, groups=8)
        return efficientnet_lite(name, image, config.MEAN_PIXEL, norm)
    return keras_application(image, name, config)


def _wanted(function, arguments):
    """Those of Matterport's arguments that a backbone takes; a function of the image alone takes none."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a compiled function
        return arguments
    if any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters.values()):
        return arguments
    return {name: value for name, value in arguments.items() if name in parameters}


def _checked_taps(maps, image, name):
    """Four maps as C2..C5, refused when their strides are not 4, 8, 16, 32."""
    if len(maps) != 4:
        raise ConfigError(f"Backbone {name} gave {len(maps)} maps: return [C1, C2, C3, C4, C5] or [C2, C3, C4, C5].")
    maps = {f"C{level}": feature_map for level, feature_map in zip(range(2, 6), maps)}
    wrong = wrong_stride(maps, image, TAPS, name)
    if wrong:
        raise ConfigError(f"Backbone {name}: {wrong}; its four last maps must have strides 4, 8, 16 and 32.")
    return maps


def wrong_stride(maps: dict[str, Tensor], image: Tensor, strides: Sequence[int], backbone: str) -> str:
    """Tell which map of a backbone is larger or smaller than it should be.

    Args:
        maps: KerasTensors by name.
        image: KerasTensor that they come from. Where it has no fixed size, they are measured on one of 256 pixels.
        strides: of each map.
        backbone: name, for the error.

    Returns:
        The first wrong one in words; "" if all are as they should be.

    Raises:
        ConfigError: the layers do not take a photo of that size.
    """
    size, sized = tuple(image.shape[1:3]), maps
    if None in size:
        size = (MEASURED_SIDE, MEASURED_SIDE)
        spec = keras.KerasTensor((1, *size, image.shape[-1]), image.dtype)
        graph = keras.Function([image], maps)
        try:
            sized = graph.compute_output_spec([spec])
        except Exception as error:  # of whatever layer, on whatever backend
            raise ConfigError(
                f"Backbone {backbone} takes no photo of {size[0]} x {size[1]} pixels, and without a fixed canvas it "
                f'must take any: set IMAGE_RESIZE_MODE="square" ({reason_of(error)}).'
            ) from error
    for name, stride in zip(maps, strides):
        found, promised = tuple(sized[name].shape[1:3]), tuple(side // stride for side in size)
        if found != promised:
            return (f"{name} has {found[0]} x {found[1]} cells where stride {stride} of a photo of "
                    f"{size[0]} x {size[1]} pixels has {promised[0]} x {promised[1]}")
    return ""


def reason_of(error: Exception) -> str:
    """What an error of a layer says, on one line."""
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


def resnet(image: Tensor, blocks: tuple[int, ...], norm: str, train_bn: bool | None,
           v1_5: bool = False) -> dict[str, Tensor]:
    """ResNet of bottleneck blocks with Matterport's layer names (He 2015, table 1).

    Args:
        image: KerasTensor [B, H, W, 3].
        blocks: numbers of residual blocks of the four stages.
        norm: "batch" or "group".
        train_bn: Config.TRAIN_BN.
        v1_5: the stride of a stage sits in its first 3x3 convolution, and what strides pads all four sides alike.
    """
    x = layers.ZeroPadding2D(3, name="conv1_pad")(image)
    x = layers.Conv2D(64, 7, 2, name="conv1", kernel_initializer="he_normal")(x)
    x = normalisation(norm, train_bn, "bn_conv1")(x)
    x = layers.Activation("relu", name="conv1_relu")(x)
    if v1_5:
        x = layers.ZeroPadding2D(1, name="pool1_pad")(x)  # after a ReLU zero is no more than any value
    x = layers.MaxPooling2D(3, 2, "valid" if v1_5 else "same", name="pool1")(x)
    taps = {}
    for stage, (count, channels) in enumerate(zip(blocks, (64, 128, 256, 512)), start=2):
        for index in range(count):
            stride = 2 if index == 0 and stage > 2 else 1
            block = f"{stage}{string.ascii_lowercase[index]}" if index < 26 else f"{stage}z{index - 25}"
            x = _bottleneck(x, channels, stride, index == 0, block, norm, train_bn, v1_5)
        taps[f"C{stage}"] = x
    return taps


def named_stage(layer: str) -> int | None:
    """The stage that a layer of our ResNets names: 1 for the stem, 2..5 for what ends in C2..C5; None for any other."""
    if re.fullmatch(r"(?:bn_)?conv1", layer):
        return 1
    named = re.fullmatch(r"(?:res|bn)(\d).*", layer)
    return int(named.group(1)) if named else None


def _bottleneck(x, channels, stride, project, block, norm, train_bn, v1_5=False):
    """1x1, 3x3, 1x1 convolutions round a shortcut, which is projected in the first block of a stage."""

    def conv_norm(x, suffix, filters, size, stride=1):
        padding = "same"
        if size > 1 and stride > 1:  # SAME would pad the last row and column alone
            x, padding = layers.ZeroPadding2D(size // 2, name=f"res{block}_branch{suffix}_pad")(x), "valid"
        x = layers.Conv2D(
            filters, size, stride, padding, name=f"res{block}_branch{suffix}", kernel_initializer="he_normal"
        )(x)
        return normalisation(norm, train_bn, f"bn{block}_branch{suffix}")(x)

    y = layers.Activation("relu", name=f"res{block}_2a_relu")(
        conv_norm(x, "2a", channels, 1, 1 if v1_5 else stride)
    )
    y = layers.Activation("relu", name=f"res{block}_2b_relu")(
        conv_norm(y, "2b", channels, 3, stride if v1_5 else 1)
    )
    y = conv_norm(y, "2c", 4 * channels, 1)
    shortcut = conv_norm(x, "1", 4 * channels, 1, stride) if project else x
    y = layers.Add(name=f"res{block}_add")([y, shortcut])
    return layers.Activation("relu", name=f"res{block}_out")(y)


def small_resnet(image: Tensor, norm: str, train_bn: bool | None,
                 widths: tuple[int, ...] = (32, 64, 96, 128)) -> dict[str, Tensor]:
    """One basic residual block a stage: enough for drawn pictures, and quick on a CPU."""

    def conv_norm(x, filters, size, stride, name):
        x = layers.Conv2D(
            filters, size, stride, "same", use_bias=False, name=f"res{name}", kernel_initializer="he_normal"
        )(x)
        return normalisation(norm, train_bn, f"bn{name}")(x)

    x = layers.Activation("relu", name="conv1_relu")(conv_norm(image, widths[0] // 2, 3, 2, "1"))
    taps = {}
    for stage, width in enumerate(widths, start=2):
        y = layers.Activation("relu", name=f"res{stage}_relu")(conv_norm(x, width, 3, 2, f"{stage}a"))
        y = conv_norm(y, width, 3, 1, f"{stage}b")
        shortcut = layers.AveragePooling2D(2, name=f"res{stage}_pool")(x)
        shortcut = conv_norm(shortcut, width, 1, 1, f"{stage}s")
        x = layers.Activation("relu", name=f"res{stage}_out")(layers.Add(name=f"res{stage}_add")([y, shortcut]))
        taps[f"C{stage}"] = x
    return taps


def keras_application(image: Tensor, name: str | None, config: Settings) -> dict[str, Tensor]:
    """A keras.applications model without its top, tapped at the last layer of strides 4, 8, 16 and 32."""
    family = check_application(name, image.shape[-1])
    model = _application(image, name, config.MEAN_PIXEL)
    give_stable_names(model.layers)
    if config.TRAIN_BN is False:
        for layer in layers_within(model.layers):
            if isinstance(layer, layers.BatchNormalization):
                layer.trainable = False
    # Strides are read off shapes, so a model of free size needs a twin of fixed size to read them from.
    measured = model if image.shape[1] else _application(keras.Input((256, 256, 3)), name, config.MEAN_PIXEL)
    size = measured.inputs[0].shape[1]
    taps = {}
    # Paired from the end: what leads up to the image differs between the two.
    for layer, twin in zip(reversed(model.layers), reversed(measured.layers)):
        shape = getattr(twin.output, "shape", ())
        tapped = family not in TAPPED_LAYERS or re.fullmatch(TAPPED_LAYERS[family], layer.name)
        if tapped and len(shape) == 4 and shape[1] and size % shape[1] == 0 and size // shape[1] in TAPS:
            taps.setdefault(size // shape[1], layer.output)
    missing = [stride for stride in TAPS if stride not in taps]
    if missing:
        raise ConfigError(f"Backbone {name} has no feature map at stride {missing[0]}: choose another one.")
    return {f"C{level}": taps[stride] for level, stride in zip(range(2, 6), TAPS)}


def _application(image, name, mean_pixel):
    """The functional model of keras.applications on an image, preceded by what its family does to pixels."""
    constructor, module = find_application(name)
    pixels = layers.Rescaling(1.0, offset=[float(v) for v in mean_pixel])(image)
    model = constructor(include_top=False, weights=None, input_tensor=module.preprocess_input(pixels))
    if any(isinstance(layer, layers.Normalization) and layer.weights for layer in model.layers):
        raise ConfigError(
            f"BACKBONE={name!r} normalises pixels by statistics that it keeps as weights: use its successor "
            "EfficientNetV2B0 to B3, S, M or L instead."
        )
    return model
