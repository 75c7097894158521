"""The photos of a request: files of a form, base64 in JSON, or the bytes of one photo."""

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from mrcnn.serving.json_bodies import json_of
from mrcnn.serving.photos import decode_base64
from mrcnn.serving.refusals import Refused, refuse_unknown
from mrcnn.serving.service import Service
from mrcnn.serving.turns import Turn, body_of

MOST_PARTS = 1000  # of a form; how many photos it may have is said by the limits
FORM, JSON, BYTES = "multipart/form-data", "application/json", "application/octet-stream"


async def files_of(request: Request, service: Service) -> tuple[Turn, list[tuple[str, bytes]]]:
    """Read the files of a request's photos.

    Args:
        request: whose body has not been read.
        service: whose limits hold.

    Returns:
        (what goes on for the request, [(name, bytes of a file), ...]).

    Raises:
        Refused: 400, 413, 415, 422 or 503.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM:
        files = await _files_of_form(request)
        turn = Turn(service, request)
    elif kind == JSON:
        body = await body_of(request)
        turn = Turn(service, request)
        files = await turn.done(_files_of_json, body)
    elif kind == BYTES or kind.startswith("image/"):
        files = [("the photo", await body_of(request))]
        turn = Turn(service, request)
    else:
        raise Refused(415, f"Content-Type {kind or 'is missing'}: send {FORM} with files, {JSON} with base64, or the "
                           "bytes of one photo as image/jpeg.")
    if not files:
        raise Refused(422, 'No photo: send a file for each, or {"photos": [{"name": "a.jpg", "data": base64}, ...]}.')
    if len(files) > service.limits.photos_taken:
        raise Refused(413, f"{len(files)} photos, a request may have {service.limits.photos_taken}: send them in "
                           "several.")
    return turn, files


class _WholeForm(MultiPartParser):
    """A form's parser that knows whether the form came to its end: Starlette's takes what there is of it for all."""

    ended = False

    def on_end(self) -> None:
        self.ended = True


async def _files_of_form(request):
    parser = _WholeForm(request.headers, request.stream(), max_files=MOST_PARTS, max_fields=MOST_PARTS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refused(400, f"The form cannot be read ({error.message.rstrip('.')}): correct it.") from error
    try:
        if not parser.ended:
            raise Refused(400, f"The form breaks off behind {len(form.multi_items())} whole files (the last boundary, "
                               "with -- behind it, is missing): send it again.")
        files = []
        for name, part in form.multi_items():
            if isinstance(part, str):
                raise Refused(422, f"The field {name!r} is no file: send photos as files, and options in the address.")
            files.append((part.filename or f"photo {len(files)}", await part.read()))
        return files
    finally:
        await form.close()


def _files_of_json(body):
    told = json_of(body)
    refuse_unknown(told, ("photos",), "JSON key")  # options are in the address
    photos = told.get("photos")
    if not isinstance(photos, list):
        raise Refused(422, '"photos" is missing: send {"photos": [{"name": "a.jpg", "data": base64}, ...]}.')
    files = []
    for index, photo in enumerate(photos):
        photo = {"data": photo} if isinstance(photo, str) else photo
        if not isinstance(photo, dict) or "data" not in photo:
            raise Refused(422, f'photo {index}: send {{"name": "a.jpg", "data": base64}}, or the base64 alone.')
        refuse_unknown(photo, ("name", "data"), f"photo {index}: key")
        name = str(photo.get("name") or f"photo {index}")
        files.append((name, decode_base64(photo["data"], name)))
    return files
