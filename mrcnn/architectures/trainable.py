"""train() of every network: stages, optimizer, callbacks, and going on with a run that was interrupted."""

import contextlib
import functools
import numbers
import os
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np

from mrcnn.config_rules import in_short
from mrcnn.config_unused import warn_of_unused
from mrcnn.data.class_names import check_class_names, check_knows
from mrcnn.data.dataset import Dataset
from mrcnn.data.objects import check_prepared
from mrcnn.data.shared_photos import tell_shared_photos
from mrcnn.drawing.curves import draw_run
from mrcnn.errors import ConfigError, RunError
from mrcnn.ops.forks import refuse_forked
from mrcnn.training import state
from mrcnn.training.abandoned import set_aside_later
from mrcnn.training.callbacks import (
    Checkpoint,
    FollowEpoch,
    Measuring,
    ProgressBar,
    StopAtNonFiniteLoss,
    history_of,
    recording_callbacks,
)
from mrcnn.training.devices import on_processor
from mrcnn.training.ema import MeanWeights
from mrcnn.training.machine import warn_of_shapes, warn_of_slow_precision
from mrcnn.training.optimizer import make_optimizer, rate_text, unscaled, warm_up_text
from mrcnn.training.plateau import LowerOnPlateau
from mrcnn.training.runs import claim, claim_new, escaped
from mrcnn.training.stages import select_layers, set_trainable_layers, warn_of_untrained_norms
from mrcnn.training.validation import photos_note
from mrcnn.weights.trained_with import told_of_changes

RATE_CALLBACKS = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)


def checked_arguments(learning_rate: float, epochs: int, layers: str,
                      callbacks: object) -> tuple[float, int, list[keras.callbacks.Callback]]:
    """Check arguments of `train` before anything is begun.

    Args:
        learning_rate, epochs, layers, callbacks: as for `train`.

    Returns:
        (rate, number of epochs, list of callbacks).

    Raises:
        ConfigError: for the first that cannot be.
    """
    if not _is_number(learning_rate) or not 0 <= learning_rate < float("inf"):
        raise ConfigError(f"learning_rate={in_short(learning_rate)}: give a number of 0 or more, such as "
                          "config.LEARNING_RATE.")
    if not _is_number(epochs) or epochs % 1:
        raise ConfigError(f"epochs={in_short(epochs)}: give a whole number, all epochs since the start of the run.")
    if not isinstance(layers, str):
        raise ConfigError(f'layers={in_short(layers)}: give the name of a stage, such as "heads" or "all", or a '
                          "regular expression of names of layers.")
    if callbacks is None or isinstance(callbacks, keras.callbacks.Callback):
        callbacks = [] if callbacks is None else [callbacks]
    callbacks = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            remedy = "call it, NAME()" if isinstance(callback, type) else "give instances of keras.callbacks.Callback"
            raise ConfigError(f"custom_callbacks has {in_short(callback)}, which is no Keras callback: {remedy}.")
        if isinstance(callback, keras.callbacks.ModelCheckpoint) and not callback.save_weights_only:
            raise ConfigError(f"ModelCheckpoint({callback.filepath!r}) keeps whole models, which Keras could not load "
                              "again: save_weights_only=True and a name in .weights.h5, or validation_callbacks(), "
                              "which keep the best checkpoint.")
    return float(learning_rate), int(epochs), callbacks


def _is_number(value):
    return isinstance(value, (numbers.Real, np.number)) and not isinstance(value, bool)


class Trainable:
    """The training half of `Segmenter`, whose attributes and hooks it uses."""

    def set_trainable(self, layer_regex: str, keras_model: keras.Model | None = None, indent: int = 0,
                      verbose: int = 1) -> list[str]:
        """Make the layers of a stage trainable and freeze all others.

        Args:
            layer_regex: "heads", "3+", "4+", "5+", "all", "attributes", or a regular expression of whole names.
            keras_model: None takes the training graph.
            indent: ignored; Matterport's argument.
            verbose: 1 prints how many layers are trained.

        Returns:
            Names of the trainable layers.
        """
        model = keras_model or self.training_model
        frozen_norm = self.config.TRAIN_BN is False
        names = select_layers(model, layer_regex, frozen_norm)
        set_trainable_layers(model, names, frozen_norm)
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
        custom_callbacks: Sequence[keras.callbacks.Callback] | keras.callbacks.Callback | None = None,
        no_augmentation_sources: Sequence[str] | None = None,
        augmentation_name: str | None = None,
    ) -> keras.callbacks.History:
        """Train one stage, with a checkpoint after each epoch. A loaded checkpoint is continued.

        Args:
            train_dataset: prepared Dataset to train on.
            val_dataset: prepared Dataset for the validation loss, or None.
            learning_rate: rate of the stage after the warm-up.
            epochs: total number of epochs since the start of the run, not of this stage.
            layers: "heads", "3+", "4+", "5+", "all", "attributes", or a regular expression of whole names.
            augmentation: see `mrcnn.data.augmentation`.
            custom_callbacks: one or more of Keras' callbacks, called by the chief alone where several workers train.
                One with a true attribute `measures` is called before history.csv is written; the others last, but for
                Keras' ReduceLROnPlateau and LearningRateScheduler, which come before the checkpoint.
            no_augmentation_sources: sources of the Dataset whose photos are not augmented.
            augmentation_name: tells the stage from one of the same layers and rate when a run is resumed.

        Returns:
            The Keras History of the stage.

        Raises:
            NonFiniteLoss: a loss, a gradient or a weight is NaN or infinite.
            DataError: a photo cannot be used, or data sets and a loaded checkpoint name other classes.
            ConfigError: an argument cannot be, or settings, data set and devices do not fit each other.
            RunError: another process trains this run, or this one was forked from that of the network.
        """
        if self.mode != "training":
            raise ValueError('train() needs a model made with mode="training".')
        refuse_forked()
        learning_rate, epochs, custom = checked_arguments(learning_rate, epochs, layers, custom_callbacks)
        stage = state.stage_of(layers, learning_rate, epochs, augmentation_name)
        if self.epoch >= epochs:
            print(f"Nothing to train: epoch {self.epoch} of {epochs} is done already.")
            self._state = state.ended_by(self._state, stage)
            return self.history
        self.config.check()  # again: a list or dict may have been changed in place
        self._take_classes(train_dataset, val_dataset)
        self.stage = stage = state.taken_up(stage, self._state, self.stage, self.epoch)
        batches = self.batches(train_dataset, augmentation=augmentation, steps=self.config.STEPS_PER_EPOCH,
                               no_augmentation_sources=no_augmentation_sources, first_epoch=self.epoch)
        validation = self._validation_of(val_dataset, train_dataset, custom)
        self.before_fit(batches)
        self.set_trainable(layers, verbose=self.devices.chief)
        self.compile(learning_rate, self.config.LEARNING_MOMENTUM, min(self.config.WARMUP_STEPS, len(batches)),
                     (epochs - stage["first_epoch"]) * len(batches))
        self._take_up_state(stage, len(batches))
        with self._claimed_run():
            self._open_run(learning_rate, epochs, len(batches))
            self.history = self._fit(batches, validation, epochs, self._callbacks(batches, stage, custom, val_dataset))
            return self.history

    def end_stage(self) -> None:
        """Say that the stage of the loaded checkpoint is over: `train` does not go on with it, but begins a new one."""
        self._state = state.ended(self._state)

    @contextlib.contextmanager
    def _claimed_run(self):
        """The run folder, made if need be, as this process's alone; the chief's where several workers train."""
        self._check_workers()
        with contextlib.ExitStack() as stack:
            error = None
            if self.devices.chief:
                try:
                    self._claim(stack)
                except RunError as raised:
                    error = raised
            agreed = self.devices.agree("" if error else os.path.basename(self.log_dir))
            if error is None and not agreed:
                error = RunError("The chief could not take the run folder; its own message says why.")
            if error is not None:
                raise error
            self._move_run(os.path.join(os.path.dirname(self.log_dir), agreed))
            self._run_begun = True
            yield

    def _claim(self, stack):
        """Lock the run folder; a new run whose folder another process took meanwhile moves to another."""
        if self._run_begun:
            stack.callback(claim(self.log_dir).close)
            return
        folder, lock = claim_new(self.log_dir, (self.config.NAME or "model").lower())
        stack.callback(lock.close)
        if folder != self.log_dir:
            print(f"{self.log_dir} is another run's by now: this one is in {folder}.")
        self._move_run(folder)

    def _move_run(self, folder):
        self.log_dir = folder
        self.checkpoint_path = os.path.join(escaped(folder), os.path.basename(self.checkpoint_path))

    def _open_run(self, learning_rate, epochs, steps):
        """Write the settings into the run folder, and say what begins; the chief does."""
        if not self.devices.chief:
            return
        if self.epoch == 0 and self.config.TRAIN_BN is False:
            warn_of_untrained_norms(self.training_model)
        history = history_of(self)
        history.rows = set_aside_later(self.checkpoint_path, self.epoch, history.take_up())
        warn_of_unused(self.config)
        if on_processor():
            warn_of_slow_precision(self.config.PRECISION)
        warn_of_shapes(self.config)
        self.config.save(os.path.join(self.log_dir, "config.json"))
        rate = rate_text(self.config, learning_rate)
        print(f"\nStarting at epoch {self.epoch} of {epochs}, learning rate {rate}, run {self.log_dir}\n")
        first = self.stage["first_epoch"]
        told = warm_up_text(self.config, steps, epochs - first) if self.epoch == first else ""
        if told:
            print(f"{told}\n")

    def _fit(self, batches, validation, epochs, callbacks):
        """fit() up to a number of epochs, with the data's own errors. Returns the Keras History."""
        try:
            with self.devices.fitting(), state.keeping_values(self.training_model) as keeping:
                return self.training_model.fit(
                    self.devices.share(batches),
                    validation_data=self.devices.share(validation),
                    initial_epoch=self.epoch,
                    epochs=epochs,
                    verbose="auto" if self.devices.chief else 0,
                    shuffle=False,  # the batches have a seeded order of their own
                    callbacks=[*callbacks, *keeping],
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

    def _take_up_state(self, stage, steps):
        """Give the optimizer and the random generators back what the loaded checkpoint had of them."""
        loaded, self._state = self._state, None
        earlier, self._settings_before = self._settings_before, None
        before, told = None, told_of_changes(earlier if self.epoch else None, self.config)
        if loaded is not None:
            other = state.optimizer_changes(earlier or {}, self.config)
            reason = state.restore_state(loaded, self.training_model, stage, other)
            before = None if reason else loaded["stage"]
            told.append(f"{reason}: the optimizer starts afresh." if reason else "Optimizer and random state restored.")
            if reason not in ("", state.NEW_STAGE):
                told.append(f"Warm-up and LR_SCHEDULE begin again, for the {stage['epochs'] - self.epoch} epochs that "
                            "remain of the stage; with the old value both go on.")
        told.append(state.place_schedule(unscaled(self.training_model.optimizer), stage, before, self.epoch, steps))
        for line in filter(None, told if self.devices.chief else []):
            print(line)

    def _validation_of(self, dataset, training, custom):
        """The validation batches of a training; ConfigError where LR_SCHEDULE "plateau" has no loss to follow."""
        if self.devices.chief:
            if dataset is not None:
                tell_shared_photos(training, dataset)
            tests = [callback.dataset for callback in custom if getattr(callback, "part", None) == "test"]
            for test in {id(test): test for test in tests}.values():  # several callbacks measure one
                tell_shared_photos(training, test, "test", dataset)
        if self.config.LR_SCHEDULE == "plateau" and dataset is None:
            raise ConfigError("LR_SCHEDULE=plateau follows the validation loss: give validation photos.")
        return self._validation_batches(dataset)

    def _callbacks(self, batches, stage, custom, val_dataset=None):
        """The callbacks of a stage, in their order."""
        config = self.config
        measuring = Measuring([callback for callback in custom if getattr(callback, "measures", False)])
        lowering = []
        of_keras = [callback for callback in custom if isinstance(callback, RATE_CALLBACKS)]
        if of_keras and getattr(self.devices, "workers", 1) > 1:
            raise ConfigError(f"{type(of_keras[0]).__name__} would change the learning rate of one worker alone: leave "
                              'it out, and set LR_SCHEDULE="plateau", "step" or "cosine".')
        if config.LR_SCHEDULE == "plateau":
            photos = None
            if val_dataset is not None:
                photos = photos_note(val_dataset, val_dataset.image_ids[: self.validation_photos(val_dataset)])
            lowering.append(LowerOnPlateau(self, config.LR_PLATEAU_FACTOR, config.LR_PLATEAU_PATIENCE, photos=photos))
        everywhere = [
            *([MeanWeights()] if config.EMA_DECAY else []),  # before all that looks at the weights
            FollowEpoch(batches),
            StopAtNonFiniteLoss(batches),
        ]
        if not self.devices.chief:
            return everywhere + lowering + self.devices.callbacks(self)
        return [
            *everywhere,
            measuring,  # before the record, which is to have their figures
            *recording_callbacks(self.log_dir, functools.partial(draw_run, self.log_dir, stage), history_of(self)),
            *lowering,
            *of_keras,  # whose new rate is part of the state that the checkpoint writes
            # After the record: killed in between, the run does the epoch again and replaces its row.
            Checkpoint(self, stage),
            measuring.raise_failure,
            *(callback for callback in custom if callback not in [*measuring.callbacks, *of_keras]),
            *self.devices.callbacks(self),
            ProgressBar(),  # last, for it shows what the others measured
        ]

    def _take_classes(self, dataset, val_dataset):
        """Keep the class names for the checkpoint; refuse data of other classes than the network's."""
        for given in (dataset, val_dataset):
            if given is not None:
                check_prepared(given)
        if dataset.num_classes != self.config.NUM_CLASSES:
            raise ConfigError(
                f"The data set has {dataset.num_classes} classes with background, NUM_CLASSES is "
                f"{self.config.NUM_CLASSES}: set NUM_CLASSES={dataset.num_classes}."
            )
        layers = ", ".join(self.training_model.layout.class_layers)
        check_class_names(self.class_names, dataset.class_names, "The network knows", "the training data has",
                          "give photos of these classes, or load the weights into a new model with exclude= the layers "
                          f"of classes ({layers}), or set model.class_names to the data's if they mean the same")
        if val_dataset is not None:
            check_class_names(dataset.class_names, val_dataset.class_names, "The training data has",
                              "the validation data has", "add the same classes to both data sets")
        self.class_names = self.class_names or list(dataset.class_names)

    def losses_on(self, dataset: Dataset) -> dict[str, float]:
        """Measure the losses on the photos of a data set, as on the validation photos of an epoch.

        The random generators stay as they were, so measuring does not change the training; nor does an error.

        Args:
            dataset: prepared Dataset.

        Returns:
            {name: mean} of each loss.

        Raises:
            DataError: the data set has other classes than the network, or a photo cannot be used.
            ConfigError: several workers train; all of them would have to call this.
            RunError: this process was forked from that of the network.
        """
        refuse_forked()
        if getattr(self.devices, "workers", 1) > 1:
            raise ConfigError("The loss on test photos is not measured by several workers: leave the test photos out.")
        check_knows(self, dataset)
        batches = self.devices.share(self._validation_batches(dataset))
        with state.left_as_it_was(self.training_model):
            losses = self.training_model.evaluate(batches, verbose=0, return_dict=True)
        return {name: float(value) for name, value in losses.items()}

    def _validation_batches(self, dataset):
        """Validation photos in order, the same ones each epoch."""
        if dataset is None:
            return None
        return self.batches(dataset, shuffle=False, image_ids=dataset.image_ids[: self.validation_photos(dataset)])

    def validation_photos(self, dataset: Dataset) -> int:
        """Tell how many photos of a data set the validation loss is measured on, the first ones.

        Args:
            dataset: prepared Dataset.

        Returns:
            Their number.
        """
        steps, number = self.config.VALIDATION_STEPS, len(dataset.image_ids)
        return number if steps is None else min(steps * self.config.BATCH_SIZE, number)
