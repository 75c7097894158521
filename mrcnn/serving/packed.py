"""Bodies of requests that come packed, by gzip or deflate: unpacked as they come, no further than is taken."""

import zlib
from collections.abc import Callable

from mrcnn.serving.refusals import Refused

KINDS = ("gzip", "x-gzip", "deflate")
EITHER = 32 + zlib.MAX_WBITS  # of gzip and zlib, which their first bytes tell apart


def unpacking(receive: Callable, encoding: str, limit: int) -> Callable:
    """An ASGI `receive` that gives the bodies of another one unpacked.

    Args:
        receive: of the server.
        encoding: what the header Content-Encoding says; "" and "identity" are as they are.
        limit: bytes that are taken at most, unpacked.

    Returns:
        The function; it raises Refused, 400 or 413, over what cannot be unpacked or is too long.

    Raises:
        Refused: 415, the encoding is another.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return receive
    if encoding not in KINDS:
        raise Refused(415, f"Content-Encoding {encoding[:40]}: send the body as it is, or packed by gzip or deflate.")
    unpacker, seen, whole = zlib.decompressobj(EITHER), [0], [False]

    async def receiving():
        message = await receive()
        if message["type"] != "http.request" or whole[0]:
            return message
        try:
            body = unpacker.decompress(message.get("body", b""), limit - seen[0] + 1)
        except zlib.error as error:
            raise Refused(400, f"The body is not packed by {encoding} ({error}): correct Content-Encoding.") from error
        seen[0] += len(body)
        if seen[0] > limit:
            raise Refused(413, f"A request may have {limit} bytes unpacked: send fewer or smaller photos.",
                          {"Connection": "close"})
        whole[0] = not message.get("more_body", False)
        if unpacker.unused_data or whole[0] and not unpacker.eof:
            raise Refused(400, f"The body, packed by {encoding}, breaks off or goes on behind its end: send it again.")
        return {**message, "body": body}

    return receiving
