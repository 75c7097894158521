import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.errors import CheckpointError
from mrcnn.weights.stem import kernel_of_channels, shift_of_means, told_of_mean_pixel

MEANS = np.array([120.0, 110, 100])


@pytest.fixture
def kernel():
    return np.random.default_rng(0).normal(size=(3, 3, 3, 5)).astype("float32")


def convolved(kernel, pixels):
    """One place of a convolution: the sum over [h, w, C]."""
    return np.einsum("hwio,hwi->o", kernel.astype(float), pixels)


@pytest.mark.parametrize("mean_pixel", [[123.7, 116.8, 103.9], [117.0], [90.0, 80.0, 70.0, 60.0, 50.0]])
def test_a_network_of_other_channels_and_means_sees_what_the_weights_saw(kernel, mean_pixel, capsys):
    photo = np.random.default_rng(1).uniform(0, 255, (3, 3, len(mean_pixel)))
    rgb = np.repeat(photo, 3, axis=2) if len(mean_pixel) == 1 else photo[:, :, :3]
    own = kernel_of_channels(kernel, len(mean_pixel), "a.h5")
    found = convolved(own, photo - mean_pixel) + shift_of_means(kernel, MEANS, mean_pixel)
    np.testing.assert_allclose(found, convolved(kernel, rgb - MEANS), rtol=1e-4, atol=1e-2)
    told = capsys.readouterr().out
    assert told.count("\n") == (len(mean_pixel) != 3)
    assert {1: "a.h5: learned on RGB; for grey photos", 3: "", 5: "the other 2 start at 0"}[len(mean_pixel)] in told


def test_what_no_kernel_of_rgb_serves_is_refused(kernel):
    with pytest.raises(CheckpointError, match="a.h5 takes 3 channels and IMAGE_CHANNEL_COUNT is 2: set it to 1"):
        kernel_of_channels(kernel, 2, "a.h5")
    with pytest.raises(CheckpointError, match=r"a.h5: its first convolution is \[3, 3, 1, 5\], .* learned on RGB"):
        kernel_of_channels(kernel[:, :, :1], 3, "a.h5")


def test_weights_of_another_mean_pixel_are_told():
    config = Config(MEAN_PIXEL=[1, 2, 3])
    assert told_of_mean_pixel("a.h5", {"MEAN_PIXEL": [4.5, 5, 6]}, config) == [
        "a.h5 was trained with MEAN_PIXEL=[4.5,5,6], and this network subtracts [1,2,3]: set MEAN_PIXEL=[4.5,5,6] to "
        "keep the pixels that the weights know."]
    assert "MEAN_PIXEL=[123.7,116.8,103.9]" in told_of_mean_pixel("logs/mask_rcnn_coco.h5", None, config)[0]
    assert told_of_mean_pixel("a.h5", {"MEAN_PIXEL": [1.0, 2.0, 3.0]}, config) == []
    assert told_of_mean_pixel("imagenet_resnet50.h5", None, config) == []  # not known
    assert told_of_mean_pixel("logs/mask_rcnn_coco.h5", None, Config()) == []
