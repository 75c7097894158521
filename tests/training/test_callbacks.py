"""The record of a run."""

import contextlib
import csv
import functools
import importlib.util
import io
import math
import os
import pathlib
import shutil
import subprocess
import sys
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from tensorboard.util.tensor_util import make_ndarray
from tiny import Squares
from tiny_semantic import TinySemantic, TinySettings

from mrcnn.errors import DataError, NonFiniteLoss
from mrcnn.training.callbacks import (
    Checkpoint,
    Drawing,
    HistoryFile,
    Measuring,
    ProgressBar,
    StopAtNonFiniteLoss,
    TensorBoardLogs,
)
from mrcnn.training.history import write_history_rows
from mrcnn.training.validation import validation_callbacks


def test_history_keeps_its_columns_over_resumes(tmp_path):
    path = tmp_path / "history.csv"
    first = HistoryFile(str(path))
    first.on_epoch_end(0, {"loss": 2.0, "val_loss": 3.0})
    first.on_epoch_end(1, {"loss": 1.0})
    # A resumed run repeats an epoch and measures what the first did not.
    HistoryFile(str(path)).on_epoch_end(1, {"loss": 0.5, "val_segm_AP": 0.25})
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "val_loss", "val_segm_AP"]
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert [float(row["loss"]) for row in rows] == [2, 0.5]
    assert float(rows[0]["val_loss"]) == 3 and math.isnan(float(rows[1]["val_loss"]))
    assert math.isnan(float(rows[0]["val_segm_AP"])) and float(rows[1]["val_segm_AP"]) == 0.25


def test_a_damaged_history_shows_before_the_first_step(tmp_path):
    (tmp_path / "history.csv").write_text("no history\n1\n")
    with pytest.raises(DataError, match="history.csv is no history of a run.*move it away"):
        HistoryFile(str(tmp_path / "history.csv")).on_train_begin()


def test_a_run_folder_that_vanishes_is_told_and_training_goes_on(tmp_path):
    path = tmp_path / "run" / "history.csv"
    record = HistoryFile(str(path))
    record.on_train_begin()
    record.on_epoch_end(0, {"loss": 2.0})
    shutil.rmtree(tmp_path / "run")
    with pytest.warns(UserWarning, match="history.csv has gone since the last epoch.*writes it anew"):
        record.on_epoch_end(1, {"loss": 1.0})
    record.on_epoch_end(2, {"loss": 0.5})
    assert [row["epoch"] for row in csv.DictReader(path.open(newline=""))] == ["1", "2"]


def epochs_in(path):
    with open(path, newline="") as file:
        return [(row["epoch"], float(row["loss"])) for row in csv.DictReader(file)]


def test_a_history_that_another_program_saved_again_costs_one_warning(tmp_path):
    path = tmp_path / "history.csv"
    record = HistoryFile(str(path))
    record.on_train_begin()
    record.on_epoch_end(0, {"loss": 2.0})
    for epoch in (1, 2):
        path.write_text(path.read_text().replace(",", ";"))
        with pytest.warns(UserWarning, match="saved in another form .*written anew") if epoch == 1 \
                else contextlib.nullcontext():
            record.on_epoch_end(epoch, {"loss": 1.0})
    assert epochs_in(path) == [("0", 2), ("1", 1), ("2", 1)]


def test_a_history_that_cannot_be_written_costs_one_warning_and_no_row(tmp_path, monkeypatch):
    path, locked, replace = tmp_path / "history.csv", [], os.replace

    def replace_unless_locked(source, target, **options):
        if locked and os.fspath(target) == str(path):
            raise PermissionError(13, "used by another process", str(target))
        return replace(source, target, **options)

    monkeypatch.setattr(os, "replace", replace_unless_locked)
    record = HistoryFile(str(path))
    record.on_train_begin()
    record.on_epoch_end(0, {"loss": 4.0})
    locked.append(True)
    with pytest.warns(UserWarning, match=r"history.csv cannot be written \(used by another process\): close it"):
        record.on_epoch_end(1, {"loss": 3.0})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record.on_epoch_end(2, {"loss": 2.0})
        assert epochs_in(path) == [("0", 4)]
        locked.clear()
        record.on_epoch_end(3, {"loss": 1.0})
        assert epochs_in(path) == [("0", 4), ("1", 3), ("2", 2), ("3", 1)]
        locked.append(True)
        record.on_epoch_end(4, {"loss": 0.5})
    with pytest.warns(UserWarning, match="history.csv .*lacks the rows of the last epochs"):
        record.on_train_end()
    locked.clear()
    record.on_train_end()
    assert epochs_in(path)[-1] == ("4", 0.5)


def test_a_history_that_is_gone_while_rows_wait_in_memory_is_written_whole(tmp_path, monkeypatch):
    path = tmp_path / "history.csv"
    record = HistoryFile(str(path))
    record.on_train_begin()
    record.on_epoch_end(0, {"loss": 4.0})
    with monkeypatch.context() as locked, pytest.warns(UserWarning, match="cannot be written"):
        locked.setattr("mrcnn.training.callbacks.write_history_rows", refuse)
        record.on_epoch_end(1, {"loss": 3.0})
    path.rename(tmp_path / "moved.csv")
    record.on_epoch_end(2, {"loss": 2.0})
    assert epochs_in(path) == [("0", 4), ("1", 3), ("2", 2)]


def refuse(path, *_):
    raise DataError(f"{path}: cannot write the file") from PermissionError(13, "used by another process")


def test_a_history_that_cannot_be_read_is_not_called_one_of_another_form(tmp_path, monkeypatch):
    path = tmp_path / "history.csv"
    record = HistoryFile(str(path))
    record.on_train_begin()
    record.on_epoch_end(0, {"loss": 4.0})
    monkeypatch.setattr("mrcnn.training.callbacks.read_history_rows", refuse)
    with pytest.warns(UserWarning, match=r"history.csv cannot be read \(used by another process\): close it") as told:
        record.on_epoch_end(1, {"loss": 3.0})
    assert len(told) == 1 and epochs_in(path) == [("0", 4), ("1", 3)]


class Office(keras.callbacks.Callback):
    """Holds history.csv from the second epoch to the begin of the fourth, and may have saved it with semicolons."""

    def __init__(self, model, monkeypatch, semicolons):
        super().__init__()
        self.network, self.monkeypatch, self.semicolons = model, monkeypatch, semicolons

    def on_epoch_begin(self, epoch, logs=None):
        path = pathlib.Path(self.network.log_dir, "history.csv")
        if epoch == 1:
            if self.semicolons:
                path.write_text(path.read_text().replace(",", ";"))
            self.monkeypatch.setattr("mrcnn.training.callbacks.write_history_rows", refuse)
        if epoch == 3:
            self.monkeypatch.setattr("mrcnn.training.callbacks.write_history_rows", write_history_rows)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("semicolons", [True, False])
@pytest.mark.filterwarnings("ignore:.*history.csv")
def test_rows_that_wait_in_memory_are_kept_over_stages(tmp_path, monkeypatch, semicolons):
    model, data = TinySemantic("training", TinySettings(STEPS_PER_EPOCH=1), str(tmp_path)), Squares().load(2)
    office = [Office(model, monkeypatch, semicolons), *validation_callbacks(model, data, keep_best="loss", patience=9)]
    for epochs in (2, 4):
        model.train(data, data, 1e-3, epochs, "all", custom_callbacks=office)
    assert [row[0] for row in epochs_in(os.path.join(model.log_dir, "history.csv"))] == ["0", "1", "2", "3"]
    model.epoch = 1  # as after loading that checkpoint
    office[0].semicolons = False
    model.train(data, data, 1e-3, 2, "all")
    assert [row[0] for row in epochs_in(os.path.join(model.log_dir, "history.csv"))] == ["0", "1"]


class Spoil(keras.callbacks.Callback):
    """Makes weights NaN in a step, as one that is too long does: only the next step's loss would show it."""

    def __init__(self, epoch, step):
        super().__init__()
        self.at, self.epoch = (epoch, step), 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            bias = self.model.layers[-1].bias
            bias.assign(np.full(bias.shape, np.nan))


BATCHES = SimpleNamespace(dataset=SimpleNamespace(sample_name="photo{}.png".format), image_ids_of=lambda step: [step])


def test_weights_that_the_last_step_of_an_epoch_spoils_become_no_checkpoint():
    reached = []
    with pytest.raises(NonFiniteLoss, match=r"1 of 2 weights \(first: .*bias\) became NaN or infinite in epoch 2, "
                                            r"step 2, on the photos photo1.png. .*finished epochs are intact"):
        fitted(Spoil(1, 1), StopAtNonFiniteLoss(BATCHES),
               keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: reached.append(epoch)), epochs=3)
    assert reached == [0]


def test_a_validation_loss_that_is_not_finite_ends_the_run():
    stop = StopAtNonFiniteLoss(BATCHES)
    stop.set_model(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]))
    stop.on_epoch_end(0, {"loss": 1.0, "val_loss": 2.0})
    stop.on_epoch_end(0, {"loss": 1.0})
    with pytest.raises(NonFiniteLoss, match="validation loss is NaN or infinite after epoch 2.*epochs before"):
        stop.on_epoch_end(1, {"loss": 1.0, "val_loss": math.nan})


def fitted(*callbacks, epochs=2):
    """A Keras model after some epochs of two batches."""
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    model.fit(np.ones((4, 3)), np.ones((4, 1)), batch_size=2, epochs=epochs, callbacks=list(callbacks))


def test_tensorboard_that_cannot_write_costs_one_warning(tmp_path):
    (tmp_path / "run").write_text("a file where the folder would be")
    reached = []
    with pytest.warns(UserWarning, match="run: TensorBoard's files cannot be written .*history.csv has") as told:
        fitted(TensorBoardLogs(str(tmp_path / "run")),
               keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: reached.append(epoch)))
    assert sum("TensorBoard's files" in str(warning.message) for warning in told) == 1 and reached == [0, 1]


def test_tensorboard_gets_the_curves_that_keras_writes_with_tensorflow(tmp_path):
    pytest.importorskip("tensorflow")
    warnings.filterwarnings("error", ".*TensorBoard's files")  # a failure costs a warning
    logs = {"loss": 2.5, "val_loss": 0.1, "val_segm_AP": float("nan")}
    told = []
    for kind in (TensorBoardLogs, functools.partial(keras.callbacks.TensorBoard, write_graph=False)):
        folder = str(tmp_path / str(len(told)))
        record = kind(folder)
        record.set_model(SimpleNamespace(optimizer=keras.optimizers.SGD(0.5)))
        record.on_train_begin()
        record.on_train_batch_end(0, {"loss": 3.0})  # of which nothing is written
        record.on_epoch_end(3, logs)
        record.on_test_end({"loss": 7})
        record.on_epoch_end(4, logs)
        record.on_train_end()
        told.append({(part, tag): [(event.step, str(make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
                     for part, events in curves_of(folder) for tag in events.Tags()["tensors"]})
    assert told[0] == told[1]
    assert told[0]["train", "epoch_loss"] == [(3, "2.5"), (4, "2.5")]
    assert told[0]["validation", "epoch_segm_AP"] == [(3, "nan"), (4, "nan")]


def curves_of(folder):
    """(part of the data, its curves as TensorBoard reads them)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for part in ("train", "validation"):
        yield part, EventAccumulator(os.path.join(folder, part), size_guidance={"tensors": 0}).Reload()


FIT = """
import sys
import keras
import numpy as np
from mrcnn.training.callbacks import recording_callbacks

model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse", run_eagerly=True)
data = np.ones((2, 3)), np.ones((2, 1))
model.fit(*data, validation_data=data, callbacks=recording_callbacks(sys.argv[1]), verbose=0)
assert "tensorflow" not in sys.modules
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="pip install mrcnn-keras[jax]")
def test_another_backend_writes_for_tensorboard_without_tensorflow(tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(pathlib.Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", FIT, str(tmp_path)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and "TensorBoard" not in done.stderr, done.stderr[-3000:]
    assert all("epoch_loss" in events.Tags()["tensors"] for _, events in curves_of(str(tmp_path)))


class Beneath(io.StringIO):
    """A terminal, or none, with what the commands put in front of it: nothing steers it that passes `write`."""

    def __init__(self, terminal):
        super().__init__()
        self.terminal, self.beneath = terminal, io.StringIO()
        self.beneath.isatty = self.isatty

    def isatty(self):
        return self.terminal


def test_the_bar_steers_the_terminal_past_what_makes_names_printable():
    stdout = Beneath(terminal=True)
    with contextlib.redirect_stdout(stdout):
        fitted(ProgressBar())
        assert sys.stdout is stdout
    assert "\x08" in stdout.beneath.getvalue() and "2/2" in stdout.beneath.getvalue()
    assert stdout.getvalue().splitlines() == ["Epoch 1/2", "Epoch 2/2"]


def test_a_log_gets_a_line_for_each_epoch(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # of tests that run notebooks
    stdout = Beneath(terminal=False)
    with contextlib.redirect_stdout(stdout):
        fitted(ProgressBar())
    lines = stdout.beneath.getvalue().splitlines()
    assert len(lines) == 2 and all("loss" in line and "\x08" not in line for line in lines)


def test_a_run_taken_up_again_is_rid_of_what_a_killed_process_left(tmp_path, capsys):
    for name in (".run_0004.h5.99999999-0123abcd.partial", ".curves.png.99999999-0123abcd.partial", "run_0003.h5"):
        (tmp_path / name).write_text("half")
    run = SimpleNamespace(epoch=3, checkpoint_path=str(tmp_path / "run_{epoch:04d}.h5"))
    for _ in range(2):  # each stage begins so
        Checkpoint(run, {}).on_train_begin()
    assert [path.name for path in tmp_path.iterdir()] == ["run_0003.h5"]
    told = f"Removed from {tmp_path} what a killed process left unfinished of curves.png, run_0004.h5.\n"
    assert capsys.readouterr().out == told


def test_a_picture_that_fails_costs_one_warning():
    calls = []
    drawing = Drawing(lambda: calls.append(1) or 1 / 0)
    with pytest.warns(UserWarning, match="could not be drawn.*ZeroDivisionError"):
        drawing.on_epoch_end(0)
    drawing.due = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawing.on_epoch_end(1)
    assert len(calls) == 2


def test_epochs_shorter_than_a_drawing_are_drawn_at_the_end():
    calls = []
    drawing = Drawing(lambda: calls.append(1))
    drawing.on_epoch_end(0)
    drawing.due = math.inf  # as after a drawing that took long
    drawing.on_epoch_end(1)
    assert len(calls) == 1
    drawing.on_train_end()
    drawing.on_train_end()  # nothing new since
    assert len(calls) == 2


def test_an_error_of_a_measurement_waits_for_the_checkpoint():
    seen = []

    class Watch(keras.callbacks.Callback):
        def __init__(self, name, fails_at=None):
            super().__init__()
            self.name, self.fails_at = name, fails_at

        def on_train_begin(self, logs=None):
            seen.append((self.name, "begin", self.model is model, self.params["epochs"]))

        def on_train_batch_end(self, batch, logs=None):
            seen.append((self.name, "batch", batch))

        def on_epoch_end(self, epoch, logs=None):
            if epoch == self.fails_at:
                raise OSError("photo 7 cannot be read")
            seen.append((self.name, "epoch", epoch))
            logs[self.name] = 1.0

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    measuring = Measuring(iter([Watch("first"), Watch("second", fails_at=1), Watch("third")]))
    assert "on_train_batch_end" in vars(measuring) and "on_test_batch_end" not in vars(measuring)
    checkpoint = Watch("checkpoint")
    with pytest.raises(OSError, match="photo 7"):
        model.fit(np.ones((2, 3)), np.ones((2, 1)), epochs=3, verbose=0,
                  callbacks=[measuring, checkpoint, measuring.raise_failure, Watch("last")])
    assert [s for s in seen if s[1] == "begin"] == [
        (name, "begin", True, 3) for name in ("first", "second", "third", "checkpoint", "last")]
    assert [s[0] for s in seen if s[1:] == ("epoch", 0)] == ["first", "second", "third", "checkpoint", "last"]
    assert [s[0] for s in seen if s[1:] == ("epoch", 1)] == ["first", "checkpoint"]
    assert [s[1:] for s in seen if s[0] == "third"] == [("begin", True, 3), ("batch", 0), ("epoch", 0), ("batch", 0)]
