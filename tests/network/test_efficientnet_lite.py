"""EfficientNet-Lite against an evaluation of its published weights by other means, and its place as a backbone."""

import functools
import pathlib

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.config import Config
from mrcnn.data.images import load_image
from mrcnn.errors import CheckpointError
from mrcnn.network.backbones import build_backbone, normalisation
from mrcnn.network.efficientnet_lite import STAGES, efficientnet_lite_classifier, stages_of
from mrcnn.weights import pretrained
from mrcnn.weights.pretrained import load_efficientnet_lite, load_imagenet
from mrcnn.weights.torch_files import read_torch_file

SHARED = pathlib.Path(__file__).parents[2].parent / "shared"
WEIGHTS = SHARED / "weights" / "efficientnet_lite0_imagenet_torchnames.npz"
needs_weights = pytest.mark.skipif(not WEIGHTS.exists(), reason=f"{WEIGHTS} is not here")


LITE0 = Config(BACKBONE="efficientnet_lite0")


def packaged(name):
    """Path of the weights in the package that brings them; skips without it."""
    try:
        return pretrained._packaged_lite(name)
    except CheckpointError as error:
        pytest.skip(str(error))


def classifier(size, name="efficientnet_lite0"):
    image = keras.Input((size, size, 3))
    norm = functools.partial(normalisation, "batch", False)
    return keras.Model(image, efficientnet_lite_classifier(name, image, Config.MEAN_PIXEL, norm))


def same_padded(x, kernel, stride):
    """[C, H, W] padded as TensorFlow's SAME: the odd pixel goes to the bottom and right."""
    pads = []
    for size in x.shape[1:]:
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(x, [(0, 0)] + pads)


def convolved(x, weight, stride=1, depthwise=False):
    """Convolution of [C, H, W] with PyTorch's weight [O, I, k, k], by windows and a sum of products."""
    kernel = weight.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(same_padded(x, kernel, stride), (kernel, kernel), axis=(1, 2))
    windows = windows[:, ::stride, ::stride]
    if depthwise:
        return np.einsum("chwij,cij->chw", windows, weight[:, 0])
    return np.einsum("chwij,ocij->ohw", windows, weight, optimize=True)


def normed(x, source, name):
    scale = source[f"{name}.weight"] / np.sqrt(source[f"{name}.running_var"] + 1e-3)
    return x * scale[:, None, None] + (source[f"{name}.bias"] - source[f"{name}.running_mean"] * scale)[:, None, None]


def reference_maps(pixels, source, stages=STAGES):
    """The output of every block, by numpy alone, from the weights under their original names."""
    x = ((pixels - 127) / 128).transpose(2, 0, 1)
    x = np.clip(normed(convolved(x, source["_conv_stem.weight"], 2), source, "_bn0"), 0, 6)
    maps, block = [], 0
    for repeats, _, stride, expansion, _ in stages:
        for repeat in range(repeats):
            name, y = f"_blocks.{block}.", x
            if expansion > 1:
                y = np.clip(normed(convolved(y, source[name + "_expand_conv.weight"]), source, name + "_bn0"), 0, 6)
            y = convolved(y, source[name + "_depthwise_conv.weight"], stride if repeat == 0 else 1, depthwise=True)
            y = np.clip(normed(y, source, name + "_bn1"), 0, 6)
            y = normed(convolved(y, source[name + "_project_conv.weight"]), source, name + "_bn2")
            x = y + x if repeat else y
            maps.append(x)
            block += 1
    return maps


@needs_weights
def test_every_block_agrees_with_the_original_weights_evaluated_by_numpy():
    with np.load(WEIGHTS) as source:
        agree("efficientnet_lite0", str(WEIGHTS), dict(source), 99)  # 49 convolutions, 49 norms, one dense layer


@pytest.mark.parametrize("name, layers", [("efficientnet_lite1", 129), ("efficientnet_lite2", 129)])
def test_the_deeper_and_wider_ones_agree_too(name, layers):
    path = packaged(name)
    agree(name, None, read_torch_file(path), layers, size=32)  # five blocks more, of three convolutions and norms


def test_stages_by_hand():
    assert stages_of("efficientnet_lite0") == list(STAGES)
    # 1.1 and 1.2 times the repeats round up alike; 1.1 x 24 = 26.4 is nearest to 24, 1.1 x 40 = 44 to 48 (half up).
    assert [stage[0] for stage in stages_of("efficientnet_lite1")] == [1, 3, 3, 4, 4, 5, 1]
    assert [stage[4] for stage in stages_of("efficientnet_lite1")] == [16, 24, 40, 80, 112, 192, 320]
    assert [stage[0] for stage in stages_of("efficientnet_lite2")] == [1, 3, 3, 4, 4, 5, 1]
    assert [stage[4] for stage in stages_of("efficientnet_lite2")] == [16, 24, 48, 88, 120, 208, 352]


def agree(name, path, source, layers, size=64):
    """Every block gives what numpy makes of the weights under their original names."""
    model = classifier(size, name)
    assert load_efficientnet_lite(model, Config(BACKBONE=name), path) == layers
    pixels = np.random.default_rng(0).uniform(0, 255, (size, size, 3)).astype(np.float32)
    expected = reference_maps(pixels, source, stages_of(name))
    names = [layer.name for layer in model.layers]
    # A block ends in its sum where it has a shortcut, else in the norm of its projection.
    ends = [f"lite_{i}_add" if f"lite_{i}_add" in names else f"lite_{i}_project_bn" for i in range(len(expected))]
    inner = keras.Model(model.input, [model.get_layer(name).output for name in ends])
    outputs = inner.predict_on_batch((pixels - Config.MEAN_PIXEL.astype(np.float32))[None])
    for name, output, wanted in zip(ends, outputs, expected):
        output = np.asarray(output)[0].transpose(2, 0, 1)
        scale = np.abs(wanted).max()
        assert np.abs(output - wanted).max() < 2e-4 * scale, name


@needs_weights
@pytest.mark.skipif(not (SHARED / "data" / "ccp").exists(), reason="the CCP photos are not here")
def test_it_classifies_photos():
    import cv2

    model = classifier(224)
    load_efficientnet_lite(model, LITE0, str(WEIGHTS))
    # ImageNet classes: 869 trench coat, 655 miniskirt, 614 kimono; each photo's first guess, chosen by eye.
    for name, wanted in (("0044", 869), ("0036", 655)):
        image = load_image(str(SHARED / "data" / "ccp" / "photos" / f"{name}.jpg"))
        top, side = (image.shape[0] - image.shape[1]) // 2, image.shape[1]
        crop = cv2.resize(image[top:top + side], (224, 224), interpolation=cv2.INTER_AREA)
        logits = model.predict_on_batch(crop[None] - Config.MEAN_PIXEL.astype(np.float32))
        assert np.asarray(logits)[0].argmax() == wanted


@needs_weights
def test_imagenet_weights_reach_the_backbone_and_wrong_files_are_refused(tmp_path):
    config = Config(BACKBONE="efficientnet_lite0", NUM_CLASSES=2)
    image = keras.Input((64, 64, 3))
    maps = build_backbone(image, config)
    assert [maps[f"C{level}"].shape[1:] for level in (2, 3, 4, 5)] == [
        (16, 16, 24), (8, 8, 40), (4, 4, 112), (2, 2, 320)]
    model = keras.Model(image, maps)
    assert load_imagenet(model, config, str(WEIGHTS)) == 96  # all but the classifier's last convolution, norm and dense
    with np.load(WEIGHTS) as source:
        stem = source["_conv_stem.weight"]
        np.savez(tmp_path / "short.npz", **{"_conv_stem.weight": stem})
        np.savez(tmp_path / "other.npz", **{**source, "_conv_stem.weight": stem[:16]})
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model.get_layer("lite_stem").kernel), stem.transpose(2, 3, 1, 0))
    with pytest.raises(CheckpointError, match="has no _bn0.weight for layer lite_stem_bn"):
        load_imagenet(model, config, str(tmp_path / "short.npz"))
    with pytest.raises(CheckpointError, match="layer lite_stem has other shapes"):
        load_imagenet(model, config, str(tmp_path / "other.npz"))
    with pytest.raises(CheckpointError, match="set NORM=batch"):
        load_imagenet(model, Config(BACKBONE="efficientnet_lite0", NORM="group"), str(WEIGHTS))


def test_group_normalisation_divides_all_its_channels():
    image = keras.Input((64, 64, 3))
    maps = build_backbone(image, Config(BACKBONE="efficientnet_lite0", NORM="group"))
    model = keras.Model(image, maps)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    outputs = model.predict_on_batch(np.random.default_rng(0).uniform(-100, 100, (1, 64, 64, 3)).astype(np.float32))
    assert all(np.isfinite(value).all() for value in outputs.values())
