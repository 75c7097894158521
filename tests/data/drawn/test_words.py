"""Attributes of drawn clothes: words by hand, and that what they say shows in the picture."""

import numpy as np
import pytest

from mrcnn.data.drawn.painting import LABELS, Cloth, Painter, box, words_of
from mrcnn.data.drawn.people import DrawnPeople
from mrcnn.data.drawn.words import ATTRIBUTES, cloth_words, colour_name, length_word, sleeve_word


@pytest.mark.parametrize(("colour", "name"), [
    ((10, 10, 10), "black"), ((120, 120, 125), "grey"), ((230, 230, 235), "white"), ((200, 20, 20), "red"),
    ((200, 20, 60), "red"),  # hue 360 - 60 * 40 / 180 = 346.7
    ((220, 120, 20), "orange"), ((210, 200, 30), "yellow"), ((20, 160, 40), "green"), ((30, 40, 200), "blue"),
    ((150, 30, 190), "purple"),
])
def test_colours(colour, name):
    assert colour_name(np.array(colour)) == name and f"colour: {name}" in ATTRIBUTES


def test_patterns_of_two_colours_are_told_where_they_show():
    red, blue = np.array((200.0, 20, 20)), np.array((20.0, 30, 200))
    assert cloth_words(red, blue, "diagonal") == ["pattern: stripes", "colour: blue", "colour: red"]
    assert cloth_words(red, blue, "dots") == ["pattern: dots", "colour: red"]
    # A distance of 15 * sqrt(3) = 26 is under what shows.
    assert cloth_words(red, red + 15, "checks") == ["pattern: plain", "colour: red"]


def test_lengths():
    assert [length_word(hem) for hem in (0.6, 0.7, 0.8)] == ["length: short", "length: knee", "length: long"]
    assert [sleeve_word(share) for share in (0, 0.42, 0.95)] == ["sleeves: none", "sleeves: short", "sleeves: long"]


def test_attributes_follow_their_instances_when_slivers_fall_away():
    painter = Painter(64, 64)
    stripes = Cloth(np.array((200, 20, 20), np.float32), np.array((20, 30, 200), np.float32), "rows")
    sliver, shown = painter.add_instance("top"), painter.add_instance("skirt")
    painter.describe(sliver, "neckline: v")
    painter.describe(shown, *words_of(stripes), "length: knee")
    painter.paint([box((32, 32), (30, 30))], stripes, shown)
    picture = painter.finish(np.random.default_rng(0))
    assert picture.class_ids.tolist() == [LABELS["skirt"]]
    told = [ATTRIBUTES[i] for i in np.flatnonzero(picture.attributes[0])]
    assert told == ["length: knee", "pattern: stripes", "colour: red", "colour: blue"]


def test_every_garment_is_described_by_what_it_can_have():
    dataset = DrawnPeople()
    dataset.load_drawn(40, size=(128, 96))
    dataset.prepare()
    seen = set()
    for image_id in dataset.image_ids:
        picture, attributes = dataset.load_picture(image_id), dataset.object_attributes(image_id)
        assert len(attributes) == len(picture.class_ids)
        for class_id, ids in zip(picture.class_ids, attributes):
            name, words = dataset.class_names[class_id], [dataset.attribute_names[i] for i in ids]
            kinds = [word.split(":")[0] for word in words]
            seen.update(words)
            assert ("length" in kinds) == (name in ("dress", "skirt", "pants", "outerwear"))
            assert ("neckline" in kinds) == (name in ("dress", "top"))
            assert ("colour" in kinds) == (name != "sunglasses")
            assert all(kinds.count(kind) == 1 for kind in set(kinds) - {"colour"})
            assert "sleeves" not in kinds or name in ("dress", "top", "outerwear")
    assert seen == set(ATTRIBUTES)
