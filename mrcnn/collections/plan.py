"""The folder of a collection: what it was labelled with, which photos are in which shard, and which shards are done."""

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Sequence

from mrcnn import __version__
from mrcnn.collections.spellings import plain_name
from mrcnn.data.formats.parquet_files import load_pyarrow
from mrcnn.errors import DataError, UsageError
from mrcnn.files import read_json, remove_leftovers, whole_file, write_json
from mrcnn.training.runs import LOCK, claim

VERSION = 1  # of the files
ABOUT, SHARDS = "collection.json", "shards.jsonl"
METADATA = b"mrcnn_collection"  # of a shard: the key of the collection that it belongs to
NAMES = b"mrcnn_names"  # of a shard: JSON of "classes", background first, and "attributes" that the network knows
TAKEN = "{folder} is being written by process {owner}: wait for its end, or give another --output."


class Plan:
    """The shards of a collection. `opened` makes it.

    Args:
        folder: of the collection.
        key: of the weights and settings; shards of another key are refused.
        shards: names of the photos of each shard.
        root: absolute path or address of the folder of the photos.
    """

    def __init__(self, folder: str, key: str, shards: list[list[str]], root: str = ""):
        self.folder, self.key, self.shards, self.root = folder, key, shards, root

    def path(self, number: int) -> str:
        """Path of a shard. number: of the shard."""
        return os.path.join(self.folder, f"shard-{number:06d}.parquet")

    def missing(self) -> list[int]:
        """Numbers of the shards that are still to be written.

        Raises:
            DataError: a file with a shard's name is no shard of this collection.
        """
        return [number for number in range(len(self.shards)) if not self._is_done(self.path(number))]

    def _is_done(self, path):
        if not os.path.lexists(path):
            return False
        pyarrow, parquet = load_pyarrow()
        try:
            key = (parquet.read_metadata(path).metadata or {}).get(METADATA, b"").decode("ascii", "replace")
        except (OSError, pyarrow.ArrowException) as error:
            raise DataError(f"{path} cannot be read ({' '.join(str(error).split())[:200]}): remove it, and the same "
                            "command writes it anew.") from error
        if key != self.key:
            raise DataError(f"{path} is no shard of this collection: move it away, and the same command writes it.")
        return True

    def add(self, names: Sequence[str], size: int) -> int:
        """Add the photos that no shard has yet, in shards of their own, and keep the list.

        Args:
            names: sorted names of all photos.
            size: photos of a shard.

        Returns:
            Number of photos that are new.
        """
        known = {name for shard in self.shards for name in shard}
        known |= {plain_name(self.root, name) for name in known}  # lists were once kept as they were spelled
        new = [name for name in names if name not in known]
        if new:
            self.shards += [new[start:start + size] for start in range(0, len(new), size)]
            with whole_file(os.path.join(self.folder, SHARDS)) as partial, open(partial, "w", encoding="ascii") as file:
                file.writelines(json.dumps(shard) + "\n" for shard in self.shards)
        return len(new)


def key_of(identity: dict) -> str:
    """The key of what a collection is labelled with. identity: see `opened`."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()


@contextlib.contextmanager
def opened(folder: str, root: str, identity: dict, notes: dict | None = None) -> Iterator[Plan]:
    """The plan of a folder, which is made if need be, and is this process's own within the block.

    What a killed process left unfinished is removed. A collection with other photos, weights or settings that has no
    finished shard is begun anew, with a warning: nothing is lost, and a call that failed holds no folder.

    Args:
        folder: of the collection.
        root: absolute path of the folder of the photos.
        identity: what rows depend on, {name: what JSON holds}.
        notes: what is kept beside it when the folder is begun, {name: what JSON holds}.

    Raises:
        UsageError: the folder holds other files, or shards of a collection with other photos, weights or settings.
        RunError: another process writes it, or it cannot be written.
    """
    identity = json.loads(json.dumps({**identity, "root": root, "version": VERSION}, default=str))
    _check_folder(folder, identity)  # before a file of ours is in a folder of others
    lock = claim(folder, TAKEN)
    try:
        remove_leftovers(folder)
        if not _check_folder(folder, identity):  # anew: another process may have begun it before the lock was ours
            _forget(folder, identity)
            written_by = f"mrcnn {__version__}"
            write_json(os.path.join(folder, ABOUT), {"written_by": written_by, **(notes or {}), "identity": identity})
        yield Plan(folder, key_of(identity), _read_shards(os.path.join(folder, SHARDS)), root)
    finally:
        lock.close()


def _check_folder(folder, identity):
    """Whether a folder holds the same collection already; not if it has no shard of another one.

    Raises UsageError if it holds anything else.
    """
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise UsageError(f"--output {folder} is no folder: give another one.")
    path = os.path.join(folder, ABOUT)
    if not os.path.isfile(path):
        names = sorted(set(os.listdir(folder)) - {LOCK}) if os.path.isdir(folder) else []
        others = [name for name in names if not name.endswith(".partial")]  # of a process killed at its start
        if others:
            raise UsageError(f"--output {folder} holds other files ({others[0]}): give a new or empty folder.")
        return False
    about = read_json(path, "description of a collection")
    former = about.get("identity") if isinstance(about, dict) else None
    if not isinstance(former, dict):
        raise UsageError(f"--output {folder}: its {ABOUT} describes no collection: give another folder.")
    differing = _differing(identity, former)
    if differing and not any(name.startswith("shard-") and name.endswith(".parquet") for name in os.listdir(folder)):
        return False
    if differing:
        name = differing[0]
        raise UsageError(f"--output {folder} was labelled with {name} {former.get(name)}, not {identity.get(name)}: "
                         "give another --output, or what it was labelled with.")
    return True


def _differing(identity, former):
    """Names of what two identities differ in."""
    return [name for name in sorted(set(identity) | set(former)) if identity.get(name) != former.get(name)]


def _forget(folder, identity):
    """Tell of another collection that was begun in a folder and has no finished shard, and remove its list."""
    path = os.path.join(folder, ABOUT)
    if os.path.isfile(path):
        former = read_json(path, "description of a collection")["identity"]
        warnings.warn(f"{folder} was begun with another {', '.join(_differing(identity, former))} and has no finished "
                      "shard: it is begun anew.", stacklevel=4)
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(folder, SHARDS))


def _read_shards(path):
    if not os.path.lexists(path):
        return []
    try:
        with open(path, encoding="ascii") as file:
            shards = [json.loads(line) for line in file]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the list of shards cannot be read ({error}): give another --output.") from error
    if not all(isinstance(shard, list) and all(isinstance(name, str) for name in shard) for shard in shards):
        raise DataError(f"{path}: no list of shards: give another --output.")
    return shards
