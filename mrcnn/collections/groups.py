"""Garments by time or place: photos grouped by a column of a table, or by the month that their EXIF says."""

import csv
import io
import re
import warnings
from collections.abc import Callable

from mrcnn.collections.containers import COLUMNS, photo_column
from mrcnn.collections.sources import own_file, read_bytes
from mrcnn.collections.spellings import plain_name
from mrcnn.collections.tables import Tables
from mrcnn.data.encoded import opened_image
from mrcnn.errors import DataError, UsageError
from mrcnn.text_files import long_fields, open_text, why_no_text

MONTH = "month"  # --by month without a table: of the EXIF
DATE = re.compile(r"(\d{4})[-:/](\d{2}|\d(?=[-:/]\d))(?:[-:/]\d{1,2})?(?:[T ].*)?$")
# Dates too, but for the order of their parts or the signs between them: 31/05/2024, 5-31-24, 2024.05.31, 20240531.
OTHERWISE = re.compile(r"(?:\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})|\d{4}\.\d{1,2}\.\d{1,2}|"
                       r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?:[T ,].*)?$")
MOST, FEW = 0.9, 3  # a column is one of dates if most cells are, or all but a few
_TAKEN, _CHANGED, _EXIF = 36867, 306, 0x8769  # tags: DateTimeOriginal, DateTime, the EXIF part


def groups_of_table(path: str, column: str) -> dict[str, str]:
    """Read which group each photo is in.

    Args:
        path: of a CSV file with a column of photos, named as in the collection; blanks around cells do not count.
        column: its column of groups; where most are dates (YYYY-MM-DD), their months are the groups.

    Returns:
        {photo: group}; photos with an empty cell are left out, and in a column of dates those with another text, or a
        date of no month such as 0000-00-00, the latter with a warning.

    Raises:
        UsageError: the table lacks the column.
        DataError: it cannot be read, or names no photos.
    """
    try:
        with open_text(path, newline="") as file, long_fields():
            reader = csv.DictReader(file)
            heads = reader.fieldnames or []
            named = photo_column(heads)
            if column not in heads:
                raise UsageError(f"--by {column}: {path} has the columns {', '.join(heads) or 'of an empty file'}.")
            if named is None:
                raise DataError(f"{path} has no column of photos: name one {' or '.join(COLUMNS[:3])}.")
            cells = (((row[named] or "").strip(), (row[column] or "").strip()) for row in reader)
            rows = [(photo, group) for photo, group in cells if photo and group]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot read the table ({why_no_text(error)}).") from error
    found = dict(rows)
    twice = len(dict.fromkeys(rows)) - len(found)
    if twice:
        warnings.warn(f"{path}: {twice} lines give photos another {column} than lines before: the last of each photo "
                      "counts.", stacklevel=2)
    return _months_of_dates(path, column, found)


def _months_of_dates(path, column, found):
    """The same groups, months in the place of dates; what is like dates and no month is told."""
    dates, otherwise = ([photo for photo, text in found.items() if form.match(text)] for form in (DATE, OTHERWISE))
    if not _are_most(dates, found):
        remedy = "write all dates as YYYY-MM-DD, and they become months"
        if dates:
            other = next(text for text in found.values() if not DATE.match(text))
            warnings.warn(f"{path}: {len(dates)} of the {len(found)} cells of {column} are dates, others are not, as "
                          f"{other}: all are taken as they stand; {remedy}.", stacklevel=3)
        elif _are_most(otherwise, found):
            warnings.warn(f"{path}: {len(otherwise)} cells of {column} look like dates in another form, as "
                          f"{found[otherwise[0]]}: they are taken as they stand, each day a group; {remedy}.",
                          stacklevel=3)
        return found
    months = {photo: month for photo, text in found.items() if (month := month_of(text))}
    if len(months) < len(found):
        wrong = next(text for photo, text in found.items() if photo not in months)
        warnings.warn(f"{path}: {len(found) - len(months)} photos have a {column} of no month, as {wrong}, hence no "
                      "group: correct it to YYYY-MM-DD.", stacklevel=3)
    return months


def _are_most(some, everything):
    count, others = len(some), len(everything) - len(some)
    return count > 0 and (count >= MOST * len(everything) or (others <= FEW and count > others))


def month_of(date: str) -> str | None:
    """The month of a date. date: as 2024-05-31, 2024/05 or EXIF's 2024:05:31 12:00:00; None: it is in none."""
    found = DATE.match(date)
    return f"{found[1]}-{int(found[2]):02d}" if found and int(found[1]) and 1 <= int(found[2]) <= 12 else None


def months_of_exif(tables: Tables, show: Callable[[int, int], None] | None = None) -> dict[str, str]:
    """Read the month that each photo was taken in from its EXIF.

    Args:
        tables: of a collection.
        show: called with (photos done, photos) now and then.

    Returns:
        {photo: "2024-05"}; photos without a date, and those that cannot be opened, are left out, the latter with a
        warning.
    """
    root, found, lost = tables.collection.root, {}, []
    names = [name for (name,) in tables.rows("SELECT photo FROM kept ORDER BY id")]
    for number, name in enumerate(names, 1):
        try:
            month = _month_taken(root, name)
        except DataError as error:  # a photo that is gone or broken
            month = None
            lost.append(error)
        if month:
            found[name] = month
        if show:
            show(number, len(names))
    if lost:
        warnings.warn(f"{len(lost)} photos cannot be opened and have no month, as: {lost[0]}", stacklevel=2)
    return found


def _month_taken(root, name):
    own = own_file(root, name)
    here = own is not None and own.system is None  # where the beginning of the file is enough
    file, called = (own.path, own.path) if here else (io.BytesIO(read_bytes(root, name)), name)
    with opened_image(file, called, header=True) as image:
        exif = image.getexif()
        return month_of(str(exif.get_ifd(_EXIF).get(_TAKEN))) or month_of(str(exif.get(_CHANGED)))


def counts_by_group(tables: Tables, groups: dict[str, str]) -> tuple[list[tuple[str, int, dict[int, int]]], int]:
    """Count in how many outfits of each group each item is.

    Args:
        tables: of a collection.
        groups: {photo: group}; a photo's path may be spelled as in the list that the collection was labelled from.

    Returns:
        ([(group, its outfits, {item: outfits with it})] in the groups' order; outfits of photos without a group).
    """
    import pyarrow

    groups = _by_plain_names(tables.collection.root, groups)
    photos, names = (pyarrow.array(list(texts), pyarrow.string()) for texts in (groups, groups.values()))
    tables.database.register("listed", pyarrow.table({"photo": photos, "grouping": names}))
    tables.run(
        "CREATE OR REPLACE TEMP TABLE grouped AS SELECT outfit, grouping FROM outfits "
        "JOIN kept ON outfits.photo = kept.id JOIN listed ON kept.photo = listed.photo")
    tables.database.unregister("listed")
    found = {group: (group, outfits, {}) for group, outfits in tables.rows(
        "SELECT grouping, count(*) FROM grouped GROUP BY 1 ORDER BY 1")}
    for group, item, count in tables.rows("SELECT grouping, item, count(*) FROM grouped JOIN items USING (outfit) "
                                          "GROUP BY 1, 2"):
        found[group][2][item] = count
    return list(found.values()), tables.facts["outfits"] - tables.one("SELECT count(*) FROM grouped")


def _by_plain_names(root, groups):
    """{photo: group} by the names that a collection gives; those of groups too."""
    found, twice = {}, []
    for photo, group in groups.items():
        name = plain_name(root, photo)
        if found.get(name, group) != group:
            twice.append(name)
        found[name] = group
    if twice:
        warnings.warn(f"{len(twice)} photos are in several groups, under several spellings of their paths, as "
                      f"{twice[0]}: the last of each photo counts; name each photo once.", stacklevel=3)
    return {**groups, **found}
