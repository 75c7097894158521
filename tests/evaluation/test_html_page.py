"""The pieces of a report: escaped, aligned, and of one file."""

import math

import numpy as np
import pytest
from html_reader import Reader

from mrcnn.evaluation.html_page import legend, number, page, picture, table


def test_a_page_leaves_empty_sections_out_and_escapes_its_title():
    text = page("a <b>", ["<p>one</p>", "", "<p>two</p>"])
    assert "<title>a &lt;b&gt;</title>" in text and "<p>one</p>\n<p>two</p>" in text
    Reader(text)


def test_numbers_have_three_decimals_or_a_dash():
    assert number(0.12345) == "0.123" and number(math.nan) == "\u2013"


def test_a_table_draws_bars_where_it_is_asked_to():
    text = table(["class", "IoU", "F", "note"], [["<a>", "0.250", "x", "far"], ["b", "\u2013", "y", ""]],
                 {"IoU": [0.25, math.nan]}, ["note"])
    assert Reader(text).cells[1:] == [["<a>", "0.250", "x", "far"], ["b", "\u2013", "y", ""]]
    assert text.count("class=bar") == 1 and 'class=bar style="--share:25.0%">0.250' in text
    assert '<td style="text-align:left">far' in text and "<td>x" in text


def test_a_legend_has_the_colours_it_is_given():
    text = legend([("a & b", (255, 0, 16)), ("c", np.uint8([1, 2, 3]))])
    assert "background:#ff0010" in text and "a &amp; b" in text and "background:#010203" in text
    Reader(text)


@pytest.mark.parametrize("colour", [(200, 20, 110), (31, 95, 168)])
def test_a_picture_keeps_thin_colours(colour):
    """A line of one pixel keeps its hue: JPEG's usual halved colours would wash it out."""
    import base64
    import io

    from PIL import Image

    pixels = np.full((40, 40, 3), 230, np.uint8)
    pixels[:, 20] = colour
    (link,) = Reader(picture(pixels, "one")).links
    line = np.asarray(Image.open(io.BytesIO(base64.b64decode(link.split(",")[1]))), int)[:, 20]
    assert np.abs(line - colour).max() < 40
