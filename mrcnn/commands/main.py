"""The command line: `mrcnn COMMAND`, the same as `python -m mrcnn COMMAND`."""

import os
import sys

# Keras is imported inside the commands: --help and usage errors answer at once.
from mrcnn.commands.data import add_data
from mrcnn.commands.detect import add_detect
from mrcnn.commands.diagnose import add_diagnose
from mrcnn.commands.evaluate import add_evaluate
from mrcnn.commands.export import add_export
from mrcnn.commands.label import add_label
from mrcnn.commands.options import OneLineParser, add_command, run_command
from mrcnn.commands.train import add_train
from mrcnn.commands.tune import add_tune

PRESETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "presets")


def build_parser():
    """The parser of all commands."""
    parser = OneLineParser(prog="mrcnn", description="Find objects in photos with Mask R-CNN.")
    commands = parser.add_subparsers(dest="command", required=True,
                                     metavar="train|tune|evaluate|detect|diagnose|label|export|data")
    for add in (add_train, add_tune, add_evaluate, add_diagnose, add_detect, add_label, add_export, add_data):
        add(commands, add_command)
    return parser


def main(arguments=None):
    """Run a command; returns the exit code."""
    return run_command(build_parser(), arguments, PRESETS)


if __name__ == "__main__":
    sys.exit(main())
