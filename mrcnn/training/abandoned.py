"""What a run has of epochs that it does not go on from: moved aside when training begins at an older checkpoint."""

import contextlib
import itertools
import os
import re

from mrcnn.errors import DataError, RunError
from mrcnn.training.history import HISTORY, read_history_rows, write_history_rows
from mrcnn.training.runs import ENDING
from mrcnn.training.validation import BEST, read_best
from mrcnn.weights.epochs import EPOCH


def set_aside_later(pattern: str, epoch: int, rows: list[dict] | None = None) -> list[dict]:
    """Move what a run folder has of later epochs into a folder in it, of abandoned epochs; a line tells of it.

    Else the last checkpoint, and the figures that patience and schedules go by, would stay those of epochs that the
    run did not go on from. These are the later checkpoints with their states, the rows of history.csv, of which the
    whole file is kept there, and the best checkpoint if it is of a later epoch. A killed run may have a row, and the
    best checkpoint, of the epoch that it was in: where nothing else is later, these stay.

    Args:
        pattern: of the checkpoints' paths, `Segmenter.checkpoint_path`.
        epoch: number of finished epochs, with which training goes on.
        rows: of history.csv, where this process knows them; None reads the file.

    Returns:
        The rows that are left.

    Raises:
        RunError: a file cannot be moved.
        DataError: history.csv cannot be read or written.
    """
    folder, first = os.path.split(pattern.format(epoch=0))
    later = _later_files(folder, first[: -len(ENDING)], epoch)
    history = os.path.join(folder, HISTORY)
    rows = read_history_rows(history) if rows is None else rows
    if not later and all(int(row["epoch"]) <= epoch for row in rows):
        return rows
    best = None
    with contextlib.suppress(DataError):  # a damaged best.json is told where it is gone by
        best = read_best(folder)
    numbers = sorted({number for number, _ in later})
    moved = [name for _, name in later]
    if best and best["epoch"] > epoch:
        moved += [name for name in (best["weights"], BEST) if os.path.isfile(os.path.join(folder, name))]
    target = next(path for path in _names(os.path.join(folder, f"abandoned_after_{epoch:04d}"))
                  if not os.path.lexists(path))
    kept = [row for row in rows if int(row["epoch"]) < epoch]
    try:
        os.makedirs(target)
        if len(kept) < len(rows):
            write_history_rows(os.path.join(target, HISTORY), rows)
        for name in moved:
            os.replace(os.path.join(folder, name), os.path.join(target, name))
    except OSError as error:
        raise RunError(f"{error.filename or target}: cannot move what the run has of epochs after {epoch} "
                       f"({error.strerror}): check rights and disk space.") from error
    if len(kept) < len(rows):
        write_history_rows(history, kept)
    print(_told(target, epoch, numbers, len(rows) - len(kept), best["epoch"] if BEST in moved else None))
    return kept


def _later_files(folder, begin, epoch):
    """Sorted (epoch, name) of a run's checkpoints and states of later epochs."""
    numbered = re.compile(rf"{re.escape(begin)}({EPOCH})(?:\.state)?\.h5")
    found = ((numbered.fullmatch(name), name) for name in (os.listdir(folder) if os.path.isdir(folder) else ()))
    return sorted((int(match[1]), name) for match, name in found if match and int(match[1]) > epoch)


def _names(path):
    """A path, and others if that is taken."""
    return itertools.chain([path], (f"{path}_{number}" for number in itertools.count(2)))


def _told(target, epoch, numbers, rows, best):
    parts = []
    if numbers:
        which = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
        parts.append(f"{len(numbers)} checkpoint{'s' * (len(numbers) > 1)} (epoch {which})")
    if rows:
        parts.append(f"{rows} row{'s' * (rows > 1)} of {HISTORY}")
    if best:
        parts.append(f"the best checkpoint (epoch {best})")
    return (f"The run goes on from epoch {epoch}: what it had of later ones, {', '.join(parts)}, is moved to {target}. "
            "Weights can be loaded from there; delete that folder if nothing of it is wanted.")
