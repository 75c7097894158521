"""Bodies of JSON: an object, or a refusal."""

import json

from mrcnn.serving.refusals import Refused


def json_of(body: bytes) -> dict:
    """The object that a body of JSON holds.

    Args:
        body: of a request.

    Returns:
        The dict.

    Raises:
        Refused: 400, it is no JSON, or no object.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"The body is no JSON ({error}): correct it.") from error
    if not isinstance(value, dict):
        raise Refused(400, "The body is JSON, but no object {...}: correct it.")
    return value
