"""Going on with a folder of photos where a command was stopped: a journal of what is done, beside what is written.

The journal is a file of lines of JSON: what results depend on, then a line for each photo that is done, written after
its files. A process that is killed leaves one line torn at most, whose photo is then looked at again.
"""

import argparse
import contextlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from mrcnn import __version__
from mrcnn.errors import DataError, UsageError
from mrcnn.files import json_text, remove_leftovers
from mrcnn.outputs import digest

JOURNAL = ".mrcnn-progress.jsonl"
HARMLESS = ("BATCH_SIZE", "IMAGES_PER_GPU", "GPU_COUNT")  # settings that results do not depend on
TAKEN = "{folder} is being written by another process: wait for its end, or give another --output."
FINISHED = {"finished": True}


def identity_of(options: argparse.Namespace, path: str, overrides: dict) -> dict:
    """What the results of photos depend on, beside the photos.

    Args:
        options: of the command.
        path: of the checkpoint or exported file.
        overrides: settings that the options ask for.
    """
    return {
        "weights": weights_digest(path),
        "settings": {name: value for name, value in overrides.items() if name not in HARMLESS},
        "tile": options.tile, "tile_overlap": options.tile_overlap if options.tile else None, "matte": options.matte,
    }


def weights_digest(path: str) -> str:
    """SHA-256 of a checkpoint; of an exported file those of what lies beside it too, with + between."""
    # Its settings, and the weights of OpenVINO, whose .xml has the graph alone.
    stem, ending = os.path.splitext(path)
    beside = [os.path.normpath(path) + ".json", *([f"{stem}.bin"] if ending.lower() == ".xml" else [])]
    return "+".join(digest(name) for name in (path, *filter(os.path.isfile, beside)))


class Journal:
    """What is done of a folder of photos. `journal_of` makes it.

    Args:
        file: that it is kept in, open for appending; None: it is not kept, as of a single photo.
        done: {photo: its entry} of what a former process did.
    """

    def __init__(self, file: BinaryIO | None = None, done: dict | None = None) -> None:
        self._file, self.done = file, done or {}

    def add(self, photo: str, **entry: object) -> None:
        """Note that a photo is done.

        Args:
            photo: what it is called.
            **entry: what is to be known of it.

        Raises:
            DataError: the file cannot be written.
        """
        self.done[photo] = entry
        self._write({"photo": photo, **entry})

    def finish(self) -> None:
        """Note that there is nothing left to do."""
        self._write(FINISHED)

    def _write(self, entry):
        if self._file is None:
            return
        try:
            self._file.write(json_text(entry, indent=None).encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise DataError(f"{self._file.name}: cannot write the file ({error.strerror}): check rights and disk "
                            "space; the photos that are done stay.") from error


@contextlib.contextmanager
def journal_of(folder: str, identity: dict, resume: bool) -> Iterator[Journal]:
    """The journal of a folder, which is this process's own within the block.

    Args:
        folder: that is written to; it is made. If nothing was done at the end, it is left as it was.
        identity: what results depend on, {name: what JSON holds}.
        resume: whether to go on with what a former process did; otherwise it is done anew.

    Raises:
        UsageError: another process writes there, or what was done depends on something else.
        DataError: the journal cannot be written.
    """
    from mrcnn.training.runs import lock_file

    path, identity = os.path.join(folder, JOURNAL), json.loads(json_text({**identity, "version": __version__}))
    made = not os.path.isdir(folder)
    try:
        os.makedirs(folder, exist_ok=True)
        file = open(path, "a+b", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise DataError(f"{path}: cannot write the file ({error.strerror}): check rights and disk space.") from error
    with file:
        if not lock_file(file, path):
            raise UsageError(TAKEN.format(folder=folder))
        file.seek(0)
        head, done, finished = _read(path, file.read())
        if resume:
            _check(path, head, identity)
            remove_leftovers(folder)
            if head is None:
                print(f"{folder} holds nothing to resume: beginning with the first photo.")
        elif done and not finished:
            print(f"{folder}: {len(done)} photos that an interrupted command has done are done anew; --resume goes on "
                  "instead.", file=sys.stderr)
        kept = resume and head is not None
        journal = Journal(file, done if kept else {})
        if not kept:
            file.truncate(0)
            journal._write({"identity": identity})
        try:
            yield journal
        finally:
            if all("error" in entry for entry in journal.done.values()):
                os.remove(path)
                if made:
                    with contextlib.suppress(OSError):
                        os.rmdir(folder)


def _read(path, data):
    """(identity or None, {photo: entry}, whether nothing was left) of a journal.

    A last line without its end, of a process that was killed, is cut off.
    """
    whole, _, torn = data.rpartition(b"\n")
    lines = whole.split(b"\n") if whole else []
    if torn:
        os.truncate(path, len(data) - len(torn))
    head, done, bad, last = None, {}, 0, None
    for number, line in enumerate(lines):
        try:
            last = json.loads(line)
        except (ValueError, RecursionError):
            last = None
        if not isinstance(last, dict):
            bad += 1
        elif number == 0:
            head = last.get("identity")
        elif isinstance(last.get("photo"), str):
            done[last.pop("photo")] = last
        elif last != FINISHED:
            bad += 1
    if bad:
        warnings.warn(f"{path}: {bad} lines cannot be read: their photos are looked at again.", stacklevel=3)
    return head if isinstance(head, dict) else None, done, last == FINISHED


def _check(path, former, identity):
    """Raise UsageError if what was done depends on something else."""
    folder = os.path.dirname(path)
    for name in sorted(set(identity) | set(former or ())) if former is not None else ():
        if identity.get(name) != former.get(name):
            raise UsageError(f"--resume: {folder} was begun with {name} {_short(former.get(name))}, not "
                             f"{_short(identity.get(name))}: give what it was begun with, or leave --resume out to "
                             "begin anew.")


def _short(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{text[:12]}..." if len(text) == 64 else text[:200]


def stamp_of(path: str) -> list[int] | None:
    """Size and time of a photo's file, by which one that was changed is told; None of one that is not there."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return [about.st_size, about.st_mtime_ns]


def left_to_do(batches: Sequence[Sequence], is_done: Callable[[Any], bool]) -> list:
    """The batches of which a photo is not done. They stay whole: what a network says may depend, in the last digit, on
    what it looks at together.

    Args:
        batches: photos that the network looks at together, by whatever stands for them.
        is_done: function of that.
    """
    return [batch for batch in batches if not all(is_done(photo) for photo in batch)]
