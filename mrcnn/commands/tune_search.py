"""What `tune` searches: the values that --search names, and stages with other rates."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mrcnn.commands.options import parse_setting
from mrcnn.commands.stage_options import Stage, between_commas, parse_stages
from mrcnn.errors import UsageError

if TYPE_CHECKING:
    import optuna

    from mrcnn.config import Settings

SEARCH_HINT = "write NAME=low:high, NAME=low:high:log or NAME=a,b,c, for example LEARNING_RATE=1e-4:1e-2:log"


# Settings that make no difference to the figure of a trial, or that a trial has of elsewhere: {name: why}.
IDLE = {
    "DETECTION_MIN_CONFIDENCE": "trials are measured on objects of a score of 0.05 or more, and the best score is told "
                                "at the end",
    "ATTRIBUTE_MIN_CONFIDENCE": "the figure does not count attributes",
    "LABEL_REFINE": "the figure is of what the network says, without refinement",
    **dict.fromkeys(("NAME", "RECIPE", "WORKERS", "GRADIENT_CHECKPOINTING", "COMPUTE_BACKBONE_SHAPE"),
                    "it changes no weight and no figure"),
    "NUM_CLASSES": "it follows the data", "CLASSES": "the data is read once, before the first trial",
    "STAGES": "trials have those of --stages, whose highest rate LEARNING_RATE searches",
}
NEEDS = {  # {name: (setting that it depends on, values of that with which it is read)}
    **dict.fromkeys(("POINT_HEAD_CHANNELS", "POINT_HEAD_SUBDIVISIONS", "POINT_HEAD_TRAINING_POINTS",
                     "POINT_HEAD_INFERENCE_POINTS"), ("MASK_HEAD", ("points",))),
    **dict.fromkeys(("LR_PLATEAU_FACTOR", "LR_PLATEAU_PATIENCE", "VALIDATION_STEPS"), ("LR_SCHEDULE", ("plateau",))),
    "LR_STEPS": ("LR_SCHEDULE", ("step",)), "LEARNING_MOMENTUM": ("OPTIMIZER", ("sgd",)),
    "MINI_MASK_SHAPE": ("USE_MINI_MASK", (True,)), "CLASS_COUNTS": ("CLASS_LOSS", ("class-balanced", "seesaw")),
}


class Search(NamedTuple):
    """The values that a setting may take: numbers from low to high, or the texts of some choices."""

    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()

    def suggest(self, trial: optuna.Trial) -> object:
        """The value that an Optuna trial takes."""
        if self.choices:
            return parse_setting(f"{self.name}={trial.suggest_categorical(self.name, list(self.choices))}")[1]
        kind = trial.suggest_int if isinstance(self.low, int) else trial.suggest_float
        return kind(self.name, self.low, self.high, log=self.log)


def parse_search(text: str, config: type[Settings]) -> Search:
    """A Search from NAME=low:high, NAME=low:high:log or NAME=a,b,c.

    Args:
        text: of --search.
        config: class that knows the setting.

    Raises:
        UsageError: for anything else.
        ConfigError: for a setting that does not exist or a value that it cannot take.
    """
    name, sign, values = (part.strip() for part in text.partition("="))
    if not sign or not name or not values:
        raise UsageError(f"--search {text}: {SEARCH_HINT}.")
    default = getattr(config(**{name: getattr(config(), name, None)}), name)
    parts = values.split(":")
    if len(parts) == 1:
        choices = _choices(text, values)
        for choice in choices:  # before hours have passed
            config(**dict([parse_setting(f"{name}={choice}")]))
        return Search(name, choices=choices)
    try:
        low, high = (float(part) for part in parts[:2])
    except ValueError:
        low = high = math.nan
    log = parts[2:] == ["log"]
    if not -math.inf < low < high < math.inf or (parts[2:] and not log) or (log and low <= 0):
        raise UsageError(f"--search {text}: {SEARCH_HINT}; low is below high, and above 0 with log.")
    if isinstance(default, bool) or not isinstance(default, (int, float, type(None))):
        raise UsageError(f"--search {text}: {name} is no number but {default!r}; list the values, NAME=a,b,c.")
    if isinstance(default, int) and low == int(low) and high == int(high):
        low, high = int(low), int(high)
    low, high = (getattr(config(**{name: end}), name) for end in (low, high))  # whole where the setting is
    return Search(name, low, high, log)


def refuse_idle(search: Sequence[Search], value_of: Callable[[str], object]) -> None:
    """Refuse a search among trials that cannot differ, one of which would be called the best.

    Args:
        search: what is searched.
        value_of: function from the name of a setting to the value that trials begin with.

    Raises:
        UsageError: naming the setting and the reason.
    """
    from mrcnn.config_rules import PASSED_OVER  # with which numpy comes

    needs = {**dict.fromkeys(PASSED_OVER["matterport"], ("GEOMETRY", ("exact",))),
             **dict.fromkeys(PASSED_OVER["exact"], ("GEOMETRY", ("matterport",))), **NEEDS}
    values = {one.name: [parse_setting(f"{one.name}={choice}")[1] for choice in one.choices] for one in search}
    for one in search:
        if one.name in IDLE:
            raise UsageError(f"--search {one.name}: {IDLE[one.name]}, so that the trials would not differ: leave it "
                             "out.")
        other, needed = needs.get(one.name, (None, ()))
        if other and not any(value in needed for value in values.get(other) or [value_of(other)]):
            with_it = f"{other}={_plain(needed[0])}"
            raise UsageError(f"--search {one.name}: it is read with {with_it} alone, so that the trials would not "
                             f"differ: add --set {with_it}, or leave it out.")


def _plain(value):
    """A setting as --set reads it."""
    return value if isinstance(value, str) else json.dumps(value)


def _choices(text, values):
    choices = tuple(between_commas(values))
    if len(set(choices)) < 2 or not all(choices):
        raise UsageError(f"--search {text}: give two or more values between commas; {SEARCH_HINT}.")
    return choices


def scaled_stages(text: str, rate: float | None = None, epochs: int | None = None) -> list[Stage]:
    """Stages of which the highest rate is `rate`, the others in proportion, and which end after `epochs` in all."""
    stages = parse_stages(text)
    factor = 1 if rate is None else rate / max(stage.learning_rate for stage in stages)
    stages = [stage._replace(last_epoch=min(stage.last_epoch, epochs or math.inf),
                             learning_rate=stage.learning_rate * factor) for stage in stages]
    starts = [0] + [stage.last_epoch for stage in stages]
    return [stage for stage, start in zip(stages, starts) if stage.last_epoch > start]
