"""The command line: `mrcnn COMMAND`, the same as `python -m mrcnn COMMAND`; and that of a user's own program."""

import argparse
import sys
from collections.abc import Callable, Sequence

# Keras and numpy are imported inside the commands: --help and usage errors answer at once.
from mrcnn import __version__
from mrcnn.commands.collection import add_collection
from mrcnn.commands.data import add_data
from mrcnn.commands.demo import add_demo
from mrcnn.commands.detect import add_detect
from mrcnn.commands.diagnose import add_diagnose
from mrcnn.commands.evaluate import add_evaluate
from mrcnn.commands.export import add_export
from mrcnn.commands.label import add_label
from mrcnn.commands.options import PRESETS, OneLineParser, add_command, run_command
from mrcnn.commands.program import Program, make_program
from mrcnn.commands.serve import add_serve
from mrcnn.commands.train import add_train
from mrcnn.commands.tune import add_tune
from mrcnn.commands.video import add_video


def build_parser(program: Program | None = None) -> argparse.ArgumentParser:
    """The parser of all commands.

    Args:
        program: Program that they serve; None: the command `mrcnn`.
    """
    program = program or Program()
    parser = OneLineParser(prog=program.command, description="Find objects in photos with Mask R-CNN.")
    parser.add_argument("--version", action="version", version=f"mrcnn {__version__}")
    parser.set_defaults(program=program)
    commands = parser.add_subparsers(dest="command", required=True,
                                     metavar="train|tune|evaluate|detect|diagnose|label|video|collection|export|demo|serve|"
                                             "data")
    for add in (add_train, add_tune, add_evaluate, add_diagnose, add_detect, add_label, add_video, add_collection,
                add_export, add_demo, add_serve, add_data):
        add(commands, add_command)
    return parser


def main(arguments: Sequence[str] | None = None, *, config: type | None = None, dataset: Callable | None = None,
         augmentations: dict | None = None) -> int:
    """Run a command. A program of a user's own, shop.py, is a Config, a Dataset if need be, and this call:

        if __name__ == "__main__":
            sys.exit(main(config=ShopConfig, dataset=ShopDataset))

    and is used as `mrcnn` is: `python shop.py train --annotations ...`. Its Config's NAME names the runs.

    Args:
        arguments: list of texts; None: those that the process was started with.
        config: Config subclass; what it lacks of `mrcnn.commands.configs.Plan` (STAGES, AUGMENT, CLASSES) is added.
            None takes FashionConfig of there, the settings of `mrcnn`.
        dataset: Dataset subclass that opens the photos, as `mrcnn.commands.own_data` describes it; None: the readers of
            `mrcnn.data.formats` do.
        augmentations: {name: augmentation, or function without parameters that makes it}, more names for --augment and
            --stages; one of the package's is replaced.

    Returns:
        The exit code: 0 done, 2 bad usage or bad data, 130 interrupted.

    Raises:
        TypeError: for a config or dataset of the wrong kind.
    """
    if isinstance(arguments, type):
        raise TypeError(f"main({arguments.__name__}): name what you give, main(config=..., dataset=...).")
    return run_command(build_parser(make_program(config, dataset, augmentations)), arguments, PRESETS)


if __name__ == "__main__":
    sys.exit(main())
