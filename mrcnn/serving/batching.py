"""A bounded queue in front of the network: what waits together goes through it together, in one thread."""

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future

import numpy as np

from mrcnn.serving.limits import Limits
from mrcnn.serving.refusals import Refused, busy


@dataclasses.dataclass
class Job:
    """One photo that waits.

    Args:
        key: of what is asked; jobs of one key may go through the network together.
        photo: uint8 [H, W, 3].
        future: that gets what was found; cancelled when nobody waits for it.
        since: time.monotonic() when it came.
    """

    key: Hashable
    photo: np.ndarray
    future: Future = dataclasses.field(default_factory=Future)
    since: float = dataclasses.field(default_factory=time.monotonic)


class BatchQueue:
    """Photos that wait for the network, first come first served.

    Args:
        run: (key, list of photos) -> list of results; called in one thread only.
        limits: of the queue and the batches.
        told: called with the number of photos of each batch.
    """

    def __init__(self, run: Callable[[Hashable, list], Sequence], limits: Limits,
                 told: Callable[[int], None] = lambda count: None):
        self.run, self.limits, self.told = run, limits, told
        self._waiting, self._changed, self._open = deque(), threading.Condition(), True
        self._thread = threading.Thread(target=self._work, name="network", daemon=True)

    def start(self, before: Callable[[], None] = lambda: None) -> None:
        """Start the thread.

        Args:
            before: what it does before the first photo, as warming the network up.
        """
        self._before = before
        self._thread.start()

    def __len__(self) -> int:
        """Photos that wait."""
        return len(self._waiting)

    def submit(self, key: Hashable, photos: Sequence[np.ndarray]) -> list[Future]:
        """Let photos wait for the network: all of them or none.

        Args:
            key: of what is asked.
            photos: each uint8 [H, W, 3].

        Returns:
            A Future for each photo. A job whose Future is cancelled before its turn costs nothing.

        Raises:
            Refused: 413, there are more than the queue holds; 503, the queue is full, or the server ends.
        """
        jobs = [Job(key, photo) for photo in photos]
        if len(jobs) > self.limits.queue:
            raise Refused(413, f"{len(jobs)} photos at once, the queue holds {self.limits.queue}: send them in "
                               "several requests.")
        with self._changed:
            if not self._open:
                raise busy("The server is ending: ask again in a moment.")
            if len(self._waiting) + len(jobs) > self.limits.queue:
                raise busy(f"{len(self._waiting)} photos wait already, {self.limits.queue} may: ask again in a moment.")
            self._waiting.extend(jobs)
            self._changed.notify_all()
        for job in jobs:
            job.future.add_done_callback(self._let_go)
        return [job.future for job in jobs]

    def _let_go(self, future):
        """Take the photo of a cancelled future out of those that wait: it may be long until its turn."""
        if future.cancelled():
            with self._changed:
                self._waiting = deque(job for job in self._waiting if job.future is not future)

    def close(self) -> None:
        """Take no more photos, and return when those that wait are answered."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self):
        self._before()
        while batch := self._next():
            self.told(len(batch))
            self._answer(batch)
            del batch  # its photos would stay here until there is another

    def _next(self):
        """The jobs that go together next; none at the end."""
        with self._changed:
            batch = []
            while not batch:
                while not self._waiting and self._open:
                    self._changed.wait()
                if not self._waiting:
                    return []
                key, until = self._waiting[0].key, self._waiting[0].since + self.limits.wait
                while self._open and self._like(key) < self.limits.batch_size:
                    left = until - time.monotonic()
                    if left <= 0 or not self._changed.wait(left):
                        break
                batch = self._taken(key)
            return batch

    def _like(self, key):
        return sum(job.key == key for job in self._waiting)

    def _taken(self, key):
        """Jobs of a key, the first ones, taken out of those that wait; cancelled ones are dropped on the way."""
        batch, others = [], deque()
        for job in self._waiting:
            if job.key != key or len(batch) == self.limits.batch_size:
                others.append(job)
            elif job.future.set_running_or_notify_cancel():
                batch.append(job)
        self._waiting = others
        return batch

    def _answer(self, batch):
        """Run a batch. If it fails, each photo is run alone: a fault in one is not the others'."""
        try:
            results = self.run(batch[0].key, [job.photo for job in batch])
        except Exception as error:  # whatever a network raises belongs to the request
            if len(batch) == 1:
                batch[0].future.set_exception(error)
                return
            for job in batch:
                self._answer([job])
            return
        for job, result in zip(batch, results, strict=True):
            job.future.set_result(result)
