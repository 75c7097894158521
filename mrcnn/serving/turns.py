"""A request whose body is here: the work for it, which has --timeout seconds in all, and ends when the client hangs up.
"""

import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from mrcnn.serving.photos import decode_photo
from mrcnn.serving.service import Service


class Turn:
    """The work for a request.

    Its methods raise Refused, 503, where the time is over, Gone where the client has hung up, and what the work raises.

    Args:
        service: that does it.
        request: of Starlette, whose body has been read; the time begins now.
    """

    def __init__(self, service: Service, request: object):
        self.service, self.request = service, request
        self.until = time.monotonic() + service.limits.timeout

    async def done(self, function: Callable, *arguments: object) -> object:
        """What a function gives that reads or decodes."""
        return (await self._all([self.service.in_thread(function, *arguments)]))[0]

    async def answered(self, function: Callable, *arguments: object) -> object:
        """What a function gives that makes an answer."""
        return (await self._all([self.service.answering(function, *arguments)]))[0]

    def holding(self, count: int) -> contextlib.AbstractAsyncContextManager:
        """`Service.holding` of some photos, in the time of this request."""
        return self.service.holding(self.request, count, self.until)

    async def decoded(self, files: list[tuple[str, bytes]]) -> list[np.ndarray]:
        """The photos uint8 [H, W, 3] of files, (name, bytes) each, of which the list is emptied: each is let go of when
        it is decoded."""
        service = self.service
        work = [service.in_thread(decode_photo, data, name, service.limits, service.matte) for name, data in files]
        files.clear()
        return await self._all(work)

    async def found(self, key: tuple, photos: Sequence[np.ndarray]) -> list:
        """What the network tells of photos, as `Service.found`; a fault in one photo is one of the request."""
        return _sound(await self.service.found(self.request, key, photos, self.until))

    async def _all(self, work: Sequence[Awaitable]) -> list:
        left = self.until - time.monotonic()
        return _sound(await self.service.in_time(self.request, work, left, self.service.late()))


async def body_of(request: object) -> bytes:
    """All of a request's body, once: unlike Starlette's `body()` it is not kept as long as the request.

    Args:
        request: of Starlette, whose body has not been read.
    """
    return b"".join([part async for part in request.stream()])


def _sound(results):
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
