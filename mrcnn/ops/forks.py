"""Forked processes: a backend's threads do not live on in a child, where a network would wait for them for ever."""

import os

from mrcnn.errors import RunError

_process = None  # id of the process in which a network was first built or run


def refuse_forked() -> None:
    """Check that this is the process in which networks have been built and run so far, if any has.

    Raises:
        RunError: it was forked from that one.
    """
    global _process
    if _process is None:
        _process = os.getpid()
    if _process != os.getpid():
        raise RunError(f"Process {os.getpid()} was forked from {_process}, where a network was built: its threads are "
                       "not here, and it would wait for ever. Load the model in each process and none before, or start "
                       'processes by "spawn".')
