"""What `tune` searches: the values that --search names, and stages with other rates."""

from __future__ import annotations

import itertools
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


def refuse_idle(search: Sequence[Search], config_of: Callable[[dict], Settings]) -> None:
    """Refuse a search among trials that cannot differ, one of which would be called the best.

    Args:
        search: what is searched.
        config_of: function from {setting: value} to the settings of a trial with these.

    Raises:
        UsageError: naming the setting and the reason.
    """
    for one in search:
        if one.name in IDLE:
            raise UsageError(f"--search {one.name}: {IDLE[one.name]}, so that the trials would not differ: leave it "
                             "out.")
        others = [other for other in search if other is not one]
        told = []
        for values in itertools.product(_ends(one), *map(_ends, others)):
            names = (one.name, *(other.name for other in others))
            told.append(_no_effect(one.name, config_of(dict(zip(names, values, strict=True)))))
        if all(told):
            raise UsageError(f"--search {one.name}: the trials would not differ: {told[0]}")


def _ends(one):
    """The choices of a search, or the ends of its range."""
    return [parse_setting(f"{one.name}={choice}")[1] for choice in one.choices] or [one.low, one.high]


def _no_effect(name, config):
    """Why a setting has no effect beside the others of a trial; None where it has one."""
    from mrcnn.config_rules import PASSED_OVER  # with which numpy comes
    from mrcnn.config_unused import why_unused

    if name == "VALIDATION_STEPS" and config.LR_SCHEDULE != "plateau":
        return "VALIDATION_STEPS steers nothing but LR_SCHEDULE=plateau; leave it out, or set LR_SCHEDULE=plateau."
    geometry = getattr(config, "GEOMETRY", None)
    if name in PASSED_OVER.get(geometry, {}):
        other = next(one for one in PASSED_OVER if one != geometry)
        return f"GEOMETRY={geometry} passes over {name}; leave it out, or set GEOMETRY={other}."
    return why_unused(name, config)


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
