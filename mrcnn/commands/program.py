"""What a program brings to the commands: its settings, its data set, its augmentations, and how it is called."""

import dataclasses
import inspect
import os
import shlex
import sys

from mrcnn.commands.settings import FashionConfig, Plan
from mrcnn.config import Config
from mrcnn.data.recipes import AUGMENTATIONS, augmentation_of
from mrcnn.errors import UsageError

COMMAND = "mrcnn"


@dataclasses.dataclass(frozen=True)
class Program:
    """The command `mrcnn`, or a program of a user's own that calls `main`.

    Attributes:
        config: Config subclass with what `mrcnn.commands.settings.Plan` lists.
        dataset: what photos are opened with, as `mrcnn.commands.own_data` describes it; None: the package's readers.
        augmentations: {name: augmentation, or function without parameters that makes it}, beside the package's.
        command: how it is called, for what the user is told to type: "mrcnn" or "python shop.py".
    """

    config: type = FashionConfig
    dataset: object = None
    augmentations: dict = dataclasses.field(default_factory=dict)
    command: str = COMMAND

    def augmentation_names(self):
        """Names that --augment and --stages take."""
        return (*AUGMENTATIONS, *(name for name in self.augmentations if name not in AUGMENTATIONS))

    def check_augmentation(self, name, option):
        """Raise UsageError unless there is an augmentation of this name.

        Args:
            name: of the augmentation.
            option: that named it, for the message.
        """
        if name not in self.augmentation_names():
            known = ", ".join(self.augmentation_names())
            raise UsageError(f"{option}: there is no augmentation {name!r}; take {known}.")

    def augmentation(self, name):
        """The augmentation of a name, one of the program's own before the package's.

        Raises:
            UsageError: there is none of this name.
        """
        if name not in self.augmentations:
            self.check_augmentation(name, f"AUGMENT={name}")
            return augmentation_of(name)
        named = self.augmentations[name]
        return named() if inspect.isfunction(named) and not inspect.signature(named).parameters else named


def make_program(config=FashionConfig, dataset=None, augmentations=None):
    """The Program of what `mrcnn.commands.main.main` was given.

    Raises:
        TypeError: for what is of the wrong kind: a fault of the program, which its author is to see where it is.
    """
    if not (isinstance(config, type) and issubclass(config, Config)):
        raise TypeError(f"main(config={config!r}): give the class itself, a subclass of mrcnn.config.Config.")
    if dataset is not None and not callable(dataset):
        raise TypeError(f"main(dataset={dataset!r}): give a subclass of mrcnn.utils.Dataset, or a function.")
    if not all(hasattr(config, name) for name in vars(Plan) if name.isupper()):
        config = type(config.__name__, (config, Plan), {"__doc__": config.__doc__})
    return Program(config, dataset, dict(augmentations or {}), called_as())


def called_as():
    """How this process was started, as a user types it: "python shop.py", or "mrcnn"."""
    started = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    name = os.path.basename(started)
    if not name.endswith(".py") or name == "__main__.py":  # the installed command, python -m mrcnn, a test, a notebook
        return COMMAND
    typed = sys.argv[0] if sys.argv and os.path.basename(sys.argv[0]) == name else started
    return f"python {shlex.quote(typed)}"
