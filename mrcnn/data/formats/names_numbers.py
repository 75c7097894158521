"""Numbers in lines of a file of names: whether they are labels, or a part of the names, as in "ratio 16:9"."""

import re
from collections.abc import Sequence

SURE_MARK = re.compile(r".*(?:[,;\t]|->|=>)\s*\d+\s*[)\]]?")  # "box (24)" and "tcp:80" are names
RATIO_FIRST, RATIO_LAST = re.compile(r"\d+:\d.*"), re.compile(r".*\d:\d+")  # "08:30 open", "ratio 16:9"


def ratios(matches: Sequence[re.Match | None], behind: bool) -> bool:
    """Whether lines with a number have digits on both sides of a colon, as times have, and do not count from 0.

    Args:
        matches: of the lines; None of one without a number. Groups 1 and 2 are number and name, or name and number.
        behind: whether the number is behind the name.
    """
    matches = [match for match in matches if match]
    form, group = (RATIO_LAST, 2) if behind else (RATIO_FIRST, 1)
    alike = all(form.fullmatch(match[0]) for match in matches)
    return alike and [int(match[group]) for match in matches] != list(range(len(matches)))


def may_be_names(matches: Sequence[re.Match], labels: Sequence[int]) -> bool:
    """Whether lines with a number each behind a mark may be names, as far as mark and numbers tell.

    Args:
        matches: of the lines.
        labels: their numbers.
    """
    marked = all(SURE_MARK.fullmatch(match[0]) for match in matches)
    return not marked and len(set(labels)) == len(labels) and not counts(labels)


def are_years(labels: Sequence[int]) -> bool:
    """Whether numbers may be years: "BMW (2013)" is a name."""
    return all(1900 <= label <= 2100 for label in labels)


def counts(labels: Sequence[int]) -> bool:
    """Whether numbers are 0 to n - 1 or 1 to n, in any order."""
    return sorted(labels) in (list(range(len(labels))), list(range(1, len(labels) + 1)))
