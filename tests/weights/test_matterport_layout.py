"""Files of Matterport's layout, written here by h5py alone, tensor by tensor, as its network named and shaped them."""

import functools
import os
import shutil
import zlib

import h5py
import keras
import numpy as np
import pytest
from tiny import TinyConfig

from mrcnn.config_backbones import OWN_BACKBONES
from mrcnn.errors import CheckpointError
from mrcnn.network.backbones import RESNET_BLOCKS
from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.weights import files as weights

BLOCKS = (1, 2, 1, 1)  # of ResNet50's 3, 4, 6 and 3, to be quick
CLASSES, WIDTH, DENSE, ANCHORS = 4, 16, 32, 3  # of TinyConfig
# Layers without weights are groups of their own in its files, and named in layer_names.
EMPTY = ("input_image", "zero_padding2d_1", "activation_1", "max_pooling2d_1", "res2a_out", "fpn_p6", "ROI",
         "roi_align_classifier", "mrcnn_bbox", "output_rois")


def convolution(size, inputs, out):
    return {"kernel:0": (size, size, inputs, out), "bias:0": (out,)}


def norm(channels):
    return {f"{name}:0": (channels,) for name in ("gamma", "beta", "moving_mean", "moving_variance")}


def layout():
    """[(group, layer, {weight: shape})] of a whole model."""
    layers = [("conv1", convolution(7, 3, 64)), ("bn_conv1", norm(64))]
    inputs = 64
    for stage, blocks in enumerate(BLOCKS, start=2):
        width = 32 * 2 ** (stage - 1)
        for block in range(blocks):
            name = f"{stage}{'ab'[block]}_branch"
            layers += [(f"res{name}2a", convolution(1, inputs, width)), (f"bn{name}2a", norm(width)),
                      (f"res{name}2b", convolution(3, width, width)), (f"bn{name}2b", norm(width)),
                      (f"res{name}2c", convolution(1, width, 4 * width)), (f"bn{name}2c", norm(4 * width))]
            if block == 0:
                layers += [(f"res{name}1", convolution(1, inputs, 4 * width)), (f"bn{name}1", norm(4 * width))]
            inputs = 4 * width
    for level, channels in ((5, 2048), (4, 1024), (3, 512), (2, 256)):
        layers += [(f"fpn_c{level}p{level}", convolution(1, channels, WIDTH)),
                  (f"fpn_p{level}", convolution(3, WIDTH, WIDTH))]
    layers += [("mrcnn_class_conv1", convolution(7, WIDTH, DENSE)), ("mrcnn_class_bn1", norm(DENSE)),
              ("mrcnn_class_conv2", convolution(1, DENSE, DENSE)), ("mrcnn_class_bn2", norm(DENSE))]
    for index in (1, 2, 3, 4):
        layers += [(f"mrcnn_mask_conv{index}", convolution(3, WIDTH, WIDTH)), (f"mrcnn_mask_bn{index}", norm(WIDTH))]
    layers += [("mrcnn_class_logits", {"kernel:0": (DENSE, CLASSES), "bias:0": (CLASSES,)}),
              ("mrcnn_bbox_fc", {"kernel:0": (DENSE, 4 * CLASSES), "bias:0": (4 * CLASSES,)}),
              ("mrcnn_mask_deconv", convolution(2, WIDTH, WIDTH)), ("mrcnn_mask", convolution(1, WIDTH, CLASSES))]
    nested = [("rpn_conv_shared", convolution(3, WIDTH, WIDTH)), ("rpn_class_raw", convolution(1, WIDTH, 2 * ANCHORS)),
              ("rpn_bbox_pred", convolution(1, WIDTH, 4 * ANCHORS))]
    return [(name, name, shapes) for name, shapes in layers] + [("rpn_model", name, shapes) for name, shapes in nested]


@functools.cache
def numbers(layer, weight, shape):
    """Numbers that no other tensor has."""
    rng = np.random.default_rng(zlib.crc32(f"{layer}/{weight}".encode()))
    return rng.uniform(0.1, 1, shape).astype("float32")


def write(path, root=None, text=bytes):
    """root: group that all lies in, or None; text: the type of the names in the attributes"""
    def named(values):
        return [value.encode() for value in values] if text is bytes else list(values)

    with h5py.File(path, "w") as file:
        top = file.create_group(root) if root else file
        if root:  # a whole model of Keras 2 has more beside the weights
            file["optimizer_weights/SGD/conv1/kernel:0"] = np.zeros(3, "float32")
        groups = {}
        for group, layer, shapes in layout():
            for weight, shape in shapes.items():
                top[f"{group}/{layer}/{weight}"] = numbers(layer, weight, shape)
                groups.setdefault(group, []).append(f"{layer}/{weight}")
        for name in EMPTY:
            top.create_group(name).attrs["weight_names"] = np.zeros(0)
        for group, names in groups.items():
            top[group].attrs["weight_names"] = named(names)
        top.attrs["layer_names"] = named([*EMPTY, *groups])
        top.attrs["backend"], top.attrs["keras_version"] = named(["tensorflow"])[0], named(["2.1.5"])[0]
    return str(path)


@pytest.fixture(scope="module")
def model():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RESNET_BLOCKS, "resnet_few", BLOCKS)
        patch.setattr("mrcnn.config_backbones.OWN_BACKBONES", (*OWN_BACKBONES, "resnet_few"))
        yield build_mask_rcnn(TinyConfig(BACKBONE="resnet_few", NORM="batch"))[0]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("matterport") / "mask_rcnn.h5")


def spoil(model):
    for variable in model.weights:
        variable.assign(keras.ops.full(variable.shape, 9.0))


def values_of(model):
    """{layer: {weight: array}}"""
    return {
        name: {v.name: np.array(keras.ops.convert_to_numpy(v)) for v in layer.weights}
        for name, layer in weights.weighted_layers(model).items()
    }


def refused(path, model, message, **options):
    """Assert that a file is refused in one line, and the network left as it was."""
    before = values_of(model)
    with pytest.raises(CheckpointError, match=message) as caught:
        weights.load_weights(path, model, **options)
    assert "\n" not in str(caught.value)
    for layer, stored in values_of(model).items():
        for weight, value in stored.items():
            np.testing.assert_array_equal(value, before[layer][weight], err_msg=f"{layer}/{weight}")


@pytest.mark.parametrize("root,text", [(None, bytes), ("model_weights", str)])
def test_every_number_comes_to_its_place(root, text, model, tmp_path):
    spoil(model)
    report = weights.load_weights(write(tmp_path / "a.h5", root, text), model)
    values = values_of(model)
    assert len(report.loaded) == len(layout()) == len(values) and not (report.missing or report.unused)
    for _, layer, shapes in layout():
        for weight, shape in shapes.items():
            expected, value = numbers(layer, weight, shape), values[layer][weight.split(":")[0]]
            if layer == "rpn_class_raw":
                # softmax(background, object) = sigmoid(object - background); pairs lie side by side.
                expected = np.stack([expected[..., 2 * k + 1] - expected[..., 2 * k] for k in range(ANCHORS)], -1)
            elif layer == "mrcnn_class_conv1" and weight == "kernel:0":
                assert value.shape == (7 * 7 * WIDTH, DENSE)
                for y, x, channel in ((0, 0, 0), (3, 5, 2), (6, 6, WIDTH - 1)):  # rows of the flattened crop
                    np.testing.assert_array_equal(value[(7 * y + x) * WIDTH + channel], expected[y, x, channel])
                expected = expected.reshape(value.shape)
            elif layer == "mrcnn_class_conv2" and weight == "kernel:0":
                expected = expected[0, 0]
            np.testing.assert_array_equal(value, expected, err_msg=f"{layer}/{weight}")


def test_saving_and_reading_again_gives_every_bit(model, written, tmp_path):
    weights.load_weights(written, model)
    before, path = values_of(model), str(tmp_path / "again.h5")
    weights.write_weights(path, model)
    with h5py.File(path) as ours, h5py.File(written) as theirs:
        for group, layer, shapes in layout():
            if layer != "rpn_class_raw":
                for weight in shapes:
                    place = f"{group}/{layer}/{weight}"
                    np.testing.assert_array_equal(ours[place][()], theirs[place][()], err_msg=place)
    spoil(model)
    weights.load_weights(path, model)
    for layer, stored in values_of(model).items():
        for weight, value in stored.items():
            np.testing.assert_array_equal(value, before[layer][weight])


@pytest.mark.parametrize(
    "change,by_name,message",
    [
        (lambda f: f.move("res3b_branch2b", "res3b_branch9"), True, "loads by name"),
        (lambda f: f["fpn_p3"].move("fpn_p3", "fpn_p3x"), False, r"1 missing \(fpn_p3\); 1 unused \(fpn_p3x\)"),
        (lambda f: f["rpn_model"].move("rpn_bbox_pred", "rpn_box"), False, r"missing \(rpn_bbox_pred\).*\(rpn_box\)"),
        (lambda f: f["bn2a_branch1/bn2a_branch1"].__delitem__("beta:0"), True,
         "layer bn2a_branch1 has gamma, moving_mean, moving_variance where this network has beta too"),
        (lambda f: f["conv1/conv1"].__delitem__("kernel:0"), True, "layer conv1 has bias where .* has kernel too"),
        (lambda f: f.create_dataset("x/conv1/bias:0", data=np.zeros(64)), True, "holds conv1/bias twice"),
    ],
)
def test_one_wrong_layer_is_named(change, by_name, message, model, written, tmp_path):
    path = shutil.copy(written, str(tmp_path / "a.h5"))
    with h5py.File(path, "r+") as file:
        change(file)
    if message == "loads by name":  # the group's name is none of a layer's: the layer inside it counts
        assert "res3b_branch2b" in weights.load_weights(path, model, by_name=True).loaded
        return
    refused(path, model, f"a.h5.*{message}", by_name=by_name)


def test_wrong_shapes_are_all_named_and_may_be_excluded(model, written, tmp_path):
    path = shutil.copy(written, str(tmp_path / "a.h5"))
    with h5py.File(path, "r+") as file:
        for place in ("mrcnn_mask/mrcnn_mask/kernel:0", "mrcnn_class_logits/mrcnn_class_logits/kernel:0",
                      "mrcnn_class_conv1/mrcnn_class_conv1/kernel:0"):
            shape = file[place].shape
            del file[place]
            file[place] = np.zeros(shape[:-1] + (81,), "float32")
    refused(path, model, r"mrcnn_class_conv1/kernel is \[784, 81\] in the file, \[784, 32\] in the network.*"
                         r"2 more mismatched: mrcnn_class_logits, mrcnn_mask\.", by_name=True)
    excluded = ["mrcnn_class_conv1", "mrcnn_class_logits", "mrcnn_mask"]
    spoil(model)
    report = weights.load_weights(path, model, by_name=True, exclude=excluded)
    assert sorted(report.excluded) == excluded and len(report.loaded) == len(layout()) - 3
    assert f"{len(layout()) - 3} layers loaded; 3 excluded" in str(report)
    assert (values_of(model)["mrcnn_mask"]["kernel"] == 9).all()


def test_a_file_cut_anywhere_is_refused(model, written, tmp_path):
    path = shutil.copy(written, str(tmp_path / "cut.h5"))
    size, rng = os.path.getsize(path), np.random.default_rng(0)
    # The signature and superblock take the first 96 bytes; names and shapes lie all over the file.
    places = {0, 1, 7, 8, 9, 40, 95, 96, 97, size - 1, *rng.integers(0, 5000, 15), *rng.integers(0, size, 25)}
    for length in sorted(map(int, places), reverse=True):
        os.truncate(path, length)
        with pytest.raises(CheckpointError, match="cut.h5") as caught:
            weights.load_weights(path, model, by_name=True)
        assert "\n" not in str(caught.value)
        with pytest.raises(CheckpointError, match="cut.h5"):
            weights.read_attributes(path)
    refused(path, model, "cut.h5")


def test_what_is_no_weight_is_refused(model, tmp_path):
    path = str(tmp_path / "a.h5")
    with h5py.File(path, "w") as file:
        file["conv1/conv1/kernel:0"] = "text"
    refused(path, model, "a.h5 holds no weights")
    with h5py.File(path, "w") as file:
        file["conv1/conv1/kernel:0"] = h5py.SoftLink("/nowhere")
        file["bn_conv1/bn_conv1/gamma:0"] = h5py.ExternalLink("/etc/other.h5", "/x")
    refused(path, model, "a.h5: .*link, perhaps to another file")
    with open(path, "wb") as file:
        file.write(b"\x80\x04cos\nsystem\n(S'echo'\ntR.")  # a pickle, which nothing here unpickles
    refused(path, model, "a.h5 is no complete HDF5")
