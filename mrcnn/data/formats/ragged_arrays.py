"""Arrays of objects in .npy files: lists of arrays of different lengths, read without running what the file says.

NumPy keeps such an array as a pickle, which `numpy.load(allow_pickle=True)` runs. Here the `CutUnpickler` reads it,
with the instructions and names that arrays, lists, tuples, texts and numbers need.
"""

import io
import math
import re

import numpy as np

from mrcnn.errors import DataError
from mrcnn.untrusted.pickle_machine import CutUnpickler

DEEPEST = 4  # lists within lists: photos, objects, corners of a box
MOST_DIMENSIONS = 8
DTYPE = re.compile(r"[<>|=]?([?b]|b1|[iu][1248]|f[248]|O8?|[SU]\d{1,4})")
INSTRUCTIONS = (
    "PROTO FRAME STOP MARK POP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE "
    "BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BINSTRING SHORT_BINSTRING EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE "
    "EMPTY_LIST APPEND APPENDS BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD"
)
NDARRAY = object()  # what stands for the class numpy.ndarray, which is passed on and never called


class _Type:
    """A type of numbers as the pickle describes it."""

    def __init__(self, text):
        self.dtype = np.dtype(text)


class _Array:
    """An array as the pickle describes it: its shape and numbers follow in BUILD."""

    value = None


def _make_type(text, *_):
    if not isinstance(text, str) or not DTYPE.fullmatch(text):
        raise DataError(f"it has arrays of type {str(text)[:40]!r}: only numbers, texts and lists are read.")
    return _Type(text)


def _make_array(*_):
    return _Array()


def _make_number(kind, data):
    if not isinstance(kind, _Type) or kind.dtype.kind == "O" or not isinstance(data, bytes):
        raise DataError("a number without type or value: the file is damaged.")
    if len(data) != kind.dtype.itemsize:
        raise DataError("a number of another length than its type: the file is damaged.")
    return np.frombuffer(data, kind.dtype)[0]


def _make_bytes(text, encoding):
    """How bytes stand in the pickles of old protocols."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise DataError("bytes that are no text in latin1: the file is damaged.")
    return text.encode("latin1")


def _no_bytes(*arguments):
    """How old protocols write bytes of no length."""
    if arguments:
        raise DataError("it calls what an array of arrays, lists, texts and numbers does not need: refused.")
    return b""


class RaggedUnpickler(CutUnpickler):
    """Reads the pickle of an array of objects."""

    error = DataError
    purpose = "an array of arrays, lists, texts and numbers"
    known = {
        ("numpy", "ndarray"): NDARRAY,
        ("numpy", "dtype"): _make_type,
        ("_codecs", "encode"): _make_bytes,
        ("__builtin__", "bytes"): _no_bytes,
        **{(f"numpy.{core}.multiarray", name): function for core in ("core", "_core")
           for name, function in (("_reconstruct", _make_array), ("scalar", _make_number))},
    }
    functions = (_make_type, _make_array, _make_number, _make_bytes, _no_bytes)
    dispatch = CutUnpickler.instructions(INSTRUCTIONS)

    def build(self, target: object, state: object) -> None:
        if isinstance(target, _Type) and isinstance(state, tuple) and len(state) > 1 and state[1] in tuple("<>|="):
            target.dtype = target.dtype.newbyteorder(state[1])
        elif isinstance(target, _Array) and isinstance(state, tuple) and len(state) == 5:
            target.value = _built(*state[1:])
        else:
            super().build(target, state)


def _built(shape, kind, by_columns, data):
    """The array that a state describes; one of objects as a list of what is in it, still to be finished."""
    whole = isinstance(shape, tuple) and len(shape) <= MOST_DIMENSIONS and isinstance(kind, _Type)
    if not whole or not all(type(side) is int and side >= 0 for side in shape):
        raise DataError("an array without shape or type: the file is damaged.")
    count = math.prod(shape)
    if kind.dtype.kind == "O":
        if not isinstance(data, list) or len(data) != count:
            raise DataError(f"an array of {count} things that lists others: the file is damaged.")
        return shape, data
    data = data.encode("latin1") if isinstance(data, str) else data
    if not isinstance(data, bytes) or len(data) != count * kind.dtype.itemsize:
        raise DataError(f"an array of {count} numbers has other bytes than these: the file is damaged.")
    return np.frombuffer(data, kind.dtype).reshape(shape, order="F" if by_columns else "C")


def read_objects(data: bytes) -> object:
    """What an array of objects holds.

    Args:
        data: bytes of the pickle in the file.

    Returns:
        list of numpy arrays, numbers, texts, or lists of these; of an array of several dimensions, lists in lists.

    Raises:
        DataError: it holds something else, or is damaged.
    """
    try:
        value = RaggedUnpickler(io.BytesIO(data)).load()
        budget = [len(data) + 1]  # whatever is listed takes a byte or more, unless it is listed again and again
        return _finished(value, budget, 0)
    except DataError:
        raise
    except Exception as error:  # a damaged pickle raises whatever it likes
        raise DataError(f"its list of arrays is damaged ({type(error).__name__}: {str(error)[:100]}).") from error


def _finished(value, budget, depth):
    """A value with arrays in place of their descriptions."""
    budget[0] -= 1
    if budget[0] < 0 or depth > DEEPEST + 1:
        raise DataError(f"it repeats its lists, or nests them deeper than {DEEPEST}: refused.")
    if isinstance(value, _Array):
        value = value.value
        if isinstance(value, np.ndarray):
            return value
        if value is None:
            raise DataError("an array without numbers: the file is damaged.")
        shape, items = value
        return _nested([_finished(item, budget, depth + 1) for item in items], shape)
    if isinstance(value, (list, tuple)):
        return [_finished(item, budget, depth + 1) for item in value]
    if isinstance(value, (bool, int, float, str, np.number, np.bool_)):
        return value
    raise DataError(f"it holds {'nothing' if value is None else type(value).__name__.strip('_')} where an array, a "
                    "list or a number should be: save arrays of numbers.")


def _nested(items, shape):
    """A list of a shape, as lists in lists."""
    if len(shape) == 0:
        return items[0]
    for side in shape[:0:-1]:
        items = [items[start:start + side] for start in range(0, len(items), side)] if side else []
    return items
