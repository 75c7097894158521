"""Fonts by their glyphs: what a font lacks it draws as what no font has."""

import warnings

import pytest
from PIL import ImageFont

from mrcnn.drawing import fonts


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    monkeypatch.setattr(fonts, "_told", set())


def test_other_scripts_are_drawn_with_letters_of_their_own():
    """ASCII stays in Pillow's font; the glyphs of the others differ from that of a letter that no font has."""
    plain = ImageFont.load_default(16)
    assert fonts.font_for("coat 0.98", 16).getname() == plain.getname()
    for text in ("платье", "Ελλάδα", "écharpe"):
        font = fonts.font_for(text, 16)
        empty = bytes(font.getmask("\U0010ffff"))
        assert font.getname()[0] == "DejaVu Sans" and all(bytes(font.getmask(letter)) != empty for letter in text)
        assert fonts.lacking(text) == []
    assert fonts.lacking("coat ドレス") == ["ド", "レ", "ス"]


def test_names_that_no_font_draws_are_told_once():
    with pytest.warns(UserWarning, match="2 names are drawn as empty boxes.*of ドレス, 猫: give them names in Latin"):
        fonts.tell_lacking(["coat", "платье", "ドレス", "猫", "猫"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fonts.tell_lacking(["ドレス", "coat"])


def test_without_matplotlib_the_remedy_is_to_install_it(monkeypatch):
    monkeypatch.setattr(fonts, "dejavu_path", lambda: None)
    with pytest.warns(UserWarning, match="1 name is .* letters of платье: install matplotlib"):
        fonts.tell_lacking(["платье"])
