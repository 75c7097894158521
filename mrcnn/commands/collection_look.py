"""The command `collection look`: what is most often worn with one garment, to complete the look."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.commands.collection_report import at_least_two, tell
from mrcnn.commands.collection_similar import OF_COLLECTION, add_query, network_of
from mrcnn.commands.options import positive
from mrcnn.errors import UsageError
from mrcnn.files import write_json
from mrcnn.outputs import claim_outputs, remove_former

if TYPE_CHECKING:
    from mrcnn.collections.looks import Garment, Look
    from mrcnn.collections.outfit_pictures import Examples
    from mrcnn.collections.reading import Collection
    from mrcnn.collections.tables import Tables

SHEET, JSON = "look.png", "look.json"


def look(options: argparse.Namespace) -> int:
    """Write what goes with a garment, or with those of a photo.

    Returns:
        The exit code.
    """
    from mrcnn.collections.looks import look_sheet, looks_of
    from mrcnn.collections.outfit_pictures import examples
    from mrcnn.collections.tables import Tables
    from mrcnn.drawing.pictures import write_picture

    check(options)
    paths = [os.path.join(options.output, name) for name in (SHEET, JSON)]
    claim_outputs(paths, options.overwrite)
    tables = Tables(options.collection, options.min_score, None, options.count_copies)
    tell(tables)
    looks, lines = looks_of(tables, garments(tables.collection, options), options.min_outfits, options.top)
    print(*lines, sep="\n", end="\n" if lines else "")
    found = examples(tables, [habit for one in looks for habit in one.partners], options.examples)
    if found.missing:
        print(f"{found.missing} photos of examples cannot be shown, as: {found.reason}", file=sys.stderr)
    for one in looks:
        tell_look(one)
    write_json(paths[1], described(options, tables, looks, found))
    sheet = look_sheet(looks, found, options.examples)
    if sheet is None:
        remove_former(options.output, [SHEET])
        print(f"{JSON} is in {options.output}; there is no picture to show.")
        return 0
    write_picture(paths[0], sheet)
    print(f"{SHEET} and {JSON} are in {options.output}")
    return 0


def check(options: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if (options.photo is None) == (options.of is None):
        raise UsageError('Give a PHOTO, or --of "red skirt", and not both.')
    for name, value in (("--object", options.object), ("--class", options.class_name), ("--weights", options.weights)):
        if options.of is not None and value is not None:
            raise UsageError(f"{name} is of a PHOTO: leave it out beside --of.")


def garments(collection: Collection, options: argparse.Namespace) -> list[tuple[str | Garment, ...]]:
    """For each garment that is asked about what it may be known by, the best first."""
    from mrcnn.collections.looks import garment_of
    from mrcnn.collections.queries import chosen_objects, query_of

    if options.of is not None:
        return [(options.of.strip(),)]
    query = query_of(collection, options.photo, lambda: network_of(collection, options), embeddings=False)
    rows, left_out = chosen_objects(query, options.object, options.class_name, options.min_score)
    for reason, number in left_out.items():
        print(f"{number} {reason}, left out.")
    return list(dict.fromkeys(garment_of(row) for row in rows))  # of a pair of shoes one


def tell_look(one: Look) -> None:
    """Print what goes with a garment."""
    if not one.partners:
        print(f"{one.thing}, in {one.outfits:,} outfits: nothing is worn with it in enough of them; --min-outfits.")
        return
    print(f"{one.thing}, in {one.outfits:,} outfits, is worn with")
    for habit, other in zip(one.partners, one.others):
        sure = "" if habit.low > 1 else "; not surely more than by chance"
        print(f"  {other}: {habit.lift:.2f} times as often as by chance ({habit.low:.2f} to {habit.high:.2f}), in "
              f"{habit.outfits:,} outfits{sure}")


def described(options: argparse.Namespace, tables: Tables, looks: list[Look], found: Examples) -> dict:
    """What the JSON file says."""
    pictures = iter(found.pictures)
    return {
        "photo": options.photo, "collection": options.collection, "outfits": tables.facts["outfits"],
        "outfits_are_of": "people" if tables.people else "photos",
        "looks": [{"thing": one.thing, "outfits": one.outfits, "with": [
            {"thing": other, "outfits": habit.outfits, "expected": round(habit.expected, 2),
             "lift": round(habit.lift, 4), "low_95": round(habit.low, 4), "high_95": round(habit.high, 4),
             "examples": [name for _, name in next(pictures)]}
            for habit, other in zip(one.partners, one.others)]} for one in looks],
    }


def add_look(tasks: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(tasks, "look", look, "Write what is most often worn with a garment, or with those of a "
                          "photo: by lift with its interval, as a sheet of examples and JSON.", unused=OF_COLLECTION)
    command.add_argument("photo", nargs="?", metavar="PHOTO", help="a file, or the name of a photo of the collection; "
                         "one that is in it needs no network")
    command.add_argument("--of", metavar="GARMENT", help='a class, or one with its colour, as "red skirt"')
    add_query(command)
    command.add_argument("--top", type=positive, default=6, metavar="K", help="things that go with each garment, two "
                         "of a class at most (default 6)")
    command.add_argument("--min-outfits", type=at_least_two, default=5, metavar="N",
                         help="outfits that a garment and a pair must be in (default 5)")
    command.add_argument("--count-copies", action="store_true", help="count near-duplicates of photos too")
    command.add_argument("--examples", type=positive, default=4, metavar="N", help="cut-outs of each pair (default 4)")
