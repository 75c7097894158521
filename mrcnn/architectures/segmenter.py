"""What every instance segmentation network here shares: run folder, weights, train(), detect()."""

import datetime
import functools
import json
import os
import random
import re
from collections.abc import Callable, Sequence

import keras

from mrcnn import __version__
from mrcnn.config import Config
from mrcnn.data.batches import Batches
from mrcnn.data.dataset import Dataset
from mrcnn.drawing.curves import draw_run
from mrcnn.errors import ConfigError
from mrcnn.inference.detector import Detector, unmold  # noqa: F401  unmold is known here too
from mrcnn.inference.views import network_config
from mrcnn.training.callbacks import Checkpoint, FollowEpoch, Measuring, StopAtNonFiniteLoss, recording_callbacks
from mrcnn.training.devices import devices_for
from mrcnn.training.ema import MeanWeights
from mrcnn.training.optimizer import make_optimizer, rate_text
from mrcnn.training.stages import select_layers, set_trainable_layers
from mrcnn.weights import files as weights
from mrcnn.weights import torchvision as torchvision_weights

# .../fashion20261121T0401/mask_rcnn_fashion_0003.h5
CHECKPOINT = re.compile(r".*[/\\][\w-]+(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})[/\\]mask_rcnn_[\w-]+(\d{4})\.h5")
RUN_FOLDER = re.compile(r"(?P<name>[\w-]+?)(?P<time>\d{8}T\d{4})")


def find_last_checkpoint(logs: str | os.PathLike, name: str | None = None) -> str:
    """Find the newest run's last checkpoint.

    Args:
        logs: folder of the run folders.
        name: Config.NAME of the runs to consider; None considers all.

    Returns:
        Path of the checkpoint.

    Raises:
        FileNotFoundError: there is no checkpoint.
    """
    runs = []
    for folder in os.listdir(logs) if os.path.isdir(logs) else []:
        match = RUN_FOLDER.fullmatch(folder)
        if match and (name is None or match["name"] == name.lower()):
            found = [f for f in os.listdir(os.path.join(logs, folder)) if re.fullmatch(r"mask_rcnn_.*\d{4}\.h5", f)]
            if found:
                runs.append((match["time"], folder, max(found, key=lambda f: f[-7:])))
    if not runs:
        of_name = f" of a run named {name}" if name else ""
        raise FileNotFoundError(f"No checkpoint{of_name} in {os.path.abspath(logs)}: train first, or give the path.")
    _, folder, checkpoint = max(runs)
    return os.path.join(logs, folder, checkpoint)


class Segmenter(Detector):
    """A network with its settings and run folder. Subclasses say how the network is built.

    Args:
        mode: "training" or "inference"; a model in training mode detects as well.
        config: settings; they are checked first.
        model_dir: folder in which run folders are made.

    Attributes:
        config, mode, model_dir: as given.
        log_dir: path of the run folder.
        epoch: number of finished epochs.
        checkpoint_path: pattern of the checkpoints' paths.
        class_names: names by class id, background first; None before training or loading tells them.
        keras_model: the graph of the mode.
        training_model, inference_model: both graphs, which share their weights.

    Raises:
        ConfigError: a setting does not fit the others.
    """

    def __init__(self, mode: str, config: Config, model_dir: str | os.PathLike) -> None:
        if mode not in ("training", "inference"):
            raise ValueError(f'mode={mode!r} is neither "training" nor "inference".')
        config.check()
        self.mode, self.config, self.model_dir = mode, config, str(model_dir)
        self.devices = devices_for(config, mode)
        self.class_names = None
        self.history = None
        self._state = None  # training state of the loaded checkpoint, until a stage takes it up
        self.stage = None  # {"layers", "learning_rate", "epochs", "first_epoch"} in training or of the checkpoint
        self.set_log_dir()
        # Keras draws the seeds of new weights from Python's generator, which the caller gets back as it was.
        state = random.getstate()
        random.seed(config.SEED)
        with self.devices.scope():
            self.training_model, self.inference_model = self.build_networks(network_config(config))
        self.devices.adopt(self.training_model, self.inference_model)
        random.setstate(state)
        # Detection shapes follow what is found, which XLA on TensorFlow cannot compile.
        if keras.backend.backend() == "tensorflow":
            self.inference_model.jit_compile = False
        self.keras_model = self.training_model if mode == "training" else self.inference_model

    def build_networks(self, config: Config) -> tuple[keras.Model, keras.Model]:
        """Build (training model, inference model), which share their weights; every subclass overrides this."""
        raise TypeError(f"{type(self).__name__} must define build_networks(config).")

    # --- Run folder and weights ----------------------------------------------------------------------------------
    def set_log_dir(self, model_path: str | os.PathLike | None = None) -> None:
        """Continue in the run folder and epoch of a checkpoint of ours; None or any other path names a new folder."""
        self.epoch = 0
        name = (self.config.NAME or "model").lower()
        match = CHECKPOINT.fullmatch(os.path.abspath(model_path)) if model_path else None
        if match:
            self.log_dir, self.epoch = os.path.dirname(os.path.abspath(model_path)), int(match.group(6))
            pattern = os.path.basename(model_path)[: -len("0000.h5")]
        else:
            now = datetime.datetime.now()
            while os.path.exists(self._run_folder(name, now)):  # another run began in this minute
                now += datetime.timedelta(minutes=1)
            folder = self.devices.agree(os.path.basename(self._run_folder(name, now)))
            self.log_dir, pattern = os.path.join(self.model_dir, folder), f"mask_rcnn_{name}_"
        self.checkpoint_path = os.path.join(self.log_dir, pattern + "{epoch:04d}.h5")

    def _run_folder(self, name, time):
        return os.path.join(self.model_dir, f"{name}{time:%Y%m%dT%H%M}")

    def find_last(self) -> str:
        """Path of the last checkpoint of the newest run of this Config.NAME; FileNotFoundError if there is none."""
        return find_last_checkpoint(self.model_dir, self.config.NAME or "model")

    def load_weights(self, filepath: str | os.PathLike, by_name: bool = False,
                     exclude: Sequence[str] | None = None) -> weights.LoadReport:
        """Load a weight file and, from a checkpoint of ours, its run folder, epoch and training state.

        Args:
            filepath: .h5 file, or .pth or .safetensors file of torchvision's maskrcnn_resnet50_fpn.
            by_name: load the layers that the file has, instead of requiring all of them.
            exclude: names of layers to leave as they are; implies by_name.

        Returns:
            What was loaded, and what is missing; it is printed too.

        Raises:
            CheckpointError: the file cannot be read or does not fit; the network is then as it was.
        """
        report = torchvision_weights.load_weights(
            filepath, self.training_model, self.config, by_name or bool(exclude), exclude or ()
        )
        attributes = weights.read_attributes(filepath)
        origin = "" if attributes["config"] else f"; geometry in force: {self.config.GEOMETRY}"
        if self.devices.chief:
            print(f"{filepath}: {report}{origin}")
        if attributes["class_names"] and not exclude:
            self.class_names = attributes["class_names"]
        self.set_log_dir(filepath)
        self._state = None
        if not exclude and self.epoch:
            state = weights.read_state(weights.state_path(filepath))
            self._state = state if state and state["epoch"] == self.epoch else None
        self.stage = self._state["stage"] if self._state else None
        return report

    def save_weights(self, path: str | os.PathLike) -> None:
        """Write all weights with the settings, class names and epoch to an .h5 file, whole or not at all."""
        attributes = {
            "mrcnn_config": json.dumps(self.config.to_dict()),
            "mrcnn_class_names": json.dumps(self.class_names),
            "mrcnn_epoch": self.epoch,
            "mrcnn_version": __version__,
        }
        weights.write_weights(path, self.training_model, attributes)

    @classmethod
    def from_checkpoint(cls, path: str | os.PathLike, model_dir: str | os.PathLike | None = None,
                        mode: str = "inference", **overrides: object) -> "Segmenter":
        """Make the network of a checkpoint, with its settings, class names and weights.

        Args:
            path: .h5 file of ours, or .pth or .safetensors file of torchvision's maskrcnn_resnet50_fpn.
            model_dir: folder of the run folders; None takes the one that the checkpoint's run folder is in.
            mode: "training" or "inference".
            overrides: settings to change, by name.

        Returns:
            A model of this class.

        Raises:
            CheckpointError: the file cannot be read or does not fit.
            ConfigError: an override does not exist or does not fit.
        """
        settings = torchvision_weights.settings_of(path)
        config = Config.from_dict(settings["config"], **overrides)
        folder = model_dir or os.path.dirname(os.path.dirname(os.path.abspath(path)))
        model = cls(mode, config, folder)
        model.load_weights(path)
        model.class_names = model.class_names or settings["class_names"]
        return model

    # --- Training ------------------------------------------------------------------------------------------------
    def set_trainable(self, layer_regex: str, keras_model: keras.Model | None = None, indent: int = 0,
                      verbose: int = 1) -> list[str]:
        """Make the layers of a stage trainable and freeze all others.

        Args:
            layer_regex: "heads", "3+", "4+", "5+", "all", or a regular expression of whole layer names.
            keras_model: None takes the training graph.
            indent: ignored; Matterport's argument.
            verbose: 1 prints how many layers are trained.

        Returns:
            Names of the trainable layers.
        """
        model = keras_model or self.training_model
        names = select_layers(model, layer_regex, frozen_norm=self.config.TRAIN_BN is False)
        set_trainable_layers(model, names)
        if verbose:
            total = sum(bool(layer.weights) for layer in model.layers)
            print(f"Training {len(names)} of {total} layers: {layer_regex}")
        return names

    def compile(self, learning_rate: float, momentum: float, warmup_steps: int = 0,
                total_steps: int | None = None) -> None:
        """Give the training graph a fresh optimizer for the layers that are trainable now.

        Args:
            learning_rate: rate after the warm-up.
            momentum: of SGD.
            warmup_steps: number of steps over which the rate rises.
            total_steps: number of steps of the stage, for LR_SCHEDULE; None keeps the rate constant.
        """
        jit = False if keras.backend.backend() == "tensorflow" else "auto"
        with self.devices.scope():
            optimizer = make_optimizer(
                self.training_model, self.config, learning_rate, momentum, warmup_steps, total_steps
            )
            self.devices.join(optimizer)
            self.training_model.compile(optimizer=optimizer, jit_compile=jit)

    def train(
        self,
        train_dataset: Dataset,
        val_dataset: Dataset | None,
        learning_rate: float,
        epochs: int,
        layers: str,
        augmentation: Callable | object | None = None,
        custom_callbacks: Sequence[keras.callbacks.Callback] | None = None,
        no_augmentation_sources: Sequence[str] | None = None,
        augmentation_name: str | None = None,
    ) -> keras.callbacks.History:
        """Train one stage, with a checkpoint after each epoch. A loaded checkpoint is continued.

        Args:
            train_dataset: prepared Dataset to train on.
            val_dataset: prepared Dataset for the validation loss, or None.
            learning_rate: rate of the stage after the warm-up.
            epochs: total number of epochs since the start of the run, not of this stage.
            layers: "heads", "3+", "4+", "5+", "all", or a regular expression of whole layer names.
            augmentation: see `mrcnn.data.augmentation`.
            custom_callbacks: Keras callbacks, called by the chief alone where several workers train. One with a true
                attribute `measures` is called before history.csv is written; the others are called last.
            no_augmentation_sources: sources of the Dataset whose photos are not augmented.
            augmentation_name: tells the stage from one of the same layers and rate when a run is resumed.

        Returns:
            The Keras History of the stage.

        Raises:
            NonFiniteLoss: a loss or gradient is NaN or infinite.
            DataError: a photo cannot be used.
            ConfigError: settings, data set and devices do not fit each other.
        """
        if self.mode != "training":
            raise ValueError('train() needs a model made with mode="training".')
        if self.epoch >= epochs:
            print(f"Nothing to train: epoch {self.epoch} of {epochs} is done already.")
            return self.history
        self._take_classes(train_dataset)
        stage = {"layers": layers, "learning_rate": float(learning_rate), "epochs": int(epochs),
                 "augmentation": augmentation_name}
        stage["first_epoch"] = weights.first_epoch_of(stage, self._state, self.epoch)
        self.stage = stage
        batches = Batches(train_dataset, self.config, augmentation=augmentation, steps=self.config.STEPS_PER_EPOCH,
                          no_augmentation_sources=no_augmentation_sources, first_epoch=self.epoch)
        validation = self._validation_batches(val_dataset)
        if self.config.CLASS_LOSS != "softmax" and self.config.CLASS_COUNTS is None:
            self.training_model.take_class_counts(batches.class_counts())
        self.set_trainable(layers, verbose=self.devices.chief)
        self.compile(learning_rate, self.config.LEARNING_MOMENTUM, min(self.config.WARMUP_STEPS, len(batches)),
                     (epochs - stage["first_epoch"]) * len(batches))
        self._take_up_state(stage)
        self._check_workers()
        if self.devices.chief:
            self._open_run(learning_rate, epochs)
        callbacks = self._callbacks(batches, stage, list(custom_callbacks or []))
        self.history = self._fit(batches, validation, epochs, callbacks)
        return self.history

    def _open_run(self, learning_rate, epochs):
        """Make the run folder with its settings, and say what begins."""
        os.makedirs(self.log_dir, exist_ok=True)
        self.config.save(os.path.join(self.log_dir, "config.json"))
        rate = rate_text(self.config, learning_rate)
        print(f"\nStarting at epoch {self.epoch} of {epochs}, learning rate {rate}, run {self.log_dir}\n")

    def _fit(self, batches, validation, epochs, callbacks):
        """fit() up to a number of epochs, with the data's own errors. Returns the Keras History."""
        try:
            with self.devices.fitting():
                return self.training_model.fit(
                    self.devices.share(batches),
                    validation_data=self.devices.share(validation),
                    initial_epoch=self.epoch,
                    epochs=epochs,
                    verbose="auto" if self.devices.chief else 0,
                    shuffle=False,  # the batches have a seeded order of their own
                    callbacks=callbacks,
                )
        except Exception:
            # Backends wrap an error of the data in pages of their own; what it said itself is what helps.
            failures = [part.failure for part in (batches, validation) if part is not None and part.failure]
            if failures:
                raise failures[0] from None
            raise

    def _check_workers(self):
        """Raise ConfigError unless all workers are about to train the same run from the same epoch."""
        start = f"epoch {self.epoch} of {os.path.basename(self.log_dir)}"
        if self.devices.differ(start):
            raise ConfigError(
                f"This worker would go on from {start}, or another from elsewhere than the chief: load the same "
                "checkpoint on all of them, from a folder that all of them see."
            )

    def _take_up_state(self, stage):
        """Give the optimizer and the random generators back what the loaded checkpoint had of them."""
        if self._state is not None:
            restored = weights.restore_state(self._state, self.training_model, stage)
            if self.devices.chief:
                print("Optimizer and random state restored." if restored else "New stage: the optimizer starts afresh.")
            self._state = None

    def _callbacks(self, batches, stage, custom):
        """The callbacks of a stage, in their order."""
        measuring = Measuring(callback for callback in custom if getattr(callback, "measures", False))
        everywhere = [
            *([MeanWeights()] if self.config.EMA_DECAY else []),  # before all that looks at the weights
            FollowEpoch(batches),
            StopAtNonFiniteLoss(batches),
        ]
        if not self.devices.chief:
            return everywhere + self.devices.callbacks(self)
        return [
            *everywhere,
            measuring,  # before the record, which is to have their figures
            *recording_callbacks(self.log_dir, functools.partial(draw_run, self.log_dir, stage)),
            # After the record: killed in between, the run does the epoch again and replaces its row.
            Checkpoint(self, stage),
            measuring.raise_failure,
            *(callback for callback in custom if callback not in measuring.callbacks),
            *self.devices.callbacks(self),
        ]

    def _take_classes(self, dataset):
        """Keep the class names for the checkpoint; refuse a data set that the network has no outputs for."""
        if dataset.num_classes != self.config.NUM_CLASSES:
            raise ConfigError(
                f"The data set has {dataset.num_classes} classes with background, NUM_CLASSES is "
                f"{self.config.NUM_CLASSES}: set NUM_CLASSES={dataset.num_classes}."
            )
        self.class_names = list(dataset.class_names)

    def losses_on(self, dataset: Dataset) -> dict[str, float]:
        """Measure the losses on the photos of a data set, as on the validation photos of an epoch.

        The random generators stay as they were, so measuring does not change the training.

        Returns:
            {name: mean} of each loss.

        Raises:
            ConfigError: several workers train; all of them would have to call this.
        """
        if getattr(self.devices, "workers", 1) > 1:
            raise ConfigError("The loss on test photos is not measured by several workers: leave the test photos out.")
        state = weights.seed_values(self.training_model)
        batches = self.devices.share(self._validation_batches(dataset))
        losses = self.training_model.evaluate(batches, verbose=0, return_dict=True)
        weights.set_seed_values(self.training_model, state)
        return {name: float(value) for name, value in losses.items()}

    def _validation_batches(self, dataset):
        """Validation photos in order, the same ones each epoch."""
        if dataset is None:
            return None
        steps, size = self.config.VALIDATION_STEPS, self.config.BATCH_SIZE
        number = len(dataset.image_ids) if steps is None else min(steps * size, len(dataset.image_ids))
        return Batches(dataset, self.config, shuffle=False, image_ids=dataset.image_ids[:number])
