"""Texts of others, of any program: UTF-8, or what the mark at their beginning says, as PowerShell and Excel write."""

import codecs
import contextlib
import csv
import io
import os
import threading
from collections.abc import Iterator
from typing import TextIO

from mrcnn.errors import DataError

USUAL = "utf-8-sig"
# Of the marks that begin alike the longer stands first.
MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
         (codecs.BOM_UTF16_BE, "utf-16"))
LONGEST_MARK = 4
SAVE_ANEW = "save it as UTF-8"
LONGEST_FIELD = 2**31 - 1  # letters; all that `csv` can be told on every system
_CSV_LIMIT = threading.RLock()  # csv has one limit for all threads


def encoding_of(start: bytes) -> str:
    """Name of the encoding of a text.

    Args:
        start: of the file, LONGEST_MARK bytes or more.
    """
    return next((name for mark, name in MARKS if start.startswith(mark)), USUAL)


def open_text(path: str | os.PathLike, newline: str | None = None, errors: str = "strict") -> TextIO:
    """Open a text to be read, in the encoding that its beginning tells.

    Args:
        path: of the file.
        newline, errors: as `open` takes them.

    Raises:
        OSError: it cannot be opened.
    """
    file = open(path, "rb")  # noqa: SIM115  who asks for the text closes it; once, for what is read from a pipe
    try:
        return io.TextIOWrapper(file, encoding_of(file.peek(LONGEST_MARK)), errors, newline)
    except BaseException:
        file.close()
        raise


@contextlib.contextmanager
def long_fields() -> Iterator[None]:
    """Open a block in which `csv` takes fields of any length, as polygons and run lengths have.

    It takes 131,072 letters otherwise. Rows are read within the block, not after it.
    """
    with _CSV_LIMIT:
        usual = csv.field_size_limit(LONGEST_FIELD)
        try:
            yield
        finally:
            csv.field_size_limit(usual)


def as_utf8(data: bytes) -> bytes:
    """The same text in UTF-8, without a mark; what is not marked stays as it is.

    Args:
        data: of a file, from its beginning; it may break off anywhere.
    """
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8):]
    encoding = encoding_of(data)
    return data if encoding == USUAL else data.decode(encoding, "ignore").encode("utf-8", "ignore")


def utf8_blocks(path: str | os.PathLike, size: int) -> Iterator[bytes]:
    """Yield a text in UTF-8, without a mark, in blocks of some size.

    Args:
        path: of the file.
        size: bytes that are read at once.

    Raises:
        OSError: it cannot be read.
        DataError: it is not what its mark says.
    """
    with open(path, "rb") as file:
        encoding = encoding_of(file.peek(LONGEST_MARK))
        if encoding == USUAL:
            file.seek(len(codecs.BOM_UTF8) if file.peek(LONGEST_MARK).startswith(codecs.BOM_UTF8) else 0)
            while block := file.read(size):
                yield block
            return
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while block := file.read(size):
                yield decoder.decode(block).encode("utf-8", "ignore")
            decoder.decode(b"", True)
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: no text in {encoding.upper()}, as its first bytes say: {SAVE_ANEW}.") from error


def wide_encoding(path: str | os.PathLike) -> str | None:
    """Name of the encoding of a file that is no UTF-8 by its mark, as "UTF-16"; None of all others."""
    try:
        with open(path, "rb") as file:
            encoding = encoding_of(file.read(LONGEST_MARK))
    except OSError:
        return None
    return None if encoding == USUAL else encoding.upper()


def refuse_wide(path: str | os.PathLike) -> None:
    """Raise DataError of a file in UTF-16 or UTF-32, for readers that take it by its bytes."""
    encoding = wide_encoding(path)
    if encoding:
        raise DataError(f"{path}: is a text in {encoding}, as PowerShell and Excel write: {SAVE_ANEW}.")


def why_no_text(error: Exception) -> str:
    """What an error of reading a text says, in plain words where bytes are no letters."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is no letter of {error.encoding.upper()}: {SAVE_ANEW}"
    return str(getattr(error, "strerror", None) or error)
