"""The pickle in a PyTorch file, read by a machine that knows no more than a dict of tensors needs.

Python's own unpickler, with its instructions cut down to those that `torch.save` writes for a state dict. None of them
can import, call or change anything but what stands here: a function is never given attributes (BUILD), keys are texts
and numbers, and sizes are looked at before anything of that size is made.
"""

import collections
import pickle
from collections.abc import Callable

import numpy as np

from mrcnn.errors import CheckpointError

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
# Names of pickle's instructions. Not among them: other objects and their state, sets, numbers written as text.
INSTRUCTIONS = (
    "PROTO FRAME STOP MARK POP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE "
    "BINUNICODE8 BINSTRING SHORT_BINSTRING EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE EMPTY_LIST APPEND APPENDS EMPTY_DICT "
    "SETITEM SETITEMS BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL BINPERSID REDUCE BUILD"
).split()


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


KNOWN = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}


class TensorUnpickler(pickle._Unpickler):
    """Reads one pickle of a PyTorch file.

    Args:
        file: binary file at the pickle's beginning.
        load_storage: function (dtype, key, count) that gives the Storage of this key.
    """

    dispatch = {getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]] for name in INSTRUCTIONS}

    def __init__(self, file: object, load_storage: Callable):
        super().__init__(file, encoding="utf-8")
        self._load_storage = load_storage

    def load(self) -> Tensor | dict:
        """The value of the pickle.

        Raises:
            CheckpointError: the pickle is damaged; other errors of a damaged pickle pass through.
        """
        try:
            return super().load()
        except KeyError as error:
            raise CheckpointError(f"its pickle has an instruction or a reference ({error}) that a dict of tensors does "
                                  "not need: refused.") from error

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        if module == "torch" and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        wanted = f"{str(module)[:60]}.{str(name)[:60]}"
        raise CheckpointError(f"it asks for {wanted}, which a dict of tensors does not need: refused.")

    def persistent_load(self, reference: tuple) -> Storage:
        if not isinstance(reference, tuple) or len(reference) < 5:
            raise CheckpointError("it refers to something that is no tensor: refused.")
        kind, dtype, key, _, count = reference[:5]
        if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(key, (str, int)):
            raise CheckpointError("it refers to something that is no tensor: refused.")
        return self._load_storage(dtype, str(key), count)

    # --- Instructions that are told more narrowly than pickle has them -----------------------------------------------
    def _reduce(self):
        arguments, function = self.stack.pop(), self.stack[-1]
        known = function is collections.OrderedDict and arguments == ()
        if not known and function not in (_rebuild_tensor, _rebuild_parameter):
            raise CheckpointError("it calls what a dict of tensors does not need: refused.")
        if not isinstance(arguments, tuple) or len(arguments) > 8:
            raise CheckpointError("a call without a tuple of few arguments: the file is damaged.")
        self.stack[-1] = function(*arguments)

    def _build(self):
        """The only state there is: the versions that a state dict carries, which nothing here needs."""
        self.stack.pop()
        if not isinstance(self.stack[-1], collections.OrderedDict):
            raise CheckpointError("it changes something that is no dict of tensors: refused.")

    def _set_item(self):
        value, key = self.stack.pop(), self.stack.pop()
        self._set(self.stack[-1], [(key, value)])

    def _set_items(self):
        items = self.pop_mark()
        self._set(self.stack[-1], zip(items[::2], items[1::2], strict=True))

    @staticmethod
    def _set(target, items):
        """Keys are looked at first: to hash one that is nested deeply would end the process."""
        for key, value in items:
            if not isinstance(key, (str, int)) or not isinstance(target, dict):
                raise CheckpointError(f"a dict with a key of type {type(key).__name__}: refused.")
            target[key] = value

    dispatch |= {pickle.REDUCE[0]: _reduce, pickle.BUILD[0]: _build, pickle.SETITEM[0]: _set_item,
                 pickle.SETITEMS[0]: _set_items}
