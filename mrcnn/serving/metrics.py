"""What the server counts, as Prometheus reads it (text format 0.0.4)."""

import bisect
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
PHOTOS = (1, 2, 4, 8, 16, 32)


class Counter:
    """A number that grows, for each set of labels.

    Args:
        name, text: of the metric.
        labels: names of its labels.
    """

    kind = "counter"

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()):
        self.name, self.text, self.labels = name, text, tuple(labels)
        self._values, self._lock = defaultdict(float), threading.Lock()

    def add(self, *labels: str, amount: float = 1) -> None:
        """Add to the number of some values of the labels."""
        with self._lock:
            self._values[labels] += amount

    def lines(self) -> list[str]:
        """The samples."""
        with self._lock:
            values = dict(self._values) or ({} if self.labels else {(): 0.0})
        return [f"{self.name}{_braces(self.labels, labels)} {_written(value)}"
                for labels, value in sorted(values.items())]


class Histogram:
    """How values are spread, for each set of labels.

    Args:
        name, text: of the metric.
        bounds: upper ends of the buckets, rising.
        labels: names of its labels.
    """

    kind = "histogram"

    def __init__(self, name: str, text: str, bounds: Sequence[float], labels: Sequence[str] = ()):
        self.name, self.text, self.bounds, self.labels = name, text, tuple(bounds), tuple(labels)
        self._rows, self._lock = {}, threading.Lock()

    def add(self, value: float, *labels: str) -> None:
        """Count a value."""
        with self._lock:
            counts, total = self._rows.get(labels, ([0] * (len(self.bounds) + 1), 0.0))
            counts[bisect.bisect_left(self.bounds, value)] += 1
            self._rows[labels] = counts, total + value

    def lines(self) -> list[str]:
        """The samples: cumulative buckets, sum and count."""
        with self._lock:
            rows = {labels: (list(counts), total) for labels, (counts, total) in self._rows.items()}
        lines = []
        for labels, (counts, total) in sorted(rows.items()):
            seen = 0
            for bound, count in zip((*self.bounds, float("inf")), counts):
                seen += count
                end = "+Inf" if bound == float("inf") else _written(bound)
                lines.append(f"{self.name}_bucket{_braces((*self.labels, 'le'), (*labels, end))} {seen}")
            lines.append(f"{self.name}_sum{_braces(self.labels, labels)} {_written(round(total, 6))}")
            lines.append(f"{self.name}_count{_braces(self.labels, labels)} {seen}")
        return lines


class Gauge:
    """A number of the moment.

    Args:
        name, text: of the metric.
        read: gives it.
    """

    kind = "gauge"

    def __init__(self, name: str, text: str, read: Callable[[], float]):
        self.name, self.text, self.read = name, text, read

    def lines(self) -> list[str]:
        """The sample."""
        return [f"{self.name} {_written(self.read())}"]


class Metrics:
    """The metrics of the server.

    Args:
        waiting: gives the number of photos that wait.
        ready: tells whether the model can be asked.
    """

    def __init__(self, waiting: Callable[[], int], ready: Callable[[], bool]):
        self.requests = Counter("mrcnn_requests_total", "Requests answered.", ("route", "status"))
        self.hung_up = Counter("mrcnn_hung_up_total", "Requests whose client hung up before the answer.")
        self.photos = Counter("mrcnn_photos_total", "Photos that went through the network.")
        self.seconds = Histogram("mrcnn_request_seconds", "Seconds from a request's first byte to its answer.", SECONDS,
                                 ("route",))
        self.batches = Histogram("mrcnn_batch_photos", "Photos of a batch.", PHOTOS)
        self.all = (self.requests, self.hung_up, self.photos, self.seconds, self.batches,
                    Gauge("mrcnn_queue_photos", "Photos that wait for the network.", waiting),
                    Gauge("mrcnn_ready", "1 when the model can be asked.", lambda: float(ready())))

    def batch(self, count: int) -> None:
        """Count a batch of so many photos."""
        self.photos.add(amount=count)
        self.batches.add(count)

    def text(self) -> str:
        """All metrics as Prometheus reads them."""
        lines = []
        for metric in self.all:
            lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} {metric.kind}", *metric.lines()]
        return "\n".join(lines) + "\n"


def _written(value):
    """A number with all its digits: with six of them a counter stands still from a million on."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _braces(names, values):
    """{name="value",...} of labels."""
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values))
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value):
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
