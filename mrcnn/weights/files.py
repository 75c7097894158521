"""Weight files in Matterport's HDF5 form.

One group a layer with its weights as `layer/kernel:0` and so on, the attribute `layer_names` on the root and
`weight_names` on each group; what a network writes otherwise its `Layout` tells. Our files add root attributes: the
architecture, the settings, the class names and the epoch, which is all that detection needs, and what drew the weights
that the network began with.
"""

import dataclasses
import difflib
import os
import re
from collections.abc import Sequence

import numpy as np

from mrcnn.errors import CheckpointError
from mrcnn.network.layer_names import counted_name
from mrcnn.network.layout import layout_of
from mrcnn.network.mask_rcnn_layout import WEIGHTLESS
from mrcnn.weights.hdf5_files import arrays_in, open_hdf5, read_json, read_number, read_text, whole_hdf5, write_text

DEFAULT_ARCHITECTURE = "mask-rcnn"  # the architecture of files that name none: there was no other
STATE_ENDING = ".state.h5"  # of the training state beside a checkpoint, which `mrcnn.training.state` writes
FOREIGN_ENDINGS = (".pth", ".pt", ".safetensors")
UNNAMED = r"variable(?:_(\d+))?"  # a weight that its layer gives no name, as Keras counts them over the whole process


@dataclasses.dataclass
class LoadReport:
    """Names of layers by what became of them."""

    loaded: list
    missing: list  # in the model, not in the file
    unused: list  # in the file, not in the model
    excluded: list
    mismatched: list = dataclasses.field(default_factory=list)  # of other shapes in the file, and left as they were
    copied: list = dataclasses.field(default_factory=list)  # not in the file, begun with the weights of another layer

    def __str__(self):
        parts = [f"{len(self.loaded)} layers loaded"]
        for word in ("missing", "copied", "unused", "excluded", "mismatched"):
            if names := getattr(self, word):
                shown = ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")
                parts.append(f"{len(names)} {word} ({shown})")
        return "; ".join(parts)

    @property
    def whole(self) -> bool:
        """Whether the network has the layers of the file: all of them, and no others."""
        return not (self.missing or self.copied or self.unused or self.excluded or self.mismatched)


def is_foreign(path: str | os.PathLike) -> bool:
    """Whether a path is one of PyTorch weights, which carry nothing of ours."""
    return str(path).lower().endswith(FOREIGN_ENDINGS)


def weighted_layers(model: object) -> dict[str, object]:
    """{name: layer} of the layers that hold weights."""
    return {layer.name: layer for layer in model.layers if layer.weights}


def weight_names(layer: object) -> list[str]:
    """The names of a layer's weights in files, in order: each once, and the same in every process.

    Args:
        layer: Keras layer, or a model nested as one.

    Returns:
        The name of each weight: variable, variable_1 ... of those without one, kernel, kernel_2 ... of equal ones.
    """
    own = [variable.name for variable in layer.weights]
    stable, names = _by_place([name for name in own if re.fullmatch(UNNAMED, name)]), []
    for name in own:
        name, repeats = stable.get(name, name), 1
        unique = name
        while unique in names:
            repeats += 1
            unique = f"{name}_{repeats}"
        names.append(unique)
    return names


def _by_place(unnamed):
    """{name: that of its place} of weights without names of their own, whose numbers tell their order."""
    ordered = sorted(unnamed, key=lambda name: int(re.fullmatch(UNNAMED, name)[1] or 0))
    return {name: f"variable_{place}" if place else "variable" for place, name in enumerate(ordered)}


def write_weights(path: str | os.PathLike, model: object, attributes: dict | None = None) -> None:
    """Write all weights of a model, whole or not at all.

    Args:
        path: of the file.
        model: Keras model.
        attributes: dict of strings and numbers for the root.

    Raises:
        DataError: if that fails.
    """
    with whole_hdf5(path) as file:
        layers, layout = weighted_layers(model), layout_of(model)
        groups = {name: layout.group_of(name) for name in layers}
        written = {name: [] for name in groups.values()}
        file.attrs["layer_names"] = [n.encode() for n in written]
        file.attrs["backend"] = b"keras"
        for key, value in (attributes or {}).items():
            if isinstance(value, str):
                write_text(file.attrs, key, value)
            else:
                file.attrs[key] = value
        for name, layer in layers.items():
            for weight, variable in zip(weight_names(layer), layer.weights):
                key = f"{name}/{weight}:0"
                value = layout.to_file(name, weight, np.asarray(variable), model)
                file.create_dataset(f"{groups[name]}/{key}", data=value)
                written[groups[name]].append(key.encode())
        for name, keys in written.items():
            file[name].attrs["weight_names"] = keys


def load_weights(path: str | os.PathLike, model: object, by_name: bool = False, exclude: Sequence[str] = (),
                 stored: dict[str, dict] | None = None, fitting: bool = False, begin: bool = False) -> LoadReport:
    """Read a weight file into a model, all of it or nothing.

    Args:
        path: of the file.
        model: Keras model, whose layers have the names of the file.
        by_name: layers that only one side has are left alone; otherwise they are an error.
        exclude: names of layers to leave alone, or one name; that of a group, rpn_model, stands for all of its layers.
        stored: {layer: {weight name: array}} of the file, where it is not HDF5.
        fitting: layers of other shapes are left alone; otherwise they are an error.
        begin: a training begins with the file: layers that it lacks begin as the layout says (`Layout.begins_as`), as
            they do where by_name is set too.

    Returns:
        LoadReport.

    Raises:
        CheckpointError: if the file is unreadable, a shape differs (not fitting), a weight holds NaN, nothing matched,
            layers are missing on either side (not by_name), or neither side has a name of `exclude`.
    """
    layers, layout = weighted_layers(model), layout_of(model)
    stored = _by_name(read_layers(path) if stored is None else stored, layers)
    exclude = _excluded(path, exclude, {*layers, *stored}, model)
    report = LoadReport([], [], sorted(set(stored) - set(layers)), sorted(exclude & set(stored)))
    values, mismatched = [], {}
    for name, layer in layers.items():
        if name in exclude:
            continue
        source, factor = name, 1.0
        if name not in stored and (by_name or begin):
            source, factor = layout.begins_as(name) or (name, 1.0)
        if source not in stored or source in exclude:
            report.missing.append(name)
            continue
        try:
            matched = _matched(path, layer, source, stored[source], layout, factor)
            _check_beside(path, source, stored, layers, layout)
            values += matched
            (report.loaded if source == name else report.copied).append(name)
        except CheckpointError as error:
            if fitting and isinstance(error, _Mismatch):
                report.mismatched.append(name)
            else:
                mismatched[name] = error
    _refuse_mismatched(path, mismatched, stored, report)
    if not by_name and (report.missing or set(report.unused) - exclude):
        raise CheckpointError(
            f"{path} is of another architecture: {report}. Set BACKBONE, NORM and the parts that not all have "
            "(MASK_HEAD, CASCADE_IOUS) as in the run that wrote it, or pass by_name=True to load what matches; a new "
            "run may begin with it."
        )
    for variable, value in values:
        variable.assign(value)
    return report


def _excluded(path, exclude, weighted, model):
    """The layers that `exclude` names, itself included: those of a group, as Matterport's rpn_model, by that too.

    Raises CheckpointError for names that neither the network nor the file has: what was to be left alone would be
    overwritten.
    """
    exclude = {exclude} if isinstance(exclude, str) else set(exclude or ())
    layout = layout_of(model)
    groups = {name: layout.group_of(name) for name in weighted}
    known = {*weighted, *groups.values(), *(layer.name for layer in model.layers), *layout.class_layers, *WEIGHTLESS}
    unknown = sorted(str(name) for name in exclude if name not in known)
    if unknown:
        near = {name: difflib.get_close_matches(name, sorted(known), 2) for name in unknown}
        told = ", ".join(f"{name!r}" + (f" (near: {', '.join(near[name])})" if near[name] else "") for name in unknown)
        raise CheckpointError(f"exclude= names no layer of this network or of {path}: {told}. It takes whole names, "
                              "not patterns; model.training_model.layers has them.")
    return exclude | {name for name, group in groups.items() if group in exclude}


def _refuse_mismatched(path, mismatched, stored, report):
    """Raise CheckpointError for layers that differ ({name: its error}), and where none is the network's."""
    if mismatched:
        first, *others = mismatched
        more = f" {len(others)} more mismatched: {', '.join(others[:6])}{' ...' if others[6:] else ''}."
        raise CheckpointError(f"{mismatched[first]}{more if others else ''}") from mismatched[first]
    if not report.loaded:
        raise CheckpointError(f"{path}: none of its {len(stored)} layers is one of this network's: another "
                              f"architecture or backbone? It begins with {', '.join(list(stored)[:3])}.")


class _Mismatch(CheckpointError):
    """A layer that is another one in the file."""


def _matched(path, layer, name, stored, layout, factor):
    """[(variable, value)] of one layer, checked; its name is that in the file, by which its weights count so often."""
    matched, own = [], weight_names(layer)
    lacking = [weight for weight in own if weight not in stored]
    if lacking or len(stored) > len(own):
        here = f"{', '.join(lacking)} too" if lacking else f"{', '.join(own)} alone"
        raise _Mismatch(
            f"{path}: layer {name} has {', '.join(map(str, stored))} where this network has {here}: set its norm "
            "(NORM, HEAD_NORM, YOLACT_HEAD_NORM) as in the run that wrote it, or exclude the layer, which starts anew."
        )
    for weight, variable in zip(own, layer.weights):
        value = layout.from_file(name, stored[weight], tuple(variable.shape))
        if value.shape != tuple(variable.shape):
            remedy = (
                f"other classes or settings? Exclude the layer ({', '.join(layout.class_layers)} for other classes) or "
                "change them." if name in layout.class_layers else
                "other settings, or this part was another one when the file was written? Set them as they were then, "
                "or exclude the layers of this part, which start anew."
            )
            raise _Mismatch(
                f"{path}: {name}/{weight} is {list(value.shape)} in the file, {list(variable.shape)} in the "
                f"network: {remedy}"
            )
        if not np.isfinite(value).all():
            raise CheckpointError(f"{path}: {name}/{weight} holds NaN or infinity: use an earlier checkpoint.")
        matched.append((variable, value if factor == 1 else factor * value))
    return matched


def _check_beside(path, name, stored, layers, layout):
    """Raise _Mismatch for a layer that fits by chance, where the one that tells does not."""
    other = layout.told_by.get(name)
    if other not in layers or other not in stored:
        return
    theirs, own = ({np.shape(array)[-1:] for array in arrays} for arrays in (
        stored[other].values(), layers[other].weights))
    if theirs != own:
        raise _Mismatch(f"{path}: {name} is of other anchors, as {other} tells, whose last side is {_side(theirs)} in "
                        f"the file and {_side(own)} in the network: set the anchors as in the run that wrote it, or "
                        f"exclude {name} and {other}.")


def _side(ends):
    return " or ".join(str(*end) for end in sorted(ends))


class KerasLayers(dict):
    """{layer: {index: array}} of a file that Keras' own `save_weights` wrote: it numbers the weights of a layer."""


def _by_name(stored, layers):
    """{layer: {weight name: array}} with the names that this network has."""
    if not isinstance(stored, KerasLayers):
        return {layer: _stable(arrays) for layer, arrays in _stable_layers(stored, layers).items()}
    # A layer's weights are in the order of the model's.
    names = {name: weight_names(layer) for name, layer in layers.items()}
    return {layer: {dict(enumerate(names.get(layer, ()))).get(int(index), index): array
                    for index, array in arrays.items()} for layer, arrays in stored.items()}


def _stable(arrays):
    """{weight name: array} of a layer, of which those without names of their own go by their place."""
    places = _by_place([name for name in arrays if re.fullmatch(UNNAMED, name)])
    return {places.get(name, name): array for name, array in arrays.items()}


def _stable_layers(stored, layers):
    """{layer: arrays}, in which layers that earlier versions left with Keras' count have the names that they have now.

    Only where a file has as many of a kind as the network: of these the first is the first.
    """
    renamed = {}
    for kind in {name.rpartition("_")[0] for name in layers if name.startswith("backbone_") and name not in stored}:
        now = [name for name in layers if name.rpartition("_")[0] == kind]
        pattern = counted_name(kind.removeprefix("backbone_"))
        old = {int(found[1] or 0): name for name in stored
               if name not in layers and (found := re.fullmatch(pattern, name))}
        if len(old) == len(now):
            renamed.update({old[number]: name for number, name in zip(sorted(old), sorted(now, key=_number_of))})
    return {renamed.get(name, name): arrays for name, arrays in stored.items()}


def _number_of(name):
    return int(name.rpartition("_")[2]) if name.rpartition("_")[2].isdecimal() else 0


def _keras_root(file):
    """The group in which Keras 3 keeps the layers of an open file; None if it did not write it."""
    roots = [name for name in ("layers", "_layer_checkpoint_dependencies") if name in file]
    return roots[0] if roots and "layer_names" not in file.attrs else None


def _keras_layers(path, file):
    """The KerasLayers of an open file; None if Keras 3 did not write it."""
    if (root := _keras_root(file)) is None:
        return None
    layers = KerasLayers()
    for key, array in arrays_in(file, root):
        group, _, index = key.strip("/").removeprefix(f"{root}/").rpartition("/")
        if not re.fullmatch(r".+/vars", group) or not index.isdecimal() or "seed_generator" in group:
            continue
        try:
            name = read_text(file[root][group].attrs, "name") if array.dtype.kind in "fiu" else None
        except ValueError:
            name = None
        if name is None or index in layers.get(name, ()):
            raise CheckpointError(f"{path} was written by Keras' own save_weights and does not tell its layers apart: "
                                  "where the model still is, write the file by model.save_weights(path) instead.")
        layers.setdefault(name, {})[index] = array[()]
    return layers


def read_layers(path: str | os.PathLike) -> dict[str, dict[str, np.ndarray]]:
    """{layer: {weight name: array}} of an HDF5 weight file, whichever groups it nests them in.

    Of one that Keras 3 wrote by itself they are `KerasLayers`, {layer: {"0": array}}, which `load_weights` takes too.
    """
    layers = {}
    with open_hdf5(path) as file:
        if of_keras := _keras_layers(path, file):
            return of_keras
        for layer, weight, array in _named_arrays(file):
            if weight in layers.setdefault(layer, {}):
                raise CheckpointError(f"{path} holds {layer}/{weight} twice: it is of several networks.")
            layers[layer][weight] = array[()]
    if not layers:
        raise CheckpointError(f"{path} holds no weights.")
    return layers


def _named_arrays(file):
    """Yield (layer, weight, h5py.Dataset) of an open file in Matterport's form, whichever groups it nests them in."""
    # A whole Keras model has the optimizer's variables beside these, under the same names.
    for key, array in arrays_in(file, "model_weights"):
        parts = key.split("/")
        if len(parts) > 1 and array.dtype.kind in "fiu":
            yield parts[-2], parts[-1].split(":")[0], array


def names_in(path: str | os.PathLike) -> dict[str, set[str]]:
    """{layer: names of its weights} of an HDF5 file as `read_layers` finds them; none of one that Keras 3 wrote."""
    names = {}
    with open_hdf5(path) as file:
        for layer, weight, _ in [] if _keras_root(file) else _named_arrays(file):
            names.setdefault(layer, set()).add(weight)
    return names


def read_attributes(path: str | os.PathLike) -> dict:
    """{"architecture", "config": dict, "class_names": list, "epoch": int, "drawn_by"} of our files, or None each."""
    if is_foreign(path):
        return dict.fromkeys(("architecture", "config", "class_names", "epoch", "drawn_by"))
    with open_hdf5(path) as file:
        if "optimizer" in file and "stage" in file.attrs:
            raise CheckpointError(f"{path} is the state of the optimizer beside a checkpoint, which training reads by "
                                  f"itself: give {_checkpoint_beside(path)}.")
        try:
            config = read_json(file.attrs, "mrcnn_config", dict)
            names = read_json(file.attrs, "mrcnn_class_names", (list, type(None)))
            epoch = read_number(file.attrs, "mrcnn_epoch")
            architecture, drawn_by = (read_text(file.attrs, f"mrcnn_{name}") for name in ("architecture", "drawn_by"))
        except ValueError as error:
            raise CheckpointError(f"{path}: its attribute {error}: use another checkpoint.") from error
    if names is not None and not all(isinstance(name, str) for name in names):
        raise CheckpointError(f"{path}: its class names are no texts: use another checkpoint.")
    if architecture is None and config is not None:
        architecture = DEFAULT_ARCHITECTURE
    return {"architecture": architecture, "config": config, "class_names": names, "epoch": epoch, "drawn_by": drawn_by}


def _checkpoint_beside(path):
    """What is to be given in place of a training state."""
    path = os.fspath(path)
    beside = f"{path.removesuffix(STATE_ENDING)}.h5"
    return beside if path.endswith(STATE_ENDING) and os.path.isfile(beside) else "the checkpoint, NAME_0001.h5"


def settings_of(path: str | os.PathLike) -> dict:
    """The dict of settings a checkpoint carries.

    Raises:
        CheckpointError: if it is not one of ours.
    """
    attributes = read_attributes(path)
    if attributes["config"] is None:
        raise CheckpointError(f"{path} carries no settings (not written by mrcnn): build a Config and load_weights it.")
    return attributes
