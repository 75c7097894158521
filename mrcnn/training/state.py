"""The training state of a checkpoint, in a file beside it: optimizer, random generators, epoch and stage.

With it a run that was interrupted goes on as if it had not been.
"""

import json
import os
from collections.abc import Sequence

import numpy as np

from mrcnn.errors import CheckpointError
from mrcnn.weights.hdf5_files import arrays_in, open_hdf5, read_json, read_number, whole_hdf5, write_text

REMEDY = "delete it, and training goes on from the weights alone, with a fresh optimizer."


def state_path(weights_path: str | os.PathLike) -> str:
    """Where the training state of a checkpoint lies."""
    return os.path.splitext(weights_path)[0] + ".state.h5"


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


def _same_stage(state, stage):
    before = state["stage"]
    # States of earlier versions, and stages that are trained without the commands, name no augmentation.
    named = before.get("augmentation"), stage.get("augmentation")
    same = None in named or named[0] == named[1]
    return same and all(before.get(key) == stage.get(key) for key in ("layers", "learning_rate"))


def first_epoch_of(stage: dict, state: dict | None, epoch: int) -> int:
    """The epoch at which a stage began: that of the state if it goes on in the same stage, else the one at hand."""
    return state["stage"].get("first_epoch", epoch) if state and _same_stage(state, stage) else epoch


def restore_state(state: dict | None, model: object, stage: dict) -> bool:
    """Give the model back its random generators and, at the same layers and learning rate, its optimizer.

    Returns:
        Whether the optimizer came back.
    """
    _assign(_seed_states(model), state["seeds"])
    if not _same_stage(state, stage):
        return False
    return _assign(model.optimizer.variables, state["optimizer"])


def _assign(variables, values):
    variables = list(variables)
    if [tuple(v.shape) for v in variables] != [v.shape for v in values]:
        return False
    for variable, value in zip(variables, values):
        variable.assign(value)
    return True
