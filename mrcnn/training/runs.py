"""Run folders and the checkpoints in them: logs/fashion20261121T0401/mask_rcnn_fashion_0003.h5."""

import datetime
import os
import re

CHECKPOINT = re.compile(r".*[/\\][^/\\]+(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})[/\\][^/\\]+(\d{4})\.h5")
RUN_FOLDER = re.compile(r"(?P<name>.+?)(?P<time>\d{8}T\d{4})")  # Config.NAME takes any text without slashes
ENDING = "0000.h5"  # of a checkpoint's name: the epoch in four digits


def find_last_checkpoint(logs: str | os.PathLike, name: str | None = None) -> str:
    """Find the newest run's last checkpoint, of whichever architecture.

    Args:
        logs: folder of the run folders.
        name: Config.NAME of the runs to consider; None considers all.

    Returns:
        Path of the checkpoint.

    Raises:
        FileNotFoundError: there is no checkpoint.
    """
    runs = []
    for folder in os.listdir(logs) if os.path.isdir(logs) else []:
        match = RUN_FOLDER.fullmatch(folder)
        if match and (name is None or match["name"] == name.lower()):
            checkpoints = [f for f in os.listdir(os.path.join(logs, folder)) if re.fullmatch(r".+_\d{4}\.h5", f)]
            if checkpoints:
                runs.append((match["time"], folder, max(checkpoints, key=lambda f: f[-len(ENDING):])))
    if not runs:
        of_name = f" of a run named {name}" if name else ""
        raise FileNotFoundError(f"No checkpoint{of_name} in {os.path.abspath(logs)}: train first, or give the path.")
    _, folder, checkpoint = max(runs)
    return os.path.join(logs, folder, checkpoint)


def folder_of(checkpoint):
    """(run folder, what its checkpoints' names begin with, epoch) of a checkpoint's path; None if it is in no run."""
    path = os.path.abspath(checkpoint)
    match = CHECKPOINT.fullmatch(path)
    return (os.path.dirname(path), os.path.basename(path)[: -len(ENDING)], int(match.group(6))) if match else None


def new_folder(model_dir, name):
    """Path of a run folder that is not there yet: that of a later minute where another run began in this one.

    Args:
        model_dir: folder of run folders.
        name: Config.NAME.
    """
    now = datetime.datetime.now()
    while os.path.exists(path := os.path.join(model_dir, f"{name}{now:%Y%m%dT%H%M}")):
        now += datetime.timedelta(minutes=1)
    return path
