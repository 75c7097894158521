"""What all routes share: the queue in front of the model, the limits, threads for the work around it, and metrics."""

import asyncio
import functools
import logging
import os
from collections.abc import Callable, Sequence

import anyio
import numpy as np

from mrcnn.errors import UserError
from mrcnn.serving.batching import BatchQueue
from mrcnn.serving.limits import Limits
from mrcnn.serving.metrics import Metrics
from mrcnn.serving.refusals import Gone, Refused, busy
from mrcnn.serving.served import ServedModel

LOG = logging.getLogger("mrcnn.serving")


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
        self.metrics = Metrics(lambda: len(self.queue), lambda: self.ready)
        self.queue = BatchQueue(served.run, limits, self.metrics.batch)
        self._threads = None

    def start(self) -> None:
        """Start the network's thread, which warms the network up first."""
        # Decoding and encoding take a core each, and memory for a whole photo: no more at once than there are cores.
        self._threads = anyio.CapacityLimiter(os.cpu_count() or 1)
        self.queue.start(self._warm)

    def close(self) -> None:
        """Answer what waits, and take no more."""
        self.ready, self.state = False, "the server is ending"
        self.queue.close()

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

    async def in_thread(self, function: Callable, *arguments: object) -> object:
        """Call a function that takes time in one of a few threads.

        Args:
            function: to call.
            arguments: of it.

        Returns:
            What it gives.
        """
        return await anyio.to_thread.run_sync(functools.partial(function, *arguments), limiter=self._threads)

    async def found(self, request: object, key: tuple, photos: Sequence[np.ndarray]) -> list:
        """What the network tells of the photos of a request.

        Args:
            request: of Starlette, whose body has been read.
            key: as for `ServedModel.run`.
            photos: each uint8 [H, W, 3].

        Returns:
            For each photo what `ServedModel.run` gives, or the Refused that tells why there is none.

        Raises:
            Refused: 503, the queue is full, or the network does not come to the photos in time.
            Gone: the client has hung up.
        """
        self.check_ready()
        futures = [asyncio.wrap_future(future) for future in self.queue.submit(key, photos)]
        everything = asyncio.gather(*futures, return_exceptions=True)
        gone = asyncio.ensure_future(_hung_up(request))
        try:
            done, _ = await asyncio.wait({everything, gone}, timeout=self.limits.timeout,
                                         return_when=asyncio.FIRST_COMPLETED)
            if everything in done:
                return [_refusal(result) if isinstance(result, Exception) else result for result in everything.result()]
            if gone in done:
                raise Gone
            raise busy(f"No answer after {self.limits.timeout:g} seconds: ask again later, or send fewer photos.")
        finally:
            for future in (gone, *futures):  # what has not begun by now never will
                future.cancel()

    async def all_found(self, request: object, key: tuple, photos: Sequence[np.ndarray]) -> list:
        """`found`, where a fault in one photo is one of the request.

        Args:
            request, key, photos: as for `found`.

        Returns:
            For each photo what `ServedModel.run` gives.

        Raises:
            Refused: as `found`, and the first photo's fault.
        """
        results = await self.found(request, key, photos)
        for result in results:
            if isinstance(result, Refused):
                raise result
        return results


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
