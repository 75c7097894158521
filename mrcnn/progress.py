"""How far long work is: a bar on a terminal, a line a minute in a log."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator

LINE_EVERY = 60.0  # seconds; what takes less than that leaves no line in a log


@contextlib.contextmanager
def progress_bar(what: str, unit: str = "", shown: bool = True, stream: object = None) -> Iterator[Callable]:
    """A function (done, total) to call as work goes on, which shows how far it is, how fast, and what time remains.

    On a terminal it draws a bar, by rich. Elsewhere, as in a log file or a notebook, it writes one line a minute at
    most, so that short work is silent there and long work shows that it lives.

    Args:
        what: text in front, as "Detecting".
        unit: of the numbers: "" for things, "B" for bytes; any other name, as "photos", stands with the speed.
        shown: False shows nothing.
        stream: to write to; None is stderr, as progress is no result.
    """
    stream = sys.stderr if stream is None else stream
    if not shown or stream is None:
        yield lambda done, total: None
    elif not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield log_lines(what, unit, stream)
    else:
        with _bar(unit, stream) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar(unit, stream):
    """The bar of rich, which comes with Keras."""
    from rich import progress
    from rich.console import Console
    from rich.text import Text

    class Speed(progress.ProgressColumn):
        def render(self, task):
            return Text(_speed(task.finished_speed or task.speed, unit), style="progress.data.speed")

    class Count(progress.ProgressColumn):
        def render(self, task):
            return Text(_count(task.completed, task.total, unit), style="progress.download")

    return progress.Progress(
        progress.TextColumn("{task.description}"), progress.BarColumn(24), Count(), Speed(),
        progress.TimeRemainingColumn(elapsed_when_finished=True),
        # Otherwise rich would move what is printed meanwhile from stdout, which may be a file, to the bar's stream.
        console=Console(file=stream), redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )


@contextlib.contextmanager
def steering_terminal() -> Iterator[None]:
    """A block that moves the cursor itself, as Keras' bar does: what keeps names from doing so stands aside."""
    beneath = getattr(sys.stdout, "beneath", None)  # of what the commands put in front of it
    with contextlib.redirect_stdout(sys.stdout if beneath is None else beneath):
        yield


def draws_bars() -> bool:
    """Whether stdout is a terminal or a notebook, where a bar can be drawn over and over."""
    return "ipykernel" in sys.modules or (sys.stdout is not None and sys.stdout.isatty())


def log_lines(what: str, unit: str, stream: object) -> Callable[[int, int | None], None]:
    """What `progress_bar` gives in a log: a function (done, total) that writes a line a minute at most."""
    began = last = time.monotonic()
    told = False

    def show(done, total):
        nonlocal last, told
        now = time.monotonic()
        ended = told and done == total
        if not ended and now - last < LINE_EVERY:
            return
        last, told, speed, parts = now, True, done / max(now - began, 1e-9), [f"{what} {_count(done, total, unit)}"]
        if speed:
            parts.append(_speed(speed, unit))
        if ended:
            parts.append(f"took {_time(now - began)}")
        elif speed and total is not None:
            parts.append(f"{_time((total - done) / speed)} left")
        print(", ".join(parts), file=stream, flush=True)

    return show


def _count(done, total, unit):
    if unit == "B":
        return f"{done / 1e6:.1f} MB" if total is None else f"{done / 1e6:.1f}/{total / 1e6:.1f} MB"
    return f"{done:.0f}" if total is None else f"{done:.0f}/{total:.0f}"


def _speed(speed, unit):
    if not speed:
        return ""
    if unit == "B":
        return f"{speed / 1e6:.1f} MB/s"
    if unit:
        return f"{speed:.1f} {unit}/s" if speed >= 1 else f"{speed:.2f} {unit}/s"
    return f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each"


def _time(seconds):
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
