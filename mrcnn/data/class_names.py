"""Whether two lists of class names say the same: a class id means a class only as long as they do."""

import difflib
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mrcnn.errors import DataError

if TYPE_CHECKING:
    from mrcnn.data.dataset import Dataset


BACKGROUND = "BG"
SLIP = 0.85  # difflib's likeness from which on a name is a slip for another: boot for boots, not t-shirt for shirt


def names_of_model(model: object) -> list[str]:
    """Names of a model's classes by class id, background first.

    Args:
        model: with `class_names` and `config`; of one whose file names no classes they are "class 1", "class 2", ...
    """
    return list(model.class_names or ["BG", *(f"class {i}" for i in range(1, model.config.NUM_CLASSES))])


def same_classes(known: Sequence[str] | None, given: Sequence[str] | None) -> bool:
    """Tell whether two lists name the same classes in the same order.

    Args:
        known, given: names by class id, background first; None: not known, which agrees with any.

    Returns:
        True or False; the name of the background counts for nothing.
    """
    return first_difference(known, given) is None


def first_difference(known: Sequence[str] | None, given: Sequence[str] | None) -> int | None:
    """Find the first class that two lists name otherwise.

    A name that ends at its first comma, as `Dataset.prepare` cuts it, is that of the whole name. "class 1", "class 2",
    ..., as exported files call classes without names, agree with any.

    Args:
        known, given: as for `same_classes`.

    Returns:
        Its class id, or None.
    """
    if known is None or given is None:
        return None
    known, given = [str(name) for name in known], [str(name) for name in given]
    nameless = any(names[1:] == [f"class {i}" for i in range(1, len(names))] for names in (known, given))
    for i in range(1, max(len(known), len(given))):
        if i >= min(len(known), len(given)) or not (nameless or _same(known[i], given[i])):
            return i
    return None


def _same(name, other):
    return name == other or name.split(",")[0] == other or other.split(",")[0] == name


def check_class_names(known: Sequence[str] | None, given: Sequence[str] | None, knows: str, gives: str,
                      remedy: str) -> None:
    """Hold the classes of a data set against those that it is to have.

    Args:
        known: names by class id that it is to have, background first; None: not known.
        given: those that it has.
        knows, gives: the subjects of the two halves of the message, with their verbs.
        remedy: what the user can do.

    Raises:
        DataError: naming the first class that differs.
    """
    i = first_difference(known, given)
    if i is not None:
        ours, theirs = (repr(str(names[i])) if i < len(names) else "none" for names in (known, given))
        raise DataError(f"{knows} {_listed(known)}, but {gives} {_listed(given)}: class {i} is {ours} there and "
                        f"{theirs} here, and they must be the same, in the same order: {remedy}.")


def written_classes(dataset: "Dataset", path: str | os.PathLike) -> list[str]:
    """Names of classes for a form that is read by names; those of one name are told apart, and told.

    Args:
        dataset: any Dataset.
        path: of the file that is written, for the warning.

    Returns:
        The names of the classes 1 to K, none of them twice: a name that several have has the class id behind it, as
        "dress (2)".
    """
    names = [str(info["name"]) for info in dataset.class_info[1:]]
    counts = Counter(name.strip() for name in names)
    taken, alike = {name for name in names if counts[name.strip()] == 1}, []
    for class_id, name in enumerate(names, start=1):
        if counts[name.strip()] > 1:
            new = f"{name.strip()} ({class_id})"
            while new in taken:
                new += f" ({class_id})"
            taken.add(new)
            alike.append(new)
            names[class_id - 1] = new
    if alike:
        shown = ", ".join(alike[:5]) + (", ..." if len(alike) > 5 else "")
        warnings.warn(f"{path}: {len(alike)} classes share their name with another; this form is read by names, so "
                      f"they are written as {shown}: rename them in the data, or --to coco keeps names and ids.",
                      stacklevel=3)
    return names


def listed_classes(value: object) -> list[str] | None:
    """Read the value of the setting CLASSES.

    Args:
        value: a list of names, or a text of names with commas between them; None: all classes.

    Returns:
        The names, or None.

    Raises:
        DataError: it is neither.
    """
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",")]
    if value is None or (isinstance(value, (list, tuple)) and value and all(map(_is_name, value))):
        return value if value is None else list(value)
    raise DataError(f"CLASSES={value!r}: give names of classes, as --set CLASSES=NAME,NAME, or where names hold commas "
                    """as --set 'CLASSES=["NAME", "NAME"]'.""")


def _is_name(value):
    return isinstance(value, str) and bool(value.strip())


def _listed(names):
    """The names in a few words."""
    listed = ", ".join(str(name) for name in names[1:7])
    return f"{listed}, ... ({len(names) - 1} in all)" if len(names) > 7 else listed or "none"


def check_knows(model: object, dataset: object) -> None:
    """Refuse a data set of other classes than those of a model that is to be measured on it.

    Args:
        model: whose `class_names`, if it has them, are by class id, background first.
        dataset: prepared Dataset.

    Raises:
        DataError: naming the first class that differs.
    """
    check_class_names(getattr(model, "class_names", None), getattr(dataset, "class_names", None), "The model knows",
                      "the data set has", "give photos of the model's classes, in its order of add_class, or set "
                      "model.class_names to the data set's if they mean the same")


def members_of_classes(names: Sequence[str], known: Sequence[str]) -> dict[str, list[str]]:
    """Read which classes of the data each class to learn is made of.

    Args:
        names: of the classes to learn, each a class of the data; "NEW=OLD+OLD", which makes one class of several, or
            gives one another name; or "*", all that no other entry takes, in the data's order.
        known: names of the data's classes.

    Returns:
        {name of a class to learn: the names of the data's classes that it is made of}, in the order of `names`.

    Raises:
        DataError: naming the entry, if the data have no such class, a class or a name is taken twice, or a class would
            have the name of another one of the data, which it does not take.
    """
    entries = [_entry(str(name), known) for name in names]
    taken = [old for _, olds in entries for old in olds]
    rest = [name for name in known if name not in taken]
    chosen = {}
    for new, olds in entries:
        # Of "*" there are no olds, unless a class of the data is called so.
        for name, members in [(new, olds)] if olds else [(name, [name]) for name in rest]:
            for old in members:
                if old not in known or taken.count(old) > 1:
                    raise _no_class(old or f"{new}={'+'.join(members)}", known)
            if name in chosen:
                raise _no_class(name, [*known, name])
            if name == BACKGROUND:
                raise DataError(f"CLASSES: {name} is the background's name: call the class otherwise.")
            if name in known and name not in members:
                raise DataError(f"CLASSES: {name}={'+'.join(members)} has the name of a class of the data that it does "
                                f"not take: give another name, or {name}={'+'.join([name, *members])} to join them.")
            chosen[name] = members
    return chosen


def names_taken(names: Sequence[str]) -> set[str]:
    """Names that may be of classes of the data, in entries as `members_of_classes` takes them."""
    olds = [str(name).partition("=")[2].strip() for name in names]
    return {*map(str, names), *olds, *(part.strip() for text in olds for part in text.split("+"))} - {""}


def joined_already(names: Sequence[str], known: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take entries for what they would make, where data have that as it is and none of what it would be made of.

    Args:
        names, known: as for `members_of_classes`.

    Returns:
        (the entries, "footwear" in place of "footwear=boots+footwear" where the data have no boots and no class whose
        name is near to that, so that it is no slip; names of the classes that the data do not have any more).
    """
    entries, gone = [], []
    for name in map(str, names):
        new, olds = _entry(name, known)
        others = [old for old in olds if old != new]
        rest = [other for other in known if other != new]
        if new in known and others and not any(difflib.get_close_matches(old, rest, 1, SLIP) for old in others):
            gone += others
            name = new
        entries.append(name)
    return entries, gone


def _entry(name, known):
    """(name of a class to learn, names of the data's classes that it is made of); of "*" none."""
    new, equals, olds = (part.strip() for part in name.partition("="))
    if name in known or not (equals and new and olds):
        return name, [] if name == "*" and name not in known else [name]
    return new, [olds] if olds in known else [old.strip() for old in olds.split("+")]


def _no_class(name, known):
    """The DataError of a name that the data do not have, or that is named twice."""
    close = difflib.get_close_matches(name, known, 1)
    hint = f" (did you mean {close[0]!r}?)" if close and name not in known else ""
    what = "are named twice" if name in known else "are none of the data's"
    return DataError(f"CLASSES: {name!r} {what}{hint}: take some of {', '.join(dict.fromkeys(known))}, each once, as "
                     """'CLASSES=["NAME", "NAME"]'; "NEW=NAME+NAME" makes one class of several, where the data have """
                     "them still.")
