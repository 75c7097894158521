"""Callbacks that look at the validation set between epochs: AP in the logs, the best checkpoint, early stopping.

`Segmenter.train(custom_callbacks=...)` calls those with the attribute `measures` before the logs are written, so that
history.csv and TensorBoard have their figures, and the others after each epoch's checkpoint.
"""

import contextlib
import json
import math
import os
import warnings

import keras

from mrcnn.data.images import DataError
from mrcnn.evaluation.coco import KINDS, coco_average_precision
from mrcnn.evaluation.evaluate import detect_all, write_json

LOGGED = ("AP", "AP50", "AP75")
KEPT = {"segm_AP": "val_segm_AP", "bbox_AP": "val_bbox_AP", "loss": "val_loss"}
BEST = "best.json"


class AveragePrecision(keras.callbacks.Callback):
    """Puts COCO's AP, AP50 and AP75 of masks and boxes on a dataset into the logs: "val_segm_AP" ... "val_bbox_AP75".

    In epochs between they are NaN, so that files whose columns are those of the first epoch have a place for them.

    segmenter: the `Segmenter` that trains; dataset: a prepared `Dataset`
    every: number of epochs between; the last epoch is always measured
    limit: use the first so many photos; None uses all
    min_confidence: least score of a detection here: AP needs the uncertain ones too
    """

    measures = True

    def __init__(self, segmenter, dataset, every=1, limit=None, min_confidence=0.05):
        super().__init__()
        self.segmenter, self.dataset, self.every, self.limit = segmenter, dataset, every, limit
        self.min_confidence = min_confidence
        self._predict = None  # the inference graph with this threshold built in

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        last = epoch + 1 == (self.params or {}).get("epochs")
        due = last or (epoch + 1) % self.every == 0
        numbers = self.measure() if due else {}
        for kind in KINDS:
            for name in LOGGED:
                logs[f"val_{kind}_{name}"] = numbers[kind][name] if due else math.nan

    def measure(self):
        """{kind: 12 COCO numbers} of the network as it is now."""
        with self._threshold_lowered():
            results, truth = detect_all(self.segmenter, self.dataset, limit=self.limit, progress=False)
        return {kind: coco_average_precision(truth, results, kind) for kind in KINDS}

    @contextlib.contextmanager
    def _threshold_lowered(self):
        """Detect with `min_confidence`, by a graph of its own: the threshold is a constant built into it."""
        model = self.segmenter.inference_model
        layers = [(layer, layer.min_confidence) for layer in model.layers if hasattr(layer, "min_confidence")]
        before, model.predict_function = model.predict_function, self._predict
        try:
            for layer, _ in layers:
                layer.min_confidence = self.min_confidence
            yield
        finally:
            self._predict, model.predict_function = model.predict_function, before
            for layer, value in layers:
                layer.min_confidence = value


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights of the best epoch as mask_rcnn_NAME_best.h5 in the run folder, beside the numbered checkpoints.

    best.json there says which epoch it was and how good, so that a run that is taken up again compares with it. Epochs
    without a value, or with NaN, are passed over.

    segmenter: the `Segmenter` that trains; monitor: name in the logs; mode: "max" or "min", which of values is better
    """

    def __init__(self, segmenter, monitor="val_segm_AP", mode=None):
        super().__init__()
        self.segmenter, self.monitor = segmenter, monitor
        self.mode = mode or _better(monitor)
        self.best = None

    @property
    def path(self):
        """Path of the best weights."""
        return self.segmenter.checkpoint_path.replace("{epoch:04d}", "best")

    def on_train_begin(self, logs=None):
        known = read_best(self.segmenter.log_dir)
        same = known is not None and known["monitor"] == self.monitor and os.path.isfile(self.path)
        self.best = known["value"] if same else None

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is None:
            known = ", ".join(sorted(logs or {}))
            warnings.warn(f"No best checkpoint is kept: {self.monitor} is not among {known}.", stacklevel=2)
            return
        value = float(value)
        if math.isnan(value) or not (self.best is None or _is_better(value, self.best, self.mode)):
            return
        self.best = value
        self.segmenter.save_weights(self.path)
        write_json(os.path.join(self.segmenter.log_dir, BEST), {
            "monitor": self.monitor, "value": value, "epoch": epoch + 1, "weights": os.path.basename(self.path),
        })


class StopEarly(keras.callbacks.EarlyStopping):
    """Early stopping that counts no epoch in which nothing was measured: patience is a number of measurements."""

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is None or not math.isnan(value):
            super().on_epoch_end(epoch, logs)


def read_best(folder):
    """What `KeepBest` wrote into a run folder: {"monitor", "value", "epoch", "weights"}; None if there is none.

    Raises DataError if the file is not as it wrote it.
    """
    path = os.path.join(folder, BEST)
    if not os.path.isfile(path):
        return None
    try:
        with open(path, encoding="utf-8") as file:
            best = json.load(file)
        return {"monitor": str(best["monitor"]), "value": float(best["value"]), "epoch": int(best["epoch"]),
                "weights": str(best["weights"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} does not say which epoch was best ({error!r}): remove it.") from error


def _better(monitor):
    return "min" if "loss" in monitor else "max"


def _is_better(value, best, mode):
    return value < best if mode == "min" else value > best


def validation_callbacks(segmenter, dataset, every=None, limit=None, keep_best=None, patience=None):
    """The callbacks that options of a training command ask for.

    segmenter: the `Segmenter` that trains; dataset: its validation set
    every: measure AP every so many epochs; None measures it only if something below needs it, then in each
    limit: number of photos to measure it on; None takes all
    keep_best: "segm_AP", "bbox_AP" or "loss": keep the checkpoint that is best by it; None keeps none
    patience: stop after so many measurements that brought nothing better by what keep_best names, by mask AP if it
        names nothing and AP is measured, else by loss; None never stops early

    Returns a list for `Segmenter.train(custom_callbacks=...)`, to be made once for all stages.
    Raises DataError for another keep_best, and if something is asked for and there is no validation set.
    """
    if keep_best is not None and keep_best not in KEPT:
        raise DataError(f"The best checkpoint cannot be chosen by {keep_best!r}: take one of {', '.join(KEPT)}.")
    if dataset is None and (every or keep_best or patience):
        raise DataError("AP, the best checkpoint and early stopping need a validation set.")
    monitor = KEPT[keep_best or ("segm_AP" if every else "loss")]
    callbacks = []
    if every or (keep_best or "loss") != "loss":
        callbacks.append(AveragePrecision(segmenter, dataset, every or 1, limit))
    if keep_best:
        callbacks.append(KeepBest(segmenter, monitor))
    if patience:
        callbacks.append(StopEarly(monitor=monitor, mode=_better(monitor), patience=patience))
    return callbacks
