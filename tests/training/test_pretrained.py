import hashlib
import urllib.error

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from mrcnn.config import Config
from mrcnn.network.backbones import build_backbone
from mrcnn.training import pretrained
from mrcnn.training.weights import CheckpointError


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


def test_resnet_computes_what_the_classifier_computes(resnet_file):
    source, path = resnet_file
    config = Config(BACKBONE="resnet50", NUM_CLASSES=2)
    model = backbone(config)
    assert pretrained.load_imagenet(model, config, path) == 106  # 53 convolutions and as many norms
    image = np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    # The classifier takes BGR less the mean; ours RGB less the mean (rounded to a tenth in Config, exact here).
    caffe = keras.applications.resnet.preprocess_input(image.copy())
    rgb = caffe[..., ::-1].copy()
    stem = [
        np.asarray(keras.Model(m.inputs[0], m.get_layer(name).output)(x))
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


def test_other_applications_take_their_own_file(tmp_path):
    source = randomised(keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(64, 64, 3)))
    path = str(tmp_path / "mobilenet_notop.h5")
    write_keras_2_file(source, path)
    config = Config(BACKBONE="MobileNetV2", NUM_CLASSES=2)
    model = backbone(config)
    pretrained.load_imagenet(model, config, path)
    image = np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    expected = np.asarray(source(image / 127.5 - 1))
    got = np.asarray(model(image - config.MEAN_PIXEL)["C5"])
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3 * expected.max())


def test_what_cannot_be_loaded_is_refused(resnet_file, tmp_path, monkeypatch):
    config = Config(BACKBONE="resnet101", NUM_CLASSES=2)
    with pytest.raises(CheckpointError, match="does not fit resnet101"):
        pretrained.load_imagenet(None, config, resnet_file[1])
    with pytest.raises(CheckpointError, match="NORM=batch"):
        pretrained.load_imagenet(None, Config(BACKBONE="resnet50", NORM="group"))
    with pytest.raises(CheckpointError, match="No ImageNet weights exist for BACKBONE='small'"):
        pretrained.load_imagenet(None, Config(BACKBONE="small"))


def test_offline_is_said_in_one_line(monkeypatch):
    def offline(*args, **kwargs):
        raise Exception("URL fetch failure")  # what Keras raises

    monkeypatch.setattr(pretrained, "find_application", lambda name: (offline, None))
    with pytest.raises(CheckpointError, match="go online once.*--weights none"):
        pretrained.load_imagenet(None, Config(BACKBONE="resnet50"))


def test_download_is_whole_and_checked_or_absent(tmp_path, monkeypatch):
    source, target = tmp_path / "source.h5", tmp_path / "target.h5"
    source.write_bytes(b"weights" * 1000)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    url = source.as_uri()
    assert pretrained.download_trained_weights(str(target), verbose=0, url=url, sha256=digest) == str(target)
    assert target.read_bytes() == source.read_bytes()
    target.unlink()
    with pytest.raises(CheckpointError, match="checksum"):
        pretrained.download_trained_weights(str(target), verbose=0, url=url, sha256="0" * 64)

    def offline(*args, **kwargs):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(pretrained.urllib.request, "urlopen", offline)
    with pytest.raises(CheckpointError, match="fetch it yourself"):
        pretrained.download_trained_weights(str(target), verbose=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source.h5"]
