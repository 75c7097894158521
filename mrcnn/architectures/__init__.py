"""The networks, each behind what all of them share; `load` opens a checkpoint of any of them.

Importing this brings no Keras in: a network's class is imported when it is asked for.
"""

import difflib
import importlib
import os
import re
from typing import TYPE_CHECKING, Any

from mrcnn.errors import NO_KERAS, CheckpointError, ConfigError
from mrcnn.export.running import is_exported
from mrcnn.weights.files import DEFAULT_ARCHITECTURE, is_foreign, read_attributes

if TYPE_CHECKING:
    from mrcnn.architectures.segmenter import Segmenter

ARCHITECTURES = {  # name: module:class
    DEFAULT_ARCHITECTURE: "mrcnn.architectures.mask_rcnn:MaskRCNN",
    "deeplabv3": "mrcnn.architectures.pixels:DeepLabV3",
    "deeplabv3plus": "mrcnn.architectures.pixels:DeepLabV3Plus",
    "unet": "mrcnn.architectures.pixels:UNet",
    "u2net": "mrcnn.architectures.pixels:U2Net",
    "u2netp": "mrcnn.architectures.pixels:U2NetP",
    "yolact": "mrcnn.architectures.yolact:Yolact",
}


def class_of(name: str) -> "type[Segmenter]":
    """Look up the class of an architecture.

    Args:
        name: one of ARCHITECTURES, or "package.module:Class" of a subclass of `Segmenter` that Python can import.

    Returns:
        A subclass of `Segmenter`.

    Raises:
        ConfigError: there is none of this name, or what it imports is not installed.
    """
    place = ARCHITECTURES.get(name, name)
    if not re.fullmatch(r"\w+(\.\w+)*:\w+", str(place)):
        close = difflib.get_close_matches(str(name), ARCHITECTURES, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ConfigError(f"No architecture {name!r}: {hint}There are {', '.join(ARCHITECTURES)}, and package.module:"
                          "Class of your own.")
    module, _, class_name = place.partition(":")
    try:
        architecture = getattr(_imported(module, name), class_name)
    except AttributeError as error:
        raise ConfigError(f"Architecture {name} cannot be imported ({error}): name a class that {module} has.") \
            from error
    from mrcnn.architectures.segmenter import Segmenter

    if not (isinstance(architecture, type) and issubclass(architecture, Segmenter)):
        raise ConfigError(f"Architecture {name} is no subclass of mrcnn.architectures.segmenter.Segmenter.")
    return architecture


def _imported(module, name):
    """The module of an architecture. Raises ConfigError where it, or something that it imports, is not there."""
    try:
        return importlib.import_module(module)
    except (ImportError, AttributeError) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing == "keras":
            raise ConfigError(NO_KERAS.format(what="the path of an exported file (.onnx)")) from error
        if missing and f"{module}.".startswith(f"{missing}."):
            raise ConfigError(f"Architecture {name} cannot be imported ({error}): put the folder of {module} on "
                              "PYTHONPATH, or install its package.") from error
        told = " ".join(f"{type(error).__name__}: {error}".split())
        mend = f"install the package of {missing}" if missing else f"mend {module} or what it imports"
        raise ConfigError(f"Architecture {name} cannot be imported, as {module} is found, but what it imports is not "
                          f"({told}): {mend}.") from error


def architecture_of(path: str | os.PathLike) -> str:
    """The name of the architecture that a checkpoint was written by; PyTorch's files are known by their names.

    Raises:
        CheckpointError: the file cannot be read, or carries nothing of ours.
    """
    if is_exported(path):
        raise CheckpointError(f"{path} is an exported file: detect, label, evaluate, video and serve take it; for this "
                              "give the checkpoint (.h5) that it was exported from.")
    if is_foreign(path):
        return _architecture_of_foreign(path)
    name = read_attributes(path)["architecture"]
    if name is None:
        raise CheckpointError(f"{path} carries no settings (not written by mrcnn): build a Config and load_weights it.")
    return name


def _architecture_of_foreign(path):
    """DeepLabv3 of torchvision has a `classifier`, Mask R-CNN `roi_heads`; who opens the file says if it is neither."""
    from mrcnn.weights.torchvision import read_arrays

    return "deeplabv3" if any(name.startswith("classifier.") for name in read_arrays(path)) else DEFAULT_ARCHITECTURE


def read_settings(path: str | os.PathLike) -> dict:
    """Read {"config", "class_names"} of a checkpoint of any architecture, or those that a foreign file needs.

    Args:
        path: of the file.

    Returns:
        What the `read_settings` of its architecture's class gives.

    Raises:
        CheckpointError: the file cannot be read, or carries no settings.
        ConfigError: its architecture is not there.
    """
    return class_of(architecture_of(path)).read_settings(path)


def load(path: str | os.PathLike, model_dir: str | os.PathLike | None = None, mode: str = "inference",
         **overrides: object) -> Any:
    """Make the network of a checkpoint of any architecture, with its settings, class names and weights.

    Args:
        path: of the checkpoint, which names its architecture; older ones are Mask R-CNN's. The module of a class of
            your own is imported. Or of an exported file, which is run by its own runtime.
        model_dir: folder of the run folders; None takes the one that the checkpoint's run folder is in.
        mode: "training" or "inference", on one device: GPU_COUNT is 1.
        **overrides: settings to change, by name.

    Returns:
        An instance of the architecture's class, a subclass of `mrcnn.architectures.segmenter.Segmenter`; of an exported
        file an `mrcnn.architectures.exported.ExportedFile`, which detects or labels as the network does.

    Raises:
        CheckpointError: the file cannot be read, or its weights do not fit.
        ConfigError: its architecture is not there, or settings do not fit.
        ExportError: an exported file that cannot be used.
    """
    if is_exported(path):
        from mrcnn.architectures.exported import open_exported

        return open_exported(path, mode, **overrides)
    return class_of(architecture_of(path)).from_checkpoint(path, model_dir, mode=mode, **overrides)
