"""Names of a run's checkpoints: mask_rcnn_fashion_0003.h5, the epoch in four digits or more."""

import os
import re
from collections.abc import Iterable

CHECKPOINT = re.compile(r"(?P<begin>.*\D)(?P<epoch>\d{4,})\.h5", re.DOTALL)


def name_and_epoch(name: str) -> tuple[str, int] | None:
    """What the name of a checkpoint begins with, and its epoch; None of another name.

    Args:
        name: of a file, without its folder.
    """
    match = CHECKPOINT.fullmatch(name)
    return (match["begin"], int(match["epoch"])) if match else None


def checkpoints_among(names: Iterable[str]) -> list[str]:
    """Those of the files of a run folder that are checkpoints, sorted by epoch.

    Args:
        names: of the files.
    """
    known = {name: name_and_epoch(name) for name in names}
    return sorted((name for name in known if known[name] and known[name][0].endswith("_")),
                  key=lambda name: known[name][1])


def told_of_folder(path: str | os.PathLike) -> str:
    """That a folder was given where a checkpoint is due, and what to give, for messages.

    Args:
        path: of the folder.
    """
    checkpoints = checkpoints_among(os.listdir(path))
    last = f"its last checkpoint, {os.path.join(path, checkpoints[-1])}" if checkpoints else ""
    meant = last or "a checkpoint in it, NAME_0001.h5"
    return f"{path} is a folder: give {meant}."
