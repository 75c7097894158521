"""Label Studio's ML backend protocol: what the model finds appears as pre-labels of its tasks."""

import os
import shlex
import time

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mrcnn.errors import UserError
from mrcnn.serving import schemas
from mrcnn.serving.corrected import NAMES, CorrectedTasks
from mrcnn.serving.json_bodies import json_of
from mrcnn.serving.photos import decode_photo
from mrcnn.serving.pre_labels import mapping_of, prediction_of, without_pixels
from mrcnn.serving.refusals import Refused
from mrcnn.serving.routes import json_answer
from mrcnn.serving.served import DETECT
from mrcnn.serving.service import LOG, Service
from mrcnn.serving.task_photos import TaskPhotos

MOST_TASKS = 1000  # of a request
JSON = "application/json"
REFUSALS = schemas.error_answers(400, 403, 408, 413, 415, 422, 503)
SETUP = schemas.json_body(("schema",), {"project": {"type": "string"}, "schema": {"type": "string"}})
PREDICT = schemas.json_body(("tasks", "label_config"), {
    "tasks": {"type": "array", "items": {"type": "object", "required": ["data"], "properties": {
        "data": {"type": "object"}}}},
    "label_config": {"type": "string"}, "project": {"type": "string"}})
WEBHOOK = schemas.json_body(("action",), {"action": {"type": "string"}})
TRAIN = "START_TRAINING"  # what the button in Label Studio sends


def label_studio_routes(service: Service, task_photos: TaskPhotos,
                        corrected: CorrectedTasks | None = None) -> APIRouter:
    """The routes of the protocol.

    Args:
        service: that answers them.
        task_photos: where the photos of tasks are.
        corrected: where corrected tasks are kept; None keeps none.

    Returns:
        The router.
    """
    router, served = APIRouter(), service.served

    @router.get("/health", summary="Whether Label Studio can use the model", responses={503: {"model": schemas.Error}})
    async def health() -> dict:
        service.check_ready()
        return {"status": "UP", "model_class": served.model.architecture_name()}

    @router.post("/setup", summary="Connect a project", responses=REFUSALS, openapi_extra=SETUP)
    async def setup(request: Request) -> Response:
        served.check_finds_objects()
        body = await _body_of(request, service)
        mapping = await service.in_thread(mapping_of, body.get("schema"), served.class_names, served.attribute_names)
        _tell_left_out(str(body.get("project"))[:40], mapping)
        return json_answer({"model_version": served.version, "classes_left_out": mapping.left_out,
                            "attributes_left_out": mapping.attributes_left_out})

    @router.post("/predict", summary="Pre-labels of tasks", responses=REFUSALS, openapi_extra=PREDICT)
    async def predict(request: Request) -> Response:
        served.check_finds_objects()
        service.check_ready()
        body = await _body_of(request, service)
        tasks = _tasks(body)
        mapping = await service.in_thread(mapping_of, body.get("label_config"), served.class_names,
                                          served.attribute_names)
        results, reading = [], _Reading(service, task_photos, mapping.key)
        for start in range(0, len(tasks), service.limits.photos_taken):
            chunk = tasks[start : start + service.limits.photos_taken]
            results += await _predictions(request, reading, chunk, mapping, len(tasks) == 1)
        return json_answer({"results": results, "model_version": served.version})

    @router.post("/webhook", summary="Hear of a project's events", responses=REFUSALS, openapi_extra=WEBHOOK)
    async def webhook(request: Request) -> Response:
        _refuse_pages(request)
        body = await _body_of(request, service)
        if not isinstance(body.get("action"), str):
            raise Refused(422, '"action" is missing: it is the name of the event.')
        try:
            kept = await service.in_thread(corrected.hear, body) if corrected is not None else 0
        except UserError as error:
            LOG.error("A corrected task could not be kept: %s", error)
            raise Refused(500, f"The task could not be kept: {error}") from error
        detail = _what_is_kept(corrected)
        if body["action"] == TRAIN:
            LOG.warning("Label Studio asks for a training. %s", detail)
        return json_answer({"status": "heard", "kept": kept, "detail": detail})

    return router


async def _body_of(request, service):
    """The object of JSON in a request that says that it is JSON: any page of the web may have a browser send texts that
    do not say so, to this machine too."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise Refused(415, f"Content-Type {kind[:40] or 'is missing'}: send {JSON}.")
    return await service.in_thread(json_of, await request.body())


def _refuse_pages(request):
    """Refuse what a page in a browser sends: Label Studio's server sends no Origin. The page of a host whose name has
    come to mean this machine says of itself that it is of the same origin."""
    origin = request.headers.get("origin")
    if origin is not None:
        raise Refused(403, f"Origin {origin[:80]}: events come from Label Studio's server, from no page in a browser: "
                           "send them without Origin.")


def _tell_left_out(project, mapping):
    """Name in the log what a project has no place for."""
    for names, place, what in ((mapping.left_out, "label", "classes"),
                               (mapping.attributes_left_out, 'choice (Choices with perRegion="true")', "attributes")):
        if names:
            LOG.warning("Project %s has no %s for %d %s, which are left out of its pre-labels: %s.", project, place,
                        len(names), what, ", ".join(names))


def _what_is_kept(corrected):
    """What comes of corrections, in a sentence."""
    if corrected is None:
        return "Nothing is trained here, and nothing is kept: start mrcnn serve with --corrected DIR, or export."
    folder = corrected.folder
    train, names = shlex.quote(os.fspath(folder)), shlex.quote(os.path.join(folder, NAMES))
    return (f"Nothing is trained here. {len(corrected)} corrected tasks are in {folder}, for mrcnn train "
            f"{corrected.last} --train {train} --val VALIDATION --names {names} --images PHOTOS, VALIDATION "
            "being Label Studio's export of another project: the classes of --names are of both.")


def _tasks(body):
    tasks = body.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        raise Refused(422, '"tasks" is missing or empty: send {"tasks": [{"data": {"image": address}}], '
                           '"label_config": XML}.')
    if len(tasks) > MOST_TASKS:
        raise Refused(413, f"{len(tasks)} tasks, a request may have {MOST_TASKS}: send them in several.")
    for place, task in enumerate(tasks):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise Refused(422, f'task {place} has no "data": it must hold the address of a photo.')
    return tasks


async def _predictions(request, reading, tasks, mapping, alone):
    """The predictions of some tasks. One that fails has an empty prediction, or if it is alone its reason as answer."""
    service, served, rows = reading.service, reading.service.served, []
    for place, result in enumerate(await _found(request, reading, tasks)):
        if isinstance(result, Refused):
            if alone:
                raise result
            LOG.warning("Task %s has no pre-labels: %s", str(tasks[place].get("id", place))[:40], result.reason)
            rows.append({"result": [], "score": 0.0, "model_version": served.version, "error": result.reason})
        else:
            if empty := without_pixels(result):
                LOG.warning("Task %s: %d of %d objects have no pixel, and no pre-label.",
                            str(tasks[place].get("id", place))[:40], empty, len(result["rles"]))
            rows.append(await service.answering(prediction_of, result, mapping, served.class_names, served.version))
    return rows


async def _found(request, reading, tasks):
    """For each task what the network tells of its photo, or the Refused that tells why there is none."""
    service, files = reading.service, await reading.files(request, tasks)
    async with service.holding(request, sum(not isinstance(file, Refused) for file in files)):
        photos = await reading.photos(request, files)
        sound = [place for place, photo in enumerate(photos) if not isinstance(photo, Refused)]
        found = await service.found(request, (DETECT, None), [photos[place] for place in sound]) if sound else []
    return list({**dict(enumerate(photos)), **dict(zip(sound, found))}.values())


class _Reading:
    """The reading of a request's photos, which together have the seconds of --timeout.

    Args:
        service: whose threads and limits are used.
        task_photos: where the photos of tasks are.
        key: of a task's data that holds the address of its photo.
    """

    def __init__(self, service, task_photos, key):
        self.service, self.task_photos, self.key = service, task_photos, key
        self.left = service.limits.timeout

    async def files(self, request, tasks):
        """For each task (name, bytes) of the photo's file, or the Refused that tells why there is none."""
        until = time.monotonic() + self.left
        return await self._in_time(request, [self._file(task, until) for task in tasks])

    async def photos(self, request, files):
        """For each of `files` the photo uint8 [H, W, 3], or the Refused. The list is emptied: each file is let go of
        when it is decoded."""
        work = [self._photo(file) for file in files]
        files.clear()
        return await self._in_time(request, work)

    async def _in_time(self, request, work):
        began = time.monotonic()
        late = (f"The photos of the tasks were not here after {self.service.limits.timeout:g} seconds: ask again later,"
                " send fewer tasks, or give their folder by --photos.")
        results = await self.service.in_time(request, work, self.left, late)
        self.left -= time.monotonic() - began
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Refused):
                raise result
        return results

    async def _photo(self, file):
        if isinstance(file, Refused):
            raise file
        name, data = file
        decoding = self.service.in_thread(decode_photo, data, name, self.service.limits, self.service.matte)
        del file, data
        return await decoding

    async def _file(self, task, until):
        if self.key not in task["data"]:
            raise Refused(422, f"The task's data has no {self.key!r}, where the project's configuration looks for the "
                               "photo.")
        address, service = task["data"][self.key], self.service
        name, path = await service.in_thread(self.task_photos.find, address)
        if path is None:
            data = await service.fetched(self.task_photos.fetch, address, until)
        else:
            data = await service.in_thread(self.task_photos.file, path, address)
        return name, data
