"""Reading of settings and errors."""

import errno
import os
import subprocess
import sys

import pytest

from mrcnn.commands import options as command_line
from mrcnn.commands.options import parse_setting
from mrcnn.errors import DataError, UsageError


@pytest.mark.parametrize("text, value", [
    ("A=1", 1), ("A=1e-3", 1e-3), ("A=true", True), ("A=False", False), ("A=null", None), ("A=None", None),
    ("A=[16, 32]", [16, 32]), ("A=(28, 28)", (28, 28)), ("A=resnet50", "resnet50"), ("A=a=b", "a=b"), ("A=", ""),
    ('A={"x": 1}', {"x": 1}),
])
def test_a_setting_is_read_as_what_it_looks_like(text, value):
    name, read = parse_setting(text)
    assert name == "A" and read == value and type(read) is type(value)


def test_classes_are_names_and_no_letters():
    assert parse_setting("CLASSES=boot") == ("CLASSES", ["boot"])
    assert parse_setting('CLASSES=["a, b", "c"]') == ("CLASSES", ["a, b", "c"])
    assert parse_setting("CLASSES=null") == ("CLASSES", None)


@pytest.mark.parametrize("text", ["A", "=1", ""])
def test_a_setting_without_name_or_value(text):
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parse_setting(text)


def parser_that_raises(error):
    def run(options):
        raise error

    parser = command_line.OneLineParser(prog="program")
    parser.add_argument("--debug", action="store_true")
    parser.set_defaults(run=run)
    return parser


def test_a_users_error_is_one_line_and_2(capsys):
    for error in (UsageError("two\nlines"), DataError("two\nlines"), FileNotFoundError("two\nlines")):
        assert command_line.run_command(parser_that_raises(error), []) == 2
        assert capsys.readouterr().err == "error: two lines\n"


def test_debug_shows_the_traceback_and_our_own_mistakes_always_do():
    with pytest.raises(DataError):
        command_line.run_command(parser_that_raises(DataError("bad")), ["--debug"])
    with pytest.raises(KeyError):
        command_line.run_command(parser_that_raises(KeyError("bad")), [])


def test_an_interrupt_says_how_to_resume(capsys):
    parser = parser_that_raises(KeyboardInterrupt())
    assert command_line.run_command(parser, []) == 130
    assert capsys.readouterr().err == "interrupted\n"
    parser.set_defaults(command="train")
    assert command_line.run_command(parser, []) == 130
    assert "--weights last" in capsys.readouterr().err
    parser.set_defaults(set=["NAME=first", "SEED=1", "NAME=my shop"])
    assert command_line.run_command(parser, []) == 130
    assert "train --weights last --set 'NAME=my shop' resumes" in capsys.readouterr().err


@pytest.mark.parametrize("error", [DataError("a.h5: cannot write the file (No space left on device)"),
                                   RuntimeError(f"Flush failed: a.v2; {os.strerror(errno.ENOSPC)}")])
def test_a_full_disk_is_one_line_that_says_how_a_training_goes_on(error, capsys):
    parser = parser_that_raises(error)
    parser.set_defaults(command="train")
    assert command_line.run_command(parser, []) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    assert "No space left on device" in message and "--weights last resumes" in message


def test_a_reader_that_leaves_is_no_error():
    program = ("import sys; from mrcnn.commands.options import OneLineParser, run_command; parser = OneLineParser()\n"
               "input(); parser.set_defaults(run=lambda options: print('a table')); sys.exit(run_command(parser, []))")
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdout.close()
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stderr.read() == b"" and process.wait() == 141


def test_an_unknown_option_is_one_line(capsys):
    assert command_line.run_command(parser_that_raises(None), ["--wrong"]) == 2
    assert capsys.readouterr().err == "error: unrecognized arguments: --wrong (program --help lists all options)\n"


def test_an_import_is_quiet_unless_it_fails(capfd):
    with command_line.quiet_import():
        os.write(2, b"greetings")
    assert capfd.readouterr().err == ""
    with pytest.raises(ImportError), command_line.quiet_import():
        os.write(2, b"the reason")
        raise ImportError
    assert capfd.readouterr().err == "the reason"
    os.write(2, b"later")
    assert capfd.readouterr().err == "later"


# --- Presets ---------------------------------------------------------------------------------------------------------


def test_a_preset_stands_before_the_flags_so_that_these_win(tmp_path):
    (tmp_path / "quick.txt").write_text("# a remark\n--stages heads:1:1e-3 # another\n--set 'NAME=two words'\n")
    for form in (["--preset", "quick"], ["--preset=quick"], ["--preset", str(tmp_path / "quick.txt")]):
        assert command_line.expand_presets(["train", "--batch-size", "2", *form, "--stages", "all:1:1"], tmp_path) == [
            "train", "--stages", "heads:1:1e-3", "--set", "NAME=two words", "--batch-size", "2", "--stages", "all:1:1"]
    auto = ["train", "--preset=quick", "--batch-size", "2", "--preset", "auto"]  # which waits for the data
    assert command_line.expand_presets(auto, tmp_path) == [
        "train", "--stages", "heads:1:1e-3", "--set", "NAME=two words", "--preset", "auto", "--batch-size", "2"]
    for words in (["train"], [], ["data", "split", "--preset", "10k-random"]):
        assert command_line.expand_presets(words, tmp_path) == words
    with pytest.raises(UsageError, match="--preset slow: no such preset; there are auto, quick"):
        command_line.expand_presets(["train", "--preset", "slow"], tmp_path)


def commands_of(run):
    """A parser with the command `train`, and `data split`."""
    parser = command_line.OneLineParser(prog="mrcnn")
    commands = parser.add_subparsers()
    train = command_line.add_command(commands, "train", run, "Train.")
    for name in ("--preset", "--patience", "--stages", "--backbone"):
        train.add_argument(name)
    tasks = commands.add_parser("data").add_subparsers()
    command_line.add_command(tasks, "split", run, "Split.").add_argument("--parts")
    return parser


def test_options_that_are_cut_short_are_those_of_the_command():
    parser = commands_of(None)
    assert command_line.options_of(parser, ["train", "--logs", "split"]) == [
        "--help", "--logs", "--limit", "--batch-size", "--set", "--debug", "--preset", "--patience", "--stages",
        "--backbone"]
    assert "--parts" in command_line.options_of(parser, ["data", "split"])
    names = ["--preset", "--patience", "--set", "--settle"]
    for word, whole in (("--pre", "--preset"), ("--pre=a=b", "--preset=a=b"), ("--p", "--p"), ("--set", "--set"),
                        ("--other", "--other"), ("-p", "-p"), ("pre", "pre"), ("--preset", "--preset")):
        assert command_line.whole_options([word, "--", "--pre"], names) == [whole, "--", "--pre"]


@pytest.mark.parametrize("words", [["--prese", "own"], ["--prese=own"], ["--pre", "own", "--stag", "heads:1:1"]])
def test_a_preset_whose_option_is_cut_short_is_one_too(tmp_path, words):
    """Of which nothing but the name came to the command, and nothing was said."""
    (tmp_path / "own.txt").write_text("--stag=all:9:1 --back resnet50 --set BATCH_SIZE=4")
    seen = []
    assert command_line.run_command(commands_of(seen.append), ["train", "--batch", "2", *words], tmp_path) == 0
    given = seen[0]
    assert given.stages == ("heads:1:1" if len(words) > 2 else "all:9:1") and given.backbone == "resnet50"
    assert given.preset is None and given.batch_size == 2 and given.set == []


def test_what_a_preset_cuts_short_yields_to_flags(tmp_path):
    (tmp_path / "own.txt").write_text("--back=small --evaluate-e 2 --augment flip")
    names = ["--backbone", "--augment", "--set", "--preset"]
    words = ["tune", "--pre", "own", "--set", "BACKBONE=resnet50"]
    assert command_line.expand_presets(words, tmp_path, names) == [
        "tune", "--augment", "flip", "--set", "BACKBONE=resnet50"]


def test_debug_that_is_cut_short_shows_the_traceback():
    with pytest.raises(DataError):
        command_line.run_command(parser_that_raises(DataError("bad")), ["--deb"])


def test_flags_win_over_settings_of_a_preset_that_say_the_same(tmp_path):
    (tmp_path / "wide.txt").write_text("--set IMAGE_MAX_DIM=1024 --set NORM=group --batch-size 8")
    flags = ["--image-size", "512", "--set", "BATCH_SIZE=2"]
    assert command_line.expand_presets(["train", "--preset", "wide", *flags], tmp_path) == [
        "train", "--set", "NORM=group", *flags]
    (tmp_path / "small.txt").write_text("--batch-size 1 --image-size 64")
    assert command_line.expand_presets(["train", "--preset", "wide", "--preset", "small"], tmp_path) == [
        "train", "--set", "NORM=group", "--batch-size", "8", "--batch-size", "1", "--image-size", "64"]


def test_a_preset_that_is_no_command_line_is_named(tmp_path):
    (tmp_path / "odd.txt").write_text("--set 'NAME=two words\n")
    with pytest.raises(UsageError, match="--preset odd: .*odd.txt holds no options .*No closing quotation"):
        command_line.expand_presets(["train", "--preset", "odd"], tmp_path)
    (tmp_path / "odd.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="odd.txt holds no options .*utf-8"):
        command_line.expand_presets(["train", "--preset", "odd"], tmp_path)


def test_a_setting_nested_too_deeply_is_text():
    assert command_line.parse_setting("NAME=" + "[" * 10**5) == ("NAME", "[" * 10**5)


def test_options_without_use_are_refused_and_not_in_the_help(capsys):
    parser = command_line.OneLineParser(prog="mrcnn")
    commands = parser.add_subparsers()
    command_line.add_command(commands, "read", lambda options: None, "Read.", unused={"batch_size": "nothing is big"})
    for words in (["read"], ["read", "--set", "A=1", "--limit", "2"]):
        assert command_line.run_command(parser, words) == 0
    assert command_line.run_command(parser, ["read", "--batch-size", "2"]) == 2
    assert capsys.readouterr().err == "error: --batch-size: nothing is big: leave it out.\n"
    with pytest.raises(SystemExit):
        parser.parse_args(["read", "--help"])
    told = capsys.readouterr().out
    assert "--limit" in told and "--batch-size" not in told
