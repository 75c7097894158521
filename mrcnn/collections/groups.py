"""Garments by time or place: photos grouped by a column of a table, or by the month that their EXIF says."""

import csv
import io
import re
import warnings
from collections.abc import Callable

from mrcnn.collections.containers import COLUMNS
from mrcnn.collections.sources import own_file, read_bytes
from mrcnn.collections.storage import Unreached
from mrcnn.collections.tables import Tables
from mrcnn.errors import DataError, UsageError

MONTH = "month"  # --by month without a table: of the EXIF
MOST = 24  # groups that are shown: those with the most outfits
DATE = re.compile(r"(\d{4})[-:/](\d{2})(?:[-:/]\d{2})?(?:[T ].*)?$")
_TAKEN, _CHANGED, _EXIF = 36867, 306, 0x8769  # tags: DateTimeOriginal, DateTime, the EXIF part


def groups_of_table(path: str, column: str) -> dict[str, str]:
    """Read which group each photo is in.

    Args:
        path: of a CSV file with a column of photos, named as in the collection.
        column: its column of groups; where all are dates, their months are the groups.

    Returns:
        {photo: group}; photos with an empty cell are left out.

    Raises:
        UsageError: the table lacks the column.
        DataError: it cannot be read, or names no photos.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            heads = reader.fieldnames or []
            named = next((head for head in heads if head.strip().lower() in COLUMNS), None)
            if column not in heads:
                raise UsageError(f"--by {column}: {path} has the columns {', '.join(heads) or 'of an empty file'}.")
            if named is None:
                raise DataError(f"{path} has no column of photos: name one {' or '.join(COLUMNS[:3])}.")
            found = {row[named]: row[column].strip() for row in reader if row[named] and (row[column] or "").strip()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot read the table ({error}).") from error
    dates = {photo: DATE.match(group) for photo, group in found.items()}
    if found and all(dates.values()):
        return {photo: f"{date[1]}-{date[2]}" for photo, date in dates.items()}
    return found


def months_of_exif(tables: Tables, show: Callable[[int, int], None] | None = None) -> dict[str, str]:
    """Read the month that each photo was taken in from its EXIF.

    Args:
        tables: of a collection.
        show: called with (photos done, photos) now and then.

    Returns:
        {photo: "2024-05"}; photos without a date, and those that cannot be opened, are left out.
    """
    from PIL import Image

    root, found, lost = tables.collection.root, {}, []
    names = [name for (name,) in tables.rows("SELECT photo FROM kept ORDER BY id")]
    for number, name in enumerate(names, 1):
        try:
            own = own_file(root, name)
            here = own is not None and own.system is None  # where the beginning of the file is enough
            with Image.open(own.path if here else io.BytesIO(read_bytes(root, name))) as image:
                exif = image.getexif()
                date = DATE.match(str(exif.get_ifd(_EXIF).get(_TAKEN) or exif.get(_CHANGED) or ""))
        except UsageError:  # a package is missing
            raise
        except Exception as error:  # a photo that is gone or broken has no date; how many have no group is told
            date = None
            if isinstance(error, Unreached):
                lost.append(error)
        if date:
            found[name] = f"{date[1]}-{date[2]}"
        if show:
            show(number, len(names))
    if lost:
        warnings.warn(f"{len(lost)} photos cannot be had and have no month, as: {lost[0]}", stacklevel=2)
    return found


def counts_by_group(tables: Tables, groups: dict[str, str]) -> tuple[list[tuple[str, int, dict[int, int]]], int]:
    """Count in how many outfits of each group each item is.

    Args:
        tables: of a collection.
        groups: {photo: group}.

    Returns:
        ([(group, its outfits, {item: outfits with it})] in the groups' order; outfits of photos without a group). At
        most MOST groups, those with the most outfits.
    """
    import pyarrow

    photos, names = (pyarrow.array(list(texts), pyarrow.string()) for texts in (groups, groups.values()))
    tables.database.register("listed", pyarrow.table({"photo": photos, "grouping": names}))
    tables.run(
        "CREATE OR REPLACE TEMP TABLE grouped AS SELECT DISTINCT outfit, grouping FROM objects JOIN kept ON "
        "objects.photo = kept.id "
        "JOIN listed ON kept.photo = listed.photo WHERE outfit IS NOT NULL")
    tables.database.unregister("listed")
    chosen = dict(tables.rows("SELECT grouping, count(*) AS n FROM grouped GROUP BY 1 ORDER BY n DESC, 1 LIMIT "
                              f"{MOST}"))
    found = {group: (group, chosen[group], {}) for group in sorted(chosen)}
    for group, item, count in tables.rows("SELECT grouping, item, count(*) FROM grouped JOIN items USING (outfit) "
                                          "GROUP BY 1, 2"):
        if group in found:
            found[group][2][item] = count
    return list(found.values()), tables.facts["outfits"] - tables.one("SELECT count(*) FROM grouped")
