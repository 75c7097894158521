"""Some of the classes of a data set, in an order of one's own, or one class of several."""

import copy
from collections.abc import Sequence

from mrcnn.data.annotated import AnnotatedDataset, keep_groups
from mrcnn.data.class_names import members_of_classes, names_taken
from mrcnn.data.dataset import source_ids, source_keys
from mrcnn.data.objects import OfTheWhole
from mrcnn.errors import DataError


def choose_classes(dataset: AnnotatedDataset, names: Sequence[str]) -> AnnotatedDataset:
    """A prepared copy of a data set that knows some of its classes, in an order of its own, or makes one of several.

    Objects of other classes are as if they were not annotated.

    Args:
        dataset: AnnotatedDataset, prepared.
        names: of the classes to know, "NEW=OLD+OLD" and "*" too: `mrcnn.data.class_names.members_of_classes`.

    Raises:
        DataError: if a name is given twice, the data set has no such class, or classes of photos that are labelled for
            some classes only, as LVIS' are, are to be one.
    """
    if dataset.unused_groups:
        dataset = copy.copy(dataset)
        keep_groups(dataset, names_taken(names), "CLASSES names it")
    known = {}  # classes of one name are one
    for name, info in zip(dataset.class_names[1:], dataset.class_info[1:]):
        known.setdefault(name, []).append(info)
    members = {name: [info for old in olds for info in known[old]]
               for name, olds in members_of_classes(names, list(known)).items()}
    joined = any(len(infos) > 1 for infos in members.values())
    if joined and any(info.get("class_lists") for info in dataset.image_info):
        raise DataError("CLASSES: photos of these data are labelled for some classes only, so none can be made of "
                        "several: convert them without their lists, or take the classes as they are.")
    chosen = copy.copy(dataset)
    chosen.unused_groups = ()
    chosen.class_info = [dataset.class_info[0], *(_joined_class(name, infos) for name, infos in members.items())]
    taken = {key for info in chosen.class_info for key in source_keys(info)}
    chosen._left_out = {*dataset._left_out, *(key for info in dataset.class_info for key in source_keys(info))} - taken
    chosen.prepare()
    parts = {name: method for name, method in vars(chosen).items() if isinstance(method, OfTheWhole)}
    if parts:  # the whole, which they ask, has to number its classes in the same way
        whole = choose_classes(next(iter(parts.values())).dataset, names)
        for name, method in parts.items():
            setattr(chosen, name, OfTheWhole(whole, name, method.image_ids))
    return chosen


def _joined_class(name, infos):
    """Entry of `class_info` of one or several such entries, with the group that all of them are in."""
    groups = {info.get("supercategory") for info in infos}
    one = {key: value for key, value in infos[0].items() if key != "supercategory" or len(groups) == 1}
    members = {"members": [pair for info in infos for pair in source_ids(info)]} if len(infos) > 1 else {}
    return {**one, "name": name, **members}
