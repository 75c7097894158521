"""The names that Config.BACKBONE takes: those of this package, and of keras.applications."""

import contextlib
import sys

from mrcnn.errors import ConfigError

OWN_BACKBONES = ("resnet50", "resnet101", "resnet152", "resnet50_v1_5", "resnet101_v1_5", "resnet152_v1_5", "small",
                 "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
REFUSED_APPLICATIONS = {
    "nasnet": "its cells cut maps to size where they stride, which moves them against the photo",
    "xception": "not all its convolutions pad, so that maps lie off their strides",
    "inception_v3": "not all its convolutions pad, so that maps lie off their strides",
    "inception_resnet_v2": "not all its convolutions pad, so that maps lie off their strides",
}


def find_application(name: str | None) -> tuple:
    """Constructor and module (which holds preprocess_input) of a keras.applications model, by any spelling of it."""
    import keras

    plain = str(name).lower().replace("_", "").replace("-", "")
    for constructor_name in dir(keras.applications):
        constructor = getattr(keras.applications, constructor_name)
        if constructor_name.lower() == plain and callable(constructor):
            for module_name in dir(keras.applications):
                module = getattr(keras.applications, module_name)
                if hasattr(module, "preprocess_input") and hasattr(module, constructor_name):
                    return constructor, module
            return constructor, sys.modules[constructor.__module__]
    raise ConfigError(
        f"Unknown BACKBONE {name!r}: use resnet50, resnet101, resnet152 (or resnet50_v1_5 ...), efficientnet_lite0 "
        "to 2, small, a model name of keras.applications (EfficientNetV2B0, ConvNeXtTiny, ...) or a callable "
        "(which from_checkpoint(..., BACKBONE=it) needs again)."
    )


def check_application(name: str | None, channels: int) -> str:
    """Check that a backbone is a model of keras.applications that can be one.

    Args:
        name: of the model, by any spelling.
        channels: Config.IMAGE_CHANNEL_COUNT.

    Returns:
        The name of its family's module.

    Raises:
        ConfigError: there is none of this name, or it cannot be a backbone.
    """
    family = find_application(name)[1].__name__.rpartition(".")[2]
    if channels != 3:
        raise ConfigError(f"BACKBONE={name!r} takes 3 channels, IMAGE_CHANNEL_COUNT is {channels}: take "
                          "efficientnet_lite0, resnet50 or small, which take any number.")
    if family in REFUSED_APPLICATIONS:
        raise ConfigError(f"Backbone {name} gives no feature map at stride 4 to 32: {REFUSED_APPLICATIONS[family]}.")
    return family


def check_backbone(config: object) -> None:
    """Raise ConfigError for a BACKBONE that is no function, and neither of this package nor of keras.applications."""
    name, own = config.BACKBONE, type(config)._of_network().BACKBONE
    if callable(name) or own == "own" or name in OWN_BACKBONES or name == own:
        return
    with contextlib.suppress(ImportError):  # without Keras nothing is built
        check_application(name, config.IMAGE_CHANNEL_COUNT)
