"""Letters of pictures: the font for a text, and what no font has the letters of.

Pillow brings a font of ASCII letters. matplotlib, where it is installed, brings DejaVu Sans, which has Latin, Greek and
Cyrillic ones too, and finds the system's fonts, which are asked for other letters. A letter that a font lacks is drawn
as an empty box.
"""

import contextlib
import functools
import importlib.util
import os
import warnings
from collections.abc import Iterable

from mrcnn.files import listed_names, printable

NO_LETTER = "\U0010ffff"  # Unicode keeps it free: each font draws it as what it lacks
UNFIT = ("Emoji", "Last Resort")  # fonts of coloured pictures, and of boxes for all letters
REGULAR = 400  # weight of letters that are neither bold nor thin
_told = set()  # what was told of in this process: films have many frames


@functools.cache
def dejavu_path() -> str | None:
    """Path of DejaVu Sans, or None where matplotlib, which brings it, is not installed."""
    found = importlib.util.find_spec("matplotlib")  # not imported, which takes far longer than the drawing
    path = found and os.path.join(os.path.dirname(found.origin), "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
    return path if path and os.path.isfile(path) else None


@functools.cache
def system_fonts() -> tuple[tuple[str, str], ...]:
    """(family, path) of the upright fonts that the system has, those without serifs first.

    matplotlib keeps a list of them from its first use on; what was installed since is added to it.
    """
    import matplotlib
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {font.fname for font in fontManager.ttflist}
    for path in set(findSystemFonts()) - known:
        with contextlib.suppress(Exception):  # a damaged one, or of a kind that cannot be drawn with
            fontManager.addfont(path)
    own = matplotlib.get_data_path()  # has fonts of mathematics, whose letters stand elsewhere
    fonts = [font for font in fontManager.ttflist if font.style == "normal" and not font.fname.startswith(own)
             and not any(word in font.name for word in UNFIT)]
    fonts.sort(key=lambda font: ("Sans" not in font.name, abs(_weight(font) - REGULAR), font.name, font.fname))
    return tuple((font.name, font.fname) for font in fonts)


def _weight(font):
    return font.weight if isinstance(font.weight, (int, float)) else REGULAR


@functools.lru_cache(maxsize=1024)
def fonts_with(letters: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """(family, path) of as many of the system's fonts as it takes for some letters; each has one that none before has.

    Args:
        letters: that are looked for.
    """
    from matplotlib.ft2font import FT2Font

    left, found = set(letters), []
    for family, path in system_fonts():
        if not left:
            break
        try:
            font = FT2Font(path)
        except (OSError, RuntimeError):  # a damaged one, or of pictures alone
            continue
        here = {letter for letter in left if font.get_char_index(ord(letter))}
        if here:
            found.append((family, path))
            left -= here
    return tuple(found)


def font_for(text: str, size: float) -> object:
    """The font that draws a text: Pillow's own, DejaVu Sans or one of the system, where that lacks fewer letters.

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
    tell_empty([name for name in map(str, names) if name not in _told and lacking(name)], stacklevel=4)


def tell_empty(names: Iterable[str], stacklevel: int = 3) -> None:
    """Warn of names that no font has the letters of, of each once in a process.

    Args:
        names: of classes, or other words that are drawn.
        stacklevel: as of `warnings.warn`.
    """
    new = [name for name in dict.fromkeys(names) if name not in _told]
    if not new:
        return
    _told.update(new)
    remedy = "install a font that has them, or give names in Latin, Greek or Cyrillic letters" if dejavu_path() else \
        "install matplotlib, whose font has Latin, Greek and Cyrillic ones, or give them names in ASCII letters"
    count = "1 name is" if len(new) == 1 else f"{len(new)} names are"
    shown = listed_names([printable(name, one_line=True) for name in new])
    warnings.warn(f"{count} drawn as empty boxes, for the font lacks letters of {shown}: {remedy}; files keep the "
                  "names as they are.", stacklevel=stacklevel)


def _name_for(text):
    """The font that lacks the fewest letters of a text: "" is Pillow's own, which goes first."""
    if text.isascii() or not dejavu_path():
        return ""

    def lacks(name):
        return sum(not _has(name, letter) for letter in text)

    best = min(("", dejavu_path()), key=lacks)
    if not lacks(best):
        return best
    missing = frozenset(letter for letter in text if not _has(best, letter))
    return min((best, *(path for _, path in fonts_with(missing))), key=lacks)


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
