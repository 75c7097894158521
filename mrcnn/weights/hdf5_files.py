"""HDF5 files, written whole with a checksum at their end, and looked at before they are read.

A file of ours ends in SIGN and the SHA-256 of all before it, which HDF5 passes over: a byte that was lost on the way is
noticed before HDF5's library meets it. Anybody can write such a checksum, so it vouches for no more: all files with
texts of variable length, which none of ours has, are looked through by `hdf5_look` in a process of its own.
"""

import contextlib
import functools
import hashlib
import json
import mmap
import os
import zipfile
from collections.abc import Iterator

import h5py
import numpy as np

from mrcnn.errors import CheckpointError
from mrcnn.export.running import remedy_beside
from mrcnn.files import whole_file
from mrcnn.untrusted.hdf5_look import HEAP, arrays_of, look_apart
from mrcnn.weights.epochs import told_of_folder

SIGN = b"\nmrcnn sha256 "
TRAILER = len(SIGN) + 32  # bytes
TEXT_PART = 60_000  # bytes: HDF5 keeps no attribute of more than 64 KB


@contextlib.contextmanager
def whole_hdf5(path: str | os.PathLike) -> Iterator:
    """An HDF5 file, open for writing, that appears under its name only when complete, with its checksum."""
    with whole_file(path) as partial:
        file = h5py.File(partial, "w")
        try:
            yield file
        finally:
            try:
                file.close()
            except RuntimeError as error:  # so a full disk shows, where what was written is still in memory
                raise OSError(str(error)) from error
        digest = _digest(partial, os.path.getsize(partial))
        with open(partial, "ab") as end:
            end.write(SIGN + digest)


@contextlib.contextmanager
def open_hdf5(path: str | os.PathLike) -> Iterator:
    """A file that h5py has opened to read, once it is known to be sound.

    Raises:
        CheckpointError: it is missing, a folder, damaged, no HDF5 file, or of a kind that weights never are; also in
            place of the errors of h5py within the block.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise CheckpointError(f"{path!r} is no path of a weight file: give one path, as find_last() returns it.")
    if not os.path.exists(path):
        raise CheckpointError(f"Weight file {path} does not exist: {remedy_beside(path, 'correct the path')}.")
    check_hdf5(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if zipfile.is_zipfile(path):
            raise CheckpointError(f"{path} is an archive, as Keras' whole models (.keras) are: "
                                  "keras_model.load_weights() takes the weights of one; checkpoints of this package "
                                  "are .h5 files.") from error
        raise CheckpointError(f"{path} is no complete HDF5 weight file ({error}): "
                              f"{remedy_beside(path, 'use another checkpoint')}.") from error
    try:
        with file:
            yield file
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is damaged or cut short ({error}): use another checkpoint.") from error


def check_hdf5(path: str | os.PathLike) -> None:
    """Raise CheckpointError if a file is not what its checksum says, or if reading it is unsafe."""
    try:
        if os.path.isdir(path):
            raise CheckpointError(told_of_folder(path))
        status = os.stat(path)
        fault = _fault(os.path.abspath(path), status.st_size, status.st_mtime_ns, status.st_ino)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read the weights ({error.strerror or error}): check the path and "
                              "rights.") from error
    if fault:
        raise CheckpointError(f"{path}: {fault.rstrip('.')}: use another checkpoint.")


@functools.lru_cache(maxsize=256)
def _fault(path, size, *_):
    """What is wrong with a file, or None. Size, time and number of the file make it looked at again when it changes."""
    if _signed(path, size) is False:
        return "it is damaged, for its checksum is another"
    return look_apart(path, size) if _opens(path) and _holds(path, HEAP) else None


def _opens(path):
    """Whether a file is HDF5 and as long as it says; if not, whoever opens it is told so."""
    try:
        h5py.File(path, "r").close()
    except OSError:
        return False
    return True


def _signed(path, size):
    """Whether the checksum of a file is right; None if it has none."""
    if size < TRAILER:
        return None
    with open(path, "rb") as file:
        file.seek(size - TRAILER)
        trailer = file.read()
    if not trailer.startswith(SIGN):
        return None
    return _digest(path, size - TRAILER) == trailer[len(SIGN):]


def _digest(path, size):
    """SHA-256 of the first `size` bytes of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0:
            data = file.read(min(size, 1 << 22))
            if not data:
                break
            digest.update(data)
            size -= len(data)
    return digest.digest()


def _holds(path, word):
    """Whether a file has these bytes anywhere."""
    if not os.path.getsize(path):
        return False
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(word) >= 0


# --- Arrays and texts ------------------------------------------------------------------------------------------------


def arrays_in(file: object, group: str | None = None) -> Iterator:
    """Yield (name, h5py.Dataset) of the arrays of an open file, or of one of its groups, each checked.

    Raises:
        CheckpointError: see `hdf5_look.look`.
    """
    size = os.path.getsize(file.filename)
    try:
        # get() would take a damaged group for a missing one.
        yield from arrays_of(file[group] if group and group in file else file, size)
    except CheckpointError as error:
        raise CheckpointError(f"{file.filename}: {error}") from error


def write_text(attributes: object, name: str, text: str) -> None:
    """Keep a text as an attribute of fixed length, or as several: those of variable length are what breaks."""
    data = text.encode()
    for part, start in enumerate(range(0, max(len(data), 1), TEXT_PART)):
        attributes[f"{name}#{part}" if part else name] = np.bytes_(data[start:start + TEXT_PART])


def read_text(attributes: object, name: str) -> str | None:
    """The text of an attribute, written by `write_text` or by an earlier version, or None if there is none.

    Raises:
        ValueError: it is no text.
    """
    if name not in attributes:
        return None
    parts = [attributes[name]]
    while f"{name}#{len(parts)}" in attributes:
        parts.append(attributes[f"{name}#{len(parts)}"])
    if not all(isinstance(part, (bytes, str)) for part in parts):
        raise ValueError(f"{name} is no text")
    return b"".join(part if isinstance(part, bytes) else part.encode() for part in parts).decode()


def read_json(attributes: object, name: str, kind: type | tuple) -> object:
    """The value of a text that is JSON, or None if there is none.

    Args:
        attributes: of an h5py object.
        name: of the attribute.
        kind: type or types that the value must be of.

    Raises:
        ValueError: it is no text, no JSON, or of another type.
    """
    text = read_text(attributes, name)
    if text is None:
        return None
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError(f"{name} is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{name} is no JSON, {error}") from error
    if not isinstance(value, kind):
        raise ValueError(f"{name} is JSON of type {type(value).__name__}")
    return value


def read_number(attributes: object, name: str) -> int | None:
    """The whole number of an attribute, or None if there is none.

    Raises:
        ValueError: if it is something else.
    """
    if name not in attributes:
        return None
    value = attributes[name]
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise ValueError(f"{name} is no whole number")
    return int(value)
