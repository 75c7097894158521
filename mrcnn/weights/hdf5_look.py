"""A look through an HDF5 file that nobody vouches for, before it is read: bounded in objects, depth and bytes.

HDF5's library follows links into other files, fills sparse arrays and reads damaged texts without end. `look` refuses
what weights have no need of. Texts of variable length lie in *global heaps*, whose reading can loop in C for ever when
they are damaged; then the look is taken by a process of its own, which can be ended:

    python -c "from mrcnn.weights.hdf5_look import main; main(PATH)"
"""

import math
import os
import sys
from collections.abc import Iterator

import h5py

from mrcnn.errors import CheckpointError

DEEPEST = 12  # groups within groups; a whole Keras model has 5
MOST_OBJECTS = 100_000
MOST_ATTRIBUTES = 10_000  # of one object
MOST_TIMES = 16  # all arrays unpacked take no more than so many times the file
MOST_DIMENSIONS = 16


def look(path: str | os.PathLike) -> list[str]:
    """Walk through all of a file.

    Args:
        path: of an HDF5 file.

    Returns:
        A list of the names of its arrays, as "group/layer/kernel:0".

    Raises:
        CheckpointError: it is no HDF5 file, refers to other files, or claims more than it has.
    """
    with h5py.File(path, "r") as file:
        return [name for name, _ in arrays_of(file, os.path.getsize(path))]


def arrays_of(root: object, size: int) -> Iterator:
    """Yield (name, h5py.Dataset) of the arrays below a group, each checked before it is given.

    Args:
        root: h5py.File or Group.
        size: bytes of the file.

    Raises:
        CheckpointError: see `look`.
    """
    waiting, objects, total = [(root, "", 0)], 0, 0
    while waiting:
        group, prefix, depth = waiting.pop()
        objects += len(group)
        if objects > MOST_OBJECTS or depth > DEEPEST:
            raise CheckpointError(f"it has more than {MOST_OBJECTS} objects, or groups nested deeper than {DEEPEST}: "
                                  "no weight file.")
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise CheckpointError(f"{prefix}{name} is a link, perhaps to another file: refused.")
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((item, f"{prefix}{name}/", depth + 1))
            elif isinstance(item, h5py.Dataset) and item.dtype.kind in "fiub":
                total += _checked_bytes(item, f"{prefix}{name}")
                if total > MOST_TIMES * size:
                    raise CheckpointError(f"its arrays take more than {MOST_TIMES} times the {size} bytes of the file: "
                                          "refused.")
                yield f"{prefix}{name}", item


def _checked_bytes(array, name):
    """Bytes that an array takes in memory. Raises CheckpointError if they are not in this file."""
    if array.external or array.is_virtual:
        raise CheckpointError(f"{name} has its numbers in another file: refused.")
    if len(array.shape or ()) > MOST_DIMENSIONS:
        raise CheckpointError(f"{name} has {len(array.shape)} dimensions: no weights.")
    claimed = 0 if array.shape is None else math.prod(array.shape) * array.dtype.itemsize
    stored, packed = array.id.get_storage_size(), array.id.get_create_plist().get_nfilters() > 0
    if not packed and claimed > stored:
        raise CheckpointError(f"{name} claims {claimed} bytes and has {stored}: damaged, or sparse.")
    return claimed


def read_texts(path: str | os.PathLike) -> None:
    """Read every attribute of a file once, which is what may never end."""
    with h5py.File(path, "r") as file:
        waiting, count = [(file, 0)], 0
        while waiting:
            item, depth = waiting.pop()
            count += 1
            if count > MOST_OBJECTS or depth > DEEPEST or len(item.attrs) > MOST_ATTRIBUTES:
                raise CheckpointError("it has more objects or attributes than any weight file.")
            for name in item.attrs:
                item.attrs[name]
            if isinstance(item, h5py.Group):
                waiting += [(item[name], depth + 1) for name in item
                            if isinstance(item.get(name, getlink=True), h5py.HardLink)]


def main(path: str | os.PathLike) -> None:
    """Look through a file and end the process: 0 if all is well, 3 with a line on stdout if it is refused."""
    try:
        look(path)
        read_texts(path)
    except CheckpointError as error:
        print(error)
        sys.exit(3)
    except Exception as error:  # the library raises whatever it likes on a damaged file
        print(f"it is damaged or cut short ({type(error).__name__}: {str(error)[:200]})")
        sys.exit(3)
    sys.exit(0)
