"""Files of arrays, .npy, .npz and .h5, of which no more is read than is asked for; each is looked at before.

What a file claims is held against its length before memory is taken. Arrays of .npy, and of .npz that are not packed,
are mapped from the file; those of .h5 are read a part at a time, whenever one is asked for.
"""

import ast
import contextlib
import math
import os
import re
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Callable

import h5py
import numpy as np

from mrcnn.data.formats.ragged_arrays import read_objects
from mrcnn.errors import CheckpointError, DataError
from mrcnn.untrusted.hdf5_look import arrays_of, look_apart

ENDINGS = (".npy", ".npz", ".h5", ".hdf5", ".hdf", ".he5")
NUMPY, ZIP, HDF5 = b"\x93NUMPY", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
LONGEST_HEADER = 10_000  # bytes; that of an array of numbers has about 120
MOST_DIMENSIONS = 8
LARGEST_OBJECTS = 1 << 31  # bytes of an array of objects, which is read whole
LARGEST_LIST = 1 << 28  # bytes of the lists in an .h5, which are read whole
LOCAL_HEADER = 30  # bytes of the head of a member of a zip file, before its name


def holds_arrays(path: str | os.PathLike) -> bool:
    """Whether a file is of one of the three kinds, by its content."""
    try:
        with open(path, "rb") as file:
            head = file.read(8)
        if head.startswith(ZIP):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
            return bool(names) and all(name.endswith(".npy") for name in names)
        return head.startswith(NUMPY) or head == HDF5
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


def open_arrays(path: str | os.PathLike, tell: Callable[..., None]) -> "dict[str, np.ndarray | Hdf5Array | list]":
    """The arrays of a file, none of them read yet.

    Args:
        path: of an .npy, .npz or .h5 file, whatever its name ends in.
        tell: function(what, how, first) that is told of what is done otherwise than expected, as `Dataset.note` is.

    Returns:
        {name: array}: numpy arrays mapped from the file, `Hdf5Array`s, and lists where an array holds arrays, texts or
        lists. An .npy has one array, named after the file.

    Raises:
        DataError: naming the file, if it is missing, of another kind or damaged, claims more than it has, refers to
            other files, or holds anything but arrays, lists, texts and numbers.
    """
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            head = file.read(8)
        if head.startswith(NUMPY):
            return {os.path.splitext(os.path.basename(path))[0]: _mapped(path, 0, os.path.getsize(path))}
        if head.startswith(ZIP):
            return _of_zip(path, tell)
        if head == HDF5:
            return _of_hdf5(path)
    except OSError as error:
        raise DataError(f"{path}: cannot read the arrays ({error.strerror or error}): check the path.") from error
    except (DataError, CheckpointError) as error:
        raise DataError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    except Exception as error:  # readers of archives raise whatever they like on damaged ones
        raise DataError(f"{path}: is damaged ({type(error).__name__}: {str(error)[:200]}): save it anew.") from error
    raise DataError(f"{path}: no file of arrays: give .npy, .npz or .h5.")


# --- NumPy's files ---------------------------------------------------------------------------------------------------


def _mapped(path, start, end):
    """The array in an .npy file, or in a part of another.

    Args:
        path: of the file.
        start, end: bytes in it, from the first of the .npy to the one after the last.
    """
    with open(path, "rb") as file:
        file.seek(start)
        dtype, by_columns, shape = _header(file)
        offset = file.tell()
        if dtype.kind == "O":
            if end - offset > LARGEST_OBJECTS:
                raise DataError(f"an array of objects of {end - offset} bytes, which would be read whole: save numbers "
                                "in an array of one shape, or .h5.")
            return _of_one_shape(read_objects(file.read(end - offset)), shape)
    if math.prod(shape) * dtype.itemsize > end - offset:
        raise DataError(f"an array of shape {shape} takes {math.prod(shape) * dtype.itemsize} bytes, the file has "
                        f"{max(end - offset, 0)}: it is damaged or cut short.")
    if not math.prod(shape):
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape, order="F" if by_columns else "C")


def _header(file):
    """(dtype, whether it lies by columns, shape) of an .npy file."""
    magic = file.read(8)
    if magic[:6] != NUMPY or len(magic) < 8 or magic[6] not in (1, 2, 3):
        raise DataError("no .npy of version 1, 2 or 3: save it anew.")
    wide = magic[6] > 1
    length = struct.unpack("<I" if wide else "<H", file.read(4 if wide else 2))[0]
    if length > LONGEST_HEADER:
        raise DataError(f"a header of {length} bytes, more than an array of numbers has: refused.")
    text = file.read(length).decode("utf-8" if magic[6] == 3 else "latin1")
    try:
        content = ast.literal_eval(re.sub(r"(\d)L\b", r"\1", text).strip())  # as Python 2 wrote whole numbers
        kind, by_columns, shape = content["descr"], content["fortran_order"], content["shape"]
    except (SyntaxError, ValueError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise DataError("a header that is none of NumPy's: the file is damaged.") from error
    if not isinstance(kind, str) or not re.fullmatch(r"[<>|=]?([biuf]\d{1,2}|\?|O8?|[SU]\d{1,6})", kind):
        raise DataError(f"an array of {str(kind)[:60]!r}: only numbers, texts and lists of arrays are read.")
    whole = isinstance(shape, tuple) and len(shape) <= MOST_DIMENSIONS
    if not whole or not all(type(side) is int and side >= 0 for side in shape):
        raise DataError(f"an array of shape {str(shape)[:60]}: the file is damaged.")
    return np.dtype(kind), bool(by_columns), shape


def _of_one_shape(values, shape):
    """A list, as what it is: an array of objects that has one array for each photo."""
    if not isinstance(values, list) or len(values) != (shape[0] if shape else -1):
        raise DataError(f"an array of objects of shape {shape}, which lists something else: save a list of arrays.")
    return values


def _of_zip(path, tell):
    """{name: array} of an .npz."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name == member.filename or name in arrays:
                raise DataError(f"{member.filename[:60]!r} is no array, or there twice: give an .npz of NumPy.")
            if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
                start = _start_of(path, member)
                arrays[name] = _mapped(path, start, start + member.compress_size)
            else:
                arrays[name] = _unpacked(archive, member, path, tell)
    return arrays


def _start_of(path, member):
    """Byte of a zip file at which the content of a member begins."""
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        header = file.read(LOCAL_HEADER)
        if len(header) < LOCAL_HEADER or not header.startswith(ZIP):
            raise DataError("its zip is damaged: save it anew.")
        start = member.header_offset + LOCAL_HEADER + sum(struct.unpack("<HH", header[26:]))
        if start + member.compress_size > os.path.getsize(path):
            raise DataError("its zip is cut short: save it anew.")
    return start


def _unpacked(archive, member, path, tell):
    """The array in a packed member, from a file that has no name any more once it is mapped."""
    with archive.open(member) as packed:
        dtype, _, shape = _header(packed)
    claimed = math.prod(shape) * dtype.itemsize
    if dtype.kind != "O" and claimed > member.file_size:
        raise DataError(f"{member.filename}: an array of shape {shape} takes {claimed} bytes, the file has "
                        f"{member.file_size}: it is damaged.")
    folder = tempfile.gettempdir()
    if member.file_size > shutil.disk_usage(folder).free // 2:
        raise DataError(f"{member.filename} takes {member.file_size} bytes unpacked, and {folder} has no room for it: "
                        "save it by numpy.savez, unpacked, or as .h5, which is read in place.")
    handle, name = tempfile.mkstemp(suffix=".npy")
    try:
        with os.fdopen(handle, "wb") as file, archive.open(member) as packed:
            shutil.copyfileobj(packed, file, 1 << 20)
        array = _mapped(name, 0, os.path.getsize(name))
    finally:
        with contextlib.suppress(OSError):  # Windows keeps what is mapped
            os.remove(name)
    if member.file_size > LARGEST_LIST:
        tell("array", f"packed in {os.path.basename(path)}, unpacked into {folder} for as long as it is read: save it "
                      "by numpy.savez or as .h5 to read it in place", member.filename)
    return array


# --- HDF5 ------------------------------------------------------------------------------------------------------------


class Hdf5File:
    """An .h5 file that each process opens for itself, when it is read: one that was open before a fork is not shared.

    Args:
        path: of the file.
    """

    def __init__(self, path: str) -> None:
        self.path, self._opened = path, {}

    def __getstate__(self):
        return {"path": self.path, "_opened": {}}

    def __getitem__(self, name):
        process = os.getpid()
        if process not in self._opened:
            self._opened[process] = h5py.File(self.path, "r")
        return self._opened[process][name]


class Hdf5Array:
    """An array of an .h5 file, read a part at a time.

    Args:
        file: Hdf5File.
        name: of the array in it.
        shape, dtype: of the array.
    """

    def __init__(self, file: Hdf5File, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.file, self.name, self.shape, self.dtype = file, name, shape, dtype
        self.ndim = len(shape)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, place):
        try:
            return self.file[self.name][place]
        except Exception as error:  # the library raises whatever it likes on a damaged file
            reason = f"{type(error).__name__}: {str(error)[:200]}"
            where = f"{self.file.path}: {self.name} cannot be read at {place}"
            raise DataError(f"{where} ({reason}): save it anew.") from error


def _of_hdf5(path):
    """{name: Hdf5Array, or list of arrays or texts} of a file."""
    path, size = os.path.abspath(path), os.path.getsize(path)
    arrays, lists, opened = {}, [], Hdf5File(path)
    with h5py.File(path, "r") as file:
        for name, array in arrays_of(file, size, whole=False):
            if array.shape is None or not array.shape:
                continue
            if array.dtype.kind in "OS":
                lists.append(name)
            else:
                arrays[name] = Hdf5Array(opened, name, array.shape, array.dtype)
        kept = [name for name in lists if _is_list(file[name])]
    if kept:
        fault = look_apart(path, size, kept)
        if fault:
            raise DataError(f"{fault}: save it anew.")
        with h5py.File(path, "r") as file:
            arrays.update((name, _list_of(file[name][()])) for name in kept)
    return arrays


def _is_list(array):
    """Whether an array of an .h5 holds texts, or arrays of numbers of different lengths, few enough to be read."""
    within = h5py.check_vlen_dtype(array.dtype)
    is_text = array.dtype.kind == "S" or h5py.check_string_dtype(array.dtype) is not None
    is_list = is_text or (within is not None and within.kind in "fiub")
    return is_list and array.ndim == 1 and len(array) * array.dtype.itemsize <= LARGEST_LIST


def _list_of(values):
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values.tolist()]
