"""U2-Net: its block against a recursive one in PyTorch, and its seven outputs."""

import keras
import numpy as np
import pytest

from mrcnn.config_pixels import U2NetSettings
from mrcnn.network.pixel_layers import Blocks
from mrcnn.network.u2net import build_u2net, residual_u

CONFIG = U2NetSettings(NAME="t", NUM_CLASSES=3, IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64, HEAD_NORM="batch")


@pytest.mark.parametrize("height", ["7", "6", "5", "4", "4F"])
def test_a_residual_block_is_a_u_of_its_height(height):
    """A U of level n holds one of level n + 1 at half the size; the one of "4F" at the same size, and dilates."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    given = keras.Input((64, 32, 3))
    model = keras.Model(given, residual_u(given, height, 2, 4, Blocks(CONFIG), "b"))
    rng = np.random.default_rng(0)
    kernels = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([rng.normal(0, 0.3, layer.kernel.shape)])
            kernels[layer.name] = torch.from_numpy(layer.get_weights()[0].transpose(3, 2, 0, 1).copy())

    def convolved(x, part, rate=1):
        x = functional.conv2d(x, kernels[f"b_{part}"], padding=rate, dilation=rate)
        return torch.relu(x / np.sqrt(1 + 1e-3))

    levels, dilates = int(height[0]), height.endswith("F")

    def u(x, level):
        rate = 2 ** (level - 1) if dilates else 1
        if level == levels:
            return convolved(x, "bottom", rate if dilates else 2)
        x = convolved(x, f"down{level}", rate)
        halves = not dilates and level + 1 < levels
        inner = u(functional.max_pool2d(x, 2) if halves else x, level + 1)
        if halves:
            inner = functional.interpolate(inner, scale_factor=2, mode="bilinear")
        return convolved(torch.cat([inner, x], dim=1), f"up{level}", rate)

    image = rng.normal(size=(1, 64, 32, 3)).astype(np.float32)
    x = convolved(torch.from_numpy(image.transpose(0, 3, 1, 2).copy()), "in")
    wanted = (u(x, 1) + x).detach().numpy().transpose(0, 2, 3, 1)
    got = keras.ops.convert_to_numpy(model(image))
    np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="shapes are the same on every backend")
def test_seven_outputs_of_the_size_of_the_photo():
    """Six sides of strides 1 to 32 and what a 1x1 convolution makes of all six (Qin 2020, section 3.2)."""
    blocks = {"encoder": [(height, 1, 2) for height in ("7", "6", "5", "4", "4F", "4F")],
              "decoder": [(height, 1, 2) for height in ("4F", "4", "5", "6", "7")]}
    training, _ = build_u2net(CONFIG, blocks)
    logits = {name: output.shape[1:] for name, output in training.output.items() if "logits" in name}
    assert logits == {name: (64, 64, 3) for name in ["pixel_class_loss_logits_0",
                                                     *(f"side_loss_logits_{i}" for i in range(6))]}
    assert [training.get_layer(f"side_{i}_logits").output.shape[1] for i in range(1, 7)] == [64, 32, 16, 8, 4, 2]
    assert training.get_layer("label_logits").kernel.shape == (1, 1, 6 * 3, 3)
