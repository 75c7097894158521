"""Signals that ask the program to end: they end a command as Ctrl-C does, wherever they find it."""

import _thread
import contextlib
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from types import FrameType

PATIENCE = 0.2  # seconds between two looks at whether what was raised is still on its way


class Ended(KeyboardInterrupt):
    """A signal that asks the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextlib.contextmanager
def ending_signals() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP raise `Ended` in the block, so that it tidies up; handlers of others stay.

    Python drops what a handler raises in a callback of its own, as JAX has one of the garbage collector, and Keras
    passes over any exception where it asks for a dynamic shape. An exception that is gone, while the block goes on, is
    raised again; one that somebody handles or keeps is not. An error after one is gone is taken for its consequence.
    """
    numbers = {getattr(signal, name): default for name, default in (
        ("SIGINT", signal.default_int_handler), ("SIGTERM", signal.SIG_DFL), ("SIGHUP", signal.SIG_DFL),
    ) if hasattr(signal, name)}
    if threading.current_thread() is not threading.main_thread():
        numbers = {}
    numbers = {number: default for number, default in numbers.items() if signal.getsignal(number) is default}
    end, report = _Raising(), sys.unraisablehook
    try:
        sys.unraisablehook = lambda lost: isinstance(lost.exc_value, Ended) or report(lost)
        for number in numbers:
            signal.signal(number, end)
        yield
    except Exception as error:
        if end.lost():
            raise Ended(end.number) from error
        raise
    finally:
        end.left.set()
        sys.unraisablehook = report
        for number, default in numbers.items():
            signal.signal(number, default)


class _Raising:
    """A handler that raises `Ended`, again where that was lost, until `left` is set."""

    def __init__(self):
        self.left = threading.Event()
        self.number = self.raised = None  # of the last signal; a weak reference to what was raised
        self.repeats = False  # whether the next call is of the watch

    def __call__(self, number: int, frame: FrameType | None) -> None:
        repeats, self.repeats = self.repeats, False
        if repeats and not self.lost():
            return
        error, first = Ended(number), self.raised is None
        self.number, self.raised = number, weakref.ref(error)
        if first:
            threading.Thread(target=self._watch, args=(threading.main_thread().ident,), daemon=True).start()
        try:
            raise error
        finally:
            del error  # its traceback has this frame: the two would keep each other

    def lost(self) -> bool:
        """Whether nobody has what was raised any more."""
        return self.raised is not None and self.raised() is None

    def _watch(self, main):
        while not self.left.wait(PATIENCE):
            if self.lost():
                self.repeats = True
                if hasattr(signal, "pthread_kill"):
                    signal.pthread_kill(main, self.number)
                else:
                    _thread.interrupt_main(self.number)
