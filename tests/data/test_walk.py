"""Walks in threads: results in order, errors at once."""

import threading
import time

import pytest

from mrcnn.data.walk import walk


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
        walk(function, range(5000), 2)
    assert len(done) < 4000
