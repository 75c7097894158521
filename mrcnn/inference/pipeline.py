"""Any number of photos through a network, read and placed ahead of it, finished and written behind it, all at once.

The network runs in the thread that asks for the results. Threads before it read photos and place them on canvases;
threads behind it paste masks, draw and write. How far they may be apart is bounded, by photos and by memory.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mrcnn.errors import DataError

READERS, WRITERS = 2, 2  # threads before the network and behind it
MEMORY = 1 << 29  # bytes of photos that are held at once, if there are several; larger ones go one by one


@dataclasses.dataclass(frozen=True)
class Steps:
    """The way of a photo through a network, in three steps.

    Args:
        place: photo uint8 [H, W, 3] -> what the network takes of it; from any thread.
        look: list of what `place` gave -> iterator of (index in the list, what the network says of it), in any order.
        finish: (photo, what the network says of it) -> the result; from any thread.
    """

    place: Callable
    look: Callable
    finish: Callable


def steps_of(model: object, method: str, steps: str, **options: object) -> Steps:
    """The steps of a method of a model that gives a result for each of a list of photos.

    Args:
        model: any that has the method; one whose class brings the method and not the steps, as a subclass that detects
            in a way of its own, gets the whole call as its middle step.
        method: name of the method, as "detect".
        steps: name of the method that gives its steps, as "detection_steps".
        **options: of either.

    Returns:
        The steps.
    """
    if in_step(model, method, steps):
        return getattr(model, steps)(**options)
    return whole(getattr(model, method), **options)


def in_step(model: object, method: str, steps: str) -> bool:
    """Whether the steps of a model are those of its method: the class that brings one brings the other.

    Args:
        model, method, steps: as for `steps_of`.
    """
    first, second = ([kind for kind in type(model).__mro__ if name in vars(kind)][:1] for name in (method, steps))
    return bool(first) and first == second and method not in vars(model)


def whole(call: Callable, **options: object) -> Steps:
    """A call that gives a result for each of a list of photos, as the middle one of three steps.

    Args:
        call: the function.
        **options: of it.

    Returns:
        The steps.
    """
    return Steps(place=lambda image: image, look=lambda images: enumerate(call(images, **options)),
                 finish=lambda image, result: result)


def through(batches: Sequence[Sequence], read: Callable, steps: Steps, write: Callable,
            readers: int = READERS) -> Iterator[tuple[object, object, DataError | None]]:
    """Take photos through a network.

    Args:
        batches: the photos, by whatever stands for each; the network looks at those of a batch together.
        read: function from what stands for a photo to uint8 [H, W, 3]; its DataErrors are that photo's alone, and are
            given back.
        steps: of the network.
        write: function (what stands for the photo, photo, result), called in any order; what it raises ends all.
        readers: threads that read; 1 for a source that cannot be read by several.

    Yields:
        (what stands for the photo, what `write` gave, None) or (what stands for it, None, the error of `read`), in the
        order of the photos.
    """
    def before(item):
        try:
            image = read(item)
        except DataError as error:
            return None, None, error
        return image, steps.place(image), None

    def after(item, image, seen):
        return write(item, image, steps.finish(image, seen))

    with _threads(readers) as front, _threads(WRITERS) as back:
        ahead, behind = _Ahead(front, before, [item for batch in batches for item in batch]), collections.deque()
        for batch in batches:
            loaded = ahead.take(len(batch))
            ahead.fill(readers + len(batch), held=len(batch) + len(behind))
            good = [index for index, (_, _, error) in enumerate(loaded) if error is None]
            written = {index: None for index in range(len(batch))}
            for place, seen in steps.look([loaded[index][1] for index in good]) if good else ():
                index = good[place]
                written[index] = back.submit(after, batch[index], loaded[index][0], seen)
            behind += [(item, written[index], loaded[index][2]) for index, item in enumerate(batch)]
            loaded.clear()
            yield from _finished(behind, min(WRITERS + len(batch), ahead.room()))
        yield from _finished(behind, 0)


def _finished(behind, most):
    """Yield the first of what is being written, until `most` are left."""
    while len(behind) > max(0, most):
        item, written, error = behind.popleft()
        yield item, None if written is None else written.result(), error


class _Ahead:
    """Photos that are read ahead.

    Args:
        pool: of the threads.
        before: function that reads one: (photo or None, what the network takes, error or None).
        items: what stands for them.
    """

    def __init__(self, pool, before, items):
        self._pool, self._before, self._items = pool, before, iter(items)
        self._waiting, self._largest = collections.deque(), 1

    def room(self):
        """Number of photos, as large as the largest so far, that memory is for."""
        return MEMORY // self._largest

    def fill(self, most, held):
        """Read on until `most` photos are ahead, or less, so that with `held` others there is room for them."""
        while len(self._waiting) < min(most, self.room() - held) and self._next():
            pass

    def take(self, count):
        """List of what `before` gave of the next photos."""
        taken = []
        for _ in range(count):
            if not self._waiting:
                self._next()
            taken.append(self._waiting.popleft().result())
            image = taken[-1][0]
            self._largest = max(self._largest, 1 if image is None else np.asarray(image).nbytes)
            self.fill(count - len(taken), held=len(taken))
        return taken

    def _next(self):
        for item in self._items:
            self._waiting.append(self._pool.submit(self._before, item))
            return True
        return False


@contextlib.contextmanager
def _threads(count):
    """A pool of threads; what they have not begun at the end of the block is left."""
    pool = concurrent.futures.ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
