"""Files that people read too: each appears whole or not at all; JSON, texts and tables."""

import contextlib
import json
import math
import os
import secrets

from mrcnn.errors import DataError


@contextlib.contextmanager
def whole_file(path):
    """A file that appears under its name only when it is complete.

    Gives the path of a new, empty file in the same folder (which is made), with the rights that the user's umask
    leaves, for the block to write. At the end of the block it takes the name `path`; after an error it is removed.

    Args:
        path: of the file to write.

    Raises:
        DataError: if folder or file cannot be written; the message names the file.
    """
    path = os.fspath(path)
    folder, name = os.path.split(path)
    partial = os.path.join(folder, f".{name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        os.makedirs(folder or ".", exist_ok=True)
        # Exclusive: never through a link, never into what another process is writing.
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield partial
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(partial)
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise DataError(f"{path}: cannot write the file ({reason}): check rights and disk space.") from error
        raise


def write_text(path, text):
    """Write a text in UTF-8, whole or not at all. Raises DataError if that fails."""
    with whole_file(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def write_json(path, value, indent=1):
    """Write JSON to a file, whole or not at all; NaN becomes null, which JSON knows.

    indent: None writes one line. Raises DataError if that fails.
    """
    write_text(path, json.dumps(_without_nan(value), indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def _without_nan(value):
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
