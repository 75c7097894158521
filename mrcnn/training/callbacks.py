"""Callbacks of a training run: checkpoints, the record of it, and the stop at a loss that is not a number."""

import functools
import importlib.util
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence

import keras

from mrcnn.errors import DataError, NonFiniteLoss
from mrcnn.files import disk_reason, remove_leftovers
from mrcnn.progress import draws_bars, log_lines, steering_terminal
from mrcnn.training import event_files
from mrcnn.training.history import HISTORY, ends_amid_a_line, read_history_rows, write_history_rows
from mrcnn.training.optimizer import unscaled
from mrcnn.training.state import state_path, write_state

HOOKS = [name for name in vars(keras.callbacks.Callback) if name.startswith("on_") and name != "on_epoch_end"]


class StopAtNonFiniteLoss(keras.callbacks.Callback):
    """Ends training at the first loss that is not finite, before that epoch's checkpoint is written.

    So it does where the epoch's last step made the weights NaN or infinite, whose losses nobody saw.
    """

    def __init__(self, batches: object):
        super().__init__()
        self.batches, self.epoch, self.step = batches, 0, 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.step = batch
        bad = [name for name, value in (logs or {}).items() if not math.isfinite(value)]
        if bad:
            parts = [name for name in bad if name != "loss"] or bad
            self._stop(f"{', '.join(parts)} became NaN or infinite")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        floats = [weight for weight in self.model.weights if keras.backend.is_float_dtype(weight.dtype)]
        finite = [keras.ops.all(keras.ops.isfinite(weight)) for weight in floats]
        if finite and not bool(keras.ops.all(keras.ops.stack(finite))):
            bad = [weight.path for weight, is_finite in zip(floats, finite) if not bool(is_finite)]
            self._stop(f"{len(bad)} of {len(floats)} weights (first: {bad[0]}) became NaN or infinite")
        if not math.isfinite((logs or {}).get("val_loss", 0)):
            raise NonFiniteLoss(
                f"The validation loss is NaN or infinite after epoch {epoch + 1}, whose own losses are not: lower the "
                "learning rate, or look at the annotations of the validation photos; the checkpoints of the epochs "
                "before are intact."
            )

    def _stop(self, what):
        dataset = self.batches.dataset
        photos = ", ".join(dataset.sample_name(i) for i in self.batches.image_ids_of(self.step))
        raise NonFiniteLoss(
            f"{what} in epoch {self.epoch + 1}, step {self.step + 1}, on the photos {photos}. Look at their "
            "annotations, lower the learning rate, or lower GRADIENT_CLIP_NORM; the checkpoints of finished epochs "
            "are intact."
        )


class FollowEpoch(keras.callbacks.Callback):
    """Tells the batches which epoch begins: what Keras read before, to build the model, counts for nothing."""

    def __init__(self, batches: object):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.batches.epoch = epoch


class Checkpoint(keras.callbacks.Callback):
    """Before the first epoch and after each writes the weights, and beside them what an unbroken run has in memory.

    The state of epoch n is written before its weights, and that of epoch n - 1 removed after, so that whenever the
    run is killed, the newest weights have their state. What a killed process left unfinished is removed at the start.
    """

    def __init__(self, segmenter: object, stage: dict):
        super().__init__()
        self.segmenter, self.stage = segmenter, stage

    def on_train_begin(self, logs: dict | None = None) -> None:
        folder = os.path.dirname(self.segmenter.checkpoint_path.format(epoch=0))
        names = remove_leftovers(folder)
        if names:
            print(f"Removed from {folder} what a killed process left unfinished of {', '.join(names)}.")
        if self.segmenter.epoch == 0:
            self.segmenter.save_weights(self.segmenter.checkpoint_path.format(epoch=0))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        segmenter = self.segmenter
        segmenter.epoch = epoch + 1
        path = segmenter.checkpoint_path.format(epoch=epoch + 1)
        write_state(state_path(path), self.model, epoch + 1, self.stage)
        segmenter.save_weights(path)
        previous = segmenter.checkpoint_path.format(epoch=epoch)
        for old in [state_path(previous)] + [previous] * (epoch == 0):
            if os.path.exists(old):
                os.remove(old)


class Measuring(keras.callbacks.Callback):
    """Calls the callbacks that measure; an error of theirs waits until the epoch's checkpoint is written.

    Hours of training are not to be lost to a validation photo that cannot be read: `raise_failure`, which comes after
    the checkpoint, ends training with the error. The figures that it prevented are missing in that epoch's row.
    """

    def __init__(self, callbacks: Sequence):
        super().__init__()
        self.callbacks, self.failure = list(callbacks), None
        for name in HOOKS:  # those that none has stay away, for Keras waits after each batch for those that are there
            own = [getattr(callback, name) for callback in self.callbacks
                   if getattr(type(callback), name) is not getattr(keras.callbacks.Callback, name)]
            if own:
                setattr(self, name, functools.partial(_call_all, own))
        self.raise_failure = keras.callbacks.LambdaCallback(on_epoch_end=self._raise)

    def set_params(self, params: dict) -> None:
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: object) -> None:
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        for callback in self.callbacks:
            try:
                callback.on_epoch_end(epoch, logs)
            except Exception as error:
                self.failure = error
                return

    def _raise(self, epoch, logs=None):
        if self.failure is not None:
            raise self.failure


def _call_all(functions, *arguments, **named):
    for function in functions:
        function(*arguments, **named)


class LearningRateLog(keras.callbacks.Callback):
    """Puts the learning rate of each epoch's last step into its logs."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if logs is not None:
            optimizer = unscaled(self.model.optimizer)
            own = hasattr(optimizer, "last_rate")  # not so if compile() was overridden with another optimizer
            logs["learning_rate"] = optimizer.last_rate() if own else float(optimizer.learning_rate)


class HistoryFile(keras.callbacks.Callback):
    """history.csv: one row for each epoch over all stages and resumes; a figure that is new in one gets a column.

    An epoch that is run again, after a kill or from an older checkpoint, replaces its row. The column `epoch` counts
    from 0, as Keras does: the checkpoint of row 0 is ..._0001.h5. A file that another program has open, or has saved
    in another form or without some of its rows, columns or cells, costs one warning, never the training: its rows are
    in memory and are written with the next ones, also where these are of the next stage, to which the same HistoryFile
    is given. Cells that were changed in the file are taken, and so are columns and rows that were added.
    """

    def __init__(self, path: str | os.PathLike):
        super().__init__()
        self.path, self.rows, self.begun, self.was_there, self.behind, self.told = path, [], False, False, False, set()

    def take_up(self) -> list[dict]:
        """The rows so far: of the file, or of the stage before in this process where the file lacks some of them.

        Raises:
            DataError: the first time: the file cannot be read, or is damaged.
        """
        if not self.begun:
            self.rows = self._joined(read_history_rows(self.path), False)  # shows damage before an epoch is trained
            self.begun, self.was_there = True, bool(self.rows)
        else:
            self._read()
        return self.rows

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.take_up()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._read()
        rows = [row for row in self.rows if int(row["epoch"]) != epoch]
        rows.append({"epoch": epoch, **{name: float(value) for name, value in (logs or {}).items()}})
        self.rows = sorted(rows, key=lambda row: int(row["epoch"]))
        self._write("close it in other programs. Training goes on, and all rows are written after the next epoch that "
                    "finds it free.")

    def on_train_end(self, logs: dict | None = None) -> None:
        if self.behind:
            self._write("it lacks the rows of the last epochs, whose checkpoints are there.")

    def _read(self):
        if self.behind:
            return
        if self.was_there and not os.path.isfile(self.path):
            warnings.warn(f"{self.path} has gone since the last epoch, and with it perhaps the checkpoints beside it: "
                          "training goes on and writes it anew from this epoch on.", stacklevel=3)
            self.rows, self.was_there = [], False
            return
        try:
            self.rows = self._joined(read_history_rows(self.path), ends_amid_a_line(self.path))
        except DataError as error:
            reason = disk_reason(error.__cause__)
            self._tell(f"cannot be read ({reason}): close it in other programs. Training goes on with the rows of all "
                       "epochs so far." if reason else
                       "was saved in another form by another program: it is written anew, with the rows of all epochs "
                       "so far. Open a copy of it while training.")

    def _joined(self, found, cut):
        """The rows in memory with what the file has of them, and further ones; what the file lacks is told.

        cut: whether the last line of the file is not ended, so that its last cell may be a part of what it was.
        """
        last = [name for name, cell in found[-1].items() if cell is not None][-1] if found and cut else None
        found = found[:-1] if last == "epoch" else found
        rows = {int(row["epoch"]): dict(row) for row in self.rows}
        lost = sorted(rows.keys() - {int(row["epoch"]) for row in found})
        columns = {name for row in self.rows for name in row} - {name for row in found for name in row}
        cells = []
        for row in found:
            known = rows.setdefault(int(row["epoch"]), {})
            for name, cell in row.items():
                doubtful = name == last and row is found[-1] and cell != str(known.get(name))
                if (not cell or doubtful) and known.get(name) not in (None, ""):
                    cells.append(f"{name} of {row['epoch']}")
                elif cell is not None:  # None: the line ends before it
                    known[name] = cell
        what = [f"{len(lost)} epochs (first: {lost[0]})"] if lost else []
        what += [f"{len(columns)} columns (first: {min(columns)})"] if found and columns else []
        what += [f"{len(cells)} cells of the epochs that it has (first: {cells[0]})"] if cells else []
        if what:
            self._tell(f"lacks {' and '.join(what)} since another program saved it: they are written again. Open a "
                       "copy of it while training.", "lacks")
        return [rows[epoch] for epoch in sorted(rows)]

    def _write(self, outlook):
        try:
            write_history_rows(self.path, self.rows)
            self.behind, self.was_there = False, True
        except DataError as error:
            self.behind = True
            self._tell(f"cannot be written ({disk_reason(error.__cause__) or error}): {outlook}")

    def _tell(self, text, what=None):
        """Warn, once of each text, or of each `what`."""
        if (what or text) not in self.told:
            warnings.warn(f"{self.path} {text}", stacklevel=4)
        self.told.add(what or text)


def history_of(segmenter: object) -> HistoryFile:
    """The HistoryFile of the run that a network trains, the same one in all stages of a process.

    Args:
        segmenter: the `Segmenter` that trains, which keeps it as `record`.
    """
    path, record = os.path.join(segmenter.log_dir, HISTORY), getattr(segmenter, "record", None)
    if record is None or record.path != path:
        segmenter.record = HistoryFile(path)
    return segmenter.record


class Drawing(keras.callbacks.Callback):
    """Calls `draw()` after epochs and at the end; a picture that fails costs one warning, never the training.

    After each epoch, unless epochs are so short that drawing would take more than a twentieth of the time.
    """

    def __init__(self, draw: Callable[[], None]):
        super().__init__()
        self.draw, self.warned, self.due, self.pending = draw, False, -math.inf, False

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.pending = True
        if time.monotonic() >= self.due:
            self._draw()

    def on_train_end(self, logs: dict | None = None) -> None:
        if self.pending:
            self._draw()

    def _draw(self):
        start = time.monotonic()
        try:
            self.draw()
        except Exception as error:
            if not self.warned:
                warnings.warn(f"The training curves could not be drawn ({error!r}); history.csv has the figures.",
                              stacklevel=2)
            self.warned = True
        self.pending, end = False, time.monotonic()
        self.due = end + 20 * (end - start)


class ProgressBar(keras.callbacks.ProgbarLogger):
    """Keras' bar on a terminal or in a notebook; in a log a line for each epoch, and one a minute within it."""

    def set_params(self, params: dict) -> None:
        super().set_params(params)
        if self.verbose == 1 and not draws_bars():
            self.verbose = 2

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self.show = log_lines(f"Epoch {epoch + 1}/{self.epochs}, step", "", sys.stdout)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        with steering_terminal():
            super().on_train_batch_end(batch, logs)
        if self.verbose == 2:
            self.show(batch + 1, self.target)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        with steering_terminal():
            super().on_epoch_end(epoch, logs)


class TensorBoardLogs(keras.callbacks.TensorBoard):
    """TensorBoard's files; where they cannot be written that costs one warning, never the training."""

    def __init__(self, log_dir: str | os.PathLike) -> None:
        super().__init__(log_dir, write_graph=False)
        self.warned = False

    @property
    def summary(self) -> object:
        """What Keras writes curves with, in place of TensorFlow's."""
        return event_files


def _forgiving(name):
    """A hook of TensorBoard's that warns of its first error, and then tries no more than what ends something."""
    hook = getattr(keras.callbacks.TensorBoard, name)

    def forgiving(self, *arguments, **named):
        if self.warned and not name.endswith("_end"):
            return
        try:
            hook(self, *arguments, **named)
        except Exception as error:
            if not self.warned:
                reason = disk_reason(error) or " ".join(str(error).split())[:200]
                warnings.warn(f"{self.log_dir}: TensorBoard's files cannot be written ({reason}): training goes on "
                              "without them; history.csv has the figures.", stacklevel=2)
            self.warned = True
    return forgiving


for _name in ("set_model", *HOOKS, "on_epoch_end"):
    if getattr(keras.callbacks.TensorBoard, _name) is not getattr(keras.callbacks.Callback, _name):
        setattr(TensorBoardLogs, _name, _forgiving(_name))


def recording_callbacks(log_dir: str | os.PathLike, draw: Callable[[], None] | None = None,
                        history: HistoryFile | None = None) -> list:
    """CSV history in one file over all stages, and TensorBoard's files where it is installed.

    Args:
        log_dir: the run's folder.
        draw: function without arguments that draws what the history holds by then; None draws nothing.
        history: of the run's stage before; None begins with the file.
    """
    record = [LearningRateLog(), history or HistoryFile(os.path.join(log_dir, HISTORY))]
    if draw is not None:
        record.append(Drawing(draw))
    if importlib.util.find_spec("tensorboard") is None:
        print("No TensorBoard logs, only history.csv: install tensorboard for them.")
    else:
        record.append(TensorBoardLogs(log_dir))
    return record
