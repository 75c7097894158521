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


def garment_of(row: dict) -> tuple[str, str]:
    """(text with its colour, as "red skirt", text of its class) of an object's row, the same where it has no colour."""
    colour = colour_of(row)
    return (row["class"] if colour is None else f"{NAMES[colour]} {row['class']}"), row["class"]


def looks_of(tables: Tables, asked: Sequence[Sequence[str]], least: int, count: int) -> tuple[list[Look], list[str]]:
    """Find what is worn with garments.

    Args:
        tables: of a collection.
        asked: for each garment its texts, the first that is in enough outfits is taken.
        least: outfits that a pair must be in, and a garment.
        count: partners of each at most, OF_A_CLASS of one class.

    Returns:
        (looks, lines about texts that were passed over).

    Raises:
        UsageError: no garment is in enough outfits; the message tells what there is.
    """
    names = tables.item_names()
    number_of = {text: item for item, (_, _, text) in names.items()}
    outfits = dict(tables.rows("SELECT item, outfits FROM names"))
    counts = {text: outfits[item] for text, item in number_of.items()}
    pairs, looks, lines = habits(tables, 2, least), [], []
    for texts in asked:
        taken = next((text for text in texts if counts.get(text, 0) >= least), None)
        few = f"{texts[0]} is in {counts.get(texts[0], 0)} outfits of the collection"
        if taken is None:
            few += f", and --min-outfits asks for {least}"
            if len(asked) == 1:
                raise UsageError(f"{few}; the most frequent things are {_most_frequent(counts)}.")
            lines.append(f"{few}: it is passed over.")
            continue
        if taken != texts[0]:
            lines.append(f"{few}: {taken} is looked at in its place.")
        if taken in {look.thing for look in looks}:
            continue
        item, partners, of_class = number_of[taken], [], {}
        for habit in pairs:
            if item in habit.items and len(partners) < count:
                other = habit.items[1 - habit.items.index(item)]
                of_class[names[other][1]] = of_class.get(names[other][1], 0) + 1
                if of_class[names[other][1]] <= OF_A_CLASS:
                    partners.append((habit, names[other][2]))
        looks.append(Look(taken, counts[taken], [habit for habit, _ in partners], [text for _, text in partners]))
    if not looks:
        raise UsageError(f"Nothing of the photo is in {least} outfits of the collection, as --min-outfits asks for; "
                         f"the most frequent things are {_most_frequent(counts)}.")
    return looks, lines


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
