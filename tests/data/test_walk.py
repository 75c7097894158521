"""Walks in threads: results in order, errors at once, and the bar."""

import io
import threading
import time

import pytest

from mrcnn.data.walk import progress_bar, walk


def test_results_come_in_order_whatever_finishes_first():
    seen = []
    results = walk(lambda i: time.sleep(0.02 * (i == 0)) or i * i, range(20), 4, lambda *state: seen.append(state))
    assert results == [i * i for i in range(20)]
    assert seen == [(i, 20) for i in range(1, 21)]
    assert walk(len, []) == []


def test_no_more_items_at_once_than_workers():
    running, most, lock = [], [0], threading.Lock()

    def function(i):
        with lock:
            running.append(i)
            most[0] = max(most[0], len(running))
        time.sleep(0.005)
        with lock:
            running.remove(i)

    walk(function, range(30), 3)
    assert most[0] == 3


def test_an_error_ends_the_walk():
    done = []

    def function(i):
        if i == 2:
            raise ValueError("third")
        done.append(i)
        time.sleep(0.002)

    with pytest.raises(ValueError, match="third"):
        walk(function, range(500), 2)
    assert len(done) < 400


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_is_for_terminals():
    stream = io.StringIO()
    progress_bar("photos", stream)(1, 2)
    assert stream.getvalue() == ""
    stream = Terminal()
    show = progress_bar("photos", stream)
    for done in range(1, 1001):
        show(done, 1000)
    lines = stream.getvalue().split("\r")
    assert lines[-1] == f"photos [{'#' * 30}] 1000/1000\n"
    assert len(lines) < 100  # a line for each photo would take longer than the photos
