"""DeepLabv3, DeepLabv3+, U-Net and U2-Net-p, small: each learns eight pictures by heart, and is what its paper says."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from killed import DiskOf
from rewriting import running_eagerly
from tiny import Squares
from tiny_pixels import NETWORKS, SHARED, make_sure, pixel_network

from mrcnn import architectures
from mrcnn.architectures.pixels import DeepLabV3, U2Net, U2NetP, UNet
from mrcnn.errors import ConfigError
from mrcnn.training.runs import find_last_checkpoint

STEPS = {"deeplabv3": 80, "deeplabv3plus": 60, "unet": 60, "u2netp": 40}  # until eight pictures are known by heart

# A program that labels photos with some checkpoints: folder with NAME.h5 and images.npy, and where to write.
LABEL = """
import sys
import numpy as np
from mrcnn import architectures

folder, results, *names = sys.argv[1:]
images = list(np.load(folder + "/images.npy"))
told = {}
for name in names:
    for i, result in enumerate(architectures.load(f"{folder}/{name}.h5").label(images)):
        told[f"{name}{i}"] = result["probabilities"]
np.savez(results, **told)
"""


class LargeSquares(Squares):
    """Squares of 30 to 44 pixels: an edge that is a share of a cell of stride 8 off is a small part of them."""

    def shape_of(self, image_id):
        size, y, x, side, colour = super().shape_of(image_id)
        return size, y // 2, x // 2, side + 15, colour


@pytest.mark.parametrize("name", NETWORKS)
def test_a_few_steps_move_every_weight_and_lower_the_loss(name, tmp_path):
    settings = {"IMAGES_PER_GPU": 2, "STEPS_PER_EPOCH": 3, "WARMUP_STEPS": 0, "LR_SCHEDULE": "constant"}
    model, losses = pixel_network(name, tmp_path, **settings), []
    before = weights_of(model)
    told = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(logs["loss"]))
    with running_eagerly(True):
        model.train(LargeSquares().load(2), None, 1e-3, 1, "all", custom_callbacks=[told])
    after, learning = weights_of(model), {v.path for v in model.training_model.trainable_weights}
    still = [v.path for v, old, new in zip(model.training_model.weights, before, after)
             if v.path in learning and np.array_equal(old, new)]
    assert not still
    # The figures are means since the first step.
    assert losses[2] < losses[1] < losses[0]


# The others take as long as U-Net and as long again.
@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="on PyTorch a few steps of each will do")
@pytest.mark.parametrize("name", [name if name == "unet" else pytest.param(name, marks=pytest.mark.long)
                                  for name in NETWORKS])
def test_it_learns_eight_pictures_by_heart(name, tmp_path):
    model, pictures = pixel_network(name, tmp_path, STEPS_PER_EPOCH=STEPS[name]), LargeSquares().load(8)
    model.train(pictures, None, 1e-2, 1, "all")
    assert model.measure(pictures)["mean_IoU"] > 0.95
    again = architectures.load(find_last_checkpoint(str(tmp_path), "eight"))
    assert type(again) is type(model)
    image = pictures.load_image(3)
    np.testing.assert_array_equal(again.label([image])[0]["labels"], model.label([image])[0]["labels"])


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long) if name == "u2netp" else name
                                  for name in NETWORKS])
def test_canvases_of_any_shape(name, tmp_path):
    """In a graph of TensorFlow neither height nor width is known then."""
    norm = {"HEAD_NORM": "batch"} if name == "u2netp" else {}  # of its many convolutions it makes a smaller graph
    model = pixel_network(name, tmp_path, IMAGE_RESIZE_MODE="rectangle", IMAGE_MIN_DIM=0, **norm)
    (found,) = model.label([np.zeros((40, 90, 3), np.uint8)])
    assert found["probabilities"].shape == (40, 90, 4)


def test_what_the_losses_are(tmp_path):
    weighed = pixel_network("unet", tmp_path, PIXEL_CLASS_WEIGHTS=[0.1, 1, 1, 1])
    assert weighed.training_model.pixel_loss.class_weights == (0.1, 1, 1, 1)
    assert pixel_network("unet", tmp_path, PIXEL_CLASS_WEIGHTS=None, BACKGROUND_WEIGHT=0.5
                         ).training_model.pixel_loss.class_weights == (0.5, 1, 1, 1)
    model = pixel_network("unet", tmp_path, PIXEL_CLASS_WEIGHTS="pixels")
    model.before_fit(model.batches(Squares().load(8)))
    weights = model.training_model.pixel_loss.class_weights
    assert weights[0] == min(weights) < 0.2  # most of each picture is background
    assert sorted(mean.name for mean in pixel_network("u2netp", tmp_path).training_model.loss_means) == [
        "pixel_class_loss", "side_loss"]


@pytest.mark.slow
def test_the_number_of_weights_is_that_of_the_paper():
    """U2-Net has 44.0 million, U2-Net-p 1.13 million (Qin 2020, table 4: 176.3 and 4.7 MB of four bytes each)."""
    for architecture, megabytes in ((U2Net, 176.3), (U2NetP, 4.7)):
        config = architecture.settings(NAME="t", NUM_CLASSES=2, IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64, NORM="batch",
                                       HEAD_NORM="batch")
        weights = architecture("inference", config, "logs").inference_model.count_params()
        assert weights * 4 / 1e6 == pytest.approx(megabytes, rel=0.04)


def test_the_same_weights_serve_both_strides(tmp_path):
    coarse = pixel_network("deeplabv3", tmp_path, OUTPUT_STRIDE=16)
    coarse.save_weights(tmp_path / "a.h5")
    fine = architectures.load(str(tmp_path / "a.h5"), OUTPUT_STRIDE=8)
    assert fine.inference_model.get_layer("aspp_joined").output.shape[1] == 8
    assert coarse.inference_model.get_layer("aspp_joined").output.shape[1] == 4
    rates = [fine.inference_model.get_layer(f"aspp_atrous{i}").dilation_rate[0] for i in (1, 2, 3)]
    assert rates == [12, 24, 36]


@pytest.mark.parametrize("architecture,settings,message", [
    (U2NetP, {"BACKBONE": "resnet50"}, "BACKBONE='resnet50': u2netp has an encoder of its own"),
    (UNet, {"PIXEL_LOSS": "dice+dice"}, "PIXEL_LOSS='dice.dice': give some of cross-entropy"),
    (UNet, {"PIXEL_CLASS_WEIGHTS": [1, 2]}, "PIXEL_CLASS_WEIGHTS=.*NUM_CLASSES=4 numbers"),
    (UNet, {"PIXEL_CLASS_WEIGHTS": [0, 0, 0, 0]}, "no class counts: give one a weight above 0"),
    (UNet, {"PIXEL_CLASS_WEIGHTS": "objects"}, "PIXEL_CLASS_WEIGHTS='objects': give .* pixels"),
    (DeepLabV3, {"OUTPUT_STRIDE": 4}, "OUTPUT_STRIDE=4 is none of 8, 16, 32"),
    (DeepLabV3, {"LOSS_WEIGHTS": {"pixel_class_loss": 1}}, "LOSS_WEIGHTS lacks auxiliary_loss"),
    (DeepLabV3, {"NUM_CLASSES": 300}, "NUM_CLASSES=300: a label map holds 255 classes"),
    (UNet, {"DETECTION_MIN_CONFIDENCE": 0.5}, "DETECTION_MIN_CONFIDENCE"),
])
def test_settings_that_do_not_fit(architecture, settings, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        architecture("training", architecture.settings(**{**SHARED, **settings}), str(tmp_path))


def test_a_residual_block_keeps_its_size_and_dilates_where_it_does_not_pool():
    config = U2NetP.settings(NAME="t", NUM_CLASSES=2, IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64, NORM="group")
    network = U2NetP("inference", config, "logs").inference_model
    sides = {i: network.get_layer(f"encoder_{i}_out").output.shape[1] for i in range(1, 7)}
    assert sides == {1: 64, 2: 32, 3: 16, 4: 8, 5: 4, 6: 2}
    rates = [network.get_layer(f"encoder_6_{part}").dilation_rate[0] for part in ("down1", "down2", "down3", "bottom")]
    assert rates == [1, 2, 4, 8]
    assert network.get_layer("encoder_1_bottom").output.shape[1] == 2  # five halvings of 64
    probabilities = network({"image": np.zeros((1, 64, 64, 3), np.float32)})["probabilities"]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(probabilities).sum(-1), 1, atol=1e-5)


# --- The same on every backend, and after a kill ---------------------------------------------------------------------


COMPARED = [name for name in NETWORKS if name != "deeplabv3"]  # all of it is in DeepLabv3+


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A function from names of networks to (folder with a checkpoint of each and images.npy, TensorFlow's probabilities
    by name and photo)."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow compares the others with itself")
    folder = tmp_path_factory.mktemp("backends")
    images = np.random.default_rng(0).integers(0, 256, (2, 60, 45, 3)).astype(np.uint8)
    np.save(folder / "images.npy", images)

    def of(names):
        expected = {}
        for name in names:
            # Of maps of four cells, the deepest of U2-Net here, group normalisation would make much of each rounding.
            norm = {"HEAD_NORM": "batch"} if name == "u2netp" else {}
            model = make_sure(pixel_network(name, folder, "inference", **norm))
            model.save_weights(folder / f"{name}.h5")
            with running_eagerly(True):
                results = model.label(list(images))
            expected.update({f"{name}{i}": result["probabilities"] for i, result in enumerate(results)})
        return folder, expected

    return of


@pytest.mark.slow
@pytest.mark.parametrize("backend, names", [
    ("jax", COMPARED[:2]),
    pytest.param("jax", COMPARED[2:], marks=pytest.mark.long),  # JAX compiles U2-Net-p for as long as the other two
    pytest.param("torch", COMPARED, marks=pytest.mark.long),
])
def test_one_set_of_weights_gives_one_set_of_label_maps(files, backend, names):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: pip install mrcnn-keras[{backend}]")
    folder, expected = files(names)
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(pathlib.Path(__file__).parents[2]),
                   "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"}
    arguments = [str(folder), str(folder / f"{backend}.npz"), *names]
    done = subprocess.run([sys.executable, "-c", LABEL, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    told = np.load(folder / f"{backend}.npz")
    assert set(told) == set(expected) and len(expected) == 2 * len(names)
    for name, value in expected.items():
        assert value.std() > 0.1, f"{name}: all classes are about as probable, on which any two networks agree"
        np.testing.assert_allclose(told[name], value, atol=1e-3, err_msg=name)


def weights_of(model):
    return [np.array(keras.ops.convert_to_numpy(v)) for v in model.training_model.weights]


# Dropout's seeds, side losses, class weights that are counted anew: what each network has to remember or find again.
KILLED = {
    "deeplabv3": {"HEAD_DROPOUT": 0.5, "EMA_DECAY": 0.9, "PRECISION": "mixed_bfloat16"},
    "unet": {"PIXEL_CLASS_WEIGHTS": "pixels", "EMA_DECAY": 0.9, "ACCUMULATE_STEPS": 2, "PRECISION": "mixed_float16"},
    "u2netp": {"STEPS_PER_EPOCH": 1},
}


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", [name if name == "unet" else pytest.param(name, marks=pytest.mark.long)
                                  for name in KILLED])
def test_a_killed_run_ends_as_an_unbroken_one(name, tmp_path):
    settings = {"IMAGES_PER_GPU": 1, "STEPS_PER_EPOCH": 2, "WARMUP_STEPS": 0, **KILLED[name]}
    data, whole = Squares().load(2), pixel_network(name, tmp_path / "whole", **settings)
    start = weights_of(whole)
    whole.train(data, None, 1e-3, 2, "all", custom_callbacks=[DiskOf(whole, 1, tmp_path / "killed")])
    resumed = pixel_network(name, tmp_path / "resumed", **settings)
    resumed.load_weights(find_last_checkpoint(str(tmp_path / "killed")))
    assert resumed.epoch == 1
    resumed.train(data, None, 1e-3, 2, "all")
    assert np.isfinite(resumed.history.history["loss"]).all()
    moved = max(abs(a - b).max() for a, b in zip(weights_of(whole), start, strict=True))
    apart = max(abs(a - b).max() for a, b in zip(weights_of(whole), weights_of(resumed), strict=True))
    assert apart < moved / 1000  # zero on one thread
