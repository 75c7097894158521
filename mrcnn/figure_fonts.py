"""Letters of matplotlib's figures: fonts of the system for those that its own font lacks, and boxes for the others."""

from mrcnn.fonts import fonts_with, tell_empty

BOX = "\u25a1"  # what a letter that no font has is drawn as


def fit_letters(figure: object) -> None:
    """Give the texts of a figure fonts that have their letters.

    What no font has is drawn as an empty box and told in one line, where matplotlib warns of each letter.

    Args:
        figure: matplotlib figure or part of one, with all its texts.
    """
    from matplotlib.text import Text
    from matplotlib.ticker import FixedLocator

    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    axes = [axis for axis in axes if isinstance(axis.get_major_locator(), FixedLocator)]
    for axis in axes:
        axis.get_ticklabels()  # have their texts from now on, not from the drawing on
    texts = [text for text in figure.findobj(Text) if not text.get_text().isascii()]
    missing = {text: _lacked(text) for text in texts}
    letters = frozenset().union(*missing.values())
    if not letters:
        return
    families = [family for family, _ in fonts_with(letters)]
    empty, words = set(), []
    for text in filter(missing.get, texts):
        text.set_fontfamily([*text.get_fontfamily(), *families])
        lacked = _lacked(text)
        if lacked:
            empty |= lacked
            words += [word for word in text.get_text().split() if lacked & set(word)]
            text.set_text(_boxed(text.get_text(), lacked))
    for axis in axes:
        labels = axis.get_major_formatter().format_ticks(axis.get_majorticklocs())
        if empty & set().union(*labels):
            axis.set_ticklabels([_boxed(label, empty) for label in labels])
    tell_empty(words)


def _boxed(text, letters):
    return "".join(BOX if letter in letters else letter for letter in text)


def _lacked(text):
    """The letters of a text of matplotlib that its fonts lack."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    letters = {letter for letter in text.get_text() if not (letter.isascii() or letter.isspace())}
    for family in text.get_fontfamily() if letters else ():
        font = get_font(findfont(FontProperties(family=family, style=text.get_fontstyle(),
                                                weight=text.get_fontweight())))
        letters = {letter for letter in letters if not font.get_char_index(ord(letter))}
    return letters
