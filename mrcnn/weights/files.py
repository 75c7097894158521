"""Weight files in Matterport's HDF5 layout, and the training state beside them.

Layout: one group a layer with its weights as `layer/kernel:0` and so on, the attribute `layer_names` on the root and
`weight_names` on each group; the layers of the proposal network lie in the group `rpn_model`. The two dense layers of
the box head are stored as the 7x7 and 1x1 convolutions that they are arithmetically. Our files add root attributes:
the settings, the class names and the epoch, which is all that detection needs.
"""

import contextlib
import dataclasses
import json
import os

import h5py
import numpy as np

from mrcnn.errors import CheckpointError, ConfigError
from mrcnn.files import whole_file

# Layers whose shapes depend on the classes: what to exclude when the data set is another one.
CLASS_LAYERS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask", "mrcnn_mask_point")
FOREIGN_ENDINGS = (".pth", ".pt", ".safetensors")


@dataclasses.dataclass
class LoadReport:
    """Names of layers by what became of them."""

    loaded: list
    missing: list  # in the model, not in the file
    unused: list  # in the file, not in the model
    excluded: list

    def __str__(self):
        parts = [f"{len(self.loaded)} layers loaded"]
        for word in ("missing", "unused", "excluded"):
            names = getattr(self, word)
            if names:
                shown = ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")
                parts.append(f"{len(names)} {word} ({shown})")
        return "; ".join(parts)


def is_foreign(path):
    """Whether a path is one of PyTorch weights, which carry nothing of ours."""
    return str(path).lower().endswith(FOREIGN_ENDINGS)


def weighted_layers(model):
    """{name: layer} of the layers that hold weights."""
    return {layer.name: layer for layer in model.layers if layer.weights}


def write_weights(path, model, attributes=None):
    """Write all weights of a model, whole or not at all. Raises DataError if that fails.

    attributes: dict of strings and numbers for the root.
    """
    with _whole_hdf5(path) as file:
        layers = weighted_layers(model)
        groups = {name: "rpn_model" if name.startswith("rpn_") else name for name in layers}
        names = list(dict.fromkeys(groups.values()))
        file.attrs["layer_names"] = [n.encode() for n in names]
        file.attrs["backend"] = b"keras"
        for key, value in (attributes or {}).items():
            file.attrs[key] = value
        written = {name: [] for name in names}
        for name, layer in layers.items():
            for variable in layer.weights:
                key = f"{name}/{variable.name}:0"
                value = _stored(name, variable, _crop_shape(layer, model))
                file.create_dataset(f"{groups[name]}/{key}", data=value)
                written[groups[name]].append(key.encode())
        for name, keys in written.items():
            file[name].attrs["weight_names"] = keys


@contextlib.contextmanager
def _whole_hdf5(path):
    """An HDF5 file, open for writing, that appears under its name only when complete."""
    with whole_file(path) as partial:
        file = h5py.File(partial, "w")
        try:
            yield file
        finally:
            try:
                file.close()
            except RuntimeError as error:  # so a full disk shows, where what was written is still in memory
                raise OSError(str(error)) from error


def _crop_shape(layer, model):
    """Rows and columns of the crop that the first dense layer of the box head flattens."""
    if layer.name != "mrcnn_class_conv1":
        return (1, 1)
    return tuple(model.get_layer("roi_align_classifier").output.shape[1:3])


def _stored(name, variable, crop):
    """A weight in the shape of the file: the box head's dense kernels as convolutions."""
    value = np.asarray(variable)
    if name in ("mrcnn_class_conv1", "mrcnn_class_conv2") and variable.name == "kernel":
        return value.reshape(crop + (value.shape[0] // (crop[0] * crop[1]), value.shape[1]))
    return value


def _from_stored(name, value, shape):
    """A weight of the file in the shape of the model, where only the way of writing it differs."""
    if name in ("mrcnn_class_conv1", "mrcnn_class_conv2") and value.ndim == 4 and value.size:
        return value.reshape(-1, value.shape[-1])
    if name == "rpn_class_raw" and value.shape[:-1] == shape[:-1] and value.shape[-1] == 2 * shape[-1]:
        # Softmax over (background, object) is the sigmoid of the difference of the two.
        return value[..., 1::2] - value[..., 0::2]
    return value


def load_weights(path, model, by_name=False, exclude=(), stored=None):
    """Read a weight file into a model, all of it or nothing.

    by_name: layers that only one side has are left alone; otherwise they are an error. exclude: layer names to leave
    alone. stored: {layer: {weight name: array}} of the file, where it is not HDF5. Returns LoadReport. Raises
    CheckpointError if the file is unreadable, a shape differs, a weight holds NaN, nothing matched, or (not by_name)
    layers are missing on either side.
    """
    exclude = tuple(exclude or ())
    stored = read_layers(path) if stored is None else stored
    layers = weighted_layers(model)
    report = LoadReport([], [], sorted(set(stored) - set(layers)), sorted(set(exclude) & set(stored)))
    values, mismatched = [], {}
    for name, layer in layers.items():
        if name in exclude:
            continue
        if name not in stored:
            report.missing.append(name)
            continue
        try:
            values += _matched(path, name, layer, stored[name])
            report.loaded.append(name)
        except CheckpointError as error:
            mismatched[name] = error
    _refuse_mismatched(path, mismatched, stored, report)
    if not by_name and (report.missing or set(report.unused) - set(exclude)):
        raise CheckpointError(
            f"{path} is of another architecture: {report}. Set BACKBONE and NORM as in the run that wrote it, or "
            "pass by_name=True to load what matches."
        )
    for variable, value in values:
        variable.assign(value)
    return report


def _refuse_mismatched(path, mismatched, stored, report):
    """Raise CheckpointError for layers that differ ({name: its error}), and where none is the network's."""
    if mismatched:
        first, *others = mismatched
        more = f" {len(others)} more mismatched: {', '.join(others[:6])}{' ...' if others[6:] else ''}."
        raise CheckpointError(f"{mismatched[first]}{more if others else ''}") from mismatched[first]
    if not report.loaded:
        raise CheckpointError(
            f"{path}: none of its {len(stored)} layers is one of this network's: another architecture or backbone? "
            f"It begins with {', '.join(list(stored)[:3])}."
        )


def _matched(path, name, layer, stored):
    """[(variable, value)] of one layer, checked."""
    matched = []
    for variable in layer.weights:
        if variable.name not in stored:
            raise CheckpointError(
                f"{path}: layer {name} has {', '.join(stored)} where this network has {variable.name} too: "
                "set NORM as in the run that wrote it, or exclude the layer."
            )
        value = _from_stored(name, stored[variable.name], tuple(variable.shape))
        if value.shape != tuple(variable.shape):
            raise CheckpointError(
                f"{path}: {name}/{variable.name} is {list(value.shape)} in the file, {list(variable.shape)} in the "
                "network: other classes or settings? Exclude the layer (CLASS_LAYERS for other classes) or change them."
            )
        if not np.isfinite(value).all():
            raise CheckpointError(f"{path}: {name}/{variable.name} holds NaN or infinity: use an earlier checkpoint.")
        matched.append((variable, value))
    return matched


def read_layers(path):
    """{layer: {weight name: array}} of an HDF5 weight file, whichever groups it nests them in."""
    found = {}

    def visit(key, item):
        parts = key.split("/")
        if not isinstance(item, h5py.Dataset) or len(parts) < 2 or item.dtype.kind not in "fiu":
            return
        layer, weight = parts[-2], parts[-1].split(":")[0]
        if weight in found.setdefault(layer, {}):
            raise CheckpointError(f"{path} holds {layer}/{weight} twice: it is of several networks.")
        found[layer][weight] = item[()]

    with _open(path) as file:
        try:
            # A whole Keras model has the optimizer's variables beside these, under the same names. get() would take a
            # damaged group for a missing one.
            (file["model_weights"] if "model_weights" in file else file).visititems(visit)  # noqa: SIM401
        except (OSError, RuntimeError, KeyError, MemoryError) as error:
            raise CheckpointError(f"{path} is damaged or cut short ({error}): use another checkpoint.") from error
    if not found:
        raise CheckpointError(f"{path} holds no weights.")
    return found


def _open(path):
    if not os.path.exists(path):
        raise CheckpointError(f"Weight file {path} does not exist.")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise CheckpointError(f"{path} is no complete HDF5 weight file ({error}): use another checkpoint.") from error


def read_attributes(path):
    """{"config": dict or None, "class_names": list or None, "epoch": int or None} that our files carry."""
    if is_foreign(path):
        return {"config": None, "class_names": None, "epoch": None}
    with _open(path) as file:
        try:
            attributes = dict(file.attrs)
        except (OSError, RuntimeError, KeyError) as error:
            raise CheckpointError(f"{path} is damaged or cut short ({error}): use another checkpoint.") from error
    try:
        config = json.loads(attributes["mrcnn_config"]) if "mrcnn_config" in attributes else None
        names = json.loads(attributes["mrcnn_class_names"]) if "mrcnn_class_names" in attributes else None
    except ValueError as error:
        raise CheckpointError(f"{path}: its settings are no JSON ({error}).") from error
    epoch = attributes.get("mrcnn_epoch")
    return {"config": config, "class_names": names, "epoch": None if epoch is None else int(epoch)}


# --- The training state ----------------------------------------------------------------------------------------------
def state_path(weights_path):
    """Where the training state of a checkpoint lies."""
    return os.path.splitext(weights_path)[0] + ".state.h5"


def _seed_states(model):
    """Variables that are no weights: the states of the random generators that sample anchors and regions."""
    known = {id(v) for v in model.weights}
    return [v for v in model.non_trainable_variables if id(v) not in known]


def seed_values(model):
    """What `set_seed_values` gives back to the random generators of a model."""
    return [np.asarray(variable).copy() for variable in _seed_states(model)]


def set_seed_values(model, values):
    """Put the random generators of a model to where they were at `seed_values`."""
    _assign(_seed_states(model), values)


def write_state(path, model, epoch, stage):
    """Write optimizer, random generators, epoch and stage, whole or not at all. stage: dict that JSON can hold."""
    with _whole_hdf5(path) as file:
        file.attrs["epoch"] = epoch
        file.attrs["stage"] = json.dumps(stage)
        for group, variables in (("optimizer", model.optimizer.variables), ("seeds", _seed_states(model))):
            file.create_group(group)
            for index, variable in enumerate(variables):
                file[group].create_dataset(str(index), data=np.asarray(variable))


def read_state(path):
    """What `write_state` wrote as {"epoch", "stage", "optimizer": [arrays], "seeds": [arrays]}, or None if absent."""
    if not os.path.exists(path):
        return None
    with _open(path) as file:
        state = {"epoch": int(file.attrs["epoch"]), "stage": json.loads(file.attrs["stage"])}
        for group in ("optimizer", "seeds"):
            state[group] = [file[group][str(index)][()] for index in range(len(file[group]))]
    return state


def _same_stage(state, stage):
    before = state["stage"]
    # States of earlier versions, and stages that are trained without the commands, name no augmentation.
    named = before.get("augmentation"), stage.get("augmentation")
    same = None in named or named[0] == named[1]
    return same and all(before.get(key) == stage.get(key) for key in ("layers", "learning_rate"))


def first_epoch_of(stage, state, epoch):
    """The epoch at which a stage began: that of the state if it goes on in the same stage, else the one at hand."""
    return state["stage"].get("first_epoch", epoch) if state and _same_stage(state, stage) else epoch


def restore_state(state, model, stage):
    """Give the model back its random generators and, at the same layers and learning rate, its optimizer.

    Returns whether the optimizer came back.
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


def settings_of(path):
    """The dict of settings a checkpoint carries. Raises CheckpointError if it is not one of ours."""
    attributes = read_attributes(path)
    if attributes["config"] is None:
        raise CheckpointError(f"{path} carries no settings (not written by mrcnn): build a Config and load_weights it.")
    if not isinstance(attributes["config"], dict):
        raise ConfigError(f"{path}: its settings are not a JSON object.")
    return attributes
