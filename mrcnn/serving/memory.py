"""Memory of large photos, given back to the machine as soon as a request is through.

glibc takes blocks from the machine one by one, and gives them back when they are freed, from a size on that grows with
what is freed, to 32 MB. What is smaller stays with the thread that freed it: a photo of 20 MB does, for each of the
threads that decode, one for each core. It is no leak, for the next photo takes it, yet nobody else has it meanwhile.
"""

import ctypes
import os

LARGE = 1 << 20  # bytes: from here on a block is the machine's again when it is freed
MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of glibc's malloc.h
SETTINGS = ("MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")  # environment of whoever chose for himself


def give_back_large_blocks() -> bool:
    """Let the C library give blocks of LARGE bytes and more back to the machine when they are freed, from now on.

    Returns:
        Whether it does: glibc can, unless its own settings say otherwise; other libraries keep less.
    """
    if any(name in os.environ for name in SETTINGS):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS; a library that cannot be opened; Windows
        return False
    return mallopt(MMAP_THRESHOLD, LARGE) == 1  # musl has no such thing, and says 0
