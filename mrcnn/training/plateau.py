"""LR_SCHEDULE = "plateau": the learning rate falls when the validation loss falls no more."""

import math

import keras
import numpy as np

from mrcnn.training.optimizer import unscaled
from mrcnn.training.validation import note_photos, values_before


class LowerOnPlateau(keras.callbacks.Callback):
    """Multiplies the learning rate by a factor after so many epochs without a better validation loss.

    It comes after the record, which has the rate that an epoch was trained with, and before the checkpoint. A resumed
    stage knows from history.csv how long it has been waiting; how far the rate has fallen is part of the optimizer's
    state. Where several workers train, all of them need it: the chief counts, and all change the rate.

    Args:
        segmenter: the `Segmenter` that trains.
        factor: of the rate.
        patience: number of epochs without gain.
        monitor: name in the logs, of which less is better.
        photos: `mrcnn.training.validation.photos_note` of what it is measured on; None: that is not compared.
    """

    def __init__(self, segmenter: object, factor: float, patience: int, monitor: str = "val_loss",
                 photos: dict | None = None) -> None:
        super().__init__()
        self.photos = photos
        self.segmenter, self.factor, self.patience, self.monitor = segmenter, float(factor), int(patience), monitor
        self.best, self.waited = math.inf, 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.best, self.waited = math.inf, 0
        if self.photos:
            note_photos(self.segmenter, self.monitor, self.photos, "LR_SCHEDULE=plateau")
        for value in values_before(self.segmenter, self.monitor, self.photos):
            self._due(value)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        devices, due = self.segmenter.devices, self._due(float((logs or {}).get(self.monitor, math.nan)))
        if devices.agree(str(due)) != "True":
            return
        optimizer = unscaled(self.model.optimizer)
        optimizer.lowered.assign(np.asarray(optimizer.lowered) * self.factor)
        if devices.chief:
            print(f"\n{self.monitor} has not fallen for {self.patience} epochs: the learning rate is {self.factor:g} "
                  "times what it was.")

    def _due(self, value):
        """Count an epoch; True if the rate has to fall after it."""
        if math.isnan(value):
            return False
        if value < self.best:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        due = self.waited >= self.patience
        if due:
            self.waited = 0
        return due
