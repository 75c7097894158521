"""Connections that bring no request: closed in time, and the oldest of them first where there are too many."""

import asyncio
import json
import logging
import warnings

MOST = 1 << 16  # connections where the process may open any number of files
LOG = logging.getLogger("mrcnn.serving")
PHRASES = {408: "Request Timeout", 503: "Service Unavailable"}


def most_connections() -> int:
    """How many connections may be open: half of the files that the process may open, for photos are files too."""
    try:
        import resource
    except ImportError:  # on Windows, where connections are no files
        return MOST
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST if limit == resource.RLIM_INFINITY else max(1, min(MOST, limit // 2))


def timed_protocol(base: type, timeout: float, most: int) -> type:
    """A protocol of uvicorn's that closes connections which do nothing.

    A connection waits from its beginning, and from the end of an answer, until the head of a request is whole. From
    there on the application keeps the time.

    Args:
        base: uvicorn's protocol for HTTP, of h11 or of httptools.
        timeout: seconds that a connection may wait.
        most: connections that may be open. One more closes the one that waits longest, or is refused if none waits.

    Returns:
        The class, for `uvicorn.Config(http=...)`.
    """
    return type("TimedProtocol", (_Timed, base), {"timeout": timeout, "most": most, "opened": set(), "waiting": {}})


class _Timed:
    """What stands in front of uvicorn's protocol, of which it needs `cycle`, the request in hand.

    `opened` are all connections, `waiting` is {connection: its timer}, the one that waits longest first.
    """

    _said, _left = False, None  # whether part of a head came; bytes of an answer that were left to send

    def connection_made(self, transport):
        super().connection_made(transport)
        self._own_transport = transport
        self.opened.add(self)
        self._watch()
        if len(self.opened) > self.most:
            self._make_room()

    def data_received(self, data):
        self._said = True
        super().data_received(data)
        self._watch()

    def on_response_complete(self):
        super().on_response_complete()
        self._said = False
        self._watch()

    def connection_lost(self, exc):
        self.opened.discard(self)
        self._forget()
        super().connection_lost(exc)

    def _watch(self):
        if not hasattr(self, "cycle"):  # of another uvicorn: better no limit than a wrong one
            warnings.warn("This version of uvicorn does not tell when a request begins. Connections that bring none "
                          "are not closed. Install uvicorn 0.54.", stacklevel=2)
        elif self.cycle is not None and not getattr(self.cycle, "response_complete", False):
            self._forget()
        elif self not in self.waiting and self in self.opened:
            self._wait()

    def _wait(self):
        self.waiting[self] = asyncio.get_running_loop().call_later(self.timeout, self._late)

    def _forget(self):
        timer = self.waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _late(self):
        before, self._left = self._left, self._own_transport.get_write_buffer_size()
        self._forget()
        if self._left and self._left != before:  # an answer is still being read
            self._wait()
        else:
            self._shut(408, f"The request was not here after {self.timeout:g} seconds: send it at once.", self._said)

    def _make_room(self):
        oldest = next((one for one in self.waiting if not one._own_transport.get_write_buffer_size()), self)
        if oldest is self:
            LOG.warning("%d connections are open, and none of them waits: a new one is refused.", self.most)
        oldest._shut(503, f"{self.most} connections are open already: ask again in a moment.",
                     oldest._said or oldest is self)

    def _shut(self, status, reason, tells):
        transport = self._own_transport
        self._forget()
        self.opened.discard(self)
        if transport.get_protocol() is not self:
            return  # a protocol of another kind has taken it over
        if transport.get_write_buffer_size():
            transport.abort()  # nobody reads: to close it would wait for that
            return
        if tells and not transport.is_closing():
            transport.write(_answer(status, reason))
        transport.close()


def _answer(status, reason):
    body = json.dumps({"error": reason}).encode()
    head = (f"HTTP/1.1 {status} {PHRASES[status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n")
    return head.encode() + body
