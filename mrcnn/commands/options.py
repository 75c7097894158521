"""What the commands share: options read with one clear line for bad usage and bad data.

Exit codes: 0 done, 2 bad usage or bad data, 130 interrupted, 143 and 129 ended by SIGTERM or SIGHUP, 141 nobody reads
what is printed.
"""

import argparse
import ast
import contextlib
import importlib.resources
import json
import os
import pathlib
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn, TextIO

from mrcnn.commands.signals import ending_signals
from mrcnn.commands.stand_ins import without_replaced
from mrcnn.data.class_names import listed_classes
from mrcnn.errors import NO_KERAS, UsageError, UserError
from mrcnn.files import disk_reason, printable
from mrcnn.ops.backends import check_backend, why_no_backend
from mrcnn.outputs import release_outputs

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

HINTS = {  # for who interrupts a command
    "train": "; train --weights last resumes after the last whole epoch",
    "collection": "; what is done stays, and the same command does the rest",
    **dict.fromkeys(("detect", "label"), "; of a folder of photos what is done stays, and --resume goes on with it"),
    "tune": "; the same command goes on with the study",
}
# {option: whether it has a value}: a trial of `tune` is measured, and its weights are kept, in a way of its own.
OPTIONS_OF_TRAIN = {**dict.fromkeys(("--evaluate-every", "--evaluate-limit", "--keep-best", "--log", "--patience",
                                     "--test"), True), "--evaluate-test": False}
AUTO = "auto"  # the preset that is made when the data is read, see mrcnn/commands/auto.py; and a batch size
PRESETS = importlib.resources.files("mrcnn.commands") / "presets"  # NAME.txt: options that belong together


def parse_setting(text: str) -> tuple[str, object]:
    """(name, value) from NAME=VALUE; of JSON, else a Python literal, else text; CLASSES are a list of names."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise UsageError(f"--set {text}: write NAME=VALUE, for example --set WEIGHT_DECAY=0.0005.")
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):  # the latter of deep nesting
            value = read(value)
            break
    return name.strip(), listed_classes(value) if name.strip() == "CLASSES" else value


def options_of(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """The options, as ["--logs", "--preset"], of the command that words name, `train` or `data split`."""
    for word in words:
        below = next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)
        if below is None or word not in below.choices:
            break
        parser = below.choices[word]
    return [name for action in parser._actions for name in action.option_strings if name.startswith("--")]


def whole_options(words: Sequence[str], names: Iterable[str]) -> list[str]:
    """Words of a command line in which options that are cut short, as argparse takes them, stand in full.

    Args:
        words: of the command line; what begins no option, or several, stays for the parser to tell.
        names: of the options that there are.
    """
    names, words = set(names), list(words)
    end = words.index("--") if "--" in words else len(words)  # behind it no word is an option
    whole = []
    for word in words[:end]:
        option, sign, value = word.partition("=")
        meant = [name for name in names if name.startswith(option)] if option.startswith("--") else []
        whole.append(meant[0] + sign + value if len(meant) == 1 and option not in names else word)
    return whole + words[end:]


def expand_presets(arguments: Sequence[str], folder: "Traversable", names: Iterable[str] = ()) -> list[str]:
    """The arguments of `train` or `tune` with `--preset NAME` replaced by the options of its file; flags win,
    also over the setting that they stand for and over the option that stands for one of --set.

    `tune` does without OPTIONS_OF_TRAIN, which it does not have, and tells so. `--preset auto` stays: it is made of
    the data.

    Args:
        arguments: words of the command line.
        folder: of the preset files, NAME.txt: options as on the command line, over any lines, # for remarks.
        names: of the command's options, some of which arguments and files may cut short; none: all stand in full.

    Raises:
        UsageError: for a preset that does not exist.
    """
    names = set(names)
    arguments, known = whole_options(arguments, names), names and {*names, *OPTIONS_OF_TRAIN}
    if list(arguments[:1]) not in (["train"], ["tune"]):  # `data split` has presets of another kind
        return list(arguments)
    rest, options, words = [], [], list(arguments)
    while words:
        word = words.pop(0)
        given = word == "--preset" and words
        if given or word.startswith("--preset="):
            name = words.pop(0) if given else word.partition("=")[2]
            more = ["--preset", AUTO] if name == AUTO else whole_options(read_preset(name, folder), known)
            options = [*without_replaced(options, more), *more]
        else:
            rest.append(word)
    if rest[:1] == ["tune"]:
        options = _without_trains(options)
    return rest[:1] + without_replaced(options, rest[1:]) + rest[1:]  # the name of the command stays in front


def _without_trains(options):
    """Options less those of OPTIONS_OF_TRAIN and the values behind them, which are told."""
    kept, dropped, words = [], [], iter(options)
    for word in words:
        name, sign, _ = word.partition("=")
        if name not in OPTIONS_OF_TRAIN:
            kept.append(word)
            continue
        dropped.append(name)
        if OPTIONS_OF_TRAIN[name] and not sign:
            next(words, None)
    if dropped:
        warnings.warn(f"tune leaves {', '.join(dropped)} of --preset out: trials are measured, and their weights kept, "
                      "in a way of their own.", stacklevel=3)
    return kept


def read_preset(name: str, folder: "Traversable") -> list[str]:
    """Options of a preset: one of `folder`, or a file of the user's own."""
    own = pathlib.Path(name)
    path = own if own.is_file() else folder.joinpath(f"{name}.txt")
    if not path.is_file():
        known = ", ".join([AUTO, *preset_names(folder)])
        raise UsageError(f"--preset {name}: no such preset; there are {known}, or give the path of a file.")
    try:
        return shlex.split(path.read_text(encoding="utf-8"), comments=True)
    except (OSError, ValueError) as error:  # no text, or a quote without its end
        raise UsageError(f"--preset {name}: {path} holds no options as on a command line ({error}): correct "
                         "it.") from error


def preset_names(folder: "Traversable" = PRESETS) -> list[str]:
    """Sorted names of the presets in a folder."""
    return sorted(file.name[:-4] for file in folder.iterdir() if file.name.endswith(".txt"))


class OneLineParser(argparse.ArgumentParser):
    """Tells bad usage in one line instead of after the whole usage text."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help lists all options)")


def positive(text: str) -> int:
    """An integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def seed(text: str) -> int:
    """A whole number of at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return value


class Given(argparse.Action):
    """Keeps the value of an option that has a default, and notes its name in `given`: the user typed it."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object,
                 option_string: str | None = None) -> None:
        setattr(namespace, self.dest, values)
        namespace.given = {*getattr(namespace, "given", ()), self.dest}


def probability(text: str) -> float:
    """A number of 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not within 0 and 1")
    return value


def add_command(commands: argparse._SubParsersAction, name: str, run: Callable[[argparse.Namespace], int | None],
                text: str, batch: Callable[[str], object] = positive,
                unused: dict[str, str] | None = None) -> argparse.ArgumentParser:
    """A command with the options that all of them have.

    Args:
        commands: what it is added to.
        name: of the command.
        run: what it calls.
        text: its help.
        batch: what --batch-size takes.
        unused: {one of these options that it has no use for: why}; it is not in the help, and refused.

    Returns:
        Its parser.
    """
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run, unused=unused or {})
    command.add_argument("--logs", default="logs", metavar="DIR", help="folder of the runs (default logs)")
    helps = {
        "limit": "use the first N photos only",
        "batch_size": "photos handled at once"
                      + ("; auto: as many as a training step has memory for" if batch is not positive else ""),
        "set": "change any setting of mrcnn/config.py; may be repeated",
    }
    helps.update(dict.fromkeys(unused or {}, argparse.SUPPRESS))
    command.add_argument("--limit", type=positive, metavar="N", help=helps["limit"])
    command.add_argument("--batch-size", type=batch, metavar="N", help=helps["batch_size"])
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=helps["set"])
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return command


def _refuse_unused(options, reasons):
    """Refuse options that all commands have and that this one has no use for."""
    for name, reason in reasons.items():
        if getattr(options, name) not in (None, []):
            raise UsageError(f"--{name.replace('_', '-')}: {reason}: leave it out.")


def add_matte(command: argparse.ArgumentParser) -> None:
    """Give a command the option of the colour under what is transparent in a photo."""
    command.add_argument("--matte", type=_colour, metavar="COLOR",
                         help="colour under what is transparent, a name or #rrggbb (default white)")


def _colour(text):
    """RGB of the name of a colour, or of #rrggbb."""
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no colour: give a name, as white, or #rrggbb") from error


def add_output(command: argparse.ArgumentParser, metavar: str, text: str, **settings: object) -> None:
    """Give a command the option of where it writes; files of the user's stay, see `mrcnn.outputs`."""
    command.add_argument("--output", metavar=metavar, help=text, **settings)
    command.add_argument("--overwrite", action="store_true",
                         help="replace files of the same names that this program did not write, or that were changed")


def add_tta(command: argparse.ArgumentParser) -> None:
    """Give a command the option of looking at each photo several times."""
    command.add_argument("--tta", action="store_true",
                         help="look at each photo four times, mirrored and at 1 and 1.25 of the size, and merge "
                              "what is found, or average the probabilities of label maps; TEST_FLIP and TEST_SCALES of "
                              "--set choose other views")


def add_tiles(command: argparse.ArgumentParser) -> None:
    """Give a command the options of looking at huge photos in overlapping tiles."""
    command.add_argument("--tile", type=positive, metavar="N",
                         help="cut photos larger than N x N pixels into overlapping tiles of that size, and join what "
                              "is found; for objects the photo as a whole is looked at once too (N: best the size of "
                              "the canvas)")
    command.add_argument("--tile-overlap", type=probability, default=0.25, metavar="P", action=Given,
                         help="least share of a tile's side that it has in common with the next (default 0.25)")


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Keep back what TensorFlow writes to stderr while it is imported, unless that fails.

    Its greetings come before it reads any setting that would silence them, and would bury the one line of an error.
    """
    import tempfile

    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(stderr, kept.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def start_keras() -> None:
    """Import Keras with its backend, quietly; every command calls this before it uses anything that imports them.

    What can be refused without them is refused before, within a moment.
    """
    if "keras" not in sys.modules:
        try:
            with quiet_import():
                import keras  # noqa: F401
        except (ModuleNotFoundError, ValueError) as error:
            reason = NO_KERAS.format(what="--weights FILE.onnx")
            if getattr(error, "name", None) != "keras":
                reason = why_no_backend(error)
            if reason is None:
                raise
            raise UsageError(reason) from error
    check_backend()


def is_users(error: BaseException) -> bool:
    """Whether an error tells the user what to change, rather than us what to mend."""
    return isinstance(error, (UserError, OSError)) or disk_reason(error) is not None


class Printable:
    """A stream of text that shows names of any origin safely; see `printable`."""

    def __init__(self, stream: TextIO) -> None:
        self.beneath = stream

    def write(self, text: str) -> int:
        self.beneath.write(printable(text))
        return len(text)

    def __getattr__(self, name):
        return getattr(self.beneath, name)


def last_weights(options: argparse.Namespace) -> str:
    """What stands for the last checkpoint on a command line: `--weights last`, and the NAME of its runs if options have
    one."""
    names = [text for text in getattr(options, "set", ()) if text.partition("=")[0].strip() == "NAME"]
    return f"--weights last --set {shlex.quote(names[-1])}" if names else "--weights last"


def _hint(options):
    """What goes on with a command that was broken off; a run of another NAME is resumed under that name."""
    return HINTS.get(getattr(options, "command", None), "").replace("--weights last", last_weights(options))


def run_command(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None,
                presets: "Traversable | None" = None) -> int:
    """Read the arguments and call the command they name, `options.run(options)`.

    Args:
        parser: of all commands.
        arguments: words of the command line; None takes those of the process.
        presets: folder of what `--preset NAME` stands for.

    Returns:
        The exit code.
    """
    try:
        try:
            return _run(parser, sys.argv[1:] if arguments is None else list(arguments), presets)
        finally:
            release_outputs()
            sys.stdout.flush()
    except BrokenPipeError:  # of `mrcnn ... | head`: nobody reads on, nor is there anybody to tell
        with open(os.devnull, "wb") as nowhere:  # for what the interpreter flushes at its end
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return 141


def _run(parser, arguments, presets):
    options, names = None, options_of(parser, arguments)
    arguments = whole_options(arguments, names)  # which are looked at beside the parser, too
    # One line without the place in the code that warns, which tells a user nothing.
    warnings.formatwarning = lambda message, *_, **__: f"warning: {printable(message, one_line=True)}\n"
    try:
        with ending_signals(), contextlib.redirect_stdout(Printable(sys.stdout)):
            options = parser.parse_args(expand_presets(arguments, presets, names) if presets else arguments)
            _refuse_unused(options, getattr(options, "unused", {}))
            return options.run(options) or 0
    except KeyboardInterrupt as error:
        with contextlib.suppress(OSError):  # the terminal may have gone
            print(f"interrupted{_hint(options)}", file=sys.stderr)
        return 128 + getattr(error, "number", signal.SIGINT)
    except BrokenPipeError:
        raise
    except Exception as error:
        if "--debug" in arguments or not is_users(error):
            raise
        text = printable(" ".join(str(error).split()))
        writing = "cannot write" in text or not isinstance(error, (UserError, OSError))  # a full disk ends a training
        hint = _hint(options) if writing else ""
        print(f"error: {text.rstrip('.') + hint if hint else text}", file=sys.stderr)
        return 2
