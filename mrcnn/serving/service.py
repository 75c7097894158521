"""What all routes share: the queue in front of the model, the limits, threads for the work around it, and metrics."""

import asyncio
import collections
import concurrent.futures
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import numpy as np

from mrcnn.errors import UserError
from mrcnn.serving.batching import BatchQueue
from mrcnn.serving.limits import Limits
from mrcnn.serving.metrics import Metrics
from mrcnn.serving.refusals import Gone, Refused, busy
from mrcnn.serving.served import ServedModel

LOG = logging.getLogger("mrcnn.serving")
FETCHES = 8  # photos that are fetched from elsewhere at once, of all requests together


class Service:
    """A model behind its queue.

    Args:
        served: the model.
        limits: of requests and queue.
        matte: RGB 0..255 under what is transparent in a photo.
    """

    def __init__(self, served: ServedModel, limits: Limits, matte: tuple[int, int, int]):
        self.served, self.limits, self.matte = served, limits, matte
        self.ready, self.in_hand, self.state = False, 0, "the network is being warmed up"
        self.held = 0  # photos that are decoded, or are about to be
        self._line = collections.deque()  # (number of photos, future that is done when they have their places)
        self.metrics = Metrics(lambda: len(self.queue), lambda: self.ready)
        self.queue = BatchQueue(served.run, limits, self.metrics.batch)
        self._workers = self._answerers = self._fetchers = None

    def start(self) -> None:
        """Start the network's thread, which warms the network up first."""
        # Decoding and encoding take a core each, and memory for a whole photo: no more at once than there are cores.
        # A thread that has begun keeps its place to its end, whoever has given up. Answers have threads of their own:
        # behind all photos that wait to be decoded, none would come before these are.
        self._workers = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1, "mrcnn work")
        self._answerers = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1, "mrcnn answer")
        # Who fetches waits for another server: it has places of its own, so that the work here goes on.
        self._fetchers = concurrent.futures.ThreadPoolExecutor(FETCHES, "mrcnn fetch")
        self.queue.start(self._warm)

    def close(self) -> None:
        """Answer what waits, and take no more."""
        self.ready, self.state = False, "the server is ending"
        self.queue.close()
        for threads in (self._workers, self._answerers, self._fetchers):
            if threads is not None:
                threads.shutdown(wait=False)

    def check_ready(self) -> None:
        """Raise Refused, 503, while the model cannot be asked."""
        if not self.ready:
            raise busy(f"Not ready: {self.state}.")

    def _warm(self):
        try:
            self.served.warm()
        except Exception as error:  # told here and by /readyz: no request waits for what cannot come
            self.state = f"the network failed on its first photo ({error})"
            LOG.exception("The network failed on its first photo")
            return
        self.ready, self.state = True, "ready"

    @contextlib.asynccontextmanager
    async def holding(self, request: object, count: int, until: float | None = None) -> AsyncIterator[None]:
        """Wait for places for photos before they are decoded, first come first served; they are kept until the network
        has seen the photos. There are --queue of them, which bounds the requests that wait, too.

        Args:
            request: of Starlette, whose body has been read.
            count: of photos, no more than --queue; none waits for nothing.
            until: `time.monotonic()` at which it is late; None: --timeout from now on.

        Raises:
            Refused: 503, so many are not free in time.
            Gone: the client has hung up.
        """
        if not count:
            yield
            return
        place = asyncio.get_running_loop().create_future()
        self._line.append((count, place))
        self._let_in()
        left = self.limits.timeout if until is None else until - time.monotonic()
        try:
            if not place.done():
                await self.in_time(request, [place], left, self.late())
            yield
        finally:
            place.cancel()  # nothing if it was let in
            self.held -= 0 if place.cancelled() else count
            self._let_in()

    def _let_in(self):
        """Give places to those who wait for them, in their order; who has given up is passed over."""
        while self._line and (self._line[0][1].done() or self.held + self._line[0][0] <= self.limits.queue):
            count, place = self._line.popleft()
            if not place.done():
                self.held += count
                place.set_result(None)

    def in_thread(self, function: Callable, *arguments: object) -> asyncio.Future:
        """Call a function that takes time, as one that decodes, in one of a few threads.

        Args:
            function: to call.
            arguments: of it.

        Returns:
            A future of what it gives. Cancelled before its turn, it costs nothing.
        """
        return asyncio.wrap_future(self._workers.submit(function, *arguments))

    def answering(self, function: Callable, *arguments: object) -> asyncio.Future:
        """`in_thread` of a function that makes an answer, for which no photo waits to be decoded."""
        return asyncio.wrap_future(self._answerers.submit(function, *arguments))

    def late(self) -> str:
        """What whoever sent a request is told that was not answered in time."""
        return f"No answer after {self.limits.timeout:g} seconds: ask again later, or send fewer photos."

    async def fetched(self, function: Callable, *arguments: object) -> object:
        """Call a function that waits for another server, in a thread that no other work waits for.

        Args:
            function: to call. It has to end by itself: whoever awaits it may give up before.
            arguments: of it.

        Returns:
            What it gives.
        """
        return await asyncio.wrap_future(self._fetchers.submit(function, *arguments))

    async def in_time(self, request: object, work: Sequence[Awaitable], seconds: float, late: str) -> list:
        """What some pieces of work give that go on side by side, if they all end in time.

        Args:
            request: of Starlette, whose body has been read.
            work: futures or coroutines; what has not ended when this does is dropped.
            seconds: that they may take.
            late: one sentence for whoever sent the request if they take more.

        Returns:
            For each its result, or the exception that it raised.

        Raises:
            Refused: 503, they take more.
            Gone: the client has hung up.
        """
        futures = [asyncio.ensure_future(one) for one in work]
        everything = asyncio.gather(*futures, return_exceptions=True)
        gone = asyncio.ensure_future(_hung_up(request))
        try:
            done, _ = await asyncio.wait({everything, gone}, timeout=max(0.0, seconds),
                                         return_when=asyncio.FIRST_COMPLETED)
            if everything in done:
                return everything.result()
            if gone in done:
                raise Gone
            raise busy(late)
        finally:
            for future in (gone, *futures):  # what has not begun by now never will
                future.cancel()

    async def found(self, request: object, key: tuple, photos: Sequence[np.ndarray],
                    until: float | None = None) -> list:
        """What the network tells of the photos of a request.

        Args:
            request: of Starlette, whose body has been read.
            key: as for `ServedModel.run`.
            photos: each uint8 [H, W, 3].
            until: `time.monotonic()` at which it is late; None: --timeout from now on.

        Returns:
            For each photo what `ServedModel.run` gives, or the Refused that tells why there is none.

        Raises:
            Refused: 503, the queue is full, or the network does not come to the photos in time.
            Gone: the client has hung up.
        """
        self.check_ready()
        futures = [asyncio.wrap_future(future) for future in self.queue.submit(key, photos)]
        left = self.limits.timeout if until is None else until - time.monotonic()
        results = await self.in_time(request, futures, left, self.late())
        return [_refusal(result) if isinstance(result, Exception) else result for result in results]


def _refusal(error):
    """The Refused of what the network raised over a photo; what is no user's fault goes to the log."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, UserError):
        return Refused(422, str(error))
    LOG.error("The network failed on a photo", exc_info=error)
    return Refused(500, f"The network failed on a photo ({type(error).__name__}: {error}): the server's log has more.")


async def _hung_up(request):
    """Return when the client hangs up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
