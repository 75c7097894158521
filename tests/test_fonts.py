"""Fonts by their glyphs: what a font lacks it draws as what no font has."""

import os
import warnings

import pytest
from PIL import ImageFont

from mrcnn import fonts

ORIGINAL = fonts.system_fonts


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    monkeypatch.setattr(fonts, "_told", set())
    monkeypatch.setattr(fonts, "system_fonts", lambda: ())
    fonts.fonts_with.cache_clear()
    yield
    fonts.fonts_with.cache_clear()


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
    with pytest.warns(UserWarning, match="2 names are drawn as empty boxes.*of ドレス, 猫: install a font"):
        fonts.tell_lacking(["coat", "платье", "ドレス", "猫", "猫"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fonts.tell_lacking(["ドレス", "coat"])


def test_without_matplotlib_the_remedy_is_to_install_it(monkeypatch):
    monkeypatch.setattr(fonts, "dejavu_path", lambda: None)
    with pytest.warns(UserWarning, match="1 name is .* letters of платье: install matplotlib"):
        fonts.tell_lacking(["платье"])


@pytest.fixture
def stix(monkeypatch):
    """A font of a system that has letters which DejaVu Sans lacks."""
    font = ("STIXGeneral", os.path.join(os.path.dirname(fonts.dejavu_path()), "STIXGeneral.ttf"))
    monkeypatch.setattr(fonts, "system_fonts", lambda: (("Damaged", os.devnull), font))
    return font


def test_letters_are_looked_for_in_the_fonts_of_the_system(stix):
    assert fonts.lacking("coat \u2313\u210a") == []
    assert fonts.font_for("coat \u2313", 16).getname()[0] == "STIXGeneral"
    assert fonts.font_for("\u043f\u043b\u0430\u0442\u044c\u0435", 16).getname()[0] == "DejaVu Sans"
    assert fonts.fonts_with(frozenset("\u2313\u732b")) == (stix,)
    assert fonts.lacking("coat \u732b") == ["\u732b"]


def test_fonts_of_mathematics_and_boxes_are_none_of_the_system():
    found = ORIGINAL()
    assert not [family for family, _ in found if family.startswith(("STIX", "cm", "Last Resort"))]


def test_a_font_that_was_installed_since_matplotlib_made_its_list_is_found(tmp_path, monkeypatch):
    import shutil

    from matplotlib import font_manager

    path, damaged = tmp_path / "New.ttf", tmp_path / "Damaged.ttf"
    shutil.copy(os.path.join(os.path.dirname(fonts.dejavu_path()), "STIXGeneral.ttf"), path)
    damaged.write_bytes(b"no font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(path), str(damaged)])
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    assert ("STIXGeneral", str(path)) in ORIGINAL.__wrapped__()
