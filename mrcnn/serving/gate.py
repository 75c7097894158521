"""The gate that every request passes: the key, the number in hand, the size and time of its body, and the counting."""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Callable

import anyio

from mrcnn.serving.packed import unpacking
from mrcnn.serving.refusals import Refused, busy
from mrcnn.serving.service import Service

OPEN = ("/healthz", "/readyz", "/health", "/v2/health/live", "/v2/health/ready")  # whoever watches a server has no key
HTML_SAFE = {"X-Content-Type-Options": "nosniff"}


class Gate:
    """ASGI middleware.

    Args:
        app: behind it.
        service: whose limits and metrics it keeps.
        key: that requests have to bring; None asks for none.
    """

    def __init__(self, app: Callable, service: Service, key: str | None):
        self.app, self.service, self.key = app, service, key

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Pass a request on, or answer it with the reason why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, counts = time.monotonic(), [500], scope["method"] == "POST"

        async def sending(message):
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                message["headers"] = [*message.get("headers", ()), *_encoded(HTML_SAFE)]
            await send(message)

        entered = False
        try:
            try:
                self._check_key(scope)
                if counts:
                    self._enter()
                    entered = True
                self._check_length(scope)
                receive = self._unpacking(scope, self._bounded(receive))
            except Refused as refused:
                await _refuse(refused, sending)
                return
            await self.app(scope, receive, sending)
        finally:
            self.service.in_hand -= entered
            route = getattr(scope.get("route"), "path", "other")
            self.service.metrics.requests.add(route, str(status[0]))
            self.service.metrics.seconds.add(time.monotonic() - began, route)

    def _enter(self):
        limit = self.service.limits.queue
        if self.service.in_hand >= limit:
            raise busy(f"{limit} requests are in hand already: ask again in a moment.")
        self.service.in_hand += 1

    def _check_key(self, scope):
        if self.key is None or scope["path"] in OPEN:
            return
        given = _given_key({name.lower(): value for name, value in scope["headers"]})
        if not hmac.compare_digest(given, self.key.encode()):
            raise Refused(401, "The key is missing or wrong: send Authorization: Bearer KEY, or X-API-Key: KEY.",
                          {"WWW-Authenticate": "Bearer"})

    def _check_length(self, scope):
        length = dict(scope["headers"]).get(b"content-length", b"")
        if length.isdigit() and int(length[:20]) > self.service.limits.upload:
            raise self._too_long()

    def _unpacking(self, scope, receive):
        encoding = dict(scope["headers"]).get(b"content-encoding", b"").decode("latin-1")
        return unpacking(receive, encoding, self.service.limits.upload)

    def _too_long(self):
        return Refused(413, f"A request may have {self.service.limits.upload} bytes: send fewer or smaller photos.",
                       {"Connection": "close"})

    def _bounded(self, receive):
        """`receive` that refuses more bytes than are taken, and bodies that do not come to their end in time."""
        limits, seen, whole = self.service.limits, [0], [False]
        until = anyio.current_time() + limits.timeout

        async def receiving():
            if whole[0]:  # what comes now is that the client hangs up
                return await receive()
            try:
                with anyio.fail_after(max(0, until - anyio.current_time())):
                    message = await receive()
            except TimeoutError as error:
                raise Refused(408, f"The request was not here after {limits.timeout:g} seconds: send less.",
                              {"Connection": "close"}) from error
            seen[0] += len(message.get("body", b""))
            whole[0] = not message.get("more_body", False)
            if seen[0] > limits.upload:
                raise self._too_long()
            return message

        return receiving


def _given_key(headers):
    """The key that a request brings: as X-API-Key, as a bearer's, or as the password of basic authentication."""
    if b"x-api-key" in headers:
        return headers[b"x-api-key"]
    scheme, _, rest = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return rest.strip()
    if scheme.lower() == b"basic":  # all that Label Studio can be told to send
        try:
            return base64.b64decode(rest, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""


async def _refuse(refused, send):
    body = json.dumps({"error": refused.reason}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **refused.headers}
    await send({"type": "http.response.start", "status": refused.status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": body})


def _encoded(headers):
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
