"""Label maps of 0 and 255 alone, as masks drawn for the eye: 255 is inside there, and ignored in all other maps."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mrcnn.data.annotated import Fault
from mrcnn.data.formats.label_mapping import IGNORED
from mrcnn.errors import DataError

LOOKED_AT = 32  # maps, from all over the data set


def of_a_few(maps: Sequence[object], most: int = LOOKED_AT) -> list[object]:
    """A few of the maps of a data set, from all over it."""
    places = np.unique(np.linspace(0, max(len(maps) - 1, 0), min(len(maps), most)).astype(int))
    return [maps[place] for place in places.tolist()]


def only_ends(maps: Iterable[np.ndarray]) -> bool:
    """Whether maps hold 0 and 255 alone, and one of them 255. It ends with the first that holds more.

    Args:
        maps: [H, W] numbers each.
    """
    inside = False
    for values in maps:
        if not ((values == 0) | (values == IGNORED)).all():
            return False
        inside = inside or bool(values.any())
    return inside


def label_of_255(label_names: dict[int, str], maps: Iterable[np.ndarray], count: int, first: str,
                 tell: Callable[..., None]) -> int | None:
    """Which label the value 255 of a data set's maps stands for.

    Args:
        label_names: {label: name}.
        maps: a few maps of the data set, [H, W] each; one that cannot be read may raise DataError, which others tell.
        count: of all maps.
        first: what to call the first of them.
        tell: function(what, how, first, count), which is told of what was found.

    Returns:
        The one label but 0, where the maps hold 0 and 255 alone, and no name says what 255 is; None: 255 is ignored.
    """
    try:
        if not only_ends(maps):
            return None
    except DataError:
        return None
    labels = [label for label in label_names if label not in (0, IGNORED)]
    if len(labels) == 1 and IGNORED not in label_names:
        name = label_names[labels[0]]
        tell("label map", f"with 0 and 255 alone, of which 255 is taken as inside, {name}", first, count)
        return labels[0]
    tell("label map", f"with 0 and 255 alone, and 255 is ignored, so none of {len(labels)} labels is there: write "
         "the numbers of the labels, or name the background and one label, and not 255", first, count)
    return None


def with_label(labels: np.ndarray, inside: int | None, name: str) -> np.ndarray | Fault:
    """A map whose 255 is the label that `label_of_255` told.

    Args:
        labels: [H, W] numbers.
        inside: the label; None leaves the map as it is.
        name: of the photo.

    Returns:
        The map; or a Fault, where it holds other values too, so that 255 may mean something else.
    """
    if inside is None:
        return labels
    others = np.unique(labels[(labels != 0) & (labels != IGNORED)])
    if len(others):
        message = (f"its label map holds {int(others[0])}, and those looked at first 0 and {IGNORED} alone, of which "
                   f"{IGNORED} is taken as inside: write {inside} in place of {IGNORED} wherever it is inside")
        return Fault(name, "bad entry", message)
    return np.where(labels == IGNORED, inside, 0).astype(np.uint16)
