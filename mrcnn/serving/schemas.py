"""The forms of answers and bodies, for /openapi.json."""

from typing import Any

from pydantic import BaseModel


class Error(BaseModel):
    """Why a request was refused: one sentence."""

    error: str


class Health(BaseModel):
    """Whether the server lives, or the model can be asked."""

    status: str


class Model(BaseModel):
    """The model that is served."""

    name: str
    version: str
    architecture: str
    finds_objects: bool
    class_names: list[str]
    min_score: float | None
    min_score_floor: float | None
    settings: dict[str, Any]


class Box(BaseModel):
    """Sides of a box, pixels of the photo; y2 and x2 exclusive."""

    y1: float
    x1: float
    y2: float
    x2: float


class RunLengths(BaseModel):
    """A mask as COCO has it: columns first, compressed."""

    size: list[int]
    counts: str


class FoundObject(BaseModel):
    """One object; its mask is in one of the three forms."""

    class_id: int
    class_name: str
    score: float
    box: Box
    rle: RunLengths | None = None
    polygons: list[list[float]] | None = None
    png: str | None = None
    attributes: dict[str, float] | None = None


class FoundPhoto(BaseModel):
    """The objects of one photo, best first."""

    name: str
    height: int
    width: int
    objects: list[FoundObject]


class Detections(BaseModel):
    """What was found in the photos of a request, in their order."""

    model: str
    photos: list[FoundPhoto]


class LabelledClass(BaseModel):
    """The area of one class; in one of the two forms."""

    class_id: int
    class_name: str
    pixels: int
    rle: RunLengths | None = None
    polygons: list[list[float]] | None = None


class LabelledPhoto(BaseModel):
    """The label map of one photo: as PNG, or the areas of its classes."""

    name: str
    height: int
    width: int
    png: str | None = None
    classes: list[LabelledClass] | None = None


class LabelMaps(BaseModel):
    """The label maps of the photos of a request, in their order."""

    model: str
    photos: list[LabelledPhoto]


def error_answers(*statuses: int) -> dict:
    """The `responses` of a route that may refuse with these statuses."""
    return {status: {"model": Error} for status in (401, *statuses)}


PHOTO = {"type": "object", "required": ["data"], "properties": {
    "name": {"type": "string"}, "data": {"type": "string", "description": "base64 of the file"}}}
PHOTOS_BODY = {"requestBody": {"required": True, "content": {  # of /detect and /label
    "multipart/form-data": {"schema": {"type": "object", "additionalProperties": {
        "type": "string", "format": "binary"}, "minProperties": 1}},
    "application/json": {"schema": {"type": "object", "required": ["photos"], "properties": {
        "photos": {"type": "array", "minItems": 1, "items": {"anyOf": [PHOTO, {"type": "string"}]}}}}},
    "image/*": {"schema": {"type": "string", "format": "binary"}},
}}}


def json_body(required: tuple[str, ...], properties: dict) -> dict:
    """The `openapi_extra` of a route that takes a JSON object.

    Args:
        required: names that have to be there.
        properties: {name: schema}.
    """
    schema = {"type": "object", "required": list(required), "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
