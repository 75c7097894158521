"""Files and folders that appear whole or not at all; JSON, texts and tables."""

import contextlib
import errno
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence

from mrcnn.errors import DataError
from mrcnn.outputs import is_claimed, note
from mrcnn.text_files import open_text, why_no_text

LEFTOVER = re.compile(r"\.(.+)\.(\d+)-[0-9a-f]{8}\.partial")  # of a killed process; see `_partial_path`
# Control characters, halves of surrogate pairs, and what breaks lines or turns the direction of writing.
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
UNSAFE_IN_LINE = re.compile(rf"{UNSAFE.pattern}|[\t\n]")
CLOCKS_APART = 2  # seconds by which times of files and of processes may differ
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # which libraries tell in errors of their own


# --- Whole or not at all ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def whole_files(*paths: str | os.PathLike) -> Iterator[list[str]]:
    """Files that appear under their names together, when all of them are complete.

    Gives the paths of new, empty files in the same folders (which are made), with the rights that the user's umask
    leaves, for the block to write. At the end of the block they take the names `paths`; after an error they are
    removed, and what was there before stays. A process that is killed leaves them, as .NAME.*.partial. Where one of
    several cannot take its name and others have theirs already, the error says which these are.

    Args:
        paths: of the files to write. A link is replaced, never written through.

    Raises:
        DataError: if a file or its folder cannot be written; the message names it. Errors of other files that the
            block reads are left as they are.
    """
    paths = [os.fspath(path) for path in paths]
    partials, taken = [_partial_path(path) for path in paths], []
    with _naming(paths, partials, taken), _appearing(paths, partials, taken):
        yield partials


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[str]:
    """A file that appears under its name only when it is complete: `whole_files` for one; gives one path."""
    with whole_files(path) as (partial,):
        yield partial


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike) -> Iterator[str]:
    """A folder that appears under its name only when it is complete: as `whole_files`, but gives a new, empty folder.

    Raises:
        DataError: if it cannot be written, or `path` is there already, neither an empty folder nor claimed by
            `mrcnn.outputs.claim_outputs`, by which it is replaced.
    """
    with whole_folder_and_files(path) as (partial,):
        yield partial


@contextlib.contextmanager
def whole_folder_and_files(path: str | os.PathLike, *files: str | os.PathLike) -> Iterator[list[str]]:
    """A folder and files that appear together when all are complete: gives [new, empty folder, new files ...].

    The files take their names first.

    Args:
        path: of the folder, as for `whole_folder`.
        files: as for `whole_files`.

    Raises:
        DataError: as `whole_folder` does.
    """
    path, files = os.fspath(path), list(map(os.fspath, files))
    partial, old, *partials = map(_partial_path, (path, path, *files))
    taken = []
    with _naming([*files, path], [*partials, partial], taken), _removing([partial, old], shutil.rmtree):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        os.mkdir(partial)
        with _appearing(files, partials, taken):
            yield [partial, *partials]
            note(path, partial)
        replaced = is_claimed(path) and os.path.lexists(path)
        if replaced:
            os.replace(path, old)
        try:
            os.replace(partial, path)
        except BaseException:
            if replaced:
                os.replace(old, path)
            raise
        if replaced and (os.path.islink(old) or not os.path.isdir(old)):
            os.remove(old)


def remove_leftovers(folder: str | os.PathLike) -> list[str]:
    """Remove the unfinished files that killed processes left in a folder.

    What a living process of this machine is writing stays, such as an export beside a training. Of processes of other
    machines nothing is known: the folder is one that no other machine writes in.

    Returns:
        Sorted names of the files that were being written.
    """
    names = []
    for entry in os.listdir(folder):
        leftover, path = LEFTOVER.fullmatch(entry), os.path.join(folder, entry)
        if leftover:
            with contextlib.suppress(OSError):
                if not _may_write(int(leftover[2]), os.lstat(path).st_mtime):
                    os.remove(path)
                    names.append(leftover[1])
    return sorted(names)


def _may_write(pid, written):
    """Whether a living process of this machine may be writing a file that was changed last at a time.

    A process that began after that has the number of one that is gone, as in containers, which count from 1.
    """
    if os.name != "posix":
        return False  # Windows itself keeps a file that is open, and its os.kill would end the process
    with contextlib.suppress(OSError, ValueError, IndexError):
        began = _began(pid)
        return began is not None and began <= written + CLOCKS_APART
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # of another user
    except (OSError, OverflowError):
        return False
    return True


def _began(pid):
    """When a process began, in seconds since 1970, as Linux tells it; None if it has ended.

    Raises:
        OSError, ValueError: the system does not tell it.
    """
    with open("/proc/stat", encoding="ascii") as file:
        (boot,) = [int(line.split()[1]) for line in file if line.startswith("btime")]
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()  # the name before it, in brackets, may have spaces
    return None if fields[0] in (b"Z", b"X") else boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _appearing(paths, partials, taken):
    """Make new files for the block to write; at its end they take the names `paths`, and after an error they go.

    Those that have their names are put into the list `taken`.
    """
    with _removing(partials, os.remove):
        for path, partial in zip(paths, partials):
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            if os.path.isdir(path):  # now, not when other files have taken their names
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            # Exclusive: never through a link, never into what another process is writing.
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield
        for partial in partials:
            with open(partial, "rb") as file:
                os.fsync(file.fileno())
        for path, partial in zip(paths, partials):
            note(path, partial)
        for path, partial in zip(paths, partials):
            os.replace(partial, path)
            taken.append(path)


def _partial_path(path):
    folder, name = os.path.split(path)
    # The name's beginning: a long one leaves no room for what is put round it.
    return os.path.join(folder, f".{name[:50]}.{os.getpid()}-{secrets.token_hex(4)}.partial")


@contextlib.contextmanager
def _removing(partials, remove):
    """Remove what the block left of these paths."""
    try:
        yield
    finally:
        for partial in partials:
            with contextlib.suppress(OSError):
                remove(partial)


@contextlib.contextmanager
def _naming(paths, partials, taken):
    """Turn an OSError of these paths, or of none, and a library's of a full disk into a DataError that names them.

    taken: those of the paths that are new by then.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and disk_reason(error) is None:
            raise
        filename = getattr(error, "filename", None)
        where = os.fspath(filename) if isinstance(filename, (str, os.PathLike)) else None
        folders = [os.path.dirname(path) for path in paths]
        ours = {path: {path, partial} for path, partial in zip(paths, partials)}
        named = [path for path in paths if where in ours[path]]
        if where is not None and not named and not any(_is_within(folder, where) for folder in folders):
            raise  # of something that the block read
        left = "nothing of it is left, and what had the name before is as it was."
        if taken:
            verb = "was" if len(taken) == 1 else "were"
            left = f"{' and '.join(taken)} {verb} written by then: write all of them again."
        raise DataError(
            f"{' and '.join(named or paths)}: cannot write the file ({disk_reason(error) or error}): check rights and "
            f"disk space; {left}"
        ) from error


def disk_reason(error: BaseException) -> str | None:
    """Why the system took no file, from an OSError or a library's error that has the system's words; else None."""
    if isinstance(error, OSError):
        return error.strerror or None
    return next((words for words in map(os.strerror, DISK_ERRORS) if words in str(error)), None)


def _is_within(folder, where):
    """Whether a folder is another one or lies below it."""
    return f"{folder}{os.sep}".startswith(f"{where}{os.sep}")


# --- Texts and JSON --------------------------------------------------------------------------------------------------


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text in UTF-8, whole or not at all; what UTF-8 lacks is escaped.

    Raises:
        DataError: if the file cannot be written.
    """
    data = text.encode("utf-8", errors="backslashreplace")
    with whole_file(path) as partial, open(partial, "wb") as file:
        file.write(data)


def write_texts(folder: str | os.PathLike, texts: dict[str, str]) -> None:
    """Write texts as `write_text` does, all of them together or none.

    Args:
        folder: where the files go; it is made.
        texts: {name of the file: text}.

    Raises:
        DataError: if a file cannot be written.
    """
    with whole_files(*(os.path.join(folder, name) for name in texts)) as partials:
        for partial, text in zip(partials, texts.values()):
            with open(partial, "wb") as file:
                file.write(text.encode("utf-8", errors="backslashreplace"))


def write_json(path: str | os.PathLike, value: object, indent: int | None = 1) -> None:
    """Write JSON to a file, whole or not at all; NaN becomes null, which JSON knows.

    Args:
        path: of the file.
        value: what JSON can hold.
        indent: spaces of each level; None writes one line.

    Raises:
        DataError: if the file cannot be written.
    """
    write_text(path, json_text(value, indent))  # where half a surrogate pair becomes \\ud800, as in JSON


def json_text(value: object, indent: int | None = 1) -> str:
    """What `write_json` writes."""
    return json.dumps(_without_nan(value), indent=indent, ensure_ascii=False, allow_nan=False) + "\n"


def _without_nan(value):
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: str | os.PathLike, what: str) -> object:
    """Read the value in a JSON file.

    Args:
        path: of the file.
        what: what the file should be, for messages.

    Raises:
        DataError: if it cannot be read as JSON.
    """
    try:
        with open_text(path) as file:
            return json.load(file)
    except OSError as error:
        raise DataError(f"{path}: cannot read the {what} ({error.strerror}): check the path.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no {what}: {why_no_text(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no JSON file ({error}): give a {what}.") from error


# --- Texts of others -------------------------------------------------------------------------------------------------


def printable(text: object, one_line: bool = False) -> str:
    """A text as it can be shown: what would steer a terminal, or is no letter, is written out, as \\x1b.

    Args:
        text: of any origin; what is no text is turned into one
        one_line: whether line feeds and tabs are written out too

    Returns:
        str.
    """
    return (UNSAFE_IN_LINE if one_line else UNSAFE).sub(_escaped, str(text))


def plain(text: object) -> str:
    """A text for matplotlib, as it is: printable, and not read as mathematics."""
    return printable(text).replace("$", r"\$")


def _escaped(match):
    return match[0].encode("unicode_escape").decode("ascii")


def listed_names(names: Sequence[str]) -> str:
    """Names in one line, as options that take several read them: one with a comma or a quote stands in quotes.

    Args:
        names: of classes, as "shirt, blouse" and "pants".

    Returns:
        As "shirt, blouse", pants.
    """
    return ", ".join('"' + name.replace('"', '""') + '"' if set(name) & {",", '"'} else name for name in names)


# --- Tables ----------------------------------------------------------------------------------------------------------


def text_table(rows: Sequence[Sequence[object]]) -> str:
    """Rows of cells as lines of text, the first column left-aligned and the others right-aligned."""
    rows = [[printable(cell, one_line=True) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
