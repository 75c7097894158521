"""A state dict in the layout of torchvision's DeepLabv3: our network computes what PyTorch does with its head.

The backbone has one block a stage here; its conversion is that of Mask R-CNN's, see test_torchvision.py.
"""

import keras
import numpy as np
import pytest

from mrcnn import architectures
from mrcnn.config_backbones import OWN_BACKBONES
from mrcnn.errors import CheckpointError
from mrcnn.network.backbones import RESNETS_V1_5

torch = pytest.importorskip("torch")
nn = torch.nn
CLASSES, CHANNELS = 3, 16


def conv(inside, outside, size=1, rate=1):
    padding = rate if size > 1 else 0
    return [nn.Conv2d(inside, outside, size, padding=padding, dilation=rate, bias=False), nn.BatchNorm2d(outside),
            nn.ReLU()]


class Pool(nn.Sequential):
    def forward(self, x):
        size = x.shape[-2:]
        for layer in self:
            x = layer(x)
        return nn.functional.interpolate(x, size=size, mode="bilinear")


class Pyramid(nn.Module):
    def __init__(self):
        super().__init__()
        branches = [conv(2048, CHANNELS), *(conv(2048, CHANNELS, 3, rate) for rate in (12, 24, 36))]
        self.convs = nn.ModuleList([*(nn.Sequential(*layers) for layers in branches),
                                    Pool(nn.AdaptiveAvgPool2d(1), *conv(2048, CHANNELS))])
        self.project = nn.Sequential(*conv(5 * CHANNELS, CHANNELS), nn.Dropout(0.5))

    def forward(self, x):
        return self.project(torch.cat([branch(x) for branch in self.convs], dim=1))


def block(inside, width):
    """A bottleneck as an nn.Module that only holds weights."""
    module = nn.Module()
    for index, (a, b, size) in enumerate(((inside, width, 1), (width, width, 3), (width, 4 * width, 1)), start=1):
        setattr(module, f"conv{index}", nn.Conv2d(a, b, size, bias=False))
        setattr(module, f"bn{index}", nn.BatchNorm2d(b))
    module.downsample = nn.Sequential(nn.Conv2d(inside, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width))
    return module


@pytest.fixture(scope="module")
def reference():
    torch.manual_seed(0)
    model = nn.Module()
    model.backbone = nn.Module()
    model.backbone.conv1, model.backbone.bn1 = nn.Conv2d(3, 64, 7, bias=False), nn.BatchNorm2d(64)
    inside = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        setattr(model.backbone, f"layer{stage}", nn.Sequential(block(inside, width)))
        inside = 4 * width
    model.classifier = nn.Sequential(Pyramid(), *conv(CHANNELS, CHANNELS, 3), nn.Conv2d(CHANNELS, CLASSES, 1))
    model.aux_classifier = nn.Sequential(*conv(1024, 256, 3), nn.Dropout(0.1), nn.Conv2d(256, CLASSES, 1))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.3, 0.6)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.eval()


@pytest.fixture(scope="module")
def path(reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("torchvision") / "deeplabv3.pth"
    torch.save(reference.state_dict(), path)
    return str(path)


@pytest.fixture(autouse=True)
def short_resnet(monkeypatch):
    monkeypatch.setitem(RESNETS_V1_5, "resnet_short_v1_5", (1, 1, 1, 1))
    monkeypatch.setattr("mrcnn.config_backbones.OWN_BACKBONES", (*OWN_BACKBONES, "resnet_short_v1_5"))


def test_heads_compute_what_pytorch_computes(reference, path):
    model = architectures.load(path, mode="training", IMAGE_RESIZE_MODE="square", IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64)
    assert (model.architecture, model.config.OUTPUT_STRIDE, model.config.NUM_CLASSES) == ("deeplabv3", 8, CLASSES)
    network = model.training_model
    parts = keras.Model(network.input["image"], {
        "C4": network.get_layer("auxiliary_conv").input, "C5": network.get_layer("aspp_1x1").input,
        "label": network.get_layer("label_logits").output, "auxiliary": network.get_layer("auxiliary_logits").output})
    image = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    got = {name: keras.ops.convert_to_numpy(value) for name, value in parts(image).items()}
    assert got["C5"].shape == (2, 8, 8, 2048)
    for head, given, name in (("classifier", "C5", "label"), ("aux_classifier", "C4", "auxiliary")):
        with torch.no_grad():
            wanted = getattr(reference, head)(torch.from_numpy(got[given].transpose(0, 3, 1, 2).copy())).numpy()
        wanted = wanted.transpose(0, 2, 3, 1)
        np.testing.assert_allclose(got[name], wanted, atol=2e-5 * np.abs(wanted).max())


def test_what_the_commands_ask_of_the_file(path):
    settings = architectures.read_settings(path)
    assert settings["config"]["OUTPUT_STRIDE"] == 8 and settings["class_names"] is None  # three classes are not VOC's


def test_what_does_not_fit_is_named(path, tmp_path):
    with pytest.raises(CheckpointError, match="NUM_CLASSES=3"):
        config = architectures.class_of("deeplabv3").settings(
            NAME="t", NUM_CLASSES=2, BACKBONE="resnet_short_v1_5", HEAD_NORM="batch", ASPP_CHANNELS=CHANNELS,
            IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64)
        architectures.class_of("deeplabv3")("inference", config, str(tmp_path)).load_weights(path)
    torch.save({"classifier.0.weight": torch.zeros(3)}, tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match="no state dict of torchvision's deeplabv3"):
        architectures.load(str(tmp_path / "vgg.pth"))
