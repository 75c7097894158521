"""A report as one HTML file with nothing from elsewhere: its page, tables, figures and pictures."""

import base64
import html
import io
import math
import os
from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.evaluation import figures
from mrcnn.files import write_text
from mrcnn.outputs import remove_file

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c232b; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
p { max-width: 760px; } .note { color: #5b6672; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #e3e7ec; }
th { font-weight: 600; background: #f4f6f9; } th:first-child, td:first-child { text-align: left; }
td.bar { min-width: 4.5rem; background: linear-gradient(90deg, #cfdff1 var(--share), transparent 0); }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; } figcaption { color: #5b6672; }
.scroll { overflow-x: auto; font-size: 13px; } .scroll th, .scroll td { padding: .2rem .42rem; }
.wide { width: min(96vw, 1800px); margin-left: calc(50% - min(48vw, 900px)); }
.row { display: grid; grid-template-columns: repeat(4, 1fr); gap: .6rem; margin: .4rem 0; }
.row figure { margin: 0; } .row img { width: 100%; max-height: 30rem; object-fit: contain; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: 13px; margin: 0 0 1.8rem; max-width: none; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .35em; border: 1px solid #8a8f98; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; } h3 + .note { margin: 0 0 .4rem; max-width: none; }
@media (max-width: 700px) { .row { grid-template-columns: repeat(2, 1fr); } }
"""


def page(title: str, sections: Sequence[str]) -> str:
    """The text of an HTML file.

    Args:
        title: of the window.
        sections: HTML, one below the other; empty ones are left out.
    """
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n" + "\n".join(filter(None, sections)) + "\n</body>\n</html>\n"
    )


def write_page(path: str | os.PathLike, make: Callable[[], str]) -> None:
    """Write a report once its numbers are written; an earlier one, which is of other numbers, is removed first.

    Args:
        path: of the file.
        make: function without arguments that gives its text; drawing may fail.

    Raises:
        DataError: the file cannot be written, or the earlier one cannot be removed.
    """
    if os.path.isfile(path):
        remove_file(path)
    write_text(path, make())


def number(value: float) -> str:
    """A figure as the tables write it: three decimals, and a dash for NaN."""
    return "\u2013" if math.isnan(value) else f"{value:.3f}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]], bars: dict[str, Sequence[float]] | None = None,
          texts: Sequence[str] = ("",)) -> str:
    """A table of escaped cells.

    Args:
        head: names of the columns.
        rows: cells.
        bars: {name of a column: 0..1 for each row, drawn as a bar in its cell; NaN draws none}.
        texts: names of the columns that hold text, which begins at the left as in the first column.
    """
    left = {name: ' style="text-align:left"' if name in texts else "" for name in head}
    heads = "".join(f"<th{left[name]}>{html.escape(name)}</th>" for name in head)
    bars, lines = bars or {}, ["<table>", f"<tr>{heads}</tr>"]
    for i, row in enumerate(rows):
        cells = []
        for name, cell in zip(head, row):
            bar = name in bars and not math.isnan(bars[name][i])
            style = f' class=bar style="--share:{100 * bars[name][i]:.1f}%"' if bar else ""
            cells.append(f"<td{style}{left[name]}>{html.escape(str(cell))}</td>")
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return "\n".join(lines + ["</table>"])


def drawn(figure: object, caption: str, wide: bool = False) -> str:
    """A figure of matplotlib with its caption.

    Args:
        figure: matplotlib Figure.
        caption: below it.
        wide: whether it may be as wide as the window.
    """
    data = base64.b64encode(figures.png(figure)).decode("ascii")
    text = html.escape(caption)
    opening = "<figure class=wide>" if wide else "<figure>"
    return f'{opening}<img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>\n'


def picture(pixels: np.ndarray, caption: str) -> str:
    """A picture with its caption.

    Args:
        pixels: uint8 [H, W, 3].
        caption: below it.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=85, subsampling=0)  # colours of labels stay sharp
    data, text = base64.b64encode(buffer.getvalue()).decode("ascii"), html.escape(caption)
    return f'<figure><img alt="{text}" src="data:image/jpeg;base64,{data}"><figcaption>{text}</figcaption></figure>'


def legend(entries: Sequence[tuple[str, Sequence[int]]]) -> str:
    """What colours stand for, in a line.

    Args:
        entries: (text, (red, green, blue) of 0..255).
    """
    return "<p class=legend>" + "".join(
        f'<span><span class=swatch style="background:#{"".join(f"{int(level):02x}" for level in colour)}"></span>'
        f"{html.escape(text)}</span>" for text, colour in entries) + "</p>"
