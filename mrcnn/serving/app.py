"""The application: all routes over one model, each error as {"error": one sentence}."""

import asyncio
import contextlib
import http

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mrcnn import __version__
from mrcnn.data.encoded import WHITE
from mrcnn.serving.corrected import CorrectedTasks
from mrcnn.serving.gate import Gate
from mrcnn.serving.inference_protocol import inference_routes
from mrcnn.serving.json_bodies import JsonAnswer
from mrcnn.serving.label_studio import label_studio_routes
from mrcnn.serving.limits import Limits
from mrcnn.serving.refusals import Gone, Refused
from mrcnn.serving.routes import own_routes, watching_routes
from mrcnn.serving.served import ServedModel
from mrcnn.serving.service import LOG, Service
from mrcnn.serving.task_photos import TaskPhotos

HUNG_UP = 499  # nobody reads it; the metrics tell


def make_app(served: ServedModel, limits: Limits | None = None, key: str | None = None,
             task_photos: TaskPhotos | None = None, matte: tuple[int, int, int] = WHITE,
             corrected: CorrectedTasks | None = None) -> FastAPI:
    """Make the application that serves a model.

    Args:
        served: the model.
        limits: what it takes at most.
        key: that requests have to bring, but those that watch its health; None asks for none.
        task_photos: where photos of Label Studio's tasks are read from; None reads none.
        matte: RGB 0..255 under what is transparent in a photo.
        corrected: where corrected tasks of Label Studio are kept; None keeps none.

    Returns:
        An ASGI application. Its `state.service` is the Service.
    """
    service = Service(served, limits or Limits(), matte)

    @contextlib.asynccontextmanager
    async def lifespan(app):
        service.start()
        yield
        await asyncio.to_thread(service.close)

    # FastAPI's pages of documentation load scripts from elsewhere: there are none.
    app = FastAPI(title="mrcnn serve", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
                  default_response_class=JsonAnswer)
    app.state.service = service
    app.add_middleware(Gate, service=service, key=key)
    app.include_router(watching_routes(service), tags=["server"])
    app.include_router(own_routes(service), tags=["photos"])
    app.include_router(inference_routes(service), tags=["Open Inference Protocol v2"])
    app.include_router(label_studio_routes(service, task_photos or TaskPhotos(limits=service.limits), corrected),
                       tags=["Label Studio"])
    _add_errors(app, service)
    return app


def _add_errors(app, service):
    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return JsonAnswer({"error": error.reason}, error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def known(request: Request, error: HTTPException) -> Response:
        reason = str(error.detail)
        if reason == http.HTTPStatus(error.status_code).phrase:
            reason = f"{request.method} {request.url.path}: {reason.lower()}; GET /openapi.json lists what there is."
        return JsonAnswer({"error": reason}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return JsonAnswer({"error": f"{first['loc'][-1]}: {first['msg']}."}, 422)

    @app.exception_handler(UnicodeEncodeError)
    async def half(request: Request, error: UnicodeEncodeError) -> Response:
        if error.reason != "surrogates not allowed":
            raise error
        LOG.warning("%s %s: a text holds half a surrogate pair (%s)", request.method, request.url.path, error)
        return JsonAnswer({"error": f"A text of the request, {error.object[:40]!r}, holds half a surrogate pair, which "
                                    "is no character: correct it."}, 400)

    @app.exception_handler(Gone)
    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: Exception) -> Response:
        service.metrics.hung_up.add()
        return Response(status_code=HUNG_UP)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return JsonAnswer({"error": f"A fault of the server ({type(error).__name__}): its log has more."}, 500)
