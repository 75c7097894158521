"""Palettes of label maps: whether an index means the same label in all of them.

Indices are the labels. Tools that rebuild palettes keep the colours and number them anew, for each file in a way of its
own: then an index has several colours, or PASCAL VOC's colours stand at other numbers than VOC's. Such maps are read by
VOC's colours where they have no others, and are at fault else.
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
MOST_AT_ODDS = 0.1  # share of the maps


def settled(palettes: dict[bytes, list[str]], colours: Colours,
            tell: Callable[..., None]) -> tuple[dict[str, Colours], dict[str, str]]:
    """How the palette PNGs of a data set are to be read.

    Pixels are read of a few maps, and of all if their palettes differ.

    Args:
        palettes: {palette, as `label_files.png_size` gives it: paths of its maps}.
        colours: of the labels. Where a file lists them there is nothing to settle.
        tell: function(what, how, first, count), which is told of maps that are read by their colours.

    Returns:
        ({path: Colours to read it by in place of these}; {path: what is wrong with it}).

    Raises:
        DataError: more than MOST_AT_ODDS of the maps are at odds with the others, so that no index can be trusted.
    """
    if colours.listed:
        return {}, {}
    agree = _agree(palettes)
    palette_of = {path: palette for palette, paths in palettes.items() for path in paths}
    used = {}
    for path in of_a_few(list(palette_of)) if agree else palette_of:
        try:
            indices = np.unique(read_png(path)).tolist()
        except DataError:
            continue  # told when it is read
        used[path] = {i: tuple(palette_of[path][3 * i:3 * i + 3]) for i in indices}
    pairs = {pair for entries in used.values() for pair in entries.items()}
    if all(len(set(entries.values())) == len(entries) for entries in used.values()) and all(
            colour in colours.by_colour for _, colour in pairs):
        other = [path for path, entries in used.items() if any(colours.by_colour[c] != i for i, c in entries.items())]
        if other:
            tell("label map", BY_COLOURS, os.path.basename(other[0]), len(palette_of) if agree else len(other))
            return dict.fromkeys(palette_of, Colours(colours.by_colour, True)), {}
    faults = {} if agree else _at_odds(used)
    if len(faults) > MOST_AT_ODDS * len(used):
        path, message = next(iter(faults.items()))
        raise DataError(f"{path}: {message}: {len(faults)} of {len(used)} label maps are at odds with the others.")
    return {}, faults


def _agree(palettes):
    """Whether no index has two colours in palettes, of which one may be shorter than another."""
    longest = max(palettes, key=len, default=b"")
    return all(longest.startswith(palette) for palette in palettes)


def _at_odds(used):
    """{path: what is wrong with it} of maps with an index that has another colour in most of those that have it.

    used: {path: {index: colour}}
    """
    counts, first, faults = {}, {}, {}
    for path, entries in used.items():
        for pair in entries.items():
            counts.setdefault(pair[0], Counter())[pair[1]] += 1
            first.setdefault(pair, path)
    for path, entries in used.items():
        for index, colour in entries.items():
            usual = counts[index].most_common(1)[0][0]
            if colour != usual:
                faults[path] = (f"its label map has the colour {colour} at index {index} of its palette, and "
                                f"{os.path.basename(first[index, usual])} has {usual}, as if a tool had numbered the "
                                f"colours anew: list them in {COLOUR_FILES[0]} beside the label maps, red green blue "
                                "name a line, or save labels as grey PNG")
                break
    return faults
