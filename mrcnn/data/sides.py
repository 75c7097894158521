"""Left and right: names of classes and attributes that differ in these words alone change places in mirrored photos.

The mirror image of a left shoe is a right shoe, and what lies on the left of a photo lies on its right once that is
mirrored. Half a turn, as two flips are, is no mirror.
"""

import functools
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # help asks for names alone, and brings in no numpy
    import numpy as np

    from mrcnn.data.dataset import Dataset

OTHER = {"left": "right", "right": "left"}
REMEDY = ("mirror by mrcnn.data.augmenters.horizontal_flip, in compose([...]) with the rest, or by --augment flip, "
          "jitter or imgaug, where they change places")


@functools.lru_cache(maxsize=64)
def counterparts(names: tuple[str, ...]) -> tuple[int, ...]:
    """Find the pairs of names that differ in left and right alone.

    Names that come again, as those of several sources do, pair in their order: the second left with the second right.

    Args:
        names: such as ("hat", "left shoe", "right shoe").

    Returns:
        For each name the index of the other of its pair, or its own: (0, 2, 1).
    """
    counts, words = Counter(), []
    for told in map(_words, names):
        counts[told] += 1
        words.append((*told, counts[told]))
    places = {told: i for i, told in enumerate(words)}
    return tuple(places.get(tuple(OTHER.get(word, word) for word in told), i) for i, told in enumerate(words))


def turned_ids(names: Sequence[str] | None, count: int) -> tuple[int, ...]:
    """`counterparts` of some of `count` names; those that are not known stay where they are.

    Args:
        names: the first of them; None: none is known.
        count: of all.
    """
    found = counterparts(tuple(names or ()))
    return (*found, *range(len(found), count))


def _words(name):
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return tuple(re.findall(r"[^\W\d_]+|\d+", spaced.lower()))


class Swaps(NamedTuple):
    """What becomes of the ids of a mirrored photo's objects.

    Args:
        classes: int32 [C], of each class id the one that it becomes.
        attributes: {attribute id: the one that it becomes}, of those that change.
    """

    classes: "np.ndarray"
    attributes: dict[int, int]


def swaps_of(dataset: "Dataset", count: int) -> Swaps:
    """Tell which ids change places in mirrored photos. Classes do so with others of their source.

    Views know no sources: where `turned_ids` pairs otherwise, that is told too.

    Args:
        dataset: prepared Dataset; pairs are told of when it is first asked for.
        count: of class ids, at least.
    """
    import numpy as np

    classes, attributes = _classes(dataset), _attributes(dataset)
    told = _pairs(dataset, classes, attributes)
    if told and not getattr(dataset, "_sides_told", False):
        dataset._sides_told = True
        warnings.warn(f"In mirrored photos {told} change places: the mirror image of a left one is a right one.",
                      stacklevel=2)
        if tuple(classes) != turned_ids(dataset.class_names, len(classes)):
            warnings.warn("Mirrored views (--tta, TEST_FLIP) know the names of classes alone, and pair others than "
                          "training does, by source: give the left and the right of a name to the same sources, or "
                          "leave mirrored views out.", stacklevel=2)
    swapped = np.arange(max(count, len(classes)), dtype=np.int32)
    swapped[: len(classes)] = classes
    return Swaps(swapped, attributes)


def tell_unswapped(dataset: "Dataset", what: str) -> None:
    """Warn, once for a data set, that an augmentation which cannot be looked into mirrors sided objects.

    Args:
        dataset: prepared Dataset; without such pairs nothing is told.
        what: mirrors, such as "Fliplr".
    """
    told, known = _pairs(dataset, _classes(dataset), _attributes(dataset)), getattr(dataset, "_unswapped_told", ())
    if told and what not in known:
        dataset._unswapped_told = (*known, what)
        warnings.warn(f"{what} mirrors photos, or may do so, and {told} keep their names, though the mirror image of a "
                      f"left one is a right one: {REMEDY}.", stacklevel=2)


def _classes(dataset):
    """list: of each class id that of its counterpart, by the names that a network is told."""
    infos, others = dataset.class_info, list(range(len(dataset.class_info)))
    for source in {info["source"] for info in infos}:
        ids = [i for i, info in enumerate(infos) if info["source"] == source]
        for i, other in zip(ids, counterparts(tuple(str(dataset.class_names[i]) for i in ids))):
            others[i] = ids[other]
    return others


def _attributes(dataset):
    names = getattr(dataset, "attribute_names", {})
    ids = list(names)
    return {i: ids[other] for i, other in zip(ids, counterparts(tuple(str(names[i]) for i in ids))) if ids[other] != i}


def _pairs(dataset, classes, attributes):
    """The pairs of a data set in words; "" if it has none."""
    pairs = [(str(dataset.class_names[i]), str(dataset.class_names[other]))
             for i, other in enumerate(classes) if i < other]
    pairs += [(str(dataset.attribute_names[i]), str(dataset.attribute_names[other]))
              for i, other in attributes.items() if i < other]
    more = f" and {len(pairs) - 1} more pair{'s' * (len(pairs) > 2)}" if len(pairs) > 1 else ""
    return f"{pairs[0][0]!r} with {pairs[0][1]!r}{more}" if pairs else ""
