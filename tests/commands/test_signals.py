"""Signals that end a command, wherever they find it."""

import argparse
import contextlib
import functools
import gc
import os
import signal
import sys
import time

import pytest

from mrcnn.commands.options import run_command
from mrcnn.commands.signals import Ended, ending_signals
from mrcnn.errors import DataError

ALL = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(params=ALL)
def number(request):
    """A signal that nobody handles: nohup and some services have SIGHUP ignored, which stays so."""
    request.addfinalizer(functools.partial(signal.signal, request.param, signal.getsignal(request.param)))
    signal.signal(request.param, signal.default_int_handler if request.param == signal.SIGINT else signal.SIG_DFL)
    return request.param


def ended(run, **settings):
    """The exit code of a command."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(run=run, **settings)
    return run_command(parser, [])


def test_one_ends_a_command_which_tidies_up(number, capsys):
    tidied, before = [], (signal.getsignal(number), sys.unraisablehook)

    def run(options):
        try:
            os.kill(os.getpid(), number)
        finally:
            tidied.append(True)

    assert ended(run, command="train") == 128 + number
    assert tidied and (signal.getsignal(number), sys.unraisablehook) == before
    assert capsys.readouterr().err.startswith("interrupted; train --weights last resumes")


def test_one_that_comes_within_a_callback_of_the_interpreter_is_not_lost(number, capsys, request):
    kills = [number]

    def collecting(phase, info):
        if kills:
            os.kill(os.getpid(), kills.pop())
        sum(range(10))  # Python runs handlers between its own instructions

    def run(options):
        gc.callbacks.append(collecting)
        request.addfinalizer(functools.partial(gc.callbacks.remove, collecting))
        gc.collect()
        assert not kills
        time.sleep(30)  # shorter by far where the signal comes again

    assert ended(run) == 128 + number
    assert capsys.readouterr().err == "interrupted\n"


def test_one_that_another_library_passes_over_is_not_lost(number):
    def run(options):
        with contextlib.suppress(BaseException):
            os.kill(os.getpid(), number)
        time.sleep(30)

    assert ended(run) == 128 + number


def test_an_error_after_one_is_lost_is_its_consequence(number, capsys):
    def run(options):
        with contextlib.suppress(BaseException):
            os.kill(os.getpid(), number)
        raise TypeError("a shape is None")

    assert ended(run) == 128 + number
    assert capsys.readouterr().err == "interrupted\n"


def test_an_error_while_a_command_tidies_up_is_told(number, capsys):
    def run(options):
        try:
            os.kill(os.getpid(), number)
        finally:
            raise DataError("a.h5: cannot write the file")

    assert ended(run) == 2
    assert "cannot write" in capsys.readouterr().err


def test_one_that_is_handled_or_kept_does_not_come_again(number):
    with ending_signals():
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt as error:
            time.sleep(0.5)
            kept = error
        time.sleep(0.5)
    assert isinstance(kept, Ended) and kept.number == number


def test_a_second_one_ends_what_the_first_has_begun():
    def run(options):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)

    assert ended(run) == 128 + signal.SIGTERM


def test_who_handles_or_ignores_them_goes_on(number):
    signal.signal(number, signal.SIG_IGN)
    with ending_signals():
        os.kill(os.getpid(), number)
    seen = []
    signal.signal(number, lambda *_: seen.append(True))
    with ending_signals():
        os.kill(os.getpid(), number)
    assert seen
