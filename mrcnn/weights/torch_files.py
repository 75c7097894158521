"""Tensors of a PyTorch weight file (.pth), read without PyTorch and without running anything that the file says.

Both of its forms hold a pickle that names tensors, and their bytes beside it. The reader knows the few names that a
dict of tensors needs and refuses every other one, so that a file can neither import nor call anything.
"""

import collections
import io
import pickle
import zipfile

import numpy as np

from mrcnn.errors import CheckpointError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
STORAGE_TYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


def read_torch_file(path):
    """{name: numpy array} of a state dict.

    Args:
        path: of a .pth or .pt file in PyTorch's zip form (since 1.6) or the form before it.

    Raises:
        CheckpointError: naming the file if it is neither, holds anything but a dict of tensors, or is cut short.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read the weights ({error.strerror}): check the path.") from error
    try:
        state = _read_zip(content) if content[:2] == b"PK" else _read_legacy(content)
        return {str(name): _array(value) for name, value in state.items()}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:  # a damaged pickle raises whatever it likes
        raise CheckpointError(f"{path}: no readable PyTorch weights ({type(error).__name__}: {error}).") from error


class _Tensor:
    """A tensor as the pickle describes it: a view of a storage that may be read later."""

    def __init__(self, storage, offset, size, stride):
        self.storage, self.offset, self.size, self.stride = storage, int(offset), tuple(size), tuple(stride)


class _Storage:
    def __init__(self, dtype, count):
        self.dtype, self.count, self.values = dtype, int(count), None


def _rebuild_tensor(storage, offset, size, stride, *_):
    return _Tensor(storage, offset, size, stride)


def _rebuild_parameter(tensor, *_):
    return tensor


class _TensorUnpickler(pickle.Unpickler):
    """Knows the names of a dict of tensors, and refuses every other one."""

    def __init__(self, file, load_storage):
        super().__init__(file, encoding="utf-8")
        self._load_storage = load_storage

    def find_class(self, module, name):
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        }
        if (module, name) in known:
            return known[module, name]
        if module == "torch" and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        raise CheckpointError(f"it asks for {module}.{name}, which a dict of tensors does not need: refused.")

    def persistent_load(self, reference):
        kind, dtype, key, _, count = reference[:5]
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise CheckpointError("it refers to something that is no tensor: refused.")
        return self._load_storage(dtype, str(key), count)


def _read_zip(content):
    archive = zipfile.ZipFile(io.BytesIO(content))
    names = [name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"]
    if len(names) != 1:
        raise CheckpointError("a zip file, but not PyTorch's.")
    folder = names[0][: -len("data.pkl")]

    def load_storage(dtype, key, count):
        storage = _Storage(dtype, count)
        storage.values = np.frombuffer(archive.read(f"{folder}data/{key}"), dtype, int(count))
        return storage

    return _checked(_TensorUnpickler(io.BytesIO(archive.read(names[0])), load_storage).load())


def _read_legacy(content):
    """Magic number, version, system, the dict, the keys of its storages, then each storage: count and bytes."""
    file, storages = io.BytesIO(content), {}

    def load_storage(dtype, key, count):
        return storages.setdefault(key, _Storage(dtype, count))

    def load():
        return _TensorUnpickler(file, load_storage).load()

    if load() != LEGACY_MAGIC:
        raise CheckpointError("no PyTorch weights.")
    load(), load()
    state = _checked(load())
    for key in load():
        storage, count = storages[key], int(np.frombuffer(file.read(8), "<i8")[0])
        data = file.read(count * storage.dtype.itemsize)
        storage.values = np.frombuffer(data, storage.dtype, count)
    return state


def _checked(state):
    """The dict of tensors, taken out of the dict that training scripts put round it."""
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, _Tensor) for value in state.values()):
        raise CheckpointError("it holds something else than a dict of tensors.")
    return state


def _array(tensor):
    values = tensor.storage.values
    if not tensor.size:
        return values[tensor.offset].copy()
    strides = tuple(stride * values.itemsize for stride in tensor.stride)
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.size, tensor.stride))
    if 0 in tensor.size:
        return np.zeros(tensor.size, values.dtype)
    if min(tensor.stride) < 0 or tensor.offset < 0 or last >= len(values):
        raise CheckpointError("a tensor reaches beyond its data: the file is damaged.")
    return np.lib.stride_tricks.as_strided(values[tensor.offset:], tensor.size, strides, writeable=False).copy()
