"""TensorBoard's files written without TensorFlow, which would take memory, and a GPU's, beside another backend.

It has what Keras' TensorBoard callback uses of `tensorflow.summary` for curves, and writes the same files.
"""

import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator

_NUMBERS = itertools.count()  # of the files of this process
_current = threading.local()


class EventFile:
    """A file of events in a folder, which is made if need be; each event is on the disk at once.

    Args:
        folder: of the curves, such as "train" of a run.
    """

    def __init__(self, folder: str | os.PathLike):
        from tensorboard.summary.writer.record_writer import RecordWriter  # its EventFileWriter imports TensorFlow

        os.makedirs(folder, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_NUMBERS)}.v2"
        self._records = RecordWriter(open(os.path.join(folder, name), "wb"))  # noqa: SIM115 - until close()
        self._write(file_version="brain.Event:2")

    @contextlib.contextmanager
    def as_default(self) -> Iterator[None]:
        """The context in which `scalar` writes into this file."""
        before, _current.file = getattr(_current, "file", None), self
        try:
            yield
        finally:
            _current.file = before

    def close(self) -> None:
        """Close the file."""
        self._records.close()

    def _write(self, **parts):
        from tensorboard.compat.proto.event_pb2 import Event

        self._records.write(Event(wall_time=time.time(), **parts).SerializeToString())
        self._records.flush()


create_file_writer = EventFile


def scalar(name: str, value: object, step: object) -> None:
    """Write a point of a curve into the file of the context; without one nothing, as Keras asks after each batch.

    Args:
        name: of the curve.
        value: number.
        step: whole number, or a variable that holds one.
    """
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb

    file = getattr(_current, "file", None)
    if file is not None:
        file._write(step=int(step), summary=scalar_pb(name, float(value)))
