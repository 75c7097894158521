"""Torchvision's Mask R-CNN in this network: a state dict in its names, run by PyTorch's functions, layer by layer."""

import hashlib
import json
import pathlib
import struct

import keras
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.errors import CheckpointError
from mrcnn.model import MaskRCNN
from mrcnn.network.backbones import RESNETS_V1_5
from mrcnn.ops import boxes as box_ops
from mrcnn.weights import torchvision as torchvision_weights
from mrcnn.weights.pretrained import load_imagenet
from mrcnn.weights.trained_with import told_of_settings

torch = pytest.importorskip("torch", reason="PyTorch, which these weights are compared with, is not installed")
functional = torch.nn.functional
CHANNELS, WIDTH, CLASSES = 16, 32, 4
BLOCKS = (1, 2, 1, 1)  # of ResNet50's 3, 4, 6 and 3, to be quick


def body_state(rng, prefix):
    """A ResNet in torchvision's names."""
    state = {}

    def convolution(name, norm, out, inputs, size):
        scale = np.sqrt(2 / (inputs * size**2))
        state[f"{name}.weight"] = rng.normal(0, scale, (out, inputs, size, size))
        for part, values in (("weight", rng.uniform(0.3, 0.6, out)), ("bias", rng.normal(0, 0.1, out)),
                             ("running_mean", rng.normal(0, 0.1, out)), ("running_var", rng.uniform(1e-3, 1.5, out))):
            state[f"{norm}.{part}"] = values
        state[f"{norm}.num_batches_tracked"] = np.array(1, "int64")

    convolution(f"{prefix}conv1", f"{prefix}bn1", 64, 3, 7)
    inputs = 64
    for stage, blocks in enumerate(BLOCKS):
        width = 64 * 2**stage
        for block in range(blocks):
            here = f"{prefix}layer{stage + 1}.{block}"
            for number, (out, taken, size) in enumerate(((width, inputs, 1), (width, width, 3), (4 * width, width, 1))):
                convolution(f"{here}.conv{number + 1}", f"{here}.bn{number + 1}", out, taken, size)
            if block == 0:
                convolution(f"{here}.downsample.0", f"{here}.downsample.1", 4 * width, inputs, 1)
            inputs = 4 * width
    return state


def whole_state():
    """maskrcnn_resnet50_fpn in the names of newer releases, with small heads."""
    rng = np.random.default_rng(0)
    state = body_state(rng, "backbone.body.")

    def layer(name, *shape, scale=0.1):
        state[f"{name}.weight"], state[f"{name}.bias"] = rng.normal(0, scale, shape), rng.normal(0, scale, shape[0])

    for level, inputs in enumerate((256, 512, 1024, 2048)):
        layer(f"backbone.fpn.inner_blocks.{level}.0", CHANNELS, inputs, 1, 1, scale=0.02)
        layer(f"backbone.fpn.layer_blocks.{level}.0", CHANNELS, CHANNELS, 3, 3)
    layer("rpn.head.conv.0.0", CHANNELS, CHANNELS, 3, 3)
    layer("rpn.head.cls_logits", 3, CHANNELS, 1, 1)
    layer("rpn.head.bbox_pred", 12, CHANNELS, 1, 1)
    layer("roi_heads.box_head.fc6", WIDTH, CHANNELS * 49)
    layer("roi_heads.box_head.fc7", WIDTH, WIDTH)
    layer("roi_heads.box_predictor.cls_score", CLASSES, WIDTH)
    layer("roi_heads.box_predictor.bbox_pred", CLASSES * 4, WIDTH)
    for number in range(4):
        layer(f"roi_heads.mask_head.{number}.0", CHANNELS, CHANNELS, 3, 3)
    layer("roi_heads.mask_predictor.conv5_mask", CHANNELS, CHANNELS, 2, 2)
    layer("roi_heads.mask_predictor.mask_fcn_logits", CLASSES, CHANNELS, 1, 1)
    return {name: torch.from_numpy(np.asarray(value, "int64" if value.ndim == 0 else "float32"))
            for name, value in state.items()}


def older_names(state):
    """The names of the releases before 0.13."""
    renamed = {}
    for name, value in state.items():
        for new, old in (("inner_blocks.{}.0.", "inner_blocks.{}."), ("layer_blocks.{}.0.", "layer_blocks.{}.")):
            for level in range(4):
                name = name.replace(new.format(level), old.format(level))
        for number in range(4):
            name = name.replace(f"mask_head.{number}.0.", f"mask_head.mask_fcn{number + 1}.")
        renamed[name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")] = value
    return renamed


def save_safetensors(state, path):
    header, data = {}, b""
    for name, value in state.items():
        value = value.numpy()
        places = [len(data), len(data) + value.nbytes]
        header[name] = {"dtype": {"float32": "F32", "int64": "I64"}[value.dtype.name], "shape": list(value.shape),
                        "data_offsets": places}
        data += value.tobytes() if value.size < 1e6 else memoryview(np.ascontiguousarray(value)).tobytes()
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


@pytest.fixture(scope="module", autouse=True)
def few_blocks():
    """A ResNet of few blocks among the backbones."""
    RESNETS_V1_5["resnet50_v1_5"], whole = BLOCKS, RESNETS_V1_5["resnet50_v1_5"]
    yield
    RESNETS_V1_5["resnet50_v1_5"] = whole


@pytest.fixture(scope="module")
def state():
    return whole_state()


@pytest.fixture(scope="module")
def path(state, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("torchvision") / "maskrcnn.pth")
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def model(path, tmp_path_factory):
    return MaskRCNN.from_checkpoint(path, str(tmp_path_factory.mktemp("runs")), MAX_GT_INSTANCES=4)


def layer_of(model, name):
    return next(layer for layer in model.training_model.layers if layer.name == name)


def first(array):
    """[B, H, W, C] as PyTorch's [B, C, H, W]."""
    return torch.from_numpy(np.ascontiguousarray(np.asarray(array, "float32").transpose(0, 3, 1, 2)))


def last(tensor):
    return tensor.numpy().transpose(0, 2, 3, 1)


def close(ours, theirs):
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())


def torch_body(state, pixels, prefix="backbone.body."):
    """Torchvision's ResNet50 in PyTorch's functions: [C2, C3, C4, C5]. pixels: [B, 3, H, W], normalised."""

    def step(x, name, norm, stride=1, padding=0):
        x = functional.conv2d(x, state[f"{prefix}{name}.weight"], None, stride, padding)
        parts = [state[f"{prefix}{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *parts, eps=1e-5)

    x = torch.relu(step(pixels, "conv1", "bn1", 2, 3))
    x = functional.max_pool2d(x, 3, 2, 1)
    maps = []
    for stage, blocks in enumerate(BLOCKS):
        for block in range(blocks):
            here, stride = f"layer{stage + 1}.{block}.", 2 if stage and not block else 1
            y = torch.relu(step(x, f"{here}conv1", f"{here}bn1"))
            y = torch.relu(step(y, f"{here}conv2", f"{here}bn2", stride, 1))
            y = step(y, f"{here}conv3", f"{here}bn3")
            x = torch.relu(y + (x if block else step(x, f"{here}downsample.0", f"{here}downsample.1", stride)))
        maps.append(x)
    return maps


def test_the_backbone_and_pyramid_compute_what_pytorch_computes(state, model):
    photo = np.random.default_rng(1).integers(0, 256, (1, 64, 128, 3)).astype("float32")
    std, mean = 255 * np.array([0.229, 0.224, 0.225]), 255 * np.array([0.485, 0.456, 0.406])
    bodies = torch_body(state, first((photo - mean) / std))
    inner = [
        functional.conv2d(x, *(state[f"backbone.fpn.inner_blocks.{n}.0.{p}"] for p in ("weight", "bias")))
        for n, x in enumerate(bodies)
    ]
    for level in (2, 1, 0):
        inner[level] = inner[level] + functional.interpolate(inner[level + 1], scale_factor=2, mode="nearest")
    outer = [
        functional.conv2d(x, *(state[f"backbone.fpn.layer_blocks.{n}.0.{p}"] for p in ("weight", "bias")), padding=1)
        for n, x in enumerate(inner)
    ]
    outer.append(functional.max_pool2d(outer[3], 1, 2, 0))
    names = ["res2a_out", "res3b_out", "res4a_out", "res5a_out", *(f"fpn_p{level}" for level in range(2, 7))]
    graph = model.inference_model
    maps = keras.Model(graph.input["image"], [graph.get_layer(name).output for name in names])(photo)
    for ours, theirs in zip(maps, bodies + outer):
        close(keras.ops.convert_to_numpy(ours), last(theirs))


def test_proposals_come_from_the_same_boxes(state, model):
    features = np.random.default_rng(2).normal(size=(1, 3, 5, CHANNELS)).astype("float32")

    def convolved(x, name, padding=0):
        return functional.conv2d(x, state[f"rpn.head.{name}.weight"], state[f"rpn.head.{name}.bias"], padding=padding)

    hidden = torch.relu(convolved(first(features), "conv.0.0", 1))
    logits, deltas = last(convolved(hidden, "cls_logits"))[0], last(convolved(hidden, "bbox_pred"))[0]
    hidden = layer_of(model, "rpn_conv_shared")(features)
    ours = [keras.ops.convert_to_numpy(layer_of(model, name)(hidden))[0] for name in ("rpn_class_raw", "rpn_bbox_pred")]
    # Its ratios 0.5, 1, 2 are height / width, ours width / height.
    close(ours[0], logits[..., [2, 1, 0]])
    stride, scale = 8, 64  # of P3
    for ratio, theirs in ((0.5, 2), (1.0, 1), (2.0, 0)):
        height, width = scale / np.sqrt(ratio), scale * np.sqrt(ratio)
        for row, column in ((0, 0), (2, 4)):
            # Its anchors stand on the cells' corners: (x, y, w, h) moved as R-CNN says, without deviations.
            dx, dy, dw, dh = deltas[row, column, 4 * theirs : 4 * theirs + 4]
            x, y = column * stride + dx * width, row * stride + dy * height
            half = np.array([height * np.exp(dh), width * np.exp(dw)]) / 2
            expected = [y - half[0], x - half[1], y + half[0], x + half[1]]
            centre = (np.array([row, column]) + 0.5) * stride
            anchor = np.concatenate([centre - [height / 2, width / 2], centre + [height / 2, width / 2]])
            index = [0.5, 1.0, 2.0].index(ratio)
            delta = ours[1][row, column, 4 * index : 4 * index + 4]
            np.testing.assert_allclose(
                box_ops.decode(delta, anchor, model.config.RPN_BBOX_STD_DEV), expected, rtol=1e-4, atol=1e-3
            )


def test_the_box_head_says_the_same_of_a_crop(state, model):
    crop = np.random.default_rng(3).normal(size=(2, 7, 7, CHANNELS)).astype("float32")

    def dense(x, name):
        return functional.linear(x, state[f"roi_heads.{name}.weight"], state[f"roi_heads.{name}.bias"])

    x = torch.relu(dense(torch.flatten(first(crop), 1), "box_head.fc6"))
    x = torch.relu(dense(x, "box_head.fc7"))
    scores, deltas = dense(x, "box_predictor.cls_score").numpy(), dense(x, "box_predictor.bbox_pred").numpy()
    y = crop
    for name in ("flatten", "conv1", "bn1", "relu1", "conv2", "bn2", "relu2"):
        y = layer_of(model, f"mrcnn_class_{name}")(y)
    close(keras.ops.convert_to_numpy(layer_of(model, "mrcnn_class_logits")(y)), scores)
    ours = keras.ops.convert_to_numpy(layer_of(model, "mrcnn_bbox_fc")(y)).reshape(2, CLASSES, 4)
    # (x, y, w, h) divided by (10, 10, 5, 5) are the deltas; ours are (y, x, h, w) times BBOX_STD_DEV.
    theirs = deltas.reshape(2, CLASSES, 4) / [10, 10, 5, 5]
    close(ours * model.config.BBOX_STD_DEV, theirs[..., [1, 0, 3, 2]])


def test_the_mask_head_says_the_same_of_a_crop(state, model):
    crop = np.random.default_rng(4).normal(size=(2, 14, 14, CHANNELS)).astype("float32")
    x, y = first(crop), crop
    for number in range(4):
        weight, bias = (state[f"roi_heads.mask_head.{number}.0.{part}"] for part in ("weight", "bias"))
        x = torch.relu(functional.conv2d(x, weight, bias, padding=1))
        for part in ("conv", "bn", "relu"):
            y = layer_of(model, f"mrcnn_mask_{part}{number + 1}")(y)
    weights = [state[f"roi_heads.mask_predictor.{name}.{part}"] for name in ("conv5_mask", "mask_fcn_logits")
               for part in ("weight", "bias")]
    x = functional.conv2d(torch.relu(functional.conv_transpose2d(x, *weights[:2], stride=2)), *weights[2:])
    y = layer_of(model, "mrcnn_mask")(layer_of(model, "mrcnn_mask_deconv")(y))
    close(keras.ops.convert_to_numpy(y), last(x))


def test_all_names_and_files_give_the_same_numbers(state, path, model, tmp_path):
    expected = torchvision_weights.convert(path, model.config)
    torch.save({"model": older_names(state)}, tmp_path / "old.pth")
    save_safetensors(state, tmp_path / "new.safetensors")
    for name in ("old.pth", "new.safetensors"):
        layers = torchvision_weights.convert(str(tmp_path / name), model.config)
        assert list(layers) == list(expected)
        for layer in layers:
            for weight, value in layers[layer].items():
                np.testing.assert_array_equal(value, expected[layer][weight], err_msg=f"{layer}/{weight}")
    assert model.class_names is None  # four classes of somebody's own
    state_of_coco = {**state, "roi_heads.box_predictor.cls_score.weight": torch.zeros(91, WIDTH)}
    torch.save(state_of_coco, tmp_path / "coco.pth")
    settings = torchvision_weights.settings_of(str(tmp_path / "coco.pth"))
    # COCO's ids of person, dog and toothbrush; 12 is one that it leaves out.
    assert [settings["class_names"][index] for index in (0, 1, 12, 18, 90)] == ["BG", "person", "N/A", "dog",
                                                                              "toothbrush"]
    assert settings["config"]["NUM_CLASSES"] == 91 and settings["config"]["BACKBONE"] == "resnet50_v1_5"


def test_another_mean_pixel_changes_nothing_away_from_the_border(path, model):
    # sum W (p - m) + b is one number for every m that b was made for; p is the colour of an even photo.
    sums = []
    for mean in ([123.7, 116.8, 103.9], [0.0, 0.0, 0.0], list(model.config.MEAN_PIXEL)):
        config = Config.from_dict(model.config.to_dict(), MEAN_PIXEL=np.array(mean))
        stem = torchvision_weights.convert(path, config)["conv1"]
        colour = np.array([200.0, 30.0, 90.0]) - mean
        sums.append(np.einsum("hwio,i->o", stem["kernel"].astype("float64"), colour) + stem["bias"])
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(sums[0], sums[2], rtol=1e-5, atol=1e-5)


def test_other_crops_than_torchvisions_are_told(path, model):
    for aligned, told in ((False, []), (True, [f"{path} was trained with ROI_ALIGNED=False, and is run with "
                                               "ROI_ALIGNED=True: its weights now stand for something else. Leave it "
                                               "out, or train on with it."])):
        config = Config.from_dict(model.config.to_dict(), ROI_ALIGNED=aligned)
        assert told_of_settings(path, model.settings_in(path), config, ["mrcnn_class_conv1"]) == told


def test_the_epsilon_is_folded_and_zero_for_the_published_file(state, path, model, monkeypatch):
    variance = state["backbone.body.bn1.running_var"].numpy().astype("float64")
    gamma = state["backbone.body.bn1.weight"].numpy()
    for digest, epsilon in (("no such", 1e-5), (hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:8], 0.0)):
        monkeypatch.setattr(torchvision_weights, "PUBLISHED_SHA256", digest)
        norm = torchvision_weights.convert(path, model.config)["bn_conv1"]
        np.testing.assert_allclose(
            norm["gamma"] / np.sqrt(norm["moving_variance"] + 1e-3), gamma / np.sqrt(variance + epsilon), rtol=1e-5
        )


def test_settings_that_do_not_fit_are_named(path, model):
    settings = model.config.to_dict()
    for overrides, message in (
        ({"BACKBONE": "resnet50"}, "build the network with BACKBONE='resnet50_v1_5', or by MaskRCNN.from_checkpoint"),
        ({"NUM_CLASSES": 9, "RPN_CHANNELS": 512}, "NUM_CLASSES=4, RPN_CHANNELS=16"),
        ({"HEAD_NORM": "group"}, "HEAD_NORM='batch'"),
        ({"RPN_ANCHOR_SCALES": (16, 32, 64, 128, 256)}, r"RPN_ANCHOR_SCALES=\(32, 64, 128, 256, 512\)"),
    ):
        with pytest.raises(CheckpointError, match=message) as caught:
            torchvision_weights.convert(path, Config.from_dict(settings, **overrides))
        assert "\n" not in str(caught.value)
    other_classes = Config.from_dict(settings, NUM_CLASSES=9)
    assert torchvision_weights.convert(path, other_classes, exclude=("mrcnn_class_logits", "mrcnn_bbox_fc"))


def test_other_files_are_refused_and_the_network_is_left_alone(state, model, tmp_path):
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in model.training_model.weights]
    lacking = {name: value for name, value in state.items() if name != "backbone.fpn.inner_blocks.2.0.weight"}
    more = {**state, "rpn.head.conv.1.0.weight": torch.zeros(1)}
    wrong = {**state, "roi_heads.box_head.fc7.weight": torch.zeros(WIDTH, 3)}
    poisoned = {**state, "roi_heads.box_head.fc7.bias": torch.full((WIDTH,), float("nan"))}
    for name, content, message in (
        ("lacking.pth", lacking, "lacking.pth lacks backbone.fpn.inner_blocks.2.0.weight"),
        ("more.pth", more, r"more.pth holds rpn.head.conv.1.0.weight.*another model"),
        ("wrong.pth", wrong, r"mrcnn_class_conv2/kernel is \[3, 32\] in the file, \[32, 32\] in the network"),
        ("nan.pth", poisoned, "mrcnn_class_conv2/bias holds NaN"),
        ("other.pth", {"fc.weight": torch.zeros(2, 2)}, "no state dict of torchvision.*begins with fc.weight"),
    ):
        torch.save(content, tmp_path / name)
        with pytest.raises(CheckpointError, match=message) as caught:
            model.load_weights(str(tmp_path / name))
        assert "\n" not in str(caught.value)
    for old, new in zip(before, model.training_model.weights):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(new))


def test_an_imagenet_classifier_of_torchvision_fills_the_backbone(model, tmp_path):
    rng = np.random.default_rng(5)
    state = {name: torch.from_numpy(np.asarray(value, "float32")) for name, value in body_state(rng, "").items()}
    state["fc.weight"], state["fc.bias"] = torch.zeros(10, 2048), torch.zeros(10)
    torch.save(state, tmp_path / "resnet50.pth")
    assert load_imagenet(model.training_model, model.config, str(tmp_path / "resnet50.pth")) == 40
    kernel = keras.ops.convert_to_numpy(layer_of(model, "res3b_branch2b").kernel)
    np.testing.assert_array_equal(kernel, state["layer2.1.conv2.weight"].numpy().transpose(2, 3, 1, 0))


def test_a_classifier_of_rgb_serves_grey_photos(tmp_path, capsys):
    rng = np.random.default_rng(5)
    state = body_state(rng, "")
    kernel = np.asarray(state["conv1.weight"], float).transpose(2, 3, 1, 0) / torchvision_weights.PIXEL_STD[:, None]
    source = torchvision_weights.Source("a.pth", {n: np.asarray(v) for n, v in state.items()}, 1e-5)
    stem = torchvision_weights.backbone_layers(source, "", (1, 2, 1, 1), [100])["conv1"]
    np.testing.assert_allclose(stem["kernel"], kernel.sum(axis=2, keepdims=True), rtol=1e-4, atol=1e-6)
    shift = kernel.sum(axis=(0, 1)).T @ (100 - torchvision_weights.PIXEL_MEAN)
    np.testing.assert_allclose(stem["bias"], shift, rtol=1e-3, atol=1e-4)
    assert "a.pth: learned on RGB; for grey" in capsys.readouterr().out
