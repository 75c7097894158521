"""What data sets say of their objects beyond the class: attributes such as pattern, length and neckline."""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mrcnn.data.annotated import AnnotatedDataset
from mrcnn.data.dataset import Dataset
from mrcnn.data.mask_values import own_masks
from mrcnn.data.objects import check_objects, gives_run_lengths, unpacked
from mrcnn.errors import DataError


def attribute_names(dataset: Dataset) -> dict[int, str]:
    """Tell the names of a data set's attributes.

    Args:
        dataset: any Dataset.

    Returns:
        {id: name}, empty for a data set without attributes.
    """
    return dict(getattr(dataset, "attribute_names", {}))


def gives_attributes(dataset: Dataset) -> bool:
    """Tell whether the objects of a data set have attributes, so that an empty list says that one has none of them.

    Args:
        dataset: any Dataset, an object of which has been loaded if it names no attributes.
    """
    return bool(attribute_names(dataset)) or vars(dataset).get("_gives_attributes", False)


def short_names(names: dict[int, str]) -> dict[int, str]:
    """Shorten the names of attributes for captions: of "neckline: v" the value, if it is of one attribute only.

    Args:
        names: of `attribute_names`.

    Returns:
        {id: name}; "sleeves: long" and "length: long" become "sleeves long" and "length long".
    """
    values = Counter(str(name).rpartition(": ")[2] for name in names.values())
    pairs = {i: str(name).rpartition(": ") for i, name in names.items()}
    return {i: value if values[value] == 1 else f"{kind} {value}".strip() for i, (kind, _, value) in pairs.items()}


def distinct_names(dataset: Dataset) -> dict[int, str]:
    """Tell the names of a data set's attributes, none of them twice, which is how networks know them.

    Args:
        dataset: any Dataset.

    Returns:
        {id: name}, as `told_apart` has them.
    """
    return told_apart(attribute_names(dataset))


def told_apart(names: dict[int, str]) -> dict[int, str]:
    """Make names distinct and tidy: a name that several ids share has the id behind it: "long (28)".

    Args:
        names: {id: name}.

    Returns:
        {id: name}, by rising id.
    """
    names = {int(i): " ".join(str(name).split()) or by_id(i) for i, name in names.items()}
    counts, taken = Counter(names.values()), set()
    for i, name in sorted(names.items(), key=lambda pair: (counts[pair[1]] > 1, pair[0])):  # what is distinct stays
        names[i] = name if counts[name] == 1 else f"{name} ({i})"
        while names[i] in taken:
            names[i] += f" ({i})"
        taken.add(names[i])
    return dict(sorted(names.items()))


def by_id(number: int) -> str:
    """What an attribute is called that no file names: "attribute 28"."""
    return f"attribute {number}"


def named_by_ids(source: str | os.PathLike, ids: Iterable[int], remedy: str) -> dict[int, str]:
    """Names of the attributes of objects where no file has them; a warning tells it.

    Args:
        source: of the annotations, for the warning.
        ids: of the attributes that objects have.
        remedy: what gives them names, an order.

    Returns:
        {id: name}, by rising id.
    """
    names = {i: by_id(i) for i in sorted(set(ids))}
    if names:
        warnings.warn(f"{source}: its {len(names)} attributes are named by their ids "
                      f"({first_of(list(names.values()))}), for no list names them: {remedy}.", stacklevel=3)
    return names


def written_names(dataset: Dataset, path: str) -> dict[int, str]:
    """Names of attributes for a form that knows attributes by names alone; those of one name are told apart, and told.

    Args:
        dataset: any Dataset.
        path: of the file that is written, for the warning.

    Returns:
        {id: name}, as `told_apart` has them.
    """
    names, written = attribute_names(dataset), distinct_names(dataset)
    counts = Counter(" ".join(str(name).split()) for name in names.values())
    alike = [written[i] for i, name in written.items() if counts[" ".join(str(names[i]).split())] > 1]
    if alike:
        warnings.warn(f"{path}: {len(alike)} attributes share their name with another; this form knows them by name "
                      f"alone, so they are written as {first_of(alike)}.", stacklevel=3)
    return written


TWICE = "with an attribute that is listed twice: it counts once"  # in the words of a note: of an object


def whole_ids(listed: object) -> tuple[int, ...]:
    """The whole numbers of a list, each once; an empty tuple of what is no list."""
    return tuple(dict.fromkeys(i for i in listed if type(i) is int)) if isinstance(listed, (list, tuple)) else ()


def first_of(names: Sequence[str]) -> str:
    """The first five names of a list, for messages."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def count_attributes(dataset: Dataset, progress: Callable[[int, int], None] | None = None) -> dict[str, Counter]:
    """Count what the objects of a data set have; crowds are none.

    Args:
        dataset: prepared Dataset.
        progress: called as progress(done, total) after each photo.

    Returns:
        {"pairs": Counter of (class id, attribute id), "objects" and "described": Counters of class ids, the latter of
        objects that have any attribute}.
    """
    counts = {"pairs": Counter(), "objects": Counter(), "described": Counter()}
    for done, image_id in enumerate(dataset.image_ids, start=1):
        _, class_ids, attributes = load_objects(dataset, int(image_id))
        for class_id, own in zip(class_ids.tolist(), attributes):
            if class_id > 0:
                counts["objects"][class_id] += 1
                counts["described"][class_id] += bool(own)
                counts["pairs"].update((class_id, attribute) for attribute in own)
        if progress:
            progress(done, len(dataset.image_ids))
    return counts


def learned_attributes(dataset: Dataset, names: Sequence[str] | None = None,
                       counts: dict[str, Counter] | None = None) -> dict[str, list]:
    """Tell the settings by which a network learns the attributes of a data set: which there are, and of what classes.

    Args:
        dataset: prepared Dataset, the one to train on.
        names: attributes to learn, in this order; None: all that an object has.
        counts: of `count_attributes`, if they are known; else every photo's objects are read.

    Returns:
        {"ATTRIBUTES": names, "ATTRIBUTE_PAIRS": of each class, background first, the places of those that its objects
        have}, for `Config.set` or the keyword arguments of a Config.

    Raises:
        DataError: no object has an attribute that is named, or none has one of `names`.
    """
    pairs = (count_attributes(dataset) if counts is None else counts)["pairs"]
    known, found = distinct_names(dataset), {attribute for _, attribute in pairs}
    kept = [i for i in known if i in found]
    if found and not kept:
        name = type(dataset).__name__
        raise DataError(f"{name}: its objects have {len(found)} attributes that it does not name (ids "
                        f"{first_of(list(map(str, sorted(found))))}): let attribute_names of {name} be "
                        "{id: name} of these, or train without.")
    if not kept:
        raise DataError(f"None of the objects of {len(dataset.image_ids)} photos has an attribute that "
                        f"{type(dataset).__name__} names: give annotations with attributes (docs/attributes.md says "
                        "which have them), or train without.")
    if names is not None:
        ids = {known[i]: i for i in kept}
        missing = [name for name in names if name not in ids]
        if missing:
            raise DataError(f"No object has the attribute {missing[0]!r} of ATTRIBUTES ({len(missing)} of {len(names)} "
                            f"are of none): leave it out; the data has {', '.join(list(ids)[:12])}.")
        kept = [ids[name] for name in names]
    places = {i: place for place, i in enumerate(kept)}
    rows = [[places[i] for i in kept if (class_id, i) in pairs] for class_id in range(dataset.num_classes)]
    return {"ATTRIBUTES": [known[i] for i in kept], "ATTRIBUTE_PAIRS": rows}


def told_of_attributes(dataset: Dataset, settings: dict[str, list], counts: dict[str, Counter]) -> str:
    """Say what is learned, and what is left out.

    Args:
        dataset: prepared Dataset.
        settings: of `learned_attributes`.
        counts: of `count_attributes`.

    Returns:
        One line.
    """
    classes = [class_id for class_id, row in enumerate(settings["ATTRIBUTE_PAIRS"]) if row]
    objects = sum(counts["objects"][class_id] for class_id in classes)
    silent = objects - sum(counts["described"][class_id] for class_id in classes)
    unused = len(distinct_names(dataset)) - len(settings["ATTRIBUTES"])
    text = (f"Attributes: {len(settings['ATTRIBUTES'])} are learned, of {len(classes)} of {dataset.num_classes - 1} "
            "classes")
    if unused:
        text += f"; {unused} more names are left out, for no object has them or ATTRIBUTES leaves them out"
    unnamed = len({attribute for _, attribute in counts["pairs"]} - distinct_names(dataset).keys())
    if unnamed:
        text += f"; {unnamed} attributes of objects are left out, for attribute_names does not name them"
    if silent:
        text += (f"; {silent} of {objects} objects of these classes have none, which teaches that they have none: "
                 "ATTRIBUTES_PARTIAL=True if nobody described them")
    return f"{text}."


class AttributeColumns:
    """The attributes of a data set's objects in the order in which a network knows them.

    Args:
        dataset: prepared Dataset.
        names: ATTRIBUTES of the network.

    Raises:
        DataError: the data set names none of them.
    """

    def __init__(self, dataset: Dataset, names: Sequence[str]):
        places = {name: place for place, name in enumerate(names)}
        self.count = len(names)
        self.places = {i: places[name] for i, name in distinct_names(dataset).items() if name in places}
        if not self.places:
            theirs = ", ".join(list(distinct_names(dataset).values())[:3]) or "none"
            raise DataError(f"{type(dataset).__name__} has none of the {len(names)} ATTRIBUTES of the network "
                            f"({', '.join(list(names)[:3])} ...; it names {theirs}): give annotations with these, or "
                            "ATTRIBUTES that are those of the data.")
        lacking = [name for name in names if places[name] not in self.places.values()]
        if lacking:
            others = [name for name in distinct_names(dataset).values() if name not in places]
            warnings.warn(f"{len(lacking)} of the {len(names)} ATTRIBUTES of the network are not named in this data "
                          f"({first_of(lacking)}), so none of its objects has them; it names {len(others)} that the "
                          f"network does not know{f' ({first_of(others)})' if others else ''}. An attribute is known "
                          "by its name: call it the same in training and validation.", stacklevel=3)

    def rows(self, attributes: Sequence[tuple[int, ...]]) -> np.ndarray:
        """Put the attributes of objects into columns.

        Args:
            attributes: ids of each of N objects; those that the network does not know are passed over.

        Returns:
            bool [N, M].
        """
        rows = np.zeros((len(attributes), self.count), bool)
        for row, own in zip(rows, attributes):
            row[[self.places[i] for i in own if i in self.places]] = True
        return rows


def reads_its_objects(dataset: Dataset) -> bool:
    """Whether a data set is one of a format's reader whose objects no subclass gives otherwise."""
    return (isinstance(dataset, AnnotatedDataset) and gives_run_lengths(dataset)
            and type(dataset).load_rles is AnnotatedDataset.load_rles)


def load_objects(dataset: Dataset, image_id: int) -> tuple[object, np.ndarray, list[tuple[int, ...]]]:
    """Load the objects of a photo with their attributes, reading them once.

    Attributes are those that a format's reader keeps; else the third value of the data set's own load_mask, or
    load_rles; else what its method object_attributes(image_id) returns; else there are none.

    Args:
        dataset: prepared Dataset.
        image_id: of the photo.

    Returns:
        (run lengths if `gives_run_lengths(dataset)`, else masks [H, W, N]; class ids [N], negative for crowds; N
        sorted tuples of attribute ids).

    Raises:
        DataError: naming the photo, if there are not as many masks as class ids, a class id is none of the data set's,
            or the attributes are not one list of ids for each object.
    """
    by_runs = gives_run_lengths(dataset)
    if reads_its_objects(dataset):
        entries = dataset.objects(image_id)
        class_ids = [entry.class_id * (-1 if entry.crowd else 1) for entry in entries]
        objects, more = [entry.rle for entry in entries], [[entry.attributes for entry in entries]]
    else:
        objects, class_ids, *more = unpacked(
            (dataset.load_rles if by_runs else dataset.load_mask)(image_id), dataset, image_id)
        class_ids = check_objects(dataset, image_id, objects, class_ids)
        objects = objects if by_runs else own_masks(objects, dataset, image_id)
    class_ids = np.asarray(class_ids, np.int32).reshape(-1)
    return objects, class_ids, checked_attributes(more, len(class_ids), dataset, image_id)


def checked_attributes(more: Sequence, count: int, dataset: Dataset, image_id: int) -> list[tuple[int, ...]]:
    """The attributes of each of `count` objects as sorted tuples of ids.

    Args:
        more: what `load_mask` gave behind the class ids; if that is nothing, `object_attributes` is asked.
        count: of the objects.
        dataset: Dataset.
        image_id: of the photo.

    Raises:
        DataError: naming the photo, if they are not one list of ids for each object.
    """
    given = more[0] if more else None
    if given is None and hasattr(dataset, "object_attributes"):
        given = dataset.object_attributes(image_id)
    if given is None:
        _tell_none_given(dataset, image_id, count)
        return [()] * count
    dataset._gives_attributes = not reads_its_objects(dataset)  # a reader that has some names them
    name = dataset.sample_name(image_id)
    if len(given) != count:
        raise DataError(f"{name}: attributes of {len(given)} objects are given for {count}: give a list of attribute "
                        "ids for each object, an empty one where there are none.")
    try:
        kinds = [sorted({_whole(value) for value in values}) for values in given]
    except TypeError as error:
        raise DataError(f"{name}: {error}: give a list of attribute ids, whole numbers, for each object.") from error
    return [tuple(values) for values in kinds]


def _tell_none_given(dataset, image_id, count):
    """Warn once of a data set that names attributes, but gives none with its objects."""
    names = list(attribute_names(dataset).values())
    if not (names and count) or vars(dataset).get("_told_none_given"):
        return
    dataset._told_none_given = True
    method = "load_rles" if gives_run_lengths(dataset) else "load_mask"
    warnings.warn(f"{type(dataset).__name__} names {len(names)} attributes ({first_of(names)}), but its {method} gives "
                  f"none with the objects ({dataset.sample_name(image_id)}), so these have none: return a list of "
                  "attribute ids for each object as a third value, or leave the method to the reader.", stacklevel=4)


def _whole(value):
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"the attribute {value!r} is no id")
    return int(value)
