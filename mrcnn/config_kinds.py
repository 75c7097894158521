"""The kinds of values that settings take: each reads a value into Python's own type, and says what it wants.

`read(value)` raises ValueError for what is no such value; `wanted` is the text of what to give instead.
"""

import copy
import dataclasses
import math
from collections.abc import Callable

import numpy as np

from mrcnn.config_chains import steps_of
from mrcnn.errors import DataError

STEP = 80  # letters of a step of refinement with its settings
CHANGEABLE = (dict, list, np.ndarray)  # values that can be changed in place


class Unfit(ValueError):
    """A value that is refused in words of its own, with the remedy."""


@dataclasses.dataclass(frozen=True)
class Number:
    """A finite number, both ends of its range included; with `whole` an int, which 100.0 counts as."""

    least: float = -math.inf
    most: float = math.inf
    whole: bool = False

    def read(self, value: object) -> float:
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError
        if isinstance(value, float):
            if not math.isfinite(value) or self.whole and not value.is_integer():
                raise ValueError
            value = int(value) if self.whole else value
        if not self.least <= value <= self.most:
            raise ValueError
        return value

    def named(self, many: str = "") -> str:
        """The kind and range in words.

        Args:
            many: "s" for several of them.
        """
        limits = f" from {self.least} to {self.most}"
        if self.most == math.inf:
            limits = f", {self.least} or more" if self.least > -math.inf else ""
        return f"{'whole ' if self.whole else ''}number{many}{limits}"

    @property
    def wanted(self) -> str:
        return f"a {self.named()}"


@dataclasses.dataclass(frozen=True)
class Numbers:
    """A list, tuple or array of numbers, `length` of them or any number but none."""

    item: Number
    length: int | None = None

    def read(self, value: object) -> np.ndarray | tuple:
        if not isinstance(value, (list, tuple, np.ndarray)) or not len(np.shape(value)) == 1 or not len(value):
            raise ValueError
        if self.length not in (None, len(value)):
            raise ValueError
        items = [self.item.read(one) for one in value]
        if isinstance(value, np.ndarray):
            return np.array(items) if self.item.whole else value.copy()  # the caller goes on with that one
        return tuple(items) if isinstance(value, tuple) else items

    @property
    def wanted(self) -> str:
        return f"a list of {self.length or 'one or more'} {self.item.named('s')}"


@dataclasses.dataclass(frozen=True)
class Switch:
    """True or False, for which 1 and 0 are taken too."""

    wanted = "True or False"

    def read(self, value: object) -> bool:
        if isinstance(value, (bool, np.bool_)) or type(value) is int and value in (0, 1):
            return bool(value)
        raise ValueError


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of several texts, or of several whole numbers."""

    choices: tuple

    def read(self, value: object) -> str | int:
        value = str(value) if isinstance(value, str) else Number(whole=True).read(value)
        if value not in self.choices:
            raise ValueError
        return value

    @property
    def wanted(self) -> str:
        return f"one of {', '.join(map(str, self.choices))}"


@dataclasses.dataclass(frozen=True)
class SumOf:
    """One of several texts, or some of them with + in between."""

    choices: tuple

    def read(self, value: object) -> object:
        parts = value.split("+") if isinstance(value, str) else []
        if not parts or len(set(parts)) < len(parts) or not set(parts) <= set(self.choices):
            raise ValueError
        return str(value)

    @property
    def wanted(self) -> str:
        return f"some of {', '.join(self.choices)}, with + in between"


@dataclasses.dataclass(frozen=True)
class Either:
    """What one of two kinds takes."""

    first: object
    second: object

    def read(self, value: object) -> object:
        try:
            return self.first.read(value)
        except (ValueError, TypeError):
            return self.second.read(value)

    @property
    def wanted(self) -> str:
        return f"{self.first.wanted}, or {self.second.wanted.removeprefix('one of ')}"


@dataclasses.dataclass(frozen=True)
class Text:
    """A text, if `name` is set one that can name a folder."""

    name: bool = False

    def read(self, value: object) -> str:
        if not isinstance(value, str) or self.name and any(letter in "/\\\0\r\n" for letter in value):
            raise ValueError
        return str(value)

    @property
    def wanted(self) -> str:
        return "a text without slashes, which names a folder" if self.name else "a text"


@dataclasses.dataclass(frozen=True)
class Chain:
    """The description of a chain of refinement, as `mrcnn.labeling.refine.build_chain` takes it."""

    wanted = "none, or steps of refinement with commas between, such as guided"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or max(map(len, value.split(","))) > STEP:
            raise ValueError
        try:
            steps_of(value)
        except DataError as error:
            raise Unfit(str(error)) from error
        return str(value)


@dataclasses.dataclass(frozen=True)
class Texts:
    """A list or tuple of texts, one or more, none of them empty or twice."""

    wanted = "a list of texts that differ"

    def read(self, value: object) -> list | tuple:
        if not isinstance(value, (list, tuple)) or not value or len(set(value)) < len(value):
            raise ValueError
        if not all(isinstance(text, str) and text.strip() for text in value):
            raise ValueError
        texts = [str(text) for text in value]
        return tuple(texts) if isinstance(value, tuple) else texts


@dataclasses.dataclass(frozen=True)
class Lists:
    """A list or tuple of lists of numbers, each of any length."""

    item: Number

    def read(self, value: object) -> list:
        if not isinstance(value, (list, tuple)) or not all(isinstance(row, (list, tuple)) for row in value):
            raise ValueError
        return [[self.item.read(one) for one in row] for row in value]

    @property
    def wanted(self) -> str:
        return f"a list of lists of {self.item.named('s')}"


@dataclasses.dataclass(frozen=True)
class Function:
    """A function, or if `named` the name of what this package has."""

    named: bool = False

    def read(self, value: object) -> object:
        if callable(value) or self.named and isinstance(value, str):
            return value
        raise ValueError

    @property
    def wanted(self) -> str:
        return "a name or a function" if self.named else "a function"


@dataclasses.dataclass(frozen=True)
class Weights:
    """A dict of names and numbers, 0 or more."""

    wanted = "a dict with a number, 0 or more, for each loss"

    def read(self, value: object) -> dict:
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise ValueError
        return {name: Number(0).read(weight) for name, weight in value.items()}


@dataclasses.dataclass(frozen=True)
class OrNone:
    """None, or what another rule takes.

    Args:
        example: of the latter, where the default is None.
    """

    rule: object
    example: object = None

    def read(self, value: object) -> object:
        return None if value is None else self.rule.read(value)

    @property
    def wanted(self) -> str:
        return f"{self.rule.wanted}, or None"


def is_computed(value: object) -> bool:
    """Whether what a class has under a name is a property or the like; functions, which are values, are none."""
    return hasattr(type(value), "__get__") and not callable(value)


def plain(value: object) -> object:
    """Bring a value of a setting into types that JSON has.

    Args:
        value: any; arrays become lists, functions their names, other objects text.
    """
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return str(value)


def unshared(value: object) -> object:
    """Copy a value of a setting that can be changed in place, with all that it holds; any other stays as it is."""
    if type(value) in (dict, FixedDict):
        return {key: unshared(item) for key, item in value.items()}
    if type(value) in (list, FixedList):
        return [unshared(item) for item in value]
    return copy.copy(value) if isinstance(value, CHANGEABLE) else value


class FixedList(list):
    """A list that refuses changes by a call of its `refuse`; copies of it, and all in them, are lists as any."""

    refuse = None

    def _changed(self, *_, **__):
        self.refuse()

    append = extend = insert = pop = remove = clear = sort = reverse = _changed
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _changed

    def copy(self) -> list | dict:
        return unshared(self)

    def __reduce__(self):
        return list, (unshared(self),)


class FixedDict(dict):
    """A dict that refuses changes, as `FixedList` does."""

    refuse, _changed, copy = None, FixedList._changed, FixedList.copy
    update = setdefault = pop = popitem = clear = __setitem__ = __delitem__ = __ior__ = _changed

    def __reduce__(self):
        return dict, (unshared(self),)


def fixed(value: object, refuse: Callable[[], None]) -> object:
    """Copy a value of a setting into one that cannot be changed in place; any that never can stays as it is.

    Args:
        value: any; arrays become such as can be read only.
        refuse: raises the error of who tries to change a list or dict.
    """
    if type(value) in (dict, FixedDict):
        kept = FixedDict({key: fixed(item, refuse) for key, item in value.items()})
    elif type(value) in (list, FixedList):
        kept = FixedList(fixed(item, refuse) for item in value)
    elif isinstance(value, np.ndarray):
        kept = value.copy()
        kept.flags.writeable = False
        return kept
    else:
        return value
    kept.refuse = refuse
    return kept
