import pathlib

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from mrcnn.config import Config
from mrcnn.errors import CheckpointError
from mrcnn.network.backbones import RESNET_BLOCKS, build_backbone, find_application
from mrcnn.weights import pretrained


def write_keras_2_file(model, path):
    """A file as keras.applications publishes them: a group a layer, `layer/kernel:0` in it, names as attributes."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.4.0"
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{v.name}:0".encode() for v in layer.weights]
            group.attrs["weight_names"] = names
            for name, variable in zip(names, layer.weights):
                group[name.decode()] = np.asarray(variable)


def randomised(model, seed=0):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.gamma.shape
            gamma, beta, mean = rng.uniform(0.3, 0.6, shape), rng.normal(size=shape), rng.normal(size=shape)
            layer.set_weights([gamma, beta, mean, rng.uniform(1e-4, 2, shape)])
    return model


@pytest.fixture(scope="module")
def resnet_file(tmp_path_factory):
    keras.utils.set_random_seed(0)
    source = randomised(keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 64, 3)))
    path = str(tmp_path_factory.mktemp("imagenet") / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5")
    write_keras_2_file(source, path)
    return source, path


def backbone(config):
    image = keras.Input((64, 64, 3))
    return keras.Model(image, build_backbone(image, config))


@pytest.mark.slow
def test_resnet_computes_what_the_classifier_computes(resnet_file):
    source, path = resnet_file
    config = Config(BACKBONE="resnet50", NUM_CLASSES=2)
    model = backbone(config)
    assert pretrained.load_imagenet(model, config, path) == 106  # 53 convolutions and as many norms
    image = np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    # The classifier takes BGR less its mean; ours RGB less Config.MEAN_PIXEL, which is another, so not at the border.
    caffe = keras.applications.resnet.preprocess_input(image.copy())
    rgb = image - config.MEAN_PIXEL.astype("float32")
    stem = [
        np.asarray(keras.Model(m.inputs[0], m.get_layer(name).output)(x))[:, 2:-2, 2:-2]
        for m, name, x in ((source, "conv1_relu", caffe), (model, "conv1_relu", rgb))
    ]
    np.testing.assert_allclose(stem[0], stem[1], rtol=1e-4, atol=2e-3)
    # From the pooled map on the two are one function (their max poolings pad differently).
    pooled = np.random.default_rng(2).uniform(0, 1, (1, 16, 16, 64)).astype("float32")
    deep = [
        np.asarray(keras.Model(m.get_layer(start).output, m.get_layer(end).output)(pooled))
        for m, start, end in ((source, "pool1_pool", "conv5_block3_out"), (model, "pool1", "res5c_out"))
    ]
    np.testing.assert_allclose(deep[0], deep[1], rtol=1e-3, atol=1e-3 * deep[0].max())


# Of each family its smallest member, and the layers of keras.applications whose outputs C2 to C5 are to be; a number
# counts from the last layer, for those that Keras names anew in each process.
FAMILIES = {
    "ResNet50V2": ("conv2_block3_preact_relu", "conv3_block4_preact_relu", "conv4_block6_preact_relu", "post_relu"),
    "ConvNeXtTiny": (*(f"convnext_tiny_stage_{n}_block_{last}_identity" for n, last in ((0, 2), (1, 2), (2, 8))), -1),
    "EfficientNetV2B0": ("block2b_add", "block4a_expand_activation", "block6a_expand_activation", "top_activation"),
    "MobileNetV3Small": (None, None, None, -1),
    "MobileNetV2": ("block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu", "out_relu"),
}
SHORT = ("MobileNetV2",)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name if name in SHORT else pytest.param(name, marks=pytest.mark.long)
                                  for name in FAMILIES])
def test_applications_compute_what_keras_computes_from_a_file_of_keras(name, tmp_path):
    constructor, module = find_application(name)
    source = randomised(constructor(include_top=False, weights=None, input_shape=(64, 64, 3)))
    if name == "MobileNetV2":
        path = str(tmp_path / "notop.h5")
        write_keras_2_file(source, path)
    else:
        path = str(tmp_path / "notop.weights.h5")
        source.save_weights(path)
    config = Config(BACKBONE=name, NUM_CLASSES=2)
    model = backbone(config)
    assert pretrained.load_imagenet(model, config, path) == sum(bool(layer.weights) for layer in source.layers)
    image = np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    tapped = {
        level: source.layers[layer].output if isinstance(layer, int) else source.get_layer(layer).output
        for level, layer in zip(("C2", "C3", "C4", "C5"), FAMILIES[name]) if layer is not None
    }
    expected = keras.Model(source.inputs[0], tapped)(module.preprocess_input(image.copy()))
    maps = model(image - config.MEAN_PIXEL.astype("float32"))
    for level in tapped:
        theirs = keras.ops.convert_to_numpy(expected[level])
        ours = keras.ops.convert_to_numpy(maps[level])
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max(), err_msg=level)
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    assert not any(layer.trainable for layer in norms)  # TRAIN_BN is False
    assert bool(norms) == (name != "ConvNeXtTiny")


def few_blocks(new):
    """{layer: {weight: numbers}} of a ResNet of (1, 2, 1, 1) blocks in the names of 2017 or in today's."""
    rng, layers = np.random.default_rng(7), {}

    def add(convolution, norm, out, inputs, size):
        layers[convolution] = {"kernel": rng.normal(size=(size, size, inputs, out)), "bias": rng.normal(size=out)}
        layers[norm] = {"gamma": rng.uniform(0.5, 1, out), "beta": rng.normal(size=out),
                       "moving_mean": rng.normal(size=out), "moving_variance": rng.uniform(1e-4, 1, out)}

    add(*(("conv1_conv", "conv1_bn") if new else ("conv1", "bn_conv1")), 64, 3, 7)
    inputs = 64
    for stage, blocks in enumerate((1, 2, 1, 1), start=2):
        width = 32 * 2**stage // 2
        for block in range(blocks):
            parts = [("2a", 1, width, inputs, 1), ("2b", 2, width, width, 3), ("2c", 3, 4 * width, width, 1)]
            for branch, number, out, taken, size in parts + [("1", 0, 4 * width, inputs, 1)][: block == 0]:
                name = f"{stage}{'ab'[block]}_branch{branch}"
                today = f"conv{stage}_block{block + 1}_{number}"
                add(*((f"{today}_conv", f"{today}_bn") if new else (f"res{name}", f"bn{name}")), out, taken, size)
            inputs = 4 * width
    return layers


def write_layers(layers, path, pattern):
    """pattern: of a weight's place in the file, from {layer} and {weight}"""
    keras_1 = {"kernel": "W", "bias": "b", "moving_mean": "running_mean", "moving_variance": "running_std"}
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for layer, stored in layers.items():
            for weight, value in stored.items():
                weight = keras_1.get(weight, weight) if "_1:0" in pattern else weight
                file[pattern.format(layer=layer, weight=weight)] = value.astype("float32")


@pytest.mark.parametrize(
    "pattern,new",
    [
        ("{layer}/{layer}_{weight}_1:0", False),
        ("{layer}/{layer}/{weight}:0", False),
        ("{layer}/{layer}/{weight}:0", True),
    ],
)
def test_resnet_files_of_any_age_put_every_number_in_its_place(pattern, new, tmp_path, monkeypatch):
    monkeypatch.setitem(RESNET_BLOCKS, "resnet_few", (1, 2, 1, 1))
    config = Config(BACKBONE="resnet_few", NUM_CLASSES=2, MEAN_PIXEL=[90, 80, 120])
    layers, path = few_blocks(new), str(tmp_path / "notop.h5")
    write_layers(layers, path, pattern)
    model = backbone(config)
    assert pretrained.load_imagenet(model, config, path) == len(layers) == 2 * 20
    for name, theirs in (
        ("conv1", "conv1_conv" if new else "conv1"),
        ("res3b_branch2c", "conv3_block2_3_conv" if new else "res3b_branch2c"),
        ("res5a_branch1", "conv5_block1_0_conv" if new else "res5a_branch1"),
        ("bn_conv1", "conv1_bn" if new else "bn_conv1"),
        ("bn4a_branch2b", "conv4_block1_2_bn" if new else "bn4a_branch2b"),
    ):
        expected, layer = layers[theirs], model.get_layer(name)
        own = {weight.name: keras.ops.convert_to_numpy(weight) for weight in layer.weights}
        if "kernel" in expected:
            kernel = expected["kernel"][:, :, ::-1] if name == "conv1" else expected["kernel"]  # BGR to RGB
            np.testing.assert_allclose(own["kernel"], kernel, rtol=1e-6)
            # The weights saw pixels less CAFFE_MEAN, the network sees them less MEAN_PIXEL.
            less = np.array(config.MEAN_PIXEL) - [123.68, 116.779, 103.939] if name == "conv1" else np.zeros(1)
            shift = kernel.sum(axis=(0, 1))[: len(less)].T @ less
            np.testing.assert_allclose(own["bias"], expected["bias"] + shift, rtol=1e-5, atol=1e-5)
            continue
        epsilon = 1.001e-5 if new else 1e-3  # that each was run with; ours is 1e-3
        scale = expected["gamma"] / np.sqrt(expected["moving_variance"] + epsilon)
        np.testing.assert_allclose(own["gamma"] / np.sqrt(own["moving_variance"] + layer.epsilon), scale, rtol=1e-5)
        np.testing.assert_allclose(own["moving_mean"], expected["moving_mean"], rtol=1e-6)
        assert (own["moving_variance"] > 0).all()
    del layers["conv4_block1_2_bn" if new else "bn4a_branch2b"]
    write_layers(layers, path, pattern)
    with pytest.raises(CheckpointError, match=r"resnet_few: 1 layers are missing \(bn4a_branch2b\)"):
        pretrained.load_imagenet(model, config, path)


def test_deep_resnets_continue_the_alphabet():
    # Stage 4 of ResNet101 ends with block 23, w; that of ResNet152 with block 36, ten after z.
    assert pretrained._matterport_name("conv4_block23_2_conv") == "res4w_branch2b"
    assert pretrained._matterport_name("conv4_block26_0_bn") == "bn4z_branch1"
    assert pretrained._matterport_name("conv4_block36_3_conv") == "res4z10_branch2c"


def test_what_cannot_be_loaded_is_refused(resnet_file, tmp_path, monkeypatch):
    monkeypatch.setitem(RESNET_BLOCKS, "resnet_few", (1, 2, 1, 1))
    config, none = Config(BACKBONE="resnet_few", NUM_CLASSES=2), str(tmp_path / "none.h5")
    (tmp_path / "torch.pth").write_bytes(b"")
    (tmp_path / "cut.h5").write_bytes(pathlib.Path(resnet_file[1]).read_bytes()[:5000])
    model = backbone(config)
    for settings, path, message in (
        (config, resnet_file[1], r"does not fit resnet_few: 0 layers are missing.*unknown \("),
        (Config(BACKBONE="resnet50", NORM="group"), None, "NORM=batch"),
        (Config(BACKBONE="small"), None, "No ImageNet weights exist for BACKBONE='small'"),
        (Config(BACKBONE="resnet50"), none, "none.h5 does not exist"),
        (Config(BACKBONE="resnet50"), str(tmp_path / "cut.h5"), "cut.h5 is no complete HDF5"),
        (Config(BACKBONE="resnet50"), str(tmp_path / "torch.pth"), "holds PyTorch's weights"),
        (Config(BACKBONE="resnet50_v1_5"), None, "takes torchvision's file"),
        (Config(BACKBONE="MobileNetV2"), resnet_file[1], "does not fit MobileNetV2 of keras.applications"),
    ):
        with pytest.raises(CheckpointError, match=message) as caught:
            pretrained.load_imagenet(model, settings, path)
        assert "\n" not in str(caught.value)


def test_offline_is_said_in_one_line(monkeypatch):
    def offline(*args, **kwargs):
        raise Exception("URL fetch failure")  # what Keras raises

    monkeypatch.setattr(pretrained, "find_application", lambda name: (offline, None))
    with pytest.raises(CheckpointError, match="go online once.*--weights none"):
        pretrained.load_imagenet(None, Config(BACKBONE="resnet50"))


def test_photos_of_other_channels_get_a_first_convolution_of_rgbs(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(RESNET_BLOCKS, "resnet_few", (1, 2, 1, 1))
    layers, path = few_blocks(False), str(tmp_path / "notop.h5")
    write_layers(layers, path, "{layer}/{layer}/{weight}:0")
    kernel = layers["conv1"]["kernel"]  # of BGR
    for mean, expected in (([117], kernel.sum(axis=2, keepdims=True)),
                           ([117, 117, 117, 9], np.pad(kernel[:, :, ::-1], ((0, 0), (0, 0), (0, 1), (0, 0))))):
        config = Config(BACKBONE="resnet_few", IMAGE_CHANNEL_COUNT=len(mean), MEAN_PIXEL=mean)
        image = keras.Input((64, 64, len(mean)))
        model = keras.Model(image, build_backbone(image, config))
        assert pretrained.load_imagenet(model, config, path) == 40
        own = [keras.ops.convert_to_numpy(weight) for weight in model.get_layer("conv1").weights]
        np.testing.assert_allclose(own[0], expected, rtol=1e-5, atol=1e-5)
        shift = kernel.sum(axis=(0, 1)).T @ (117 - np.array([103.939, 116.779, 123.68]))  # BGR
        np.testing.assert_allclose(own[1], layers["conv1"]["bias"] + shift, rtol=1e-4, atol=1e-3)
    assert "notop.h5: learned on RGB; for grey" in capsys.readouterr().out


def test_a_network_without_the_backbone_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setitem(RESNET_BLOCKS, "resnet_few", (1, 2, 1, 1))
    path, image = str(tmp_path / "notop.h5"), keras.Input((4, 4, 3))
    write_layers(few_blocks(False), path, "{layer}/{layer}/{weight}:0")
    other = keras.Model(image, keras.layers.Conv2D(2, 1, name="encoder_0")(image))
    arrays = str(tmp_path / "a.npz")
    np.savez(arrays, x=np.zeros(2))
    monkeypatch.setattr(pretrained, "_application_source", lambda *_: keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(2)]))
    for backbone_name, file in (("resnet_few", path), ("efficientnet_lite0", arrays), ("MobileNetV2", None),
                                ("own", None)):
        with pytest.raises(CheckpointError, match=f"None of .* BACKBONE='{backbone_name}': its encoder is its own"):
            pretrained.load_imagenet(other, Config(BACKBONE=backbone_name), file)


def test_a_lite_backbone_of_grey_photos_adds_the_stem_up(monkeypatch):
    config = Config(BACKBONE="efficientnet_lite0", IMAGE_CHANNEL_COUNT=1, MEAN_PIXEL=[117])
    image = keras.Input((64, 64, 1))
    model = keras.Model(image, build_backbone(image, config))
    rgb = np.random.default_rng(0).normal(size=(3, 3, 3, 32))
    monkeypatch.setattr(pretrained, "_read_arrays", lambda path: {})
    monkeypatch.setattr(pretrained, "_lite_values", lambda name, _: [rgb] if name == "lite_stem" else [
        np.zeros(weight.shape) for weight in model.get_layer(name).weights])
    assert pretrained.load_imagenet(model, config, __file__) == 96
    own = keras.ops.convert_to_numpy(model.get_layer("lite_stem").kernel)
    np.testing.assert_allclose(own, rgb.sum(axis=2, keepdims=True), rtol=1e-5, atol=1e-6)
