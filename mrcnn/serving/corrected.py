"""Tasks that people have corrected in Label Studio, kept as they come: annotations that `mrcnn train` reads.

Each task is a file of its own, `project_P_task_T.json`, in the form of Label Studio's own JSON, with all its
annotations. Beside them is `labels.xml`, which lists the classes in the order of the model: `--names` of a training
that goes on.
"""

import logging
import os
import re
import threading

from mrcnn.data.formats.label_studio_config import config_text, read_labels
from mrcnn.errors import DataError
from mrcnn.files import json_text, read_json, write_text
from mrcnn.serving.refusals import Refused

LOG = logging.getLogger("mrcnn.serving")
NAMES = "labels.xml"
FILE = re.compile(r"project_(\d+)_task_\d+\.json")
CREATED = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED")
DELETED, TASKS_DELETED = "ANNOTATIONS_DELETED", "TASKS_DELETED"
ACTIONS = (*CREATED, DELETED, TASKS_DELETED)


class CorrectedTasks:
    """A folder of corrected tasks.

    Args:
        folder: where they are kept; it is made.
        class_names: of the model by class id, background first.
        last: what stands for the model's last checkpoint in the command that trains on them.

    Raises:
        DataError: the folder cannot be written, or has another labels.xml, which is left as it is.
    """

    def __init__(self, folder: str | os.PathLike, class_names: list[str], last: str = "--weights last"):
        self.folder, self.last, self._lock = os.fspath(folder), last, threading.Lock()
        try:
            os.makedirs(self.folder, exist_ok=True)
        except OSError as error:
            raise DataError(f"--corrected {self.folder}: cannot be made ({error.strerror}): give another.") from error
        self._write_names(list(class_names[1:]))

    def __len__(self) -> int:
        """Number of tasks that are kept."""
        return len(self._files())

    def _write_names(self, names):
        path = os.path.join(self.folder, NAMES)
        text = config_text(names)
        if not os.path.lexists(path):
            write_text(path, text)
        elif not _holds(path, text) and _labels(path) != list(dict.fromkeys(name.strip() for name in names)):
            raise DataError(f"{path}: is there already, and does not list the model's classes in their order: give "
                            "--corrected another folder, or move the file away.")

    def hear(self, event: dict) -> int:
        """Take what an event of the webhook says of annotations.

        Args:
            event: its body, with the payload.

        Returns:
            Number of annotations, or of tasks that are gone, that the event was about and that were taken.

        Raises:
            Refused: 422, the event lacks what its action has to bring.
        """
        action = event.get("action")
        if action not in ACTIONS:
            return 0
        project = _id_of(event.get("project"), "project")
        with self._lock:
            if action in CREATED:
                return self._keep(project, event)
            if action == DELETED:
                return self._forget(project, {_id_of(one, "annotation") for one in _list(event.get("annotations"))})
            return sum(self._remove(project, _id_of(one, "task")) for one in _list(event.get("tasks")))

    def _keep(self, project, event):
        """Write annotations into the files of their tasks. Returns their number."""
        annotations, tasks = _list(event.get("annotation")), _list(event.get("task"))
        known = {_id_of(task, "task"): task for task in tasks}
        for annotation in annotations:
            key, of_task = _id_of(annotation, "annotation"), annotation.get("task")
            task = known.get(of_task) if type(of_task) is int else tasks[0] if len(tasks) == 1 else None
            if task is None or not isinstance(task.get("data"), dict):
                raise Refused(422, f"Annotation {key} comes without its task: let the webhook send its payload.")
            path = self._path(project, task["id"])
            before = _read_task(path)["annotations"] if os.path.lexists(path) else []
            kept = [one for one in before if one["id"] != key] + [annotation]
            write_text(path, json_text({"id": task["id"], "project": project, "data": task["data"],
                                        "annotations": kept}))
        return len(annotations)

    def _forget(self, project, keys):
        """Take annotations out of the files of their tasks. Returns the number of those that were there."""
        gone = 0
        for name in self._files(project):
            path = os.path.join(self.folder, name)
            task = _task_or_none(path)
            if task is None:
                continue
            left = [one for one in task["annotations"] if one["id"] not in keys]
            gone += len(task["annotations"]) - len(left)
            if not left:
                os.remove(path)
            elif len(left) < len(task["annotations"]):
                write_text(path, json_text({**task, "annotations": left}))
        return gone

    def _remove(self, project, task):
        path = self._path(project, task)
        if not os.path.lexists(path) or _task_or_none(path) is None:
            return 0
        os.remove(path)
        return 1

    def _path(self, project, task):
        return os.path.join(self.folder, f"project_{project}_task_{task}.json")

    def _files(self, project=None):
        """Names of the files of tasks, of all projects or of one."""
        named = ((FILE.fullmatch(name), name) for name in os.listdir(self.folder))
        return sorted(name for match, name in named if match and project in (None, int(match[1])))


def _holds(path, text):
    """Whether a file holds a text, as one that was written at a former start does."""
    try:
        with open(path, "rb") as file:
            return file.read() == text.encode()
    except OSError:
        return False


def _labels(path):
    """The labels that a configuration lists; None: it is none."""
    try:
        return read_labels(path)
    except DataError:
        return None


def _read_task(path):
    """What the file of a task holds; DataError: it is no such file."""
    task = read_json(path, "corrected task")
    annotations = task.get("annotations") if isinstance(task, dict) else None
    if not isinstance(annotations, list) or not all(isinstance(one, dict) and "id" in one for one in annotations):
        raise DataError(f"{path}: no corrected task of this server: move it out of the folder.")
    return task


def _task_or_none(path):
    """`_read_task`; None of a file that is passed over, which the log tells."""
    try:
        return _read_task(path)
    except DataError as error:
        LOG.warning("A file is left as it is: %s", error)
        return None


def _list(value):
    """A list of dicts from one or several."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, dict) for one in values):
        raise Refused(422, "The event has no payload: let the webhook send it (Settings, Webhooks, Send payload).")
    return values


def _id_of(value, what):
    """The id of a project, task or annotation: a number, for it names a file."""
    key = value.get("id") if isinstance(value, dict) else None
    if type(key) is not int or key < 0:
        raise Refused(422, f"The event has no {what} with a number as id: let the webhook send its payload.")
    return key
