"""The Open Inference Protocol v2, by which KServe and Triton are asked.

The input "image" is a photo: UINT8 [H, W, 3] RGB, or BYTES [1], its file (in JSON as base64). A network of objects
gives "boxes" FP32 [N, 4] (y1, x1, y2, x2) in pixels, "class_ids" INT32 [N], "scores" FP32 [N] and "rles" BYTES [N],
each the JSON of a mask of COCO; a network of label maps gives "labels" UINT8 [H, W]. The parameter "min_score" of a
request is the least score. What else a request asks for is refused by name.
"""

import json

import numpy as np
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from mrcnn import __version__
from mrcnn.serving import schemas, tensors
from mrcnn.serving.photos import decode_base64, decode_photo
from mrcnn.serving.refusals import Refused, refuse_repeated, refuse_unknown
from mrcnn.serving.served import DETECT, LABEL
from mrcnn.serving.service import Service
from mrcnn.serving.tensors import parameters_of
from mrcnn.serving.turns import Turn, body_of

IMAGE = "image"
INPUT = {"name": IMAGE, "datatype": "UINT8", "shape": [-1, -1, 3]}
OBJECTS = [{"name": "boxes", "datatype": "FP32", "shape": [-1, 4]},
           {"name": "class_ids", "datatype": "INT32", "shape": [-1]},
           {"name": "scores", "datatype": "FP32", "shape": [-1]},
           {"name": "rles", "datatype": "BYTES", "shape": [-1]}]
LABELS = [{"name": "labels", "datatype": "UINT8", "shape": [-1, -1]}]
MIN_SCORE = "min_score"
REQUEST = "the request"
HINTS = ("content_type", "headers", "priority", "timeout")  # that clients send, of which nothing has to come
REFUSALS = schemas.error_answers(400, 404, 408, 413, 415, 422, 503)
BODY = schemas.json_body(("inputs",), {
    "id": {"type": "string"}, "model_name": {"type": "string"}, "model_version": {"type": "string"},
    "parameters": {"type": "object"},
    "inputs": {"type": "array", "minItems": 1, "items": {
        "type": "object", "required": ["name", "shape", "datatype"], "properties": {
            "name": {"const": IMAGE}, "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {"enum": ["UINT8", "BYTES"]}, "data": {"type": "array"}, "parameters": {"type": "object"}}}},
    "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}}})


def inference_routes(service: Service) -> APIRouter:
    """The routes of the protocol.

    Args:
        service: that answers them.

    Returns:
        The router.
    """
    router, served = APIRouter(prefix="/v2"), service.served

    @router.get("", summary="The server", responses=schemas.error_answers())
    async def server() -> dict:
        return {"name": "mrcnn", "version": __version__, "extensions": ["binary_tensor_data"]}

    @router.get("/health/live", summary="Whether the process lives")
    async def live() -> dict:
        return {"live": True}

    @router.get("/health/ready", summary="Whether the model can be asked", responses={503: {"model": schemas.Error}})
    async def ready() -> dict:
        service.check_ready()
        return {"ready": True}

    async def model() -> dict:
        outputs = OBJECTS if served.finds_objects else LABELS
        return {"name": served.name, "versions": [served.version], "platform": served.platform, "inputs": [INPUT],
                "outputs": outputs, "parameters": {"class_names": served.class_names}}

    async def model_ready() -> dict:
        service.check_ready()
        return {"name": served.name, "ready": True}

    async def infer(request: Request) -> Response:
        return await _infer(request, service)

    def check_name(name: str) -> None:
        if name != served.name:
            raise Refused(404, f"There is no model {name!r}: the model here is {served.name!r}.")

    def check_version(name: str, version: str) -> None:
        check_name(name)
        if version != served.version:
            raise Refused(404, f"There is no version {version!r} of {name!r}: the version here is {served.version!r}.")

    for path, check in (("/models/{name}", check_name), ("/models/{name}/versions/{version}", check_version)):
        checks = [Depends(check)]
        router.get(path, summary="The model", responses=schemas.error_answers(404), dependencies=checks)(model)
        router.get(f"{path}/ready", summary="Whether the model can be asked", dependencies=checks,
                   responses=schemas.error_answers(404, 503))(model_ready)
        router.post(f"{path}/infer", summary="What the model finds in a photo", dependencies=checks,
                    responses=REFUSALS, openapi_extra=BODY)(infer)
    return router


async def _infer(request, service):
    """What the model finds in the photo of a request."""
    served = service.served
    body, length = await body_of(request), request.headers.get(tensors.HEADER)
    turn = Turn(service, request)
    asked, inputs = await turn.done(tensors.read_request, body, length)
    _refuse_unknown(asked, request.query_params, served.finds_objects)
    _check_model(asked, served)
    binary, wanted = _asked_outputs(asked, OBJECTS if served.finds_objects else LABELS)
    key = (DETECT, _min_score(asked)) if served.finds_objects else (LABEL, None)
    served.check_min_score(key[1])
    head = {"model_name": served.name, "model_version": served.version}
    if asked.get("id") is not None:
        head["id"] = asked["id"]
    del asked, body  # the former may be many times as large in memory as the body
    async with turn.holding(1):
        photo = await turn.done(_photo, inputs, service)
        del inputs
        [found] = await turn.found(key, [photo])
        del photo
    return await turn.answered(_answer, served.finds_objects, head, found, wanted, binary)


def _refuse_unknown(asked, query, finds_objects):
    """Refuse whatever a request asks for that is not of the protocol, nor min_score."""
    refuse_unknown(query, (), "Option in the address")
    _check_id(asked)
    refuse_unknown(asked, ("id", "model_name", "model_version", "parameters", "inputs", "outputs"), "JSON key")
    own = (MIN_SCORE,) if finds_objects else ()
    refuse_unknown(parameters_of(asked, REQUEST), (*own, "binary_data_output", *HINTS), "Parameter of the request")
    for name, known, keys in (("inputs", "binary_data_size", ("name", "shape", "datatype", "data", "parameters")),
                              ("outputs", "binary_data", ("name", "parameters"))):
        rows = asked.get(name)
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict):
                refuse_unknown(row, keys, f"Key in {name}")
                refuse_unknown(parameters_of(row, name), (known, *HINTS), f"Parameter in {name}")


def _photo(inputs, service):
    """The photo uint8 [H, W, 3] of a request's inputs."""
    others, tensor = sorted(set(inputs) - {IMAGE}), inputs.get(IMAGE)
    if others or tensor is None:
        raise Refused(400, f"The inputs are {', '.join(sorted(inputs)) or 'none'}: send one, {IMAGE!r}.")
    if isinstance(tensor.values, list):
        if len(tensor.values) != 1:
            raise Refused(400, f"{IMAGE}: {len(tensor.values)} photos: send one a request.")
        [data] = tensor.values
        data = data if isinstance(data, bytes) else decode_base64(data, IMAGE)
        return decode_photo(data, IMAGE, service.limits, service.matte)
    photo = tensor.values[0] if len(tensor.shape) == 4 and tensor.shape[0] == 1 else tensor.values
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8 or not photo.size:
        raise Refused(400, f"{IMAGE}: {photo.dtype} {list(tensor.shape)}: send UINT8 [height, width, 3] RGB.")
    if photo.shape[0] * photo.shape[1] > service.limits.pixels:
        raise Refused(413, f"{IMAGE}: {photo.shape[1]} x {photo.shape[0]} pixels, {service.limits.pixels} are taken: "
                           "shrink it.")
    return photo


def _min_score(asked):
    least = parameters_of(asked, REQUEST).get(MIN_SCORE)
    if least is not None and (isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 <= least <= 1):
        raise Refused(400, f"min_score={str(least)[:20]}: give a number of 0 to 1.")
    return least


def _asked_outputs(asked, known):
    """(set of the outputs that are to be bytes, list of the names that are wanted)."""
    names = [output["name"] for output in known]
    rows = [] if asked.get("outputs") is None else asked["outputs"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("name") in names for row in rows):
        raise Refused(400, f"\"outputs\" names what there is not: there are {', '.join(names)}.")
    refuse_repeated((row["name"] for row in rows), "Output")
    rows = rows or [{"name": name} for name in names]
    every = _truth(parameters_of(asked, REQUEST), "binary_data_output", False)
    binary = {row["name"] for row in rows if _truth(parameters_of(row, "outputs"), "binary_data", every)}
    return binary, [row["name"] for row in rows]


def _truth(parameters, name, usual):
    value = parameters.get(name, usual)
    if not isinstance(value, bool):
        raise Refused(400, f"{name}={str(value)[:20]!r}: send true or false.")
    return value


def _check_id(asked):
    told = asked.get("id")
    if told is not None and not isinstance(told, str):
        raise Refused(400, f"id={str(told)[:20]}: send a text.")


def _check_model(asked, served):
    """Refuse a body for another model than that of the address: KServe's clients write the name into both."""
    for key, here in (("model_name", served.name), ("model_version", served.version)):
        told = asked.get(key)
        if told in (None, ""):
            continue
        if not isinstance(told, str):
            raise Refused(400, f"{key}={str(told)[:20]}: send a text, or leave it out.")
        if told != here:
            raise Refused(400, f"{key}={told[:40]!r}: the {key[6:]} at this address is {here!r}: send that, or leave "
                               "it out.")


def _answer(finds_objects, head, found, wanted, binary):
    if finds_objects:
        outputs = {"boxes": found["boxes"].astype(np.float32), "class_ids": found["class_ids"].astype(np.int32),
                   "scores": found["scores"].astype(np.float32), "rles": [json.dumps(rle) for rle in found["rles"]]}
    else:
        outputs = {"labels": found.astype(np.uint8)}
    body, length = tensors.write_answer(head, {name: outputs[name] for name in wanted}, binary)
    if length is None:
        return Response(body, media_type="application/json")
    return Response(body, media_type="application/octet-stream", headers={tensors.HEADER: str(length)})
