"""Bodies of JSON: an object, or a refusal; and answers of JSON."""

import json

from starlette.responses import JSONResponse

from mrcnn.serving.refusals import Refused, refuse_repeated


class JsonAnswer(JSONResponse):
    """An answer of JSON in ASCII: what was sent may hold half a surrogate pair, which UTF-8 has no bytes for."""

    def render(self, content: object) -> bytes:
        """The bytes of the answer."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def json_of(body: bytes) -> dict:
    """The object that a body of JSON holds.

    Args:
        body: of a request.

    Returns:
        The dict.

    Raises:
        Refused: 400, it is no JSON, or no object, or names a key twice.
    """
    try:
        value = json.loads(body, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"The body is no JSON ({error}): correct it.") from error
    if not isinstance(value, dict):
        raise Refused(400, "The body is JSON, but no object {...}: correct it.")
    return value


def _without_repeats(pairs):
    """The dict of an object's pairs; json keeps the last of two by one name, and drops the first without a word."""
    value = dict(pairs)
    if len(value) < len(pairs):
        refuse_repeated((name for name, _ in pairs), "JSON key")
    return value
