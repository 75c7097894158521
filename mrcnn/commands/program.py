"""What a program brings to the commands: its settings, its data set, its augmentations, and how it is called."""

import inspect
import os
import shlex
import sys
from collections.abc import Callable

from mrcnn.errors import UsageError

COMMAND = "mrcnn"


class Program:
    """The command `mrcnn`, or a program of a user's own that calls `main`.

    Args:
        config: Config subclass with what `mrcnn.commands.configs.Plan` lists; None: FashionConfig.
        dataset: what photos are opened with, as `mrcnn.commands.own_data` describes it; None: the package's readers.
        augmentations: {name: augmentation, or function without parameters that makes it}, beside the package's.
        command: how it is called, for what the user is told to type: "mrcnn" or "python shop.py".
    """

    def __init__(self, config: type | None = None, dataset: Callable | None = None, augmentations: dict | None = None,
                 command: str = COMMAND):
        self._config, self.dataset, self.command = config, dataset, command
        self.augmentations = dict(augmentations or {})

    @property
    def config(self) -> type:
        """The class of its settings. That of `mrcnn` is imported when it is asked for, which no parser does."""
        if self._config is None:
            from mrcnn.commands.configs import FashionConfig

            return FashionConfig
        return self._config

    def augmentation_names(self) -> tuple[str, ...]:
        """Names that --augment and --stages take."""
        from mrcnn.data.recipes import AUGMENTATIONS

        return (*AUGMENTATIONS, *(name for name in self.augmentations if name not in AUGMENTATIONS))

    def check_augmentation(self, name: str, option: str) -> None:
        """Raise UsageError unless there is an augmentation of this name.

        Args:
            name: of the augmentation.
            option: that named it, for the message.
        """
        if name not in self.augmentation_names():
            known = ", ".join(self.augmentation_names())
            raise UsageError(f"{option}: there is no augmentation {name!r}; take {known}.")

    def augmentation(self, name: str) -> object:
        """The augmentation of a name, one of the program's own before the package's.

        Raises:
            UsageError: there is none of this name.
        """
        if name not in self.augmentations:
            from mrcnn.data.recipes import augmentation_of

            self.check_augmentation(name, f"AUGMENT={name}")
            return augmentation_of(name)
        named = self.augmentations[name]
        return named() if inspect.isfunction(named) and not inspect.signature(named).parameters else named


def make_program(config: type | None = None, dataset: Callable | None = None,
                 augmentations: dict | None = None) -> Program:
    """The Program of what `mrcnn.commands.main.main` was given.

    Raises:
        TypeError: for what is of the wrong kind: a fault of the program, which its author is to see where it is.
    """
    if dataset is not None and not callable(dataset):
        raise TypeError(f"main(dataset={dataset!r}): give a subclass of mrcnn.utils.Dataset, or a function.")
    return Program(None if config is None else _with_plan(config), dataset, augmentations, called_as())


def _with_plan(config):
    """A program's class of settings, with those that the commands know beside those of Config."""
    from mrcnn.commands.configs import Plan
    from mrcnn.config import Config

    if not (isinstance(config, type) and issubclass(config, Config)):
        raise TypeError(f"main(config={config!r}): give the class itself, a subclass of mrcnn.config.Config.")
    if all(hasattr(config, name) for name in vars(Plan) if name.isupper()):
        return config
    return type(config.__name__, (config, Plan), {"__doc__": config.__doc__})


def called_as() -> str:
    """How this process was started, as a user types it: "python shop.py", or "mrcnn"."""
    started = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    name = os.path.basename(started)
    if not name.endswith(".py") or name == "__main__.py":  # the installed command, python -m mrcnn, a test, a notebook
        return COMMAND
    typed = sys.argv[0] if sys.argv and os.path.basename(sys.argv[0]) == name else started
    return f"python {shlex.quote(typed)}"
