"""MATLAB files of versions 5 to 7: arrays of numbers, texts and cells of these.

Every length in the file is checked, so that a damaged file is told of and nothing larger than its headers announce is
unpacked. (`scipy.io.loadmat` ends the process on some damaged files.)
"""

import dataclasses
import math
import os
import struct
import zlib

import numpy as np

from mrcnn.errors import DataError

_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_KINDS = ("", "cell", "struct", "object", "char", "sparse", "double", "single", "int8", "uint8", "int16", "uint16",
          "int32", "uint32", "int64", "uint64")
_HEADER = 4096  # bytes that hold the headers of any variable
_LARGEST_CELL = 1 << 24  # bytes that a cell of names is unpacked to


@dataclasses.dataclass(frozen=True)
class MatlabVariable:
    """A variable of a file, not unpacked yet.

    Args:
        name, shape: as in MATLAB.
        kind: of _KINDS, "" for others.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    _path: str
    _order: str
    _data: bytes
    _is_compressed: bool

    def values(self) -> np.ndarray | str | list:
        """Numbers as an array, text as str, a cell as a list of these by columns.

        Raises:
            DataError: naming the file.
        """
        limit = _LARGEST_CELL if self.kind == "cell" else _HEADER + 8 * math.prod(self.shape)
        try:
            data = _unpacked(self._data, limit) if self._is_compressed else self._data
            return _values(data[8:], self._order)
        except (ValueError, struct.error, RecursionError) as error:
            raise DataError(f"{self._path}: {self.name} is damaged ({error}): save it again.") from error


def matlab_variables(path: str | os.PathLike) -> list[MatlabVariable]:
    """list of MatlabVariable of a file, from its headers.

    Raises:
        DataError: naming the file if it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
        order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
        if order is None or struct.unpack_from(order + "H", data, 124)[0] != 0x0100:
            raise ValueError("not of versions 5 to 7")
        variables, place = [], 128
        while place < len(data):
            kind, contents, following = _element(data, place, order)
            if kind in (_MATRIX, _COMPRESSED):
                packed = kind == _COMPRESSED
                whole = contents if packed else data[place:following]
                name, variable_kind, shape, _ = _headers((_unpacked(whole, _HEADER) if packed else whole)[8:], order)
                variables.append(MatlabVariable(name, variable_kind, shape, str(path), order, whole, packed))
            place = following
        return variables
    except OSError as error:
        raise DataError(f"{path}: cannot read the MATLAB file ({error.strerror}): check the path.") from error
    except (ValueError, struct.error) as error:
        raise DataError(f"{path}: no readable MATLAB file ({error}): save it with -v7.") from error


def _unpacked(data, limit):
    """The first `limit` bytes of what zlib packed."""
    try:
        return zlib.decompressobj().decompress(data, limit)
    except zlib.error as error:
        raise ValueError(str(error)) from error


def _element(data, place, order):
    """(type, contents, place of the next element) of the element of a file that begins at a place."""
    kind, size = struct.unpack_from(order + "II", data, place)
    if kind >> 16:  # a small one, within its own eight bytes
        kind, size = kind & 0xFFFF, kind >> 16
        if size > 4:
            raise ValueError(f"a small element has {size} bytes")
        return kind, data[place + 4 : place + 4 + size], place + 8
    start, end = place + 8, place + 8 + size
    if end > len(data):
        raise ValueError("it breaks off")
    return kind, data[start:end], end if kind == _COMPRESSED else start + -(-size // 8) * 8


def _headers(data, order):
    """(name, kind, shape, place of the values) of the contents of a matrix element."""
    _, flags, place = _element(data, 0, order)
    _, sides, place = _element(data, place, order)
    _, name, place = _element(data, place, order)
    (flags,) = struct.unpack_from(order + "I", flags)
    kind = _KINDS[flags & 0xFF] if flags & 0xFF < len(_KINDS) and not flags & 0x800 else ""  # 0x800: complex
    shape = tuple(np.frombuffer(sides, order + "i4").tolist())
    if min(shape, default=-1) < 0:
        raise ValueError(f"a variable has the shape {shape}")
    return name.decode("latin-1"), kind, shape, place


def _values(data, order):
    """Values of the contents of a matrix element."""
    if not data:
        return np.zeros((0, 0))
    _, kind, shape, place = _headers(data, order)
    if kind == "cell":
        items = []
        for _ in range(math.prod(shape)):
            _, contents, place = _element(data, place, order)
            items.append(_values(contents, order))
        return items
    stored, contents, _ = _element(data, place, order)
    if kind == "char" and stored in _TEXTS:
        code = _TEXTS[stored]
        return contents.decode(code + {"<": "-le", ">": "-be"}[order] if code in ("utf-16", "utf-32") else code)
    if kind not in _KINDS[6:] or stored not in _NUMBERS:
        raise ValueError("it is no array of numbers, text or cells")
    values = np.frombuffer(contents, order + _NUMBERS[stored])
    return values.reshape(shape, order="F").astype(values.dtype.newbyteorder("="))
