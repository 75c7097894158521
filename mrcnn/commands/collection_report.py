"""The command `collection report`: what a labelled collection shows, and what is worn together in it."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.commands.collection_export import WHOLE
from mrcnn.commands.options import probability, seed
from mrcnn.errors import UsageError
from mrcnn.files import write_texts
from mrcnn.outputs import claim_outputs, remove_former
from mrcnn.progress import progress_bar

if TYPE_CHECKING:
    from mrcnn.collections.tables import Tables

FILES = ("report.html", "classes.csv", "colours.csv", "attributes.csv", "pairs.csv", "triples.csv",
         "outfits.csv", "groups.csv")


def report(options: argparse.Namespace) -> int:
    """Write the report of a collection.

    Returns:
        The exit code.
    """
    from mrcnn.collections.outfit_pictures import examples
    from mrcnn.collections.report import Findings, chosen_for_pictures, csv_files, html_report
    from mrcnn.collections.tables import Tables
    from mrcnn.collections.together import habits

    if options.table and not options.by:
        raise UsageError("--table needs --by, the column of its groups.")
    output = options.output or os.path.join(options.folder, "report")
    claim_outputs([os.path.join(output, name) for name in FILES], options.overwrite)
    tables = Tables(options.folder, options.min_score, options.classes, options.count_copies)
    tell(tables)
    pairs, triples = habits(tables, 2, options.min_outfits), habits(tables, 3, options.min_outfits)
    shown = chosen_for_pictures(pairs)
    found = examples(tables, shown, options.examples)
    if found.missing:
        print(f"{found.missing} photos of examples cannot be shown, as: {found.reason}", file=sys.stderr)
    findings = Findings(tables, pairs, triples, shown, found, options.min_outfits, *grouped(tables, options))
    name = os.path.basename(os.path.abspath(options.folder))
    os.makedirs(output, exist_ok=True)
    files = csv_files(findings)
    write_texts(output, {"report.html": html_report(findings, f"Collection {name}"), **files})
    remove_former(output, set(FILES) - {"report.html", *files})
    for habit in [habit for habit in pairs if habit.low > 1][:3]:
        print(f"{' + '.join(habit.things)}: {habit.lift:.2f} times as often as by chance ({habit.low:.2f} to "
              f"{habit.high:.2f})")
    print(f"report.html, {', '.join(files)} are in {output}")
    return 0


def tell(tables: Tables) -> None:
    """Print what was read and left out."""
    facts = tables.facts
    print(f"{facts['photos']:,} photos, {facts['objects']:,} objects of a score of at least {tables.min_score:g}, "
          f"{facts['outfits']:,} outfits "
          f"({'of people' if tables.people else 'of photos: there are no persons among the objects'}).")
    if facts["missing"]:
        print(f"{facts['missing']} of {facts['shards'] + facts['missing']} shards are not written yet and not in it: "
              "collection label goes on with them.", file=sys.stderr)
    for count, text in ((facts["unreadable"], "photos cannot be read"),
                        (facts["weak"], "objects have a lower score and are left out: --min-score"),
                        (facts["lost"], "objects were of a person of a lower score: they count as of the one above it "
                                        "who has most of their pixels, or of nobody: --min-score"),
                        (facts["nobody"], "objects share no pixel with a person and are in no outfit"),
                        (facts["bare"], "outfits have nothing that counts; they are among all that shares are of")):
        if count:
            print(f"{count:,} {text}.")
    if facts["copies"]:
        print(f"{facts['copies']:,} photos are near-copies of others (hashes within {facts['bits']} bits, like colours)"
              + (" and count all the same." if facts["counted"] + facts["unreadable"] == facts["photos"] else
                 " and are left out: --count-copies counts them."))
    if facts["crowded"]:
        print(f"{facts['crowded']:,} photos have so many others of a like hash that not all were compared: some "
              "near-copies of them may count.", file=sys.stderr)


def grouped(tables: Tables, options: argparse.Namespace) -> tuple:
    """(groups, what they are) for Findings, or nothing."""
    from mrcnn.collections.groups import MONTH, counts_by_group, groups_of_table, months_of_exif

    if not options.by:
        return ()
    if options.table:
        groups = groups_of_table(options.table, options.by)
    elif options.by == MONTH:
        with progress_bar("EXIF") as show:
            groups = months_of_exif(tables, show)
    else:
        raise UsageError(f"--by {options.by} needs --table, the CSV file with that column; --by month alone reads the "
                         "photos' EXIF.")
    found = counts_by_group(tables, groups)
    if found[1]:
        why = (f"{options.table} does not name their photos, or gives them no {options.by}" if options.table else
               "the EXIF of their photos tells no month")
        print(f"{found[1]:,} outfits have no group: {why}.")
    if not found[0]:
        if not tables.facts["outfits"]:
            raise UsageError(f"--by {options.by}: there are no outfits to group: give a lower --min-score.")
        raise UsageError(f"--by {options.by}: no photo of the collection has a group; its photos are named as "
                         f"{(tables.rows('SELECT photo FROM kept LIMIT 1') or [('-',)])[0][0]}.")
    return found, options.by


def add_report(tasks: argparse._SubParsersAction,
               add_command: Callable[..., argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = add_command(tasks, "report", report, "Write what a labelled collection shows as one HTML file and CSV "
                          "files: garments, colours, and what is worn together.", unused=WHOLE)
    command.add_argument("folder", metavar="DIR", help="what collection label wrote")
    command.add_argument("--output", metavar="DIR", help="folder of the report (default: report, in the collection)")
    command.add_argument("--overwrite", action="store_true", help="write over a report that is there")
    command.add_argument("--min-score", type=probability, default=0.5, metavar="P", help="least score of an object "
                                                                                         "(default 0.5)")
    command.add_argument("--classes", type=names, metavar="A,B",
                         help="classes that count (default: all); a name with a comma in quotes, as "
                              "'\"shirt, blouse\",pants'")
    command.add_argument("--min-outfits", type=at_least_two, default=5, metavar="N",
                         help="outfits that a pair or triple must be in (default 5)")
    command.add_argument("--count-copies", action="store_true", help="count near-duplicates of photos too")
    command.add_argument("--by", metavar="COLUMN", help="group photos by a column of --table; month alone: by their "
                                                        "EXIF")
    command.add_argument("--table", metavar="CSV", help="table with a column photo (as in the collection) and that of "
                                                        "--by; dates (YYYY-MM-DD) become months")
    command.add_argument("--examples", type=seed, default=4, metavar="N", help="cut-outs of each of the surest pairs "
                                                                               "(default 4)")
    return command


def names(text: str) -> list[str]:
    """The names of a list with commas, those with a comma in quotes: "shirt, blouse", pants."""
    try:
        return [name.strip() for row in csv.reader([text], skipinitialspace=True) for name in row if name.strip()]
    except csv.Error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of names ({error})") from error


def at_least_two(text: str) -> int:
    """A whole number of at least 2."""
    value = int(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"{text} is less than 2")
    return value
