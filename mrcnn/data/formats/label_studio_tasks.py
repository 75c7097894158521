"""The tasks of Label Studio's own JSON and JSON-MIN, and whose annotation of each is taken.

A task is a photo. JSON has a list of tasks with the annotations of each; a file of a single task, and one of a single
annotation, as storage is synchronised to, are alike. JSON-MIN has an entry for each annotation, the entries of a task
with the same id. What several files or entries say of one task is put together.
"""

import dataclasses
import datetime
import itertools
import os

from mrcnn.data.formats.json_head import json_paths, keys_by_depth, read_head
from mrcnn.data.formats.label_studio import looks_like_photo
from mrcnn.data.formats.label_studio_regions import SHORTENED
from mrcnn.data.reporting import Reporting
from mrcnn.errors import DataError
from mrcnn.files import read_json

LISTS = ("annotations", "completions", "predictions")  # "completions" before version 1.0
MODELS = "predictions"  # the annotator who is none
PHOTO_KEYS = ("image", "img", "photo", "picture", "image_url", "url", "ocr")  # of a task's data, the likelier first
OTHER_KEYS = ("video", "audio", "text", "html")
OF_JSON_MIN = {"annotation_id", "annotator", "lead_time"}
NO_ANSWERS = OF_JSON_MIN | {"id", "created_at", "updated_at", "agreement"}  # of an entry of JSON-MIN
LOOKED_AT = 3  # files of a folder by which it is recognised
SHOWN = 10  # annotators in a message


@dataclasses.dataclass
class Annotation:
    """What one annotator, or one model, said of a photo.

    Attributes:
        result: list of what was drawn and answered, as written
        who: names of the annotator, any of which may be asked for: id, address, first and last name; of a prediction
            the version of its model
        when: seconds, or its place in the file where no time is given; later is newer
        cancelled: whether the annotator skipped the task
        key: id of the annotation, or None
        model: version of the model that made a prediction, as written; "" where none is named
    """

    result: list
    who: tuple
    when: tuple
    cancelled: bool
    key: object
    model: str = ""


@dataclasses.dataclass
class Task:
    """One photo.

    Attributes:
        key: id of the task, or None
        photo: address of the photo, as written; None where there is none
        trouble: why there is none
        annotations, predictions: lists of Annotation
        drafts: whether it has work that was not submitted
    """

    key: object
    photo: str | None
    trouble: str
    annotations: list
    predictions: list
    drafts: bool = False

    @property
    def name(self) -> str:
        """What a fault or note calls the task."""
        return self.photo or f"task {self.key}"


# --- Recognising -----------------------------------------------------------------------------------------------------


def recognises(path: str | os.PathLike) -> bool:
    """Whether a file, or the first files of a folder, hold tasks of Label Studio, by their beginnings."""
    try:
        # Files without an ending apart: a folder's LICENSE and README are not to be all that is looked at.
        bare = (file for file in json_paths(path, bare=True) if not file.lower().endswith(".json"))
        return any(_is_tasks(file) for some in (json_paths(path), bare) for file in itertools.islice(some, LOOKED_AT))
    except (OSError, TypeError):
        return False


def json_files(path: str | os.PathLike) -> list[str]:
    """Paths of the files of tasks in a folder; a file stands for itself.

    These are its JSON files, and in it and below those without an ending, as storages hold them, that begin as tasks.
    """
    if not os.path.isdir(path):
        return [os.fspath(path)]
    own = os.path.abspath(path)
    return [file for file in json_paths(path, bare=True) if (
        os.path.dirname(os.path.abspath(file)) == own and file.lower().endswith(".json")) or _is_tasks(file)]


def _is_tasks(path):
    head = read_head(path)
    top = 2 if head.lstrip().startswith("[") else 1
    keys = keys_by_depth(head, top + 2)
    task, inner = keys[top], keys[top + 2]
    if {"result", "task"} <= task:
        return "completed_by" in task
    if task & set(LISTS) and not task & {"images", "categories"}:  # COCO has annotations too
        return "data" in task or bool(inner & {"result", "completed_by"})
    drawn = "original_width" in inner and any(key.endswith("labels") for key in inner)
    return drawn or len(task & OF_JSON_MIN) >= 2


# --- Reading ---------------------------------------------------------------------------------------------------------


def read_tasks(path: str | os.PathLike, report: Reporting) -> list[Task]:
    """Read the tasks of a file or folder.

    Args:
        path: of it
        report: the AnnotatedDataset that is told what occurs twice

    Returns:
        list of Task.

    Raises:
        DataError: naming the file that holds something else.
    """
    tasks, places = {}, 0
    for file in json_files(path):
        content = read_json(file, "export of Label Studio")
        for entry in content if isinstance(content, list) else [content]:
            if not isinstance(entry, dict):
                raise DataError(f"{file}: no tasks of Label Studio, for {str(entry)[:40]!r} is none: export JSON.")
            task = _task_of(entry, places, report)
            places += 1 + len(task.annotations)
            first = tasks.setdefault((task.key, task.photo) if task.key is not None else places, task)
            if first is not task:
                _merge(first, task, report)
    return list(tasks.values())


def _merge(first, other, report):
    """Put what another entry says of a task to the first; what it says once more is told."""
    new = _unknown(other.annotations, first.annotations)
    if not new and other.annotations:
        report.note("task", "listed twice with the same annotations: taken once", other.name)
    first.annotations.extend(new)
    first.drafts = first.drafts or other.drafts
    first.predictions.extend(_unknown(other.predictions, first.predictions))


def _unknown(others, known):
    """list of the annotations that are not among those that are known; without a key they cannot be told."""
    keys = {one.key for one in known}
    return [one for one in others if one.key is None or one.key not in keys]


def _task_of(entry, place, report):
    """Task of an entry of a file. place: number of the tasks and annotations before it; report: as for `read_tasks`."""
    inner = entry.get("task")
    if isinstance(inner, dict) and isinstance(entry.get("result"), list):
        data = inner.get("data")
        lists, key = {"annotations": [entry]}, inner.get("id")
    elif isinstance(entry.get("data"), dict):
        data, key = entry["data"], entry.get("id")
        lists = {name: entry.get(name) for name in LISTS}
    else:
        data, key = entry, entry.get("id")
        lists = {"annotations": [_whole_annotation(entry)]}
    photo, trouble = _photo_of(data if isinstance(data, dict) else {})
    given = lists.get("annotations")
    given = given if isinstance(given, list) else lists.get("completions")
    key = key if isinstance(key, (int, str)) else None
    annotations = _annotations(given, place), _annotations(lists.get("predictions"), place)
    if photo is not None:
        trouble = _drawn_elsewhere(data, photo, [one for some in annotations for one in some], report)
    return Task(key, None if trouble else photo, trouble, *annotations, drafts=bool(entry.get("drafts")))


def _drawn_elsewhere(data, photo, annotations, report):
    """Why regions cannot be taken as drawn on the photo of a task's data, or "": the task shows several.

    What is drawn on a name of the labelling configuration may be on another photo of the data: that is told.
    """
    regions = [one for annotation in annotations for one in annotation.result if isinstance(one, dict)]
    pages = {one["item_index"] for one in regions if type(one.get("item_index")) is int} - {0}
    if pages:
        return f"its regions are on several pages, such as {min(pages)}: make a task of each photo"
    others = {name for name, value in data.items()
              if isinstance(value, str) and value != photo and looks_like_photo(value)}
    names = {one["to_name"] for one in regions if isinstance(one.get("to_name"), str)}
    if others and (len(names) > 1 or names & others):
        return (f"its data has several photos, and its regions are drawn on {', '.join(sorted(names))[:80]}: make a "
                "task of each photo")
    if others and names and not names & set(data):
        report.note("task", f"of several photos whose regions are drawn on {min(names)[:40]!r}, which is none of its "
                    "keys: taken as on the first photo; make a task of each photo if it is another", photo)
    return ""


def _whole_annotation(entry):
    """The annotation of an entry of JSON-MIN, as JSON has it: a result for each region of each control.

    A choice or text alone is written without its region: what of it was said cannot be told.
    """
    result, shortened, of_task = [], [], _keys_of_task(entry)
    for control, values in entry.items():
        if control in NO_ANSWERS or (control in of_task and not isinstance(values, list)):
            continue
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, dict):
                size = {name: value.get(name) for name in ("original_width", "original_height")}
                result.append({"from_name": control, "value": value, **size})
            elif isinstance(value, str) and value.strip() and control not in of_task:
                shortened.append({"from_name": control, "type": SHORTENED})
    kept = {name: entry.get(name) for name in ("created_at", "updated_at")}
    whole = result + shortened  # regions first: they are numbered
    return {"result": whole, "completed_by": entry.get("annotator"), "id": entry.get("annotation_id"), **kept}


def _keys_of_task(entry):
    """Set of the keys of an entry of JSON-MIN that are of its task's data: answers stand behind the id of the task."""
    keys = list(entry)
    ends = [keys.index(key) for key in OF_JSON_MIN if key in entry]
    if "id" in entry and ends and keys.index("id") < min(ends):
        return set(keys[:keys.index("id")])
    return {_photo_key(entry)}  # without an id, or with keys that somebody sorted


def _photo_key(entry):
    """The key of an entry that holds its photo, or None."""
    photo, _ = _photo_of(entry)
    return next((key for key, value in entry.items() if value == photo), None)


def _photo_of(data):
    """(address of the photo in a task's data, or None; why there is none)."""
    named = [data[key] for wanted in PHOTO_KEYS for key in data if key.lower() == wanted and data[key]]
    if any(isinstance(value, list) and all(isinstance(one, str) for one in value) for value in named):
        return None, "its data has a list of photos for one task: make a task of each"
    texts = [value for value in named if isinstance(value, str)]
    texts = texts[:1] or [value for value in data.values() if isinstance(value, str) and looks_like_photo(value)]
    if len(set(texts)) > 1:
        return None, f"its data has several photos, {texts[0][:60]} and {texts[1][:60]}: keep one"
    if not texts:
        other = next((key for key in data if key.lower() in OTHER_KEYS and data[key]), None)
        if other:
            return None, f"its data names no photo but {other!r}: photos alone are read; of a film, label its frames"
        return None, "its data names no photo"
    if texts[0].startswith("data:"):
        return None, "its data holds the photo itself: save it as a file, and name that"
    return texts[0], ""


def _annotations(given, place):
    """list of Annotation of a list as written. place: number of what stands before it."""
    found = []
    for number, one in enumerate(given if isinstance(given, list) else ()):
        if isinstance(one, dict):
            result = one.get("result")
            cancelled = bool(one.get("was_cancelled") or one.get("skipped"))
            key = one.get("id") if isinstance(one.get("id"), (int, str)) else None
            when = (_seconds(one.get("updated_at") or one.get("created_at")), place + number)
            model = one.get("model_version")
            model = str(model).strip() if isinstance(model, (int, str)) else ""
            found.append(Annotation(result if isinstance(result, list) else [], _who(one) or _names(model), when,
                                    cancelled, key, model))
    return found


def _who(one):
    """Names of the annotator of an annotation, in small letters."""
    by = one.get("completed_by")
    if isinstance(by, dict):
        names = [by.get(key) for key in ("email", "id", "username")]
        names.append(f"{by.get('first_name') or ''} {by.get('last_name') or ''}".strip())
    else:
        names = [by]
    return tuple(name for given in names if isinstance(given, (int, str)) for name in _names(given))


def _names(name):
    """A name as it may be asked for; none if it is empty."""
    return (str(name).lower(),) if name != "" else ()


def _seconds(value):
    """Seconds of a time as Label Studio writes it; 0 for any other value."""
    if isinstance(value, (int, float)):
        return float(value) if abs(value) < 1e15 else 0.0
    try:
        time = datetime.datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
    except ValueError:
        return 0.0
    return time.replace(tzinfo=time.tzinfo or datetime.timezone.utc).timestamp()


# --- Choosing --------------------------------------------------------------------------------------------------------


def choose(path: str | os.PathLike, tasks: list[Task], annotator: str | int | None,
           report: Reporting) -> list[tuple[Task, Annotation]]:
    """Choose one annotation of each task, the newest or that of an annotator, and tell what is not taken.

    Args:
        path: of the file, for messages
        tasks: list of Task
        annotator: id, address or name; "predictions" takes what models found, the version of a model what that one
            found; None takes anybody's annotation
        report: the AnnotatedDataset that is told

    Returns:
        list of (Task, Annotation); tasks of which nobody has said anything are not in it.

    Raises:
        DataError: the annotator has none.
    """
    asked = None if annotator is None else str(annotator).strip().lower()
    of_models = asked == MODELS or _is_model(asked, tasks)
    wanted = None if asked == MODELS else asked
    chosen = []
    for task in tasks:
        every = task.predictions if of_models else task.annotations
        sound = [one for one in every if not one.cancelled]
        if len(sound) < len(every):
            how = "marked as cancelled (skipped): left out"
            report.note("annotation", how, task.name, len(every) - len(sound))
        if task.predictions and not of_models:
            how = "with predictions of models, which are no annotations: left out (--annotator predictions takes them)"
            report.note("task", how, task.name)
        mine = [one for one in sound if wanted is None or wanted in one.who]
        if not mine:
            what = "an annotation" if wanted is None else f"one of {annotator}"
            how = f"without {'a prediction' if of_models and wanted is None else what}: left out"
            if task.drafts and not every and not of_models:
                how = "with drafts alone: left out; submit them in Label Studio, and export again"
            report.note("task", how, task.name)
            continue
        newest = max(mine, key=lambda one: one.when)
        if len(mine) > 1:
            report.note("task", _which(newest, mine, of_models, wanted), task.name)
        chosen.append((task, newest))
    if not chosen and wanted is not None:
        known = dict.fromkeys(one.who[0] for task in tasks for one in task.annotations if one.who)
        has = ", ".join(list(known)[:SHOWN]) or "nobody"
        models = ", ".join(list(_models(tasks))[:SHOWN])
        has += f", and predictions of {models}" if models else ""
        raise DataError(f"{path}: no annotation of annotator {annotator!r}: it has those of {has}.")
    return chosen


def _models(tasks):
    """{version of a model that made predictions: None}, as they are written."""
    return dict.fromkeys(one.model for task in tasks for one in task.predictions if one.model)


def _is_model(asked, tasks):
    """Whether a name is that of a version of a model, and of no annotator."""
    people = {name for task in tasks for one in task.annotations for name in one.who}
    return asked not in people and asked in {model.lower() for model in _models(tasks)}


def _which(newest, several, of_models, wanted):
    """Which of several annotations, or predictions, of a task is taken, in words."""
    if not of_models:
        how = "annotated more than once: the newest is taken"
        return how + ("" if wanted else " (--annotator EMAIL|ID takes one annotator's)")
    how = "with more than one prediction: the newest is taken"
    if len({one.model for one in several}) == 1:
        return how
    hint = "; --annotator VERSION takes another's"
    return f"{how}, of {f'the model {newest.model!r}' if newest.model else 'a model without version'}{hint}"
