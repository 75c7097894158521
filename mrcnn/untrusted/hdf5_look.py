"""A look through an HDF5 file that nobody vouches for, before it is read: bounded in objects, depth and bytes.

HDF5's library follows links into other files, fills sparse arrays and reads damaged texts without end. `look` refuses
what weights have no need of. Texts of variable length lie in *global heaps*, whose reading can loop in C for ever when
they are damaged; then the look is taken by a process of its own, which can be ended:

    python -c "from mrcnn.untrusted.hdf5_look import main; main(PATH)"
"""

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

import h5py

from mrcnn.errors import CheckpointError

DEEPEST = 12  # groups within groups; a whole Keras model has 5
MOST_OBJECTS = 100_000
MOST_ATTRIBUTES = 10_000  # of one object
MOST_TIMES = 16  # all arrays unpacked take no more than so many times the file
MOST_TIMES_PACKED = 1100  # times its stored bytes that one packed array takes: deflate reaches 1032
MOST_DIMENSIONS = 16
LARGEST_CHUNK = 1 << 30  # bytes that are unpacked at once
NUMBERS, TEXTS_AND_LISTS = "fiub", "OS"  # kinds of the types of arrays
HEAP = b"GCOL"  # where texts of variable length begin
SECONDS, BYTES_A_SECOND = 20, 20_000_000  # that a look apart may take, and a file's bytes beside them


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


def arrays_of(root: object, size: int, whole: bool = True) -> Iterator:
    """Yield (name, h5py.Dataset) of the arrays below a group, each checked before it is given.

    Args:
        root: h5py.File or Group.
        size: bytes of the file.
        whole: whether all are to be read whole; else a part at a time, and each is checked by itself: packed masks
            take hundreds of times their file. Arrays of texts and of lists are then given too.

    Raises:
        CheckpointError: see `look`.
    """
    waiting, objects, total = [(root, "", 0)], 0, 0
    kinds = NUMBERS if whole else NUMBERS + TEXTS_AND_LISTS
    while waiting:
        group, prefix, depth = waiting.pop()
        objects += len(group)
        if objects > MOST_OBJECTS or depth > DEEPEST:
            raise CheckpointError(f"it has more than {MOST_OBJECTS} objects, or groups nested deeper than {DEEPEST}: "
                                  "refused.")
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise CheckpointError(f"{prefix}{name} is a link, perhaps to another file: refused.")
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((item, f"{prefix}{name}/", depth + 1))
            elif isinstance(item, h5py.Dataset) and item.dtype.kind in kinds:
                claimed = _checked_bytes(item, f"{prefix}{name}")
                total += claimed if whole else _checked_part(item, f"{prefix}{name}", claimed)
                if total > MOST_TIMES * size:
                    raise CheckpointError(f"its arrays take more than {MOST_TIMES} times the {size} bytes of the file: "
                                          "refused.")
                yield f"{prefix}{name}", item


def _checked_bytes(array, name):
    """Bytes that an array takes in memory. Raises CheckpointError if they are not in this file."""
    if array.external or array.is_virtual:
        raise CheckpointError(f"{name} has its numbers in another file: refused.")
    if len(array.shape or ()) > MOST_DIMENSIONS:
        raise CheckpointError(f"{name} has {len(array.shape)} dimensions: refused.")
    claimed = 0 if array.shape is None else math.prod(array.shape) * array.dtype.itemsize
    stored, packed = array.id.get_storage_size(), array.id.get_create_plist().get_nfilters() > 0
    if not packed and claimed > stored:
        raise CheckpointError(f"{name} claims {claimed} bytes and has {stored}: damaged, or sparse.")
    return claimed


def _checked_part(array, name, claimed):
    """0, for an array of which parts are read. Raises CheckpointError if it claims what no packing gives."""
    if claimed > MOST_TIMES_PACKED * array.id.get_storage_size():
        raise CheckpointError(f"{name} claims {claimed} bytes and has {array.id.get_storage_size()}: damaged, or "
                              "sparse.")
    if array.chunks and math.prod(array.chunks) * array.dtype.itemsize > LARGEST_CHUNK:
        raise CheckpointError(f"{name} is packed in chunks of {array.chunks}, more than {LARGEST_CHUNK} bytes each: "
                              "save it in smaller ones.")
    return 0


def look_apart(path: str | os.PathLike, size: int, names: Sequence[str] = ()) -> str | None:
    """What `main` says of a file in a process of its own, or None: it may hang, or end the process.

    Args:
        path: of the file.
        size: of it, bytes.
        names: of arrays of texts or lists, to be read besides.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = f"import sys; sys.path.insert(0, {root!r}); from {__name__} import main; main(*sys.argv[1:])"
    try:
        done = subprocess.run([sys.executable, "-c", code, path, *names], capture_output=True, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, timeout=SECONDS + size / BYTES_A_SECOND)
    except subprocess.TimeoutExpired:
        return "it is damaged: reading it does not end"
    if done.returncode == 0:
        return None
    return done.stdout.strip() if done.returncode == 3 else "it is damaged: reading it ends the process"


def read_arrays(path: str | os.PathLike, names: Sequence[str]) -> None:
    """Read arrays of texts or lists once, which is what may never end."""
    with h5py.File(path, "r") as file:
        for name, array in arrays_of(file, os.path.getsize(path), whole=False):
            if name in names:
                array[()]


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


def main(path: str | os.PathLike, *names: str) -> None:
    """Look through a file and end the process: 0 if all is well, 3 with a line on stdout if it is refused.

    Args:
        path: of the file.
        names: of arrays of texts or lists to read; without, attributes are read.
    """
    try:
        if names:
            read_arrays(path, names)
        else:
            look(path)
            read_texts(path)
    except CheckpointError as error:
        print(error)
        sys.exit(3)
    except Exception as error:  # the library raises whatever it likes on a damaged file
        print(f"it is damaged or cut short ({type(error).__name__}: {str(error)[:200]})")
        sys.exit(3)
    sys.exit(0)
