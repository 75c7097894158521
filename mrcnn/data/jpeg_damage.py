"""JPEGs that are damaged in the middle: decoders make up what is lacking, and libjpeg tells it on stderr alone."""

import contextlib
import functools
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.data.walk import walk

START = b"\xff\xd8"  # of a JPEG
COMPLAINTS = (b"Corrupt JPEG data: ", b"Premature end of JPEG file", b"Inconsistent progression sequence")
TOGETHER = 256  # files whose complaints are caught at once; they are decoded one by one only if there are any

LARGE = 8 << 20  # bytes; files of more are decoded one at a time, so that memory does not grow with the threads

_CATCHING = threading.Lock()  # stderr is the whole process's
_LARGE = threading.Lock()


def jpeg_damages(read: Callable, items: Sequence, workers: int | None = None, progress: Callable | None = None) -> dict:
    """Find damaged JPEGs, in about a quarter of the time that decoding them takes.

    Whatever else is written on stderr meanwhile comes there a little later.

    Args:
        read: function of an item that gives the bytes of its file; others than those of a JPEG are passed over.
        items: what stands for the files.
        workers: number of threads, as for `walk`.
        progress: called as progress(done, total).

    Returns:
        {item: what libjpeg says of it} of those that are damaged; nothing is found in a process without stderr.
    """
    found = {}
    for start in range(0, len(items) if sys.__stderr__ is not None else 0, TOGETHER):
        some = items[start : start + TOGETHER]
        if _complaint(functools.partial(walk, lambda item: _decode(read(item)), some, workers)):
            said = {item: _complaint(functools.partial(_decode, read(item))) for item in some}
            found.update({item: text for item, text in said.items() if text})
        if progress:
            progress(start + len(some), len(items))
    return found


def _decode(data):
    """Decode the grey of a JPEG at an eighth of its size: all of the file is read, and little is made of it."""
    import cv2

    if data.startswith(START):
        # An error is one of more pixels than cv2 takes.
        with _LARGE if len(data) > LARGE else contextlib.nullcontext(), contextlib.suppress(cv2.error):
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)


def _complaint(work):
    """The first complaint of libjpeg while some work is done; None if there is none."""
    with _CATCHING, tempfile.TemporaryFile() as caught:
        stderr = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            work()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        caught.seek(0)
        lines = caught.read().splitlines(keepends=True)
    complaints = [line for line in lines if line.startswith(COMPLAINTS)]
    for line in lines:
        if line not in complaints:
            os.write(2, line)
    return complaints[0].decode(errors="replace").strip() if complaints else None
