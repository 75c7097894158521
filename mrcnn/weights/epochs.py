"""Names of a run's checkpoints: mask_rcnn_fashion_0003.h5, the epoch in four digits, above 9,999 in up to seven."""

import os
import re
from collections.abc import Iterable

EPOCH = r"\d{4}|[1-9]\d{4,6}"  # eight digits are a date
CHECKPOINT = re.compile(rf"(?P<begin>.*\D)(?P<epoch>{EPOCH})\.h5", re.DOTALL)


def name_and_epoch(name: str) -> tuple[str, int] | None:
    """What the name of a checkpoint begins with, and its epoch; None of another name.

    Args:
        name: of a file, without its folder.
    """
    match = CHECKPOINT.fullmatch(name)
    return (match["begin"], int(match["epoch"])) if match else None


def checkpoints_among(names: Iterable[str]) -> list[str]:
    """Those of the files of a run folder that are checkpoints, sorted by epoch.

    Of more than four digits only those are that begin as others of four do, if there are any: a copy may end in a date.

    Args:
        names: of the files.
    """
    known = {name: told for name in names if (told := name_and_epoch(name)) and told[0].endswith("_")}
    begins = {begin for begin, epoch in known.values() if epoch < 10_000}
    return sorted((name for name, (begin, epoch) in known.items() if epoch < 10_000 or not begins or begin in begins),
                  key=lambda name: known[name][1])


def told_of_folder(path: str | os.PathLike) -> str:
    """That a folder was given where a checkpoint is due, and what to give, for messages.

    Args:
        path: of the folder.
    """
    try:
        checkpoints = checkpoints_among(os.listdir(path))
    except OSError as error:
        return f"{path} is a folder, and cannot be read ({error.strerror}): give a checkpoint, NAME_0001.h5."
    last = f"its last checkpoint, {os.path.join(path, checkpoints[-1])}" if checkpoints else ""
    meant = last or "a checkpoint in it, NAME_0001.h5"
    return f"{path} is a folder: give {meant}."
