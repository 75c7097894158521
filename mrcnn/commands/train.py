"""The command `train`: the stages that are still to do."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import shlex
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from mrcnn.commands.auto import propose_recipe, take_batch_size, take_recipe
from mrcnn.commands.options import AUTO, positive, start_keras
from mrcnn.commands.runs import checkpoint_of, refuse_exported, start_model
from mrcnn.commands.settings import (
    choose_training_arithmetic,
    class_of_option,
    is_imagenet,
    name_of_runs,
    overrides_of,
    starts_of,
)
from mrcnn.commands.stage_options import Stage, parse_stages
from mrcnn.commands.training_options import (
    add_network,
    add_training_data,
    check_data_options,
    same_data,
    testing_data,
    training_data,
)
from mrcnn.errors import UsageError

if TYPE_CHECKING:
    from mrcnn.architectures.segmenter import Segmenter
    from mrcnn.config import Settings
    from mrcnn.training.trackers import Tracking

TRACKERS = ("wandb", "mlflow")  # of mrcnn/training/trackers.py, which needs Keras


def train(options: argparse.Namespace) -> None:
    """Train the stages that are still to do."""
    choose_training_arithmetic(options)
    check_data_options(options)
    trackers = tracker_names(options.log)
    start, *_ = starts_of(options.weights)
    refuse_exported(start, "train")
    if start not in ("none", "last", "coco") and not is_imagenet(start):
        checkpoint_of(options)  # a missing file shows before the data is read
    overrides = overrides_of(options)
    if options.architecture or options.keep_best:
        check_architecture(options)
    training, validation = training_data(options)
    testing = testing_data(options, training)
    told = propose_recipe(options)
    if told:
        print(f"{told}\n", flush=True)
    start_keras()
    recipe = take_recipe(options, training, validation)
    take_batch_size(options, training)
    if recipe or options.batch_size:
        overrides = {**overrides_of(options), **({"RECIPE": recipe.lines()} if recipe else {})}
    from mrcnn.data.annotated import keep_groups
    from mrcnn.training.trackers import trackers_of
    from mrcnn.training.validation import validation_callbacks

    model = start_model(options, overrides, training)
    for other in (validation, testing):  # the checkpoint may have made classes of the training data's groups
        if other is not None:
            keep_groups(other, training.class_names, "the training data has it as a class")
    stages = planned_stages(model.config, options)
    callbacks = validation_callbacks(model, validation, options.evaluate_every, options.evaluate_limit,
                                     options.keep_best, options.patience, testing)
    callbacks += [recipe.callback(model)] if recipe else []
    start = model.epoch
    with closing(trackers_of(trackers, model)) as tracking:
        for stage, last_epoch in left_to_do(stages, model, callbacks):
            model.train(training, validation, learning_rate=stage.learning_rate, epochs=last_epoch, layers=stage.layers,
                        augmentation=options.program.augmentation(stage.augment),
                        custom_callbacks=[*callbacks, *tracking], augmentation_name=stage.augment)
    if model.epoch == start:
        print(f"All {start} epochs of these stages are done; --stages takes more.")
    if model.devices.chief:
        following = f"evaluate --logs {shlex.quote(options.logs)}{_chosen(options, model, callbacks)}"
        print(f"The run is in {model.log_dir}. Next: {options.program.command} {following}{same_data(options)}")


def _chosen(options, model, callbacks):
    """The --weights of a run's best checkpoint, else of its last one where `last` would not find it; else ""."""
    kept = [callback.path for callback in callbacks if hasattr(callback, "path") and os.path.isfile(callback.path)]
    if not kept and name_of_runs(options).lower() != (options.program.config.NAME or "model").lower():
        kept = [model.checkpoint_path.format(epoch=model.epoch)]
    return f" --weights {shlex.quote(kept[0])}" if kept else ""


def tracker_names(text: str | None) -> list[str]:
    """Names of the trackers of --log; UsageError where one does not exist or its package is not installed."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"--log {name}: known are {', '.join(TRACKERS)}; TensorBoard's files are always written.")
        if importlib.util.find_spec(name) is None:
            raise UsageError(f"--log {name} needs its package: pip install {name}.")
    return names


@contextlib.contextmanager
def closing(tracking: Sequence[Tracking]) -> Iterator[Sequence[Tracking]]:
    """A block at whose end trackers are told how a run ended."""
    finished = False
    try:
        yield tracking
        finished = True
    finally:
        for tracker in tracking:
            tracker.close(finished)


def check_architecture(options: argparse.Namespace) -> None:
    """Tell, before the data is read, of an --architecture or a --keep-best that does not exist."""
    architecture = class_of_option(options)
    from mrcnn.training.validation import check_kept

    if options.weights != "last":  # else the checkpoint tells the architecture
        check_kept(architecture, options.keep_best)


def planned_stages(config: Settings, options: argparse.Namespace) -> list[Stage]:
    """The stages of a run's settings, each with the name of its augmentation; warns of what is without effect."""
    own = options.program.config
    stages = parse_stages(getattr(config, "STAGES", own.STAGES))
    if options.augment and all(stage.augment for stage in stages):
        warnings.warn(f"--augment {options.augment} is of no effect: each of the stages "
                      f"{getattr(config, 'STAGES', own.STAGES)} names its own; --stages gives others.", stacklevel=2)
    default, rate = getattr(config, "AUGMENT", own.AUGMENT), own.of_their_own().get("LEARNING_RATE")
    if rate is not None and rate not in [stage.learning_rate for stage in stages]:
        warnings.warn(f"LEARNING_RATE={rate} of {own.__name__} is of no effect: each of the stages "
                      f"{getattr(config, 'STAGES', own.STAGES)} has its own; --stages or STAGES gives others.",
                      stacklevel=2)
    return [stage._replace(augment=stage.augment or default) for stage in stages]


def left_to_do(stages: Sequence[Stage], model: Segmenter, callbacks: Sequence) -> Iterator[tuple[Stage, int]]:
    """Yield (stage, its last epoch), each when the one before is trained, from that of the resumed checkpoint on.

    Each stage has as many epochs as it asks for, also after one that --patience ended early: that one's epochs fall
    away, and no other stage gets them.
    """
    begins = [0, *(stage.last_epoch for stage in stages)]  # unless a stage ends early
    index, begin = 0, 0
    if model.stage is not None:
        same = places_of(model.stage, stages)
        if same:
            begin = model.stage["first_epoch"]
            index = min(same, key=lambda i: abs(begins[i] - begin))
            if any(getattr(callback, "is_over", bool)() for callback in callbacks):
                left = begin + begins[index + 1] - begins[index] - model.epoch
                if left > 0 and model.devices.chief:
                    print(f"--patience ended the stage {stages[index].layers} after epoch {model.epoch}: its other "
                          f"{left} epochs fall away.")
                model.end_stage()
                index, begin = index + 1, model.epoch
    for i in range(index, len(stages)):
        last_epoch = begin + begins[i + 1] - begins[i]
        if model.epoch < last_epoch:
            yield stages[i], last_epoch
        elif i == index and model.stage is not None:
            model.end_stage()  # else the next one, if it is equal, would be taken for it
        begin = min(last_epoch, model.epoch)


def places_of(written: dict, stages: Sequence[Stage]) -> list[int]:
    """Indices of the Stages that may be the one that a checkpoint was written in, as its state tells it."""
    same = [i for i, stage in enumerate(stages)
            if (stage.layers, stage.learning_rate) == (written["layers"], written["learning_rate"])]
    if written.get("place") in same:
        return [written["place"]]  # of equal ones the one that it was, however early those before it ended
    # Runs of earlier versions and of other programs name no augmentation; and it may have been changed since.
    return [i for i in same if stages[i].augment == written.get("augmentation")] or same


# --- The command line ------------------------------------------------------------------------------------------------


def positive_or_auto(text: str) -> int | str:
    """An integer of at least 1, or AUTO."""
    return text if text == AUTO else positive(text)


def add_train(commands: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(commands, "train", train, "Train on photos, or without options on drawn pictures.",
                          positive_or_auto)
    add_training_data(command)
    command.add_argument("--test", metavar="ANNOTATIONS",
                         help="annotations whose loss and AP are measured in each epoch too, as test_loss, "
                              "test_segm_AP ... in history.csv, TensorBoard and curves.png; nothing is chosen by them: "
                              "the best checkpoint and early stopping keep to the validation photos")
    command.add_argument("--evaluate-test", action="store_true",
                         help="the same on the part of the split that is named test, or on drawn pictures")
    add_network(command, "none|last|imagenet[:FILE]|coco[,imagenet]|PATH")
    command.add_argument("--log", metavar="NAME,...",
                         help="send the figures of each epoch to wandb (Weights & Biases), mlflow or both")
    command.add_argument("--evaluate-every", type=positive, metavar="N",
                         help="measure AP and mask IoU, or what else tells of the architecture, on the validation "
                              "photos every N epochs, for history.csv, TensorBoard and curves.png (with test photos "
                              "default 1)")
    command.add_argument("--evaluate-limit", type=positive, metavar="N", help="measure it on the first N photos only")
    command.add_argument("--keep-best", metavar="FIGURE",
                         help="keep the checkpoint that is best by this on the validation photos as "
                              "mask_rcnn_NAME_best.h5: segm_AP, bbox_AP, segm_IoU, loss; mean_IoU, object_IoU, "
                              "pixel_accuracy of networks that find no objects")
    command.add_argument("--patience", type=positive, metavar="N",
                         help="end a stage after N measurements without gain in what --keep-best names, else in the "
                              "first figure (with --evaluate-every: mask AP) or loss, of the validation photos")
