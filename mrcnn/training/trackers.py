"""A training's figures for Weights & Biases and for MLflow, by their own libraries.

A run keeps its number there in trackers.json of its folder, so that a resumed training goes on in the same run. What a
tracker cannot take costs one warning, never the training: history.csv has all figures.
"""

import os
import time
import warnings
from collections.abc import Sequence

import keras

from mrcnn.files import read_json, write_json

RUNS = "trackers.json"


class Tracking(keras.callbacks.Callback):
    """Sends the figures of each epoch to a tracker; made once for all stages of a run.

    Args:
        segmenter: the network that is trained; its run folder, name and settings are taken when the first stage begins.
    """

    name = ""  # of the tracker, and of its package

    def __init__(self, segmenter: object):
        super().__init__()
        self.segmenter, self.begun, self.warned = segmenter, False, False

    def on_train_begin(self, logs: dict | None = None) -> None:
        if not self.begun:
            self._try(self._begin)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        figures = {name: float(value) for name, value in (logs or {}).items()}
        if self.begun:
            self._try(lambda: self.send(epoch, figures))

    def close(self, finished: bool = True) -> None:
        """Tell the tracker that the run ended. finished: False if an error or a signal ended it."""
        if self.begun:
            self._try(lambda: self.end(finished))
            self.begun = False

    def begin(self, known: str | None, project: str, title: str, settings: dict) -> str:
        """Open the run `known`, or a new one where it is None. Returns its number there."""
        raise NotImplementedError

    def send(self, epoch: int, figures: dict[str, float]) -> None:
        """Add the figures of an epoch, from 0."""
        raise NotImplementedError

    def end(self, finished: bool) -> None:
        """Close the run."""
        raise NotImplementedError

    def _begin(self):
        folder, config = self.segmenter.log_dir, self.segmenter.config
        path = os.path.join(folder, RUNS)
        runs = read_json(path, "trackers of a run") if os.path.isfile(path) else {}
        settings = {key: value if isinstance(value, (int, float, str, bool)) else str(value)
                    for key, value in sorted(config.to_dict().items())}
        settings["ARCHITECTURE"] = self.segmenter.architecture_name()
        number = self.begin(runs.get(self.name), config.NAME, os.path.basename(folder), settings)
        write_json(path, {**runs, self.name: number})
        self.begun = True

    def _try(self, action):
        try:
            action()
        except Exception as error:
            if not self.warned:
                reason = " ".join(str(error).split())[:200]
                warnings.warn(f"{self.name} takes no figures ({reason}): training goes on without it; history.csv has "
                              "the figures.", stacklevel=3)
            self.warned = True


class WandbTracking(Tracking):
    """Weights & Biases: the project is the settings' NAME; WANDB_MODE=offline keeps the files in the run folder."""

    name = "wandb"

    def begin(self, known: str | None, project: str, title: str, settings: dict) -> str:
        import wandb

        self.run = wandb.init(project=project, name=title, id=known, resume="allow", dir=self.segmenter.log_dir,
                              config=settings)
        return self.run.id

    def send(self, epoch: int, figures: dict[str, float]) -> None:
        self.run.log({"epoch": epoch, **figures}, step=epoch)

    def end(self, finished: bool) -> None:
        self.run.finish(exit_code=0 if finished else 1)


class MlflowTracking(Tracking):
    """MLflow: the experiment is the settings' NAME; MLFLOW_TRACKING_URI says where, as for all of its programs."""

    name = "mlflow"

    def begin(self, known: str | None, project: str, title: str, settings: dict) -> str:
        from mlflow import entities
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient()
        if known is not None:
            self.run_id = known
            self.client.update_run(known, status="RUNNING")
            return known
        experiment = self.client.get_experiment_by_name(project)
        number = experiment.experiment_id if experiment else self.client.create_experiment(project)
        self.run_id = self.client.create_run(number, run_name=title).info.run_id
        # No text longer, and no more in a request, than its older servers take.
        params = [entities.Param(key, str(value)[:500]) for key, value in settings.items()]
        for first in range(0, len(params), 100):
            self.client.log_batch(self.run_id, params=params[first:first + 100])
        return self.run_id

    def send(self, epoch: int, figures: dict[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.client.log_batch(self.run_id, metrics=[Metric(key, value, now, epoch) for key, value in figures.items()])

    def end(self, finished: bool) -> None:
        self.client.set_terminated(self.run_id, status="FINISHED" if finished else "FAILED")


TRACKERS = {tracker.name: tracker for tracker in (WandbTracking, MlflowTracking)}


def trackers_of(names: Sequence[str], segmenter: object) -> list[Tracking]:
    """The callbacks of trackers for a training, to be given to train() as custom_callbacks.

    Args:
        names: some of TRACKERS.
        segmenter: the network that is trained.
    """
    return [TRACKERS[name](segmenter) for name in names]
