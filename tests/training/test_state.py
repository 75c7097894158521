import importlib.util
import os
import pathlib
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from killed import DiskOf
from tiny import Squares, TinyConfig, tiny_batch
from tiny_semantic import TinySemantic, TinySettings

from mrcnn.config import Config
from mrcnn.errors import CheckpointError, DataError
from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.training import state
from mrcnn.training.history import read_history_rows
from mrcnn.training.optimizer import WarmUp, make_optimizer
from mrcnn.weights import files as weights


@pytest.mark.usefixtures("eagerly")
def test_state_gives_back_the_next_step(tmp_path):
    path, stage = str(tmp_path / "a.state.h5"), {"layers": "all"}
    model = build_mask_rcnn(TinyConfig())[0]
    jit = "auto" if keras.backend.backend() == "jax" else False
    model.compile(make_optimizer(model, TinyConfig(), 0.05, 0.9, 10), jit_compile=jit)
    for seed in range(2):
        model.train_on_batch(tiny_batch(seed=seed))
    weights.write_weights(str(tmp_path / "w.h5"), model)
    state.write_state(path, model, 1, stage)
    with pytest.raises(CheckpointError, match="a.state.h5 is the state of the optimizer"):
        weights.read_attributes(path)
    losses, after = [], []
    for _ in range(2):  # the second time after further steps, from which the file leads back
        model.reset_metrics()
        losses.append(float(model.train_on_batch(tiny_batch(seed=9))[0]))
        after.append([np.array(weight) for weight in model.weights])
        model.train_on_batch(tiny_batch(seed=10))
        weights.load_weights(str(tmp_path / "w.h5"), model)
        assert state.restore_state(state.read_state(path), model, stage) == ""
    assert losses[0] == losses[1]
    for a, b in zip(*after):
        np.testing.assert_allclose(a, b, atol=1e-7)
    assert state.restore_state(state.read_state(path), model, {"layers": "heads"}) == "New stage"
    # States of earlier versions end before the share that callbacks have made of the rate.
    model.optimizer.lowered.assign(0.5)
    older = state.read_state(path)
    older["optimizer"].pop()
    assert state.restore_state(older, model, stage) == "" and float(model.optimizer.lowered) == 1.0


def test_an_error_of_a_measurement_leaves_the_random_generators_where_they_were():
    model = build_mask_rcnn(TinyConfig())[0]
    before = state.seed_values(model)
    with pytest.raises(DataError), state.left_as_it_was(model):
        state.set_seed_values(model, [seed + 1 for seed in before])
        raise DataError("a photo")
    assert before
    for seed, after in zip(before, state.seed_values(model), strict=True):
        np.testing.assert_array_equal(after, seed)


MEASURE = """
import sys
import keras
import numpy as np
from tiny import Squares
from tiny_semantic import TinySemantic, TinySettings
from mrcnn.errors import DataError


class Damaged(Squares):
    def load_image(self, image_id):
        if image_id == self.damaged:
            raise DataError("truncated")
        return super().load_image(image_id)


def weights():
    return [np.array(weight) for weight in model.training_model.weights]


model = TinySemantic("training", TinySettings(IMAGES_PER_GPU=2), sys.argv[1])
model.compile(1e-3, 0.9)
expected, before = model.losses_on(Squares().load(6)), weights()
for damaged in (5, 0):  # of the last batch, when earlier ones have been measured, and of the first
    data = Damaged().load(6)
    data.damaged = damaged
    try:
        model.losses_on(data)
        raise SystemExit("no error")
    except DataError:
        pass
    for one, other in zip(before, weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.losses_on(Squares().load(6)) == expected
model.label([Squares().load(1).load_image(0)])
model.save_weights(sys.argv[1] + "/after.h5")
data = Damaged().load(4)
for trained in (0, 1):  # epochs before the error, which a photo of the first batch makes
    batches = model.batches(data, first_epoch=trained)
    batches.epoch = trained
    data.damaged, before = batches.image_ids_of(0)[0], weights()
    try:
        model.train(data, None, 1e-3, trained + 1, "all")
        raise SystemExit("no error")
    except DataError:
        pass
    for one, other in zip(before, weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    model.label([Squares().load(1).load_image(0)])
    data.damaged = None
    model.train(data, None, 1e-3, trained + 1, "all")

class Now(keras.callbacks.Callback):  # damages a photo of the first batch of a later epoch of the same fit()
    def on_epoch_end(self, epoch, logs=None):
        data.damaged, self.weights = model.batches(data, first_epoch=epoch + 1).image_ids_of(0)[0], weights()

for decay in (0, 0.9):
    keras.utils.set_random_seed(1)
    model = TinySemantic("training", TinySettings(IMAGES_PER_GPU=2, EMA_DECAY=decay), sys.argv[1])
    data, now, start = Damaged().load(4), Now(), weights()
    data.damaged = None
    try:
        model.train(data, Squares().load(2), 1e-3, 3, "all", custom_callbacks=[now])
        raise SystemExit("no error")
    except DataError:
        pass
    for one, other, first in zip(now.weights, weights(), start, strict=True):
        assert decay or np.array_equal(one, other)
        assert first.ndim < 2 or not np.array_equal(first, other)
    model.save_weights(sys.argv[1] + "/later.h5")
    model.label([Squares().load(1).load_image(0)])
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="pip install mrcnn-keras[jax]")
def test_on_jax_an_error_of_a_photo_leaves_the_network_whole(tmp_path):
    tests = pathlib.Path(__file__).parents[1]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)]),
                   "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"}
    done = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True,
                          env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "after.h5").exists()


def test_a_stage_of_another_augmentation_begins_anew():
    stage = {"layers": "all", "learning_rate": 1e-4, "epochs": 5, "first_epoch": 3, "augmentation": "none"}
    written = {"epoch": 5, "stage": stage}
    assert state.first_epoch_of({**stage, "epochs": 10}, written, 5) == 3
    assert state.first_epoch_of({**stage, "augmentation": "flip"}, written, 5) == 5
    assert state.first_epoch_of({**stage, "augmentation": None}, written, 5) == 3  # of no command


def test_a_stage_that_is_done_is_over_for_an_equal_one():
    stage = state.stage_of("all", 1e-3, 2, None)
    written = {"epoch": 2, "stage": {**stage, "first_epoch": 0}}
    longer = state.stage_of("all", 1e-3, 4, None)
    assert state.first_epoch_of(longer, written, 2) == 0  # the stage is lengthened
    assert state.first_epoch_of(longer, state.ended_by(written, stage), 2) == 2  # it had been asked for before
    assert state.first_epoch_of(longer, state.ended(written), 2) == 2 and state.ended(None) is None
    # Other stages that have nothing left to do say nothing of this one, and files that do not tell its begin neither.
    second = {"epoch": 4, "stage": {**longer, "first_epoch": 2}}
    for before in (stage, state.stage_of("heads", 1e-3, 4, None)):
        assert state.ended_by(second, before) is second
    older = {"epoch": 2, "stage": stage}
    assert state.ended_by(older, stage) is older and state.ended_by(None, stage) is None


def test_stages_of_a_run_are_counted():
    stage = state.stage_of("all", 1e-3, 2, None)
    first = state.taken_up(stage, None, None, 0)
    assert first == {**stage, "first_epoch": 0, "place": 0}
    assert state.taken_up({**stage, "epochs": 4}, None, first, 2)["place"] == 1
    written = {"epoch": 1, "stage": {**first, "photos": {"val_loss": {}}}}
    assert state.taken_up(stage, written, written["stage"], 1) == {**first, "photos": {"val_loss": {}}}
    assert "place" not in state.taken_up(stage, None, None, 3)  # of a checkpoint that has no state any more
    assert "place" not in state.taken_up(stage, None, {**stage, "first_epoch": 0}, 2)  # of an earlier version


def rates_in(folder):
    return [float(row["learning_rate"]) for row in read_history_rows(os.path.join(folder, "history.csv"))]


@pytest.mark.usefixtures("eagerly")
def test_a_run_killed_as_the_second_of_two_equal_stages_begins_goes_on_as_an_unbroken_one(tmp_path, capsys):
    settings = TinySettings(LR_SCHEDULE="cosine", IMAGES_PER_GPU=1)
    data, whole = Squares().load(4), TinySemantic("training", settings, str(tmp_path / "whole"))
    whole.train(data, None, 1e-3, 2, "all")
    whole.train(data, None, 1e-3, 4, "all", custom_callbacks=[DiskOf(whole, 2, tmp_path / "killed")])
    resumed = TinySemantic("training", settings, str(tmp_path / "killed"))
    resumed.load_weights(resumed.find_last())
    for epochs in (2, 4):
        resumed.train(data, None, 1e-3, epochs, "all")
    assert rates_in(resumed.log_dir) == rates_in(whole.log_dir) and resumed.stage == whole.stage
    assert "New stage: the optimizer starts afresh." in capsys.readouterr().out
    for ours, theirs in zip(resumed.training_model.weights, whole.training_model.weights):
        np.testing.assert_allclose(np.array(ours), np.array(theirs), atol=1e-5)


def test_the_schedule_of_a_stage_goes_by_its_epochs():
    """Begun at epoch 1, ends at 5: of four epochs one is done, in 8 steps; an epoch has 2 from now on."""
    optimizer = types.SimpleNamespace(schedule=WarmUp(1.0, 0, 32), _iterations=8)
    before = {"first_epoch": 1, "schedule": {"epoch": 1, "steps": 8, "ahead": 0}}
    stage = {"first_epoch": 1, "epochs": 5}
    told = state.place_schedule(optimizer, stage, before, 2, 2)
    assert told.startswith("An epoch has 2 steps now, 8 before") and told.endswith("1 of 4 are done.")
    # A cosine of 8 steps, of which 2 are done: (1 + cos(pi / 4)) / 2; and 0 after the 14th, 6 later.
    assert float(optimizer.schedule(8)) == pytest.approx((1 + 0.5**0.5) / 2)
    assert float(optimizer.schedule(14)) == pytest.approx(0, abs=1e-7)
    # Resumed once more after another epoch, as it is: nothing to tell, and the same schedule.
    again = types.SimpleNamespace(schedule=WarmUp(1.0, 0, 32), _iterations=10)
    assert state.place_schedule(again, {**stage}, stage, 3, 2) == ""
    assert float(again.schedule(10)) == float(optimizer.schedule(10)) == pytest.approx(0.5)
    # States of earlier versions lack the note: 8 steps in one epoch are 8 an epoch.
    again = types.SimpleNamespace(schedule=WarmUp(1.0, 0, 32), _iterations=8)
    assert state.place_schedule(again, {**stage}, {"first_epoch": 1}, 2, 2) == told
    assert state.place_schedule(again, {**stage}, {"first_epoch": 1}, 2, 8) == ""
    # A fresh optimizer: over what remains.
    fresh = types.SimpleNamespace(schedule=WarmUp(1.0, 0, 32), _iterations=0)
    assert state.place_schedule(fresh, stage, None, 3, 2) == ""
    assert float(fresh.schedule(2)) == pytest.approx(0.5) and stage["schedule"]["epoch"] == 3


def test_the_settings_that_make_it_another_optimizer_are_named():
    before = {"OPTIMIZER": "adamw", "EMA_DECAY": 0.9, "PRECISION": "float32", "ACCUMULATE_STEPS": 2}
    assert state.optimizer_changes(before, Config(OPTIMIZER="adamw", EMA_DECAY=0.99, ACCUMULATE_STEPS=4)) == []
    changes = state.optimizer_changes(before, Config(OPTIMIZER="sgd", ACCUMULATE_STEPS=2))
    assert changes == ["OPTIMIZER is sgd now, adamw before", "EMA_DECAY is 0.0 now, 0.9 before"]


@pytest.mark.parametrize("changed, told", [
    ({"IMAGES_PER_GPU": 4}, "An epoch has 1 steps now, 4 before"),
    ({"OPTIMIZER": "sgd", "IMAGES_PER_GPU": 1}, "OPTIMIZER is sgd now, adamw before: the optimizer starts afresh"),
])
@pytest.mark.usefixtures("eagerly")
def test_a_cosine_ends_at_nothing_whatever_a_resumed_run_changed(tmp_path, capsys, changed, told):
    settings = {"LR_SCHEDULE": "cosine", "IMAGES_PER_GPU": 1, "WORKERS": 0}
    data = Squares().load(4)
    model = TinySemantic("training", TinySettings(**settings), str(tmp_path))
    model.train(data, None, 1e-3, 4, "all", custom_callbacks=[Stop(2)])
    again = TinySemantic("training", TinySettings(**{**settings, **changed}), str(tmp_path))
    again.load_weights(model.find_last())
    again.train(data, None, 1e-3, 4, "all")
    assert told in capsys.readouterr().out
    rates = [float(row["learning_rate"]) * 1e3 for row in read_history_rows(os.path.join(again.log_dir, "history.csv"))]
    steps = 4 // again.config.IMAGES_PER_GPU
    # Of the last step of each epoch: share of the stage, or of what remained of it, that was done before.
    shares = [(2 * steps + steps - 1) / (4 * steps), (4 * steps - 1) / (4 * steps)]
    if "OPTIMIZER" in changed:
        shares = [(steps - 1) / (2 * steps), (2 * steps - 1) / (2 * steps)]
    assert rates[2:] == pytest.approx([(1 + np.cos(np.pi * share)) / 2 for share in shares], rel=1e-3)


class Stop(keras.callbacks.Callback):
    """Ends a training after an epoch, as a kill does."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch + 1 == self.epoch
