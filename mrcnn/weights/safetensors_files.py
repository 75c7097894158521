"""Tensors of a .safetensors file, read without its package.

The format: eight bytes of the header's length, the header as JSON, then the raw numbers of all tensors. The header
gives each tensor's type, shape and range of bytes; nothing in it can be run.
"""

import json
import math
import os

import numpy as np

from mrcnn.errors import CheckpointError

LONGEST_HEADER = 100_000_000  # bytes, the format's own limit
MOST_DIMENSIONS = 32
TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "BF16": "<u2",
}


def read_safetensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """{name: numpy array} of a .safetensors file; bfloat16 becomes float32.

    Raises:
        CheckpointError: naming the file if it is unreadable or cut short, or if a tensor's range, size and type
            contradict each other, overlap, or leave a gap.
    """
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            header, start = _read_header(file, size)
            ranges = _checked_ranges(header, size - start)
            tensors = {}
            for name, (dtype, shape, first, last) in ranges.items():
                file.seek(start + first)
                tensors[name] = _array(file.read(last - first), dtype, shape)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read the weights ({error.strerror}): check the path.") from error
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (ValueError, OverflowError, MemoryError) as error:  # a shape that no array can have
        raise CheckpointError(f"{path}: no readable tensors ({error}): the file is damaged.") from error
    return tensors


def _read_header(file, size):
    """(dict of the header, where the numbers begin)."""
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, LONGEST_HEADER):
        raise CheckpointError("no safetensors file, or cut short in its header.")
    try:
        header = json.loads(file.read(length).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"its header is no JSON ({type(error).__name__}): no safetensors file.") from error
    if not isinstance(header, dict):
        raise CheckpointError("its header is no JSON object: no safetensors file.")
    header.pop("__metadata__", None)
    if not header:
        raise CheckpointError("it holds no tensor.")
    return header, 8 + length


def _checked_ranges(header, size):
    """{name: (type, shape, first byte, last byte)}, which together fill the data exactly."""
    ranges = {name: _checked_range(name, entry, size) for name, entry in header.items()}
    end = 0
    for name, (_, _, first, last) in sorted(ranges.items(), key=lambda item: item[1][2:]):
        if first != end:
            word = "overlaps another one" if first < end else "leaves a gap before it"
            raise CheckpointError(f"tensor {name} {word}: the file is damaged.")
        end = last
    if end != size:
        raise CheckpointError(f"its tensors take {end} bytes of {size}: the file is damaged.")
    return ranges


def _checked_range(name, entry, size):
    def natural(values):
        return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)

    entry = entry if isinstance(entry, dict) else {}
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not natural(shape) or not natural(offsets) or len(offsets) != 2 or not isinstance(dtype, str):
        raise CheckpointError(f"tensor {name} lacks dtype, shape or data_offsets: the file is damaged.")
    # Before they are multiplied: thousands of huge numbers would take hours.
    if len(shape) > MOST_DIMENSIONS or max(shape, default=0) > max(size, 1 << 31):
        raise CheckpointError(f"tensor {name} has {len(shape)} dimensions, or one that is larger than the file: it is "
                              "damaged.")
    if dtype not in TYPES:
        raise CheckpointError(f"tensor {name} is of type {dtype}, which is none of {', '.join(TYPES)}.")
    first, last = offsets
    if not first <= last <= size:
        raise CheckpointError(f"tensor {name} reaches beyond the end of the file: it is damaged or cut short.")
    if math.prod(shape) * np.dtype(TYPES[dtype]).itemsize != last - first:
        raise CheckpointError(f"tensor {name} is {shape} of {dtype} in {last - first} bytes: the file is damaged.")
    return dtype, shape, first, last


def _array(data, dtype, shape):
    values = np.frombuffer(data, TYPES[dtype]).reshape(shape)
    if dtype == "BF16":  # the upper half of a float32
        return (values.astype("<u4") << 16).view("<f4")
    return values.copy()
