"""Tensors of a PyTorch weight file (.pth), read without PyTorch and without running anything that the file says.

Both of its forms hold a pickle that names tensors, and their bytes beside it. `torch_pickle` reads the pickle; here
each size is held against the file before memory of that size is taken: a small file cannot ask for a large one. What
the pickle makes beside the tensors is bounded by its size and by the number of its instructions.
"""

import io
import math
import os
import zipfile

import numpy as np

from mrcnn.errors import CheckpointError
from mrcnn.weights.torch_pickle import Storage, Tensor, TensorUnpickler

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LARGEST_FILE = 1 << 35  # bytes; no weights of a network of this kind come near 32 GB
LARGEST_PICKLE = 1 << 26  # bytes: that of a state dict has about 200 for each tensor
MOST_TIMES = 4  # all tensors together take no more than so many times the file: tied weights are views of one storage


def read_torch_file(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """{name: numpy array} of a state dict.

    Args:
        path: of a .pth or .pt file in PyTorch's zip form (since 1.6) or the form before it.

    Raises:
        CheckpointError: naming the file, if it is neither, holds anything but a dict of tensors, asks for more than
            that needs, has tensors that take far more memory than it has bytes, or is cut short.
    """
    try:
        size = os.path.getsize(path)
        if size > LARGEST_FILE:
            raise CheckpointError(f"{size} bytes, more than any weights have: refused.")
        with open(path, "rb") as file:
            zipped = file.read(2) == b"PK"
            file.seek(0)
            state = _read_zip(file) if zipped else _read_legacy(file, size)
            _check_memory(state, size)
            return {str(name): _array(value) for name, value in state.items()}
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read the weights ({error.strerror}): check the path.") from error
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:  # a damaged pickle raises whatever it likes
        raise CheckpointError(f"{path}: no readable PyTorch weights ({type(error).__name__}: {error}).") from error


def _read_zip(file):
    archive = zipfile.ZipFile(file)
    names = [name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"]
    if len(names) != 1:
        raise CheckpointError("a zip file, but not PyTorch's.")
    folder, storages = names[0][: -len("data.pkl")], {}

    def load_storage(dtype, key, count):
        if key not in storages:
            storages[key] = storage = Storage(dtype, count)
            data = _stored(archive, f"{folder}data/{key}", count * dtype.itemsize)
            storage.values = np.frombuffer(data, dtype, count)
        elif (storages[key].dtype, storages[key].count) != (dtype, count):
            raise CheckpointError(f"storage {key[:40]} has two sizes: the file is damaged.")
        return storages[key]

    return _checked(TensorUnpickler(io.BytesIO(_stored(archive, names[0])), load_storage).load())


def _stored(archive, name, size=None):
    """The bytes of a member of PyTorch's zip, which are never compressed. size: how many there must be at least."""
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
        raise CheckpointError("its zip is compressed, which PyTorch's is not: refused.")
    if size is None and member.file_size > LARGEST_PICKLE:
        raise CheckpointError(f"its pickle has {member.file_size} bytes, more than a dict of tensors needs: refused.")
    if size is not None and member.file_size < size:
        raise CheckpointError(f"a storage of {size} bytes has {member.file_size}: the file is damaged.")
    return archive.read(member)


class _PickleReader:
    """What an unpickler reads from a file with pickles at its beginning, LARGEST_PICKLE bytes at most in all."""

    def __init__(self, file):
        self._file, self._left = file, LARGEST_PICKLE

    def read(self, count):
        self._take(count)  # before memory of that size is taken
        return self._file.read(count)

    def readline(self):
        line = self._file.readline(self._left + 1)
        self._take(len(line))
        return line

    def _take(self, count):
        self._left -= count
        if self._left < 0:
            raise CheckpointError(f"its pickles have more than {LARGEST_PICKLE} bytes, which a dict of tensors does "
                                  "not need: refused.")


def _read_legacy(file, size):
    """Magic number, version, system, the dict, the keys of its storages, then each storage: count and bytes."""
    storages, pickles = {}, _PickleReader(file)

    def load_storage(dtype, key, count):
        return storages.setdefault(key, Storage(dtype, count))

    def load():
        return TensorUnpickler(pickles, load_storage).load()

    if load() != LEGACY_MAGIC:
        raise CheckpointError("no PyTorch weights.")
    load(), load()
    state, keys = _checked(load()), load()
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in storages for key in keys):
        raise CheckpointError("its list of storages does not fit its tensors: the file is damaged.")
    for key in keys:
        storage, count = storages[key], int(np.frombuffer(file.read(8), "<i8")[0])
        length = count * storage.dtype.itemsize
        if count != storage.count or length > size - file.tell():
            raise CheckpointError("a storage reaches beyond the end of the file: it is damaged or cut short.")
        storage.values = np.frombuffer(file.read(length), storage.dtype, count)
    return state


def _checked(state):
    """The dict of tensors, taken out of the dict that training scripts put round it."""
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError("it holds something else than a dict of tensors.")
    return state


def _check_memory(state, size):
    """Raise CheckpointError if the tensors reach beyond their storages, or take far more memory than the file."""
    total = 0
    for name, tensor in state.items():
        count, values = math.prod(tensor.size), tensor.storage.values
        last = tensor.offset + sum((side - 1) * stride for side, stride in zip(tensor.size, tensor.stride, strict=True))
        if values is None or (count and last >= len(values)):
            raise CheckpointError(f"tensor {str(name)[:60]} reaches beyond its data: the file is damaged.")
        if count > len(values):
            raise CheckpointError(f"tensor {str(name)[:60]} repeats the {len(values)} numbers of its storage to "
                                  f"{count}: save a copy of it (tensor.clone()).")
        total += count * values.itemsize
    if total > MOST_TIMES * size:
        raise CheckpointError(f"its tensors take {total} bytes, the file has {size}: refused.")


def _array(tensor):
    values = tensor.storage.values
    if 0 in tensor.size:
        return np.zeros(tensor.size, values.dtype)
    if not tensor.size:
        return values[tensor.offset].copy()
    strides = tuple(stride * values.itemsize for stride in tensor.stride)
    return np.lib.stride_tricks.as_strided(values[tensor.offset:], tensor.size, strides, writeable=False).copy()
