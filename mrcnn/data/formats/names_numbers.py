"""Numbers in lines of a file of names: whether they are labels, or a part of the names, as in "ratio 16:9"."""

import os
import re
from collections.abc import Sequence

from mrcnn.errors import DataError

SURE_MARK = re.compile(r".*(?:[,;\t]|->|=>)\s*\d+\s*[)\]]?")  # "box (24)" and "tcp:80" are names
RATIO_FIRST, RATIO_LAST = re.compile(r"\d+:\d.*"), re.compile(r".*\d:\d+")  # "08:30 open", "ratio 16:9"


def ratios(matches: Sequence[re.Match | None], behind: bool) -> bool:
    """Whether lines with digits on both sides of a colon, as times have, have numbers there that can be no labels.

    Numbers that count, in whatever order, may be labels. Of two lines of numbers alone the second ones show nothing:
    "1:1" and "3:2".

    Args:
        matches: of the lines; None of one without a number. Groups 1 and 2 are number and name, or name and number.
        behind: whether the number is behind the name.
    """
    matches = [match for match in matches if match]
    form, group = (RATIO_LAST, 2) if behind else (RATIO_FIRST, 1)
    alike = all(form.fullmatch(match[0]) for match in matches)
    nothing = behind and len(matches) == 2 and all(match[1].isdecimal() for match in matches)
    return alike and (nothing or not counts([int(match[group]) for match in matches]))


def may_be_others(matches: Sequence[re.Match], labels: Sequence[int], behind: bool) -> bool:
    """Whether lines with a number may be names, as far as mark and numbers tell, or names and numbers: "1:0", "2:1".

    Args:
        matches: of the lines; groups 1 and 2 are number and name, or name and number.
        labels: their numbers.
        behind: whether the number is behind the name, and a mark between.
    """
    colons = all((RATIO_LAST if behind else RATIO_FIRST).fullmatch(match[0]) for match in matches)
    if colons and counts(labels) and labels != list(range(len(labels))):
        return True
    if not behind:
        return may_be_turned([match.groups() for match in matches])
    marked = all(SURE_MARK.fullmatch(match[0]) for match in matches)
    return not marked and len(set(labels)) == len(labels) and not counts(labels)


def may_be_turned(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether names are numbers that count, so that they may be the labels; not where that says the same."""
    if not all(name.isdecimal() for _, name in pairs):
        return False
    pairs = {(int(label), int(name)) for label, name in pairs}
    return counts([name for _, name in pairs]) and pairs != {(name, label) for label, name in pairs}


def are_years(labels: Sequence[int]) -> bool:
    """Whether numbers may be years: "BMW (2013)" is a name."""
    return all(1900 <= label <= 2100 for label in labels)


def counts(labels: Sequence[int]) -> bool:
    """Whether numbers are 0 to n - 1 or 1 to n, in any order."""
    return sorted(labels) in (list(range(len(labels))), list(range(1, len(labels) + 1)))


def either_way(path: str | os.PathLike, what: str, line: str, headed: bool, mark: str = ": ") -> DataError:
    """The error to raise for a file of names whose lines may be read in two ways.

    Args:
        path: of the file.
        what: the two ways.
        line: one of its lines.
        headed: whether a head would tell.
        mark: between the words of that.
    """
    heads = f"id{mark}name or name{mark}id"
    remedy = f"write a first line that says which is which ({heads}), or write JSON" if headed else "write JSON"
    return DataError(f"{path}: its lines may be {what}, such as {line[:40]!r}: {remedy}, a list of names or "
                     "{number: name}.")
