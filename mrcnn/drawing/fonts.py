"""Letters of pictures: the font for a text, and what no font has the letters of.

Pillow brings a font of ASCII letters. matplotlib, where it is installed, brings DejaVu Sans, which has Latin, Greek and
Cyrillic ones too. A letter that a font lacks is drawn as an empty box.
"""

import functools
import importlib.util
import os
import warnings
from collections.abc import Iterable

from mrcnn.files import listed_names, printable

NO_LETTER = "\U0010ffff"  # Unicode keeps it free: each font draws it as what it lacks
_told = set()  # what was told of in this process: films have many frames


@functools.cache
def dejavu_path() -> str | None:
    """Path of DejaVu Sans, or None where matplotlib, which brings it, is not installed."""
    found = importlib.util.find_spec("matplotlib")  # not imported, which takes far longer than the drawing
    path = found and os.path.join(os.path.dirname(found.origin), "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
    return path if path and os.path.isfile(path) else None


def font_for(text: str, size: float) -> object:
    """The font that draws a text: Pillow's own, or DejaVu Sans where that lacks fewer of its letters.

    Args:
        text: one line.
        size: of the letters, pixels.

    Returns:
        Font of Pillow.
    """
    return _font(_name_for(text), size)


def lacking(text: str) -> list[str]:
    """The letters of a text that are drawn as empty boxes."""
    name = _name_for(text)
    return [letter for letter in dict.fromkeys(text) if not _has(name, letter)]


def tell_lacking(names: Iterable[str]) -> None:
    """Warn of names that are drawn as empty boxes, of each once in a process.

    Args:
        names: of classes, or other words that are drawn.
    """
    new = [name for name in dict.fromkeys(map(str, names)) if name not in _told and lacking(name)]
    if not new:
        return
    _told.update(new)
    remedy = "give them names in Latin, Greek or Cyrillic letters" if dejavu_path() else \
        "install matplotlib, whose font has Latin, Greek and Cyrillic ones, or give them names in ASCII letters"
    count = "1 name is" if len(new) == 1 else f"{len(new)} names are"
    shown = listed_names([printable(name, one_line=True) for name in new])
    warnings.warn(f"{count} drawn as empty boxes, for the font lacks letters of {shown}: {remedy}; files keep the "
                  "names as they are.", stacklevel=3)


def _name_for(text):
    """The font that lacks the fewest letters of a text: "" is Pillow's own, which goes first."""
    if text.isascii() or not dejavu_path():
        return ""
    return min(("", dejavu_path()), key=lambda name: sum(not _has(name, letter) for letter in text))


@functools.cache
def _font(name, size):
    from PIL import ImageFont

    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)


@functools.lru_cache(maxsize=4096)
def _has(name, letter):
    """Whether a font has a letter: what it lacks looks like NO_LETTER."""
    return letter.isascii() or letter.isspace() or _glyph(name, letter) != _glyph(name, NO_LETTER)


def _glyph(name, letter):
    """(size, pixels) of a letter."""
    mask = _font(name, 16).getmask(letter)
    return mask.size, bytes(mask)
