"""The routes of our own: /detect, /label, /model, and those that watch the server."""

import json
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from mrcnn.serving import answers, metrics, schemas
from mrcnn.serving.refusals import refuse_repeated, refuse_unknown
from mrcnn.serving.served import DETECT, LABEL
from mrcnn.serving.service import Service
from mrcnn.serving.turns import Turn
from mrcnn.serving.uploads import files_of

Output = Annotated[Literal[answers.OUTPUTS], Query(description="form of the masks")]
Score = Annotated[float | None, Query(ge=0, le=1, description="least score; the model's own where none is given")]
REFUSALS = schemas.error_answers(400, 408, 413, 415, 422, 503)
PNG_TYPE, JSON_TYPE = "image/png", "application/json"
OPTION = "Option in the address"


def own_routes(service: Service) -> APIRouter:
    """The routes that take photos.

    Args:
        service: that answers them.

    Returns:
        The router.
    """
    router, served = APIRouter(), service.served

    @router.post("/detect", summary="Find the objects of photos", responses={
        200: {"model": schemas.Detections}, **REFUSALS}, openapi_extra=schemas.PHOTOS_BODY)
    async def detect(request: Request, output: Output = answers.RLE, min_score: Score = None) -> Response:
        served.check_finds_objects()
        _check_options(request, ("output", "min_score"))
        served.check_min_score(min_score)
        turn, photos, found = await _found(request, service, (DETECT, min_score))
        return await turn.answered(_detections, served, photos, found, output)

    @router.post("/label", summary="Tell the class of each pixel of photos", responses={
        200: {"model": schemas.LabelMaps, "content": {PNG_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
        **REFUSALS}, openapi_extra=schemas.PHOTOS_BODY)
    async def label(request: Request, output: Output = answers.PNG) -> Response:
        _check_options(request, ("output",))
        turn, photos, found = await _found(request, service, (LABEL, None))
        bare = len(photos) == 1 and output == answers.PNG and prefers_png(request.headers.get("accept", ""))
        return await turn.answered(_label_maps, served, photos, found, output, bare)

    return router


async def _found(request: Request, service: Service, key: tuple) -> tuple[Turn, list, list]:
    """(the Turn, {"name", "height", "width"} of each photo, what the network tells of it). The photos are let go of."""
    turn, files = await files_of(request, service)
    async with turn.holding(len(files)):
        names = [name for name, _ in files]
        photos = await turn.decoded(files)
        seen = [{"name": name, "height": photo.shape[0], "width": photo.shape[1]}
                for name, photo in zip(names, photos)]
        return turn, seen, await turn.found(key, photos)


def _check_options(request, known):
    """Refuse what the address asks for that there is not, or asks for twice."""
    refuse_unknown(request.query_params, known, OPTION)
    refuse_repeated((name for name, _ in request.query_params.multi_items()), OPTION)


def watching_routes(service: Service) -> APIRouter:
    """The routes that watch the server, and tell about the model.

    Args:
        service: that they tell about.

    Returns:
        The router.
    """
    router, served = APIRouter(), service.served

    @router.get("/healthz", summary="Whether the process lives", response_model=schemas.Health)
    async def healthz() -> dict:
        return {"status": "live"}

    @router.get("/readyz", summary="Whether the model is loaded and warm", response_model=schemas.Health,
                responses={503: {"model": schemas.Error}})
    async def readyz() -> dict:
        service.check_ready()
        return {"status": "ready"}

    @router.get("/metrics", summary="Metrics, for Prometheus", response_class=Response, responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **schemas.error_answers()})
    async def told() -> Response:
        return Response(service.metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})

    @router.get("/model", summary="The model", response_model=schemas.Model, responses=schemas.error_answers())
    async def model() -> Response:
        return json_answer(served.described())

    return router


def prefers_png(accept: str) -> bool:
    """Whether whoever sent the header Accept would rather have a PNG than JSON, by the q of each.

    Args:
        accept: the header, "" without one.
    """
    quality = {}
    for part in accept.split(","):
        kind, *parameters = (word.strip().lower() for word in part.split(";"))
        given = [word.partition("=")[2] for word in parameters if word.partition("=")[0].strip() == "q"]
        quality[kind] = _number(given[0]) if given else 1.0
    png, json_ = (next((quality[kind] for kind in (own, f"{own.partition('/')[0]}/*", "*/*") if kind in quality), 0.0)
                  for own in (PNG_TYPE, JSON_TYPE))
    named = PNG_TYPE in quality and JSON_TYPE not in quality  # then */* is for what there is no PNG of
    return png > json_ or (named and png == json_ > 0)


def _number(text):
    try:
        return float(text)
    except ValueError:
        return 0.0


def json_answer(value: object, headers: dict[str, str] | None = None) -> Response:
    """An answer of JSON.

    Args:
        value: what JSON holds.
        headers: {name: value} of it.

    Returns:
        The response.
    """
    return Response(json.dumps(value), media_type="application/json", headers=headers)


def _detections(served, photos, found, output):
    rows = [{**photo, "objects": answers.objects_of(result, served.class_names, output)}
            for photo, result in zip(photos, found)]
    return json_answer({"model": served.name, "photos": rows})


def _label_maps(served, photos, found, output, bare):
    if bare:
        return Response(answers.encode_label_map(found[0], served.class_names), media_type=PNG_TYPE)
    rows = [{**photo, **answers.labels_of_map(labels, served.class_names, output)}
            for photo, labels in zip(photos, found)]
    return json_answer({"model": served.name, "photos": rows})
