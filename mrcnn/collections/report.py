"""The report of a collection: one HTML file that opens without a network, and its tables as CSV files."""

import csv
import dataclasses
import html
import io
import math
from collections.abc import Sequence

from mrcnn.collections.colour_names import COLOURS, NAMES
from mrcnn.collections.outfit_pictures import Examples
from mrcnn.collections.tables import ATTRIBUTE_SCORE, NOTHING, Tables
from mrcnn.collections.together import LARGEST, LEAST, Habit, counts_by_class, left_of_triples, outfit_types
from mrcnn.evaluation.html_page import page, picture, table

SHOWN = 30  # rows of a table of the page; the CSV files have all
CARDS = 8  # habits with cut-outs
TYPES = 12
MOST_GROUPS = 24  # of the page: those with the most outfits


@dataclasses.dataclass
class Findings:
    """What a report tells.

    Attributes:
        tables: of the collection.
        pairs, triples: Habits, as `habits` orders them.
        examples: cut-outs of `shown`.
        shown: the Habits that have some.
        least: outfits that a pair or triple had to be in.
        groups: of `counts_by_group`, or None.
        grouping: what the groups are.
    """

    tables: Tables
    pairs: list[Habit]
    triples: list[Habit]
    shown: list[Habit]
    examples: Examples
    least: int = LEAST
    groups: tuple | None = None
    grouping: str = ""

    def __post_init__(self):
        self.classes = counts_by_class(self.tables)
        self.types, self.sets = outfit_types(self.tables)


def chosen_for_pictures(pairs: Sequence[Habit], count: int = CARDS) -> list[Habit]:
    """The habits that cut-outs are shown of: the surest, no class of garment in more than two."""
    taken, chosen = {}, []
    for habit in pairs:
        if habit.low <= 1 or len(chosen) == count:
            break
        if max(taken.get(thing, 0) for thing in habit.things) < 2:
            chosen.append(habit)
            taken.update({thing: taken.get(thing, 0) + 1 for thing in habit.things})
    return chosen


def csv_files(findings: Findings) -> dict[str, str]:
    """{name of a CSV file: its text}."""
    total = findings.tables.facts["outfits"]
    colours = [(entry["class"], NAMES[colour], count) for entry in findings.classes
               for colour, count in entry["colours"]]
    attributes = [(entry["class"], *told) for entry in findings.classes for told in entry["attributes"]]
    files = {
        "classes.csv": (("class", "objects", "photos", "outfits", "median_share_of_photo", "median_score"),
                        [(entry["class"], entry["objects"], entry["photos"], entry["outfits"], f"{entry['share']:.5f}",
                          f"{entry['score']:.4f}") for entry in findings.classes]),
        "colours.csv": (("class", "colour", "objects"), colours),
        "attributes.csv": (("class", "attribute", "objects"), attributes),
        "pairs.csv": (("first", "second", *_FIGURES), [(*habit.things, *_figures(habit)) for habit in findings.pairs]),
        "triples.csv": (("first", "second", "third", *_FIGURES),
                        [(*habit.things, *_figures(habit)) for habit in findings.triples]),
        "outfits.csv": (("classes", "outfits", "share"),
                        [(_type_of(classes), count, f"{count / total:.6f}") for classes, count in findings.types]),
    }
    if findings.groups:
        names = findings.tables.item_names()
        files["groups.csv"] = ((findings.grouping, "outfits", "thing", "outfits_with_it"),
                               [(group, outfits, *entry) for group, outfits, counts in findings.groups[0] for entry in
                                [(names[item][2], counts[item]) for item in sorted(counts)] or [(NOTHING, outfits)]])
    return {name: _csv(head, rows) for name, (head, rows) in files.items() if rows}


_FIGURES = ("outfits", "expected", "lift", "low_95", "high_95")


def _figures(habit):
    return habit.outfits, f"{habit.expected:.2f}", f"{habit.lift:.4f}", f"{habit.low:.4f}", f"{habit.high:.4f}"


def _csv(head, rows):
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([head, *rows])
    return file.getvalue()


def html_report(findings: Findings, title: str) -> str:
    """The page.

    Args:
        findings: what it tells.
        title: of it.
    """
    return page(title, [
        f"<h1>{html.escape(title)}</h1>", _overview(findings), _classes(findings), _colours(findings), _cards(findings),
        _worn_together(findings), _seldom(findings), _triples(findings), _types(findings), _grouped(findings),
        _method(findings)])


def _overview(findings):
    facts = findings.tables.facts
    rows = [("photos", f"{facts['photos']:,}"), ("of them not readable", f"{facts['unreadable']:,}"),
            (f"near-duplicates (hashes within {facts['bits']} "
             "bits, like colours)", f"{facts['copies']:,}"), ("photos that count", f"{facts['counted']:,}"),
            (f"objects of a score of at least {findings.tables.min_score:g}", f"{facts['objects']:,}"),
            ("objects below it, left out", f"{facts['weak']:,}"),
            ("outfits: what one person wears" if findings.tables.people else "outfits: what one photo "
                                                                             "shows", f"{facts['outfits']:,}"),
            (f"outfits with {NOTHING}", f"{facts['bare']:,}")]
    if findings.tables.people:
        rows += [("objects of a person below that score, now of another or of nobody", f"{facts['lost']:,}"),
                 ("objects that belong to nobody, in no outfit", f"{facts['nobody']:,}")]
    return table(("", "number"), rows)


def _classes(findings):
    outfits = findings.tables.facts["outfits"]
    shares = [math.nan if entry["outfits"] is None or not outfits else entry["outfits"] / outfits
              for entry in findings.classes]
    rows = [(entry["class"], f"{entry['objects']:,}", f"{entry['photos']:,}",
             "\u2013" if math.isnan(share) else f"{100 * share:.1f} %", f"{100 * entry['share']:.1f} %",
             f"{entry['score']:.2f}",
             ", ".join(f"{name} {100 * count / entry['objects']:.0f} %" for name, count in entry["attributes"][:4]))
            for entry, share in zip(findings.classes, shares)]
    head = ("class", "objects", "photos", "of the outfits", "of its photo (median)", "score (median)", "attributes")
    if not any(entry["attributes"] for entry in findings.classes):
        head, rows = head[:-1], [row[:-1] for row in rows]
    return "<h2>Garments</h2>" + table(head, rows, {"of the outfits": shares}, ("class", "attributes"))


def _colours(findings):
    lines = ["<h2>Colours</h2>", "<p class=note>The largest colour of each "
                                 "object.</p>", "<table><tr><th>class</th><th>objects</th>"
             "<th style='text-align:left'>colours</th></tr>"]
    for entry in findings.classes:
        total = sum(count for _, count in entry["colours"])
        if not total:
            continue
        parts = "".join(
            f'<span title="{NAMES[colour]} {100 * count / total:.1f} %" style="display:inline-block;height:1.1em;'
            f'width:{520 * count / total:.2f}px;background:rgb{COLOURS[NAMES[colour]]}"></span>'
            for colour, count in sorted(entry["colours"]))
        told = ", ".join(f"{NAMES[colour]} {100 * count / total:.0f} %" for colour, count in entry["colours"][:3])
        lines.append(f'<tr><td>{html.escape(entry["class"])}</td><td>{total:,}</td><td style="text-align:left">'
                     '<span style="white-space:nowrap;border:1px solid '
                     f'#8a8f98;display:inline-block;line-height:0">{parts}</span><br>'
                     f"<span class=note>{told}</span></td></tr>")
    return "\n".join([*lines, "</table>"])


_HEAD = ("worn together", "outfits", "by chance", "times", "95 %")


def _habit_table(habits):
    rows = [(" + ".join(habit.things), f"{habit.outfits:,}", f"{habit.expected:,.1f}", f"{habit.lift:.2f}",
             f"{habit.low:.2f} to {habit.high:.2f}") for habit in habits]
    return table(_HEAD, rows)


def _cards(findings):
    lines = []
    for habit, pictures in zip(findings.shown, findings.examples.pictures):
        if pictures:
            lines.append(f"<h3>{html.escape(' + '.join(habit.things))}</h3><p class=note>{habit.lift:.2f} times as "
                         "often as by chance "
                         f"({habit.low:.2f} to {habit.high:.2f}), in {habit.outfits:,} outfits</p><div class=row>"
                         + "".join(picture(pixels, name) for pixels, name in pictures) + "</div>")
    return "\n".join(["<h2>Worn together, as seen</h2>", *lines]) if lines else ""


def _worn_together(findings):
    of_classes = [habit for habit in findings.pairs if "class" in habit.kinds]
    detailed = [habit for habit in findings.pairs if "class" not in habit.kinds]
    by_kind = [("Garments that go together", of_classes), ("Colours and attributes that go together", detailed)]
    parts = []
    for title, found in by_kind:
        sure = [habit for habit in found if habit.low > 1]
        if sure:
            parts.append(f"<h2>{title}</h2><p class=note>{len(sure):,} of {len(found):,} pairs are surely more "
                         "frequent than by chance; the "
                         f"surest {min(len(sure), SHOWN)} are shown.</p>{_habit_table(sure[:SHOWN])}")
    return "\n".join(parts) or "<h2>Worn together</h2><p>No pair is surely more frequent than by chance.</p>"


def _seldom(findings):
    found = sorted((habit for habit in findings.pairs if habit.high < 1), key=lambda habit: habit.high)[:SHOWN // 2]
    return f"<h2>Seldom worn together</h2>{_habit_table(found)}" if found else ""


def _triples(findings):
    sure = [habit for habit in findings.triples if habit.low > 1][:SHOWN]
    return f"<h2>Three together</h2>{_habit_table(sure)}" if sure else ""


def _types(findings):
    total = max(findings.tables.facts["outfits"], 1)
    parts = []
    for title, found in (("Types of outfits: exactly these", findings.types), ("Often together: at least "
                                                                               "these", findings.sets)):
        if found:
            rows = [(_type_of(classes), f"{count:,}", f"{100 * count / total:.1f} %")
                    for classes, count in found[:TYPES]]
            parts.append(f"<h2>{title}</h2>" + table(("garments", "outfits", "share"), rows,
                                                     {"share": [count / total for _, count in found[:TYPES]]}))
    return "\n".join(parts)


def _type_of(classes):
    return " + ".join(classes) or NOTHING


def _grouped(findings):
    if not findings.groups:
        return ""
    groups, without = findings.groups
    names = findings.tables.item_names()
    largest = {group for group, *_ in sorted(groups, key=lambda entry: (-entry[1], entry[0]))[:MOST_GROUPS]}
    overall = {item: count for item, count in findings.tables.rows("SELECT item, outfits FROM names")}
    shown = sorted(overall, key=lambda item: (-overall[item], item))[:SHOWN // 2]
    rows = [(group, f"{outfits:,}", *(f"{100 * counts.get(item, 0) / outfits:.0f}" for item in shown))
            for group, outfits, counts in groups if group in largest]
    more = [outfits for group, outfits, _ in groups if group not in largest]
    left = (f"The {MOST_GROUPS} groups with the most outfits are shown, {len(more):,} more with {sum(more):,} outfits "
            "are in groups.csv. " if more else "")
    return (f"<h2>By {html.escape(findings.grouping)}</h2><p class=note>Percent of the outfits that have it. {left}"
            f"{without:,} outfits have no group; groups.csv has every thing.</p><div class=scroll>"
            + table((findings.grouping, "outfits", *(names[item][2] for item in shown)), rows) + "</div>")


def _method(findings):
    people = ("An outfit is what one person wears: a garment belongs to the person who has most of its pixels. Each "
              "person of a score that counts has one, whatever is in it."
              if findings.tables.people else
              "No person is among the objects, so an outfit is all that one photo shows, be it of one person or of "
              "several. Each photo that counts has one, whatever is in it.")
    missing = (f" {findings.examples.missing:,} photos could not be shown, as: "
               f"{findings.examples.reason}" if findings.examples.missing else "")
    left = left_of_triples(findings.tables, findings.least)
    left = f" ({left:,} less frequent ones are left out of triples)" if left else ""
    return (f"<h2>How this was counted</h2><p class=note>{html.escape(people)} An outfit counts once for each thing "
            "it has. Times: outfits with "
            "both, over what there would be if each were worn without regard to the other (lift); its interval of 95 "
            "% is of one pair, "
            f"so of a hundred pairs that chance made some five look sure. Pairs and triples of less than "
            f"{findings.least} outfits are left out, triples are of "
            f"the {LARGEST} most frequent classes and colours of classes{left}. "
            f"An attribute counts from a score of {ATTRIBUTE_SCORE:g} on. What a "
            "network takes for another "
            f"thing is counted as that.{html.escape(missing)}</p>")
