"""Run folders, the checkpoints in them, logs/fashion20261121T0401/mask_rcnn_fashion_0003.h5, and who trains there."""

import contextlib
import datetime
import errno
import importlib.util
import os
import re
import warnings

from mrcnn.errors import RunError
from mrcnn.weights.epochs import checkpoints_among, name_and_epoch

RUN_FOLDER = re.compile(r"(?P<name>.+?)(?P<time>\d{8}T\d{4})")  # Config.NAME takes any text without slashes
ENDING = "0000.h5"  # of the name of the checkpoint before the first epoch
LOCK = "run.lock"  # in a run folder: holds the process that trains there, or did
TAKEN = ("{folder} is being trained by process {owner}: wait for its end, or start a run of its own from a "
         "checkpoint's weights (train --weights PATH).")
LOCKED_BYTE = 1 << 20  # on Windows, where a locked byte cannot be read


def find_last_checkpoint(logs: str | os.PathLike, name: str | None = None) -> str:
    """Find the last checkpoint of the run that was written to last, of whichever architecture.

    The time that counts is that of the files, not that in the folder's name, which is local and goes back once a year.

    Args:
        logs: folder of the run folders.
        name: Config.NAME of the runs to consider; None considers all.

    Returns:
        Path of the checkpoint.

    Raises:
        FileNotFoundError: there is no checkpoint.
    """
    paths = find_last_checkpoints(logs, name)
    if not paths:
        of_name = f" of a run named {name}" if name else ""
        raise FileNotFoundError(f"No checkpoint{of_name} in {os.path.abspath(logs)}: train first, or give the path.")
    return paths[0]


def find_last_checkpoints(logs: str | os.PathLike, name: str | None = None) -> list[str]:
    """Find the last checkpoint of each run, as `find_last_checkpoint` does, that of the newest run first.

    Args:
        logs, name: as for `find_last_checkpoint`.

    Returns:
        Paths of the checkpoints; none if there is no run.
    """
    runs = []
    for folder in os.listdir(logs) if os.path.isdir(logs) else []:
        match = RUN_FOLDER.fullmatch(folder)
        if match and (name is None or match["name"] == name.lower()):
            path = os.path.join(logs, folder)
            checkpoints = checkpoints_among(_names_in(path))
            if checkpoints:
                written = max(_time_of(os.path.join(path, name)) for name in checkpoints)
                runs.append((written, match["time"], folder, checkpoints[-1]))
    return [os.path.join(logs, folder, checkpoint) for *_, folder, checkpoint in sorted(runs, reverse=True)]


def _names_in(path):
    """Names in a folder; none if it is no folder or went away."""
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _time_of(path):
    """When a file was written, in ns; 0 if it went away, as the checkpoint before the first epoch does."""
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0


def folder_of(checkpoint: str | os.PathLike) -> tuple[str, str, int] | None:
    """(run folder, what its checkpoints' names begin with, epoch) of a checkpoint's path; None if it is in no run."""
    folder, name = os.path.split(os.path.abspath(checkpoint))
    known = name_and_epoch(name)
    return (folder, *known) if known and RUN_FOLDER.fullmatch(os.path.basename(folder)) else None


def told_of_new_run(path: str | os.PathLike, written: dict | None, name: str, left_out: object) -> list[str]:
    """Tell why a training does not go on with the run of a checkpoint: another network would replace its files.

    Args:
        path: of the checkpoint.
        written: the settings in it; None: it has none, and its folder tells the name of the run.
        name: Config.NAME of the network.
        left_out: true if layers of the file, or of the network, were left out, or began as copies of others.

    Returns:
        One line; none if the training goes on with the run, or the file is in none.
    """
    known = folder_of(path)
    if not known:
        return []
    theirs = str((written or {}).get("NAME") or RUN_FOLDER.fullmatch(os.path.basename(known[0]))["name"])
    if theirs.lower() != name.lower():
        reason, remedy = f"it is of a run of NAME={theirs}, and this network's NAME is {name}", f"set NAME={theirs}"
    elif left_out:
        reason, remedy = "layers were left out, or are others here", "load all into a network of its settings"
    else:
        return []
    return [f"{path}: {reason}: its weights begin a new run, at epoch 0. To go on with the old run {remedy}."]


def escaped(path: str) -> str:
    """A path as a part of a pattern for str.format: names of folders may have braces."""
    return path.replace("{", "{{").replace("}", "}}")


def new_folder(model_dir: str | os.PathLike, name: str) -> str:
    """Path of a run folder that is not there yet: that of a later minute where another run began in this one.

    Only `train_in` takes it: until then another process may.

    Args:
        model_dir: folder of run folders.
        name: Config.NAME.
    """
    now = datetime.datetime.now()
    while os.path.exists(path := os.path.join(model_dir, f"{name}{now:%Y%m%dT%H%M}")):
        now += datetime.timedelta(minutes=1)
    return path


# --- One process in a folder -----------------------------------------------------------------------------------------


def claim_new(folder: str | os.PathLike, name: str) -> tuple[str, object]:
    """Make the folder of a new run and lock it; where another process has taken it, that of a later minute.

    Args:
        folder: path that `new_folder` gave. An empty folder, or one with files that are no run's, is taken too.
        name: Config.NAME, for the folder to take instead.

    Returns:
        (path of the folder, its lock as of `claim`).

    Raises:
        RunError: if the folder cannot be made.
    """
    while True:
        with contextlib.suppress(_TakenError):
            lock = claim(folder)
            if not any(entry == "config.json" or entry.endswith(".h5") for entry in os.listdir(folder)):
                return folder, lock
            lock.close()
        folder = new_folder(os.path.dirname(folder), name)


def claim(folder: str | os.PathLike, taken: str = TAKEN) -> object:
    """Lock a folder, which is made if need be, for this process until the lock is closed or the process ends.

    Args:
        folder: of a run, or another that one process alone may write in.
        taken: what is said if another process has the lock, with {folder} and its number as {owner}.

    Returns:
        An object with close().

    Raises:
        RunError: if another process, or another model of this one, trains there; or the folder cannot be written.
    """
    path = os.path.join(folder, LOCK)
    try:
        os.makedirs(folder, exist_ok=True)
        # Unbuffered: what a full disk does not take must not come up again when the lock is closed.
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
    except OSError as error:
        raise RunError(f"{error.filename or path}: cannot write in the folder ({error.strerror}): check rights and "
                       "disk space, or choose another folder.") from error
    try:
        if not lock_file(file, path):
            file.seek(0)
            owner = file.read(40).decode("ascii", "replace").strip() or "unknown"
            raise _TakenError(taken.format(folder=folder, owner=owner))
        with contextlib.suppress(OSError):  # on a full disk the next message lacks the number, no more
            file.truncate(0)
            file.seek(0)
            file.write(f"{os.getpid()}\n".encode())
    except BaseException:
        with contextlib.suppress(OSError):
            file.close()
        raise
    return file


class _TakenError(RunError):
    """Another process trains in the folder."""


def lock_file(file: object, path: str) -> bool:
    """Lock an open file; the system takes the lock back when the file is closed or the process ends.

    Args:
        file: open for writing, without a buffer.
        path: of it, for a message.

    Returns:
        Whether this process now has the lock.
    """
    try:
        if importlib.util.find_spec("fcntl"):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            file.seek(LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        warnings.warn(f"{path}: no file can be locked here ({error.strerror}): see to it that no other process "
                      "writes in its folder.", stacklevel=4)
    return True
