"""What a command writes replaces only what a command wrote: files of the user's stay.

A folder that was written to holds a list, `.mrcnn-output`, of names and SHA-256 digests. A file that is listed with its
digest is ours; one that the user made, changed or linked to is not.
"""

import hashlib
import json
import os
import threading
import warnings
from collections.abc import Iterable

from mrcnn.errors import DataError, UsageError

MARK = ".mrcnn-output"  # one line for each file that was written, [name, digest]
_LISTING = threading.Lock()  # pictures are written by several threads
_claimed = {}  # {path that the running command writes: its folder's list, {name: digests}}


def claim_outputs(paths: Iterable[str | os.PathLike], overwrite: bool = False) -> None:
    """Check, before any work, that none of the files to write is the user's; they are listed when they are written.

    Args:
        paths: of all files and folders that a command is going to write.
        overwrite: whether files of the user's may be replaced.

    Raises:
        UsageError: if one is there that no command wrote, or its folder cannot be written to; the message names it.
    """
    paths = [os.path.abspath(path) for path in paths]
    for folder in sorted({os.path.dirname(path) for path in paths}):
        _check_writable(folder)
    listed = {folder: _listed(folder) for folder in {os.path.dirname(path) for path in paths}}
    lists = {path: listed[os.path.dirname(path)] for path in paths}
    foreign = [path for path in paths if not overwrite and os.path.lexists(path) and not _is_ours(path, lists[path])]
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        link = ", a link," if os.path.islink(foreign[0]) else ""
        raise UsageError(f"--output: {foreign[0]}{link}{more} was not written by this program, or was changed since: "
                         "give another --output, or --overwrite to replace it.")
    _claimed.update(lists)


def tell_earlier(folder: str | os.PathLike, names: Iterable[str]) -> None:
    """Warn of files that commands wrote into a folder and the running one does not write anew.

    Args:
        folder: that is written to.
        names: of the files that are going to be written there.
    """
    names = set(names)
    left = sorted(name for name in _listed(folder).keys() - names
                  if os.path.isfile(os.path.join(folder, name)))
    if left:
        files = "1 file" if len(left) == 1 else f"{len(left)} files"
        warnings.warn(f"{folder}: {files} of earlier calls stay beside the new ones (first: {left[0]}): delete them, "
                      "or give an --output of its own.", stacklevel=2)


def remove_file(path: str | os.PathLike) -> None:
    """Remove a file of an earlier call, which would seem to be of the running one.

    Raises:
        DataError: it cannot be removed.
    """
    try:
        os.remove(path)
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: cannot remove the file, which is of an earlier call "
                        f"({error.strerror or error}): close it in other programs, or check rights.") from error


def remove_former(folder: str | os.PathLike, names: Iterable[str]) -> None:
    """Remove files that the running command does not write this time, of which they would seem to be; that is told.

    Files that the user made or changed stay, unless `claim_outputs` let them be replaced.

    Args:
        folder: that was written to.
        names: of the files.

    Raises:
        DataError: one of them cannot be removed.
    """
    folder = os.path.abspath(folder)
    listed, gone = _listed(folder), []
    for name in sorted(names):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and (is_claimed(path) or _is_ours(path, listed)):
            remove_file(path)
            gone.append(name)
    if gone:
        warnings.warn(f"{folder}: {', '.join(gone)} of an earlier call {'is' if len(gone) == 1 else 'are'} removed, "
                      "for this call writes none.", stacklevel=2)


def _check_writable(folder):
    """Raise UsageError unless files can be made in a folder, or the folder in the nearest one that there is."""
    place = folder
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise UsageError(f"--output: {place} is no folder, so {folder} cannot be one: give another --output.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(f"--output: {place} cannot be written to: check its rights, or give another --output.")


def release_outputs() -> None:
    """End what `claim_outputs` began: later files are nobody's."""
    _claimed.clear()


def is_claimed(path: str | os.PathLike) -> bool:
    """Whether the running command has claimed a path, whose former content it may replace."""
    return os.path.abspath(path) in _claimed


def _is_ours(path, listed):
    """Whether a file or folder is as a command wrote it, by its folder's list. An empty folder is anybody's."""
    if os.path.islink(path):
        return False
    if os.path.isdir(path) and not os.listdir(path):
        return True
    digests = listed.get(os.path.basename(path))
    return digests is not None and digest(path) in digests


def note(path: str | os.PathLike, partial: str | os.PathLike) -> None:
    """List a file in its folder, just before it takes its name, if the running command has claimed it.

    Args:
        path: of the file.
        partial: where it is now, complete.
    """
    path = os.path.abspath(path)
    if path not in _claimed:
        return
    name, content = os.path.basename(path), digest(partial)
    with _LISTING:
        digests = _claimed[path].setdefault(name, set())
        if content not in digests:
            _list(os.path.dirname(path), [name, content])
            digests.add(content)


def _list(folder, entry):
    # Appended: killed in between, both the file before and the new one are listed.
    with open(os.path.join(folder, MARK), "a+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        torn = end and file.read(1) != b"\n"  # of a process that was killed
        file.write((b"\n" if torn else b"") + json.dumps(entry).encode() + b"\n")


def _listed(folder):
    """{name: set of digests} of a folder's list; lines that are no entry are left out."""
    listed = {}
    try:
        with open(os.path.join(folder, MARK), encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return listed
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, list) and len(entry) == 2 and all(isinstance(part, str) for part in entry):
            listed.setdefault(entry[0], set()).add(entry[1])
    return listed


def digest(path: str | os.PathLike) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files."""
    if not os.path.isdir(path):
        sha256 = hashlib.sha256()
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                sha256.update(block)
        return sha256.hexdigest()
    sha256 = hashlib.sha256()
    for folder, _, names in sorted(os.walk(path)):
        for name in sorted(names):
            inner = os.path.join(folder, name)
            sha256.update(f"{os.path.relpath(inner, path)}\n{digest(inner)}\n".encode(errors="surrogateescape"))
    return sha256.hexdigest()
