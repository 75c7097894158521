"""Bodies of requests that come packed, by gzip or deflate: unpacked as they come, no further than is taken."""

import zlib
from collections.abc import Callable

from mrcnn.serving.refusals import Refused

KINDS = ("gzip", "x-gzip", "deflate")
EITHER = 32 + zlib.MAX_WBITS  # of gzip and zlib, which their first bytes tell apart
GZIP = 16 + zlib.MAX_WBITS
MOST_MEMBERS = 1000  # of a body: each begins anew, and they may be empty


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
    unpacker, whole = _Unpacker(encoding, limit), [False]

    async def receiving():
        message = await receive()
        if message["type"] != "http.request" or whole[0]:
            return message
        body, whole[0] = unpacker.unpack(message.get("body", b"")), not message.get("more_body", False)
        if whole[0]:
            unpacker.check_end()
        return {**message, "body": body}

    return receiving


class _Unpacker:
    """Unpacks a body piece by piece.

    Args:
        encoding: one of KINDS. A body of gzip may be of several members, as programs write that pack in parallel.
        limit: bytes that are taken at most, unpacked.
    """

    def __init__(self, encoding, limit):
        self.encoding, self.limit = encoding, limit
        self._member, self._members, self._seen = zlib.decompressobj(EITHER), 1, 0

    def unpack(self, data):
        pieces = []
        while data:
            if self._member.eof:
                self._begin_next()
            try:
                pieces.append(self._member.decompress(data, self.limit - self._seen + 1))
            except zlib.error as error:
                if self._members > 1:
                    raise self._broken() from error
                raise Refused(400, f"The body is not packed by {self.encoding} ({error}): correct "
                                   "Content-Encoding.") from error
            self._seen += len(pieces[-1])
            if self._seen > self.limit:
                raise Refused(413, f"A request may have {self.limit} bytes unpacked: send fewer or smaller photos.",
                              {"Connection": "close"})
            data = self._member.unused_data
        return b"".join(pieces)

    def check_end(self):
        if not self._member.eof:
            raise self._broken()

    def _begin_next(self):
        if self.encoding == "deflate":
            raise self._broken()
        if self._members == MOST_MEMBERS:
            raise Refused(413, f"A body packed by {self.encoding} may have {MOST_MEMBERS} members: pack it in one.")
        self._member, self._members = zlib.decompressobj(GZIP), self._members + 1

    def _broken(self):
        return Refused(400, f"The body, packed by {self.encoding}, breaks off or goes on behind its end: send it "
                            "again.")
