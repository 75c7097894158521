"""What `tune` searches: the values that --search names, and stages with other rates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from mrcnn.commands.options import parse_setting
from mrcnn.commands.stage_options import Stage, between_commas, parse_stages
from mrcnn.errors import UsageError

if TYPE_CHECKING:
    import optuna

    from mrcnn.config import Settings

SEARCH_HINT = "write NAME=low:high, NAME=low:high:log or NAME=a,b,c, for example LEARNING_RATE=1e-4:1e-2:log"


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
