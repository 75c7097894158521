"""The data set that a program of a user's own brings: which photos it reads, and what it is told to load.

`main(dataset=ShopDataset)` takes a subclass of `mrcnn.utils.Dataset`, or a function that returns one. Of a class an
instance is made, and its method `load`, or the one that is called `load_shop` or the like, registers classes and
photos by `add_class` and `add_image`; `prepare()` follows here. The method (or the function) is given, by name, those
of these that it has parameters for; a parameter that is none of these needs a default:

    annotations   path of --annotations, --train, --val or --test; Matterport's samples call it dataset_dir
    images        folder of --images, or None
    part          "train", "val", "test" or --part: what the data is wanted for; Matterport's samples call it subset.
                  Who has it splits the photos itself, and needs no --split
    limit         number of photos to take, from the first on, or None; without it the first are taken afterwards
    on_error      "raise" or "skip"; names, mapping: paths of --names and --mapping, or None; crowds, boxes_as_masks,
                  min_area, annotator: what --crowds, --boxes-as-masks, --min-area and --annotator say, or None

A data set without `annotations`, or with a default for it, is opened when a command is given no annotations, in place
of the drawn pictures. With a static method `recognises(annotations)` it says which annotations it reads; the package's
readers take the others. --format NAME always takes the reader of that name. In `detect` and `export`, whose --format is
another, COCO files go to the package's reader unless `recognises` takes them.
"""

from __future__ import annotations

import argparse
import inspect
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.data.formats.archives import exists, is_archive
from mrcnn.errors import DataError, UsageError

if TYPE_CHECKING:
    from mrcnn.data.dataset import Dataset

OFFERED = ("annotations", "images", "part", "limit", "on_error", "names", "mapping", "crowds", "boxes_as_masks",
           "min_area", "annotator")
MATTERPORTS = {"dataset_dir": "annotations", "subset": "part"}
# Options that a data set need not know, if they are not given.
OPTIONAL = ("images", "on_error", "names", "mapping", "crowds", "boxes_as_masks", "min_area", "annotator")
PARTS = ("train", "val", "test")
ARRAYS = ("labels", "boxes", "counts", "channels", "first_label")  # options of arrays, which no program's own data take


def reads(options: argparse.Namespace, annotations: str | None) -> bool:
    """Whether the program's own data set opens these annotations, a path or None for none."""
    dataset = options.program.dataset
    if dataset is None or getattr(options, "format", None):
        return False
    if annotations is None:
        return "annotations" not in required(dataset)
    if not hasattr(dataset, "recognises"):
        return True
    if not exists(annotations):
        raise DataError(f"{annotations}: no such annotations: check the path.")
    return bool(dataset.recognises(annotations))


def coco_of_nobody(options: argparse.Namespace) -> str | None:
    """The format of --annotations for commands whose --format is another: "coco" where they are a COCO file and the
    program has a data set that does not say which annotations it reads, which is told; else None."""
    from mrcnn.data.formats import recognise

    dataset, path = options.program.dataset, options.annotations
    if dataset is None or hasattr(dataset, "recognises") or not os.path.isfile(path or "") or is_archive(path):
        return None
    try:
        form = recognise(path)
    except DataError:
        return None  # of no format that the package knows
    if form != "coco":
        return None
    print(f"{path} is a COCO file, and is read as one; a static method recognises(annotations) has it read by "
          f"{name_of(dataset)}.")
    return form


def open_parts(options: argparse.Namespace, annotations: str) -> dict[str, Dataset]:
    """{part: the program's own data set, prepared}, of each part where it splits the photos itself, else as "val".

    Parts that it does not have are told with their errors.

    Raises:
        Exception: that of the part val, if there is no part.
    """
    parts = PARTS if splits_itself(options, annotations) else ("val",)
    opened, failed = {}, {}
    for part in parts:
        try:
            opened[part] = open_own(options, annotations, part)
        except Exception as error:  # of a program's own code, which may raise any for a part that is not there
            failed[part] = error
    if not opened:
        raise failed["val"]
    for part, error in failed.items():
        warnings.warn(f"{name_of(options.program.dataset)} gives no part {part} ({type(error).__name__}: {error}): "
                      "photos of it have no ids.", stacklevel=2)
    return opened


def splits_itself(options: argparse.Namespace, annotations: str | None = None) -> bool:
    """Whether the data set is the program's own, and is told which part of the photos is wanted."""
    return reads(options, annotations) and "part" in parameters(options.program.dataset)


def open_own(options: argparse.Namespace, annotations: str | None, part: str) -> Dataset:
    """The program's own data set, prepared; see the top of this file.

    Raises:
        UsageError: for a data set that does not fit, or an option that it does not take.
        DataError: for an empty one.
    """
    from mrcnn.data.dataset import Dataset

    make = options.program.dataset
    offered = {"annotations": annotations, "part": part,
               **{name: getattr(options, name) or None for name in (*OPTIONAL, "limit")}}
    taken, name = parameters(make), name_of(make)
    for option in (*OPTIONAL, *ARRAYS):
        value = offered[option] if option in offered else getattr(options, option, None)
        if option not in taken and value not in (None, "raise"):
            raise UsageError(f"--{option.replace('_', '-')}: {name} takes no {option}; leave the option out.")
    if annotations is not None and not exists(annotations):
        raise DataError(f"{annotations}: no such annotations: check the path.")
    arguments = {own: offered[option] for option, own in taken.items()}
    if inspect.isclass(make):
        dataset = make()
        getattr(dataset, loading_method(make))(**arguments)
    else:
        dataset = make(**arguments)
        if not isinstance(dataset, Dataset):
            raise UsageError(f"{name} gave {type(dataset).__name__}: let it return a mrcnn.utils.Dataset.")
    return _checked(dataset, name)


def _checked(dataset, name):
    """A data set after `prepare()`, if it has all that it needs."""
    from mrcnn.data.dataset import Dataset

    if type(dataset).load_mask is Dataset.load_mask:
        raise UsageError(f"{type(dataset).__name__} has no load_mask(image_id), which says where the objects are: "
                         "return (masks bool [H, W, N], class ids int32 [N]).")
    dataset.prepare()
    if dataset.num_classes < 2:
        raise UsageError(f"{name} registered no class: let it call self.add_class(source, id, name) for each.")
    if not len(dataset.image_ids):
        raise DataError(f"{name} registered no photo: check paths, or let it call self.add_image(source, id, path).")
    return dataset


# --- What it takes ---------------------------------------------------------------------------------------------------


def name_of(dataset: Callable) -> str:
    """What loads the data, for messages: ShopDataset.load_shop."""
    name = getattr(dataset, "__name__", type(dataset).__name__)
    return f"{name}.{loading_method(dataset)}" if inspect.isclass(dataset) else name


def data_name(options: argparse.Namespace, annotations: str | None = None) -> str:
    """What messages call the photos of a command: their annotations, or what stands in for these.

    Args:
        options: of the command.
        annotations: path; None takes options.annotations.

    Returns:
        The path, what loads the program's own data without one, or "the drawn pictures".
    """
    annotations = annotations or options.annotations
    return annotations or (name_of(options.program.dataset) if reads(options, None) else "the drawn pictures")


def loading_method(dataset: type) -> str:
    """Name of the method of a Dataset subclass that registers its classes and photos.

    Raises:
        UsageError: there is none, or more than one.
    """
    from mrcnn.data.dataset import Dataset

    if not issubclass(dataset, Dataset):
        raise UsageError(f"{dataset.__name__} is no data set: derive it from mrcnn.utils.Dataset.")
    if callable(getattr(dataset, "load", None)):
        return "load"
    names = [name for name in dir(dataset) if name.startswith("load_") and not hasattr(Dataset, name)]
    names = [name for name in names if "image_id" not in inspect.signature(getattr(dataset, name)).parameters]
    if len(names) != 1:
        what = f"has {' and '.join(names)}: call the one of them" if names else "has none: call it"
        raise UsageError(f"{dataset.__name__} needs one method that registers its classes and photos and {what} load.")
    return names[0]


def parameters(dataset: Callable) -> dict[str, str]:
    """{option that is offered: name of the parameter that takes it}.

    Raises:
        UsageError: for one that none is for.
    """
    taken = {}
    for name, parameter in _signature(dataset).items():
        option = MATTERPORTS.get(name, name)
        if option in OFFERED:
            taken[option] = name
        elif parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_KEYWORD,
                                                                             parameter.VAR_POSITIONAL):
            raise UsageError(f"{name_of(dataset)} has the parameter {name!r}, which no option is for: give it a "
                             f"default, or call it as what it is: {', '.join((*OFFERED, *MATTERPORTS))}.")
    return taken


def required(dataset: Callable) -> set[str]:
    """Options that the data set cannot do without."""
    taken = _signature(dataset)
    return {option for option, name in parameters(dataset).items() if taken[name].default is inspect.Parameter.empty}


def _signature(dataset):
    """{name: inspect.Parameter} of what loads the data, less self."""
    if not inspect.isclass(dataset):
        return dict(inspect.signature(dataset).parameters)
    method = inspect.getattr_static(dataset, loading_method(dataset))
    taken = dict(inspect.signature(getattr(dataset, loading_method(dataset))).parameters)
    if not isinstance(method, (staticmethod, classmethod)):
        taken.pop(next(iter(taken), None), None)
    return taken
