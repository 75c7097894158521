"""history.csv of a run: a row for each epoch, counted from 0, whatever other programs have made of the file."""

import csv
import os

from mrcnn.errors import DataError
from mrcnn.files import whole_file

HISTORY = "history.csv"  # in the run's folder
REMEDY = "correct it, or move it away: the run then begins a new one"


def read_history_rows(path: str | os.PathLike) -> list[dict[str, str]]:
    """Read the rows of a history.csv.

    Args:
        path: of the file; there may be none.

    Returns:
        {column: text} of each row, in their order, each with a whole number as "epoch".

    Raises:
        DataError: the file cannot be read, or has a row without an epoch; the message names file and line.
    """
    if not os.path.isfile(path):
        return []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader, rows = csv.DictReader(file), []
            for row in reader:
                if None in row or not _is_whole(row.get("epoch")):
                    raise ValueError(f"line {reader.line_num} has no epoch, or more fields than the first")
                rows.append(row)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} is no history of a run ({error}): {REMEDY}.") from error
    return rows


def ends_amid_a_line(path: str | os.PathLike) -> bool:
    """Whether a history.csv, of which there may be none, ends without the end of a line, as one that was cut does.

    Raises:
        DataError: the file cannot be read.
    """
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return not file.read().endswith((b"\r", b"\n"))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}): {REMEDY}.") from error


def write_history_rows(path: str | os.PathLike, rows: list[dict]) -> None:
    """Write rows to a history.csv, whole or not at all; a column that some lack holds nan there.

    Args:
        path: of the file.
        rows: {column: value} of each, with "epoch".

    Raises:
        DataError: the file cannot be written.
    """
    names = {name for row in rows for name in row} - {"epoch"}
    with whole_file(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["epoch", *sorted(names)], restval="nan")
        writer.writeheader()
        writer.writerows(rows)


def rows_of(segmenter: object) -> list[dict]:
    """The rows of the run that a network trains: those in memory, of which the file may lack some, or the file's.

    Args:
        segmenter: the `Segmenter` that trains; its `record`, if it has one, is a HistoryFile.

    Raises:
        DataError: as `read_history_rows` does.
    """
    path, record = os.path.join(segmenter.log_dir, HISTORY), getattr(segmenter, "record", None)
    return record.rows if record is not None and record.path == path else read_history_rows(path)


def number_of(text: object) -> float:
    """The number in a cell; nan where there is none."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def _is_whole(text):
    try:
        return int(text) >= 0
    except (TypeError, ValueError):
        return False
