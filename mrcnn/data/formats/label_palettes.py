"""Palettes of label maps: whether an index means the same label in all of them.

Indices are the labels, whatever colours show them. Tools that rebuild palettes keep the colours and number them anew,
for each file in a way of its own: then a colour stands at one index in one map and at another in the next. Such maps
are read by PASCAL VOC's colours where they have no others, and are at fault else.
"""

import os
from collections import Counter
from collections.abc import Callable

import numpy as np

from mrcnn.data.formats.binary_maps import of_a_few
from mrcnn.data.formats.label_colours import COLOUR_FILES, Colours
from mrcnn.data.formats.label_files import read_png
from mrcnn.errors import DataError

BY_COLOURS = ("with a palette in which VOC's colours stand at other numbers than VOC's: read by its colours; save them "
              "as grey PNG, if the indices are the labels")
BY_INDICES = ("with a palette in which VOC's colours stand at other numbers than VOC's: the indices are taken as the "
              f"labels; if the colours are meant, list them in {COLOUR_FILES[0]} beside the label maps, red green blue "
              "name a line")
OTHER_COLOURS = ("with another colour at an index than most have: the indices are taken as the labels; if the "
                 f"colours are meant, list them in {COLOUR_FILES[0]} beside the label maps, red green blue name a line")
MOST_AT_ODDS = 0.1  # share of the maps
PIXELS = 2**20  # counted at once: np.bincount takes 8 bytes for each


def settled(palettes: dict[bytes, list[str]], colours: Colours, tell: Callable[..., None],
            vocs_own: bool = False) -> tuple[dict[str, Colours], dict[str, str]]:
    """How the palette PNGs of a data set are to be read.

    Pixels are read of a few maps, and of all if their palettes differ, or before colours are to count.

    Args:
        palettes: {palette, as `label_files.png_size` gives it: paths of its maps}.
        colours: of the labels. Where a file lists them there is nothing to settle.
        tell: function(what, how, first, count), which is told of maps that are read by their colours, and of palettes
            from which it looks as if others could be meant.
        vocs_own: whether the labels are PASCAL VOC's own, so that VOC's colours count before indices.

    Returns:
        ({path: Colours to read it by in place of these}; {path: what is wrong with it}).

    Raises:
        DataError: more than MOST_AT_ODDS of the maps are at odds with the others, so that no index can be trusted.
    """
    if colours.listed:
        return {}, {}
    agree = _agree(palettes)
    palette_of = {path: palette for palette, paths in palettes.items() for path in paths}
    used = _used(of_a_few(list(palette_of)) if agree else palette_of, palette_of)
    if agree and vocs_own and _others_than_vocs(used, colours):
        used = _used(palette_of, palette_of)  # a few do not tell what the others have
    other = _others_than_vocs(used, colours)
    if other and (vocs_own or _moved(used, palettes)):
        tell("label map", BY_COLOURS, os.path.basename(other[0]), len(other))
        return dict.fromkeys(palette_of, Colours(colours.by_colour, True)), {}
    faults = {} if agree else _at_odds(used, palettes)
    if len(faults) > MOST_AT_ODDS * len(used):
        path, message = next(iter(faults.items()))
        raise DataError(f"{path}: {message}: {len(faults)} of {len(used)} label maps are at odds with the others.")
    if other:
        tell("label map", BY_INDICES, os.path.basename(other[0]), len(palette_of) if agree else len(other))
    elif not agree:
        _tell_other_colours(used, faults, tell)
    return {}, faults


def _agree(palettes):
    """Whether no index has two colours in palettes, of which one may be shorter than another."""
    longest = max(palettes, key=len, default=b"")
    return all(longest.startswith(palette) for palette in palettes)


def _entries(palette):
    """Colours of a palette in their order."""
    return [tuple(palette[place:place + 3]) for place in range(0, len(palette), 3)]


def _used(paths, palette_of):
    """{path: {index: colour}} of what the pixels of maps have. palette_of: {path: palette}"""
    used = {}
    for path in paths:
        try:
            indices = _indices(read_png(path))
        except DataError:
            continue  # told when it is read
        used[path] = {i: tuple(palette_of[path][3 * i:3 * i + 3]) for i in indices}
    return used


def _indices(values):
    """The values that a label map has, ascending."""
    values, counts = values.ravel(), np.zeros(256, np.int64)
    for start in range(0, len(values), PIXELS):
        counts += np.bincount(values[start:start + PIXELS], minlength=256)
    return np.flatnonzero(counts).tolist()


def _others_than_vocs(used, colours):
    """Maps in which VOC's colours stand at other numbers than VOC's; none if some have other colours, or one twice."""
    if any(len(set(entries.values())) < len(entries) or not colours.by_colour.keys() >= set(entries.values())
           for entries in used.values()):
        return []
    return [path for path, entries in used.items() if any(colours.by_colour[c] != i for i, c in entries.items())]


def _moved(used, palettes):
    """Whether a colour that one map has stands at another index in the palette of another."""
    places = {}
    for palette in palettes:
        entries = _entries(palette)
        for colour in set(entries):
            places.setdefault(colour, set()).add(entries.index(colour))  # the first; tools fill up the end
    return any(places[colour] - {index} for entries in used.values() for index, colour in entries.items())


def _at_odds(used, palettes):
    """{path: what is wrong with it} of maps with a colour that has another index in most of those that have it.

    A colour that stands at several indices of one palette tells nothing. used: {path: {index: colour}}
    """
    counts, first, faults = {}, {}, {}
    repeated = {colour for palette in palettes for colour, count in Counter(_entries(palette)).items() if count > 1}
    for path, entries in used.items():
        for index, colour in entries.items():
            counts.setdefault(colour, Counter())[index] += 1
            first.setdefault((index, colour), path)
    for path, entries in used.items():
        for index, colour in entries.items():
            usual = counts[colour].most_common(1)[0][0]
            if index != usual and colour and colour not in repeated:
                faults[path] = (f"its label map has the colour {colour} at index {index} of its palette, and "
                                f"{os.path.basename(first[usual, colour])} has it at {usual}, as if a tool had "
                                f"numbered the colours anew: list them in {COLOUR_FILES[0]} beside the label maps, red "
                                "green blue name a line, or save labels as grey PNG")
                break
    return faults


def _tell_other_colours(used, faults, tell):
    """Tell of sound maps that show an index in another colour than most. used: {path: {index: colour}}"""
    counts = {}
    for entries in used.values():
        for index, colour in entries.items():
            counts.setdefault(index, Counter())[colour] += 1
    usual = {index: count.most_common(1)[0][0] for index, count in counts.items()}
    other = [path for path, entries in used.items()
             if path not in faults and any(usual[index] != colour for index, colour in entries.items())]
    if other:
        tell("label map", OTHER_COLOURS, os.path.basename(other[0]), len(other))
