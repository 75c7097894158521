"""Training on several devices: losses and weights as on one with the same batches, and files of the chief alone."""

import csv
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
from tiny import TinyConfig, tiny_batch

from mrcnn.data.instance_samples import InstanceSamples
from mrcnn.errors import ConfigError
from mrcnn.network.targets import AnchorTargets, RegionTargets
from mrcnn.training import devices

TESTS = pathlib.Path(__file__).parent.parent
BACKEND = keras.backend.backend()
# Five photos in batches of two: the last batch has one, which two devices cannot share.
MODEL = """
import os, sys
import mrcnn
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # not worth it for a few steps
    if "TF_CONFIG" not in os.environ:
        processor = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import numpy as np
from mrcnn.model import MaskRCNN
from tiny import Squares, TinyConfig


class Losses(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.rows = []

    def on_train_batch_end(self, batch, logs=None):
        self.rows.append([float(value) for _, value in sorted(logs.items())])


def model(devices, logs):
    keras.utils.set_random_seed(1)
    # Frozen norms make the smaller graph, of which there is one for each device.
    config = TinyConfig(GPU_COUNT=devices, IMAGES_PER_GPU=2 // devices, GRADIENT_CLIP_NORM=0.5, NORM="batch")
    return MaskRCNN("training", config, logs)


def weights_of(model):
    return {str(index): np.asarray(weight) for index, weight in enumerate(model.training_model.weights)}
"""
COMPARE = MODEL + """
folder, devices = sys.argv[1], int(sys.argv[2])
trained, losses = model(devices, f"{folder}/logs{devices}"), Losses()
np.savez(f"{folder}/start{devices}.npz", **weights_of(trained))
trained.train(Squares().load(5), None, 0.02, 1, "all", custom_callbacks=[losses])
np.savez(f"{folder}/end{devices}.npz", **weights_of(trained), losses=np.array(losses.rows))
"""
RECIPES = """
from mrcnn.training.devices import devices_for
from mrcnn.training.optimizer import make_optimizer

class Lines(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return np.arange(12, dtype="float32").reshape(4, 3) * (index + 1) / 30, np.ones((4, 1), "float32")

weights = {}
for name, settings in (("clip", {}), ("float16", {"PRECISION": "mixed_float16"}), ("mean", {"EMA_DECAY": 0.9}),
                       ("adamw", {"OPTIMIZER": "adamw"})):
    for count in 1, 2:
        keras.utils.set_random_seed(2)
        config = TinyConfig(GPU_COUNT=count, GRADIENT_CLIP_NORM=0.1, **settings)
        devices = devices_for(config)
        with devices.scope():
            inputs = keras.Input((3,))
            trained = keras.Model(inputs, keras.layers.Dense(1)(inputs))
            seen = keras.Model(inputs, trained.output)
            optimizer = make_optimizer(trained, config, 0.1, 0.9, 0)
            devices.join(optimizer)
            trained.compile(optimizer=optimizer, loss="mse", jit_compile=False)
        devices.adopt(trained, seen)
        with devices.fitting():
            trained.fit(Lines(), shuffle=False, epochs=2, verbose=0)
            with devices.apart():
                found = seen.predict_on_batch(np.ones((3, 3), "float32"))  # three photos need not divide
        weights[f"{name}{count}"] = np.concatenate([np.ravel(w) for w in [*trained.weights, *optimizer.variables]])
        weights[f"{name}{count}_found"] = np.asarray(found)
for count in 1, 2:
    trained, losses = small(f"{sys.argv[1]}/small{count}", count, OPTIMIZER="sgd"), Losses()
    start = np.concatenate([np.ravel(w) for w in weights_of(trained).values()])
    trained.train(Squares().load(5), None, 0.02, 1, "all", custom_callbacks=[losses])
    end = np.concatenate([np.ravel(w) for w in weights_of(trained).values()])
    weights.update({f"small{count}_start": start, f"small{count}_end": end, f"small{count}_losses": losses.rows})
np.savez(f"{sys.argv[1]}/recipes.npz", **weights)
"""
# Three convolutions: what devices do together is the same for each network, and needs no graph of Mask R-CNN.
SMALL = MODEL + """
from tiny_semantic import TinySemantic, TinySettings


def small(logs, devices=2, **settings):
    keras.utils.set_random_seed(1)
    config = TinySettings(GPU_COUNT=devices, IMAGES_PER_GPU=2 // devices, GRADIENT_CLIP_NORM=0.5, **settings)
    return TinySemantic("training", config, logs)


"""
WORKER = SMALL + """
folder, index = sys.argv[1], int(sys.argv[2])
logs, data = f"{folder}/{index}", Squares().load(5)
first = small(logs)
first.train(data, None, 0.02, 1, "all")
np.savez(f"{folder}/first{index}.npz", **weights_of(first))
resumed = small(logs)
resumed.load_weights(f"{folder}/0/{os.path.basename(first.log_dir)}/tinysemantic_tiny_0001.h5")
resumed.train(data, None, 0.02, 2, "all")
np.savez(f"{folder}/second{index}.npz", **weights_of(resumed), epoch=resumed.epoch)
"""


def together(code, folder, runs):
    """Run some code in processes of their own at a time. runs: [(second argument, environment variables)]."""
    processes = []
    try:
        for argument, settings in runs:
            with open(folder / f"output{argument}", "w") as output:
                processes.append(start(code, [str(folder), argument], output, settings))
        for (argument, _), process in zip(runs, processes):
            assert process.wait(1200) == 0, (folder / f"output{argument}").read_text(errors="replace")[-3000:]
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def start(code, arguments, output, settings):
    environment = {name: value for name, value in os.environ.items() if name not in ("TF_CONFIG", "XLA_FLAGS")}
    environment.update(PYTHONPATH=os.pathsep.join([str(TESTS.parent), str(TESTS)]), KERAS_BACKEND=BACKEND, **settings)
    environment["CUDA_VISIBLE_DEVICES"] = ""  # the devices here are parts of the processor
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=output, stderr=output, env=environment,
                            start_new_session=True)


def of_each_step(means, photos):
    """The losses of each step, of means over the photos from the first step on, blank photos included."""
    sums = means * np.cumsum(photos)[:, None]
    return np.diff(sums, axis=0, prepend=0) / np.array(photos)[:, None]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(BACKEND == "torch", reason="Keras trains on one device on PyTorch")
def test_two_devices_learn_what_one_learns_from_the_same_batches(tmp_path):
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    together(COMPARE, tmp_path, [("1", flags), ("2", flags)])
    (one, two), starts = ([dict(np.load(tmp_path / f"{part}{n}.npz")) for n in (1, 2)] for part in ("end", "start"))
    assert all(np.array_equal(starts[0][name], value) for name, value in starts[1].items())
    losses, expected = two.pop("losses"), one.pop("losses")
    assert expected.shape == (3, 6) and (expected[0] > 0).all()
    # The same sums in another order of addition; in the last step one device has a single photo, two a blank one too.
    # Mostly within 1e-6, but from the second step on a region may fall on the other side of a threshold.
    losses, expected = of_each_step(losses, (2, 2, 2)), of_each_step(expected, (2, 2, 1))
    np.testing.assert_allclose(losses[0], expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(losses[1:], expected[1:], rtol=1e-3, atol=1e-4)
    moved = max(abs(one[name] - value).max() for name, value in starts[0].items())
    apart = max(abs(one[name] - value).max() for name, value in two.items())
    assert apart < moved / 50


@pytest.mark.slow
@pytest.mark.skipif(BACKEND == "torch", reason="Keras trains on one device on PyTorch")
def test_clipping_scaling_and_the_mean_of_weights_are_those_of_the_whole_batch(tmp_path):
    together(SMALL + RECIPES, tmp_path, [("1", {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"})])
    saved = np.load(tmp_path / "recipes.npz")
    for name in "clip", "float16", "mean", "adamw":
        np.testing.assert_allclose(saved[f"{name}2"], saved[f"{name}1"], atol=1e-6)
        assert saved[f"{name}2_found"].shape == (3, 1)
        np.testing.assert_allclose(saved[f"{name}2_found"], saved[f"{name}1_found"], atol=1e-6)
    # A network of label maps learns the same too, and says the same of each step; in the last one device has the only
    # photo, the other a blank one.
    np.testing.assert_array_equal(saved["small2_start"], saved["small1_start"])
    assert saved["small1_losses"].shape == (3, 2)
    np.testing.assert_allclose(of_each_step(saved["small2_losses"], (2, 2, 2)),
                               of_each_step(saved["small1_losses"], (2, 2, 1)), rtol=1e-4)
    moved = abs(saved["small1_end"] - saved["small1_start"]).max()
    assert abs(saved["small2_end"] - saved["small1_end"]).max() < moved / 1000


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(BACKEND != "tensorflow", reason="several processes train together on TensorFlow")
def test_two_workers_train_and_resume_together_and_the_chief_writes_the_files(tmp_path):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    cluster = {"worker": [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]}
    for s in sockets:
        s.close()
    tasks = [{"cluster": cluster, "task": {"type": "worker", "index": index}} for index in range(2)]
    together(WORKER, tmp_path, [(str(index), {"TF_CONFIG": json.dumps(task)}) for index, task in enumerate(tasks)])
    for part in "first", "second":
        chief, other = (dict(np.load(tmp_path / f"{part}{index}.npz")) for index in range(2))
        assert all(np.array_equal(other[name], value) for name, value in chief.items())
    first = np.load(tmp_path / "first0.npz")
    assert int(chief["epoch"]) == 2 and max(abs(chief[name] - first[name]).max() for name in first) > 1e-3
    assert not (tmp_path / "1").exists()  # where the other worker would have written
    (run,) = (tmp_path / "0").iterdir()
    with open(run / "history.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    said = (tmp_path / "output1").read_text(errors="replace")
    assert "Starting at" not in said and "Epoch 1/" not in said
    assert "Optimizer and random state restored" in (tmp_path / "output0").read_text(errors="replace")


def test_a_batch_is_filled_up_with_photos_that_teach_nothing():
    blank = InstanceSamples(None, TinyConfig()).blank
    batch = devices.divisible(tiny_batch(3), 2, blank)
    assert [len(value) for value in batch.values()] == [4] * len(batch)
    assert devices.divisible(batch, 2, blank) is batch  # 4 photos divide
    unknown = InstanceSamples(None, TinyConfig(GEOMETRY="matterport")).blank  # it knows no such photos
    again = devices.divisible(tiny_batch(3), 8, unknown)["image"]  # 3 photos lack 5: 0, 1, 2, 0, 1 again
    np.testing.assert_array_equal(again, tiny_batch(3)["image"][[0, 1, 2, 0, 1, 2, 0, 1]])
    np.testing.assert_array_equal(batch["image"][:3], tiny_batch(3)["image"])
    objects = {name: keras.ops.convert_to_tensor(batch[name]) for name in ("gt_boxes", "gt_valid", "gt_crowd")}
    # Anchors within, across and far beyond the photo's edge: real photos have some to learn from, the blank one none.
    anchors = [[0, 0, 9, 9], [-40, -40, 20, 20], [50, 50, 90, 300], [400, 0, 500, 99]]
    anchors = keras.ops.convert_to_tensor(anchors, "float32")
    sampled = AnchorTargets(4, 0.5, 0.7, 0.3, 0.7, [0.1] * 4)({"anchors": anchors, **objects})
    valid = keras.ops.convert_to_numpy(sampled["valid"])
    assert valid[:3].any(axis=1).all() and not valid[3].any()
    regions = keras.ops.convert_to_tensor(np.tile([[0, 0, 64, 64], [5, 5, 9, 9]], (4, 1, 1)), "float32")
    proposals = {"boxes": regions, "valid": keras.ops.ones((4, 2), "bool")}
    classes = keras.ops.convert_to_tensor(batch["gt_class_ids"])
    sampled = RegionTargets(8, 0.5, 0.5, 0.7, [0.1] * 4)({**proposals, **objects, "gt_class_ids": classes})
    valid = keras.ops.convert_to_numpy(sampled["valid"])
    assert valid[:3].any(axis=1).all() and not valid[3].any()


def test_devices_that_are_not_there_are_refused(monkeypatch):
    config = TinyConfig(GPU_COUNT=99, IMAGES_PER_GPU=1)
    assert devices.devices_for(config, "inference").count == 1  # detection needs one
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0", "gpu:1"])
    with pytest.raises(ConfigError, match="GPU_COUNT=99, .*: set GPU_COUNT=2"):
        devices.devices_for(config)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ConfigError, match="on torch .*one device.*GPU_COUNT=1 with IMAGES_PER_GPU=99"):
        devices.devices_for(config)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TF_CONFIG is TensorFlow's")
def test_a_cluster_is_read_from_tf_config(monkeypatch):
    with pytest.raises(ConfigError, match="GPU_COUNT=99, but there .* device"):
        devices.devices_for(TinyConfig(GPU_COUNT=99))
    with pytest.raises(ConfigError, match="ACCUMULATE_STEPS=2 goes with one device on TensorFlow"):
        devices.devices_for(TinyConfig(GPU_COUNT=99, ACCUMULATE_STEPS=2))
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster}))
    assert devices.tensorflow_workers() == 3
    for wrong in ("{", "[1]", '{"cluster": 3}'):
        monkeypatch.setenv("TF_CONFIG", wrong)
        with pytest.raises(ConfigError, match="TF_CONFIG is no JSON of a cluster"):
            devices.devices_for(TinyConfig())


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_cluster_that_the_backend_does_not_join_is_told(backend, monkeypatch, recwarn):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1", "b:1"]}}))
    with pytest.warns(UserWarning, match=f"TF_CONFIG names 2 workers.*on {backend} .*Set KERAS_BACKEND=tensorflow, or"):
        assert devices.devices_for(TinyConfig()).count == 1
    devices.devices_for(TinyConfig(), "inference")
    for nobody in ("{", json.dumps({"cluster": {"worker": ["a:1"]}})):
        monkeypatch.setenv("TF_CONFIG", nobody)
        devices.devices_for(TinyConfig())
    assert not recwarn.list


def test_a_cpu_has_no_accelerator_to_tell_of(monkeypatch):
    assert devices.accelerator_memory() is None
    if BACKEND != "tensorflow":
        return
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda name: {"peak": 7, "current": 3})
    monkeypatch.setattr("mrcnn.training.machine.gpu_memory", lambda: 11)
    assert devices.accelerator_memory() == {"peak": 7, "limit": 11}


@pytest.mark.parametrize("types, alone", [(["CPU"], True), (["CPU", "CPU"], True), (["CPU", "GPU"], False)])
@pytest.mark.skipif(BACKEND != "tensorflow", reason="each backend is asked in its own way")
def test_the_processor_computes_where_no_accelerator_is_found(types, alone, monkeypatch):
    import tensorflow as tf

    found = [tf.config.PhysicalDevice(f"/physical_device:{kind}:0", kind) for kind in types]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *kinds: found)
    assert devices.on_processor() is alone
