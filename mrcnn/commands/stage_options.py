"""Stages of training as the option --stages has them, and texts between commas."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from mrcnn.errors import UsageError

STAGES_EXAMPLE = "heads:20:1e-3:none,all:20:1e-4"


class Stage(NamedTuple):
    """One stage of training.

    Args:
        layers: which.
        last_epoch: up to which epoch, counted from the start of the run.
        learning_rate: at what rate.
        augment: name of its augmentation; None: that of the run.
    """

    layers: str
    last_epoch: int
    learning_rate: float
    augment: str | None = None


def between_commas(text: str) -> list[str]:
    """The texts between the commas that are not within brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[({") - (letter in "])}")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def parse_stages(text: str) -> list[Stage]:
    """Stages from "layers:epochs:rate,layers:epochs:rate:augmentation"; epochs are each stage's own.

    Args:
        text: of --stages; layers may be a regular expression, with colons, and with commas within brackets.

    Returns:
        list of Stage.

    Raises:
        UsageError: for anything else. Whether there is such an augmentation is not looked at.
    """
    stages, last_epoch = [], 0
    for part in between_commas(str(text)):
        pieces = part.rsplit(":", 3)
        augment = None if len(pieces) < 4 or _is_number(pieces[3]) else pieces.pop()
        try:
            layers, epochs, rate = pieces if augment else part.rsplit(":", 2)
            epochs, rate = int(epochs), float(rate)
            re.compile(layers)
        except (ValueError, re.error):
            layers = ""
        if not layers or epochs < 1 or not 0 < rate < math.inf or augment == "":
            commas = " Commas outside brackets part stages." if "," in str(text) else ""
            raise UsageError(
                f"--stages {text}: {part!r} is not layers:epochs:learning-rate, :augmentation behind it if need be."
                f"{commas} Example: {STAGES_EXAMPLE} (layers: heads, 3+, 4+, 5+, all, attributes or a regex)."
            )
        last_epoch += epochs
        stages.append(Stage(layers, last_epoch, rate, augment))
    return stages


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def stages_text(stages: Sequence[Stage]) -> str:
    """Stages as --stages takes them."""
    starts = [0] + [stage.last_epoch for stage in stages]
    return ",".join(
        f"{stage.layers}:{stage.last_epoch - start}:{stage.learning_rate:.4g}"
        + (f":{stage.augment}" if stage.augment else "")
        for stage, start in zip(stages, starts)
    )
