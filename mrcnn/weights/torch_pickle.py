"""The pickle in a PyTorch file, read by a machine that knows no more than a dict of tensors needs.

The `CutUnpickler` with the instructions that `torch.save` writes for a state dict. None of them can import, call or
change anything but what stands here, and sizes are looked at before anything of that size is made.
"""

import collections
from collections.abc import Callable

import numpy as np

from mrcnn.errors import CheckpointError
from mrcnn.untrusted.pickle_machine import CutUnpickler

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
MOST_DIMENSIONS = 32
MOST_INSTRUCTIONS = 1 << 20  # a tensor takes about 40; what so many make takes no more than about 200 MB
# Names of pickle's instructions. Not among them: other objects and their state, sets, numbers written as text.
INSTRUCTIONS = (
    "PROTO FRAME STOP MARK POP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE "
    "BINUNICODE8 BINSTRING SHORT_BINSTRING EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE EMPTY_LIST APPEND APPENDS EMPTY_DICT "
    "SETITEM SETITEMS BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL BINPERSID REDUCE BUILD"
)


class Storage:
    """Numbers that tensors are views of.

    Args:
        dtype: of the numbers.
        count: how many there are; `values` is set when they are read.
    """

    def __init__(self, dtype: object, count: int):
        if type(count) is not int or count < 0:
            raise CheckpointError(f"a storage of {str(count)[:40]} numbers: the file is damaged.")
        self.dtype, self.count, self.values = dtype, count, None


class Tensor:
    """A tensor as the pickle describes it: a view of a storage that may be read later."""

    def __init__(self, storage: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]):
        whole = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= MOST_DIMENSIONS
        if not whole or not isinstance(storage, Storage):
            raise CheckpointError("a tensor without storage, size or stride: the file is damaged.")
        if not all(type(number) is int and number >= 0 for number in (offset, *size, *stride)):
            raise CheckpointError("a tensor whose size, stride or offset is no whole number: the file is damaged.")
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride


def _rebuild_tensor(storage, offset, size, stride, *_):
    return Tensor(storage, offset, size, stride)


def _rebuild_parameter(tensor, *_):
    return tensor


def _ordered_dict(*arguments):
    if arguments:
        raise CheckpointError("it calls what a dict of tensors does not need: refused.")
    return collections.OrderedDict()


KNOWN = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}


class TensorUnpickler(CutUnpickler):
    """Reads one pickle of a PyTorch file.

    Args:
        file: binary file at the pickle's beginning.
        load_storage: function (dtype, key, count) that gives the Storage of this key.
    """

    error = CheckpointError
    purpose = "a dict of tensors"
    known = KNOWN
    functions = (_rebuild_tensor, _rebuild_parameter, _ordered_dict)
    dispatch = CutUnpickler.instructions(INSTRUCTIONS)
    most_instructions = MOST_INSTRUCTIONS

    def __init__(self, file: object, load_storage: Callable) -> None:
        super().__init__(file)
        self._load_storage = load_storage

    def find_class(self, module: str, name: str) -> object:
        if module == "torch" and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        return super().find_class(module, name)

    def persistent_load(self, reference: tuple) -> Storage:
        if not isinstance(reference, tuple) or len(reference) < 5:
            raise CheckpointError("it refers to something that is no tensor: refused.")
        kind, dtype, key, _, count = reference[:5]
        if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(key, (str, int)):
            raise CheckpointError("it refers to something that is no tensor: refused.")
        return self._load_storage(dtype, str(key), count)

    def build(self, target: object, state: object) -> None:
        """The only state there is: the versions that a state dict carries, which nothing here needs."""
        if not isinstance(target, collections.OrderedDict):
            raise CheckpointError("it changes something that is no dict of tensors: refused.")
