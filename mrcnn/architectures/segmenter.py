"""What every network here shares, whatever it finds: run folder, checkpoints, weights; `trainable.py` has train().

A network is a subclass that brings the hooks, in this order: `build_networks`, `check`, `samples` (or `batches`),
`before_fit`, `read_weights` and `read_settings` for foreign files, `label_each`, `measure`, `exported`.
`InstanceSegmenter` and `SemanticSegmenter` bring most of them; `mrcnn.architectures.ARCHITECTURES` names those there
are.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

import keras
import numpy as np

from mrcnn import __version__
from mrcnn.architectures.trainable import Trainable
from mrcnn.config import Settings, check_instance
from mrcnn.config_unused import warn_of_unused
from mrcnn.data.batches import Batches
from mrcnn.data.dataset import Dataset
from mrcnn.data.given_photos import Photos
from mrcnn.errors import CheckpointError, ConfigError
from mrcnn.inference.predictor import Predictor
from mrcnn.inference.views import network_config
from mrcnn.ops.backends import check_backend
from mrcnn.training import state
from mrcnn.training.devices import devices_for
from mrcnn.training.new_weights import drawn_by, drawn_by_after, seeded
from mrcnn.training.runs import escaped, find_last_checkpoint, folder_of, new_folder, told_of_new_run
from mrcnn.weights import files as weights
from mrcnn.weights.trained_with import readable, settings_by_layers, told_of_settings

Own = TypeVar("Own", bound="Segmenter")


class Segmenter(Predictor, Trainable):
    """A network with its settings and run folder. Subclasses say how the network is built, and what it is for.

    Args:
        mode: "training" or "inference"; a model in training mode predicts as well.
        config: settings; they are checked first.
        model_dir: folder in which run folders are made.

    Attributes:
        config, mode, model_dir: as given.
        log_dir: path of the run folder, which is made when training begins; another process may have taken a new
            run's by then, and it gets another.
        epoch: number of finished epochs.
        checkpoint_path: pattern of the checkpoints' paths, for checkpoint_path.format(epoch=N).
        class_names: names by class id, background first; None before training or loading tells them.
        keras_model: the graph of the mode.
        training_model, inference_model: both graphs, which share their weights.
        drawn_by: what drew the weights that the network began with, those loaded too; None where that is not known.

    Attributes of a subclass:
        architecture: its name in `mrcnn.architectures.ARCHITECTURES`; None stands for "module:Class", under which
            `mrcnn.architectures.load` finds a class of the user's own. Checkpoints carry it.
        settings: class that lists its settings, of which its configs are.
        samples: class of what it trains on, see `mrcnn.data.instance_samples` and `label_samples`.
        figures: names of what `measure` tells and a training logs, the most telling one first.
        exported: what a file of `mrcnn.export` gives of it, a `mrcnn.export.file_outputs.FileOutputs`; None: none.

    Raises:
        ConfigError: a setting does not fit the others.
    """

    architecture, settings, samples, exported = None, Settings, None, None
    figures: tuple[str, ...] = ()

    def __init__(self, mode: str, config: Settings, model_dir: str | os.PathLike) -> None:
        if mode not in ("training", "inference"):
            raise ValueError(f'mode={mode!r} is neither "training" nor "inference".')
        check_backend()
        self.check(config)
        self.mode, self.config, self.model_dir = mode, config, str(model_dir)
        with config.building():
            self.devices = devices_for(config, mode)
        self.class_names = self.history = None
        self._state = self._settings_before = None  # of the loaded checkpoint, until a stage takes them up
        self.stage = None  # {"layers", "learning_rate", "epochs", "first_epoch"} in training, or to go on with
        self.set_log_dir()
        with seeded(config.SEED):
            with config.building(), self.devices.scope():
                self.training_model, self.inference_model = self.build_networks(network_config(config))
            self.devices.adopt(self.training_model, self.inference_model)
        self.drawn_by = drawn_by(config)
        self.training_model.segmenter = self.inference_model.segmenter = self  # for files in Keras' own way
        # Detection shapes follow what is found, which XLA on TensorFlow cannot compile.
        if keras.backend.backend() == "tensorflow":
            self.inference_model.jit_compile = False
        self.keras_model = self.training_model if mode == "training" else self.inference_model

    # --- Hooks: what a network has to bring ----------------------------------------------------------------------
    def build_networks(self, config: Settings) -> tuple[keras.Model, keras.Model]:
        """Build the two graphs of the network, which share their weights.

        The training model has a loss for the batches of `samples`; the inference model takes "image" float32
        [B, H, W, 3] and, if it wants it, "window" [B, 4], and returns a dict. Both have an attribute `layout`, the
        `Layout` of their layers.

        Args:
            config: the settings.

        Returns:
            (training model, inference model).
        """
        raise TypeError(f"{type(self).__name__} must define build_networks(config).")

    @classmethod
    def check(cls, config: Settings) -> None:
        """Check that this network can be built from settings.

        Args:
            config: the settings.

        Raises:
            ConfigError: at the first setting that it cannot be built from.
        """
        check_instance(config, cls.settings)
        if config.network() != cls.settings.network():
            wanted = f"{cls.settings.__module__}.{cls.settings.__name__}"
            raise ConfigError(f"{cls.architecture_name()} has the settings of {cls.settings.network()}, but "
                              f"{type(config).__name__} those of {config.network()}: make it a subclass of {wanted}.")
        config.check()

    @classmethod
    def uses_backbone(cls, config: Settings) -> bool:
        """Tell whether the network is built on Config.BACKBONE, for which there may be ImageNet weights.

        Args:
            config: the settings.

        Returns:
            False of an encoder of the network's own.
        """
        return cls.settings.BACKBONE != "own"

    def batches(self, dataset: Dataset, **settings: object) -> Batches:
        """Make batches of a data set as the training model takes them.

        Args:
            dataset: prepared Dataset.
            settings: of `mrcnn.data.batches.Batches`, by name.

        Returns:
            The batches.

        Raises:
            TypeError: the class has neither `samples` nor batches of its own.
        """
        if self.samples is None:
            raise TypeError(f"{type(self).__name__} must define samples, what it trains on.")
        return Batches(dataset, self.config, samples=self.samples, **settings)

    def before_fit(self, batches: Batches) -> None:
        """Tell a loss what it has to know of the data; called before each stage.

        Args:
            batches: of the training.
        """

    def read_weights(self, path: str | os.PathLike, exclude: Sequence[str] = ()) -> dict[str, dict[str, np.ndarray]]:
        """Read a weight file for this network: an HDF5 file, unless it knows others.

        Args:
            path: of the file.
            exclude: names of layers that are not wanted.

        Returns:
            {layer: {weight name: array}}.

        Raises:
            CheckpointError: the file cannot be read, or is of a kind that this network does not know.
        """
        self._refuse_foreign(path)
        return weights.read_layers(path)

    @classmethod
    def read_settings(cls, path: str | os.PathLike) -> dict:
        """Read the settings that a file carries.

        Args:
            path: of the file.

        Returns:
            {"architecture", "config", "class_names", "epoch"}.

        Raises:
            CheckpointError: it carries none.
        """
        cls._refuse_foreign(path)
        return weights.settings_of(path)

    def label_each(self, images: Photos, probabilities: bool = True, **options: object) -> Iterator[dict]:
        """Yield the label maps of some photos, one after the other, as `label` gives them.

        Args:
            images, probabilities, options: as for `label`.
        """
        raise TypeError(f"{type(self).__name__} must define label_each(images).")

    def measure(self, dataset: Dataset, limit: int | None = None) -> dict[str, float]:
        """Measure the network on a data set.

        Args:
            dataset: prepared Dataset.
            limit: number of photos to take, the first ones; None takes all.

        Returns:
            {name: value} of the figures of merit, all of `figures` among them.
        """
        raise TypeError(f"{type(self).__name__} must define measure(dataset).")

    @classmethod
    def architecture_name(cls) -> str:
        """Tell the name that checkpoints of this class carry.

        Returns:
            One of ARCHITECTURES, or "package.module:Class".
        """
        return cls.architecture or f"{cls.__module__}:{cls.__qualname__}"

    @classmethod
    def _refuse_foreign(cls, path):
        if weights.is_foreign(path):
            raise CheckpointError(f"{path} holds PyTorch's weights, which {cls.architecture_name()} cannot take: give "
                                  "an HDF5 file.")

    # --- Run folder and weights ----------------------------------------------------------------------------------
    def set_log_dir(self, model_path: str | os.PathLike | None = None) -> None:
        """Continue in the run folder and epoch of a checkpoint of ours.

        Args:
            model_path: of the checkpoint; None or any other path names a new folder.
        """
        known = folder_of(model_path) if model_path else None
        if known:
            self.log_dir, pattern, self.epoch = known
        else:
            name = (self.config.NAME or "model").lower()
            folder = self.devices.agree(os.path.basename(new_folder(self.model_dir, name)))
            kind = re.sub(r"\W", "_", self.architecture_name().rpartition(":")[2]).lower()
            self.log_dir, pattern, self.epoch = os.path.join(self.model_dir, folder), f"{kind}_{name}_", 0
        self._run_begun = bool(known)  # else the folder is taken when training begins
        self.checkpoint_path = escaped(os.path.join(self.log_dir, pattern)) + "{epoch:04d}.h5"

    def find_last(self) -> str:
        """Find the last checkpoint of the newest run of this Config.NAME.

        Returns:
            Its path.

        Raises:
            FileNotFoundError: there is none.
        """
        return find_last_checkpoint(self.model_dir, self.config.NAME or "model")

    def load_weights(self, filepath: str | os.PathLike, by_name: bool = False,
                     exclude: Sequence[str] | None = None) -> weights.LoadReport:
        """Load a weight file and, from a checkpoint of ours, its run folder, epoch and, for training, its state.

        With layers left out, or from a run of another Config.NAME, a training begins a new run; a line tells.

        Args:
            filepath: .h5 file, or a foreign one that the network knows (`read_weights`).
            by_name: load the layers that the file has, instead of requiring all of them.
            exclude: names of layers, or of groups as rpn_model, to leave as they are, or one name; implies by_name.

        Returns:
            What was loaded, and what is missing; it is printed too.

        Raises:
            CheckpointError: the file cannot be read or does not fit; the network is then as it was.
        """
        attributes, written, run = weights.read_attributes(filepath), self.settings_in(filepath), folder_of(filepath)
        going_on = self.mode == "training" and not exclude and run and run[2]
        stored = state.read_state(state.state_path(filepath)) if going_on else None
        report = self.take_weights(filepath, by_name or bool(exclude), exclude or ())
        other = [] if self.mode == "inference" else told_of_new_run(
            filepath, attributes["config"], self.config.NAME or "model", exclude or not report.whole)
        if self.devices.chief:
            print(f"{filepath}: {report}{'' if attributes['config'] else self._in_force()}")
            taken = report.loaded if exclude or report.missing else None
            for line in [*told_of_settings(filepath, written, self.config, taken), *other]:
                print(line)
        if attributes["class_names"] and self._classes_loaded(report):
            self.class_names = attributes["class_names"]
        self.set_log_dir(None if other else filepath)
        self._state = stored if stored and stored["epoch"] == self.epoch else None
        self._settings_before, _ = readable(attributes["config"], self.config)
        self.stage = self._state["stage"] if self._state else None
        return report

    def take_weights(self, path: str | os.PathLike, by_name: bool = False, exclude: Sequence[str] = (),
                     fitting: bool = False, begin: bool = False) -> weights.LoadReport:
        """Take the weights of a file and nothing else: a new run stays one.

        Args:
            path, by_name, exclude: as for `load_weights`.
            fitting: leave layers that have other shapes in the file as they are.
            begin: layers that the file lacks may begin with the weights of others.

        Returns:
            The LoadReport. Errors are those of `load_weights`.

        Raises:
            CheckpointError: as for `load_weights`.
        """
        written = weights.read_attributes(path)
        theirs = written["architecture"]
        if not by_name and not self._is_of(theirs):
            raise CheckpointError(f"{path} is of the architecture {theirs}, this network is "
                                  f"{self.architecture_name()}: load it by mrcnn.architectures.load(path), or pass "
                                  "by_name=True to load what both have.")
        exclude = (exclude,) if isinstance(exclude, str) else tuple(exclude or ())
        stored = self.read_weights(path, exclude)
        report = weights.load_weights(path, self.training_model, by_name, exclude, stored, fitting, begin)
        self.drawn_by = drawn_by_after(self.drawn_by, written, stored, report)
        return report

    def _classes_loaded(self, report):
        """Whether the layers of classes are a file's, whose names of classes then hold."""
        layers = set(self.training_model.layout.class_layers)
        if not layers:  # a network of a user's that does not name them
            return not report.excluded
        return bool(layers & set(report.loaded)) and not layers & set(report.excluded)

    def settings_in(self, path: str | os.PathLike) -> dict | None:
        """Read the settings that a weight file was trained with, as far as they are known.

        Args:
            path: of the file.

        Returns:
            {name: value}; None: none are known.
        """
        return weights.read_attributes(path)["config"] or settings_by_layers(path, self.config)

    def _in_force(self):
        """What a user has to know of settings that a foreign file does not tell."""
        return ""

    @classmethod
    def _is_of(cls, architecture):
        """Whether a file of an architecture is of this class or one that it extends; None, of no name, may be."""
        names = {base.architecture_name() for base in cls.__mro__ if issubclass(base, Segmenter)}
        return architecture is None or architecture in names

    def save_weights(self, path: str | os.PathLike) -> None:
        """Write all weights with architecture, settings, class names and epoch to an .h5 file, whole or not at all.

        Args:
            path: of the file, .h5.
        """
        attributes = {
            "mrcnn_architecture": self.architecture_name(),
            "mrcnn_config": json.dumps(self.config.to_dict()),
            "mrcnn_class_names": json.dumps(self.class_names),
            "mrcnn_epoch": self.epoch,
            "mrcnn_version": __version__,
            **({"mrcnn_drawn_by": self.drawn_by} if self.drawn_by else {}),
        }
        weights.write_weights(path, self.training_model, attributes)

    @classmethod
    def from_checkpoint(cls: type[Own], path: str | os.PathLike, model_dir: str | os.PathLike | None = None,
                        mode: str = "inference", **overrides: object) -> Own:
        """Make the network of a checkpoint, with its settings, class names and weights.

        `mrcnn.architectures.load` does so for a checkpoint of whichever architecture.

        Args:
            path: .h5 file of ours, or a foreign one that the network knows (`read_settings`).
            model_dir: folder of the run folders; None takes the one that the checkpoint's run folder is in.
            mode: "training", or "inference" on one device: GPU_COUNT is then 1, also in files that the model writes.
            overrides: settings to change, by name.

        Returns:
            A model of this class.

        Raises:
            CheckpointError: the file cannot be read, does not fit, or is of another architecture.
            ConfigError: an override does not exist or does not fit.
        """
        settings = cls.read_settings(path)
        if not cls._is_of(settings.get("architecture")):
            raise CheckpointError(f"{path} is of the architecture {settings['architecture']}, not of "
                                  f"{cls.architecture_name()}: load it by mrcnn.architectures.load(path).")
        devices = {"GPU_COUNT": 1} if mode == "inference" else {}  # one does it, by the batches that each had
        config = cls.settings.from_dict(settings["config"], source=path, **{**devices, **overrides})
        if mode == "inference":  # train() tells of all of them
            warn_of_unused(config, overrides)
        folder = model_dir or os.path.dirname(os.path.dirname(os.path.abspath(path)))
        model = cls(mode, config, folder)
        model.load_weights(path)
        model.class_names = model.class_names or settings["class_names"]
        return model
