"""Callbacks that measure validation and test photos between epochs: figures for the logs, best checkpoint, early stop.

`Segmenter.train(custom_callbacks=...)` calls those with the attribute `measures` before the logs are written, so that
history.csv and TensorBoard have their figures, and the others after each epoch's checkpoint. What is measured on test
photos is there to be read: nothing is chosen by it.
"""

import hashlib
import json
import math
import os
import warnings
from collections.abc import Callable, Sequence

import keras

from mrcnn.data.dataset import Dataset
from mrcnn.data.objects import has_objects
from mrcnn.errors import DataError
from mrcnn.files import write_json
from mrcnn.training.history import number_of, rows_of

BEST = "best.json"
PARTS = {"val": "validation", "test": "test"}  # of the data, in words


class Figures(keras.callbacks.Callback):
    """Puts the figures of a network on a dataset into the logs: "val_segm_AP" ... or "val_mean_IoU" ...

    They are those that the network names (`Segmenter.figures`). In epochs between they are NaN, so that files whose
    columns are those of the first epoch have a place for them. Photos without any object are told before the first.

    Args:
        segmenter: the `Segmenter` that trains.
        dataset: prepared Dataset.
        every: number of epochs between; the last epoch is always measured.
        limit: number of photos to use, the first ones; None uses all.
        part: of the data, in front of the names: "val" or "test".

    Attributes:
        measured: what `Segmenter.measure` returned last; None before.
    """

    measures = True

    def __init__(self, segmenter: object, dataset: Dataset, every: int = 1, limit: int | None = None,
                 part: str = "val"):
        super().__init__()
        self.segmenter, self.dataset, self.every, self.limit, self.part = segmenter, dataset, every, limit, part
        self.measured, self.looked = None, False

    def on_train_begin(self, logs: dict | None = None) -> None:
        if not self.looked:  # once for all stages
            of_label_maps = getattr(getattr(self.segmenter, "samples", None), "of_label_maps", False)
            warn_without_objects(self.dataset, self.limit, self.part, of_label_maps)
        self.looked = True

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs = {} if logs is None else logs
        last = epoch + 1 == (self.params or {}).get("epochs")
        due = last or (epoch + 1) % self.every == 0
        if due:
            self.measured = self.segmenter.measure(self.dataset, limit=self.limit)
        for name in self.segmenter.figures:
            logs[f"{self.part}_{name}"] = self.measured[name] if due else math.nan


def warn_without_objects(dataset: Dataset, limit: int | None = None, part: str = "val",
                         of_label_maps: bool = False) -> None:
    """Warn of photos to be measured that have no object, for figures of objects are undefined on them.

    Args:
        dataset: prepared Dataset.
        limit: number of photos that are measured, the first ones; None takes all.
        part: of the data, "val" or "test".
        of_label_maps: whether a network of label maps is measured: then labelled pixels count, not objects.

    Raises:
        DataError: naming a photo whose objects cannot be read.
    """
    image_ids = dataset.image_ids[:limit]
    if any(has_objects(dataset, image_id, of_label_maps) for image_id in image_ids):  # the first that has one ends it
        return
    limited = len(image_ids) < len(dataset.image_ids)
    which, remedy = ((f"The first {len(image_ids)} of {len(dataset.image_ids)}", "raise --evaluate-limit") if limited
                     else (f"All {len(image_ids)}", "give photos with objects"))
    lacking = ("no labelled pixel, so figures of classes, such as object_IoU, are NaN or 0" if of_label_maps
               else "no object, so figures of objects, such as AP and IoU, are NaN")
    warnings.warn(f"{which} {PARTS.get(part, part)} photos have {lacking} in every epoch, and no epoch is chosen by "
                  f"them: {remedy}.", stacklevel=3)


class PartLoss(keras.callbacks.Callback):
    """Puts every loss on a dataset into the logs: "test_loss", "test_mrcnn_mask_loss" ...

    Args:
        segmenter: the `Segmenter` that trains.
        dataset: a prepared `Dataset`.
        part: of the data, in front of the names.
    """

    measures = True

    def __init__(self, segmenter: object, dataset: Dataset, part: str = "test"):
        super().__init__()
        self.segmenter, self.dataset, self.part = segmenter, dataset, part

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if logs is not None:
            logs.update({f"{self.part}_{name}": loss for name, loss in self.segmenter.losses_on(self.dataset).items()})


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights of the best epoch as ..._NAME_best.h5 in the run folder, beside the numbered checkpoints.

    best.json there says which epoch it was, how good, and on which photos, so that a run that is taken up again
    compares with it if they are the same. Epochs without a value, or with NaN, are passed over; a stage of which all
    are is told at its end.

    Args:
        segmenter: the `Segmenter` that trains.
        monitor: name in the logs.
        mode: "max" or "min", which of values is better.
        photos: function () -> `photos_note` of what the monitor is measured on; None: that is not compared.
    """

    measures = True  # before the epoch's own checkpoint: killed in between, the run does the epoch again

    def __init__(self, segmenter: object, monitor: str = "val_segm_AP", mode: str | None = None,
                 photos: Callable[[], dict] | None = None):
        super().__init__()
        self.segmenter, self.monitor, self.photos = segmenter, monitor, photos
        self.mode = mode or _better(monitor)
        self.best, self.measured_on, self.seen = None, None, []

    @property
    def path(self) -> str:
        """Path of the best weights."""
        return self.segmenter.checkpoint_path.replace("{epoch:04d}", "best").format()

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.seen = []
        known = read_best(self.segmenter.log_dir)
        same = known is not None and known["monitor"] == self.monitor and os.path.isfile(self.path)
        self.measured_on = self.photos() if self.photos else None
        if same and _differ(known.get("photos"), self.measured_on):
            print(f"{BEST} is of {known['photos']['number']} validation photos, others than the "
                  f"{self.measured_on['number']} of now: the best checkpoint is chosen anew, and replaces that one.")
            same = False
        self.best = known["value"] if same else None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(f"No best checkpoint is kept: {self.monitor} is not among {', '.join(sorted(logs or {}))}.",
                          stacklevel=2)
            return
        value = float(value)
        self.seen.append(value)
        if math.isnan(value) or not (self.best is None or _is_better(value, self.best, self.mode)):
            return
        self.best = value
        self.segmenter.epoch = epoch + 1  # which the file carries
        self.segmenter.save_weights(self.path)
        write_json(os.path.join(self.segmenter.log_dir, BEST), {
            "monitor": self.monitor, "value": value, "epoch": epoch + 1, "weights": os.path.basename(self.path),
            **({"photos": self.measured_on} if self.measured_on else {}),
        })

    def on_train_end(self, logs: dict | None = None) -> None:
        tell_undefined(self.seen, "--keep-best", self.monitor, "no checkpoint of this stage is kept as the best")
        if self.best == 0 and self.mode == "max" and not all(map(math.isnan, self.seen)):
            print(f"--keep-best: {self.monitor} stayed 0, so its first epoch is kept: train longer, or choose by loss.")


def tell_undefined(values: Sequence[float], whose: str, monitor: str, effect: str) -> None:
    """Print what an option did not do where the figure that it goes by was NaN in all epochs.

    Args:
        values: of the figure in the epochs of a stage.
        whose: the option.
        monitor: name of the figure in the logs.
        effect: what came of it.
    """
    if values and all(map(math.isnan, values)):
        print(f"{whose}: {monitor} was NaN in all {len(values)} epochs, so {effect}: choose by another figure, or "
              "measure photos with objects (--evaluate-limit N takes the first N alone).")


class StopEarly(keras.callbacks.EarlyStopping):
    """Early stopping that counts no epoch in which nothing was measured: patience is a number of measurements.

    It tells which epochs fall away by it.

    Args:
        segmenter: the `Segmenter` that trains, for a resumed stage to know what it measured before.
        photos: as for `KeepBest`.
        settings: of Keras' EarlyStopping.
    """

    def __init__(self, segmenter: object = None, photos: Callable[[], dict] | None = None, **settings: object):
        # Its "auto" would leave open which of the values measured before a resume is the best.
        super().__init__(**{"mode": _better(settings.get("monitor", "val_loss")), **settings})
        self.segmenter, self.photos, self.seen = segmenter, photos, []

    def on_train_begin(self, logs: dict | None = None) -> None:
        super().on_train_begin(logs)
        self.seen = []
        if self.photos:
            note_photos(self.segmenter, self.monitor, self.photos(), "--patience")
        best, without_gain = self._before()
        if best is not None:
            self.best, self.wait = best, without_gain

    def is_over(self) -> bool:
        """Whether the stage of the loaded checkpoint had ended by this."""
        return self._before()[1] >= self.patience

    def _before(self):
        """(best value, measurements since) in the epochs that the stage at hand has behind it; (None, 0) for none."""
        best, without_gain = None, 0
        for value in values_before(self.segmenter, self.monitor, self.photos() if self.photos else None):
            if best is None or _is_better(value, best, self.mode):
                best, without_gain = (None, 0) if math.isnan(value) else (value, 0)
            elif not math.isnan(value):
                without_gain += 1
        return best, without_gain

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        value = (logs or {}).get(self.monitor)
        if value is not None:
            self.seen.append(float(value))
        if value is None or not math.isnan(value):
            super().on_epoch_end(epoch, logs)
            if self.stopped_epoch and self.stopped_epoch == epoch:  # Keras never stops after the first, epoch 0
                self._tell_end(epoch + 1)

    def _tell_end(self, done):
        """Print that the stage ends early, unless it ends anyway. done: epochs since the start of the run"""
        epochs = (self.params or {}).get("epochs") or done
        if epochs > done:
            moved = "fallen below" if _better(self.monitor) == "min" else "risen above"
            print(f"\n--patience {self.patience}: {self.monitor} has not {moved} {float(self.best):.4g} for "
                  f"{self.wait} measurements: the stage ends after epoch {done} of {epochs}, and its other "
                  f"{epochs - done} epochs fall away.")

    def on_train_end(self, logs: dict | None = None) -> None:
        super().on_train_end(logs)
        tell_undefined(self.seen, "--patience", self.monitor, "no epoch was counted and none could end the stage")


def values_before(segmenter: object, monitor: str, photos: dict | None = None) -> list[float]:
    """What history.csv has of a figure in the epochs that the stage has behind it; NaN where it was not measured.

    Args:
        segmenter: the `Segmenter` that trains, or None.
        monitor: name of the figure in the logs.
        photos: `photos_note` of what it is measured on now; epochs in which these were others are left out.

    Returns:
        List of float.
    """
    stage = getattr(segmenter, "stage", None)
    if not stage:
        return []
    first, noted = stage["first_epoch"], (stage.get("photos") or {}).get(monitor)
    if noted:
        first = segmenter.epoch if _differ(noted, photos) else max(first, noted["since"])
    return [number_of(row.get(monitor)) for row in rows_of(segmenter) if first <= int(row["epoch"]) < segmenter.epoch]


def photos_note(dataset: Dataset, image_ids: Sequence[int]) -> dict:
    """A note of some photos, by which others are told: {"number", "names": a digest}.

    Args:
        dataset: prepared Dataset.
        image_ids: of the photos.
    """
    names = "\n".join(dataset.sample_name(image_id) for image_id in image_ids)
    return {"number": len(image_ids), "names": hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()}


def note_photos(segmenter: object, monitor: str, photos: dict, whose: str) -> None:
    """Note in the stage, and so in its checkpoints, which photos a figure is measured on; tell if they are others.

    Args:
        segmenter: the `Segmenter` that trains; its `stage` may have the note of the checkpoint.
        monitor: name of the figure in the logs.
        photos: of `photos_note`.
        whose: setting or option that compares the figure over epochs, for the message.
    """
    stage = getattr(segmenter, "stage", None)
    if stage is None:
        return
    noted = (stage.get("photos") or {}).get(monitor)
    since = noted["since"] if noted else stage["first_epoch"]
    if noted and _differ(noted, photos):
        since = segmenter.epoch
        if getattr(getattr(segmenter, "devices", None), "chief", True):
            print(f"{monitor} is of {photos['number']} validation photos now, others than the {noted['number']} "
                  f"before: {whose} counts anew from epoch {since + 1}.")
    stage["photos"] = {**(stage.get("photos") or {}), monitor: {**photos, "since": since}}


def _differ(before, now):
    """Whether two notes are of other photos; those of earlier versions, which are None, may be of the same."""
    return before is not None and now is not None and before["names"] != now["names"]


def read_best(folder: str | os.PathLike) -> dict | None:
    """What `KeepBest` wrote into a run folder: {"monitor", "value", "epoch", "weights"} and "photos"; None if nothing.

    Raises:
        DataError: if the file is not as it wrote it.
    """
    path = os.path.join(folder, BEST)
    if not os.path.isfile(path):
        return None
    try:
        with open(path, encoding="utf-8") as file:
            best = json.load(file)
        known = {"monitor": str(best["monitor"]), "value": float(best["value"]), "epoch": int(best["epoch"]),
                 "weights": str(best["weights"])}
        photos = best.get("photos")  # files of earlier versions have none
        return known if photos is None else {**known, "photos": {"number": int(photos["number"]),
                                                                 "names": str(photos["names"])}}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path} does not say which epoch was best ({error!r}): remove it.") from error


def _better(monitor):
    return "min" if "loss" in monitor else "max"


def _is_better(value, best, mode):
    return value < best if mode == "min" else value > best


def check_kept(architecture: object, figure: str | None) -> None:
    """Raise DataError unless a network's best checkpoint can be chosen by a figure; None chooses none.

    Args:
        architecture: class of the network, or an instance.
        figure: one of its `figures`, "loss" or None.
    """
    known = (*architecture.figures, "loss")
    if figure is not None and figure not in known:
        raise DataError(
            f"The best checkpoint of {architecture.architecture_name()} cannot be chosen by {figure!r}: take one of "
            f"{', '.join(known)}."
        )


def validation_callbacks(segmenter: object, dataset: Dataset, every: int | None = None, limit: int | None = None,
                         keep_best: str | None = None, patience: int | None = None,
                         test: Dataset | None = None) -> list:
    """The callbacks that options of a training command ask for.

    Args:
        segmenter: the `Segmenter` that trains.
        dataset: its validation set.
        every: measure its figures every so many epochs; None measures them only if something below needs it, then in
            each.
        limit: number of photos to measure them on; None takes all.
        keep_best: one of the network's figures, or "loss": keep the checkpoint that is best by it; None keeps none.
        patience: stop after so many measurements that brought nothing better by what keep_best names, by the network's
            first figure if it names nothing and `every` is given, else by loss; None never stops early.
        test: a prepared test set, whose losses and figures are logged beside those of validation, and nothing more;
            without `every` the figures of both are then measured in each epoch.

    Returns:
        A list for `Segmenter.train(custom_callbacks=...)`, to be made once for all stages.

    Raises:
        DataError: for another keep_best, and if something is asked for and there is no validation set.
    """
    check_kept(segmenter, keep_best)
    if dataset is None and (every or keep_best or patience):
        raise DataError(f"{segmenter.figures[0]}, the best checkpoint and early stopping need a validation set.")
    monitor = f"val_{keep_best or (segmenter.figures[0] if every else 'loss')}"  # test photos have no say in it
    every = every or (1 if test is not None else None)
    callbacks = []
    if dataset is not None and (every or (keep_best or "loss") != "loss"):
        callbacks.append(Figures(segmenter, dataset, every or 1, limit))
    if test is not None:
        callbacks += [PartLoss(segmenter, test), Figures(segmenter, test, every, limit, part="test")]
    if limit and not any(isinstance(callback, Figures) for callback in callbacks):
        warnings.warn(f"--evaluate-limit {limit} is of no effect, for no figure is measured: give --evaluate-every N "
                      "too, or --keep-best with a figure other than loss.", stacklevel=2)

    def photos():
        number = segmenter.validation_photos(dataset) if monitor == "val_loss" else limit
        return photos_note(dataset, dataset.image_ids[:number])

    if keep_best:
        callbacks.append(KeepBest(segmenter, monitor, photos=photos))
    if patience:
        callbacks.append(StopEarly(segmenter, photos, monitor=monitor, mode=_better(monitor), patience=patience))
    return callbacks
