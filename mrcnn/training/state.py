"""The training state of a checkpoint, in a file beside it: optimizer, random generators, epoch and stage.

With it a run that was interrupted goes on as if it had not been.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from mrcnn.errors import CheckpointError
from mrcnn.training.optimizer import unscaled
from mrcnn.weights.files import STATE_ENDING
from mrcnn.weights.hdf5_files import arrays_in, open_hdf5, read_json, read_number, whole_hdf5, write_text

REMEDY = "delete it, and training goes on from the weights alone, with a fresh optimizer."
NEW_STAGE = "New stage"


def state_path(weights_path: str | os.PathLike) -> str:
    """Where the training state of a checkpoint lies."""
    return os.path.splitext(weights_path)[0] + STATE_ENDING


def _seed_states(model):
    """Variables that are no weights: the states of the random generators that sample anchors and regions."""
    known = {id(v) for v in model.weights}
    return [v for v in model.non_trainable_variables if id(v) not in known]


def seed_values(model: object) -> list[np.ndarray]:
    """What `set_seed_values` gives back to the random generators of a model."""
    return [np.asarray(variable).copy() for variable in _seed_states(model)]


def set_seed_values(model: object, values: Sequence[np.ndarray]) -> None:
    """Put the random generators of a model to where they were at `seed_values`."""
    _assign(_seed_states(model), values)


@contextlib.contextmanager
def left_as_it_was(model: object) -> Iterator[None]:
    """The context to call Keras' evaluate() in: random generators stay where they were, also where it ends by an error.

    On JAX it takes the values of all variables out of the model, and an error would leave it without.

    Args:
        model: training model.
    """
    seeds = seed_values(model)
    on_jax = hasattr(model, "jax_state_sync")
    before = [(variable, variable.value) for variable in model.variables] if on_jax else []
    try:
        yield
    except BaseException:
        if on_jax:
            model.jax_state_sync()  # what the last step gave: it may have taken the memory of what there was before
        for variable, value in before:
            if not value.is_deleted():
                variable.assign(value)
        raise
    finally:
        set_seed_values(model, seeds)


@contextlib.contextmanager
def keeping_values(model: object) -> Iterator[list]:
    """The context to call Keras' fit() in: an error leaves no variable of the model without a value.

    On JAX it takes the values of all variables out of the model, and gives back what the last step gave: an error
    before the first step of an epoch would leave the model without weights.

    Args:
        model: training model, compiled.

    Returns:
        The callbacks that this needs, to come last.
    """
    kept = _ValuesOfEpoch()
    try:
        yield [kept] if hasattr(model, "jax_state_sync") else []
    except BaseException:
        for variable, value in kept.values:
            if variable._value is None and not value.is_deleted():
                variable.assign(value)
        raise


class _ValuesOfEpoch(keras.callbacks.Callback):
    """Keeps the values of all variables from the begin of an epoch to its first step, which gives others."""

    def __init__(self):
        super().__init__()
        self.values = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        model = self.model
        self.values = [(variable, variable.value) for variable in
                       (*model.variables, *model.optimizer.variables, *model.metrics_variables)]

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.values = []


def write_state(path: str | os.PathLike, model: object, epoch: int, stage: dict) -> None:
    """Write optimizer, random generators, epoch and stage, whole or not at all.

    Args:
        path: of the file.
        model: training model.
        epoch: number of finished epochs.
        stage: dict that JSON can hold.
    """
    with whole_hdf5(path) as file:
        file.attrs["epoch"] = epoch
        write_text(file.attrs, "stage", json.dumps(stage))
        for group, variables in (("optimizer", model.optimizer.variables), ("seeds", _seed_states(model))):
            file.create_group(group)
            for index, variable in enumerate(variables):
                file[group].create_dataset(str(index), data=np.asarray(variable))


def read_state(path: str | os.PathLike) -> dict | None:
    """What `write_state` wrote as {"epoch", "stage", "optimizer": [arrays], "seeds": [arrays]}, or None if absent."""
    if not os.path.exists(path):
        return None
    with open_hdf5(path) as file:
        try:
            state = {"epoch": read_number(file.attrs, "epoch"), "stage": read_json(file.attrs, "stage", dict)}
        except ValueError as error:
            raise CheckpointError(f"{path}: its attribute {error}: {REMEDY}") from error
        if None in state.values():
            raise CheckpointError(f"{path} is no training state, for it lacks epoch or stage: {REMEDY}")
        arrays = dict(arrays_in(file))
        for group in ("optimizer", "seeds"):
            names = [name for name in arrays if name.startswith(f"{group}/")]
            if group not in file or {f"{group}/{i}" for i in range(len(names))} != set(names):
                raise CheckpointError(f"{path} lacks a part of its {group}: {REMEDY}")
            state[group] = [arrays[f"{group}/{i}"][()] for i in range(len(names))]
    return state


def stage_of(layers: str, learning_rate: float, epochs: int, augmentation: str | None) -> dict:
    """The dict of a stage that checkpoints keep, by what `train` was asked for; `taken_up` adds where it began."""
    return {"layers": layers, "learning_rate": learning_rate, "epochs": epochs, "augmentation": augmentation}


def _same_stage(state, stage):
    if state.get("ended"):
        return False
    before = state["stage"]
    # States of earlier versions, and stages that are trained without the commands, name no augmentation.
    named = before.get("augmentation"), stage.get("augmentation")
    same = None in named or named[0] == named[1]
    return same and all(before.get(key) == stage.get(key) for key in ("layers", "learning_rate"))


def ended(state: dict | None) -> dict | None:
    """A state whose stage is over: the next one begins anew, though it may be equal to it."""
    return state and {**state, "ended": True}


def ended_by(state: dict | None, stage: dict) -> dict | None:
    """A state after a stage that had nothing left to do: `ended` if that is the state's own, which ended just then.

    States that do not tell where their stage began are left as they are, and so are those of a stage after it.

    Args:
        state: of `read_state`, or None.
        stage: that was asked for, with "epochs", the last of it.
    """
    own = state and _same_stage(state, stage) and state["stage"].get("first_epoch", stage["epochs"]) < stage["epochs"]
    return ended(state) if own and state["epoch"] == stage["epochs"] else state


def first_epoch_of(stage: dict, state: dict | None, epoch: int) -> int:
    """The epoch at which a stage began: that of the state if it goes on in the same stage, else the one at hand."""
    return state["stage"].get("first_epoch", epoch) if state and _same_stage(state, stage) else epoch


def taken_up(stage: dict, state: dict | None, before: dict | None, epoch: int) -> dict:
    """A stage with where it began, and what the loaded one knows of the same stage.

    Args:
        stage: of `stage_of`.
        state: of the loaded checkpoint; None: the stage is a new one.
        before: the stage that was trained last; None: of none it is known.
        epoch: number of finished epochs.

    Returns:
        The dict with "first_epoch"; with "place", how many stages of the run came before it, if that is known, by which
        equal ones are told apart; and with "photos" of which figures are compared over its epochs.
    """
    first = first_epoch_of(stage, state, epoch)
    taken = {**stage, "first_epoch": first}
    if before is None and epoch == 0:
        taken["place"] = 0
    elif "place" in (before or {}):
        taken["place"] = before["place"] + (first == epoch)
    if first < epoch and "photos" in state["stage"]:
        taken["photos"] = state["stage"]["photos"]
    return taken


def restore_state(state: dict | None, model: object, stage: dict, other: Sequence[str] = ()) -> str:
    """Give the model back its random generators and, where it is the same one, its optimizer.

    Args:
        state: of `read_state`.
        model: training model, with the optimizer of the stage.
        stage: what the stage is now.
        other: what `optimizer_changes` tells.

    Returns:
        "" if the optimizer came back; else why it did not.
    """
    _assign(_seed_states(model), state["seeds"])
    if not _same_stage(state, stage):
        return NEW_STAGE
    if other:
        return ", ".join(other)
    variables, values = model.optimizer.variables, state["optimizer"]
    if len(values) == len(variables) - 1 and hasattr(unscaled(model.optimizer), "lowered"):
        values = [*values, np.ones((), "float32")]  # of an earlier version, which had the last one for "plateau" alone
    if _assign(variables, values):
        return ""
    return "Other weights are trained than before (TRAIN_BN, LEARNING_MOMENTUM or the layers)"


# What an optimizer remembers depends on these: {name: what of the value it is}.
OPTIMIZER_SETTINGS = {
    "OPTIMIZER": str, "EMA_DECAY": bool, "ACCUMULATE_STEPS": lambda steps: steps > 1,
    "PRECISION": lambda name: name == "mixed_float16",
}


def optimizer_changes(before: dict, config: object) -> list[str]:
    """Name the settings by which a stage's optimizer is another one than that of its checkpoint.

    Args:
        before: {name: value} of the settings that the checkpoint was written with.
        config: the settings of now.

    Returns:
        One text for each.
    """
    return [f"{name} is {getattr(config, name)} now, {before[name]} before" for name, kind in OPTIMIZER_SETTINGS.items()
            if name in before and kind(before[name]) != kind(getattr(config, name))]


def place_schedule(optimizer: object, stage: dict, before: dict | None, epoch: int, steps: int) -> str:
    """Let warm-up and schedule of an optimizer go on where the stage is, by its epochs, and note that in the stage.

    Args:
        optimizer: of the stage, after `restore_state`.
        stage: what is written with each checkpoint; "schedule" is set: {"epoch" it began at, "steps" of an epoch,
            "ahead": how many steps it is before the optimizer's count}.
        before: the stage of the checkpoint that the optimizer came from; None for a fresh one, whose schedule goes
            over the epochs that remain.
        epoch: number of finished epochs.
        steps: of an epoch, now.

    Returns:
        What a user has to know of it, or "".
    """
    if not hasattr(getattr(optimizer, "schedule", None), "go_on"):
        return ""  # compile() was overridden with another optimizer
    noted = (before or {}).get("schedule") or {}
    begin = noted.get("epoch", (before or {}).get("first_epoch", epoch))
    done, counted = epoch - begin, int(np.asarray(optimizer._iterations))
    # States of earlier versions do not tell the steps of their epochs; their schedule was never ahead.
    former, ahead = noted.get("steps", round(counted / done) if done else steps), noted.get("ahead", 0)
    if former != steps:
        ahead = done * steps - counted
    stage["schedule"] = {"epoch": begin, "steps": steps, "ahead": ahead}
    optimizer.schedule.go_on((stage["epochs"] - begin) * steps, ahead)
    if former == steps:
        return ""
    return (f"An epoch has {steps} steps now, {former} before (photos, batch or STEPS_PER_EPOCH changed): warm-up and "
            f"LR_SCHEDULE go by epochs, of which {done} of {stage['epochs'] - begin} are done.")


def _assign(variables, values):
    variables = list(variables)
    if [tuple(v.shape) for v in variables] != [v.shape for v in values]:
        return False
    for variable, value in zip(variables, values):
        variable.assign(value)
    return True
