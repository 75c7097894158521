"""New weights: drawn from a seed, and what drew them, which a checkpoint tells, so that they can be drawn again."""

import contextlib
import random
from collections.abc import Iterator

import keras

from mrcnn.config import Settings
from mrcnn.training.devices import on_processor
from mrcnn.weights.files import KerasLayers, LoadReport


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw the weights of networks that are built within from a seed.

    Keras draws the seeds of new weights from Python's generator, which the caller gets back as it was.
    """
    generator = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(generator)


def drawn_by(config: Settings) -> str:
    """Tell what draws new weights here: of one seed each backend and kind of device draws other numbers."""
    device = "a processor" if on_processor() else "an accelerator"
    return f"{keras.backend.backend()} on {device}, SEED={config.SEED}"


def drawn_by_after(before: str | None, written: dict, stored: dict, report: LoadReport) -> str | None:
    """Tell what drew the weights that a network began with, after it has loaded a file.

    Args:
        before: what drew those that it had; None: that is not known.
        written: what the file says of itself, as `mrcnn.weights.files.read_attributes` reads it.
        stored: {layer: weights} of the file.
        report: of the loading.

    Returns:
        What `drawn_by` told when they were drawn; None where that is not known, or of several networks.
    """
    if written["config"] is None and not isinstance(stored, KerasLayers):
        return before  # of others, who keep trained weights
    theirs = written["drawn_by"]
    if report.whole:
        return theirs
    # A network of other layers draws other numbers for each of them.
    same = before == theirs and not (report.missing or report.copied or report.unused or report.mismatched)
    return theirs if same else None
