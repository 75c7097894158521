"""What a class of settings does with its constants: reads and refuses values, remembers what networks were built from,
writes and shows itself. The constants are in `mrcnn.config`, what each takes in `mrcnn.config_rules`.
"""

import contextlib
import contextvars
import difflib
import functools
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np

from mrcnn.config_kinds import CHANGEABLE, FixedDict, FixedList, Function, fixed, is_computed, plain, unshared
from mrcnn.config_rules import RULES, check_batch, checked, in_short, misspelt
from mrcnn.errors import ConfigError, DataError
from mrcnn.files import read_json, write_text

Own = TypeVar("Own", bound="BaseSettings")
# The names that are read while a network is built, None at other times; each thread has its own.
_READS = contextvars.ContextVar("settings read by the network that is being built", default=None)
_FOLLOWS = {
    "BATCH_SIZE": "IMAGES_PER_GPU * GPU_COUNT: set IMAGES_PER_GPU",
    "IMAGE_SHAPE": "other settings: set IMAGE_MAX_DIM (in mode crop IMAGE_MIN_DIM) or IMAGE_CHANNEL_COUNT",
    "IMAGE_META_SIZE": "NUM_CLASSES: set that",
}


class BaseSettings:
    """Constants in capitals that know what they take.

    A value that a setting cannot take, and a name that is a slip of the pen, raise ConfigError where they are written:
    in a subclass, as keyword argument or by assignment. Any other new name in capitals is the user's own, and takes
    anything. A setting that a network was built from cannot be assigned another value, nor be changed in place (arrays
    can only be read); one of a copy.copy() can.

    Args:
        overrides: values by name; BATCH_SIZE may be among them.

    Raises:
        ConfigError: for an unknown name, or a value that the setting cannot take.
    """

    _network = None  # in words, of the class that lists the constants of a network
    _built = None  # {name: value, as in to_dict} of what networks have been built from
    _of_class = None  # {name: value, as in to_dict} of these that are the class's, not given to this object
    _told_built = None  # function that tells of one that is not built into a network: see `hold`

    def __init_subclass__(cls, network=None, **options):
        """network: what to call it, of a class that brings the settings of a new network with it."""
        super().__init_subclass__(**options)
        if network:
            cls._network = network
        parents = cls.__mro__[1:]
        for name, value in list(vars(cls).items()):
            if _in_capitals(name) and not is_computed(value):
                if isinstance(getattr(super(cls, cls), name, None), property):
                    continue
                _refuse_name(name, parents, new_allowed=bool(network))
                value = getattr(cls, name)
                kept = cls._checked(name, value)
                if kept is not value:
                    setattr(cls, name, kept)
        cls._take_derived()

    def __init__(self, **overrides: object):
        # Own ones, so that config.LOSS_WEIGHTS["..."] = 2, or config.MEAN_PIXEL -= 10, changes this object alone.
        # What a subclass assigned before it called this, or the object has from an earlier call, stays.
        constants = {name: vars(self).get(name, getattr(type(self), name, None)) for name in self.names()}
        vars(self).update({name: unshared(value) for name, value in constants.items() if isinstance(value, CHANGEABLE)})
        self.set(**overrides)

    def set(self: Own, **overrides: object) -> Own:
        """Assign settings by name, all or none of them.

        Args:
            overrides: values by name; BATCH_SIZE may be among them.

        Returns:
            The object itself.

        Raises:
            ConfigError: for a name that this class does not have, one that follows from others and is not what they
                give, a value that the setting cannot take, or two batch sizes.
        """
        computed = {n for n in overrides if n != "BATCH_SIZE" and isinstance(getattr(type(self), n, None), property)}
        for name in overrides:
            if name not in computed and name not in self.names() and name != "BATCH_SIZE":
                close = difflib.get_close_matches(name.upper(), [*self.names(), "BATCH_SIZE"], 1)
                hint = f"did you mean {close[0]}?" if close else "mrcnn/config.py lists the names."
                raise ConfigError(f"Unknown setting {name!r}: {hint}")
        check_batch(overrides, getattr(self, "GPU_COUNT", 1))
        before = dict(vars(self))
        try:
            # BATCH_SIZE is shared out among GPU_COUNT devices, and what is computed tells what it follows from.
            for name in sorted(overrides, key=lambda name: (name in computed, name != "GPU_COUNT")):
                setattr(self, name, overrides[name])
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def __setattr__(self, name, value):
        if not _in_capitals(name):
            super().__setattr__(name, value)
        elif isinstance(derived := getattr(type(self), name, None), property):
            if derived.fset:
                super().__setattr__(name, value)
            elif not np.array_equal(getattr(self, name), value):
                follows = _FOLLOWS.get(name, f"a property of {type(self).__name__}: change what that reads")
                raise ConfigError(f"{name}={in_short(value)}: it follows from {follows}.")
        else:
            _refuse_name(name, type(self).__mro__)
            value = unshared(self._checked(name, value))  # also from what another object's network was built from
            self._refuse_if_built(name, value)
            super().__setattr__(name, value)
            self._fix([name] if name in (self._built or {}) else [])

    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        if (reads := _READS.get()) is None or not _in_capitals(name):
            return value
        reads.add(name)
        # Libraries of tensors take lists alone, no kinds of them: a network that is built once more is given such.
        return unshared(value) if isinstance(value, (FixedDict, FixedList)) else value

    @classmethod
    def _checked(cls, name, value):
        """The value of a setting as it is kept. Raises ConfigError for one that it cannot take."""
        return checked(name, value, getattr(cls._of_network(), name, None)) if name in RULES else value

    @classmethod
    def _of_network(cls):
        """The class that lists the network's constants, of which this one may be a user's subclass."""
        return next(one for one in cls.__mro__ if "_network" in vars(one))

    @classmethod
    def network(cls) -> str:
        """Name the network that the settings are of.

        Returns:
            A name for people, such as "Mask R-CNN".
        """
        return cls._of_network()._network

    @classmethod
    def of_their_own(cls) -> dict[str, object]:
        """Tell what a user's subclass says beside, or other than, the class that lists the network's settings.

        Returns:
            {name: value}.
        """
        classes = cls.__mro__[: cls.__mro__.index(cls._of_network())]
        return {name: getattr(cls, name) for one in classes for name in vars(one) if _in_capitals(name)}

    @classmethod
    def _take_derived(cls):
        """Take what a class gives for a derived value as assigned, for a constant would hide the property for good."""
        for name in [name for name in _FOLLOWS if name in vars(cls) and not is_computed(vars(cls)[name])]:
            value = vars(cls)[name]
            delattr(cls, name)
            probe = cls.__new__(cls)
            setattr(probe, name, value)
            if name == "BATCH_SIZE" and probe.IMAGES_PER_GPU != cls.IMAGES_PER_GPU:
                if "IMAGES_PER_GPU" in vars(cls):
                    raise ConfigError(f"BATCH_SIZE={value} of {cls.__name__} is not its IMAGES_PER_GPU="
                                      f"{cls.IMAGES_PER_GPU} * GPU_COUNT={cls.GPU_COUNT}: leave one of them out.")
                cls.IMAGES_PER_GPU = probe.IMAGES_PER_GPU

    # --- Checks, and what networks are built from --------------------------------------------------------------------
    def check(self) -> None:
        """Check all settings, alone and together.

        Raises:
            ConfigError: at the first setting that no network can be built from, or that is no longer what one was
                built from.
        """
        token = _READS.set(None)  # to check is not to build from
        try:
            for name in RULES:
                if hasattr(type(self), name):
                    self._checked(name, getattr(self, name))
            for name in self.names():
                _refuse_name(name, type(self)._of_network().__mro__, new_allowed=name in RULES)
            for name in self._built or {}:
                self._refuse_if_built(name, getattr(self, name))
                of_class = getattr(type(self), name, None)
                if name in self._of_class and plain(of_class) != self._of_class[name]:
                    self._refuse_built(name, f"{in_short(of_class)} of {type(self).__name__}: ")
            self.check_together()
        finally:
            _READS.reset(token)

    def check_together(self) -> None:
        """Raise ConfigError for settings that do not fit together; each network's settings add to it."""

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Open a block that builds a network: what it reads of the settings cannot be assigned another value
        afterwards, nor be changed in place.

        Returns:
            A context manager.
        """
        reads = set()
        token = _READS.set(reads)
        try:
            yield
        finally:
            _READS.reset(token)
        built = {name: plain(getattr(self, name)) for name in reads.intersection(self.names())}
        self._built = {**(self._built or {}), **built}
        self._fix(built)

    def hold(self, names: Iterable[str], told: Callable[[str], str]) -> None:
        """Refuse other values of settings from now on, as `building` does of what a network was built from.

        Args:
            names: of the settings.
            told: function of a name that gives the message: what has the value, and the remedy.
        """
        self._built, self._told_built = {name: plain(getattr(self, name)) for name in names}, told
        self._fix(self._built)

    def _fix(self, names):
        """Keep values of settings from changes in place, and in the class, which no assignment here would show."""
        own, classes = vars(self), {name: plain(getattr(type(self), name, None)) for name in names}
        # Of the class are also lists and the like that this object has a copy of since it was made.
        taken = {name: value for name, value in classes.items() if name not in own
                 or isinstance(own[name], CHANGEABLE) and plain(own[name]) == value}
        self._of_class = {**(self._of_class or {}), **taken}
        # Functions stay the class's: one that is kept here would be bound to this object in all copies of it.
        own.update({name: fixed(value, functools.partial(self._refuse_built, name, ""))
                    for name in names if not callable(value := getattr(self, name))})

    def _refuse_if_built(self, name, value):
        built = self._built or {}
        if name in built and plain(value) != built[name]:
            self._refuse_built(name, f"{in_short(value)}: ")

    def _refuse_built(self, name, asked):
        if self._told_built:
            raise ConfigError(f"{self._told_built(name)} A copy.copy(config) takes any value.")
        raise ConfigError(
            f"{name}={asked}{in_short(self._built[name])} is built into a network already; make another by "
            f"from_checkpoint(path, {name}=...), or from a copy.copy(config) that is given the value."
        )

    def __getstate__(self):
        """What copies and pickles have: all but the memory of networks, which were built from this object."""
        kept = {name: value for name, value in vars(self).items() if name not in ("_built", "_of_class", "_told_built")}
        return {name: unshared(value) for name, value in kept.items()}

    # --- Reading, writing, showing -----------------------------------------------------------------------------------
    def names(self) -> list[str]:
        """List the names of all settings, those of subclasses and of the instance included.

        Returns:
            The names, sorted.
        """
        derived = {n for c in type(self).__mro__ for n, v in vars(c).items() if isinstance(v, property)}
        return sorted(n for n in dir(self) if _in_capitals(n) and n not in derived)

    def to_dict(self) -> dict[str, object]:
        """Give the settings as JSON can hold them.

        Returns:
            {name: value}: arrays become lists, functions their names, other objects text.
        """
        return {name: plain(getattr(self, name)) for name in self.names()}

    def display(self) -> None:
        """Print every setting and derived value; behind one that was changed stands its default."""
        print("\nConfigurations:")
        defaults = self._of_network()
        for name in sorted([*self.names(), *_FOLLOWS]):
            value, default = getattr(self, name), getattr(defaults, name, None)
            changed = ""
            if not hasattr(defaults, name):
                changed = "  (your own)"
            elif name not in _FOLLOWS and plain(value) != plain(default):
                changed = f"  (default {default})"
            print(f"{name:30} {value}{changed}")
        print()

    def save(self, path: str | os.PathLike) -> None:
        """Write the settings to a JSON file, whole or not at all.

        Args:
            path: of the file.

        Raises:
            DataError: the file cannot be written.
        """
        values = BaseSettings.to_dict(self)  # without what a network's own adds for its checkpoints
        write_text(path, json.dumps(values, indent=1) + "\n")  # write_json would make null of an infinite value

    @classmethod
    def load(cls: type[Own], path: str | os.PathLike, **overrides: object) -> Own:
        """Make settings from a JSON file that `save` wrote.

        Args:
            path: of the file.
            overrides: values that count in place of the file's.

        Returns:
            An instance of this class.

        Raises:
            ConfigError: naming the file if it is no such JSON or has a setting that cannot be; or for an override.
        """
        try:
            values = read_json(path, "file of settings")
        except DataError as error:
            raise ConfigError(str(error)) from error
        return cls._from_plain(values, path, overrides)

    @classmethod
    def from_dict(cls: type[Own], values: dict, source: str | os.PathLike | None = None, **overrides: object) -> Own:
        """Make settings from what `to_dict` gave; names of the writer's own subclass are kept.

        Args:
            values: {name: value}.
            source: the file that they are from, for messages.
            overrides: values that count in place of these.

        Returns:
            An instance of this class.

        Raises:
            ConfigError: for a name or value that cannot be.
        """
        return cls._from_plain(values, source, overrides)

    @classmethod
    def _from_plain(cls, values, source, overrides):
        origin = "" if source is None else f"{source}: "
        if not isinstance(values, dict):
            raise ConfigError(f"{origin}settings are a JSON object of names and values, not {in_short(values)}.")
        config, passed_over = cls(), ""
        check_batch(values, config.GPU_COUNT, origin)
        for name, value in sorted(values.items(), key=lambda item: item[0] != "GPU_COUNT"):
            if name in overrides and name in RULES:
                continue  # also where that of the file cannot be read back, as functions cannot
            if isinstance(value, str) and config._stays(name, value):
                passed_over = passed_over if plain(getattr(config, name)) == value else f"{name}={in_short(value)}"
                continue
            try:
                config._take_written(name, value)
            except ConfigError as error:
                raise ConfigError(f"{origin}{error}") from error
        config.set(**overrides)
        if passed_over and callable(getattr(config, "BACKBONE", None)):  # of another nobody asks such a function
            warnings.warn(f"{origin}{passed_over} is the mere name of a function: it is passed over, and the network "
                          "does without. Give the function too if compute_backbone_shapes is to ask it.", stacklevel=3)
        return config

    def _stays(self, name, written):
        """Whether what a setting has stays: the function whose name a file has, or any where one is not needed."""
        current, rule = getattr(self, name, None), RULES.get(name)
        rule = getattr(rule, "rule", rule)  # of OrNone
        return callable(current) and plain(current) == written or isinstance(rule, Function) and not rule.named

    def _take_written(self, name, value):
        """Assign a value of a file, in the type that the class has."""
        if not (isinstance(name, str) and name.isidentifier() and _in_capitals(name)):
            raise ConfigError(f"{in_short(name)} is no name of a setting: these are words in capitals, as NUM_CLASSES.")
        try:
            plain(value)
        except RecursionError:
            raise ConfigError(f"{name} is nested too deeply: give a value as `save` writes it.") from None
        current = getattr(type(self), name, None)
        value = self._checked(name, value)
        if isinstance(current, np.ndarray):
            value = np.array(value)
        elif isinstance(current, tuple) and isinstance(value, list):
            value = tuple(value)
        elif name == "LOSS_WEIGHTS":  # files from before a loss existed lack its weight
            value = {**self._of_network().LOSS_WEIGHTS, **value}
        setattr(self, name, value)


def _in_capitals(name):
    return name.isupper() and not name.startswith("_")


def _refuse_name(name, classes, new_allowed=False):
    """Raise ConfigError for a name that none of the classes has, if it is another network's or misspelt."""
    if any(name in vars(one) for one in classes) or new_allowed and name in RULES:
        return
    network = next(one._network for one in classes if getattr(one, "_network", None))
    if name in RULES:
        raise ConfigError(f"{name} is no setting of {network}: leave it out.")
    close = misspelt(name, {other for one in classes for other in vars(one) if other in RULES or other in _FOLLOWS})
    if close:
        raise ConfigError(f"{name} is no setting: did you mean {close}? (A setting of your own needs another name.)")
