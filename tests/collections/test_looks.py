"""What is worn with one garment: planted habits, a garment of a photo, and what is in too few outfits."""

import numpy as np
import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")

from made_collections import row, write_collection  # noqa: E402

from mrcnn.collections.looks import OF_A_CLASS, garment_of, looks_of  # noqa: E402
from mrcnn.collections.tables import Tables  # noqa: E402
from mrcnn.errors import DataError, UsageError  # noqa: E402


def planted(count=600, seed=0):
    """(rows, sets of things): red shirts with blue skirts three times as often as chance, other colours by chance."""
    rng, rows, worn = np.random.default_rng(seed), [], []
    for number in range(count):
        red = rng.random() < 0.25
        blue = rng.random() < (0.6 if red else (0.2 - 0.25 * 0.6) / 0.75)
        outfit = {"shirt": "red" if red else ("green", "black")[rng.integers(2)],
                  "skirt": "blue" if blue else ("green", "black")[rng.integers(2)],
                  "hat": ("red", "green", "blue", "black", "white")[rng.integers(5)]}
        worn.append({f"{colour} {name}" for name, colour in outfit.items()})
        rows += [row(f"{number:03d}.jpg", i, name, colour) for i, (name, colour) in enumerate(outfit.items())]
    return rows, worn


def test_the_planted_partner_comes_first_with_the_right_lift(tmp_path):
    rows, worn = planted()
    tables = Tables(write_collection(tmp_path / "c", [rows]))
    [look], lines = looks_of(tables, [("red shirt", "shirt")], 5, 6)
    red, blue = (sum(thing in outfit for outfit in worn) for thing in ("red shirt", "blue skirt"))
    both = sum({"red shirt", "blue skirt"} <= outfit for outfit in worn)
    assert look.thing == "red shirt" and look.outfits == red and lines == [] and look.others[0] == "blue skirt"
    best = look.partners[0]
    assert best.outfits == both and best.lift == pytest.approx(both * len(worn) / (red * blue))
    assert best.low < 3 < best.high and best.low > 1
    classes = [text.split()[-1] for text in look.others]
    assert set(classes) == {"skirt", "hat"} and all(classes.count(name) <= OF_A_CLASS for name in classes)
    assert [habit.low for habit in look.partners] == sorted((habit.low for habit in look.partners), reverse=True)


def test_a_rare_colour_is_told_and_its_class_is_looked_at(tmp_path):
    rows, _ = planted(60)
    tables = Tables(write_collection(tmp_path / "c", [[*rows, row("x.jpg", 0, "shirt", "white")]]))
    [look], lines = looks_of(tables, [("white shirt", "shirt")], 5, 6)
    assert look.thing == "shirt" and set(look.others) == {"skirt", "hat"}
    assert lines == ["white shirt is in 1 outfits of the collection: shirt is looked at in its place."]
    looks, lines = looks_of(tables, [("white shirt", "shirt"), ("blue sock", "sock"), ("shirt",)], 5, 6)
    assert [look.thing for look in looks] == ["shirt"] and "blue sock is in 0 outfits" in lines[1]
    with pytest.raises(UsageError, match="blue sock is in 0 outfits .* and --min-outfits asks for 5; the most frequent "
                                         "things are shirt, hat, skirt, "):
        looks_of(tables, [("blue sock", "sock")], 5, 6)
    with pytest.raises(UsageError, match="Nothing of the photo is in 5 outfits"):
        looks_of(tables, [("blue sock",), ("blue tie",)], 5, 6)
    weak = Tables(write_collection(tmp_path / "weak", [[row("a.jpg", 0, "top", score=0.1)]]))
    with pytest.raises(DataError, match="Nothing of the collection is in an outfit: no object of it has a score of"):
        looks_of(weak, [("top",)], 5, 6)


def test_a_garment_has_the_name_of_its_largest_colour():
    assert garment_of(row("a.jpg", 0, "top", "red")) == (("colour", "top", "red top"), ("class", "top", "top"))
    assert garment_of(row("a.jpg", 0, "top")) == (("class", "top", "top"),)


def test_one_text_of_two_things_is_told_and_each_is_looked_at_by_itself(tmp_path):
    """A class "blue jeans" with black hats beside jeans that are blue, with red caps."""
    rows = []
    for number in range(45):
        garment, other = (("blue jeans", "black"), ("hat", "red")) if number < 20 else (("jeans", "blue"),
                                                                                          ("cap", "red"))
        garment = ("jeans (old)", "blue") if number > 43 else garment  # another class, and no meaning of jeans
        rows += [row(f"{number:03d}.jpg", 0, *garment), row(f"{number:03d}.jpg", 1, *other)]
    tables = Tables(write_collection(tmp_path / "c", [rows]))
    texts = [text for *_, text in tables.item_names().values()]
    assert len(set(texts)) == len(texts) and {"blue jeans", "blue jeans (blue of jeans)"} < set(texts)
    [look], lines = looks_of(tables, [("blue jeans",)], 5, 6)
    assert (look.thing, look.outfits, look.others) == ("blue jeans", 20, ["hat"])
    assert lines == ['blue jeans is taken for the class of this name; there is "blue jeans (blue of jeans)" (24 '
                     'outfits) too: give that to look at it.']
    for asked in ("blue jeans (blue of jeans)",), garment_of(row("x.jpg", 0, "jeans", "blue")):
        [look], lines = looks_of(tables, [asked], 5, 6)
        assert (look.thing, look.outfits, look.others, lines) == ("blue jeans (blue of jeans)", 24, ["red cap"], [])
    assert looks_of(tables, [("jeans",)], 5, 6)[1] == []


def test_a_text_of_several_things_and_no_class_is_refused_with_the_choices(tmp_path):
    rows = [row(f"{number}.jpg", 0, *(("top, long", None, 0.9, None, {"red": 0.9}) if number < 9 else
                                      ("top", None, 0.9, None, {"long, red": 0.9}))) for number in range(19)]
    tables = Tables(write_collection(tmp_path / "c", [rows]))
    with pytest.raises(UsageError, match=r'top, long, red may be one of several things of the collection: give '
                       r'"top, long, red \(long, red of top\)" \(10 outfits\), "top, long, red \(red of top, long'):
        looks_of(tables, [("top, long, red",)], 5, 6)
