"""A disk without room, for the tests of what is written."""

import contextlib
import resource


@contextlib.contextmanager
def full_disk(size):
    """No file of this process can grow beyond `size` bytes; the output of pytest is one, so within a test alone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
