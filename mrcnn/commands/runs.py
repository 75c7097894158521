"""Runs: finding their checkpoints, and the models of those."""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import os
import shlex
import types
import warnings
from typing import TYPE_CHECKING, TypeAlias

from mrcnn.commands.options import start_keras
from mrcnn.commands.settings import (
    anchors_of,
    asked_settings,
    check_canvas,
    choose_arithmetic,
    class_of_option,
    is_imagenet,
    known_to,
    name_of_runs,
    new_config,
    starts_of,
    tell_image_size,
)
from mrcnn.config_uses import of_training_alone
from mrcnn.data.class_names import check_class_names, first_difference, same_classes
from mrcnn.errors import CheckpointError, UsageError
from mrcnn.export.running import is_exported, read_about, remedy_beside
from mrcnn.training.runs import find_last_checkpoint
from mrcnn.weights.epochs import told_of_folder

if TYPE_CHECKING:
    from mrcnn.architectures.exported import ExportedFile
    from mrcnn.architectures.segmenter import Segmenter
    from mrcnn.data.dataset import Dataset

    Model: TypeAlias = "Segmenter | ExportedFile | Tiled"


def checkpoint_of(options: argparse.Namespace) -> str:
    """Path of the weight file that --weights last|PATH stands for, whose network tells how TensorFlow is to compute."""
    if options.weights == "last":
        last = last_checkpoint(options.logs, name_of_runs(options))
        choose_arithmetic(options)
        return last
    if not os.path.isfile(options.weights) and not is_exported(options.weights):
        if os.path.isdir(options.weights):
            raise UsageError(f"--weights {told_of_folder(options.weights)}")
        remedy = remedy_beside(options.weights, f"give last or the path of a checkpoint{_best_of_newest(options)}")
        raise UsageError(f"--weights {options.weights}: no such file; {remedy}.")
    if is_exported(options.weights):
        return os.path.normpath(options.weights)  # a folder may end in a slash
    choose_arithmetic(options)
    return options.weights


def _best_of_newest(options):
    """For --weights best, which is a file's name at most: where --keep-best kept the newest run's best checkpoint."""
    if options.weights != "best":
        return ""
    try:
        folder = os.path.dirname(find_last_checkpoint(options.logs, name_of_runs(options)))
    except FileNotFoundError:
        return ""
    best = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith("_best.h5")]
    return f", of the newest run's best one {best[0]}" if best else f" ({folder} has no best one, as --keep-best keeps)"


def weights_name(path: str, ending: bool = True) -> str:
    """Name of a weight file or exported file, for titles, versions and lists.

    Args:
        path: of it; that of a SavedModel, which is a folder, may end in a slash.
        ending: whether with the file's ending; a folder has none.
    """
    path = os.path.normpath(path)
    name = os.path.basename(path)
    return name if ending or os.path.isdir(path) else os.path.splitext(name)[0]


def refuse_exported(weights: str, command: str) -> None:
    """Raise UsageError for an exported file, before any work of a command that needs the network itself.

    Args:
        weights: what --weights says.
        command: its name, for the message.
    """
    if is_exported(weights):
        raise UsageError(f"--weights {weights} is an exported file, and {command} needs the network itself: give the "
                         "checkpoint (.h5) that it was exported from.")


def last_checkpoint(logs: str, name: str) -> str:
    """Path of the last checkpoint of the newest run of this name. Raises FileNotFoundError, which names other runs."""
    try:
        return find_last_checkpoint(logs, name)
    except FileNotFoundError as error:
        try:
            other = find_last_checkpoint(logs)
        except FileNotFoundError:
            raise error from None
        raise FileNotFoundError(f"{error} The newest run of another name there has {other}.") from None


def check_installed(module: str, package: str, what: str, otherwise: str = "") -> None:
    """Raise UsageError without a package that the small environments of exported files may leave out.

    Args:
        module: that is imported.
        package: its name for pip.
        what: that needs it, for the message.
        otherwise: what else the user can do.
    """
    if importlib.util.find_spec(module) is None:
        raise UsageError(f"{what} needs {package}, which is not installed here: pip install {package}{otherwise}.")


def check_classes(checkpoint: str, dataset: Dataset, whose: str, otherwise: str = "") -> None:
    """Raise DataError unless a checkpoint knows the dataset's classes, in their order.

    It may know them by their names up to the first comma, which is told. A group without objects that the data lists
    becomes a class if the checkpoint knows it.

    checkpoint: path; whose: what the dataset is, for the message; otherwise: what else the user can do
    """
    from mrcnn.data.annotated import keep_groups

    known = _class_names_of(checkpoint)
    keep_groups(dataset, known, f"{checkpoint} knows it")
    differ = first_difference(known, dataset.class_names) is not None
    chosen = _trained_with_classes(checkpoint) if differ else ""
    check_class_names(known, dataset.class_names, f"{checkpoint} was trained on the classes", f"those of {whose} are",
                      f"give --images and annotations with the classes of the checkpoint{chosen}{otherwise}")
    cut = [own for own, name in zip(dataset.class_names[1:], (known or ())[1:]) if name != own and own.startswith(name)]
    if cut:
        alike = "" if len(set(known)) == len(known) else ", those of one name by their order alone"
        warnings.warn(f"{checkpoint} has the names of {len(cut)} classes of {whose} up to their first comma: taken for "
                      f"the same ({'; '.join(cut[:5])}{'; ...' * (len(cut) > 5)}){alike}. Train anew for whole names.",
                      stacklevel=2)


def _class_names_of(path):
    """Names of the classes that a checkpoint or exported file knows, or None."""
    if is_exported(path):
        return read_about(path)["class_names"]
    start_keras()
    from mrcnn import architectures
    from mrcnn.weights import files as weights

    read = architectures.read_settings if weights.is_foreign(path) else weights.read_attributes
    return read(path)["class_names"]


def _trained_with_classes(path):
    """", or ..." with the CLASSES that a checkpoint was trained with; "" if with none."""
    if is_exported(path):
        return ""
    from mrcnn.weights import files as weights

    names = None if weights.is_foreign(path) else (weights.read_attributes(path)["config"] or {}).get("CLASSES")
    return f", or take those of its training: --set {shlex.quote(f'CLASSES={json.dumps(names)}')}" if names else ""


def start_model(options: argparse.Namespace, overrides: dict, dataset: Dataset) -> Segmenter:
    """The model to train: a new one, or that of the newest run as it stopped."""
    from mrcnn.weights.files import read_attributes

    settle_weights(options)
    if options.weights == "last":
        path = checkpoint_of(options)
        check_classes(path, dataset, "the training data",
                      f", or begin a new run from its weights by --weights {shlex.quote(path)}")
        model = load_model(path, options, overrides, "training")
        if options.architecture not in (None, model.architecture_name()):
            raise UsageError(f"{path} is of the architecture {model.architecture_name()}: leave --architecture "
                             f"{options.architecture} out to resume it, or begin a run with other --weights.")
        if getattr(options, "attributes", False) and not getattr(model.config, "ATTRIBUTES", None):
            raise UsageError(f"{path} was trained without attributes, which a run cannot take up later: begin one from "
                             f"its weights by --weights {shlex.quote(path)} --attributes.")
        check_canvas(options, model.config)
        print(f"Resuming {path} after epoch {model.epoch}.")
        tell_image_size(options, model.config, read_attributes(path)["config"])
        return model
    if options.weights == "best":
        checkpoint_of(options)  # tells of the file that may be meant, unless there is one of this name
    architecture = class_of_option(options)
    overrides = {**anchors_of(options), **overrides}  # of imagenet in the place of coco, which has its own
    config = new_config(options, overrides, dataset)
    _check_encoder(architecture, config, options)
    model = architecture("training", config, options.logs)
    carries = os.path.isfile(options.weights)
    tell_image_size(options, model.config, read_attributes(options.weights)["config"] if carries else None)
    if is_imagenet(options.weights):
        from mrcnn.weights.pretrained import load_imagenet

        filled = load_imagenet(model.training_model, model.config, options.weights.partition(":")[2] or None)
        print(f"--weights {options.weights}: {filled} layers of {model.config.BACKBONE} loaded.")
    elif options.weights != "none":
        load_pretrained(model, options.weights, options, dataset)
    return model


def _check_encoder(architecture, config, options):
    """Raise UsageError for a backbone, or ImageNet weights, of a network whose encoder is its own."""
    if architecture.uses_backbone(config):
        return
    given = {"--backbone": "BACKBONE" in asked_settings(options), "--weights imagenet": is_imagenet(options.weights)}
    asked = " and ".join(option for option, is_given in given.items() if is_given)
    if asked:
        way = ", or --set UNET_ENCODER=backbone" if hasattr(config, "UNET_ENCODER") else ""
        raise UsageError(f"{asked}: this encoder is {architecture.architecture_name()}'s own and has no ImageNet "
                         f"weights: leave {asked} out{way}.")


def settle_weights(options: argparse.Namespace) -> None:
    """Fetch Matterport's COCO model if --weights asks for it, and make options.weights one start of coco,OTHER.

    Raises CheckpointError if the model cannot be had, and no other start is named for a machine that is offline.
    """
    first, *others = starts_of(options.weights)
    if first != "coco" or os.path.isfile(coco_path(options)):
        options.weights = first
        return
    from mrcnn.weights.downloads import download_trained_weights

    os.makedirs(options.logs, exist_ok=True)
    try:
        download_trained_weights(coco_path(options))
        options.weights = first
    except CheckpointError as error:
        reason = error.__cause__
        offline = isinstance(reason, OSError) and not hasattr(reason, "code")  # a server that refuses has one
        if not (others and offline):
            raise
        options.weights = others[0]
        warnings.warn(f"COCO's weights could not be downloaded ({reason}): the start is --weights {options.weights} "
                      f"instead; with the file as {coco_path(options)} it is COCO's.", stacklevel=2)


def coco_path(options: argparse.Namespace) -> str:
    """Where Matterport's COCO model is kept."""
    return os.path.join(options.logs, "mask_rcnn_coco.h5")


def load_pretrained(model: Segmenter, path: str, options: argparse.Namespace, dataset: Dataset) -> None:
    """Fill a new run's network from Matterport's COCO weights, torchvision's, or any weight file.

    Layers whose size follows from the classes are left as they are, unless the file was written for the same ones.
    """
    from mrcnn.weights import files as weights
    from mrcnn.weights.trained_with import told_of_anchors, told_of_settings

    path = coco_path(options) if path == "coco" else path
    written, own = weights.read_attributes(path), model.architecture_name()
    same = written["class_names"] is not None and same_classes(written["class_names"], dataset.class_names)
    # Not model.load_weights: that would go on in the file's run, while this one is new and begins at epoch 0.
    # Of another network what fits, as Matterport's users start a ResNet50 from COCO's ResNet101; one of its own has
    # to fit wholly.
    fitting = written["architecture"] != own
    report = model.take_weights(path, by_name=fitting, fitting=fitting, begin=True,
                                exclude=(*(() if same else model.training_model.layout.class_layers),
                                         *_other_attributes(model, written["config"])))
    print(f"{path}: {report}{model._in_force()}")
    settings = model.settings_in(path)
    for line in [*told_of_settings(path, settings, model.config, report.loaded),
                 *told_of_anchors(path, settings, model.config)]:
        print(line)


def _other_attributes(model, written):
    """The layers of a model's attribute head, unless the settings of a file say that it has the same attributes."""
    from mrcnn.network.mask_rcnn_layout import ATTRIBUTE_LAYERS

    own = getattr(model.config, "ATTRIBUTES", None)
    return ATTRIBUTE_LAYERS if own and list(own) != (written or {}).get("ATTRIBUTES") else ()


def load_model(path: str, options: argparse.Namespace, overrides: dict, mode: str = "inference") -> Model:
    """The model of a checkpoint, of whichever architecture, or of an exported file; with --tile one that looks at
    photos by tiles."""
    exported = is_exported(path)
    if not exported:
        start_keras()
    from mrcnn.architectures import architecture_of, class_of, load
    from mrcnn.inference.tiles import tile_boxes

    tile = getattr(options, "tile", None)
    if tile is not None:
        tile_boxes((1, 1), tile, options.tile_overlap)  # what cannot be shows before the network is built
    # A run that no command began has no plan yet.
    plan = {name: overrides[name] for name in ("STAGES", "AUGMENT", "CLASSES") if name in overrides}
    settings = {name: value for name, value in overrides.items() if name not in plan}
    if exported:
        from mrcnn.architectures.exported import OVERLAP, settings_of

        if getattr(options, "batch_size", None) is None and "BATCH_SIZE" not in asked_settings(options):
            settings.pop("BATCH_SIZE", None)  # a command's default
        known = types.SimpleNamespace(settings=settings_of(read_about(path)["architecture"]))
        settings = known_to(known, settings, asked_settings(options))
        settings = {name: value for name, value in settings.items() if not of_training_alone(name)}  # which is told
        merging = {OVERLAP: settings.pop(OVERLAP)} if tile is not None and OVERLAP in settings else {}
        model = load(path, mode=mode, **settings)
        model.config.set(**merging)  # of tiles, which are merged beside the file
        return model if tile is None else Tiled(model, tile, options.tile_overlap)
    architecture = class_of(architecture_of(path))
    settings = known_to(architecture, settings, asked_settings(options))
    model = architecture.from_checkpoint(path, options.logs, mode=mode, **settings)
    for name, value in plan.items():
        setattr(model.config, name, value)
    return model if tile is None else Tiled(model, tile, options.tile_overlap)


def check_has(model: Model, method: str, path: str) -> None:
    """Raise UsageError unless the network of a checkpoint has what a command is about: "detect", "get_anchors"."""
    if not hasattr(model, method):
        lacking = {"detect": "finds no objects", "get_anchors": "has none of the stages that diagnose looks at"}[method]
        raise UsageError(f"{path} is of the architecture {model.architecture_name()}, which {lacking}: use label or "
                         "evaluate.")


def refuse_scores(model: Model, path: str, asked: dict[str, object]) -> None:
    """Raise UsageError for options about objects, {option: value, None if not given}, of a network that finds none."""
    given = [option for option, value in asked.items() if value is not None]
    if given and not hasattr(model, "detect"):
        raise UsageError(f"{given[0]} is about the scores of objects, and {path} is of the architecture "
                         f"{model.architecture_name()}, which finds none: leave it out.")


class Tiled:
    """A model whose detect() is its detect_tiled(), and label_each() its label_each_tiled(); all else is its own.

    It takes one photo at a time.
    """

    BY_TILES = ("detect", "label_each")

    def __init__(self, model: Segmenter | ExportedFile, tile: int, overlap: float) -> None:
        self.model, self.tile, self.overlap = model, tile, overlap
        # Of photos, which are huge; their tiles go in batches of the model's own.
        self.config = copy.copy(model.config).set(GPU_COUNT=1, BATCH_SIZE=1)

    def __getattr__(self, name):
        if "model" not in vars(self):  # copy.copy asks for names before there is one
            raise AttributeError(name)
        if name not in self.BY_TILES:
            return getattr(self.model, name)
        method = getattr(self.model, f"{name}_tiled")
        return lambda images, **options: method(images, self.tile, self.overlap, **options)


def output_folder(options: argparse.Namespace, checkpoint: str, name: str) -> str:
    """The folder to write to: --output, or one of this name in the checkpoint's run."""
    return options.output or os.path.join(os.path.dirname(os.path.abspath(checkpoint)), name)


def add_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument("--weights", default="last", metavar="last|PATH",
                         help="checkpoint: the newest run's last one (default) or a file")
