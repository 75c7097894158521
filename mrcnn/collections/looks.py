"""What is most often worn with one garment: the rest of a look, by lift with its interval."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mrcnn.collections.colour_names import NAMES
from mrcnn.collections.outfit_pictures import Examples
from mrcnn.collections.queries import colour_of
from mrcnn.collections.tables import Tables
from mrcnn.collections.together import Habit, habits
from mrcnn.drawing.pictures import contact_sheet
from mrcnn.errors import DataError, UsageError

OF_A_CLASS = 2  # partners of one class, so that a look is no list of shoes
SHOWN = 12  # names that a message tells
Garment = tuple[str, str, str]  # kind ("class" or "colour"), class and text, as "red skirt"


@dataclasses.dataclass
class Look:
    """What goes with a garment.

    Args:
        thing: text of the garment, as "red skirt".
        outfits: number of outfits that have it.
        partners: Habits of it with one other thing each, the surest first.
        others: text of the other thing of each.
    """

    thing: str
    outfits: int
    partners: list[Habit]
    others: list[str]


def garment_of(row: dict) -> tuple[Garment, ...]:
    """The garment of an object's row: with its colour, as "red skirt", if it has one, and its class alone."""
    colour, name = colour_of(row), row["class"]
    told = () if colour is None else (("colour", name, f"{NAMES[colour]} {name}"),)
    return *told, ("class", name, name)


def looks_of(tables: Tables, asked: Sequence[Sequence[str | Garment]], least: int,
             count: int) -> tuple[list[Look], list[str]]:
    """Find what is worn with garments.

    Args:
        tables: of a collection.
        asked: for each garment its texts, or what `garment_of` gives; the first that is in enough outfits is taken.
        least: outfits that a pair must be in, and a garment.
        count: partners of each at most, OF_A_CLASS of one class.

    Returns:
        (looks, lines about texts that were passed over, or that may mean another thing).

    Raises:
        UsageError: no garment is in enough outfits, or a text means several; the message tells what there is.
    """
    names = tables.item_names()
    number_of = {text: item for item, (_, _, text) in names.items()}
    plain = tables.plain_names()
    number_of.update({(kind, name, text): item for item, (kind, name, text, _) in plain.items()})
    outfits = dict(tables.rows("SELECT item, outfits FROM names"))
    counts = {names[item][2]: number for item, number in outfits.items()}
    pairs, looks, lines, seen = habits(tables, 2, least), [], [], set()
    for texts in asked:
        lines += _other_meanings(texts, number_of, {
            names[item][2]: (text, outfits[item]) for item, (*_, text, _) in plain.items()})
        item = next((number_of[text] for text in texts if outfits.get(number_of.get(text), 0) >= least), None)
        few = f"{_text_of(texts[0])} is in {outfits.get(number_of.get(texts[0]), 0)} outfits of the collection"
        if item is None:
            few += f", and --min-outfits asks for {least}"
            if len(asked) == 1:
                raise UsageError(f"{few}; the most frequent things are {_most_frequent(counts)}.")
            lines.append(f"{few}: it is passed over.")
            continue
        if item != number_of.get(texts[0]):
            lines.append(f"{few}: {names[item][2]} is looked at in its place.")
        if item not in seen:
            seen.add(item)
            partners = _partners(item, pairs, names, count)
            looks.append(Look(names[item][2], outfits[item], [habit for habit, _ in partners],
                              [text for _, text in partners]))
    if not looks:
        raise UsageError(f"Nothing of the photo is in {least} outfits of the collection, as --min-outfits asks for; "
                         f"the most frequent things are {_most_frequent(counts)}.")
    return looks, lines


def _text_of(text):
    return text if isinstance(text, str) else text[2]


def _other_meanings(texts, number_of, things):
    """Lines about the other things of a text that means one; refuses one that means several.

    things: {text: (text that it would have alone, outfits)}.
    """
    lines = []
    for text in texts:
        others = sorted(other for other, (alone, _) in things.items() if alone == text != other)
        told = ", ".join(f'"{other}" ({things[other][1]} outfits)' for other in others[:SHOWN])
        if others and text not in number_of:
            raise UsageError(f"{text} may be one of several things of the collection: give {told}.")
        if others:
            lines.append(f"{text} is taken for the class of this name; there is {told} too: give that to look at it.")
    return lines


def _partners(item, pairs, names, count):
    """[(Habit, text of the other thing)] of a thing, no more than OF_A_CLASS of one class."""
    partners, of_class = [], {}
    for habit in pairs:
        if item in habit.items and len(partners) < count:
            other = habit.items[1 - habit.items.index(item)]
            of_class[names[other][1]] = of_class.get(names[other][1], 0) + 1
            if of_class[names[other][1]] <= OF_A_CLASS:
                partners.append((habit, names[other][2]))
    return partners


def _most_frequent(counts):
    if not counts:
        raise DataError("Nothing of the collection is in an outfit: no object of it has a score of --min-score, or is "
                        "of a person who has it.")
    return ", ".join(sorted(counts, key=lambda text: (-counts[text], text))[:SHOWN])


def look_sheet(looks: Sequence[Look], found: Examples, count: int) -> np.ndarray | None:
    """Draw examples of what goes together, a row for each partner.

    Args:
        looks: what goes together.
        found: examples of all their partners, one look after the other.
        count: cut-outs of a row.

    Returns:
        uint8 [H, W, 3]; None if there is no picture.
    """
    told = [f"{look.thing} + {other}: {habit.lift:.2f}x"
            for look in looks for habit, other in zip(look.partners, look.others)]
    lines = [(text, pictures) for text, pictures in zip(told, found.pictures) if pictures]
    if not lines:
        return None
    blank = np.full((1, 1, 3), 255, np.uint8)
    images, titles = [], []
    for text, pictures in lines:
        images += [picture for picture, _ in pictures] + [blank] * (count - len(pictures))
        titles += [text] + [name for _, name in pictures[1:]] + [""] * (count - len(pictures))
    return contact_sheet(images, titles, columns=count)
