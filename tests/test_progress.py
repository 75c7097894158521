"""How far work is: a bar on a terminal, a line a minute elsewhere, nothing where none is wanted."""

import io
import pathlib
import re
import subprocess
import sys

import pytest

import mrcnn.progress
from mrcnn.progress import progress_bar

ROOT = pathlib.Path(__file__).parent.parent


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock whose time is clock[0]."""
    now = [1000.0]
    monkeypatch.setattr(mrcnn.progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


def text_of(stream):
    """What was written, without what moves the cursor and colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


def test_a_terminal_gets_a_bar(terminal):
    with progress_bar("Detecting", stream=terminal) as show:
        for done in range(1, 1001):
            show(done, 1000)
    last = text_of(terminal).strip().rsplit("\r", 1)[-1]
    assert re.search(r"^Detecting .* 1000/1000 .*/s 0:00:0\d$", last.strip()), last
    assert terminal.getvalue().count("Detecting") < 100  # a bar for each photo would take longer than the photos
    assert terminal.getvalue().endswith("\x1b[?25h")  # the cursor is back


def test_the_speed_is_told_in_the_unit(clock):
    stream = io.StringIO()
    with progress_bar("Detecting", "photos", stream=stream) as show:
        for seconds, done in ((60, 150), (120, 30)):
            clock[0] = 1000.0 + seconds
            show(done, 1000)
    # 150 photos in 60 s: 850 are left, 340 s. Then, as of another start, 30 in 120 s: 970 are left, 3880 s.
    assert stream.getvalue().splitlines() == ["Detecting 150/1000, 2.5 photos/s, 6 min left",
                                              "Detecting 30/1000, 0.25 photos/s, 65 min left"]


def test_bytes_are_told_in_megabytes(terminal):
    with progress_bar("weights.h5", unit="B", stream=terminal) as show:
        show(2_500_000, 5_000_000)
    assert "2.5/5.0 MB" in text_of(terminal)
    terminal.truncate(0)
    with progress_bar("weights.h5", unit="B", stream=terminal) as show:
        show(2_500_000, None)
    assert "2.5 MB" in text_of(terminal)


def test_the_cursor_comes_back_after_an_error(terminal):
    with pytest.raises(KeyboardInterrupt), progress_bar("Detecting", stream=terminal) as show:
        show(1, 2)
        raise KeyboardInterrupt
    assert terminal.getvalue().endswith("\x1b[?25h")


def test_what_is_printed_to_a_file_stays_there(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with progress_bar("Detecting", stream=terminal):
        print("a result")
    assert sys.stdout.getvalue() == "a result\n" and "result" not in terminal.getvalue()


def test_a_log_gets_a_line_a_minute(clock):
    log = io.StringIO()
    with progress_bar("Detecting", stream=log) as show:
        for done in range(1, 301):  # one a second
            clock[0] += 1
            show(done, 300)
    assert log.getvalue().splitlines() == [
        "Detecting 60/300, 1.0/s, 4 min left", "Detecting 120/300, 1.0/s, 3 min left",
        "Detecting 180/300, 1.0/s, 2 min left", "Detecting 240/300, 1.0/s, 1 min left",
        "Detecting 300/300, 1.0/s, took 5 min",
    ]


def test_a_log_of_slow_work_and_of_bytes(clock):
    log = io.StringIO()
    with progress_bar("Tiles", stream=log) as show, progress_bar("a.h5", unit="B", stream=log) as show_bytes:
        clock[0] += 100
        show(4, 5)  # 25 s each: one more
        show_bytes(50_000_000, None)
        clock[0] += 2 * 3600
        show(4, 700)  # 4 in 7300 s: 1825 s each, 696 of them are 352.8 h
    assert log.getvalue().splitlines() == [
        "Tiles 4/5, 25.0 s each, 25 s left", "a.h5 50.0 MB, 0.5 MB/s", "Tiles 4/700, 1825.0 s each, 352.8 h left",
    ]


def test_short_work_is_silent_in_a_log(clock):
    log = io.StringIO()
    with progress_bar("Detecting", stream=log) as show:
        for done in range(1, 60):
            clock[0] += 1
            show(done, 59)
    assert log.getvalue() == ""


def test_dumb_terminals_are_logs_and_nothing_is_shown_where_none_is_wanted(clock, terminal, monkeypatch):
    for shown, stream in ((False, terminal), (True, None)):
        monkeypatch.setattr(sys, "stderr", None)  # as in a program without a console
        with progress_bar("Detecting", shown=shown, stream=stream) as show:
            clock[0] += 61
            show(1, 1)
    assert terminal.getvalue() == ""
    monkeypatch.setenv("TERM", "dumb")
    with progress_bar("Detecting", stream=terminal) as show:
        clock[0] += 61
        show(1, 2)
    assert terminal.getvalue() == "Detecting 1/2, 61.0 s each, 1 min left\n"


def test_rich_is_imported_for_terminals_alone():
    code = (
        "import sys; from mrcnn.progress import progress_bar\n"
        "with progress_bar('a') as show: show(1, 1)\n"
        "print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "False\n" and done.stderr == ""
