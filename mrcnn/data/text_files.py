"""Small files and texts that people read too: JSON written whole or not at all, and tables."""

import contextlib
import json
import os

from mrcnn.data.images import DataError


def write_json(path, value):
    """Write JSON to a file, whole or not at all; its folder is made. Raises DataError if that fails."""
    path = os.fspath(path)
    partial = f"{path}.partial"
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(partial, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=1, ensure_ascii=False)
            file.write("\n")
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.remove(partial)
        raise DataError(f"{path}: cannot write the file ({error.strerror}): check folder and disk.") from error


def read_json(path, what):
    """The value in a JSON file. what: it should be, for messages. Raises DataError if it cannot be read as JSON."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except OSError as error:
        raise DataError(f"{path}: cannot read the {what} ({error.strerror}): check the path.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no JSON file ({error}): give a {what}.") from error


def text_table(rows):
    """Rows of cells as lines of text, the first column left-aligned and the others right-aligned."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
