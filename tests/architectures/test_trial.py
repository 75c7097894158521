"""The largest batch that fits: by made peaks, made failures of a GPU, and one real step of each kind of network."""

import json
import os
import subprocess
import types

import keras
import numpy as np
import pytest
from tiny import TinyConfig

from mrcnn.architectures import trial
from mrcnn.architectures.trial import fitting, is_out_of_memory, predicted, try_batches
from mrcnn.config import Config
from mrcnn.config_pixels import UNetSettings
from mrcnn.errors import ConfigError
from mrcnn.training.machine import held_memory

PEAKS = {1: 1500, 2: 1900, 4: 2400}  # slopes 400 and 250: the steeper one counts


def test_peaks_lie_on_a_line():
    assert predicted(PEAKS, 4) == 2400 and predicted(PEAKS, 3) == 1900 + 400
    assert predicted(PEAKS, 10) == 2400 + 6 * 400
    assert predicted({2: 1000}, 5) == 2500  # one measurement: as if all of it grew


def test_the_largest_batch_is_the_last_below_the_room():
    assert fitting(PEAKS, 4800, 64) == 10 and fitting(PEAKS, 4799, 64) == 9
    assert fitting(PEAKS, 4800, 7) == 7 and fitting(PEAKS, None, 64) == 64
    assert fitting(PEAKS, 1499, 64) == 0


class ResourceExhaustedError(Exception):
    pass


def test_running_out_of_memory_is_known_on_every_backend():
    wrapped = RuntimeError("step failed")
    wrapped.__cause__ = ResourceExhaustedError("OOM when allocating tensor")
    for error in (MemoryError(), wrapped, RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate"),
                  RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")):
        assert is_out_of_memory(error)
    assert not is_out_of_memory(ValueError("shapes differ"))


class Processes:
    """In place of the processes that try: what each is to say; `asked` has their batches."""

    def __init__(self, monkeypatch, *answers):
        self.answers, self.asked = list(answers), []
        monkeypatch.setattr(trial.subprocess, "run", self.run)

    def run(self, command, input, stderr, **_):
        self.asked.append(json.loads(input)["batches"])
        steps, code, said = self.answers.pop(0)
        stderr.write(said)
        lines = [json.dumps({"batch": b, "peak": peak, "seconds": 0.5 * b, "limit": limit}) for b, peak, limit in steps]
        return types.SimpleNamespace(stdout="\n".join(["noise", *lines]), returncode=code)


def test_on_a_cpu_nothing_is_tried_that_is_not_predicted_to_fit(monkeypatch):
    ran = Processes(monkeypatch, ([(1, 1500, None), (2, 1900, None), (4, 2400, None)], 0, ""))
    found = try_batches("mask-rcnn", Config(), (64, 64), 64, free=6000)
    assert (found.batch, found.device, found.seconds) == (10, "cpu", 0.5) and ran.asked == [[1, 2, 4]]  # 0.8 * 6000
    assert found.told() == "a step of 10 takes 0.0 GB of 0.0 GB free (CPU)"


def test_a_step_that_the_system_kills_is_told_and_not_fatal(monkeypatch):
    Processes(monkeypatch, ([(1, 1500, None)], -9, ""), ([], -9, ""))
    assert try_batches("mask-rcnn", Config(), (64, 64), 64, free=6000).batch == 3  # 4800 / 1500
    found = try_batches("mask-rcnn", Config(), (64, 64), 64, free=6_000_000_000)
    assert found.batch == 0 and found.told() == "no step of one photo fits into the 6.0 GB that are free"


def test_on_a_gpu_the_batch_is_halved_as_long_as_memory_runs_out(monkeypatch):
    small = [(1, 1500, 20_000), (2, 1900, 20_000), (4, 2400, 20_000)]
    # The line allows 2400 + 400 * (b - 4) <= 16,000: 38 photos. 38 and 19 run out of memory, 9 fits.
    ran = Processes(monkeypatch, (small, 0, ""), ([], 0, ""), ([], 0, ""), ([(9, 9000, 20_000)], 0, ""))
    found = try_batches("mask-rcnn", Config(), (64, 64), 64, free=6000)
    assert (found.batch, found.device, found.free, found.peaks[9]) == (9, "gpu", 20_000, 9000)
    assert ran.asked == [[1, 2, 4], [38], [19], [9]]
    ran = Processes(monkeypatch, (small, 0, ""), *[([], 0, "")] * 4)
    assert try_batches("mask-rcnn", Config(), (64, 64), 64, free=6000).batch == 4  # which was taken
    assert ran.asked == [[1, 2, 4], [38], [19], [9]]


def test_a_trial_that_fails_otherwise_says_why(monkeypatch):
    Processes(monkeypatch, ([], 1, "Traceback\nValueError: shapes differ"))
    with pytest.raises(ConfigError, match="--batch-size auto.*ValueError: shapes differ.*give a number"):
        try_batches("mask-rcnn", Config(), (64, 64), 64, free=6000)
    with pytest.raises(ConfigError, match="BACKBONE is a function.*give a number"):
        try_batches("mask-rcnn", Config(BACKBONE=lambda *_: None), (64, 64), 64, free=6000)


@pytest.mark.parametrize("printed, limit, batch", [
    (str, None, 4), (str.encode, None, 4), (str, 20_000, 2)])  # a GPU is to try what is predicted
def test_steps_that_ended_within_the_time_count(monkeypatch, printed, limit, batch):
    """A line that the limit cut counts for nothing; what came before is told with why there was no more."""
    def slow(command, timeout, **_):
        lines = [json.dumps({"batch": b, "peak": 1000 * b, "seconds": 200.0, "limit": limit}) for b in (1, 2)]
        raise subprocess.TimeoutExpired(command, timeout, output=printed("\n".join([*lines, '{"batch": 4, "pe'])))

    monkeypatch.setattr(trial.subprocess, "run", slow)
    found = try_batches("mask-rcnn", Config(), (64, 64), 64, free=6000)
    assert found.batch == batch and set(found.peaks) == {1, 2}
    assert found.told().endswith("; the trial ended early (no end after 900 s)")
    monkeypatch.setattr(trial, "_steps", lambda printed: [])
    with pytest.raises(ConfigError, match="--batch-size auto: the trial .*no end after 900 s.: give a number"):
        try_batches("mask-rcnn", Config(), (64, 64), 64, free=6000)


def test_what_compiling_takes_is_to_fit_too(monkeypatch):
    """By the peaks of steps 10 photos would fit into 0.8 * 6000."""
    for highest, batch in (([4700, 4700, 4700], 10), ([4900, 4900, 4900], 0), ([1500, 4700, 4900], 3)):
        steps = [{"batch": b, "peak": PEAKS[b], "seconds": 1.0, "limit": None, "highest": most}
                 for b, most in zip(PEAKS, highest)]
        monkeypatch.setattr(trial, "_run", lambda request, steps=steps: (steps, ""))
        assert try_batches("mask-rcnn", Config(), (64, 64), 64, free=6000).batch == batch


def test_a_function_that_no_network_reads_is_no_hindrance():
    class Own(Config):
        MY_RULE = staticmethod(len)

    request = json.loads(json.dumps(trial.written(Own(NUM_CLASSES=3))))  # as the other process is given it
    assert Config.from_dict(request).NUM_CLASSES == 3 and request["MY_RULE"] == "builtins.len"


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the system keeps the most that was held")
def test_what_compiling_takes_does_not_hide_what_a_step_does():
    steps = []

    def step(*_, **__):
        steps.append(len(np.full(1 << 29 if not steps else 1 << 20, 1, np.uint8)))  # compiling half a gigabyte

    model = types.SimpleNamespace(config=Config(NUM_CLASSES=2), batches=lambda *_, **__: [({},)],
                                  before_fit=lambda batches: None,
                                  training_model=types.SimpleNamespace(train_on_batch=step))
    before = held_memory()
    told = trial.measured_step(model, 1, (8, 8))
    assert steps == [1 << 29, 1 << 20] and (told["limit"] or told["peak"] < before + (1 << 28))
    assert told["highest"] > before + (1 << 28)  # but it is told too


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other backends tell the memory of any GPU")
def test_a_gpu_that_does_not_tell_its_memory_is_not_measured_by_main_memory(monkeypatch):
    monkeypatch.setattr("mrcnn.training.devices.on_processor", lambda: False)
    monkeypatch.setattr("mrcnn.training.devices.accelerator_memory", lambda: None)
    with pytest.raises(ConfigError, match="the memory of this GPU is not known"):
        trial.measured_step(None, 1, (8, 8))


@pytest.mark.usefixtures("eagerly")
def test_a_real_step_is_measured(tmp_path):
    config = UNetSettings(NUM_CLASSES=3, NORM="group", IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64, UNET_ENCODER="plain",
                          UNET_CHANNELS=4)
    request = {"architecture": "unet", "config": trial.written(config)}
    step = trial.measured_step(trial.made_model(request, str(tmp_path)), 2, (64, 64))
    assert step["batch"] == 2 and step["peak"] > 1e8 and step["seconds"] > 0 and step["limit"] is None
    assert not list(tmp_path.iterdir())  # no run was begun


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("channels", [1, 4])
def test_a_step_of_a_network_of_other_channels_is_measured(tmp_path, channels):
    config = UNetSettings(NUM_CLASSES=3, NORM="group", IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64, UNET_ENCODER="plain",
                          UNET_CHANNELS=4, IMAGE_CHANNEL_COUNT=channels, MEAN_PIXEL=[100] * channels)
    request = {"architecture": "unet", "config": trial.written(config)}
    assert trial.measured_step(trial.made_model(request, str(tmp_path)), 1, (64, 64))["batch"] == 1


@pytest.mark.usefixtures("eagerly")
def test_a_step_of_a_network_with_attributes_is_measured(tmp_path):
    config = TinyConfig(ATTRIBUTES=["striped", "long"], STEPS_PER_EPOCH=1)
    model = trial.made_model({"architecture": "mask-rcnn", "config": trial.written(config)}, str(tmp_path))
    assert "mrcnn_attribute" in {layer.name for layer in model.training_model.layers}
    assert trial.measured_step(model, 1, (64, 64))["batch"] == 1
